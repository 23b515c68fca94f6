/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: one table of verbs is parsed, explained, completed and shown from. No I/O but the help text. */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define ARGS_OPERANDS 2 /* most operands of a verb */

struct args;
struct view;

/*
 * What a verb does: a new reference to the value to be shown, or NULL with a malloc'ed line in *error (NULL: no
 * memory).
 */
typedef json_t *(*verb_run)(const struct args *args, char **error);

struct verb {
	const char *noun;
	const char *verb; /* NULL: the noun stands alone */
	const char *operands[ARGS_OPERANDS]; /* names, for the help; all must be given */
	bool takes_all; /* takes --all */
	bool asks_path; /* takes --link, --dscp and --mptcp */
	const char *help;
	const char *method; /* of the daemon's interface; NULL: run here, by run */
	verb_run run;
	const struct view *view; /* how the value is shown as text */
	const char *fails; /* the exit status is 1 when that member of the value is true; NULL: there is none */
	bool takes_command; /* the words behind it are another program's: args.command */
};

/* Ends with a NULL noun. Defined in verbs.c. */
extern const struct verb verbs[];

struct args {
	const struct verb *verb;
	const char *instance; /* NULL: the one that runs */
	bool json;
	bool help;
	bool version;
	const char *operands[ARGS_OPERANDS];
	char *const *command; /* NULL: none was given */
	const char *link;
	int dscp; /* -1: not given */
	bool mptcp;
	bool all;
};

/*
 * Reads argv[1...] into *args, which points into argv. Returns 0, or -EINVAL with a line in error; args->json is right
 * in either case. With args->help or args->version set nothing else counts.
 */
int args_parse(int argc, char *const *argv, struct args *args, char *error, size_t size);
void args_help(FILE *out);
/*
 * Candidates for the word after those given (the program's own name left out), one a line. What only a look at this
 * machine can tell is left to the caller: *instance is the daemon that the words name (NULL: none).
 */
enum args_want { ARGS_WANT_NOTHING, ARGS_WANT_INSTANCES, ARGS_WANT_LINKS };
enum args_want args_complete(int count, char *const *words, const char **instance, FILE *out);

/*
 * "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80": the address into addr
 * (ARGS_ADDRESS bytes), *port -1 when there is none. 0 or -EINVAL.
 */
#define ARGS_ADDRESS 46
int args_endpoint(const char *text, char *addr, int *port);
/* The parameters of `policy explain`; NULL with a line in error when an operand is wrong. */
json_t *args_explain(const struct args *args, char *error, size_t size);

#endif
