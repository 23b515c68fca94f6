// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A parked connection is opened and authorized like any other, with a Park in place of a Connect; the peer's answer
 * says that it was taken in. What comes next on it is a request of the peer: from then on it is a connection of hub.c,
 * and another one is opened in its place.
 */
#include <mpgated/worker/parking.h>

#include <errno.h>
#include <string.h>

#include <lib/convert.h>
#include <lib/log.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/hub.h>
#include <mpgated/worker/ready.h>
#include <mpgated/worker/request.h>

#define NEVER UINT64_MAX
#define PAUSE_MS 1000U /* after a failure; twice as long after each one more */
#define PAUSES_MOST 5

/* c could not be parked, or the peer has ended it unused: the next one is opened later. */
static void parking_failed(struct worker *w, struct conn *c, const char *why)
{
	const struct snapshot_peer *p = conn_peer(w, c->request.slot);
	struct parking *d = &w->parkings[c->request.slot];
	char text[ADDR_TEXT];

	/* Those that fail together are one failure. */
	if (w->now >= d->retry) {
		if (!d->failed)
			log_with(LOG_LEVEL_INFO, LOG_FIELDS({ p ? LOG_PEER : NULL, p ? p->name : NULL }),
				 "no connection is parked with the peer at %s: %s",
				 addr_print(&c->request.tuple.saddr, text), why);
		d->retry = w->now + (PAUSE_MS << d->failed);
		d->failed += d->failed < PAUSES_MOST;
	}
	conn_close(w, c, true);
}

static unsigned count(const struct worker *w, unsigned slot)
{
	unsigned n = 0;

	for (const struct list *l = w->parking.next; l != &w->parking; l = l->next)
		n += list_entry(l, struct conn, run)->request.slot == slot;
	return n;
}

/* When more is due for that peer. */
static uint64_t fill(struct worker *w, const struct snapshot_peer *p)
{
	struct parking *d = &w->parkings[p->slot];
	unsigned want = demand_wanted(&d->demand, p->park, w->now);

	for (unsigned have = count(w, p->slot); have < want; have++) {
		struct conn *c;

		if (!w->accepting || w->now < d->retry)
			return w->accepting ? d->retry : NEVER;
		c = w->full ? NULL : ready_open(w, p, w->shm->peers[p->slot].address % p->address_count, GW_PARKING);
		if (!c)
			return w->now + PAUSE_MS;
		c->request.back = true;
		list_add_tail(&w->parking, &c->run);
		conn_timer(w, c, TIMER_PEER);
	}
	return NEVER;
}

int64_t parking_look(struct worker *w)
{
	const struct snapshot_peer *p = snapshot_at(w->snap, w->snap->peers);

	if (w->now >= w->parking_look) {
		uint64_t next = NEVER;

		for (unsigned i = 0; i < w->snap->peers.count; i++) {
			uint64_t due = p[i].park && p[i].address_count ? fill(w, &p[i]) : NEVER;

			if (due < next)
				next = due;
		}
		/* Those that could not even be dialed have asked for it to be at once. */
		w->parking_look = next;
	}
	return w->parking_look == NEVER ? -1 : (int64_t)(w->parking_look - w->now);
}

static void say(struct worker *w, struct conn *c, const struct snapshot_peer *p)
{
	uint8_t msg[RELAY_HEADROOM];
	int n = request_park(w, c, p, msg, sizeof(msg));

	if (n < 0 || leg_write(w, c, &c->peer, msg, (size_t)n) < 0)
		parking_failed(w, c, "it takes no message");
}

static void answer(struct worker *w, struct conn *c, const struct snapshot_peer *p)
{
	struct convert_fault fault;
	struct convert_msg m;
	ssize_t n = tcp_peek(c->peer.fd, w->buf, RELAY_LITTLE);

	if (n == -EAGAIN) {
		c->peer.in = false;
		return;
	}
	if (n <= 0) {
		parking_failed(w, c, "it ends the connection");
		return;
	}
	switch (convert_parse(CONVERT_CLIENT, true, w->buf, (size_t)n, &m, &fault)) {
	case CONVERT_MORE:
		c->peer.in = false;
		if (c->peer.hangup)
			parking_failed(w, c, "it ends the connection");
		return;
	case CONVERT_OK:
		break;
	default:
		parking_failed(w, c, "its answer is no Convert message");
		return;
	}
	if (m.has & CONVERT_HAS_ERROR) {
		request_stale(w, c, p, &m);
		parking_failed(w, c, convert_error_text(m.error, convert_error_detail(&m)));
		return;
	}
	tcp_recv(c->peer.fd, w->buf, m.len);
	w->parkings[p->slot].failed = 0;
	w->stats->parked_opened++;
	c->state = GW_PARKED;
	tcp_keepalive(c->peer.fd, w->snap->keepalive_s);
	conn_timer(w, c, TIMER_IDLE);
}

/* The peer says something, or ends what it has not used. */
static void used(struct worker *w, struct conn *c, const struct snapshot_peer *p)
{
	char byte;
	ssize_t n = tcp_peek(c->peer.fd, &byte, 1);

	if (n == -EAGAIN) {
		c->peer.in = false;
		return;
	}
	if (n <= 0) {
		parking_failed(w, c, "it has ended one");
		return;
	}
	w->stats->back++;
	w->parking_look = 0;
	list_del(&c->run);
	/* Whoever comes in a burst may have waited for this one. */
	demand_note(&w->parkings[p->slot].demand, p->park, count(w, p->slot) > p->park, w->now);
	c->state = HUB_HEADER;
	c->opened = (uint32_t)(w->now / 1000);
	conn_timer(w, c, TIMER_HEADER);
	hub_event(w, c);
}

void parking_event(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = conn_peer(w, c->request.slot);

	if (!p)
		return;
	if (c->state == GW_PARKING) {
		if (c->peer.hangup && tcp_error(c->peer.fd)) {
			parking_failed(w, c, "it cannot be reached");
			return;
		}
		if (!c->peer.out)
			return;
		if (!c->request.keyed)
			say(w, c, p);
		else if (leg_flush(w, &c->peer) < 0)
			parking_failed(w, c, "it takes no message");
		if (c->state == GW_PARKING && c->peer.in)
			answer(w, c, p);
	}
	if (c->state == GW_PARKED && (c->peer.in || c->peer.hangup))
		used(w, c, p);
}

void parking_timeout(struct worker *w, struct conn *c)
{
	parking_failed(w, c, "it does not answer");
}

void parking_drop(struct worker *w)
{
	while (!list_empty(&w->parking))
		conn_close(w, list_entry(w->parking.next, struct conn, run), true);
	/* It may have been another peer's. */
	memset(w->parkings, 0, sizeof(w->parkings));
}
