// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The hub's part of a connection (the converter of RFC 8803): read the Convert
 * message, make sure of who sent it, dial the server, answer, relay. Errors go
 * as an Error TLV in the byte stream, then the connection is closed; what the
 * peer still sends is read and dropped meanwhile, since closing with unread
 * data would reset the connection and lose the Error (6.2.8).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <lib/convert.h>
#include <mpgated/net/io.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/access.h>
#include <mpgated/worker/copy.h>
#include <mpgated/worker/dial.h>
#include <mpgated/worker/hub.h>
#include <mpgated/worker/offer.h>
#include <mpgated/worker/ready.h>
#include <mpgated/worker/relay.h>
#include <mpgated/worker/seen.h>
#include <mpgated/worker/source.h>
#include <mpgated/worker/strangers.h>
#include <mpgated/worker/subscriber.h>
#include <mpgated/worker/unreachable.h>

#define ERRORS_PER_SECOND 1000 /* of one worker; beyond it connections are reset */
#define LINGER_ROUNDS 16 /* reads of one turn while an Error is on its way */
#define RETRY_SECONDS 30 /* told with Error 64 and 65 (6.2.8) */

/* Sends an Error, and a Clock behind it unless that is NULL, and lets the connection end. */
static void hub_fail_clock(struct worker *w, struct conn *c, uint8_t code, const void *value, size_t len,
			   const uint8_t *clock)
{
	uint32_t second = (uint32_t)(w->now / 1000);
	uint8_t msg[CONVERT_MAX_LEN];
	struct convert_writer wr;
	int n;

	conn_uncount(w, c);
	conn_mapping(w, c, true);
	subscriber_leave(w, c);
	if (second != w->error_second) {
		w->error_second = second;
		w->errors = 0;
	}
	convert_begin(&wr, msg, sizeof(msg));
	convert_put_error(&wr, code, value, len);
	if (clock)
		convert_put_clock(&wr, clock);
	n = convert_end(&wr);
	if (n < 0 || w->errors++ >= ERRORS_PER_SECOND || tcp_send(c->peer.fd, msg, (size_t)n) != n) {
		conn_close(w, c, true);
		return;
	}
	leg_close(w, &c->local, false);
	c->state = HUB_LINGER;
	leg_settle(&c->peer);
	conn_timer(w, c, TIMER_HEADER);
	hub_event(w, c);
}

static void hub_fail(struct worker *w, struct conn *c, uint8_t code, const void *value, size_t len)
{
	hub_fail_clock(w, c, code, value, len, NULL);
}

/* A peer of ours whose clock, or our own, is wrong: it may say the same again by the time that it is told here. */
static void hub_stale(struct worker *w, struct conn *c, const struct request *r, uint32_t now)
{
	const struct snapshot_key *k = r->key;
	uint8_t clock[CONVERT_CLOCK_LEN];
	struct convert_cookie cookie;
	char text[CLOCK_TEXT];
	int32_t ahead;

	memcpy(&cookie, r->msg.cookie.data, sizeof(cookie));
	ahead = (int32_t)(ntohl(cookie.timestamp) - now);
	w->stats->stale++;
	seen_refused(w, k, CONVERT_REFUSED_CLOCK, ahead);
	report_note(w, c, "stale cookie: the peer's clock is %s", clock_print(ahead, text));
	if (k->private_tlvs)
		clock_make(&k->key, &r->msg.cookie, now, clock);
	hub_fail_clock(w, c, CONVERT_E_NOT_AUTHORIZED, "", 1, k->private_tlvs ? clock : NULL);
}

/* Who has proven a key of ours hears the reason, others nothing. */
static void hub_refuse(struct worker *w, struct conn *c, const struct request *r, enum convert_refusal refusal,
		       const char *why)
{
	const uint8_t value = r->key && r->key->private_tlvs ? (uint8_t)refusal : 0;

	w->stats->not_authorized++;
	if (r->key)
		seen_refused(w, r->key, refusal, 0);
	report_note(w, c, "not authorized: %s", why);
	hub_fail(w, c, CONVERT_E_NOT_AUTHORIZED, &value, 1);
}

static void hub_stranger(struct worker *w, struct conn *c, const struct request *r, const struct mpgate_addr *client)
{
	bool keyed = r->msg.has & CONVERT_HAS_COOKIE;

	if (keyed)
		seen_unknown(w, client);
	hub_refuse(w, c, r, CONVERT_REFUSED, keyed ? "the cookie is of no key that we have" : "no cookie");
}

/* What was said is the last; the peer's bytes are read and dropped until it ends. */
static void hub_linger(struct worker *w, struct conn *c)
{
	if (!c->peer.shut && leg_shutdown(w, c, &c->peer) < 0) {
		conn_close(w, c, true);
		return;
	}
	for (unsigned i = 0; i < LINGER_ROUNDS; i++) {
		ssize_t n = tcp_recv(c->peer.fd, w->buf, RELAY_BUF);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			conn_close(w, c, false);
			return;
		}
	}
	conn_close(w, c, true);
}

/* True: go on. False: answered or closed. */
static bool authorize(struct worker *w, struct conn *c, struct request *r, const struct mpgate_addr *client)
{
	uint8_t value[1 + ISSUED_LEN] = { 0 };
	const struct access_clock clock = access_now(w);

	switch (access_request(w, r, client, &clock)) {
	case ACCESS_GRANTED:
		return true;
	case ACCESS_REPLAYED:
		if (copy_wait(w, c, r, clock.boot))
			break;
		/* Silently, as guard does: an answer would tell an attacker which cookies are worth repeating. */
		w->stats->replayed++;
		conn_close(w, c, true);
		break;
	case ACCESS_NO_COOKIE:
		w->stats->cookie_issued++;
		issued_make(&w->snap->issuing, clock.wall, client, value + 1);
		hub_fail(w, c, CONVERT_E_NO_COOKIE, value, sizeof(value));
		break;
	case ACCESS_STALE:
		hub_stale(w, c, r, clock.wall);
		break;
	case ACCESS_OWN:
		hub_refuse(w, c, r, CONVERT_REFUSED_SELF,
			   "its cookie has our own end id: give the two instances different names");
		break;
	default:
		hub_stranger(w, c, r, client);
	}
	return false;
}

/* A failed connection towards the server, told the peer in Convert's words. */
static void server_failed(struct worker *w, struct conn *c, int err)
{
	bool v4 = addr_is_v4(&c->request.tuple.daddr);
	/* An address of our own choice lacks ports. */
	int code = err == EADDRNOTAVAIL && c->request.own ? -1 : unreachable_code(err, v4);
	uint8_t value = code < 0 ? RETRY_SECONDS : (uint8_t)code;

	if (err == EADDRNOTAVAIL && source_is_missing(w, c)) {
		value = RETRY_SECONDS;
		w->stats->no_family++;
		report_note(w, c, "this machine has no %s address: the peer is to go another way",
			    v4 ? "IPv4" : "IPv6");
		hub_fail(w, c, CONVERT_E_RESOURCE, &value, 1);
		return;
	}
	switch (err) {
	case ECONNREFUSED:
		w->stats->refused++;
		hub_fail(w, c, CONVERT_E_RESET, "", 1);
		return;
	case ETIMEDOUT:
		w->stats->connect_timeout++;
		hub_fail(w, c, CONVERT_E_NETWORK, &value, 1);
		return;
	default:
		break;
	}
	if (code < 0)
		w->stats->resource++;
	else
		w->stats->unreachable++;
	hub_fail(w, c, code < 0 ? CONVERT_E_RESOURCE : CONVERT_E_UNREACHABLE, &value, 1);
}

static int dial_server(struct worker *w, struct conn *c, const struct request *r, const struct mpgate_addr *client,
		       bool mptcp)
{
	const struct mpgate_addr *dst = &c->request.tuple.daddr;
	int fd = tcp_socket(addr_is_v4(dst) ? AF_INET : AF_INET6, mptcp), ret;

	if (fd < 0)
		return fd;
	leg_dialed(&c->local, fd, mptcp);
	if (c->request.dscp)
		tcp_set_dscp(fd, dst, c->request.dscp);
	ret = source_bind(w, c, r, client);
	if (!ret)
		ret = (int)tcp_dial(fd, dst, c->request.tuple.dport, false, NULL, 0);
	if (!ret)
		conn_mapping(w, c, false);
	if (!ret)
		ret = leg_watch(w, c, &c->local);
	return ret;
}

/* An authorized Connect. data: what follows the message. */
static void hub_connect(struct worker *w, struct conn *c, struct request *r, const struct mpgate_addr *client,
			const uint8_t *data, size_t len)
{
	const struct convert_msg *m = &r->msg;
	uint8_t bad[256] = { 0 }, retry = RETRY_SECONDS;
	size_t bad_count;
	bool mptcp;
	int ret = offer_check(w, m, &mptcp, bad, &bad_count);

	if (ret) {
		hub_fail(w, c, ret == -EINVAL ? CONVERT_E_MALFORMED : CONVERT_E_TCP_OPTION, bad,
			 ret == -EINVAL ? 1 : bad_count);
		return;
	}
	if (!access_destination(w, r)) {
		hub_refuse(w, c, r, CONVERT_REFUSED_DESTINATION, "destination not allowed");
		return;
	}
	if (access_preserves(w, r) && !access_preserved(w, r)) {
		hub_refuse(w, c, r, CONVERT_REFUSED_SOURCE, "source not in the peer's allow-source");
		return;
	}
	if (worker_load(w) > w->snap->connections || conn_count(w, c, client) < 0) {
		w->stats->resource++;
		hub_fail(w, c, CONVERT_E_RESOURCE, &retry, 1);
		return;
	}
	if (!source_has_room(w, c, r, client)) {
		w->stats->subscriber_limit++;
		report_note(w, c, "its subscriber has as many connections as it may (connections-per-subscriber)");
		hub_fail(w, c, CONVERT_E_RESOURCE, &retry, 1);
		return;
	}
	c->request.answer = (uint8_t)((m->tcp_options.len ? ANSWER_OPTIONS : 0) |
				      (m->has & CONVERT_HAS_INFO ? ANSWER_EXTENSIONS : 0));
	c->request.dscp = m->has & CONVERT_HAS_FLOW_ATTRS ? m->dscp & 63 : 0;
	c->state = HUB_DIAL;
	copy_expect(w, c, r);
	conn_timer(w, c, TIMER_CONNECT);
	ret = dial_server(w, c, r, client, mptcp);
	if (!ret && len)
		ret = park(w, &c->local.parked, data, len);
	w->stats->bytes_up += len;
	if (ret)
		server_failed(w, c, -ret);
}

/* joins: the client is told where further subflows belong. */
static void hub_info(struct worker *w, struct conn *c, bool joins)
{
	uint8_t msg[CONVERT_HEADER_LEN + 12];
	struct convert_writer wr;
	int n;

	w->stats->info++;
	convert_begin(&wr, msg, sizeof(msg));
	offer_put(w, &wr);
	if (joins)
		convert_put_joins(&wr);
	n = convert_end(&wr);
	if (n < 0 || tcp_send(c->peer.fd, msg, (size_t)n) != n) {
		conn_close(w, c, true);
		return;
	}
	c->state = HUB_LINGER;
	leg_settle(&c->peer);
	hub_event(w, c);
}

/* The peer keeps this connection open for requests of ours. It says nothing more before it is asked. */
static void hub_park(struct worker *w, struct conn *c, bool more)
{
	uint8_t msg[CONVERT_HEADER_LEN], retry = RETRY_SECONDS;
	struct convert_writer wr;
	int n;

	if (more) {
		w->stats->malformed++;
		hub_fail(w, c, CONVERT_E_MALFORMED, "", 1);
		return;
	}
	leg_settle(&c->peer);
	if (ready_park(w, c) < 0) {
		w->stats->resource++;
		hub_fail(w, c, CONVERT_E_RESOURCE, &retry, 1);
		return;
	}
	convert_begin(&wr, msg, sizeof(msg));
	n = convert_end(&wr);
	/* Where there is more to be read, it is the end. */
	if (n < 0 || tcp_send(c->peer.fd, msg, (size_t)n) != n || c->peer.in)
		conn_close(w, c, true);
	else
		dial_waiting(w, c->request.slot);
}

/* `mpgatectl drain start`: who asks goes elsewhere. What is parked here serves sessions that we begin. */
static bool hub_drains(struct worker *w, struct conn *c, const struct convert_msg *m)
{
	uint8_t retry = RETRY_SECONDS;

	if (!w->shm->draining || m->has & CONVERT_HAS_PARK || c->request.back)
		return false;
	w->stats->drained++;
	hub_fail(w, c, CONVERT_E_RESOURCE, &retry, 1);
	return true;
}

/* A whole message stands at buf, with have bytes in all. */
static void hub_request(struct worker *w, struct conn *c, struct request *r, const uint8_t *buf, size_t have)
{
	struct convert_fault fault;
	/* Original Source may take its place in the tuple. */
	const struct mpgate_addr client = c->request.tuple.saddr;

	c->request.tuple.daddr = r->msg.dst;
	c->request.tuple.dport = r->msg.dst_port;
	c->bytes_up = have - r->msg.len;
	if (!authorize(w, c, r, &client))
		return;
	/* What we opened is for who has our peer's key, whatever else is accepted at our own port. */
	if (c->request.back && !(r->keyed && r->key->slot == c->request.slot)) {
		hub_refuse(w, c, r, CONVERT_REFUSED, "not the key of the peer that this connection was opened for");
		return;
	}
	c->request.granted = true;
	if (r->keyed) {
		seen_peer(w, r->key, &client);
		stranger_proves(w, c, &client);
	} else {
		conn_known(c);
	}
	/* The private TLVs are for peers of our own dialect only; to others they are unknown (6.2.8, Error 2). */
	if (!(r->keyed && r->key->private_tlvs) &&
	    convert_parse(CONVERT_CONVERTER, false, buf, have, &r->msg, &fault) == CONVERT_FAULT) {
		w->stats->malformed++;
		hub_fail(w, c, fault.code, fault.value, fault.value_len);
		return;
	}
	c->request.slot = (uint16_t)(r->keyed ? r->key->slot : MPGATE_MAX_PEERS);
	if (r->msg.has & CONVERT_HAS_ORIG_SOURCE) {
		c->request.tuple.saddr = r->msg.src;
		c->request.tuple.sport = r->msg.src_port;
	}
	if (hub_drains(w, c, &r->msg))
		return;
	if (r->msg.has & CONVERT_HAS_CONNECT)
		hub_connect(w, c, r, &client, buf + r->msg.len, have - r->msg.len);
	else if (r->msg.has & CONVERT_HAS_PARK)
		hub_park(w, c, have > r->msg.len);
	else
		hub_info(w, c,
			 r->keyed && r->key->private_tlvs &&
				 offer_joins(w, c->peer.fd)); /* the parser refuses a request with none of these */
}

static void hub_header(struct worker *w, struct conn *c)
{
	struct convert_fault fault;
	struct request r = { 0 };
	uint8_t *buf = w->buf + RELAY_HEADROOM;
	size_t have = c->request.first.len;
	/* What else there is stays in the kernel until the server has answered. */
	size_t want = CONVERT_MAX_LEN + FIRST_BYTES - have;
	ssize_t n = tcp_recv(c->peer.fd, buf + have, want);

	if (n == -EAGAIN)
		return;
	if (n <= 0) {
		if (have)
			w->stats->client_gone++;
		else
			w->stats->no_message++;
		conn_close(w, c, n < 0);
		return;
	}
	if ((size_t)n < want && leg_is_dry(&c->peer))
		c->peer.in = false;
	if (have)
		memcpy(buf, c->request.first.data, have);
	switch (convert_parse(CONVERT_CONVERTER, w->snap->keys.count > 0, buf, have + (size_t)n, &r.msg, &fault)) {
	case CONVERT_OK:
		hub_request(w, c, &r, buf, have + (size_t)n);
		return;
	case CONVERT_MORE:
		if (park(w, &c->request.first, buf + have, (size_t)n) < 0) {
			w->stats->resource++;
			conn_close(w, c, true);
		} else if (c->peer.in) {
			conn_again(w, c); /* the end, or a mark, is all that this read met */
		}
		return;
	case CONVERT_FAULT:
		w->stats->malformed++;
		hub_fail(w, c, fault.code, fault.value, fault.value_len);
		return;
	default:
		w->stats->malformed++;
		conn_close(w, c, true);
	}
}

void hub_accept(struct worker *w, struct listener *l)
{
	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		struct mpgate_tuple tuple;
		int fd = accept_next(w, l->fd, &tuple);
		struct conn *c;

		if (fd == -EAGAIN)
			return;
		if (fd < 0)
			continue;
		w->stats->convert++;
		if (!access_source(w, &tuple.saddr)) {
			w->stats->not_authorized++;
			tcp_reset(fd, true);
			continue;
		}
		c = accept_conn(w, fd, &tuple, HUB_HEADER, LEG_PEER);
		if (!c)
			continue;
		/* Without data in its SYN a connection is accepted behind its handshake. One that is reset had none. */
		c->peer.young = !tcp_is_up(fd);
		conn_timer(w, c, TIMER_HEADER);
		if (leg_watch(w, c, &c->peer) < 0)
			conn_close(w, c, true);
		else
			hub_header(w, c);
		if (c->state != CLOSED && !c->request.granted)
			stranger_add(w, c);
	}
}

/* The server has accepted: a header alone says so, with its SYN+ACK's options if the client asked for any (4.1). */
static void hub_connected(struct worker *w, struct conn *c)
{
	uint8_t msg[CONVERT_HEADER_LEN + 64];
	struct mpgate_tuple tuple = { .daddr = c->request.tuple.daddr, .dport = c->request.tuple.dport };
	struct mpgate_synack options = { 0 };
	struct convert_writer wr;
	int n;

	convert_begin(&wr, msg, sizeof(msg));
	if (c->request.answer & ANSWER_EXTENSIONS)
		offer_put(w, &wr);
	if (c->request.answer & ANSWER_OPTIONS) {
		if (tcp_local(c->local.fd, &tuple.saddr, &tuple.sport) == 0)
			io_take(w->synack_fd, &tuple, &options);
		convert_put_ext_tcp_header(&wr, options.options, options.len);
	}
	n = convert_end(&wr);
	leg_settle(&c->peer);
	if (n < 0 || leg_write(w, c, &c->peer, msg, (size_t)n) < 0) {
		conn_close(w, c, true);
		return;
	}
	relay_start(w, c);
}

void hub_event(struct worker *w, struct conn *c)
{
	int err;

	switch (c->state) {
	case HUB_HEADER:
		hub_header(w, c);
		return;
	case HUB_LINGER:
		hub_linger(w, c);
		return;
	default:
		break;
	}
	copy_settle(w, c);
	if (c->peer.hangup && tcp_error(c->peer.fd)) {
		w->stats->client_gone++;
		conn_close(w, c, true);
	} else if (c->request.open) {
		if (c->local.out) /* what is said now would wait in a handshake, while another may be over */
			conn_uncount(w, c);
	} else if (c->local.hangup && (err = tcp_error(c->local.fd)) && !leg_was_reset(&c->local, err)) {
		server_failed(w, c, err);
	} else if (c->local.out || c->local.broken) {
		hub_connected(w, c);
	}
}

void hub_timeout(struct worker *w, struct conn *c)
{
	if (c->state == HUB_DIAL && !c->request.open) {
		server_failed(w, c, ETIMEDOUT);
		return;
	}
	if (c->state == HUB_HEADER)
		w->stats->header_timeout++;
	if (c->state == HUB_DIAL && c->peer.fd < 0)
		w->stats->client_gone++;
	conn_close(w, c, true);
}
