// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/control/metrics.h>

#include <stdlib.h>
#include <string.h>

void metrics_text_family(struct metrics_text *t, const char *name, const char *type, const char *help)
{
	const char *in_name;

	if (!t->file)
		t->file = open_memstream(&t->buf, &t->len);
	if (!t->file)
		return;
	t->family = name;
	t->suffix = strcmp(type, "counter") ? "" : "_total";
	/* OpenMetrics names the family, the older text its samples. */
	in_name = t->openmetrics ? "" : t->suffix;
	fprintf(t->file, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, in_name, help, name, in_name, type);
}

static void put_escaped(FILE *file, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			fputs("\\n", file);
		else if (*value == '"' || *value == '\\')
			fprintf(file, "\\%c", *value);
		else
			fputc(*value, file);
	}
}

void metrics_text_sample(struct metrics_text *t, const struct metrics_label *labels, uint64_t value)
{
	const char *before = "{";

	if (!t->file)
		return;
	fprintf(t->file, "%s%s", t->family, t->suffix);
	for (; labels && labels->name; labels++) {
		fprintf(t->file, "%s%s=\"", before, labels->name);
		put_escaped(t->file, labels->value);
		fputc('"', t->file);
		before = ",";
	}
	fprintf(t->file, "%s %llu\n", *before == ',' ? "}" : "", (unsigned long long)value);
}

char *metrics_text_end(struct metrics_text *t, size_t *len)
{
	char *text = NULL;
	int failed = 1;

	if (t->file) {
		if (t->openmetrics)
			fputs("# EOF\n", t->file);
		failed = ferror(t->file);
		failed |= fclose(t->file);
	}
	if (failed) {
		free(t->buf);
	} else {
		text = t->buf;
		*len = t->len;
	}
	*t = (struct metrics_text){ 0 };
	return text;
}
