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
#include <mpgated/conn.h>
#include <mpgated/tcp.h>

#define ACCEPT_BATCH 64

static void gateway_direct(struct worker *w, struct conn *c);
static void gateway_answer(struct worker *w, struct conn *c);

static bool peer_is_keyed(const struct worker *w, const struct conn *c)
{
	const struct snapshot_peer *p = worker_peer(w, c->peer);

	return p && (p->flags & SNAPSHOT_PEER_KEYED);
}

static struct issued_cookie *issued_find(struct worker *w, unsigned slot)
{
	for (unsigned i = 0; i < w->cookie_count; i++)
		if (w->cookies[i].slot == slot)
			return &w->cookies[i];
	return NULL;
}

/* Remembers the cookie of an Error 3 (its value: a zero byte, then the cookie). */
static bool issued_store(struct worker *w, unsigned slot, const struct convert_bytes *value)
{
	struct issued_cookie *k = issued_find(w, slot);

	if (value->len < 2 || value->len - 1 > sizeof(k->data))
		return false;
	if (!k) {
		k = reallocarray(w->cookies, w->cookie_count + 1, sizeof(*k));
		if (!k)
			return false;
		w->cookies = k;
		k += w->cookie_count++;
		k->slot = (uint16_t)slot;
	}
	k->len = (uint8_t)(value->len - 1);
	memcpy(k->data, value->data + 1, k->len);
	return true;
}

/* The Convert message for this connection, into buf. Its length or -errno. */
static int build_request(struct worker *w, const struct conn *c, const struct snapshot_peer *p, bool early,
			 uint8_t *buf, size_t cap)
{
	const struct issued_cookie *issued = issued_find(w, c->peer);
	struct convert_writer wr;
	struct convert_bytes connect = { 0 }, source = { 0 };
	struct convert_cookie cookie;
	uint64_t nonce;

	convert_begin(&wr, buf, cap);
	connect.data = buf + wr.len;
	convert_put_connect(&wr, &c->tuple.daddr, c->tuple.dport, NULL);
	connect.len = (size_t)(buf + wr.len - connect.data);
	if (p->flags & SNAPSHOT_PEER_PRIVATE) {
		source.data = buf + wr.len;
		convert_put_orig_source(&wr, &c->tuple.saddr, c->tuple.sport);
		source.len = (size_t)(buf + wr.len - source.data);
		convert_put_flow_attrs(&wr, c->dscp, early ? CONVERT_ATTR_EARLY_DATA : 0);
	}
	if (p->flags & SNAPSHOT_PEER_KEYED) {
		nonce = worker_random(w);
		cookie_make(&p->send, (uint32_t)time(NULL), (const uint8_t *)&nonce, &connect, &source, &cookie);
		convert_put_cookie(&wr, &cookie, sizeof(cookie));
	} else if (issued) {
		convert_put_cookie(&wr, issued->data, issued->len);
	}
	return convert_end(&wr);
}

/* Sends message and first bytes (which stand in front of each other at data) to one address of the peer. */
static int dial_address(struct worker *w, struct conn *c, const struct snapshot_peer *p, const uint8_t *data,
			size_t len)
{
	const struct mpgate_addr *a = &p->address[c->attempt];
	int fd = tcp_socket(addr_is_v4(a) ? AF_INET : AF_INET6, true);
	ssize_t n;

	if (fd < 0)
		return fd;
	if (c->dscp)
		tcp_set_dscp(fd, a, c->dscp);
	c->syn_data = w->shm->peers[c->peer].syn_data == SYN_DATA_YES;
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
	if (n < 0) {
		close(fd);
		c->far.fd = -1;
		if (c->far.parked.data)
			unpark(w, &c->far.parked);
	}
	return (int)n;
}

/* Dials the peer, from address c->attempt on, with the client's first bytes in c->first. */
static void gateway_dial(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = worker_peer(w, c->peer);
	uint8_t *data = w->buf + RELAY_HEADROOM, msg[RELAY_HEADROOM];
	size_t len = c->first.len;

	c->state = GW_DIAL;
	conn_timer(w, c, TIMER_PEER);
	if (len)
		memcpy(data, c->first.data + c->first.off, len);
	for (; p && c->attempt < p->address_count; c->attempt++) {
		int m = build_request(w, c, p, len > 0, msg, sizeof(msg));

		if (m < 0)
			break;
		memcpy(data - m, msg, (size_t)m);
		if (dial_address(w, c, p, data - m, (size_t)m + len) == 0) {
			if (c->syn_data)
				w->stats->syn_data++;
			else
				w->stats->after_handshake++;
			return;
		}
	}
	worker_peer_failed(w, c->peer, EHOSTUNREACH);
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

void gateway_accept(struct worker *w, struct listener *l)
{
	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage from;
		struct conn *c;
		int fd = worker_accept(w, l->fd, &from);

		if (fd == -EAGAIN)
			return;
		if (fd < 0)
			continue;
		/* As MPTCP: disconnecting resets a TCP socket just as well, and a client may speak either. */
		c = conn_new(w, GW_FIRST, fd, true);
		if (!c) {
			close(fd);
			return;
		}
		w->stats->steered++;
		if (addr_from_sockaddr((struct sockaddr *)&from, &c->tuple.saddr, &c->tuple.sport) < 0 ||
		    tcp_local(fd, &c->tuple.daddr, &c->tuple.dport) < 0 || !take_pending(w, c)) {
			/* Somebody on this machine who dials our listener ends here too. */
			w->stats->no_pending++;
			conn_close(w, c, true);
			continue;
		}
		conn_timer(w, c, TIMER_FIRST);
		tcp_nodelay(fd);
		if (conn_watch(w, c, &c->near) < 0) {
			conn_close(w, c, true);
			continue;
		}
		gateway_first(w, c, false);
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
	const struct snapshot_peer *p = worker_peer(w, c->peer);

	close(c->far.fd);
	c->far.fd = -1;
	if (c->far.parked.data)
		unpark(w, &c->far.parked);
	c->attempt++;
	if (p && c->attempt < p->address_count) {
		gateway_dial(w, c);
		return;
	}
	worker_peer_failed(w, c->peer, err);
	worker_note(w, c, "peer failed: %s", strerror(err));
	gateway_direct(w, c);
}

static void gateway_connected(struct worker *w, struct conn *c)
{
	if (c->syn_data && !tcp_syn_data_acked(c->far.fd)) {
		w->shm->peers[c->peer].syn_data = SYN_DATA_NO;
		w->stats->syn_data_lost++;
		worker_note(w, c, "the peer did not take data in the SYN: no more of that");
	}
	if (!tcp_is_mptcp(c->far.fd))
		w->stats->not_mptcp++;
	/* A peer without a shared key may ask for a cookie: then all is said again. */
	if (peer_is_keyed(w, c) && c->first.data)
		unpark(w, &c->first);
	c->state = GW_ANSWER;
	conn_timer(w, c, TIMER_CONNECT);
	gateway_answer(w, c);
}

static void answer_error(struct worker *w, struct conn *c, const struct convert_msg *m)
{
	if (m->error == CONVERT_E_NO_COOKIE && !c->retried && !peer_is_keyed(w, c) &&
	    issued_store(w, c->peer, &m->error_value)) {
		c->retried = true;
		tcp_reset(c->far.fd, true);
		c->far.fd = -1;
		if (c->far.parked.data)
			unpark(w, &c->far.parked);
		gateway_dial(w, c);
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
	worker_note(w, c, "the peer says: %s", convert_error_name(m->error));
	conn_close(w, c, true);
}

/* Reads the peer's answer; what follows it is the server's. */
static void read_answer(struct worker *w, struct conn *c)
{
	const struct snapshot_peer *p = worker_peer(w, c->peer);
	/* A keyed peer's first bytes are gone by now, so that c->first can hold the begin of a long answer. */
	struct parked *held = p && (p->flags & SNAPSHOT_PEER_KEYED) ? &c->first : NULL;
	size_t have = held ? held->len : 0;
	uint8_t *buf = w->buf + RELAY_HEADROOM;
	struct convert_fault fault;
	struct convert_msg m;
	ssize_t n;

	/* Without a place to hold a part of it, the answer stays in the kernel until it is whole. */
	n = recv(c->far.fd, buf + have, RELAY_BUF - have, held ? 0 : MSG_PEEK);
	if (n < 0 && errno == EAGAIN) {
		c->far.in = false;
		return;
	}
	if (n <= 0) {
		w->stats->convert_bad++;
		worker_note(w, c, "the peer ended the connection without an answer");
		conn_close(w, c, true);
		return;
	}
	if (have)
		memcpy(buf, held->data, have);
	switch (convert_parse(CONVERT_CLIENT, p && (p->flags & SNAPSHOT_PEER_PRIVATE), buf, have + (size_t)n, &m,
			      &fault)) {
	case CONVERT_MORE:
		c->far.in = false;
		if (held && park(w, held, buf + have, (size_t)n) < 0)
			conn_close(w, c, true);
		return;
	case CONVERT_OK:
		break;
	default:
		w->stats->convert_bad++;
		worker_peer_failed(w, c->peer, EPROTO);
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
			conn_close(w, c, true);
			return;
		}
	}
	relay_start(w, c);
}

/* Connected, the answer is due. The client's bytes flow meanwhile, unless they may have to be said again. */
static void gateway_answer(struct worker *w, struct conn *c)
{
	int ret = peer_is_keyed(w, c) ? relay_up(w, c) : flush(w, &c->far);

	if (ret && ret != -EAGAIN) {
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
		gateway_peer_failed(w, c, ETIMEDOUT);
		break;
	default:
		w->stats->connect_timeout++;
		worker_note(w, c, "no answer in time");
		conn_close(w, c, true);
	}
}
