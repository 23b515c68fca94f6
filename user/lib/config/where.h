/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a place in the configuration ("policy.rules[3].from[0]") to a line of the file; libcyaml keeps no lines. */
#ifndef LIB_CONFIG_WHERE_H
#define LIB_CONFIG_WHERE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <cyaml/cyaml.h>
#include <yaml.h>

#include <lib/config/config.h>

struct where {
	yaml_document_t doc;
	const char *name; /* of the file; not copied */
};

/*
 * Reads the one document of the text. -EINVAL with *err filled in when it is no YAML, is empty, holds more than one
 * document, or has a key twice in one mapping. After 0 the caller calls where_close().
 */
int where_open(struct where *w, const char *text, size_t len, const char *name, struct cfg_error *err);
void where_close(struct where *w);

/* The line of a place: of the key in a mapping, of the item in a list; of the nearest place above when absent. */
unsigned where_line(const struct where *w, const char *place);
/* Whether the place is a list without items; libcyaml does not tell it from one that is absent. */
bool where_is_empty(const struct where *w, const char *place);

/*
 * Holds the document against the schema, and says in plain words what does not fit: keys that are not known (with those
 * that are), missing ones, words that are not among those allowed, numbers that are none, values of another kind.
 * libcyaml finds most of it, too, but in its own terms and with the line of a neighbour. 0 or -EINVAL with *err filled
 * in.
 */
int where_check(const struct where *w, const cyaml_schema_value_t *schema, struct cfg_error *err);

/* Fills *err with "name:line: text", or "name: text" for line 0, on one line. Returns -EINVAL. */
int where_fail(struct cfg_error *err, const char *name, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int where_vfail(struct cfg_error *err, const char *name, unsigned line, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

#endif
