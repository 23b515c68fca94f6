// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a gateway takes a connection to: the peer, with a Convert message (RFC
 * 8803, 4.1) and the client's first bytes, in the SYN when the peer is known
 * to take that; its next address; or the server itself. While the peer has not
 * answered the handshake the first bytes are kept: a peer that fails costs
 * time, not the connection.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/dial.h>
#include <mpgated/worker/flows.h>
#include <mpgated/worker/race.h>
#include <mpgated/worker/ready.h>
#include <mpgated/worker/request.h>
#include <mpgated/worker/transparent.h>
#include <mpgated/worker/way.h>

#define WAITING_MS 5 /* so often those that wait for a parked connection look whether others have one */

void dial_blame(struct worker *w, const struct conn *c, int err)
{
	if (request_peer(w, c))
		report_peer_failed(w, c->request.slot, err);
}

bool dial_keeps_first(const struct conn *c)
{
	return c->request.again || !c->request.keyed || race_in_syns(c);
}

/* Closed without a reset, the socket would go on to send the request, and the hub carry it out with nobody waiting. */
void dial_leave(struct worker *w, struct conn *c)
{
	race_end(w, c);
	if (c->peer.parked.data)
		unpark(w, &c->peer.parked);
	if (c->peer.fd >= 0)
		tcp_reset(c->peer.fd, c->peer.mptcp);
	c->peer.fd = -1;
}

void dial_direct(struct worker *w, struct conn *c)
{
	const struct mpgate_addr *dst = &c->request.tuple.daddr;
	int family = addr_is_v4(dst) ? AF_INET : AF_INET6, ret;

	/* A SYN that waits goes by itself. */
	if (c->held) {
		conn_close(w, c, true);
		return;
	}
	/* For what is published there is no normal route: its address is ours. */
	if (c->request.published || flow_must_reset(w, c)) {
		report_note(w, c, "it cannot be carried, and is not to go directly");
		conn_close(w, c, true);
		return;
	}
	w->stats->direct++;
	c->state = GW_DIRECT;
	c->request.slot = MPGATE_MAX_PEERS;
	conn_timer(w, c, TIMER_CONNECT);
	ret = tcp_socket(family, false);
	if (ret < 0 && reserve_give(w, -ret, 0))
		ret = tcp_socket(family, false);
	leg_dialed(&c->peer, ret < 0 ? -1 : ret, false);
	if (ret >= 0)
		ret = (int)tcp_dial(c->peer.fd, dst, c->request.tuple.dport, false, NULL, 0);
	if (ret >= 0)
		ret = leg_watch(w, c, &c->peer);
	if (ret < 0) {
		w->stats->unreachable++;
		conn_close(w, c, true);
		return;
	}
	/* The kept first bytes are what is to be written first. */
	c->peer.parked = c->request.first;
	memset(&c->request.first, 0, sizeof(c->request.first));
}

/* Sends message and first bytes (which stand in front of each other at data) to one address of the peer. */
static int dial_address(struct worker *w, struct conn *c, const struct snapshot_peer *p, const uint8_t *data,
			size_t len)
{
	const struct mpgate_addr *a = &p->address[c->request.address];
	int fd = tcp_socket(addr_is_v4(a) ? AF_INET : AF_INET6, true);
	bool syn_data;
	ssize_t n;

	if (fd < 0)
		return fd;
	if (c->request.dscp)
		tcp_set_dscp(fd, a, c->request.dscp);
	/* guard drops a SYN that repeats a request it saw. */
	syn_data = !c->request.again && w->shm->peers[c->request.slot].syn_data == SYN_DATA_YES && !race_is_bare(w, c);
	n = way_leave(w, c, fd);
	if (n < 0) {
		tcp_close(fd);
		return (int)n;
	}
	n = tcp_dial(fd, a, p->port[c->request.address], syn_data, data, len < FIRST_SEGMENT ? len : FIRST_SEGMENT);
	if (n == -EOPNOTSUPP && syn_data) {
		syn_data = false;
		n = tcp_dial(fd, a, p->port[c->request.address], false, NULL, 0);
	}
	c->request.sent = syn_data ? SENT_SYN : SENT_HANDSHAKE;
	leg_dialed(&c->peer, fd, true);
	if (n >= 0)
		n = (size_t)n < len ? park(w, &c->peer.parked, data + n, len - (size_t)n) : 0;
	if (n == 0)
		n = leg_watch(w, c, &c->peer);
	if (n < 0)
		dial_leave(w, c);
	return (int)n;
}

/*
 * Sends message and first bytes over a connection opened ahead, if there is one. What may have been carried out goes
 * so to a peer that cannot be dialed: it is the same request.
 */
static bool send_ahead(struct worker *w, struct conn *c, const struct snapshot_peer *p, const uint8_t *data, size_t len)
{
	while ((!c->request.again || !p->address_count) && ready_take(w, c)) {
		if (leg_write_first(w, c, &c->peer, data, len) < 0) {
			dial_leave(w, c);
			c->request.again = true;
			continue;
		}
		c->request.sent = SENT_AHEAD;
		w->stats->ready_used++;
		ready_wanted(w, c->request.slot, true);
		ready_fill(w, c->request.slot, w->shm->peers[c->request.slot].address);
		return true;
	}
	return false;
}

/*
 * All that the peer has parked with us are taken, or dead. It opens others at once, but at which worker they arrive is
 * chance. A SYN that is held goes to one that has some; true: c is closed. One that was sent before stays: it may have
 * been carried out, and is known by its nonce here.
 */
static bool dial_elsewhere(struct worker *w, struct conn *c)
{
	for (unsigned i = 0; c->held && !c->request.again && i < MPGATE_MAX_WORKERS; i++) {
		if (i == w->index || !w->shm->parked[i][c->request.slot])
			continue;
		c->held->flow.worker = i;
		c->held->verdict = VERDICT_MOVE;
		conn_close(w, c, true);
		return true;
	}
	return false;
}

int64_t dial_look(struct worker *w)
{
	if (w->now >= w->waiting_look) {
		w->waiting_look = w->now + WAITING_MS;
		for (struct list *l = w->waiting.next, *next; l != &w->waiting; l = next) {
			next = l->next;
			dial_elsewhere(w, list_entry(l, struct conn, run));
		}
	}
	return list_empty(&w->waiting) ? -1 : (int64_t)(w->waiting_look - w->now);
}

/*
 * May c be taken from its peer for silence alone? First bytes that were sent may be with the server by then, and must
 * not get there twice for a delay; a request for a SYN that waits costs nothing.
 */
static bool may_leave(const struct worker *w, const struct conn *c)
{
	return (!c->request.first.len || c->request.sent == SENT_HANDSHAKE) && request_stand_in(w, c) >= 0;
}

void dial_peer(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = request_peer(w, c);
	const uint8_t *data = NULL;
	size_t len = 0;
	int m, ret = -EHOSTUNREACH;
	bool shortage = false;

	if (p && p->flags & SNAPSHOT_PEER_TRANSPARENT) {
		transparent_dial(w, c);
		return;
	}
	if (p)
		race_prepare(w, c, p);
	m = p ? request_compose(w, c, p, &data, &len) : -ENOENT;
	c->state = GW_DIAL;
	c->active = w->now;
	/* One that dials us, and is reached by what it has parked, is never up. */
	conn_timer(w, c,
		   p && p->address_count && w->shm->peers[p->slot].up && request_stand_in(w, c) >= 0 ? TIMER_SLOW
												     : TIMER_PEER);
	if (!m) {
		if (send_ahead(w, c, p, data, len))
			return;
		if (!c->request.again)
			ready_wanted(w, c->request.slot, false);
	}
	if (!m && !p->address_count) {
		c->request.sent = SENT_HANDSHAKE;
		list_del(&c->run);
		if (!dial_elsewhere(w, c))
			list_add_tail(&w->waiting, &c->run);
		return;
	}
	for (; !m && c->request.attempt < p->address_count; c->request.attempt++) {
		c->request.address =
			(uint8_t)((w->shm->peers[c->request.slot].address + c->request.attempt) % p->address_count);
		ret = dial_address(w, c, p, data, len);
		if (ret == 0) {
			if (c->request.sent == SENT_SYN)
				w->stats->syn_data++;
			else
				w->stats->after_handshake++;
			race_begin(w, c);
			return;
		}
		shortage |= tcp_is_shortage(-ret);
	}
	if (ret == -ENETDOWN && !c->request.again) {
		w->stats->no_path++;
		report_note(w, c, "none of its rule's paths works");
		dial_direct(w, c);
		return;
	}
	/* After an address that failed, the lack of a way to the next is no excuse. */
	if (m == -ETIME) {
		report_note(w, c, "the request is too old to be said again");
	} else if (shortage && !c->request.again) {
		w->stats->resource++;
		report_note(w, c, "the peer cannot be dialed: %s", strerror(-ret));
	} else {
		dial_blame(w, c, -ret);
	}
	dial_direct(w, c);
}

void dial_waiting(struct worker *w, unsigned slot)
{
	for (struct list *l = w->waiting.next, *next; l != &w->waiting; l = next) {
		struct conn *c = list_entry(l, struct conn, run);

		next = l->next;
		if (c->request.slot != slot)
			continue;
		list_del(&c->run);
		dial_peer(w, c);
		/* One that is published no more has not used it. */
		if (c->state != CLOSED)
			return;
	}
}

void dial_failed(struct worker *w, struct conn *c, int err)
{
	const struct snapshot_peer *p = request_peer(w, c);

	if (c->peer.fd < 0)
		list_del(&c->run); /* from those that wait for the peer to park another one */
	/* The client may say its SYN again. */
	if (c->peer.fd < 0 && c->held) {
		c->held->verdict = VERDICT_SILENT;
		conn_close(w, c, true);
		return;
	}
	dial_leave(w, c);
	c->request.attempt++;
	c->request.again = true;
	if (p && c->request.attempt < p->address_count) {
		dial_peer(w, c);
		return;
	}
	dial_blame(w, c, err);
	report_note(w, c, "peer failed: %s", strerror(err));
	if (request_move(w, c))
		dial_peer(w, c);
	else
		dial_direct(w, c);
}

bool dial_slow(struct worker *w, struct conn *c)
{
	struct peer_shared *p = &w->shm->peers[c->request.slot];
	uint64_t waited = w->now - c->active;

	if (c->class != TIMER_SLOW || waited >= w->snap->peer_s * 1000ULL)
		return false;
	if (!p->up && may_leave(w, c)) {
		c->request.attempt = UINT8_MAX - 1; /* none of its addresses is up */
		dial_failed(w, c, ETIMEDOUT);
		return true;
	}
	conn_timer(w, c, TIMER_SLOW);
	if (waited >= p->patience_ms && request_stand_in(w, c) >= 0 && (uint32_t)w->now - p->slow >= SLOW_MS) {
		p->slow = (uint32_t)w->now;
		report_peer_slow(w, c->request.slot);
	}
	return true;
}

void dial_again(struct worker *w, struct conn *c)
{
	dial_leave(w, c);
	c->request.attempt = 0;
	c->request.again = true;
	ready_drop(w, c->request.slot);
	dial_peer(w, c);
}
