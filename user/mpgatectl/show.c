/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mpgatectl/show.h>

#define WIDTH 80
#define CELL 512 /* bytes of the longest text of a field; more is cut */

static const json_t *member(const json_t *value, const char *key)
{
	const char *dot;

	while ((dot = strchr(key, '.'))) {
		char name[32];

		snprintf(name, sizeof(name), "%.*s", (int)(dot - key), key);
		value = json_object_get(value, name);
		key = dot + 1;
	}
	return json_object_get(value, key);
}

static void bytes_text(char *text, size_t size, double n)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t unit = 0;

	for (; n >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		n /= 1024;
	snprintf(text, size, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

static void age_text(char *text, size_t size, json_int_t s)
{
	if (s < 60)
		snprintf(text, size, "%ds", (int)s);
	else if (s < 3600)
		snprintf(text, size, "%dm%02ds", (int)(s / 60), (int)(s % 60));
	else if (s < 86400)
		snprintf(text, size, "%dh%02dm", (int)(s / 3600), (int)(s / 60 % 60));
	else
		snprintf(text, size, "%lldd%02dh", (long long)(s / 86400), (int)(s / 3600 % 24));
}

static void time_text(char *text, size_t size, json_int_t s)
{
	time_t t = (time_t)s;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(text, size, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(text, size, "-");
}

static void list_text(char *text, size_t size, const json_t *list)
{
	size_t i, len = 0;
	const json_t *v;

	json_array_foreach(list, i, v)
	{
		int n = snprintf(text + len, size - len, "%s%s", i ? "," : "", json_string_value(v));

		if (n < 0 || (len += n) >= size)
			return;
	}
}

/* What stands in a field; "-" for what is absent or empty. */
static const char *field_text(char *text, const json_t *value, const struct field *f)
{
	const json_t *v = member(value, f->key);

	*text = 0;
	if (json_is_string(v))
		snprintf(text, CELL, "%s", json_string_value(v));
	else if (json_is_boolean(v))
		snprintf(text, CELL, "%s", json_is_true(v) ? "yes" : "no");
	else if (json_is_array(v))
		list_text(text, CELL, v);
	else if (json_is_integer(v) && f->as == SHOW_BYTES)
		bytes_text(text, CELL, (double)json_integer_value(v));
	else if (json_is_integer(v) && f->as == SHOW_AGE)
		age_text(text, CELL, json_integer_value(v));
	else if (json_is_integer(v) && f->as == SHOW_TIME)
		time_text(text, CELL, json_integer_value(v));
	else if (json_is_integer(v))
		snprintf(text, CELL, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	return *text ? text : "-";
}

static void show_lines(FILE *out, const struct field *fields, const json_t *value)
{
	char text[CELL];
	size_t width = 0;

	for (const struct field *f = fields; f->key; f++)
		width = strlen(f->title) > width ? strlen(f->title) : width;
	for (const struct field *f = fields; f->key; f++)
		fprintf(out, "%-*s  %s\n", (int)width, f->title, field_text(text, value, f));
}

/* The last column is not padded: no blanks at the end of a line. */
static void put_cell(FILE *out, const struct field *f, unsigned width, const char *text)
{
	fprintf(out, "%-*s%s", f[1].key ? (int)width : 0, text, f[1].key ? "  " : "\n");
}

static void show_table(FILE *out, const char *mark, const struct field *fields, const json_t *rows)
{
	unsigned widths[16] = { 0 }; /* no table has more columns */
	const json_t *row;
	char text[CELL];
	size_t i, c;

	for (c = 0; fields[c].key; c++) {
		widths[c] = strlen(fields[c].title);
		json_array_foreach(rows, i, row)
		{
			size_t len = strlen(field_text(text, row, &fields[c]));

			widths[c] = len > widths[c] ? len : widths[c];
		}
	}
	fputs(mark, out);
	for (c = 0; fields[c].key; c++)
		put_cell(out, &fields[c], widths[c], fields[c].title);
	json_array_foreach(rows, i, row)
	{
		fputs(mark, out);
		for (c = 0; fields[c].key; c++)
			put_cell(out, &fields[c], widths[c], field_text(text, row, &fields[c]));
	}
}

/* The text, broken at blanks where a line of it would end behind column WIDTH; it starts at column `from`. */
static void show_broken(FILE *out, const char *text, size_t from)
{
	size_t room = WIDTH > from ? WIDTH - from : 1;

	while (strlen(text) > room) {
		const char *end = text + room;

		while (end > text && *end != ' ')
			end--;
		if (end == text)
			end = text + strcspn(text, " ");
		if (!*end)
			break;
		fprintf(out, "%.*s\n%*s", (int)(end - text), text, (int)from, "");
		text = end + 1;
	}
	fprintf(out, "%s\n", text);
}

static void show_records(FILE *out, const struct field *fields, const json_t *records)
{
	size_t width = 0, i;
	const json_t *row;
	char text[CELL];

	for (const struct field *f = fields; f->key; f++)
		width = strlen(f->title) > width ? strlen(f->title) : width;
	json_array_foreach(records, i, row)
	{
		if (i)
			fputc('\n', out);
		for (const struct field *f = fields; f->key; f++) {
			fprintf(out, "%-*s  ", (int)width, f->title);
			show_broken(out, field_text(text, row, f), width + 2);
		}
	}
}

void show(FILE *out, const struct view *view, const json_t *value)
{
	bool first = true;

	for (const struct section *s = view->sections; s->array || s->fields; s++) {
		const json_t *part = s->array ? member(value, s->array) : value;

		if (s->optional && !json_array_size(part))
			continue;
		if (!first)
			fputc('\n', out);
		first = false;
		if (s->heading)
			fprintf(out, "%s\n", s->heading);
		if (!s->fields)
			fputs(json_string_value(part) ? json_string_value(part) : "", out);
		else if (s->records)
			show_records(out, s->fields, part);
		else if (s->array)
			show_table(out, s->mark ? s->mark : "", s->fields, part);
		else
			show_lines(out, s->fields, value);
	}
	if (view->truncated && json_is_true(member(value, "truncated")))
		fprintf(out, "%s\n", view->truncated);
}
