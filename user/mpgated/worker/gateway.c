// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gateway's part of a connection: steer gave it to us, the client has had
 * its handshake. Its first bytes are awaited for a moment, then go to the peer
 * with the request (dial.c), whose answer is awaited (answer.c).
 */
#include <errno.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/answer.h>
#include <mpgated/worker/dial.h>
#include <mpgated/worker/flows.h>
#include <mpgated/worker/gateway.h>
#include <mpgated/worker/race.h>
#include <mpgated/worker/relay.h>

/* It can have no peer for want of something of ours. */
static void gateway_short(struct worker *w, struct conn *c)
{
	w->stats->resource++;
	dial_direct(w, c);
}

/* Reads the client's first bytes. last: the time to wait for them is over. */
static void gateway_first(struct worker *w, struct conn *c, bool last)
{
	uint8_t *data = w->buf + RELAY_HEADROOM;
	ssize_t n;

	/* What cannot be kept stays in the kernel. */
	if (w->parked_bytes + FIRST_BYTES > w->snap->buffer_bytes) {
		gateway_short(w, c);
		return;
	}
	n = tcp_recv(c->local.fd, data, FIRST_BYTES);
	if (n < 0 && n != -EAGAIN) {
		w->stats->client_gone++;
		conn_close(w, c, true);
		return;
	}
	if (n < 0 && !last && w->snap->first_bytes_ms)
		return;
	if (n < 0 || (n > 0 && (size_t)n < FIRST_BYTES && leg_is_dry(&c->local)))
		c->local.in = false;
	if (n == 0)
		c->local.eof = true;
	if (n > 0) {
		c->bytes_up += (uint64_t)n;
		relay_count(w, c, 0, (uint64_t)n);
		if (park(w, &c->request.first, data, (size_t)n) < 0) {
			w->stats->resource++;
			conn_close(w, c, true);
			return;
		}
	}
	c->request.peers_changed = w->peers_changed;
	dial_peer(w, c);
}

/* Nothing is written down of c: a worker that hung took it too late; or somebody here dials our own listener. */
static void gateway_unknown(struct worker *w, struct conn *c)
{
	w->stats->no_pending++;
	if (c->request.tuple.dport == w->steer_port[0] || c->request.tuple.dport == w->steer_port[1])
		conn_close(w, c, true);
	else
		dial_direct(w, c);
}

/*
 * The opener of a connection whose SYN was held; false: there is none that waits for it. One whose server has not
 * answered yet waits for nobody: its entry's time was over, and a rule that is not honest any more took its client.
 */
static bool gateway_joined(struct worker *w, int fd, const struct mpgate_tuple *tuple)
{
	struct conn *c = conn_find(w, tuple);

	if (!c || c->state != GW_APPROVED)
		return false;
	leg_accepted(conn_opener(c), fd, true);
	verdict_taken(w, c);
	if (leg_watch(w, c, conn_opener(c)) < 0) {
		w->stats->resource++;
		conn_close(w, c, true);
	} else {
		relay_start(w, c);
	}
	return true;
}

/* A client's connection, which steer gave to us. */
static void gateway_open(struct worker *w, int fd, struct mpgate_tuple *tuple)
{
	struct conn *c;

	tcp_urgent_inline(fd);
	if (tcp_local(fd, &tuple->daddr, &tuple->dport) < 0) {
		accept_refuse(w, fd);
		return;
	}
	if (gateway_joined(w, fd, tuple))
		return;
	c = accept_conn(w, fd, tuple, GW_FIRST, LEG_LOCAL);
	if (!c)
		return;
	conn_enter(w, c);
	if (leg_watch(w, c, &c->local) < 0) {
		w->stats->resource++;
		conn_close(w, c, true);
	} else if (!flow_take(w, c)) {
		gateway_unknown(w, c);
	} else if (reserve_touched(w)) {
		gateway_short(w, c);
	} else {
		conn_timer(w, c, TIMER_FIRST);
		gateway_first(w, c, false);
	}
}

void gateway_accept(struct worker *w, struct listener *l)
{
	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		struct mpgate_tuple tuple;
		int fd = accept_next(w, l->fd, &tuple);

		if (fd == -EAGAIN)
			return;
		if (fd < 0)
			continue;
		w->stats->steered++;
		gateway_open(w, fd, &tuple);
	}
}

/*
 * The dialed leg has failed. False: it has not, or only after it was accepted, by a server, or by a peer that has
 * answered: what they said before they reset it is read first.
 */
static bool gateway_failed(struct worker *w, struct conn *c)
{
	int err = c->peer.hangup ? tcp_error(c->peer.fd) : 0;
	char byte;

	if (!err)
		return false;
	if (leg_was_reset(&c->peer, err) && (c->state == GW_DIRECT || tcp_peek(c->peer.fd, &byte, 1) > 0))
		return false;
	if (race_goes_on(w, c))
		return true;
	if (c->state == GW_DIAL) {
		dial_failed(w, c, err);
	} else {
		w->stats->refused++;
		conn_close(w, c, true);
	}
	return true;
}

void gateway_event(struct worker *w, struct conn *c)
{
	if (c->state == GW_FIRST) {
		gateway_first(w, c, false);
		return;
	}
	/* What the server says, or its end, waits for the client. */
	if (c->state == GW_APPROVED)
		return;
	if (c->local.hangup && tcp_error(c->local.fd)) {
		w->stats->client_gone++;
		conn_close(w, c, true);
		return;
	}
	if (c->state == GW_ANSWER) {
		answer_event(w, c);
		return;
	}
	if (c->state == GW_DIAL && c->request.sent == SENT_AHEAD) {
		answer_ahead(w, c);
		return;
	}
	if (gateway_failed(w, c) || (!c->peer.out && !c->peer.broken))
		return;
	if (c->state == GW_DIAL)
		answer_begin(w, c);
	else
		relay_start(w, c);
}

/* A copy has come to nothing. The other that was sent may be the last: then what waits behind it can go. */
static void copy_failed(struct worker *w, struct conn *c, struct conn *r)
{
	conn_close(w, r, true);
	if (c->state == GW_ANSWER)
		conn_again(w, c);
}

void gateway_copy(struct worker *w, struct conn *r)
{
	struct conn *c = r->race;
	int err = r->peer.hangup ? tcp_error(r->peer.fd) : 0;
	char byte;
	ssize_t n = r->peer.in ? tcp_peek(r->peer.fd, &byte, 1) : -EAGAIN;

	if ((err && !(leg_was_reset(&r->peer, err) && n > 0)) || (n <= 0 && n != -EAGAIN)) {
		copy_failed(w, c, r);
	} else if (c->state == GW_DIAL) {
		if (r->peer.out && race_swap(w, c, r) == 0)
			answer_begin(w, c);
	} else if (n > 0) {
		if (race_swap(w, c, r) == 0)
			answer_event(w, c);
	} else {
		r->peer.in = false;
	}
}

/* Over a way that is known to be slow more time is given than to others. */
static bool is_patient(struct worker *w, struct conn *c)
{
	const struct peer_shared *p = &w->shm->peers[c->request.slot];
	uint64_t ms = p->slow_ms + (c->state == GW_ANSWER ? conn_timer_ms(w, TIMER_CONNECT) : 0);

	if (!p->up || !p->slow_ms || c->class == TIMER_SLOW || w->now - c->active >= ms)
		return false;
	conn_timer(w, c, c->class);
	return true;
}

void gateway_timeout(struct worker *w, struct conn *c)
{
	switch (c->state) {
	case GW_FIRST:
		gateway_first(w, c, true);
		break;
	case GW_DIAL:
		if (c->request.sent == SENT_AHEAD && !c->peer.parked.len && tcp_all_acked(c->peer.fd))
			answer_begin(w, c);
		else if (dial_slow(w, c) || is_patient(w, c))
			break;
		else if (c->request.sent != SENT_AHEAD)
			dial_failed(w, c, ETIMEDOUT);
		else
			dial_again(w, c);
		break;
	case GW_APPROVED:
		w->stats->client_gone++;
		conn_close(w, c, true);
		break;
	default:
		if (c->state == GW_ANSWER && is_patient(w, c))
			break;
		w->stats->connect_timeout++;
		report_note(w, c, "no answer in time");
		if (c->held)
			c->held->verdict = VERDICT_SILENT;
		conn_close(w, c, true);
	}
}
