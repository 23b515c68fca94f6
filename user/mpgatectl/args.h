/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line: one table of verbs is parsed, explained, completed and shown from. No I/O. */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define ARGS_OPERANDS 2 /* most operands of a verb */

struct args;
struct view;

enum args_option {
	ARGS_INSTANCE,
	ARGS_JSON,
	ARGS_ALL,
	ARGS_LINK,
	ARGS_DSCP,
	ARGS_MPTCP,
	ARGS_SORT,
	ARGS_CLIENT,
	ARGS_SERVER,
	ARGS_PEER,
	ARGS_RULE,
	ARGS_PATH,
	ARGS_VERSION,
	ARGS_HELP,
	ARGS_OPTIONS
};
#define ARGS_BIT(option) (1U << (option))

/* What a word can be, for completion. */
enum args_want {
	ARGS_WANT_NOTHING,
	ARGS_WANT_FILE,
	ARGS_WANT_COMMAND,
	ARGS_WANT_INSTANCE,
	ARGS_WANT_LINK,
	ARGS_WANT_PEER,
	ARGS_WANT_RULE,
	ARGS_WANT_PATH,
	ARGS_WANT_DSCP,
	ARGS_WANT_SORT
};

struct option_info {
	const char *name, *alias; /* alias NULL: none */
	const char *value; /* name of its value, for the help; NULL: it has none */
	enum args_want want; /* what its value is */
	const char *help;
};

/* Defined in args.c. */
extern const struct option_info args_options[ARGS_OPTIONS];

/*
 * What a verb does: a new reference to the value to be shown, or NULL with a malloc'ed line in *error (NULL: no
 * memory).
 */
typedef json_t *(*verb_run)(const struct args *args, char **error);

struct verb {
	const char *noun;
	const char *verb; /* NULL: the noun stands alone */
	const char *operands[ARGS_OPERANDS]; /* names, for the help; all must be given. "FILE" is completed as one */
	unsigned options; /* bits: those that are its own */
	const char *help;
	const char *method; /* of the daemon's interface; NULL: run here, by run */
	/* Its parameters: a new reference, or NULL with a line in error when the command line is wrong. NULL: none. */
	json_t *(*ask)(const struct args *args, char *error, size_t size);
	verb_run run;
	/* Changes the answer as the options ask for; NULL: it stays as it is. */
	void (*shape)(const struct args *args, json_t *value);
	const struct view *view; /* how the value is shown as text */
	/* The array of the value that options choose of: where it is empty the names in them are looked up. NULL: none.
	 */
	const char *chosen;
	const char *fails; /* the exit status is 1 when that member of the value is true; NULL: there is none */
	bool takes_command; /* the words behind it are another program's: args.command */
	bool is_live; /* it has the terminal for itself: nothing is shown, and there is no JSON */
};

/* Ends with a NULL noun. Defined in verbs.c. */
extern const struct verb verbs[];

struct args {
	const struct verb *verb;
	const char *noun; /* with a NULL verb: the one that was given alone, for its verbs */
	const char *instance; /* NULL: the one that runs */
	bool json;
	bool help;
	bool version;
	const char *operands[ARGS_OPERANDS];
	char *const *command; /* NULL: none was given */
	const char *option[ARGS_OPTIONS]; /* as given, "" for one without a value; NULL: not given */
	int dscp; /* -1: not given */
};

/*
 * Reads argv[1...] into *args, which points into argv. Returns 0, or -EINVAL with a line in error; args->json is right
 * in either case. With args->help or args->version set nothing else counts but verb and noun, as far as they were
 * given. With -EINVAL a noun says that its verb is missing or unknown.
 */
int args_parse(int argc, char *const *argv, struct args *args, char *error, size_t size);
/* The option of that name or alias, or -1. */
int args_find_option(const char *word);
/* Whether the verb takes that option; those of all commands count. */
bool args_takes(const struct verb *verb, enum args_option option);

#endif
