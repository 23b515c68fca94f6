/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mpgatectl/complete.h>

#include <string.h>

#include <lib/config/dscp.h>
#include <mpgatectl/client.h>
#include <mpgatectl/flows.h>
#include <mpgatectl/names.h>

/* What the words before the last one say. */
struct said {
	const char *words[2]; /* noun, verb or first operand */
	int count; /* of words that are no options, and no values of them */
	unsigned given; /* bits: options */
	const struct verb *verb; /* NULL: not complete */
};

static const struct verb *verb_of(const struct said *s)
{
	for (const struct verb *v = verbs; v->noun && s->count; v++)
		if (!strcmp(v->noun, s->words[0]) && (!v->verb || (s->count > 1 && !strcmp(v->verb, s->words[1]))))
			return v;
	return NULL;
}

static void put(FILE *out, const char *word, const char *help)
{
	fprintf(out, "%s\t%s\n", word, help);
}

/* Nouns, or the verbs of one. A noun is there once; what it is about is told of one that stands alone. */
static void put_words(FILE *out, const struct said *s)
{
	const char *last = "";

	for (const struct verb *v = verbs; v->noun; v++) {
		if (!s->count && strcmp(v->noun, last) != 0)
			put(out, v->noun, v->verb ? "" : v->help);
		else if (s->count == 1 && v->verb && !strcmp(v->noun, s->words[0]))
			put(out, v->verb, v->help);
		last = v->noun;
	}
}

/* Those that the verb takes and that are not there yet; with no verb yet, those of all. */
static void put_options(FILE *out, const struct said *s)
{
	static const struct verb none;

	for (int i = 0; i < ARGS_OPTIONS; i++)
		if (args_takes(s->verb ? s->verb : &none, i) && !(s->given & ARGS_BIT(i)))
			put(out, args_options[i].name, args_options[i].help);
}

static enum args_want next_operand(const struct said *s)
{
	int i = s->count - (s->verb->verb ? 2 : 1);
	const char *operand = i >= 0 && i < ARGS_OPERANDS ? s->verb->operands[i] : NULL;

	return operand && !strcmp(operand, "FILE") ? ARGS_WANT_FILE : ARGS_WANT_NOTHING;
}

enum args_want complete_words(int count, char *const *words, const char **instance, FILE *out)
{
	const char *last = count ? words[count - 1] : "";
	struct said s = { 0 };

	*instance = NULL;
	for (int i = 0; i + 1 < count; i++) {
		int option = args_find_option(words[i]);

		if (!strcmp(words[i], "--")) {
			s.verb = verb_of(&s);
			return s.verb && s.verb->takes_command ? i + 2 == count ? ARGS_WANT_COMMAND : ARGS_WANT_FILE
							       : ARGS_WANT_NOTHING;
		}
		if (option >= 0) {
			s.given |= ARGS_BIT(option);
			if (args_options[option].value && i + 2 == count)
				return args_options[option].want;
			i += args_options[option].value != NULL;
			*instance = option == ARGS_INSTANCE ? words[i] : *instance;
		} else if (*words[i] != '-') {
			if (s.count < 2)
				s.words[s.count] = words[i];
			s.count++;
		}
	}
	s.verb = verb_of(&s);
	if (*last == '-') {
		put_options(out, &s);
		return ARGS_WANT_NOTHING;
	}
	if (s.verb && s.verb->takes_command)
		put(out, "--", "then the command");
	if (s.verb)
		return next_operand(&s);
	put_words(out, &s);
	return ARGS_WANT_NOTHING;
}

static void put_names(FILE *out, const char *instance, enum args_want want)
{
	json_t *names = names_known(instance, want);
	const json_t *one;
	size_t i;

	json_array_foreach(names, i, one)
	{
		fprintf(out, "%s\n", json_string_value(one));
	}
	json_decref(names);
	if (want == ARGS_WANT_LINK)
		put(out, "host", "this machine itself");
}

void complete(int count, char *const *words, FILE *out)
{
	const char *instance, *word;
	enum args_want want = complete_words(count, words, &instance, out);

	switch (want) {
	case ARGS_WANT_NOTHING:
		break;
	case ARGS_WANT_FILE:
		fputs(":file\n", out);
		break;
	case ARGS_WANT_COMMAND:
		fputs(":command\n", out);
		break;
	case ARGS_WANT_INSTANCE:
		client_instances(out);
		break;
	case ARGS_WANT_LINK:
	case ARGS_WANT_PEER:
	case ARGS_WANT_RULE:
	case ARGS_WANT_PATH:
		put_names(out, instance, want);
		break;
	case ARGS_WANT_DSCP:
		for (unsigned i = 0; (word = dscp_name(i)); i++)
			fprintf(out, "%s\n", word);
		break;
	case ARGS_WANT_SORT:
		for (unsigned i = 0; (word = flows_sort_word(i)); i++)
			fprintf(out, "%s\n", word);
		break;
	}
}
