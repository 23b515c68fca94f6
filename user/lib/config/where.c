// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/where.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int where_vfail(struct cfg_error *err, const char *name, unsigned line, const char *fmt, va_list ap)
{
	int n;
	char *c;

	if (line)
		n = snprintf(err->text, sizeof(err->text), "%s:%u: ", name, line);
	else
		n = snprintf(err->text, sizeof(err->text), "%s: ", name);
	if (n > 0 && (size_t)n < sizeof(err->text))
		vsnprintf(err->text + n, sizeof(err->text) - (size_t)n, fmt, ap);
	for (c = err->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return -EINVAL;
}

int where_fail(struct cfg_error *err, const char *name, unsigned line, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = where_vfail(err, name, line, fmt, ap);
	va_end(ap);
	return r;
}

static unsigned node_line(const yaml_node_t *node)
{
	return (unsigned)node->start_mark.line + 1;
}

/* Nodes are numbered from 1; the parser made these numbers. */
static const yaml_node_t *node_at(const struct where *w, int index)
{
	return w->doc.nodes.start + (index - 1);
}

/* Of a word, such as a key: check_mapping() has let no others pass. */
static const char *word_text(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static int compare_keys(const void *a, const void *b)
{
	const yaml_node_t *x = *(const yaml_node_t *const *)a, *y = *(const yaml_node_t *const *)b;
	int r = strcmp(word_text(x), word_text(y));

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
		keys[i] = node_at(w, map->data.mapping.pairs.start[i].key);
		if (keys[i]->type != YAML_SCALAR_NODE)
			r = where_fail(err, w->name, node_line(keys[i]), "a key must be a word");
	}
	if (!r)
		qsort(keys, count, sizeof(*keys), compare_keys);
	for (i = 1; i < count && !r; i++)
		if (strcmp(word_text(keys[i - 1]), word_text(keys[i])) == 0)
			r = where_fail(err, w->name, node_line(keys[i]), "'%s' is given twice (first in line %u)",
				       word_text(keys[i]), node_line(keys[i - 1]));
	free(keys);
	return r;
}

/* What the parser stumbled over. Faults of the encoding come with an offset and no line. */
static int parser_fault(const yaml_parser_t *parser, const char *text, const char *name, struct cfg_error *err)
{
	size_t line = parser->problem_mark.line + 1, i;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		for (i = 0, line = 1; i < parser->problem_offset; i++)
			line += text[i] == '\n';
	return where_fail(err, name, (unsigned)line, "%s", parser->problem ? parser->problem : "not readable as YAML");
}

static int check_document(struct where *w, yaml_parser_t *parser, const char *text, struct cfg_error *err)
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
		return parser_fault(parser, text, w->name, err);
	root = yaml_document_get_root_node(&next);
	if (root)
		r = where_fail(err, w->name, node_line(root), "more than one document");
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
		r = parser_fault(&parser, text, name, err);
	} else {
		if (w->doc.nodes.start == w->doc.nodes.top)
			r = where_fail(err, name, 1, "the file says nothing");
		else
			r = check_document(w, &parser, text, err);
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

/* One step down; *line follows. NULL: there is no such place. */
static const yaml_node_t *step_key(const struct where *w, const yaml_node_t *node, const char *key, size_t len,
				   unsigned *line)
{
	const yaml_node_pair_t *pair;

	if (node->type != YAML_MAPPING_NODE)
		return NULL;
	for (pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const yaml_node_t *k = node_at(w, pair->key);

		if (strncmp(word_text(k), key, len) == 0 && word_text(k)[len] == '\0') {
			*line = node_line(k);
			return node_at(w, pair->value);
		}
	}
	return NULL;
}

static const yaml_node_t *step_item(const struct where *w, const yaml_node_t *node, unsigned long i, unsigned *line)
{
	if (node->type != YAML_SEQUENCE_NODE ||
	    i >= (unsigned long)(node->data.sequence.items.top - node->data.sequence.items.start))
		return NULL;
	node = node_at(w, node->data.sequence.items.start[i]);
	*line = node_line(node);
	return node;
}

static const yaml_node_t *walk(const struct where *w, const char *place, unsigned *line)
{
	const yaml_node_t *node = w->doc.nodes.start;

	*line = node_line(node);
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
			node = step_key(w, node, place, n, line);
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

static unsigned sequence_count(const yaml_node_t *node)
{
	return (unsigned)(node->data.sequence.items.top - node->data.sequence.items.start);
}

static int check_value(const struct where *w, const char *key, const yaml_node_t *node,
		       const cyaml_schema_value_t *schema, struct cfg_error *err);

#define LIST_BYTES 192 /* of the words that stand in a message */

/* Puts words behind each other, ", " between them; what does not fit is left out, and three dots say so. */
static void add_word(char list[LIST_BYTES], const char *word)
{
	size_t len = strlen(list), more = strlen(word) + (len ? 2 : 0);

	if (len + more + sizeof(", ...") <= LIST_BYTES)
		snprintf(list + len, LIST_BYTES - len, "%s%s", len ? ", " : "", word);
	else if (len < 3 || strcmp(list + len - 3, "...") != 0)
		snprintf(list + len, LIST_BYTES - len, ", ...");
}

static int check_key(const struct where *w, const cyaml_schema_field_t *fields, const yaml_node_pair_t *pair,
		     struct cfg_error *err)
{
	const yaml_node_t *key = node_at(w, pair->key);
	const cyaml_schema_field_t *f = fields;
	char known[LIST_BYTES] = "";

	while (f->key && strcmp(f->key, word_text(key)) != 0)
		f++;
	if (f->key)
		return check_value(w, f->key, node_at(w, pair->value), &f->value, err);
	for (f = fields; f->key; f++)
		add_word(known, f->key);
	return where_fail(err, w->name, node_line(key), "'%.64s' is not known here; known: %s", word_text(key), known);
}

/* libcyaml reads as far as it understands and drops the rest: 2h would be 2 seconds, and 010 eight. */
static int check_number(const struct where *w, const char *key, const yaml_node_t *node, struct cfg_error *err)
{
	const char *text = word_text(node);

	/* Marks and their masks are written so. */
	if (!strncmp(text, "0x", 2) && text[2] && strlen(text) <= 10 &&
	    !text[2 + strspn(text + 2, "0123456789abcdefABCDEF")])
		return 0;
	if (!*text || text[strspn(text, "0123456789")] || (*text == '0' && text[1]))
		return where_fail(err, w->name, node_line(node), "%s: '%.64s' is no number", key, text);
	if (strlen(text) > 10 || strtoull(text, NULL, 10) > UINT32_MAX)
		return where_fail(err, w->name, node_line(node), "%s: %.64s is too large", key, text);
	return 0;
}

static int check_word(const struct where *w, const char *key, const yaml_node_t *node,
		      const cyaml_schema_value_t *schema, struct cfg_error *err)
{
	const cyaml_strval_t *words = schema->enumeration.strings;
	char allowed[LIST_BYTES] = "";

	for (uint32_t i = 0; i < schema->enumeration.count; i++)
		if (!strcmp(words[i].str, word_text(node)))
			return 0;
	for (uint32_t i = 0; i < schema->enumeration.count; i++)
		add_word(allowed, words[i].str);
	return where_fail(err, w->name, node_line(node), "%s: '%.64s' is not one of %s", key, word_text(node), allowed);
}

static int check_text(const struct where *w, const char *key, const yaml_node_t *node,
		      const cyaml_schema_value_t *schema, struct cfg_error *err)
{
	if (node->data.scalar.length < schema->string.min)
		return where_fail(err, w->name, node_line(node), "%s: the text is empty", key);
	if (node->data.scalar.length > schema->string.max)
		return where_fail(err, w->name, node_line(node), "%s: the text is longer than %u bytes", key,
				  schema->string.max);
	return 0;
}

static int check_mapping_keys(const struct where *w, const yaml_node_t *node, const cyaml_schema_field_t *fields,
			      struct cfg_error *err)
{
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	unsigned line;
	int r = 0;

	for (; pair < node->data.mapping.pairs.top && !r; pair++)
		r = check_key(w, fields, pair, err);
	for (; fields->key && !r; fields++)
		if (!(fields->value.flags & CYAML_FLAG_OPTIONAL) &&
		    !step_key(w, node, fields->key, strlen(fields->key), &line))
			r = where_fail(err, w->name, node_line(node), "'%s' is missing", fields->key);
	return r;
}

/* The schema is a tree of fixed depth, so this ends whatever the document is. */
static int check_value(const struct where *w, const char *key, const yaml_node_t *node,
		       const cyaml_schema_value_t *schema, struct cfg_error *err)
{
	const char *expected = NULL;
	int r = 0;

	switch (schema->type) {
	case CYAML_UINT:
	case CYAML_ENUM:
	case CYAML_STRING:
		if (node->type != YAML_SCALAR_NODE)
			expected = schema->type == CYAML_UINT ? "a number" : "a word";
		else if (schema->type == CYAML_UINT)
			r = check_number(w, key, node, err);
		else
			r = (schema->type == CYAML_ENUM ? check_word : check_text)(w, key, node, schema, err);
		break;
	case CYAML_SEQUENCE:
		if (node->type != YAML_SEQUENCE_NODE)
			expected = "a list, as in [ a, b ]";
		for (unsigned i = 0; !expected && !r && i < sequence_count(node); i++)
			r = check_value(w, key, node_at(w, node->data.sequence.items.start[i]), schema->sequence.entry,
					err);
		break;
	case CYAML_MAPPING:
		if (node->type != YAML_MAPPING_NODE)
			expected = "keys with values, as in { a: b }";
		else
			r = check_mapping_keys(w, node, schema->mapping.fields, err);
		break;
	default:
		break; /* what is left out */
	}
	if (expected)
		return where_fail(err, w->name, node_line(node), "%s must be %s", key, expected);
	return r;
}

int where_check(const struct where *w, const cyaml_schema_value_t *schema, struct cfg_error *err)
{
	return check_value(w, "the configuration", w->doc.nodes.start, schema, err);
}
