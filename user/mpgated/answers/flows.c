// SPDX-License-Identifier: GPL-2.0-or-later
/* What workers relay, for Flows and the status page. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/addr.h>
#include <mpgated/answers/answers.h>

static const char *const flow_states[] = {
	[GW_FIRST] = "connecting",    [GW_DIAL] = "connecting", [GW_ANSWER] = "connecting", [GW_DIRECT] = "connecting",
	[GW_APPROVED] = "connecting", [HUB_HEADER] = "header",	[HUB_DIAL] = "connecting",  [TR_DIAL] = "connecting",
	[HUB_LINGER] = "closing",     [RELAY] = "relaying",	[CLOSED] = "closing"
};

/* One of a worker's. */
struct found {
	const struct flow_record *record;
	unsigned worker;
};

static json_t *flow(const struct supervisor *s, const struct found *f)
{
	const struct flow_record *r = f->record;
	char text[ADDR_TEXT];
	json_t *o = json_object();

	json_set_text(o, "client", addr_print_port(&r->tuple.saddr, r->tuple.sport, text));
	json_set_text(o, "server", addr_print_port(&r->tuple.daddr, r->tuple.dport, text));
	if (r->mapped_port)
		json_set_text(o, "mapped", addr_print_port(&r->mapped, r->mapped_port, text));
	if (r->peer < s->peer_slots)
		json_set_text(o, "peer", s->peers[r->peer].name);
	if (r->rule_id && r->rule_id <= s->rule_count)
		json_set_text(o, "rule", s->rules[r->rule_id - 1]);
	json_set_int(o, "worker", f->worker);
	json_set_int(o, "age_s", r->age);
	json_set_int(o, "bytes_up", r->bytes_up);
	json_set_int(o, "bytes_down", r->bytes_down);
	json_set_int(o, "subflows", r->mptcp ? r->subflows : 0);
	if (r->mptcp)
		json_set_int(o, "token", r->token);
	json_object_set_new(o, "mptcp", json_boolean(r->mptcp));
	json_object_set_new(o, "paths", flow_paths(s, r));
	json_set_text(o, "state", r->half_closed ? "half-closed" : flow_states[r->state]);
	json_set_text(o, "role", r->hub ? "hub" : "gateway");
	return o;
}

static uint64_t carried(const struct flow_record *r, enum flows_order order)
{
	return (order == FLOWS_DOWN ? 0 : r->bytes_up) + (order == FLOWS_UP ? 0 : r->bytes_down);
}

static int more_first(uint64_t x, uint64_t y)
{
	return x < y ? 1 : x > y ? -1 : 0;
}

static int in_order(const void *a, const void *b, void *arg)
{
	const enum flows_order *order = arg;
	const struct flow_record *x = ((const struct found *)a)->record, *y = ((const struct found *)b)->record;
	int first = *order == FLOWS_ACTIVE   ? more_first(y->quiet_ms, x->quiet_ms)
		    : *order == FLOWS_OLDEST ? 0
					     : more_first(carried(x, *order), carried(y, *order));

	return first ? first : more_first(x->age, y->age);
}

json_t *flows_told(const struct supervisor *s, enum flows_order order, bool with_idle, const char *path, unsigned most)
{
	json_t *o = json_object(), *all = json_array();
	unsigned told = 0, n = 0, idle = 0;
	bool truncated = false;
	struct found *found;

	for (unsigned i = 0; i < s->worker_count; i++)
		told += s->workers[i].flow_count;
	found = told ? malloc(told * sizeof(*found)) : NULL;
	truncated = told && !found;
	for (unsigned i = 0; i < s->worker_count; i++) {
		const struct worker_proc *p = &s->workers[i];

		for (unsigned k = 0; k < p->flow_count && found; k++) {
			bool asks = p->flows[k].state != HUB_HEADER;

			if (path && !flow_is_over(s, &p->flows[k], path))
				continue;
			idle += !asks;
			if (asks || with_idle)
				found[n++] = (struct found){ &p->flows[k], i };
		}
		truncated |= p->more_flows;
	}
	if (n)
		qsort_r(found, n, sizeof(*found), in_order, &order);
	for (unsigned i = 0; i < n && i < most; i++)
		json_array_append_new(all, flow(s, &found[i]));
	free(found);
	json_object_set_new(o, "flows", all);
	json_set_int(o, "idle", idle);
	json_object_set_new(o, "truncated", json_boolean(truncated || n > most));
	return o;
}

/* The call that waits for a list. */
struct flows_call {
	const struct supervisor *s;
	struct control_call *call;
	struct flows_wanted wanted;
	bool all; /* also those that have asked for nothing yet */
	char *path; /* NULL: any */
};

static void free_call(struct flows_call *f)
{
	free(f->path);
	free(f);
}

static void flows_reply(void *arg)
{
	struct flows_call *f = arg;

	control_reply(f->call, flows_told(f->s, f->wanted.order, f->all, f->path, FLOWS_MAX), NULL, NULL);
	free_call(f);
}

static const char *const orders[] = { [FLOWS_OLDEST] = "age",
				      [FLOWS_LARGEST] = "bytes",
				      [FLOWS_UP] = "up",
				      [FLOWS_DOWN] = "down",
				      [FLOWS_ACTIVE] = "active" };
#define ORDERS (sizeof(orders) / sizeof(orders[0]))

/* A peer or a rule that is not known has no flows: it becomes one that nothing is of. */
static uint32_t peer_number(const struct supervisor *s, const char *name)
{
	for (unsigned i = 0; i < s->peer_slots; i++)
		if (s->peers[i].name && !strcmp(s->peers[i].name, name))
			return i + 1;
	return UINT32_MAX;
}

static uint32_t rule_number(const struct supervisor *s, const char *name)
{
	for (unsigned i = 0; i < s->rule_count; i++)
		if (!strcmp(s->rules[i], name))
			return i + 1;
	return UINT32_MAX;
}

static int read_call(const struct supervisor *s, const json_t *parameters, struct flows_call *f)
{
	const char *client = NULL, *server = NULL, *peer = NULL, *rule = NULL, *path = NULL, *order = orders[0];
	int all = 0;

	if (parameters &&
	    json_unpack((json_t *)(uintptr_t)parameters, "{s?b, s?s, s?s, s?s, s?s, s?s, s?s}", "all", &all, "client",
			&client, "server", &server, "peer", &peer, "rule", &rule, "path", &path, "order", &order) < 0)
		return -EINVAL;
	while (f->wanted.order < ORDERS && strcmp(orders[f->wanted.order], order) != 0)
		f->wanted.order++;
	if (f->wanted.order == ORDERS || (client && addr_match_parse(client, &f->wanted.client) < 0) ||
	    (server && addr_match_parse(server, &f->wanted.server) < 0))
		return -EINVAL;
	f->wanted.peer = peer ? peer_number(s, peer) : 0;
	f->wanted.rule = rule ? rule_number(s, rule) : 0;
	f->all = all;
	f->path = path ? strdup(path) : NULL;
	return path && !f->path ? -ENOMEM : 0;
}

int method_flows(void *arg, const json_t *parameters, struct control_call *call)
{
	struct flows_call *f = calloc(1, sizeof(*f));
	int ret;

	if (!f)
		return -ENOMEM;
	f->s = arg;
	f->call = call;
	ret = read_call(arg, parameters, f);
	if (!ret)
		ret = flows_ask(arg, &f->wanted, flows_reply, f);
	if (ret)
		free_call(f);
	return ret;
}
