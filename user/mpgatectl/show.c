/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mpgatectl/show.h>
#include <mpgatectl/table.h>

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

/* n of something, in thousands of it. */
static void scaled_text(char *text, size_t size, double n, const char *const *units, size_t count)
{
	size_t unit = 0;

	for (; n >= 1000 && unit + 1 < count; unit++)
		n /= 1000;
	snprintf(text, size, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

static void rate_text(char *text, size_t size, double n)
{
	static const char *const units[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s" };

	scaled_text(text, size, n, units, sizeof(units) / sizeof(units[0]));
}

/* from: 0 for microseconds, 1 for milliseconds. */
static void duration_text(char *text, size_t size, double n, unsigned from)
{
	static const char *const units[] = { "us", "ms", "s" };

	scaled_text(text, size, n, units + from, sizeof(units) / sizeof(units[0]) - from);
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

static void integer_text(char *text, const json_t *value, const json_t *v, enum show_as as)
{
	json_int_t n = json_integer_value(v);
	const char *unit = json_string_value(json_object_get(value, "unit"));

	if (as == SHOW_UNIT && unit && !strcmp(unit, "bytes"))
		as = SHOW_BYTES;
	switch (as) {
	case SHOW_BYTES:
		bytes_text(text, SHOW_TEXT, (double)n);
		break;
	case SHOW_AGE:
		age_text(text, SHOW_TEXT, n);
		break;
	case SHOW_TIME:
		time_text(text, SHOW_TEXT, n);
		break;
	case SHOW_RATE:
		rate_text(text, SHOW_TEXT, (double)n);
		break;
	case SHOW_US:
	case SHOW_MS:
		duration_text(text, SHOW_TEXT, (double)n, as == SHOW_MS);
		break;
	default:
		snprintf(text, SHOW_TEXT, "%" JSON_INTEGER_FORMAT, n);
	}
}

const char *show_field(char *text, const json_t *value, const struct field *f)
{
	const json_t *v = member(value, f->key);

	*text = 0;
	if (json_is_string(v))
		snprintf(text, SHOW_TEXT, "%s", json_string_value(v));
	else if (json_is_boolean(v))
		snprintf(text, SHOW_TEXT, "%s", json_is_true(v) ? "yes" : "no");
	else if (json_is_array(v))
		list_text(text, SHOW_TEXT, v);
	else if (json_is_integer(v))
		integer_text(text, value, v, f->as);
	return *text ? text : TABLE_NOTHING;
}

/* A row of cells, each malloc'ed. False: no memory. */
static bool fill_row(char **cells, const json_t *value, const struct field *fields)
{
	char text[SHOW_TEXT];

	for (size_t c = 0; fields[c].key; c++) {
		cells[c] = strdup(show_field(text, value, &fields[c]));
		if (!cells[c])
			return false;
	}
	return true;
}

static void free_cells(char **cells, size_t n)
{
	for (size_t i = 0; cells && i < n; i++)
		free(cells[i]);
	free(cells);
}

/* One field a line. */
static void show_lines(FILE *out, unsigned width, const struct field *fields, const json_t *value)
{
	struct table t = { .mark = "", .columns = 2 };
	char text[SHOW_TEXT];
	size_t n = 0;
	bool filled = true;

	while (fields[n].key)
		n++;
	t.cells = calloc(2 * n + 1, sizeof(*t.cells));
	for (size_t i = 0; t.cells && i < n && filled; i++, t.rows++) {
		t.cells[2 * i] = strdup(fields[i].title);
		t.cells[2 * i + 1] = strdup(show_field(text, value, &fields[i]));
		filled = t.cells[2 * i] && t.cells[2 * i + 1];
	}
	if (t.cells && filled)
		table_print(out, &t, width);
	free_cells(t.cells, 2 * n);
}

static void show_table(FILE *out, unsigned width, const char *mark, const struct field *fields, const json_t *rows)
{
	struct table t = { .mark = mark, .rows = (unsigned)json_array_size(rows) };
	const json_t *row;
	bool filled = true;
	size_t i;

	for (; fields[t.columns].key; t.columns++) {
		t.titles[t.columns] = fields[t.columns].title;
		t.spare |= (uint32_t)fields[t.columns].spare << t.columns;
	}
	t.cells = calloc((size_t)t.rows * t.columns + 1, sizeof(*t.cells));
	json_array_foreach(rows, i, row) filled = t.cells && filled && fill_row(&t.cells[i * t.columns], row, fields);
	if (t.cells && filled)
		table_print(out, &t, width);
	free_cells(t.cells, (size_t)t.rows * t.columns);
}

static void show_records(FILE *out, unsigned width, const struct field *fields, const json_t *records)
{
	const json_t *row;
	size_t i;

	json_array_foreach(records, i, row)
	{
		if (i)
			fputc('\n', out);
		show_lines(out, width, fields, row);
	}
}

void show(FILE *out, unsigned width, const struct view *view, const json_t *value)
{
	bool first = true;

	for (const struct section *s = view->sections; s->array || s->fields; s++) {
		const json_t *part = s->array ? member(value, s->array) : value;

		/* What there is nothing of is not spoken of, but what was asked for. */
		if ((!first || s->optional) && s->array && s->fields && !json_array_size(part))
			continue;
		if (!first)
			fputc('\n', out);
		first = false;
		if (s->heading)
			fprintf(out, "%s\n", s->heading);
		if (!s->fields && width)
			table_wrap(out, json_string_value(part) ?: "", width);
		else if (!s->fields)
			fputs(json_string_value(part) ?: "", out);
		else if (s->records)
			show_records(out, width, s->fields, part);
		else if (s->array)
			show_table(out, width, s->mark ? s->mark : "", s->fields, part);
		else
			show_lines(out, width, s->fields, value);
	}
	if (view->truncated && json_is_true(member(value, "truncated")))
		fprintf(out, "%s\n", view->truncated);
}
