// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/net/io.h>
#include <mpgated/worker/flows.h>

/* False: there is none. */
static bool take(struct worker *w, const struct mpgate_tuple *tuple, struct mpgate_flow *f)
{
	if (!io_take(w->flows_fd, tuple, f))
		return false;
	/* Another worker can write to the map, so what is read from it is checked. */
	if (f->client < MPGATE_CLIENT_COUNTERS)
		__atomic_sub_fetch(&w->flow_clients[f->client], 1, __ATOMIC_RELAXED);
	return true;
}

void flow_drop(struct worker *w, const struct mpgate_tuple *tuple)
{
	struct mpgate_flow f;

	take(w, tuple, &f);
}

void flow_asks(const struct mpgate_flow *f, struct conn_request *out)
{
	bool alone = f->rule_flags & MPGATE_RULE_TERMINATE;

	out->rule_id = f->rule_flags & MPGATE_RULE_TAGGED ? 0 : f->rule_id;
	out->slot = alone ? MPGATE_MAX_PEERS : f->peer;
	out->dscp = f->dscp;
	out->tagged = alone || f->rule_flags & MPGATE_RULE_TAGGED;
	out->reject = f->rule_flags & MPGATE_RULE_REJECT;
	out->breaks = f->rule_flags & MPGATE_FLOW_BREAKS;
	out->doubted = f->rule_flags & MPGATE_FLOW_DOUBTED;
	out->published = f->rule_flags & MPGATE_RULE_PUBLISHED;
}

bool flow_take(struct worker *w, struct conn *c)
{
	struct mpgate_flow f;

	if (!take(w, &c->request.tuple, &f))
		return false;
	if (f.peer >= MPGATE_MAX_PEERS)
		return false;
	flow_asks(&f, &c->request);
	return true;
}

/*
 * The counterpart of steer_cannot() in bpf/steer.h. A rule that was changed or removed since steer took the connection
 * loses nothing: it is reset when either of both says so. What no entry tells the rule of may be any rule's.
 */
bool flow_must_reset(const struct worker *w, const struct conn *c)
{
	const struct snapshot_rule *r = snapshot_at(w->snap, w->snap->rules);

	if (c->request.tagged)
		return false;
	if (c->request.reject)
		return true;
	for (unsigned i = 0; i < w->snap->rules.count; i++)
		if (r[i].reject && (!c->request.rule_id || r[i].id == c->request.rule_id))
			return true;
	return false;
}
