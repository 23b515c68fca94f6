// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A request over two paths: a lost SYN costs a second otherwise. What goes over the second path is a connection of its
 * own to the same address of the peer, with the same bytes in its SYN: a copy (GW_COPY). The peer opens one connection,
 * by the nonce, and answers over the copy whose handshake is over first; that one is the connection's from then on, and
 * the others are reset. Until then nothing but SYNs is sent.
 *
 * Where the peer does not know nonces, may be another one at the end of the other path, or takes no data in SYNs, the
 * handshakes race, and the request goes over the first that is over.
 *
 * While there is no SYN+ACK, another copy leaves when the last one is late, over the paths in turn.
 */
#include <mpgated/worker/race.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/request.h>

#define LOOK_MS 5 /* so often it is looked who is late */

static const struct peer_shared *shared_of(const struct worker *w, const struct conn *c)
{
	return &w->shm->peers[c->request.slot];
}

void race_prepare(struct worker *w, struct conn *c, const struct snapshot_peer *p)
{
	const struct snapshot_rule *r = w->snap->races ? request_rule(w, c->request.rule_id) : NULL;

	c->request.setup = r ? (uint8_t)r->setup : CFG_SETUP_SINGLE;
	c->request.raced = 0;
	c->request.second = false;
	c->request.twice = c->request.setup != CFG_SETUP_SINGLE && p->flags & SNAPSHOT_PEER_KEYED &&
			   p->flags & SNAPSHOT_PEER_PRIVATE;
}

/* Is there a second path now, for what was never sent before? */
static bool has_second(const struct worker *w, const struct conn *c)
{
	return c->request.setup != CFG_SETUP_SINGLE && !c->request.again &&
	       shared_of(w, c)->late_ms[c->request.address];
}

bool race_is_bare(const struct worker *w, const struct conn *c)
{
	return has_second(w, c) && (!c->request.twice || shared_of(w, c)->others & 1U << c->request.address);
}

/* Dials over the other path than the last one. False: it cannot be. */
static bool dial_copy(struct worker *w, struct conn *c, const struct snapshot_peer *p, struct conn *r)
{
	const struct mpgate_addr *a = &p->address[c->request.address];
	bool in_syn = c->request.sent == SENT_SYN;
	int fd = tcp_socket(addr_is_v4(a) ? AF_INET : AF_INET6, true);
	const uint8_t *data = NULL;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return false;
	leg_dialed(&r->peer, fd, true);
	if (in_syn && request_compose(w, c, p, &data, &len))
		return false;
	if (c->request.dscp)
		tcp_set_dscp(fd, a, c->request.dscp);
	r->request.second = c->request.raced % 2 == 0;
	tcp_leave_from(fd, r->request.second ? &shared_of(w, c)->second[c->request.address]
					     : &shared_of(w, c)->from[c->request.address]);
	n = tcp_dial(fd, a, p->port[c->request.address], in_syn, data, len < FIRST_SEGMENT ? len : FIRST_SEGMENT);
	if (n >= 0 && (size_t)n < len)
		n = park(w, &r->peer.parked, data + n, len - (size_t)n);
	return n >= 0 && leg_watch(w, r, &r->peer) == 0;
}

static void send_copy(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = request_peer(w, c);
	struct conn *r;

	if (!p || w->full || reserve_touched(w) || w->connections >= w->snap->connections)
		return;
	r = conn_new(w, GW_COPY, LEG_PEER);
	if (!r)
		return;
	r->request.slot = c->request.slot;
	r->race = c;
	r->race_next = c->race;
	c->race = r;
	if (!dial_copy(w, c, p, r)) {
		conn_close(w, r, true);
		return;
	}
	w->stats->raced += !c->request.raced;
	c->request.raced++;
}

void race_begin(struct worker *w, struct conn *c)
{
	if (!has_second(w, c))
		return;
	if (c->request.setup == CFG_SETUP_DUPLICATE)
		send_copy(w, c);
	list_del(&c->run);
	list_add_tail(&w->racing, &c->run);
}

/* When the last that was sent is late. */
static uint64_t next_due(const struct worker *w, const struct conn *c)
{
	unsigned sent = c->request.raced + (c->request.setup == CFG_SETUP_STAGGER);

	return c->active + (uint64_t)sent * shared_of(w, c)->late_ms[c->request.address];
}

int64_t race_look(struct worker *w)
{
	if (w->now >= w->racing_look) {
		w->racing_look = w->now + LOOK_MS;
		for (struct list *l = w->racing.next, *next; l != &w->racing; l = next) {
			struct conn *c = list_entry(l, struct conn, run);
			unsigned sent = c->request.raced;

			next = l->next;
			if (w->now < next_due(w, c))
				continue;
			if (has_second(w, c))
				send_copy(w, c);
			/* The last, or there is no room for it. */
			if (c->request.raced == sent || c->request.raced >= CONVERT_COPIES)
				list_del(&c->run);
		}
	}
	return list_empty(&w->racing) ? -1 : (int64_t)(w->racing_look - w->now);
}

int race_swap(struct worker *w, struct conn *c, struct conn *r)
{
	struct leg leg = c->peer;
	bool second = c->request.second;
	int ret;

	c->peer = r->peer;
	r->peer = leg;
	/* What is to be said behind a handshake is there once. */
	if (c->request.sent != SENT_SYN) {
		struct parked rest = r->peer.parked;

		r->peer.parked = c->peer.parked;
		c->peer.parked = rest;
	}
	c->request.second = r->request.second;
	r->request.second = second;
	ret = leg_watch_again(w, c, &c->peer);
	if (!ret)
		ret = leg_watch_again(w, r, &r->peer);
	if (ret)
		conn_close(w, c, true);
	return ret;
}

bool race_goes_on(struct worker *w, struct conn *c)
{
	struct conn *r = c->race;

	/* One whose handshake is over before others. */
	for (struct conn *o = r; o && !r->peer.out; o = o->race_next)
		r = o;
	if (!r)
		return false;
	if (race_swap(w, c, r) == 0) {
		conn_close(w, r, true);
		conn_again(w, c);
	}
	return true;
}

void race_end(struct worker *w, struct conn *c)
{
	while (c->race)
		conn_close(w, c->race, true);
	if (c->state == GW_DIAL)
		list_del(&c->run);
}

void race_won(struct worker *w, struct conn *c)
{
	w->stats->raced_second += c->request.second;
	c->request.second = false;
	race_end(w, c);
}
