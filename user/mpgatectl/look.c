/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <mpgatectl/look.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mpgatectl/client.h>

#define TEXT 512 /* bytes of a line, or of what names a flow */
#define NEW_S                                                                                                          \
	2 /* a flow is that old at most when all that it has carried came since the last look, beside the pause        \
	   */

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

static json_int_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void add(json_t *o, const char *key, json_int_t n)
{
	json_object_set_new(o, key, json_integer(number_of(o, key) + n));
}

void look_take(const char *instance, struct look *out)
{
	struct timespec now;
	struct {
		const char *method;
		json_t **value;
	} all[] = {
		{ "Status", &out->status },	{ "Peers", &out->peers }, { "Paths", &out->paths },
		{ "PolicyShow", &out->policy }, { "Flows", &out->flows },
	};

	*out = (struct look){ 0 };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		*all[i].value = client_call(instance, all[i].method, NULL, &out->error);
		if (*all[i].value)
			continue;
		for (size_t k = 0; k < i; k++) {
			json_decref(*all[k].value);
			*all[k].value = NULL;
		}
		if (!out->error)
			out->error = strdup("out of memory");
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	out->at = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void look_at_subflows(const char *instance, struct look *l)
{
	char *error = NULL;

	if (l->flows && !l->subflows)
		l->subflows = client_call(instance, "Subflows", NULL, &error);
	free(error);
}

void look_free(struct look *l)
{
	json_decref(l->subflows);
	json_decref(l->status);
	json_decref(l->peers);
	json_decref(l->paths);
	json_decref(l->policy);
	json_decref(l->flows);
	free(l->error);
	*l = (struct look){ 0 };
}

/* --- rates */

/* Elements of an array by a name made of some of their members. A new reference; the elements are the array's. */
static json_t *by_name(const json_t *array, const char *const *keys, size_t count)
{
	json_t *index = json_object(), *one;
	size_t i;

	json_array_foreach(array, i, one)
	{
		char name[TEXT];
		size_t len = 0;

		for (size_t k = 0; k < count && len < sizeof(name); k++)
			len += (size_t)snprintf(name + len, sizeof(name) - len, "%s%s", k ? " " : "",
						text_of(one, keys[k]));
		json_object_set(index, name, one);
	}
	return index;
}

static json_int_t rate(const json_t *before, const json_t *now, const char *key, double seconds)
{
	json_int_t n = number_of(now, key) - number_of(before, key);

	return seconds > 0 && n > 0 ? (json_int_t)((double)n * 8 / seconds) : 0;
}

static void rate_flow(const json_t *before, json_t *flow, double seconds)
{
	/* What was carried before it was seen first is not of now. */
	bool counts = before || (double)number_of(flow, "age_s") <= seconds + NEW_S;
	json_int_t up = counts ? rate(before, flow, "bytes_up", seconds) : 0;
	json_int_t down = counts ? rate(before, flow, "bytes_down", seconds) : 0;

	json_object_set_new(flow, "up_rate", json_integer(up));
	json_object_set_new(flow, "down_rate", json_integer(down));
	json_object_set_new(flow, "rate", json_integer(up + down));
}

/* Adds a flow to what it belongs to. */
static void count_flow(json_t *owners, const char *name, const json_t *flow)
{
	static const char *const rates[] = { "up_rate", "down_rate", "rate" };
	json_t *owner = json_object_get(owners, name);

	if (!owner)
		return;
	add(owner, "flows", 1);
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		add(owner, rates[i], number_of(flow, rates[i]));
}

/* Those without a flow have 0, not nothing. */
static json_t *owners_of(const json_t *array)
{
	static const char *const keys[] = { "name" };
	json_t *index = by_name(array, keys, 1), *one;
	size_t i;

	json_array_foreach(array, i, one)
	{
		add(one, "flows", 0);
		add(one, "up_rate", 0);
		add(one, "down_rate", 0);
		add(one, "rate", 0);
	}
	return index;
}

static void compare_flows(const struct look *before, struct look *now, double seconds)
{
	static const char *const names[] = { "client", "server", "role" };
	const size_t count = sizeof(names) / sizeof(names[0]);
	json_t *known = by_name(json_object_get(before->flows, "flows"), names, count);
	json_t *peers = owners_of(json_object_get(now->peers, "peers"));
	json_t *rules = owners_of(json_object_get(now->policy, "rules")), *flow;
	size_t i;

	json_array_foreach(json_object_get(now->flows, "flows"), i, flow)
	{
		char name[TEXT];

		snprintf(name, sizeof(name), "%s %s %s", text_of(flow, names[0]), text_of(flow, names[1]),
			 text_of(flow, names[2]));
		rate_flow(json_object_get(known, name), flow, seconds);
		count_flow(peers, text_of(flow, "peer"), flow);
		count_flow(rules, text_of(flow, "rule"), flow);
	}
	json_decref(known);
	json_decref(peers);
	json_decref(rules);
}

static const char *path_state(const json_t *path)
{
	const char *health[] = { text_of(path, "health4"), text_of(path, "health6") };

	if (!json_is_true(json_object_get(path, "up")))
		return "link down";
	for (size_t i = 0; i < 2; i++)
		if (!strcmp(health[i], "up"))
			return "up";
	return *health[0] ? health[0] : *health[1] ? health[1] : "up";
}

static void compare_paths(const struct look *before, struct look *now, double seconds)
{
	static const char *const names[] = { "name", "link" };
	json_t *known = by_name(json_object_get(before->paths, "paths"), names, 2), *path;
	size_t i;

	json_array_foreach(json_object_get(now->paths, "paths"), i, path)
	{
		char name[TEXT];
		const json_t *was;

		snprintf(name, sizeof(name), "%s %s", text_of(path, names[0]), text_of(path, names[1]));
		was = json_object_get(known, name);
		json_object_set_new(path, "state", json_string(path_state(path)));
		if (!was)
			continue;
		json_object_set_new(path, "link_out", json_integer(rate(was, path, "tx_bytes", seconds)));
		json_object_set_new(path, "link_in", json_integer(rate(was, path, "rx_bytes", seconds)));
	}
	json_decref(known);
}

void look_compare(const struct look *before, struct look *now)
{
	double seconds = before->flows ? now->at - before->at : 0;

	compare_flows(before, now, seconds);
	compare_paths(before, now, seconds);
}
