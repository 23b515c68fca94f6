// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Further subflows of a connection that we dialed: when they pay, the supervisor is told the connection's token, and
 * makes them. Most connections end before, with one.
 */
#include <mpgated/worker/join.h>

#include <arpa/inet.h>
#include <errno.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/request.h>
#include <mpgated/worker/way.h>

#define JOINS_A_SECOND 500U /* REPORTS_MAX are twice as many */

/* The connection towards a peer, where it has one that may be joined. */
static bool may_join(const struct worker *w, const struct conn *c)
{
	return w->snap->joins && c->peer.dialed && c->peer.mptcp && !c->peer.plain && c->peer.fd >= 0;
}

static enum cfg_join wanted(const struct worker *w, const struct conn *c)
{
	const struct snapshot_rule *r = request_rule(w, c->request.rule_id);

	return r && r->join ? (enum cfg_join)r->join : (enum cfg_join)w->snap->join;
}

/* The supervisor takes so many messages of a worker a second, and others are among them. */
static bool has_room(struct worker *w)
{
	uint32_t second = (uint32_t)(w->now / 1000);

	if (second != w->join_second) {
		w->join_second = second;
		w->join_count = 0;
	}
	return w->join_count++ < JOINS_A_SECOND;
}

/* Tells the supervisor of c. 1; 0: it is no MPTCP connection any more; -EAGAIN: there is no room now. */
static int tell(struct worker *w, const struct conn *c, uint32_t more)
{
	const struct snapshot_peer *p = conn_peer(w, c->request.slot);
	struct message m = { .type = MSG_JOIN, .value = (int32_t)c->request.rule_id, .more = more };
	struct tcp_multipath now;
	__be16 port = 0;

	if (!has_room(w))
		return -EAGAIN;
	if (!tcp_multipath(c->peer.fd, &now, &port))
		return 0;
	m.slot = ntohs(port);
	m.token = now.token;
	m.source = now.local;
	m.other = now.remote;
	m.more |= p && (p->flags & SNAPSHOT_PEER_TRANSPARENT) ? JOIN_ANNOUNCED : 0;
	return report_join(w, &m) ? 1 : -EAGAIN;
}

void join_ask(struct worker *w, struct conn *c)
{
	int told;

	c->join_done = true;
	if (!may_join(w, c) || wanted(w, c) == CFG_JOIN_NEVER)
		return;
	/* What there is no room for, or what the supervisor's socket does not take, is said again when more was moved.
	 */
	told = tell(w, c, 0);
	c->join_done = told >= 0;
	w->stats->joins += told > 0;
}

void join_note(struct worker *w, struct conn *c)
{
	if (w->snap->steers && !c->join_noted && may_join(w, c) && way_rule(w, c))
		c->join_noted = tell(w, c, JOIN_NOTE) >= 0;
}

void join_start(struct worker *w, struct conn *c)
{
	join_note(w, c);
	if (!may_join(w, c))
		c->join_done = true;
	else if (w->snap->join_some_at_once && wanted(w, c) == CFG_JOIN_AT_ONCE)
		join_ask(w, c);
}

void join_look(struct worker *w, struct conn *c)
{
	bool unanswered = c->bytes_up && !c->bytes_down;

	if (c->join_done || !may_join(w, c))
		return;
	if ((w->snap->join_some_at_once && wanted(w, c) == CFG_JOIN_AT_ONCE) || unanswered ||
	    w->now < c->active + w->snap->join_ms / 2 || (!tcp_is_closed(c->peer.fd) && !tcp_all_acked(c->peer.fd)))
		join_ask(w, c);
}
