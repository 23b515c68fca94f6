// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections to a peer that are opened ahead (peers: ready), so that a
 * Connect costs no handshake: it leaves in the first packet on a connection
 * whose paths are joined already, and its answer waits for nothing. Linux does
 * not send on an MPTCP socket before the third packet of its handshake, so
 * that data in the SYN saves one access round trip of the two that this saves.
 *
 * They are opened when the peer was just used, and live half as long as a hub
 * waits for a Convert message: a gateway at rest has none. How many follows
 * what was missed lately: the second page that a browser opens finds as many
 * as the first one had to wait for.
 *
 * What a peer has parked with us (parking.c is its end) is used in the same way: it is there already.
 */
#include <errno.h>
#include <sys/socket.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/ready.h>
#include <mpgated/worker/way.h>

#define BURST_MS 1000 /* who comes so soon after another comes in a burst */
#define HALVED_MS 30000 /* so often what was missed is half forgotten */

/* Those of a peer, and perhaps of others. */
static struct list *list_of(struct worker *w, unsigned slot)
{
	return &w->ready[slot % READY_LISTS];
}

static struct conn *next_of(struct worker *w, const struct list *l, unsigned slot)
{
	for (l = l->next; l != list_of(w, slot); l = l->next) {
		struct conn *r = list_entry(l, struct conn, run);

		if (r->request.slot == slot)
			return r;
	}
	return NULL;
}

bool ready_take(struct worker *w, struct conn *c)
{
	struct mpgate_addr address;
	struct conn *r;

	for (r = next_of(w, list_of(w, c->request.slot), c->request.slot); r;
	     r = next_of(w, &r->run, c->request.slot)) {
		if (!r->peer.out || r->peer.in || r->peer.young || !way_fits(w, c, r))
			continue;
		address = r->request.tuple.saddr;
		c->peer = r->peer;
		c->request.address = r->request.address;
		r->peer.fd = -1;
		conn_close(w, r, false);
		if (c->request.dscp)
			tcp_set_dscp(c->peer.fd, &address, c->request.dscp);
		/* It is connected: that it has room is waited for when it has none. */
		c->peer.watched_out = false;
		if (leg_watch_again(w, c, &c->peer) == 0)
			return true;
		tcp_reset(c->peer.fd, true);
		c->peer.fd = -1;
		return false;
	}
	return false;
}

struct conn *ready_open(struct worker *w, const struct snapshot_peer *p, unsigned address, enum conn_state state)
{
	const struct mpgate_addr *a = &p->address[address];
	int fd = tcp_socket(addr_is_v4(a) ? AF_INET : AF_INET6, true), ret;
	struct conn *r;

	if (fd < 0)
		return NULL;
	r = conn_new(w, state, LEG_PEER);
	if (!r) {
		tcp_close(fd);
		return NULL;
	}
	r->request.tuple.saddr = *a;
	r->request.tuple.sport = p->port[address];
	r->request.slot = p->slot;
	r->request.address = (uint8_t)address;
	leg_dialed(&r->peer, fd, true);
	conn_leave_from(w, fd, p->slot, address);
	ret = (int)tcp_dial(fd, a, p->port[address], false, NULL, 0);
	if (!ret)
		ret = leg_watch(w, r, &r->peer);
	if (ret) {
		conn_close(w, r, true);
		return NULL;
	}
	return r;
}

static bool open_one(struct worker *w, const struct snapshot_peer *p, unsigned address)
{
	struct conn *r = ready_open(w, p, address, GW_READY);

	if (!r)
		return false;
	list_add_tail(list_of(w, p->slot), &r->run);
	conn_timer(w, r, TIMER_READY);
	w->stats->ready_opened++;
	return true;
}

int ready_park(struct worker *w, struct conn *c)
{
	uint32_t *count = &w->shm->parked[w->index][c->request.slot];

	if (*count >= READY_MOST)
		return -EBUSY;
	if (c->request.first.data)
		unpark(w, &c->request.first);
	c->state = GW_READY;
	c->lent = true;
	list_del(&c->run);
	list_add_tail(list_of(w, c->request.slot), &c->run);
	conn_timer(w, c, TIMER_IDLE);
	w->stats->parked++;
	if (!(*count)++)
		report_parked(w, c->request.slot);
	return 0;
}

static void forget(struct demand *d, uint64_t now)
{
	uint64_t halvings = (now - d->changed) / HALVED_MS;

	if (!halvings)
		return;
	d->want = halvings < 16 ? (uint16_t)(d->want >> halvings) : 0;
	d->changed = now;
}

unsigned demand_wanted(struct demand *d, unsigned least, uint64_t now)
{
	forget(d, now);
	return least && d->want > least ? d->want : least;
}

void demand_note(struct demand *d, unsigned least, bool found, uint64_t now)
{
	unsigned want = demand_wanted(d, least, now);

	/* The first after a rest finds none in any case. */
	if (!found && d->used && now < d->used + BURST_MS && d->want < READY_MOST) {
		d->want = (uint16_t)(want + 1);
		d->changed = now;
	}
	d->used = now;
}

void ready_wanted(struct worker *w, unsigned slot, bool found)
{
	const struct snapshot_peer *p = conn_peer(w, slot);

	if (p && p->ready)
		demand_note(&w->demand[slot], p->ready, found, w->now);
}

void ready_fill(struct worker *w, unsigned slot, unsigned address)
{
	const struct snapshot_peer *p = conn_peer(w, slot);
	unsigned have = 0, want;

	if (!p || !p->address_count)
		return;
	want = demand_wanted(&w->demand[slot], p->ready, w->now);
	for (struct conn *r = next_of(w, list_of(w, slot), slot); r; r = next_of(w, &r->run, slot))
		have++;
	while (w->accepting && !w->full && have++ < want && w->connections < w->snap->connections)
		if (!open_one(w, p, address % p->address_count))
			return;
}

void ready_drop(struct worker *w, int slot)
{
	for (unsigned i = 0; i < READY_LISTS; i++)
		for (struct list *l = w->ready[i].next, *next; l != &w->ready[i]; l = next) {
			struct conn *r = list_entry(l, struct conn, run);

			next = l->next;
			if (slot < 0 || r->request.slot == slot)
				conn_close(w, r, true);
		}
}

void ready_event(struct worker *w, struct conn *r)
{
	/* The peer says nothing before it is asked: this is its end. */
	if (!r->peer.in && !r->peer.hangup)
		return;
	/* The peer ends what it has no room for. */
	w->demand[r->request.slot].want /= 2;
	conn_close(w, r, true);
}
