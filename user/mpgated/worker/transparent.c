// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/transparent.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/access.h>
#include <mpgated/worker/relay.h>
#include <mpgated/worker/unreachable.h>

#define UNANSWERED 2 /* SYNs with MP_CAPABLE, then the kernel tries one without (mptcp_ctrl.c) */

/* The server was not reached: who waits is told what it would have been told without us, if anything. */
static void server_failed(struct worker *w, struct conn *c, int err)
{
	enum verdict verdict = VERDICT_UNREACHABLE;
	int code = unreachable_code(err, addr_is_v4(&c->request.tuple.daddr));

	if (err == ECONNREFUSED) {
		w->stats->refused++;
		verdict = VERDICT_REFUSE;
	} else if (err == ETIMEDOUT) {
		w->stats->connect_timeout++;
		verdict = VERDICT_SILENT;
	} else if (code >= 0) {
		w->stats->unreachable++;
	} else {
		/* It is for want of something of ours. */
		w->stats->resource++;
		report_note(w, c, "the server cannot be dialed: %s", strerror(err));
		verdict = VERDICT_RELEASE;
	}
	if (c->held) {
		c->held->verdict = (uint8_t)verdict;
		c->held->code = (uint8_t)code;
	}
	conn_close(w, c, true);
}

/* foreign: leaves from the opener's own address and port. */
static int dial(struct worker *w, struct conn *c, bool mptcp, bool foreign)
{
	const struct mpgate_tuple *t = &c->request.tuple;
	int family = addr_is_v4(&t->daddr) ? AF_INET : AF_INET6, fd = tcp_socket(family, mptcp), ret = 0;

	c->state = TR_DIAL;
	conn_timer(w, c, TIMER_CONNECT);
	if (fd < 0 && reserve_give(w, -fd, 0))
		fd = tcp_socket(family, mptcp);
	if (fd < 0)
		return fd;
	leg_dialed(conn_target(c), fd, mptcp);
	tcp_keepalive(fd, w->snap->keepalive_s);
	if (c->request.dscp)
		tcp_set_dscp(fd, &t->daddr, c->request.dscp);
	if (foreign)
		ret = tcp_bind_foreign(fd, &t->saddr, t->sport);
	if (!ret)
		ret = (int)tcp_dial(fd, &t->daddr, t->dport, false, NULL, 0);
	return ret ? ret : leg_watch(w, c, conn_target(c));
}

void transparent_dial(struct worker *w, struct conn *c)
{
	int ret = dial(w, c, !c->request.breaks, true);

	if (ret) {
		server_failed(w, c, -ret);
		return;
	}
	w->stats->tagged++;
	/* Where SYNs cannot be held, the client has said something already. */
	c->peer.parked = c->request.first;
	memset(&c->request.first, 0, sizeof(c->request.first));
}

/* Dials the server in its opener's place; preserves: from its opener's address and port. */
static void take(struct worker *w, struct conn *c, bool preserves)
{
	int ret = conn_count(w, c, &c->request.tuple.saddr);

	if (!ret)
		ret = dial(w, c, false, preserves);
	if (ret)
		server_failed(w, c, -ret);
}

void transparent_take(struct worker *w, struct conn *c, uint32_t key_id)
{
	const struct mpgate_tuple *t = &c->request.tuple;
	struct request r = { .key = access_key(w, key_id), .keyed = true };
	bool preserves;

	r.msg.has = CONVERT_HAS_ORIG_SOURCE;
	r.msg.src = t->saddr;
	r.msg.src_port = t->sport;
	r.msg.dst = t->daddr;
	r.msg.dst_port = t->dport;
	/* What a peer may not have is as if it had no tag. */
	if (!r.key || !access_destination(w, &r)) {
		w->stats->not_authorized++;
		report_note(w, c, "not taken: destination not allowed");
		conn_close(w, c, true);
		return;
	}
	preserves = access_preserves(w, &r);
	if (preserves && !access_preserved(w, &r)) {
		w->stats->not_authorized++;
		report_note(w, c, "not taken: source not in the peer's allow-source");
		conn_close(w, c, true);
		return;
	}
	w->stats->taken++;
	take(w, c, preserves);
}

void transparent_terminate(struct worker *w, struct conn *c)
{
	w->stats->terminated++;
	take(w, c, w->snap->preserve);
}

void transparent_event(struct worker *w, struct conn *c)
{
	struct leg *opener = conn_opener(c), *target = conn_target(c);
	int err;

	if (opener->hangup && tcp_error(opener->fd)) {
		w->stats->client_gone++;
		conn_close(w, c, true);
	} else if (target->hangup && (err = tcp_error(target->fd)) && !leg_was_reset(target, err)) {
		server_failed(w, c, err);
	} else if (target->out || target->broken) {
		conn_check_fallback(w, c);
		if (target->plain && tcp_sent_again(target->fd) >= UNANSWERED)
			report_breaks(w, c);
		if (c->held)
			conn_approved(w, c);
		else
			relay_start(w, c);
	}
}

void transparent_timeout(struct worker *w, struct conn *c)
{
	server_failed(w, c, ETIMEDOUT);
}
