// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/where.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/syntax.h>

static int compare_keys(const void *a, const void *b)
{
	const yaml_node_t *x = *(const yaml_node_t *const *)a, *y = *(const yaml_node_t *const *)b;
	int r = strcmp(where_text(x), where_text(y));

	return r ? r : (x > y) - (x < y);
}

static int check_mapping(const struct where *w, const yaml_node_t *map, struct cfg_error *err)
{
	size_t count = (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start), i;
	const yaml_node_t **keys = calloc(count + 1, sizeof(*keys));
	int r = 0;

	if (!keys)
		return -ENOMEM;
	for (i = 0; i < count && !r; i++) {
		keys[i] = where_node(w, map->data.mapping.pairs.start[i].key);
		if (keys[i]->type != YAML_SCALAR_NODE)
			r = where_fail(err, w->name, where_node_line(keys[i]), "a key must be a word");
	}
	if (!r)
		qsort(keys, count, sizeof(*keys), compare_keys);
	for (i = 1; i < count && !r; i++)
		if (strcmp(where_text(keys[i - 1]), where_text(keys[i])) == 0)
			r = where_fail(err, w->name, where_node_line(keys[i]), "'%s' is given twice (first in line %u)",
				       where_text(keys[i]), where_node_line(keys[i - 1]));
	free(keys);
	return r;
}

static int check_whole(struct where *w, yaml_parser_t *parser, const char *text, size_t len, struct cfg_error *err)
{
	const yaml_node_t *node, *root;
	yaml_document_t next;
	int r = 0;

	for (node = w->doc.nodes.start; node < w->doc.nodes.top && !r; node++)
		if (node->type == YAML_MAPPING_NODE)
			r = check_mapping(w, node, err);
	if (r)
		return r;
	if (!yaml_parser_load(parser, &next))
		return syntax_fault(parser, text, len, w->name, err);
	root = yaml_document_get_root_node(&next);
	if (root)
		r = where_fail(err, w->name, where_node_line(root), "more than one document");
	yaml_document_delete(&next);
	return r;
}

int where_open(struct where *w, const char *text, size_t len, const char *name, struct cfg_error *err)
{
	yaml_parser_t parser;
	int r;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	w->name = name;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &w->doc)) {
		r = syntax_fault(&parser, text, len, name, err);
	} else {
		if (w->doc.nodes.start == w->doc.nodes.top)
			r = where_fail(err, name, 1, "the file says nothing");
		else
			r = check_whole(w, &parser, text, len, err);
		if (r)
			yaml_document_delete(&w->doc);
	}
	yaml_parser_delete(&parser);
	return r;
}

void where_close(struct where *w)
{
	yaml_document_delete(&w->doc);
}

const yaml_node_t *where_step(const struct where *w, const yaml_node_t *node, const char *key, size_t len,
			      unsigned *line)
{
	const yaml_node_pair_t *pair;

	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *k = where_node(w, pair->key);

		if (strncmp(where_text(k), key, len) == 0 && where_text(k)[len] == '\0') {
			*line = where_node_line(k);
			return where_node(w, pair->value);
		}
	}
	return NULL;
}

static const yaml_node_t *step_item(const struct where *w, const yaml_node_t *node, unsigned long i, unsigned *line)
{
	if (node->type != YAML_SEQUENCE_NODE ||
	    i >= (unsigned long)(node->data.sequence.items.top - node->data.sequence.items.start))
		return NULL;
	node = where_node(w, node->data.sequence.items.start[i]);
	*line = where_node_line(node);
	return node;
}

static const yaml_node_t *walk(const struct where *w, const char *place, unsigned *line)
{
	const yaml_node_t *node = w->doc.nodes.start;

	*line = where_node_line(node);
	while (*place && node) {
		if (*place == '[') {
			char *end;
			unsigned long i = strtoul(place + 1, &end, 10);

			node = step_item(w, node, i, line);
			place = end + 1;
		} else {
			size_t n;

			place += *place == '.';
			n = strcspn(place, ".[");
			node = where_step(w, node, place, n, line);
			place += n;
		}
	}
	return node;
}

unsigned where_line(const struct where *w, const char *place)
{
	unsigned line;

	walk(w, place, &line);
	return line;
}

static bool is_empty_list(const yaml_node_t *node)
{
	return node->type == YAML_SEQUENCE_NODE && node->data.sequence.items.start == node->data.sequence.items.top;
}

bool where_is_empty(const struct where *w, const char *place)
{
	unsigned line;
	const yaml_node_t *node = walk(w, place, &line);

	return node && is_empty_list(node);
}
