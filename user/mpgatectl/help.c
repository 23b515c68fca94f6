/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <mpgatectl/help.h>

#define NAMES 23 /* columns for what stands before an explanation */

static void usage(FILE *out, const struct verb *v)
{
	fprintf(out, "%s%s%s", v->noun, v->verb ? " " : "", v->verb ? v->verb : "");
	for (int i = 0; i < ARGS_OPERANDS && v->operands[i]; i++)
		fprintf(out, " %s", v->operands[i]);
	if (v->takes_command)
		fputs(" -- COMMAND", out);
}

static void verb_line(FILE *out, const struct verb *v)
{
	char text[64] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	if (!f)
		return;
	usage(f, v);
	fclose(f);
	/* What is too long for its column has a line of its own. */
	if (strlen(text) > NAMES)
		fprintf(out, "  %s\n  %-*s %s\n", text, NAMES, "", v->help);
	else
		fprintf(out, "  %-*s %s\n", NAMES, text, v->help);
}

static void option_lines(FILE *out, unsigned bits)
{
	for (int i = 0; i < ARGS_OPTIONS; i++) {
		const struct option_info *o = &args_options[i];
		char text[64];

		if (!(bits & ARGS_BIT(i)))
			continue;
		snprintf(text, sizeof(text), "%s%s%s%s%s", o->alias ? o->alias : "", o->alias ? ", " : "", o->name,
			 o->value ? " " : "", o->value ? o->value : "");
		fprintf(out, "  %-*s %s\n", NAMES, text, o->help);
	}
}

void help(FILE *out, const struct verb *verb, const char *noun)
{
	unsigned special = 0;

	fputs(verb ? "usage: mpgatectl " : "usage: mpgatectl [-i INSTANCE] [--json] ", out);
	if (verb)
		usage(out, verb);
	else
		fprintf(out, "%s VERB", noun ? noun : "NOUN");
	fputs(verb && verb->options ? " [OPTION...]\n\n" : "\n\n", out);
	for (const struct verb *v = verbs; v->noun; v++) {
		special |= v->options;
		if (verb ? v == verb : !noun || !strcmp(v->noun, noun))
			verb_line(out, v);
	}
	fputc('\n', out);
	if (verb)
		option_lines(out, verb->options);
	else if (!noun)
		option_lines(out, ~special);
}
