/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads tests/vectors/: records of "name: value" lines, separated by blank lines. Run from the top of the tree. */
#ifndef UNIT_VECTORS_H
#define UNIT_VECTORS_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cunit.h>

#define VECTOR_FIELDS 16
#define VECTOR_LINE 8192
#define VECTOR_BYTES 2048

struct vector {
	unsigned count;
	struct {
		char *name, *value;
	} field[VECTOR_FIELDS];
};

static inline const char *vector_get(const struct vector *v, const char *name)
{
	for (unsigned i = 0; i < v->count; i++)
		if (!strcmp(v->field[i].name, name))
			return v->field[i].value;
	return NULL;
}

/* Hexadecimal, spaces allowed; how many bytes. */
static inline size_t vector_hex(const char *text, unsigned char *out)
{
	size_t n = 0;
	unsigned byte;

	for (; *text; text += 2) {
		while (*text == ' ')
			text++;
		if (!*text)
			break;
		if (n == VECTOR_BYTES || sscanf(text, "%2x", &byte) != 1 || !text[1]) {
			CU_FAIL("not hexadecimal");
			break;
		}
		out[n++] = byte;
	}
	return n;
}

static inline void vector_done(struct vector *v, void (*run)(const struct vector *), unsigned *records)
{
	if (v->count) {
		run(v);
		++*records;
	}
	while (v->count)
		free(v->field[--v->count].name);
}

/* Calls run for each record of a file, which must have at least min of them. */
static inline void vectors_run(const char *path, unsigned min, void (*run)(const struct vector *))
{
	static char line[VECTOR_LINE];
	struct vector v = { 0 };
	unsigned records = 0;
	FILE *f = fopen(path, "r");

	if (!f) {
		printf("\n%s: cannot be opened; run the tests from the top of the tree\n", path);
		CU_FAIL("no vectors");
		return;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = 0;
		if (!*line) {
			vector_done(&v, run, &records);
			continue;
		}
		char *colon = strchr(line, ':');
		if (*line == '#' || !colon || v.count == VECTOR_FIELDS)
			continue;
		char *name = strdup(line), *value = name + (colon - line);
		*value++ = 0;
		v.field[v.count].name = name;
		v.field[v.count++].value = value + strspn(value, " ");
	}
	vector_done(&v, run, &records);
	fclose(f);
	CU_ASSERT(records >= min);
}

#endif
