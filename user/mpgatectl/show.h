/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A JSON value as text for people, the way a view describes it. */
#ifndef CTL_SHOW_H
#define CTL_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

enum show_as {
	SHOW_PLAIN, /* text, numbers, yes or no, a list with commas */
	SHOW_BYTES, /* 1.5 GiB */
	SHOW_AGE, /* seconds: 3d02h */
	SHOW_TIME, /* seconds since 1970: local date and time */
	SHOW_RATE, /* bits a second: 1.5 Mbit/s */
	SHOW_US, /* microseconds: 1.5 ms */
	SHOW_MS, /* milliseconds: 1.5 s */
	SHOW_UNIT, /* a number of what the member "unit" of the same row says: bytes as above; else as it is */
};

struct field {
	const char *title;
	const char *key; /* "policy.rules": a member of a member */
	enum show_as as;
	bool spare; /* of a table: left out first where it is too wide */
};

/* A part of a value: the members named by fields, of the value itself or of each element of an array. */
struct section {
	const char *heading; /* NULL: none */
	const char *array; /* member that is the array: a table. NULL: one field a line */
	const struct field *fields; /* ends with a NULL key. NULL: the string `array` is printed as text */
	const char *mark; /* before each line of a table; NULL: nothing */
	bool optional; /* an empty array is not shown at all */
	bool records; /* no table: a field a line */
};

struct view {
	const struct section *sections; /* ends with array and fields both NULL */
	const char *truncated; /* said when the member "truncated" is true; NULL: nothing */
};

/* width: columns that there are, 0: no bound. Text that can be loaded again still can be where its lines go on. */
void show(FILE *out, unsigned width, const struct view *view, const json_t *value);
/* What stands in a field of value, into text (SHOW_TEXT bytes; more is cut); "-" for what is absent or empty. */
#define SHOW_TEXT 512
const char *show_field(char *text, const json_t *value, const struct field *f);

#endif
