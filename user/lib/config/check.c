// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/check.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/near.h>
#include <lib/config/raw.h>

#define LIST_BYTES 192 /* of the words that stand in a message */

static int check_value(const struct where *w, const char *key, const yaml_node_t *node,
		       const cyaml_schema_value_t *schema, struct cfg_error *err);

/* Puts words behind each other, ", " between them; what does not fit is left out, and three dots say so. */
static void add_word(char list[LIST_BYTES], const char *word)
{
	size_t len = strlen(list), more = strlen(word) + (len ? 2 : 0);

	if (len + more + sizeof(", ...") <= LIST_BYTES)
		snprintf(list + len, LIST_BYTES - len, "%s%s", len ? ", " : "", word);
	else if (len < 3 || strcmp(list + len - 3, "...") != 0)
		snprintf(list + len, LIST_BYTES - len, ", ...");
}

/* Where in the schema, from path on, a key is known: "at the top level", "below policy.rules". */
static void find_key(const cyaml_schema_value_t *schema, const char *path, const char *key, char list[LIST_BYTES])
{
	const cyaml_schema_field_t *f;
	char place[64];

	while (schema->type == CYAML_SEQUENCE)
		schema = schema->sequence.entry;
	for (f = schema->type == CYAML_MAPPING ? schema->mapping.fields : NULL; f && f->key; f++) {
		snprintf(place, sizeof(place), "%s%s", *path ? "below " : "at the top level", path);
		if (!strcmp(f->key, key))
			add_word(list, place);
		snprintf(place, sizeof(place), "%s%s%s", path, *path ? "." : "", f->key);
		find_key(&f->value, place, key, list);
	}
}

/* Of one that is not known here. */
static int unknown_key(const struct where *w, const cyaml_schema_field_t *fields, const yaml_node_t *key,
		       struct cfg_error *err)
{
	struct near near = { .text = where_text(key) };
	char known[LIST_BYTES] = "", text[NEAR_TEXT], places[LIST_BYTES] = "";
	size_t len = strcspn(near.text, ":");

	for (const cyaml_schema_field_t *f = fields; f->key; f++) {
		if (near.text[len] && strlen(f->key) == len && !strncmp(f->key, near.text, len))
			return where_fail(err, w->name, where_node_line(key),
					  "'%.64s': a blank is missing behind '%s:'", near.text, f->key);
		add_word(known, f->key);
		near_offer(&near, f->key);
	}
	if (!near.word)
		find_key(&raw_schema, "", near.text, places);
	return where_fail(err, w->name, where_node_line(key), "'%.64s' is not known here%s%s%s; known: %s", near.text,
			  *places ? ", but " : "", places, near_text(&near, text), known);
}

static int check_key(const struct where *w, const cyaml_schema_field_t *fields, const yaml_node_pair_t *pair,
		     struct cfg_error *err)
{
	const yaml_node_t *key = where_node(w, pair->key);
	const cyaml_schema_field_t *f = fields;

	while (f->key && strcmp(f->key, where_text(key)) != 0)
		f++;
	if (f->key)
		return check_value(w, f->key, where_node(w, pair->value), &f->value, err);
	return unknown_key(w, fields, key, err);
}

/* libcyaml reads as far as it understands and drops the rest: 2h would be 2 seconds, and 010 eight. */
static int check_number(const struct where *w, const char *key, const yaml_node_t *node, struct cfg_error *err)
{
	const char *text = where_text(node);

	/* Marks and their masks are written so. */
	if (!strncmp(text, "0x", 2) && text[2] && strlen(text) <= 10 &&
	    !text[2 + strspn(text + 2, "0123456789abcdefABCDEF")])
		return 0;
	if (!*text || text[strspn(text, "0123456789")] || (*text == '0' && text[1]))
		return where_fail(err, w->name, where_node_line(node), "%s: '%.64s' is no number", key, text);
	if (strlen(text) > 10 || strtoull(text, NULL, 10) > UINT32_MAX)
		return where_fail(err, w->name, where_node_line(node), "%s: %.64s is too large", key, text);
	return 0;
}

static int check_word(const struct where *w, const char *key, const yaml_node_t *node,
		      const cyaml_schema_value_t *schema, struct cfg_error *err)
{
	const cyaml_strval_t *words = schema->enumeration.strings;
	struct near near = { .text = where_text(node) };
	char allowed[LIST_BYTES] = "", text[NEAR_TEXT];

	for (uint32_t i = 0; i < schema->enumeration.count; i++)
		if (!strcmp(words[i].str, where_text(node)))
			return 0;
	for (uint32_t i = 0; i < schema->enumeration.count; i++) {
		add_word(allowed, words[i].str);
		near_offer(&near, words[i].str);
	}
	return where_fail(err, w->name, where_node_line(node), "%s: '%.64s' is not one of %s%s", key, where_text(node),
			  allowed, near_text(&near, text));
}

static int check_text(const struct where *w, const char *key, const yaml_node_t *node,
		      const cyaml_schema_value_t *schema, struct cfg_error *err)
{
	if (node->data.scalar.length < schema->string.min)
		return where_fail(err, w->name, where_node_line(node), "%s: the text is empty", key);
	if (node->data.scalar.length > schema->string.max)
		return where_fail(err, w->name, where_node_line(node), "%s: the text is longer than %u bytes", key,
				  schema->string.max);
	return 0;
}

/* "{ name: ..., role: ... }": the keys that it needs, else the first that it may have. */
static void show_keys(const cyaml_schema_field_t *fields, char text[LIST_BYTES])
{
	char keys[LIST_BYTES] = "", key[64];
	const cyaml_schema_field_t *f;

	for (f = fields; f->key; f++) {
		snprintf(key, sizeof(key), "%s: ...", f->key);
		if (!(f->value.flags & CYAML_FLAG_OPTIONAL))
			add_word(keys, key);
	}
	if (!keys[0])
		snprintf(keys, sizeof(keys), "%s: ...", fields->key);
	snprintf(text, LIST_BYTES, "{ %.180s }", keys);
}

/* A scalar as it is, in quotes where it may need them. */
static void show_item(const yaml_node_t *node, char text[LIST_BYTES])
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./";
	const char *item = node->type == YAML_SCALAR_NODE ? where_text(node) : "";

	if (!*item)
		snprintf(text, LIST_BYTES, "a, b");
	else
		snprintf(text, LIST_BYTES, item[strspn(item, plain)] ? "\"%.64s\"" : "%.64s", item);
}

static int not_a_list(const struct where *w, const char *key, const yaml_node_t *node,
		      const cyaml_schema_value_t *entry, struct cfg_error *err)
{
	char text[LIST_BYTES];

	if (entry->type == CYAML_MAPPING)
		show_keys(entry->mapping.fields, text);
	else
		show_item(node, text);
	return where_fail(err, w->name, where_node_line(node), "%s must be a list, as in [ %s ]", key, text);
}

static int not_keys(const struct where *w, const char *key, const yaml_node_t *node, bool entry,
		    const cyaml_schema_field_t *fields, struct cfg_error *err)
{
	char text[LIST_BYTES];

	show_keys(fields, text);
	return where_fail(err, w->name, where_node_line(node), "%s%s must be keys with values, as in %s",
			  entry ? "an entry of " : "", key, text);
}

static int not_a_scalar(const struct where *w, const char *key, const yaml_node_t *node,
			const cyaml_schema_value_t *schema, struct cfg_error *err)
{
	return where_fail(err, w->name, where_node_line(node), "%s must be %s, not %s", key,
			  schema->type == CYAML_UINT ? "a number" : "a word",
			  node->type == YAML_SEQUENCE_NODE ? "a list" : "keys with values");
}

static int check_keys(const struct where *w, const yaml_node_t *node, const cyaml_schema_field_t *fields,
		      struct cfg_error *err)
{
	const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	unsigned line;
	int r = 0;

	for (; pair < node->data.mapping.pairs.top && !r; pair++)
		r = check_key(w, fields, pair, err);
	for (; fields->key && !r; fields++)
		if (!(fields->value.flags & CYAML_FLAG_OPTIONAL) &&
		    !where_step(w, node, fields->key, strlen(fields->key), &line))
			r = where_fail(err, w->name, where_node_line(node), "'%s' is missing", fields->key);
	return r;
}

static int check_items(const struct where *w, const char *key, const yaml_node_t *node,
		       const cyaml_schema_value_t *entry, struct cfg_error *err)
{
	const yaml_node_item_t *item = node->data.sequence.items.start;
	int r = 0;

	for (; item < node->data.sequence.items.top && !r; item++) {
		const yaml_node_t *n = where_node(w, *item);

		if (entry->type == CYAML_MAPPING && n->type != YAML_MAPPING_NODE)
			r = not_keys(w, key, n, true, entry->mapping.fields, err);
		else
			r = check_value(w, key, n, entry, err);
	}
	return r;
}

/* The schema is a tree of fixed depth, so this ends whatever the document is. */
static int check_value(const struct where *w, const char *key, const yaml_node_t *node,
		       const cyaml_schema_value_t *schema, struct cfg_error *err)
{
	switch (schema->type) {
	case CYAML_UINT:
	case CYAML_ENUM:
	case CYAML_STRING:
		if (node->type != YAML_SCALAR_NODE)
			return not_a_scalar(w, key, node, schema, err);
		if (schema->type == CYAML_UINT)
			return check_number(w, key, node, err);
		return (schema->type == CYAML_ENUM ? check_word : check_text)(w, key, node, schema, err);
	case CYAML_SEQUENCE:
		if (node->type != YAML_SEQUENCE_NODE)
			return not_a_list(w, key, node, schema->sequence.entry, err);
		return check_items(w, key, node, schema->sequence.entry, err);
	case CYAML_MAPPING:
		if (node->type != YAML_MAPPING_NODE)
			return not_keys(w, key, node, false, schema->mapping.fields, err);
		return check_keys(w, node, schema->mapping.fields, err);
	default:
		return 0; /* what is left out */
	}
}

int check_document(const struct where *w, struct cfg_error *err)
{
	return check_value(w, "the configuration", w->doc.nodes.start, &raw_schema, err);
}
