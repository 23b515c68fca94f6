/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a place in the configuration ("policy.rules[3].from[0]") to a line of the file; libcyaml keeps no lines. */
#ifndef LIB_CONFIG_WHERE_H
#define LIB_CONFIG_WHERE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
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

/* Fills *err with "name:line: text", or "name: text" for line 0, on one line. Returns -EINVAL. */
int where_fail(struct cfg_error *err, const char *name, unsigned line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int where_vfail(struct cfg_error *err, const char *name, unsigned line, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

/* For those who walk the document themselves (check.c). */
static inline unsigned where_node_line(const yaml_node_t *node)
{
	return (unsigned)node->start_mark.line + 1;
}

/* Nodes are numbered from 1; the parser made these numbers. */
static inline const yaml_node_t *where_node(const struct where *w, int index)
{
	return w->doc.nodes.start + (index - 1);
}

/* Of a scalar; where_open() has let no keys pass that are none. */
static inline const char *where_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

/* The value of a key of len bytes; *line is then the key's. NULL: there is none. */
const yaml_node_t *where_step(const struct where *w, const yaml_node_t *node, const char *key, size_t len,
			      unsigned *line);

#endif
