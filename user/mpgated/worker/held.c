// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/held.h>

#include <mpgated/worker/dial.h>
#include <mpgated/worker/flows.h>
#include <mpgated/worker/transparent.h>

/*
 * Is that SYN being worked on? steer hands one over again when its entry's time was over, or when it thinks that we
 * have started anew. The verdict, if there is one, is said again then.
 */
static bool is_known(struct worker *w, const struct mpgate_tuple *t)
{
	struct conn *c = conn_find(w, t);

	if (!c || !c->held)
		return false;
	if (c->state == GW_APPROVED && !verdict_approve(w, c))
		conn_close(w, c, true);
	return true;
}

void held_open(void *arg, const struct mpgate_held *h)
{
	struct worker *w = arg;
	struct conn *c;

	if (is_known(w, &h->tuple))
		return;
	w->stats->held++;
	c = conn_new(w, GW_DIAL, LEG_LOCAL);
	if (!c || verdict_hold(w, c, h) < 0) {
		/* The client says it again. */
		flow_drop(w, &h->tuple);
		if (c)
			conn_close(w, c, true);
		return;
	}
	c->request.tuple = h->tuple;
	flow_asks(&h->flow, &c->request);
	c->request.peers_changed = w->peers_changed;
	conn_enter(w, c);
	/*
	 * The network can send SYNs with any source, and each held one makes the peer dial. While many are held,
	 * whoever comes has to show first that it is there; SYN cookies see to the rest.
	 */
	if (c->request.published && w->held > HELD_MOST / 2 && w->accepting && !w->full) {
		c->held->verdict = VERDICT_EARLY;
		conn_close(w, c, true);
		return;
	}
	if (!w->accepting || w->full || (c->request.tagged && w->shm->draining) || w->held > HELD_MOST ||
	    worker_load(w) > w->snap->connections || reserve_touched(w)) {
		w->stats->resource++;
		conn_close(w, c, true);
		report_full(w);
		return;
	}
	if (c->request.tagged) {
		c->opener = LEG_PEER;
		if (h->flow.rule_flags & MPGATE_RULE_TERMINATE)
			transparent_terminate(w, c);
		else
			transparent_take(w, c, h->flow.rule_id);
	} else {
		dial_peer(w, c);
	}
	/* Each that is held needs one more descriptor, for its client. */
	if (c->state != CLOSED && !w->full && conn_target(c)->fd + (int)w->held >= w->early)
		reserve_early(w);
}
