/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mpgatectl/flows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/addr_match.h>
#include <mpgatectl/explain.h>

/* What sorts by a number has the most first. */
static const struct sort_word {
	const char *word;
	const char *key; /* of a flow */
	const char *and_key; /* added to it; NULL: none */
	enum { BY_NUMBER, BY_TEXT, BY_ENDPOINT } by;
} words[] = {
	{ "rate", "rate", NULL, BY_NUMBER }, /* which only who looks twice can tell: keep it first */
	{ "age", "age_s", NULL, BY_NUMBER },
	{ "client", "client", NULL, BY_ENDPOINT },
	{ "server", "server", NULL, BY_ENDPOINT },
	{ "peer", "peer", NULL, BY_TEXT },
	{ "rule", "rule", NULL, BY_TEXT },
	{ "path", "paths", NULL, BY_TEXT },
	{ "up", "bytes_up", NULL, BY_NUMBER },
	{ "down", "bytes_down", NULL, BY_NUMBER },
	{ "bytes", "bytes_up", "bytes_down", BY_NUMBER },
};
#define WORDS (sizeof(words) / sizeof(words[0]))

const char *flows_sort_word(unsigned i)
{
	return i + 1 < WORDS ? words[i + 1].word : NULL;
}

static const struct sort_word *find_word(const char *word)
{
	for (size_t i = 0; i < WORDS; i++)
		if (!strcmp(words[i].word, word))
			return &words[i];
	return NULL;
}

/* An endpoint of a flow: "192.0.2.1:80", "[2001:db8::1]:80". */
static bool read_endpoint(const json_t *flow, const char *key, struct mpgate_addr *addr, int *port)
{
	const char *text = json_string_value(json_object_get(flow, key));
	char host[EXPLAIN_ADDRESS];

	return text && explain_endpoint(text, host, port) == 0 && addr_parse(host, addr) == 0;
}

struct sorted {
	json_t *flow;
	json_int_t number;
	const char *text;
	struct mpgate_addr addr;
	int port;
	size_t at; /* where it was: the oldest first */
};

static int compare(const void *x, const void *y)
{
	const struct sorted *a = x, *b = y;
	int order = strcmp(a->text, b->text);

	if (!order)
		order = memcmp(&a->addr, &b->addr, sizeof(a->addr));
	if (!order)
		order = a->port - b->port;
	if (!order)
		order = a->number > b->number ? -1 : a->number < b->number;
	return order ? order : a->at > b->at ? 1 : -1;
}

static struct sorted sort_key(const struct sort_word *w, json_t *flow, size_t at)
{
	struct sorted s = { .flow = flow, .text = "", .at = at };
	const json_t *value = json_object_get(flow, w->key);

	if (w->by == BY_NUMBER)
		s.number = json_integer_value(value) +
			   (w->and_key ? json_integer_value(json_object_get(flow, w->and_key)) : 0);
	else if (w->by == BY_TEXT)
		s.text = json_string_value(json_is_array(value) ? json_array_get(value, 0) : value) ?: "";
	else
		read_endpoint(flow, w->key, &s.addr, &s.port);
	return s;
}

void flows_sort(json_t *flows, const char *word)
{
	const struct sort_word *w = find_word(word);
	struct sorted *all = calloc(json_array_size(flows) + 1, sizeof(*all));
	json_t *flow;
	size_t i, n = 0;

	json_array_foreach(flows, i, flow) if (all && w) all[n++] = sort_key(w, json_incref(flow), i);
	if (n) {
		qsort(all, n, sizeof(*all), compare);
		json_array_clear(flows);
	}
	for (i = 0; i < n; i++)
		json_array_append_new(flows, all[i].flow);
	free(all);
}

void flows_shape(const struct args *args, json_t *value)
{
	if (args->option[ARGS_SORT])
		flows_sort(json_object_get(value, "flows"), args->option[ARGS_SORT]);
}

const char *flows_order(const char *word)
{
	const struct sort_word *w = word ? find_word(word) : NULL;

	return !w || w->by != BY_NUMBER ? NULL : w == words ? "active" : word;
}

json_t *flows_ask(const struct args *args, char *error, size_t size)
{
	static const struct {
		enum args_option option;
		const char *key; /* of the method */
		bool is_end;
	} which[] = { { ARGS_CLIENT, "client", true },
		      { ARGS_SERVER, "server", true },
		      { ARGS_PEER, "peer", false },
		      { ARGS_RULE, "rule", false },
		      { ARGS_PATH, "path", false } };
	const char *sort = args->option[ARGS_SORT], *word;
	json_t *parameters;
	size_t len;

	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		const char *text = args->option[which[i].option];
		struct addr_match match;

		if (text && which[i].is_end && addr_match_parse(text, &match) < 0) {
			snprintf(error, size, "--%s: '%s' is not ADDRESS, PREFIX/BITS, ADDRESS:PORT or :PORT",
				 which[i].key, text);
			return NULL;
		}
	}
	/* The first one is not for the command line. */
	if (sort && (!find_word(sort) || find_word(sort) == words)) {
		len = (size_t)snprintf(error, size, "--sort: '%s' is none of", sort);
		for (unsigned i = 0; len < size && (word = flows_sort_word(i)); i++)
			len += (size_t)snprintf(error + len, size - len, "%s%s", i ? ", " : " ", word);
		return NULL;
	}
	parameters = json_pack("{s:b}", "all", args->option[ARGS_ALL] != NULL);
	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++)
		if (args->option[which[i].option])
			json_object_set_new(parameters, which[i].key, json_string(args->option[which[i].option]));
	if (flows_order(sort))
		json_object_set_new(parameters, "order", json_string(flows_order(sort)));
	return parameters;
}
