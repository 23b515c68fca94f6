// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gateway's part of a connection: steer gave it to us, the client has had
 * its handshake. Its first bytes are awaited for a moment, then go to the peer
 * behind a Convert message (RFC 8803, 4.1), in the SYN when the peer is known
 * to take that. While the peer has not answered the handshake the first bytes
 * are kept: a peer that fails costs time, not the connection, which then goes
 * to the server directly.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <lib/convert.h>
#include <mpgated/worker/conn.h>
#include <mpgated/net/tcp.h>

static void gateway_direct(struct worker *w, struct conn *c);
static void gateway_answer(struct worker *w, struct conn *c);

/* The peer that c was dialed to first; NULL: there was a reload, and its slot may mean another. */
static const struct snapshot_peer *peer_of(const struct worker *w, const struct conn *c)
{
	return c->peers_changed == w->peers_changed ? worker_peer(w, c->peer) : NULL;
}

static void peer_failed(struct worker *w, const struct conn *c, int err)
{
	if (peer_of(w, c))
		worker_peer_failed(w, c->peer, err);
}

/*
 * Are the client's first bytes kept until the answer? A peer without a shared key may ask for a cookie, and one that is
 * asked again may refuse: then they are sent once more.
 */
static bool first_is_kept(const struct conn *c)
{
	return c->again || !c->keyed;
}

/* Closed without a reset, the socket would go on to send the request, and the hub carry it out with nobody waiting. */
static void leave_peer(struct worker *w, struct conn *c)
{
	if (c->far.parked.data)
		unpark(w, &c->far.parked);
	if (c->far.fd >= 0)
		tcp_reset(c->far.fd, c->far.mptcp);
	c->far.fd = -1;
}

/* Sends message and first bytes (which stand in front of each other at data) to one address of the peer. */
static int dial_address(struct worker *w, struct conn *c, const struct snapshot_peer *p, const uint8_t *data,
			size_t len)
{
	const struct mpgate_addr *a = &p->address[c->address];
	int fd = tcp_socket(addr_is_v4(a) ? AF_INET : AF_INET6, true);
	ssize_t n;

	if (fd < 0)
		return fd;
	if (c->dscp)
		tcp_set_dscp(fd, a, c->dscp);
	/* guard drops a SYN that repeats a request it saw. */
	c->syn_data = !c->again && w->shm->peers[c->peer].syn_data == SYN_DATA_YES;
	n = tcp_dial(fd, a, p->port, c->syn_data, data, len);
	if (n == -EOPNOTSUPP && c->syn_data) {
		c->syn_data = false;
		n = tcp_dial(fd, a, p->port, false, data, len);
	}
	c->far.fd = fd;
	c->far.mptcp = true;
	c->far.in = c->far.out = c->far.hangup = false;
	if (n >= 0)
		n = (size_t)n < len ? park(w, &c->far.parked, data + n, len - (size_t)n) : 0;
	if (n == 0)
		n = conn_watch(w, c, &c->far);
	if (n < 0)
		leave_peer(w, c);
	return (int)n;
}

/* Sends message and first bytes over a connection opened ahead, if there is one. */
static bool send_ahead(struct worker *w, struct conn *c, const uint8_t *data, size_t len)
{
	c->ahead = !c->again && ready_take(w, c);
	if (!c->ahead)
		return false;
	if (relay_write(w, c, &c->far, data, len) < 0) {
		leave_peer(w, c);
		c->ahead = false;
		c->again = true;
		return false;
	}
	c->syn_data = false;
	w->stats->ready_used++;
	ready_fill(w, c->peer, w->shm->peers[c->peer].address);
	return true;
}

/* Sends the request to the peer, with the client's first bytes in c->first, to the first address that can be dialed. */
static void gateway_dial(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = peer_of(w, c);
	uint8_t *data = w->buf + RELAY_HEADROOM, msg[RELAY_HEADROOM];
	size_t len = c->first.len;
	int m = p ? request_build(w, c, p, len > 0, msg, sizeof(msg)) : -ENOENT, ret = -EHOSTUNREACH;
	bool shortage = false;

	c->state = GW_DIAL;
	conn_timer(w, c, TIMER_PEER);
	if (len)
		memcpy(data, c->first.data + c->first.off, len);
	if (m > 0) {
		memcpy(data - m, msg, (size_t)m);
		if (send_ahead(w, c, data - m, (size_t)m + len))
			return;
	}
	for (; m > 0 && c->attempt < p->address_count; c->attempt++) {
		c->address = (uint8_t)((w->shm->peers[c->peer].address + c->attempt) % p->address_count);
		ret = dial_address(w, c, p, data - m, (size_t)m + len);
		if (ret == 0) {
			if (c->syn_data)
				w->stats->syn_data++;
			else
				w->stats->after_handshake++;
			return;
		}
		shortage |= tcp_is_shortage(-ret);
	}
	/* After an address that failed, the lack of a way to the next is no excuse. */
	if (m == -ETIME) {
		worker_note(w, c, "the request is too old to be said again");
	} else if (shortage && !c->again) {
		w->stats->resource++;
		worker_note(w, c, "the peer cannot be dialed: %s", strerror(-ret));
	} else {
		peer_failed(w, c, -ret);
	}
	gateway_direct(w, c);
}

/* Reads the client's first bytes. last: the time to wait for them is over. */
static void gateway_first(struct worker *w, struct conn *c, bool last)
{
	uint8_t *data = w->buf + RELAY_HEADROOM;
	ssize_t n = recv(c->near.fd, data, FIRST_BYTES, 0);

	if (n < 0 && errno != EAGAIN) {
		w->stats->client_gone++;
		conn_close(w, c, true);
		return;
	}
	if (n < 0 && !last && w->snap->first_bytes_ms)
		return;
	if (n < 0)
		c->near.in = false;
	if (n == 0)
		c->near.eof = true;
	if (n > 0) {
		c->bytes_up += (uint64_t)n;
		w->stats->bytes_up += (uint64_t)n;
		if (park(w, &c->first, data, (size_t)n) < 0) {
			w->stats->resource++;
			conn_close(w, c, true);
			return;
		}
	}
	c->peers_changed = w->peers_changed;
	gateway_dial(w, c);
}

/* What steer wrote down for this connection; false: it did not. */
static bool take_pending(struct worker *w, struct conn *c)
{
	struct mpgate_pending p;

	if (bpf_map_lookup_and_delete_elem(w->pending_fd, &c->tuple, &p) < 0)
		return false;
	c->rule_id = p.rule_id;
	c->peer = p.peer;
	c->dscp = p.dscp;
	return true;
}

/* Steer announced c, but a flood of SYNs has pushed that out; or somebody on this machine dials our own listener. */
static void gateway_unknown(struct worker *w, struct conn *c)
{
	w->stats->no_pending++;
	if (c->tuple.dport == w->steer_port[0] || c->tuple.dport == w->steer_port[1])
		conn_close(w, c, true);
	else
		gateway_direct(w, c);
}

void gateway_accept(struct worker *w, struct listener *l)
{
	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		struct conn *c;
		int ret = worker_accept(w, l->fd, GW_FIRST, &c);

		if (ret == -EAGAIN)
			return;
		if (ret)
			continue;
		w->stats->steered++;
		if (tcp_local(c->near.fd, &c->tuple.daddr, &c->tuple.dport) < 0 || conn_watch(w, c, &c->near) < 0) {
			w->stats->resource++;
			conn_close(w, c, true);
		} else if (take_pending(w, c)) {
			conn_timer(w, c, TIMER_FIRST);
			gateway_first(w, c, false);
		} else {
			gateway_unknown(w, c);
		}
	}
}

static void gateway_direct(struct worker *w, struct conn *c)
{
	const struct snapshot_rule *r = snapshot_at(w->snap, w->snap->rules);
	const struct mpgate_addr *dst = &c->tuple.daddr;
	bool reject = false;
	int ret;

	for (unsigned i = 0; i < w->snap->rules.count; i++)
		if (r[i].id == c->rule_id)
			reject = r[i].reject;
	if (reject) {
		worker_note(w, c, "the peer does not answer, and the rule says reject");
		conn_close(w, c, true);
		return;
	}
	w->stats->direct++;
	c->state = GW_DIRECT;
	c->peer = MPGATE_MAX_PEERS;
	c->far.mptcp = false;
	c->far.in = c->far.out = c->far.hangup = false;
	conn_timer(w, c, TIMER_CONNECT);
	ret = c->far.fd = tcp_socket(addr_is_v4(dst) ? AF_INET : AF_INET6, false);
	if (ret >= 0)
		ret = (int)tcp_dial(c->far.fd, dst, c->tuple.dport, false, NULL, 0);
	if (ret >= 0)
		ret = conn_watch(w, c, &c->far);
	if (ret < 0) {
		w->stats->unreachable++;
		conn_close(w, c, true);
		return;
	}
	/* The kept first bytes are what is to be written first. */
	c->far.parked = c->first;
	memset(&c->first, 0, sizeof(c->first));
}

/* The handshake with the peer did not come about. */
static void gateway_peer_failed(struct worker *w, struct conn *c, int err)
{
	const struct snapshot_peer *p = peer_of(w, c);

	leave_peer(w, c);
	c->attempt++;
	c->again = true;
	if (p && c->attempt < p->address_count) {
		gateway_dial(w, c);
		return;
	}
	peer_failed(w, c, err);
	worker_note(w, c, "peer failed: %s", strerror(err));
	gateway_direct(w, c);
}

/*
 * A connection opened ahead had died before the peer took the message: all is said again over a new one. Others of its
 * kind are suspect.
 */
static void gateway_again(struct worker *w, struct conn *c)
{
	leave_peer(w, c);
	c->attempt = 0;
	c->again = true;
	ready_drop(w, c->peer);
	gateway_dial(w, c);
}

/* A SYN may get lost; two in a row are taken for a peer or path that does not take data in them. */
static void syn_data_result(struct worker *w, struct conn *c)
{
	struct peer_shared *p = &w->shm->peers[c->peer];

	if (tcp_syn_data_acked(c->far.fd)) {
		if (p->syn_lost)
			p->syn_lost = 0;
		return;
	}
	w->stats->syn_data_lost++;
	p->syn_lost = !p->syn_lost;
	if (!p->syn_lost) {
		p->syn_data = SYN_DATA_NO;
		worker_note(w, c, "the peer did not take data in two SYNs: no more of that");
	}
}

/* The peer has the message. */
static void gateway_connected(struct worker *w, struct conn *c)
{
	unsigned peer = c->peer, address = c->address;

	if (c->syn_data && peer_of(w, c))
		syn_data_result(w, c);
	if (!tcp_is_mptcp(c->far.fd))
		w->stats->not_mptcp++;
	if (!first_is_kept(c) && c->first.data)
		unpark(w, &c->first);
	c->state = GW_ANSWER;
	conn_timer(w, c, TIMER_CONNECT);
	gateway_answer(w, c);
	ready_fill(w, peer, address);
}

/* Only an answer shows that a connection opened ahead was alive when the message went. */
static void gateway_ahead(struct worker *w, struct conn *c)
{
	char byte;
	ssize_t n = c->far.in ? recv(c->far.fd, &byte, 1, MSG_PEEK) : -1;

	if (n > 0)
		gateway_connected(w, c);
	else if ((c->far.in && (n == 0 || errno != EAGAIN)) || flush(w, &c->far) < 0)
		gateway_again(w, c);
}

/*
 * The peer ended the connection without an answer. One that was asked for the same before may have carried that out,
 * and refuses to do so twice: the server is dialed directly.
 */
static void gateway_unanswered(struct worker *w, struct conn *c)
{
	if (c->again) {
		worker_note(w, c, "the peer does not take the request a second time");
		leave_peer(w, c);
		gateway_direct(w, c);
		return;
	}
	w->stats->convert_bad++;
	worker_note(w, c, "the peer ended the connection without an answer");
	conn_close(w, c, true);
}

static void answer_error(struct worker *w, struct conn *c, const struct convert_msg *m)
{
	/* Of a peer that is gone no cookie is kept: it is dialed no more. */
	bool other = peer_of(w, c) ? request_other_cookie(w, c, m) : !c->keyed && m->error == CONVERT_E_NO_COOKIE;

	if (other) {
		leave_peer(w, c);
		gateway_dial(w, c);
		return;
	}
	/* By a clock that differs from ours a request that is said again may be too old. */
	if (c->again && c->keyed && m->error == CONVERT_E_NOT_AUTHORIZED) {
		gateway_unanswered(w, c);
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
	if (m->error == CONVERT_E_NOT_AUTHORIZED)
		worker_peer_refused(w, c->peer);
	worker_note(w, c, "the peer says: %s", convert_error_name(m->error));
	conn_close(w, c, true);
}

/* Reads the peer's answer; what follows it is the server's. */
static void read_answer(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = peer_of(w, c);
	/* Where the first bytes are gone by now, c->first can hold the begin of a long answer. */
	struct parked *held = first_is_kept(c) ? NULL : &c->first;
	size_t have = held ? held->len : 0;
	uint8_t *buf = w->buf + RELAY_HEADROOM;
	struct convert_fault fault;
	struct convert_msg m;
	ssize_t n;

	/*
	 * Without a place to hold a part of it, the answer stays in the kernel until it is whole. Of what follows it
	 * no more is read than can be kept for a client that does not take it.
	 */
	n = recv(c->far.fd, buf + have, RELAY_LITTLE - have, held ? 0 : MSG_PEEK);
	if (n < 0 && errno == EAGAIN) {
		c->far.in = false;
		return;
	}
	if (n <= 0) {
		gateway_unanswered(w, c);
		return;
	}
	if (have)
		memcpy(buf, held->data, have);
	switch (convert_parse(CONVERT_CLIENT, p && (p->flags & SNAPSHOT_PEER_PRIVATE), buf, have + (size_t)n, &m,
			      &fault)) {
	case CONVERT_MORE:
		/* All of it was there to be read. */
		if (c->far.hangup) {
			gateway_unanswered(w, c);
			return;
		}
		c->far.in = false;
		if (held && park(w, held, buf + have, (size_t)n) < 0)
			conn_close(w, c, true);
		return;
	case CONVERT_OK:
		break;
	default:
		w->stats->convert_bad++;
		peer_failed(w, c, EPROTO);
		worker_note(w, c, "the peer's answer is no Convert message");
		conn_close(w, c, true);
		return;
	}
	if (m.has & CONVERT_HAS_ERROR) {
		answer_error(w, c, &m);
		return;
	}
	if (!held) {
		recv(c->far.fd, buf, m.len, 0);
	} else if (have + (size_t)n > m.len) {
		size_t rest = have + (size_t)n - m.len;

		c->bytes_down += rest;
		w->stats->bytes_down += rest;
		if (relay_write(w, c, &c->near, buf + m.len, rest) < 0) {
			w->stats->reset++;
			conn_close(w, c, true);
			return;
		}
	}
	relay_start(w, c);
}

/* Connected, the answer is due. The client's bytes flow meanwhile, unless they may have to be said again. */
static void gateway_answer(struct worker *w, struct conn *c)
{
	int ret = first_is_kept(c) ? flush(w, &c->far) : relay_up(w, c);

	if (ret && ret != -EAGAIN) {
		if (c->again) {
			gateway_unanswered(w, c);
			return;
		}
		w->stats->reset++;
		conn_close(w, c, true);
		return;
	}
	if (ret == -EAGAIN)
		conn_again(w, c);
	if (c->far.in)
		read_answer(w, c);
}

void gateway_event(struct worker *w, struct conn *c)
{
	int err;

	if (c->state == GW_FIRST) {
		gateway_first(w, c, false);
		return;
	}
	if (c->near.hangup && tcp_error(c->near.fd)) {
		w->stats->client_gone++;
		conn_close(w, c, true);
		return;
	}
	if (c->state == GW_ANSWER) {
		gateway_answer(w, c);
		return;
	}
	if (c->ahead && c->state == GW_DIAL) {
		gateway_ahead(w, c);
		return;
	}
	if (c->far.hangup && (err = tcp_error(c->far.fd))) {
		if (c->state == GW_DIAL) {
			gateway_peer_failed(w, c, err);
			return;
		}
		w->stats->refused++;
		conn_close(w, c, true);
		return;
	}
	if (!c->far.out)
		return;
	if (c->state == GW_DIAL)
		gateway_connected(w, c);
	else
		relay_start(w, c);
}

void gateway_timeout(struct worker *w, struct conn *c)
{
	switch (c->state) {
	case GW_FIRST:
		gateway_first(w, c, true);
		break;
	case GW_DIAL:
		if (!c->ahead)
			gateway_peer_failed(w, c, ETIMEDOUT);
		else if (!c->far.parked.len && tcp_all_acked(c->far.fd))
			gateway_connected(w, c);
		else
			gateway_again(w, c);
		break;
	default:
		w->stats->connect_timeout++;
		worker_note(w, c, "no answer in time");
		conn_close(w, c, true);
	}
}
