/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lib/config/dscp.h>
#include <lib/config/near.h>
#include <mpgatectl/args.h>

const struct option_info args_options[ARGS_OPTIONS] = {
	[ARGS_INSTANCE] = { "--instance", "-i", "INSTANCE", ARGS_WANT_INSTANCE,
			    "the daemon to ask; needed when several run" },
	[ARGS_JSON] = { "--json", NULL, NULL, ARGS_WANT_NOTHING, "one JSON value on standard output, errors included" },
	[ARGS_ALL] = { "--all", NULL, NULL, ARGS_WANT_NOTHING, "counters that are 0, flows that are idle as well" },
	[ARGS_LINK] = { "--link", NULL, "LINK", ARGS_WANT_LINK,
			"where the SYN arrives; host: it is this machine's own" },
	[ARGS_DSCP] = { "--dscp", NULL, "DSCP", ARGS_WANT_DSCP,
			"code point of the SYN: 0 to 63, or a name as af11, ef" },
	[ARGS_MPTCP] = { "--mptcp", NULL, NULL, ARGS_WANT_NOTHING, "the SYN speaks MPTCP" },
	[ARGS_SORT] = { "--sort", NULL, "BY", ARGS_WANT_SORT,
			"age, client, server, peer, rule, path, up, down, bytes" },
	[ARGS_CLIENT] = { "--client", NULL, "ADDRESS", ARGS_WANT_NOTHING, "only of that client, or prefix" },
	[ARGS_SERVER] = { "--server", NULL, "ADDRESS", ARGS_WANT_NOTHING,
			  "only to that server, prefix, ADDRESS:PORT or :PORT" },
	[ARGS_PEER] = { "--peer", NULL, "PEER", ARGS_WANT_PEER, "only by way of that peer" },
	[ARGS_RULE] = { "--rule", NULL, "RULE", ARGS_WANT_RULE, "only by that rule" },
	[ARGS_PATH] = { "--path", NULL, "PATH", ARGS_WANT_PATH, "only with a subflow over that path" },
	[ARGS_VERSION] = { "--version", NULL, NULL, ARGS_WANT_NOTHING, "the version of this tool" },
	[ARGS_HELP] = { "--help", "-h", NULL, ARGS_WANT_NOTHING, "this text; behind a noun or verb: of that" },
};

#define OF_ALL (ARGS_BIT(ARGS_INSTANCE) | ARGS_BIT(ARGS_JSON) | ARGS_BIT(ARGS_VERSION) | ARGS_BIT(ARGS_HELP))
#define WORDS (2 + ARGS_OPERANDS + 1) /* noun, verb, operands, and one too many */

static bool instance_ok(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/');
}

int args_find_option(const char *word)
{
	for (int i = 0; i < ARGS_OPTIONS; i++) {
		const struct option_info *o = &args_options[i];

		if (!strcmp(o->name, word) || (o->alias && !strcmp(o->alias, word)))
			return i;
	}
	return -1;
}

bool args_takes(const struct verb *verb, enum args_option option)
{
	unsigned all = verb->is_live ? OF_ALL & ~ARGS_BIT(ARGS_JSON) : OF_ALL;

	return (verb->options | all) & ARGS_BIT(option);
}

static int set_option(struct args *args, int option, const char *value, char *error, size_t size)
{
	args->option[option] = value;
	switch (option) {
	case ARGS_JSON:
		args->json = true;
		break;
	case ARGS_HELP:
		args->help = true;
		break;
	case ARGS_VERSION:
		args->version = true;
		break;
	case ARGS_INSTANCE:
		args->instance = value;
		if (instance_ok(value))
			break;
		snprintf(error, size, "'%s' is not the name of an instance", value);
		return -EINVAL;
	case ARGS_DSCP:
		args->dscp = dscp_parse(value);
		if (args->dscp >= 0)
			break;
		snprintf(error, size, "'%s' is not a code point: 0 to %d, or a name as af11, cs1, ef", value,
			 DSCP_COUNT - 1);
		return -EINVAL;
	}
	return 0;
}

/* words[0...count): what is left when the options are taken out. Their verb, *used: how many words name it. */
static const struct verb *find_verb(const char *const *words, int count, int *used)
{
	for (const struct verb *v = verbs; v->noun; v++) {
		*used = v->verb ? 2 : 1;
		if (!strcmp(v->noun, words[0]) && (!v->verb || (count > 1 && !strcmp(v->verb, words[1]))))
			return v;
	}
	return NULL;
}

/* The noun as it stands in the table, if it is one. */
static const char *find_noun(const char *word)
{
	for (const struct verb *v = verbs; v->noun; v++)
		if (!strcmp(v->noun, word))
			return v->noun;
	return NULL;
}

/* "policy what? show, check, explain" */
static void ask_for_verb(const char *noun, char *error, size_t size)
{
	size_t len = (size_t)snprintf(error, size, "%s what?", noun);
	const char *before = " ";

	for (const struct verb *v = verbs; v->noun && len < size; v++)
		if (v->verb && !strcmp(v->noun, noun)) {
			len += (size_t)snprintf(error + len, size - len, "%s%s", before, v->verb);
			before = ", ";
		}
}

/* Behind a message: the command that may have been meant, or nothing. */
static void add_near(const char *noun, const char *verb, char *error, size_t size)
{
	struct near nouns = { .text = noun }, all = { .text = verb };
	size_t len = strlen(error);

	for (const struct verb *v = verbs; v->noun; v++)
		near_offer(&nouns, v->noun);
	for (const struct verb *v = verbs; v->noun && nouns.word; v++)
		if (v->verb && !strcmp(v->noun, nouns.word))
			near_offer(&all, v->verb);
	/* A noun that is right was not what is wrong. */
	if (all.word || (nouns.word && strcmp(nouns.word, noun) != 0))
		snprintf(error + len, size - len, "; did you mean '%s%s%s'?", nouns.word, all.word ? " " : "",
			 all.word ? all.word : "");
}

static void unknown_option(const char *word, char *error, size_t size)
{
	struct near near = { .text = word };
	char text[NEAR_TEXT];

	for (int i = 0; i < ARGS_OPTIONS; i++)
		near_offer(&near, args_options[i].name);
	snprintf(error, size, "unknown option: %s%s", word, near_text(&near, text));
}

static int take_words(struct args *args, const char *const *words, int count, char *error, size_t size)
{
	const struct verb *v;
	int used, i;

	if (!count) {
		snprintf(error, size, "what to do?");
		return -EINVAL;
	}
	v = find_verb(words, count, &used);
	if (!v) {
		args->noun = find_noun(words[0]);
		if (args->noun && count == 1) {
			ask_for_verb(words[0], error, size);
			return -EINVAL;
		}
		snprintf(error, size, "unknown command: %.32s%s%.32s", words[0], count > 1 ? " " : "",
			 count > 1 ? words[1] : "");
		add_near(words[0], count > 1 ? words[1] : "", error, size);
		return -EINVAL;
	}
	args->verb = v;
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
	for (int k = 0; k < ARGS_OPTIONS; k++)
		if (args->option[k] && !args_takes(v, k)) {
			snprintf(error, size, "%s is not for %s%s%s", args_options[k].name, v->noun, v->verb ? " " : "",
				 v->verb ? v->verb : "");
			return -EINVAL;
		}
	return 0;
}

int args_parse(int argc, char *const *argv, struct args *args, char *error, size_t size)
{
	const char *words[WORDS];
	int count = 0, err = 0;

	*args = (struct args){ .dscp = -1 };
	for (int i = 1; i < argc; i++) {
		int option = args_find_option(argv[i]);
		const char *value = option >= 0 && args_options[option].value ? argv[++i] : "";

		/* What follows is another program's. */
		if (option < 0 && !strcmp(argv[i], "--")) {
			args->command = &argv[i + 1];
			break;
		}
		/* The first fault is told; the rest is read on for --json. */
		if (!value) {
			snprintf(error, size, "%s wants a value: %s", args_options[option].name,
				 args_options[option].value);
			return -EINVAL;
		}
		if (option >= 0 && !err) {
			err = set_option(args, option, value, error, size);
		} else if (option == ARGS_JSON) {
			args->json = true;
		} else if (option < 0 && *argv[i] == '-' && !err) {
			unknown_option(argv[i], error, size);
			err = -EINVAL;
		} else if (option < 0 && count < WORDS) {
			words[count++] = argv[i];
		}
	}
	if (err || args->version)
		return err;
	err = take_words(args, words, count, error, size);
	return args->help ? 0 : err;
}
