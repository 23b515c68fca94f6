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
	return c->request.peers_changed == w->peers_changed ? worker_peer(w, c->request.slot) : NULL;
}

static void peer_failed(struct worker *w, const struct conn *c, int err)
{
	if (peer_of(w, c))
		worker_peer_failed(w, c->request.slot, err);
}

/*
 * Are the client's first bytes kept until the answer? A peer without a shared key may ask for a cookie, and one that is
 * asked again may refuse: then they are sent once more.
 */
static bool first_is_kept(const struct conn *c)
{
	return c->request.again || !c->request.keyed;
}

/* Closed without a reset, the socket would go on to send the request, and the hub carry it out with nobody waiting. */
static void leave_peer(struct worker *w, struct conn *c)
{
	if (c->peer.parked.data)
		unpark(w, &c->peer.parked);
	if (c->peer.fd >= 0)
		tcp_reset(c->peer.fd, c->peer.mptcp);
	c->peer.fd = -1;
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
	syn_data = !c->request.again && w->shm->peers[c->request.slot].syn_data == SYN_DATA_YES;
	n = tcp_dial(fd, a, p->port, syn_data, data, len);
	if (n == -EOPNOTSUPP && syn_data) {
		syn_data = false;
		n = tcp_dial(fd, a, p->port, false, data, len);
	}
	c->request.sent = syn_data ? SENT_SYN : SENT_HANDSHAKE;
	leg_dialed(&c->peer, fd, true);
	if (n >= 0)
		n = (size_t)n < len ? park(w, &c->peer.parked, data + n, len - (size_t)n) : 0;
	if (n == 0)
		n = conn_watch(w, c, &c->peer);
	if (n < 0)
		leave_peer(w, c);
	return (int)n;
}

/* Sends message and first bytes over a connection opened ahead, if there is one. */
static bool send_ahead(struct worker *w, struct conn *c, const uint8_t *data, size_t len)
{
	if (c->request.again || !ready_take(w, c))
		return false;
	if (relay_write(w, c, &c->peer, data, len) < 0) {
		leave_peer(w, c);
		c->request.again = true;
		return false;
	}
	c->request.sent = SENT_AHEAD;
	w->stats->ready_used++;
	ready_fill(w, c->request.slot, w->shm->peers[c->request.slot].address);
	return true;
}

/* Sends the request and the first bytes in c->request.first to the first address of the peer that can be dialed. */
static void gateway_dial(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = peer_of(w, c);
	uint8_t *data = w->buf + RELAY_HEADROOM, msg[RELAY_HEADROOM];
	size_t len = c->request.first.len;
	int m = p ? request_build(w, c, p, len > 0, msg, sizeof(msg)) : -ENOENT, ret = -EHOSTUNREACH;
	bool shortage = false;

	c->state = GW_DIAL;
	conn_timer(w, c, TIMER_PEER);
	if (len)
		memcpy(data, c->request.first.data + c->request.first.off, len);
	if (m > 0) {
		memcpy(data - m, msg, (size_t)m);
		if (send_ahead(w, c, data - m, (size_t)m + len))
			return;
	}
	for (; m > 0 && c->request.attempt < p->address_count; c->request.attempt++) {
		c->request.address =
			(uint8_t)((w->shm->peers[c->request.slot].address + c->request.attempt) % p->address_count);
		ret = dial_address(w, c, p, data - m, (size_t)m + len);
		if (ret == 0) {
			if (c->request.sent == SENT_SYN)
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
	} else if (shortage && !c->request.again) {
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
	ssize_t n = recv(c->local.fd, data, FIRST_BYTES, 0);

	if (n < 0 && errno != EAGAIN) {
		w->stats->client_gone++;
		conn_close(w, c, true);
		return;
	}
	if (n < 0 && !last && w->snap->first_bytes_ms)
		return;
	if (n < 0)
		c->local.in = false;
	if (n == 0)
		c->local.eof = true;
	if (n > 0) {
		c->bytes_up += (uint64_t)n;
		w->stats->bytes_up += (uint64_t)n;
		if (park(w, &c->request.first, data, (size_t)n) < 0) {
			w->stats->resource++;
			conn_close(w, c, true);
			return;
		}
	}
	c->request.peers_changed = w->peers_changed;
	gateway_dial(w, c);
}

/* What steer wrote down for this connection; false: it did not. */
static bool take_pending(struct worker *w, struct conn *c)
{
	struct mpgate_pending p;

	if (bpf_map_lookup_and_delete_elem(w->pending_fd, &c->request.tuple, &p) < 0)
		return false;
	c->request.rule_id = p.rule_id;
	c->request.slot = p.peer;
	c->request.dscp = p.dscp;
	return true;
}

/* Steer announced c, but a flood of SYNs has pushed that out; or somebody on this machine dials our own listener. */
static void gateway_unknown(struct worker *w, struct conn *c)
{
	w->stats->no_pending++;
	if (c->request.tuple.dport == w->steer_port[0] || c->request.tuple.dport == w->steer_port[1])
		conn_close(w, c, true);
	else
		gateway_direct(w, c);
}

void gateway_accept(struct worker *w, struct listener *l)
{
	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		struct conn *c;
		int ret = worker_accept(w, l->fd, GW_FIRST, LEG_LOCAL, &c);

		if (ret == -EAGAIN)
			return;
		if (ret)
			continue;
		w->stats->steered++;
		if (tcp_local(c->local.fd, &c->request.tuple.daddr, &c->request.tuple.dport) < 0 ||
		    conn_watch(w, c, &c->local) < 0) {
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
	const struct mpgate_addr *dst = &c->request.tuple.daddr;
	bool reject = false;
	int ret;

	for (unsigned i = 0; i < w->snap->rules.count; i++)
		if (r[i].id == c->request.rule_id)
			reject = r[i].reject;
	if (reject) {
		worker_note(w, c, "the peer does not answer, and the rule says reject");
		conn_close(w, c, true);
		return;
	}
	w->stats->direct++;
	c->state = GW_DIRECT;
	c->request.slot = MPGATE_MAX_PEERS;
	conn_timer(w, c, TIMER_CONNECT);
	ret = tcp_socket(addr_is_v4(dst) ? AF_INET : AF_INET6, false);
	leg_dialed(&c->peer, ret < 0 ? -1 : ret, false);
	if (ret >= 0)
		ret = (int)tcp_dial(c->peer.fd, dst, c->request.tuple.dport, false, NULL, 0);
	if (ret >= 0)
		ret = conn_watch(w, c, &c->peer);
	if (ret < 0) {
		w->stats->unreachable++;
		conn_close(w, c, true);
		return;
	}
	/* The kept first bytes are what is to be written first. */
	c->peer.parked = c->request.first;
	memset(&c->request.first, 0, sizeof(c->request.first));
}

/* The handshake with the peer did not come about. */
static void gateway_peer_failed(struct worker *w, struct conn *c, int err)
{
	const struct snapshot_peer *p = peer_of(w, c);

	leave_peer(w, c);
	c->request.attempt++;
	c->request.again = true;
	if (p && c->request.attempt < p->address_count) {
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
	c->request.attempt = 0;
	c->request.again = true;
	ready_drop(w, c->request.slot);
	gateway_dial(w, c);
}

/* A SYN may get lost; two in a row are taken for a peer or path that does not take data in them. */
static void syn_data_result(struct worker *w, struct conn *c)
{
	struct peer_shared *p = &w->shm->peers[c->request.slot];

	if (tcp_syn_data_acked(c->peer.fd)) {
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
	unsigned peer = c->request.slot, address = c->request.address;

	if (c->request.sent == SENT_SYN && peer_of(w, c))
		syn_data_result(w, c);
	if (!tcp_is_mptcp(c->peer.fd))
		w->stats->not_mptcp++;
	if (!first_is_kept(c) && c->request.first.data)
		unpark(w, &c->request.first);
	c->state = GW_ANSWER;
	conn_timer(w, c, TIMER_CONNECT);
	gateway_answer(w, c);
	ready_fill(w, peer, address);
}

/* Only an answer shows that a connection opened ahead was alive when the message went. */
static void gateway_ahead(struct worker *w, struct conn *c)
{
	char byte;
	ssize_t n = c->peer.in ? recv(c->peer.fd, &byte, 1, MSG_PEEK) : -1;

	if (n > 0)
		gateway_connected(w, c);
	else if ((c->peer.in && (n == 0 || errno != EAGAIN)) || flush(w, &c->peer) < 0)
		gateway_again(w, c);
}

/*
 * The peer ended the connection without an answer. One that was asked for the same before may have carried that out,
 * and refuses to do so twice: the server is dialed directly.
 */
static void gateway_unanswered(struct worker *w, struct conn *c)
{
	if (c->request.again) {
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
	bool other =
		peer_of(w, c) ? request_other_cookie(w, c, m) : !c->request.keyed && m->error == CONVERT_E_NO_COOKIE;

	if (other) {
		leave_peer(w, c);
		gateway_dial(w, c);
		return;
	}
	/* By a clock that differs from ours a request that is said again may be too old. */
	if (c->request.again && c->request.keyed && m->error == CONVERT_E_NOT_AUTHORIZED) {
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
		worker_peer_refused(w, c->request.slot);
	worker_note(w, c, "the peer says: %s", convert_error_name(m->error));
	conn_close(w, c, true);
}

/* Reads the peer's answer; what follows it is the server's. */
static void read_answer(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = peer_of(w, c);
	/* Where the first bytes are gone by now, c->request.first can hold the begin of a long answer. */
	struct parked *held = first_is_kept(c) ? NULL : &c->request.first;
	size_t have = held ? held->len : 0;
	uint8_t *buf = w->buf + RELAY_HEADROOM;
	struct convert_fault fault;
	struct convert_msg m;
	ssize_t n;

	/*
	 * Without a place to hold a part of it, the answer stays in the kernel until it is whole. Of what follows it
	 * no more is read than can be kept for a client that does not take it.
	 */
	n = recv(c->peer.fd, buf + have, RELAY_LITTLE - have, held ? 0 : MSG_PEEK);
	if (n < 0 && errno == EAGAIN) {
		c->peer.in = false;
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
		if (c->peer.hangup) {
			gateway_unanswered(w, c);
			return;
		}
		c->peer.in = false;
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
		recv(c->peer.fd, buf, m.len, 0);
	} else if (have + (size_t)n > m.len) {
		size_t rest = have + (size_t)n - m.len;

		c->bytes_down += rest;
		w->stats->bytes_down += rest;
		if (relay_write(w, c, &c->local, buf + m.len, rest) < 0) {
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
	int ret = first_is_kept(c) ? flush(w, &c->peer) : relay_up(w, c);

	if (ret && ret != -EAGAIN) {
		if (c->request.again) {
			gateway_unanswered(w, c);
			return;
		}
		w->stats->reset++;
		conn_close(w, c, true);
		return;
	}
	if (ret == -EAGAIN)
		conn_again(w, c);
	if (c->peer.in)
		read_answer(w, c);
}

void gateway_event(struct worker *w, struct conn *c)
{
	int err;

	if (c->state == GW_FIRST) {
		gateway_first(w, c, false);
		return;
	}
	if (c->local.hangup && tcp_error(c->local.fd)) {
		w->stats->client_gone++;
		conn_close(w, c, true);
		return;
	}
	if (c->state == GW_ANSWER) {
		gateway_answer(w, c);
		return;
	}
	if (c->state == GW_DIAL && c->request.sent == SENT_AHEAD) {
		gateway_ahead(w, c);
		return;
	}
	if (c->peer.hangup && (err = tcp_error(c->peer.fd))) {
		if (c->state == GW_DIAL) {
			gateway_peer_failed(w, c, err);
			return;
		}
		w->stats->refused++;
		conn_close(w, c, true);
		return;
	}
	if (!c->peer.out)
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
		if (c->request.sent != SENT_AHEAD)
			gateway_peer_failed(w, c, ETIMEDOUT);
		else if (!c->peer.parked.len && tcp_all_acked(c->peer.fd))
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
