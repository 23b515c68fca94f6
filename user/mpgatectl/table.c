/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mpgatectl/table.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <mpgatectl/width.h>

#define GAP 2U /* columns between two of the table's */
#define NARROW 8U /* no column is made narrower */
#define FURTHER 4U /* columns by which what a line goes on in is indented more */
#define PROSE 24U /* the last one not before the others */

struct layout {
	uint32_t shown; /* bits */
	unsigned width[TABLE_COLUMNS];
	unsigned last; /* the last that is shown */
	unsigned total;
	unsigned most; /* 0: no bound */
};

static const char *cell(const struct table *t, unsigned row, unsigned c)
{
	return t->cells[(size_t)row * t->columns + c];
}

static bool is_shown(const struct layout *l, unsigned c)
{
	return l->shown & 1U << c;
}

static void add_up(const struct table *t, struct layout *l)
{
	l->total = width_text(t->mark);
	for (unsigned c = 0; c < t->columns; c++)
		if (is_shown(l, c)) {
			l->total += l->width[c] + GAP;
			l->last = c;
		}
	l->total -= GAP;
}

static bool is_too_wide(const struct layout *l)
{
	return l->most && l->total > l->most;
}

/* Does any cell of the column say something? */
static bool says(const struct table *t, unsigned c)
{
	for (unsigned row = 0; row < t->rows; row++)
		if (strcmp(cell(t, row, c), TABLE_NOTHING) != 0)
			return true;
	return !t->rows;
}

static void leave_out(const struct table *t, struct layout *l)
{
	for (unsigned c = t->columns; c-- > 0 && is_too_wide(l);)
		if (!says(t, c)) {
			l->shown &= ~(1U << c);
			add_up(t, l);
		}
	for (unsigned c = t->columns; c-- > 0 && is_too_wide(l);)
		if (t->spare & l->shown & 1U << c) {
			l->shown &= ~(1U << c);
			add_up(t, l);
		}
}

static void make_narrow(const struct table *t, struct layout *l)
{
	while (is_too_wide(l)) {
		unsigned widest = l->last;

		for (unsigned c = 0; c < t->columns && l->width[l->last] <= PROSE; c++)
			if (is_shown(l, c) && l->width[c] > l->width[widest])
				widest = c;
		if (l->width[widest] <= NARROW)
			return;
		l->width[widest]--;
		l->total--;
	}
}

static void lay_out(const struct table *t, struct layout *l)
{
	for (unsigned c = 0; c < t->columns; c++) {
		l->shown |= 1U << c;
		l->width[c] = t->titles[c] ? width_text(t->titles[c]) : 0;
		for (unsigned row = 0; row < t->rows; row++) {
			unsigned n = width_text(cell(t, row, c));

			l->width[c] = n > l->width[c] ? n : l->width[c];
		}
	}
	add_up(t, l);
	leave_out(t, l);
	make_narrow(t, l);
}

/* Bytes of text for the next line of a column that wide: up to a blank or behind a comma, where there is one. */
static size_t next_line(const char *text, unsigned width)
{
	size_t n = width_bytes(text, width), at = n;

	if (!text[n])
		return n;
	while (at && text[at] != ' ' && text[at - 1] != ',')
		at--;
	return at ? at : n;
}

/* A line of the table, cut where it is too wide even so. */
static void put_line(FILE *out, const struct layout *l, const char *line)
{
	size_t n = l->most ? width_bytes(line, l->most) : strlen(line);

	/* No blanks at the end of a line. */
	while (n && line[n - 1] == ' ')
		n--;
	fprintf(out, "%.*s\n", (int)n, line);
}

/* A line of text, and what it goes on in, indented more. */
static void wrap_line(FILE *out, const char *line, unsigned width)
{
	unsigned indent = (unsigned)strspn(line, " ");
	size_t n = indent + next_line(line + indent, width - indent);

	fprintf(out, "%.*s\n", (int)n, line);
	indent += FURTHER;
	for (line += n + strspn(line + n, " "); *line; line += n + strspn(line + n, " ")) {
		n = next_line(line, width - indent);
		fprintf(out, "%*s%.*s\n", (int)indent, "", (int)n, line);
	}
}

void table_wrap(FILE *out, const char *text, unsigned width)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		char *line = strndup(text, n);

		if (line && width_text(line) > width && strspn(line, " ") + FURTHER < width)
			wrap_line(out, line, width);
		else
			fprintf(out, "%.*s\n", (int)n, text);
		free(line);
		text += n + (text[n] == '\n');
	}
}

static void put_padded(FILE *f, const char *text, size_t n, unsigned width)
{
	unsigned used = 0;

	for (size_t i = 0; i < n; i++)
		used += ((unsigned char)text[i] & 0xc0) != 0x80;
	fprintf(f, "%.*s%*s", (int)n, text, used < width ? (int)(width - used) : 0, "");
}

/* The cells of a row up to the last, each in its column. Returns where the last one begins. */
static unsigned put_cells(FILE *f, const struct table *t, const struct layout *l, const char *const *cells)
{
	unsigned at = width_text(t->mark);

	fputs(t->mark, f);
	for (unsigned c = 0; c < l->last; c++) {
		if (!is_shown(l, c))
			continue;
		if (width_text(cells[c]) > l->width[c]) {
			put_padded(f, cells[c], width_bytes(cells[c], l->width[c] - 1), l->width[c] - 1);
			fputc('~', f);
		} else {
			put_padded(f, cells[c], strlen(cells[c]), l->width[c]);
		}
		fprintf(f, "%*s", (int)GAP, "");
		at += l->width[c] + GAP;
	}
	return at;
}

static void put_row(FILE *out, const struct table *t, const struct layout *l, const char *const *cells)
{
	const char *rest = cells[l->last];
	unsigned at = 0;
	bool first = true;

	do {
		size_t n = next_line(rest, l->width[l->last]), len;
		char *line = NULL;
		FILE *f = open_memstream(&line, &len);

		if (!f)
			return;
		if (first)
			at = put_cells(f, t, l, cells);
		else
			fprintf(f, "%s%*s", t->mark, (int)(at - width_text(t->mark)), "");
		fprintf(f, "%.*s", (int)n, rest);
		fclose(f);
		put_line(out, l, line);
		free(line);
		rest += n;
		rest += strspn(rest, " ");
		first = false;
	} while (*rest);
}

static void tell_left_out(FILE *out, const struct table *t, const struct layout *l)
{
	const char *lead = "more in a wider terminal: ";
	unsigned at = 0;

	for (unsigned c = 0; c < t->columns; c++) {
		const char *title = t->titles[c];

		if (is_shown(l, c) || !title || !says(t, c))
			continue;
		if (at && at + strlen(", ") + width_text(title) >= l->most) {
			fputs(",\n", out);
			lead = "  ";
			at = 0;
		}
		at += (unsigned)fprintf(out, "%s%s%s", at ? "" : t->mark, at ? ", " : lead, title);
	}
	if (at)
		fputc('\n', out);
}

/* The rows one below the other, a cell that says something a line. */
static void print_rows(FILE *out, const struct table *t, unsigned width)
{
	for (unsigned row = 0; row < t->rows; row++) {
		char *cells[2 * TABLE_COLUMNS];
		struct table one = { .mark = t->mark, .columns = 2, .cells = cells };

		for (unsigned c = 0; c < t->columns; c++) {
			if (!strcmp(cell(t, row, c), TABLE_NOTHING))
				continue;
			cells[2 * one.rows] = (char *)(uintptr_t)t->titles[c];
			cells[2 * one.rows++ + 1] = t->cells[(size_t)row * t->columns + c];
		}
		if (row)
			fprintf(out, "%s\n", t->mark);
		table_print(out, &one, width);
	}
}

void table_print(FILE *out, const struct table *t, unsigned width)
{
	struct layout l = { .most = width };

	lay_out(t, &l);
	if (is_too_wide(&l) && t->titles[0] && t->rows) {
		print_rows(out, t, width);
		return;
	}
	if (t->titles[0])
		put_row(out, t, &l, t->titles);
	for (unsigned row = 0; row < t->rows; row++)
		put_row(out, t, &l, (const char *const *)&t->cells[(size_t)row * t->columns]);
	tell_left_out(out, t, &l);
}
