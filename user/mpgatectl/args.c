/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mpgatectl/args.h>

#define PORT_MAX 65535
#define DSCP_MAX 63

struct option {
	const char *name, *alias, *value, *help;
};

enum { OPT_INSTANCE, OPT_JSON, OPT_LINK, OPT_DSCP, OPT_MPTCP, OPT_ALL, OPT_VERSION, OPT_HELP };
static const struct option options[] = {
	[OPT_INSTANCE] = { "--instance", "-i", "INSTANCE", "the daemon to ask; needed when several run" },
	[OPT_JSON] = { "--json", NULL, NULL, "one JSON value on standard output, errors included" },
	[OPT_LINK] = { "--link", NULL, "L", "explain: the interface on which the SYN arrives; host: it is our own" },
	[OPT_DSCP] = { "--dscp", NULL, "N", "explain: the code point of the SYN, 0 to 63" },
	[OPT_MPTCP] = { "--mptcp", NULL, NULL, "explain: the SYN speaks MPTCP" },
	[OPT_ALL] = { "--all", NULL, NULL, "flows list: also those that have asked for nothing yet" },
	[OPT_VERSION] = { "--version", NULL, NULL, "the version of this tool" },
	[OPT_HELP] = { "--help", "-h", NULL, "this text" },
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static int number(const char *text, int max)
{
	char *end;
	long value;

	if (*text < '0' || *text > '9')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return *end || errno || value > max ? -1 : (int)value;
}

static bool instance_ok(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

static int find_option(const char *word)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		if (!strcmp(options[i].name, word) || (options[i].alias && !strcmp(options[i].alias, word)))
			return (int)i;
	}
	return -1;
}

static int set_option(struct args *args, int option, const char *value, char *error, size_t size)
{
	switch (option) {
	case OPT_JSON:
		args->json = true;
		break;
	case OPT_HELP:
		args->help = true;
		break;
	case OPT_VERSION:
		args->version = true;
		break;
	case OPT_MPTCP:
		args->mptcp = true;
		break;
	case OPT_ALL:
		args->all = true;
		break;
	case OPT_LINK:
		args->link = value;
		break;
	case OPT_INSTANCE:
		args->instance = value;
		if (instance_ok(value))
			break;
		snprintf(error, size, "'%s' is not the name of an instance", value);
		return -EINVAL;
	case OPT_DSCP:
		args->dscp = number(value, DSCP_MAX);
		if (args->dscp >= 0)
			break;
		snprintf(error, size, "'%s' is not a code point: 0 to %d", value, DSCP_MAX);
		return -EINVAL;
	}
	return 0;
}

/* words[0...count): what is left when the options are taken out. */
static int find_verb(struct args *args, const char *const *words, int count, char *error, size_t size)
{
	const struct verb *v;
	int used = 0, i;

	if (!count) {
		snprintf(error, size, "what to do?");
		return -EINVAL;
	}
	for (v = verbs; v->noun; v++) {
		used = v->verb ? 2 : 1;
		if (!strcmp(v->noun, words[0]) && (!v->verb || (count > 1 && !strcmp(v->verb, words[1]))))
			break;
	}
	if (!v->noun) {
		snprintf(error, size, "unknown command: %s%s%s", words[0], count > 1 ? " " : "",
			 count > 1 ? words[1] : "");
		return -EINVAL;
	}
	for (i = 0; i < ARGS_OPERANDS && v->operands[i]; i++) {
		if (used + i == count) {
			snprintf(error, size, "%s %s: %s is missing", v->noun, v->verb, v->operands[i]);
			return -EINVAL;
		}
		args->operands[i] = words[used + i];
	}
	if (used + i < count || (args->command && !v->takes_command)) {
		snprintf(error, size, "too many words: %s", used + i < count ? words[used + i] : "--");
		return -EINVAL;
	}
	if (v->takes_command && (!args->command || !*args->command)) {
		snprintf(error, size, "%s: COMMAND is missing: %s -- COMMAND", v->noun, v->noun);
		return -EINVAL;
	}
	args->verb = v;
	return 0;
}

int args_parse(int argc, char *const *argv, struct args *args, char *error, size_t size)
{
	const char *words[2 + ARGS_OPERANDS + 1]; /* noun, verb, operands, and one too many */
	int count = 0, err = 0;

	*args = (struct args){ .dscp = -1 };
	for (int i = 1; i < argc; i++) {
		int option = find_option(argv[i]);
		const char *value = option >= 0 && options[option].value ? argv[++i] : "";

		/* What follows is another program's. */
		if (option < 0 && !strcmp(argv[i], "--")) {
			args->command = &argv[i + 1];
			break;
		}
		/* The first fault is told; the rest is read on for --json. */
		if (!value) {
			snprintf(error, size, "%s wants a value: %s", options[option].name, options[option].value);
			return -EINVAL;
		}
		if (option >= 0 && !err) {
			err = set_option(args, option, value, error, size);
		} else if (option == OPT_JSON) {
			args->json = true;
		} else if (option < 0 && *argv[i] == '-' && !err) {
			snprintf(error, size, "unknown option: %s", argv[i]);
			err = -EINVAL;
		} else if (option < 0 && count < 2 + ARGS_OPERANDS + 1) {
			words[count++] = argv[i];
		}
	}
	if (err || args->help || args->version)
		return err;
	err = find_verb(args, words, count, error, size);
	if (!err && (args->link || args->dscp >= 0 || args->mptcp) && !args->verb->asks_path) {
		snprintf(error, size, "--link, --dscp and --mptcp are for policy explain");
		err = -EINVAL;
	}
	if (!err && args->all && !args->verb->takes_all) {
		snprintf(error, size, "--all is for flows list");
		err = -EINVAL;
	}
	return err;
}

/* --- help and completion */

static void verb_usage(const struct verb *v, char *text, size_t size)
{
	int len = snprintf(text, size, "%s%s%s", v->noun, v->verb ? " " : "", v->verb ? v->verb : "");

	for (int i = 0; i < ARGS_OPERANDS && v->operands[i]; i++)
		len += snprintf(text + len, size - len, " %s", v->operands[i]);
	if (v->asks_path)
		snprintf(text + len, size - len, " [--link L] [--dscp N] [--mptcp]");
	if (v->takes_all)
		snprintf(text + len, size - len, " [--all]");
	if (v->takes_command)
		snprintf(text + len, size - len, " -- COMMAND");
}

void args_help(FILE *out)
{
	char text[128];

	fputs("usage: mpgatectl [-i INSTANCE] [--json] NOUN VERB\n\n", out);
	for (const struct verb *v = verbs; v->noun; v++) {
		verb_usage(v, text, sizeof(text));
		fprintf(out, "  %-58s %s\n", text, v->help);
	}
	fputc('\n', out);
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *o = &options[i];

		snprintf(text, sizeof(text), "%s%s%s%s%s", o->alias ? o->alias : "", o->alias ? ", " : "", o->name,
			 o->value ? " " : "", o->value ? o->value : "");
		fprintf(out, "  %-58s %s\n", text, o->help);
	}
}

static void complete_words(const char *noun, bool in_verb, FILE *out)
{
	const char *last = NULL;

	for (const struct verb *v = verbs; v->noun && !in_verb; v++) {
		if (noun && v->verb && !strcmp(noun, v->noun))
			fprintf(out, "%s\n", v->verb);
		else if (!noun && (!last || strcmp(last, v->noun) != 0))
			fprintf(out, "%s\n", v->noun);
		last = v->noun;
	}
}

/* Options of policy explain are shown behind it only. */
static void complete_options(bool asks_path, FILE *out)
{
	for (int i = 0; i < (int)OPTIONS; i++)
		if (asks_path || (i != OPT_LINK && i != OPT_DSCP))
			fprintf(out, "%s\n", options[i].name);
}

enum args_want args_complete(int count, char *const *words, const char **instance, FILE *out)
{
	const char *noun = NULL, *verb = NULL;
	bool asks_path = false;

	*instance = NULL;
	for (int i = 0; i < count; i++) {
		int option = find_option(words[i]);

		if (!strcmp(words[i], "--"))
			return ARGS_WANT_NOTHING;
		if (option >= 0 && options[option].value) {
			if (i + 1 == count)
				return option == OPT_INSTANCE ? ARGS_WANT_INSTANCES
				       : option == OPT_LINK   ? ARGS_WANT_LINKS
							      : ARGS_WANT_NOTHING;
			i++;
			*instance = option == OPT_INSTANCE ? words[i] : *instance;
		} else if (option < 0 && !noun) {
			noun = words[i];
		} else if (option < 0 && !verb) {
			verb = words[i];
		}
	}
	for (const struct verb *v = verbs; verb && v->noun; v++) {
		if (strcmp(v->noun, noun) != 0 || !v->verb || strcmp(v->verb, verb) != 0)
			continue;
		asks_path = v->asks_path;
		/* A file: the shell's own business. */
		if (v->operands[0] && !asks_path)
			return ARGS_WANT_NOTHING;
	}
	complete_words(noun, verb != NULL, out);
	complete_options(asks_path, out);
	return ARGS_WANT_NOTHING;
}

/* --- operands of policy explain */

static int endpoint_family(const char *addr)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, addr, bytes) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, addr, bytes) == 1 ? AF_INET6 : -1;
}

int args_endpoint(const char *text, char *addr, int *port)
{
	bool bracket = *text == '[';
	const char *start = text + bracket;
	const char *end = bracket ? strchr(text, ']') : strchr(text, ':');
	const char *colon = bracket && end ? end + 1 : end;
	char host[ARGS_ADDRESS];
	int number_of = -1;
	size_t len;

	if (bracket && !end)
		return -EINVAL;
	/* Two colons and no bracket: an IPv6 address alone. */
	if (!bracket && end && strchr(end + 1, ':'))
		end = colon = NULL;
	len = end ? (size_t)(end - start) : strlen(start);
	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, start, len);
	host[len] = 0;
	if (colon && *colon) {
		if (*colon != ':' || (number_of = number(colon + 1, PORT_MAX)) < 0)
			return -EINVAL;
	}
	if (endpoint_family(host) < 0 || (bracket && endpoint_family(host) != AF_INET6))
		return -EINVAL;
	strcpy(addr, host);
	*port = number_of;
	return 0;
}

json_t *args_explain(const struct args *args, char *error, size_t size)
{
	char source[ARGS_ADDRESS], destination[ARGS_ADDRESS];
	int source_port, destination_port;
	json_t *parameters;

	if (args_endpoint(args->operands[0], source, &source_port)) {
		snprintf(error, size, "'%s' is not SRC[:PORT]", args->operands[0]);
		return NULL;
	}
	if (args_endpoint(args->operands[1], destination, &destination_port) || destination_port <= 0) {
		snprintf(error, size, "'%s' is not DST:PORT", args->operands[1]);
		return NULL;
	}
	if (endpoint_family(source) != endpoint_family(destination)) {
		snprintf(error, size, "'%s' and '%s' are not of one address family", source, destination);
		return NULL;
	}
	parameters = json_pack("{s:s, s:s, s:i}", "source", source, "destination", destination, "destination_port",
			       destination_port);
	if (args->link)
		json_object_set_new(parameters, "link", json_string(args->link));
	if (source_port > 0)
		json_object_set_new(parameters, "source_port", json_integer(source_port));
	if (args->dscp >= 0)
		json_object_set_new(parameters, "dscp", json_integer(args->dscp));
	if (args->mptcp)
		json_object_set_new(parameters, "mptcp", json_true());
	return parameters;
}
