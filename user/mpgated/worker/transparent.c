// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/transparent.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/access.h>
#include <mpgated/worker/relay.h>
#include <mpgated/worker/seen.h>
#include <mpgated/worker/source.h>
#include <mpgated/worker/unreachable.h>

#define UNANSWERED 2 /* SYNs with MP_CAPABLE, then the kernel tries one without (mptcp_ctrl.c) */

/* The server was not reached: who waits is told what it would have been told without us, if anything. */
static void server_failed(struct worker *w, struct conn *c, int err)
{
	enum verdict verdict = VERDICT_UNREACHABLE;
	/* No address, or that very connection is not over yet on our side: not the server's fault. */
	int code = err == EADDRNOTAVAIL ? -1 : unreachable_code(err, addr_is_v4(&c->request.tuple.daddr));

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

/* asked: what a hub is asked for, which says where it leaves from; NULL: from its opener's own address and port. */
static int dial(struct worker *w, struct conn *c, bool mptcp, const struct request *asked)
{
	const struct mpgate_tuple *t = &c->request.tuple;
	int family = addr_is_v4(&t->daddr) ? AF_INET : AF_INET6, fd = tcp_socket(family, mptcp), ret;

	c->state = TR_DIAL;
	conn_timer(w, c, TIMER_CONNECT);
	if (fd < 0 && reserve_give(w, -fd, 0))
		fd = tcp_socket(family, mptcp);
	if (fd < 0)
		return fd;
	leg_dialed(conn_target(c), fd, mptcp);
	if (c->request.dscp)
		tcp_set_dscp(fd, &t->daddr, c->request.dscp);
	ret = asked ? source_bind(w, c, asked, &t->saddr) : tcp_bind_foreign(fd, &t->saddr, t->sport);
	if (!ret)
		ret = (int)tcp_dial(fd, &t->daddr, t->dport, false, NULL, 0);
	if (!ret && asked)
		conn_mapping(w, c, false);
	return ret ? ret : leg_watch(w, c, conn_target(c));
}

void transparent_dial(struct worker *w, struct conn *c)
{
	int ret = dial(w, c, !c->request.breaks, NULL);

	if (ret) {
		server_failed(w, c, -ret);
		return;
	}
	w->stats->tagged++;
	/* Where SYNs cannot be held, the client has said something already. */
	c->peer.parked = c->request.first;
	memset(&c->request.first, 0, sizeof(c->request.first));
}

/* What a SYN asks for that says no more than its addresses. */
static struct request asked_by(const struct mpgate_tuple *t, const struct snapshot_key *key)
{
	struct request r = { .key = key, .keyed = key != NULL };

	r.msg.has = CONVERT_HAS_ORIG_SOURCE;
	r.msg.src = t->saddr;
	r.msg.src_port = t->sport;
	r.msg.dst = t->daddr;
	r.msg.dst_port = t->dport;
	return r;
}

/* Dials the server in its opener's place. What has no room goes on. */
static void take(struct worker *w, struct conn *c, const struct request *r)
{
	int ret = conn_count(w, c, &c->request.tuple.saddr);

	if (!ret && !source_has_room(w, c, r, &c->request.tuple.saddr)) {
		w->stats->subscriber_limit++;
		report_note(w, c, "not taken: its subscriber has as many connections as it may");
		conn_close(w, c, true);
		return;
	}
	if (!ret)
		ret = dial(w, c, false, r);
	if (ret)
		server_failed(w, c, -ret);
}

void transparent_take(struct worker *w, struct conn *c, uint32_t key_id)
{
	const struct request r = asked_by(&c->request.tuple, access_key(w, key_id));
	enum convert_refusal refusal = CONVERT_REFUSED_DESTINATION;
	const char *not = NULL;

	/* What a peer may not have is as if it had no tag. */
	if (!r.key || !access_destination(w, &r)) {
		not = "destination not allowed";
	} else if (access_preserves(w, &r) && !access_preserved(w, &r)) {
		not = "source not in the peer's allow-source";
		refusal = CONVERT_REFUSED_SOURCE;
	}
	if (not ) {
		w->stats->not_authorized++;
		if (r.key)
			seen_refused(w, r.key, refusal, 0);
		report_note(w, c, "not taken: %s", not );
		conn_close(w, c, true);
		return;
	}
	w->stats->taken++;
	seen_peer(w, r.key, &c->request.tuple.saddr);
	take(w, c, &r);
}

void transparent_terminate(struct worker *w, struct conn *c)
{
	const struct request r = asked_by(&c->request.tuple, NULL);

	w->stats->terminated++;
	take(w, c, &r);
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
		if (target->plain && tcp_retransmissions(target->fd) >= UNANSWERED)
			report_server(w, c, true);
		else if (target->mptcp && !target->plain && c->request.doubted)
			report_server(w, c, false);
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
