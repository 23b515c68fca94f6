// SPDX-License-Identifier: GPL-2.0-or-later
/* What workers relay, for Flows and the status page. */
#include <errno.h>
#include <stdlib.h>

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

static int more_first(uint64_t x, uint64_t y)
{
	return x < y ? 1 : x > y ? -1 : 0;
}

static int oldest_first(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return more_first(x->record->age, y->record->age);
}

static int largest_first(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return more_first(x->record->bytes_up + x->record->bytes_down, y->record->bytes_up + y->record->bytes_down);
}

json_t *flows_told(const struct supervisor *s, enum flows_order order, bool with_idle, unsigned most)
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

			idle += !asks;
			if (asks || with_idle)
				found[n++] = (struct found){ &p->flows[k], i };
		}
		truncated |= p->more_flows;
	}
	if (n)
		qsort(found, n, sizeof(*found), order == FLOWS_OLDEST ? oldest_first : largest_first);
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
	bool all; /* also those that have asked for nothing yet */
};

static void flows_reply(void *arg)
{
	struct flows_call *f = arg;

	control_reply(f->call, flows_told(f->s, FLOWS_OLDEST, f->all, FLOWS_MAX), NULL, NULL);
	free(f);
}

int method_flows(void *arg, const json_t *parameters, struct control_call *call)
{
	struct flows_call *f = malloc(sizeof(*f));
	int ret = -ENOMEM;

	if (f) {
		*f = (struct flows_call){ arg, call, json_is_true(json_object_get(parameters, "all")) };
		ret = flows_ask(arg, flows_reply, f);
	}
	if (ret)
		free(f);
	return ret;
}
