/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of text that fits a width. No I/O but what is printed. */
#ifndef CTL_TABLE_H
#define CTL_TABLE_H

#include <stdint.h>
#include <stdio.h>

#define TABLE_COLUMNS 20U /* no table has more */
#define TABLE_NOTHING "-" /* what stands in a cell that says nothing */

struct table {
	const char *mark; /* before each line */
	unsigned columns, rows;
	const char *titles[TABLE_COLUMNS]; /* all NULL: no line of titles */
	uint32_t spare; /* bits of those that are left out first */
	char **cells; /* rows * columns */
};

/*
 * width 0: as wide as it is. Else, where that is too wide, first columns without a word are left out, then spare ones,
 * the last first, which a line behind the table tells; then the last column goes on in further lines, then the widest
 * cells are cut, with a ~ at their end. Where that does not do the rows are printed one below the other, a cell a line.
 */
void table_print(FILE *out, const struct table *t, unsigned width);
/*
 * Lines of text; those that are wider than width (not 0) go on in further ones, indented more, from a blank on where
 * there is one: YAML means the same then.
 */
void table_wrap(FILE *out, const char *text, unsigned width);

#endif
