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
};

struct field {
	const char *title;
	const char *key; /* "policy.rules": a member of a member */
	enum show_as as;
};

/* A part of a value: the members named by fields, of the value itself or of each element of an array. */
struct section {
	const char *heading; /* NULL: none */
	const char *array; /* member that is the array: a table. NULL: one field a line */
	const struct field *fields; /* ends with a NULL key. NULL: the string `array` is printed as it is */
	const char *mark; /* before each line of a table; NULL: nothing */
	bool optional; /* an empty array is not shown at all */
	bool records; /* no table: a field a line, which is broken where it would be too long */
};

struct view {
	const struct section *sections; /* ends with array and fields both NULL */
	const char *truncated; /* said when the member "truncated" is true; NULL: nothing */
};

void show(FILE *out, const struct view *view, const json_t *value);

#endif
