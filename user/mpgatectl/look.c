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

void look_take(const char *instance, const char *order, struct look *out)
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
		json_t *parameters = all[i].value == &out->flows ? json_pack("{s:s}", "order", order) : NULL;

		*all[i].value = client_call(instance, all[i].method, parameters, &out->error);
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

/* counts: what was not there before has carried all of its bytes since then. */
static void add_rates(const json_t *before, json_t *one, bool counts, double seconds)
{
	json_int_t up = before || counts ? rate(before, one, "bytes_up", seconds) : 0;
	json_int_t down = before || counts ? rate(before, one, "bytes_down", seconds) : 0;

	json_object_set_new(one, "up_rate", json_integer(up));
	json_object_set_new(one, "down_rate", json_integer(down));
	json_object_set_new(one, "rate", json_integer(up + down));
}

static void compare_flows(const struct look *before, struct look *now, double seconds)
{
	static const char *const names[] = { "client", "server", "role" };
	const size_t count = sizeof(names) / sizeof(names[0]);
	json_t *known = by_name(json_object_get(before->flows, "flows"), names, count), *flow;
	size_t i;

	json_array_foreach(json_object_get(now->flows, "flows"), i, flow)
	{
		char name[TEXT];

		snprintf(name, sizeof(name), "%s %s %s", text_of(flow, names[0]), text_of(flow, names[1]),
			 text_of(flow, names[2]));
		add_rates(json_object_get(known, name), flow, (double)number_of(flow, "age_s") <= seconds + NEW_S,
			  seconds);
	}
	json_decref(known);
}

/* Peers and rules have counters of their own, of all connections: those that the list of flows leaves out, too. */
static void compare_owners(const json_t *before, const json_t *now, double seconds)
{
	static const char *const names[] = { "name" };
	json_t *known = by_name(before, names, 1), *one;
	size_t i;

	json_array_foreach(now, i, one)
	{
		add_rates(json_object_get(known, text_of(one, "name")), one, false, seconds);
	}
	json_decref(known);
}

/* Not where some are left out: a part of their number would pass for all. */
static void count_flows(const struct look *l)
{
	static const char *const names[] = { "name" };
	json_t *rules = json_object_get(l->policy, "rules"), *index = by_name(rules, names, 1), *one;
	size_t i;

	json_array_foreach(rules, i, one)
	{
		add(one, "flows", 0);
	}
	json_array_foreach(json_object_get(l->flows, "flows"), i, one)
	{
		json_t *rule = json_object_get(index, text_of(one, "rule"));

		if (rule)
			add(rule, "flows", 1);
	}
	json_decref(index);
}

static const char *path_state(const json_t *path)
{
	const char *health[] = { text_of(path, "health4"), text_of(path, "health6") };

	if (!json_is_true(json_object_get(path, "up")))
		return "link down";
	for (size_t i = 0; i < 2; i++)
		if (!strcmp(health[i], "up"))
			return "up";
	/* At a hub nobody is asked over it. */
	return *health[0] ? health[0] : *health[1] ? health[1] : *text_of(path, "why") ? "unknown" : "up";
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
	compare_owners(json_object_get(before->peers, "peers"), json_object_get(now->peers, "peers"), seconds);
	compare_owners(json_object_get(before->policy, "rules"), json_object_get(now->policy, "rules"), seconds);
	if (!json_is_true(json_object_get(now->flows, "truncated")))
		count_flows(now);
	compare_paths(before, now, seconds);
}
