// SPDX-License-Identifier: GPL-2.0-or-later
/* A gateway's connection to a peer that has the request: its answer is awaited, while the client's bytes flow. */
#include <errno.h>
#include <string.h>

#include <lib/convert.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/answer.h>
#include <mpgated/worker/dial.h>
#include <mpgated/worker/join.h>
#include <mpgated/worker/race.h>
#include <mpgated/worker/ready.h>
#include <mpgated/worker/relay.h>
#include <mpgated/worker/request.h>

#define SYN_DATA_LOST 3U /* in a row: the peer, or the path, does not take data in SYNs; one may just get lost */

static void syn_data_result(struct worker *w, struct conn *c)
{
	struct peer_shared *p = &w->shm->peers[c->request.slot];

	if (tcp_syn_data_acked(c->peer.fd)) {
		if (p->syn_lost)
			p->syn_lost = 0;
		return;
	}
	w->stats->syn_data_lost++;
	if (++p->syn_lost >= SYN_DATA_LOST) {
		p->syn_lost = 0;
		p->syn_data = SYN_DATA_NO;
		report_note(w, c, "the peer did not take data in %u SYNs: no more of that", SYN_DATA_LOST);
	}
}

void answer_begin(struct worker *w, struct conn *c)
{
	unsigned peer = c->request.slot, address = c->request.address;

	list_del(&c->run); /* from those of which another copy may be sent */
	/* Who comes first has it, where nothing was said yet. */
	if (!race_in_syns(c))
		race_won(w, c);
	if (c->request.sent == SENT_SYN && !c->peer.broken && request_peer(w, c))
		syn_data_result(w, c);
	conn_check_fallback(w, c);
	join_note(w, c);
	c->state = GW_ANSWER;
	conn_timer(w, c, TIMER_CONNECT);
	/* What fails here fails again below. */
	if (c->request.sent != SENT_AHEAD && !c->race)
		leg_flush_first(w, &c->peer);
	answer_event(w, c);
	ready_fill(w, peer, address);
}

void answer_ahead(struct worker *w, struct conn *c)
{
	char byte;
	ssize_t n = c->peer.in ? tcp_peek(c->peer.fd, &byte, 1) : -EAGAIN;

	if (n > 0)
		answer_begin(w, c);
	else if (n != -EAGAIN || leg_flush(w, &c->peer) < 0)
		dial_again(w, c);
}

/*
 * The peer ended the connection without an answer. One that was asked for the same before may have carried that out,
 * and refuses to do so twice: the server is dialed directly.
 */
static void answer_missing(struct worker *w, struct conn *c)
{
	if (race_goes_on(w, c))
		return;
	if (c->request.again) {
		report_note(w, c, "the peer does not take the request a second time");
		dial_leave(w, c);
		dial_direct(w, c);
		return;
	}
	w->stats->convert_bad++;
	report_note(w, c, "the peer ended the connection without an answer");
	conn_close(w, c, true);
}

static bool all_kept(const struct conn *c)
{
	return !c->request.part && c->bytes_up == c->request.first.len;
}

/*
 * The request was refused for its time alone, so nobody carried it out. True: it is said anew, by the peer's clock, or
 * the connection goes direct when that did not help. What the client said since is gone, though: then nothing is to be
 * done.
 */
static bool answer_stale(struct worker *w, struct conn *c, const struct convert_msg *m)
{
	const struct snapshot_peer *p = request_peer(w, c);

	if (!p || !request_stale(w, c, p, m) || c->request.again || !all_kept(c))
		return false;
	dial_leave(w, c);
	if (c->request.retimed) {
		dial_direct(w, c);
		return true;
	}
	c->request.retimed = true;
	c->request.stamp = 0;
	dial_peer(w, c);
	return true;
}

/* What the peer's Error means for a SYN that waits. Of other errors its server is not to blame. */
static void answer_verdict(struct conn *c, const struct convert_msg *m)
{
	if (m->error == CONVERT_E_RESET) {
		c->held->verdict = VERDICT_REFUSE;
	} else if (m->error == CONVERT_E_UNREACHABLE) {
		c->held->verdict = VERDICT_UNREACHABLE;
		c->held->code = convert_error_detail(m);
	} else if (m->error == CONVERT_E_NETWORK) {
		c->held->verdict = VERDICT_SILENT;
	}
}

static void answer_exceeded(struct worker *w, struct conn *c)
{
	w->stats->convert_error++;
	report_note(w, c, "the peer says: %s", convert_error_name(CONVERT_E_RESOURCE));
	if (request_peer(w, c))
		report_peer_refused(w, c->request.slot, CONVERT_E_RESOURCE, 0);
	dial_leave(w, c);
	if (request_move(w, c))
		dial_peer(w, c);
	else
		dial_direct(w, c);
}

static void answer_error(struct worker *w, struct conn *c, const struct convert_msg *m)
{
	/* Of a peer that is gone no cookie is kept: it is dialed no more. */
	bool other = request_peer(w, c) ? request_other_cookie(w, c, m)
					: !c->request.keyed && m->error == CONVERT_E_NO_COOKIE;

	if (other) {
		dial_leave(w, c);
		dial_peer(w, c);
		return;
	}
	if (answer_stale(w, c, m))
		return;
	/* The peer has run out of something, or is to be left alone, and has carried out nothing. */
	if (m->error == CONVERT_E_RESOURCE && (!c->request.again || c->request.keyed) && all_kept(c)) {
		answer_exceeded(w, c);
		return;
	}
	/* By a clock that differs from ours a request that is said again may be too old. */
	if (c->request.again && c->request.keyed && m->error == CONVERT_E_NOT_AUTHORIZED) {
		answer_missing(w, c);
		return;
	}
	if (m->error == CONVERT_E_RESET)
		w->stats->refused++;
	else if (m->error == CONVERT_E_UNREACHABLE)
		w->stats->unreachable++;
	else if (m->error == CONVERT_E_NETWORK)
		w->stats->connect_timeout++;
	else
		w->stats->convert_error++;
	if (c->held)
		answer_verdict(c, m);
	if (m->error == CONVERT_E_NOT_AUTHORIZED)
		report_peer_refused(w, c->request.slot, m->error, convert_error_detail(m));
	report_note(w, c, "the peer says: %s", convert_error_text(m->error, convert_error_detail(m)));
	conn_close(w, c, true);
}

/* Reads the peer's answer; what follows it is the server's. */
static void read_answer(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = request_peer(w, c);
	/* Where the first bytes need not be kept, c->request.first can hold the begin of an answer in their place. */
	struct parked *held = dial_keeps_first(c) || c->held ? NULL : &c->request.first;
	size_t have = held && c->request.part ? held->len : 0;
	uint8_t *buf = w->buf + RELAY_HEADROOM;
	size_t want = RELAY_LITTLE - have;
	struct convert_fault fault;
	struct convert_msg m;
	ssize_t n;

	/*
	 * Without a place to hold a part of it, the answer stays in the kernel until it is whole. Of what follows it
	 * no more is read than can be kept for a client that does not take it.
	 */
	n = (held ? tcp_recv : tcp_peek)(c->peer.fd, buf + have, want);
	if (n == -EAGAIN && !c->peer.broken) {
		c->peer.in = false;
		return;
	}
	if (n <= 0) {
		answer_missing(w, c);
		return;
	}
	if (have)
		memcpy(buf, held->data, have);
	switch (convert_parse(CONVERT_CLIENT, p && (p->flags & SNAPSHOT_PEER_PRIVATE), buf, have + (size_t)n, &m,
			      &fault)) {
	case CONVERT_MORE:
		/* All of it was there to be read. */
		if (c->peer.hangup || c->peer.broken) {
			answer_missing(w, c);
			return;
		}
		c->peer.in = false;
		if (held && !c->request.part)
			unpark(w, held);
		c->request.part = held;
		if (held && park(w, held, buf + have, (size_t)n) < 0)
			conn_close(w, c, true);
		return;
	case CONVERT_OK:
		break;
	default:
		w->stats->convert_bad++;
		dial_blame(w, c, EPROTO);
		report_note(w, c, "the peer's answer is no Convert message");
		conn_close(w, c, true);
		return;
	}
	race_won(w, c);
	if (m.has & CONVERT_HAS_ERROR) {
		answer_error(w, c, &m);
		return;
	}
	if (held && (size_t)n < want && leg_is_dry(&c->peer))
		c->peer.in = false;
	if (!held) {
		/* MPTCP: what comes during a read that gets all it asks for wakes nobody. */
		tcp_recv(c->peer.fd, buf, m.len);
	} else if (have + (size_t)n > m.len) {
		size_t rest = have + (size_t)n - m.len;

		c->bytes_down += rest;
		relay_count(w, c, 1, rest);
		if (leg_write(w, c, &c->local, buf + m.len, rest) < 0) {
			w->stats->reset++;
			conn_close(w, c, true);
			return;
		}
	}
	if (c->held)
		conn_approved(w, c);
	else
		relay_start(w, c);
}

/* What is to be sent before the answer comes. A peer that has reset the connection takes nothing, but may have
 * answered. */
static int flush_request(struct worker *w, struct conn *c)
{
	int ret;

	/* Of its copies the peer chooses one; what is behind the message, and not in the SYN, waits for that. */
	if (c->peer.broken || (c->race && c->peer.parked.len <= c->request.first.len))
		return 0;
	if (dial_keeps_first(c) || c->held) {
		ret = leg_flush(w, &c->peer);
		c->peer.broken = ret < 0;
	} else {
		ret = relay_up(w, c);
	}
	return c->peer.broken ? 0 : ret;
}

void answer_event(struct worker *w, struct conn *c)
{
	int ret = flush_request(w, c);

	if (ret && ret != -EAGAIN) {
		w->stats->reset++;
		conn_close(w, c, true);
		return;
	}
	if (ret == -EAGAIN)
		conn_again(w, c);
	if (c->peer.in || c->peer.broken)
		read_answer(w, c);
}
