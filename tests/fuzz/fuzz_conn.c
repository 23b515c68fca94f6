// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A worker's connections in a world without a kernel (tests/unit/world.h), driven by the input: who connects, says,
 * reads, ends and fails, and when. Whatever that is: bytes cross in order and once, what is closed is closed, and when
 * all has had its time nothing is left.
 */
#include <errno.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/worker/request.h>

#include "../unit/world.h"
#include "check.h"

#define STEPS 200 /* of one input */
#define SAY_MAX 6000 /* bytes at a time */
#define LAST_ROUNDS 20 /* of an idle connection's time, until the last is gone */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Who was connected with whom, by socket, as seen between turns; which of the two leads to a peer, and whether it was
 * parked before, so that whoever accepted it has asked in the end.
 */
static struct {
	const struct sock *other;
	bool peer, parked;
} seen[WORLD_SOCKETS];

static size_t said[WORLD_SOCKETS]; /* bytes of a socket's own stream so far */
static unsigned answered[WORLD_SOCKETS]; /* second messages of sockets that were parked */

static const uint8_t *input, *input_end;

static unsigned next(void)
{
	return input < input_end ? *input++ : 0;
}

static size_t number(const struct sock *s)
{
	return (size_t)(s - world.socks);
}

/* Each socket's other side says bytes that are its own, by their place. */
static uint8_t pattern(size_t sock, size_t at)
{
	return (uint8_t)(sock * 31 + at * 7 + (at >> 8) * 13);
}

static void say(struct sock *s, size_t len)
{
	uint8_t buf[SAY_MAX];
	size_t n = number(s);

	for (size_t i = 0; i < len; i++)
		buf[i] = pattern(n, said[n] + i);
	said[n] += len;
	sock_say(s, buf, len);
}

static void see(struct conn *c)
{
	const struct sock *local, *peer;

	if (c->local.fd < WORLD_FIRST_FD || c->peer.fd < WORLD_FIRST_FD)
		return;
	local = &world.socks[c->local.fd - WORLD_FIRST_FD];
	peer = &world.socks[c->peer.fd - WORLD_FIRST_FD];
	seen[number(local)].other = peer;
	seen[number(local)].peer = false;
	seen[number(peer)].other = local;
	seen[number(peer)].peer = c->state != GW_DIRECT && (c->opener == LEG_PEER || peer->mptcp);
	seen[number(peer)].parked = (c->opener == LEG_PEER) == peer->dialed;
}

static void see_all(struct worker *w)
{
	for (unsigned class = 0; class < TIMER_CLASSES; class ++)
		for (struct list *l = w->timers[class].next; l != &w->timers[class]; l = l->next)
			see(list_entry(l, struct conn, timer));
}

/* Goes behind a message, of the one that asks or of the other. False: there is none that lets the stream begin. */
static bool skip_message(bool asks, const uint8_t **data, size_t *len)
{
	struct convert_fault fault;
	struct convert_msg m;

	if (convert_parse(asks ? CONVERT_CONVERTER : CONVERT_CLIENT, true, *data, *len, &m, &fault) != CONVERT_OK ||
	    m.has & CONVERT_HAS_ERROR)
		return false;
	*data += m.len;
	*len -= m.len;
	return true;
}

/*
 * An endpoint's stream, as it came from or went to a socket: behind the messages there, if it leads to a peer. False:
 * there is none.
 */
static bool stream(const struct sock *s, bool sent, const uint8_t **data, size_t *len)
{
	bool asks = s->dialed == sent;

	*data = sent ? s->out : s->in;
	*len = sent ? s->out_len : s->in_len;
	if (!seen[number(s)].peer)
		return true;
	if (!skip_message(asks, data, len))
		return false;
	return !seen[number(s)].parked || skip_message(!asks, data, len);
}

/* What `to` was sent is what `from` said, from its begin; all of it when both came to an end in order. */
static void check_stream(const struct sock *from, const struct sock *to)
{
	const uint8_t *in, *out;
	size_t in_len, out_len;

	if (!stream(to, true, &out, &out_len) || !out_len)
		return;
	CHECK(stream(from, false, &in, &in_len));
	CHECK(out_len <= in_len);
	CHECK(!memcmp(in, out, out_len));
	if (from->end == CLOSED_IN_ORDER && to->end == CLOSED_IN_ORDER && from->fin && to->fin && from->shut &&
	    to->shut)
		CHECK(out_len == in_len);
}

/* --- steps */
static void client(void)
{
	unsigned how = next();
	struct sock *s = world_client(how & 1 ? "10.0.0.5" : "2001:db8::5", how & 1 ? "198.51.100.7" : "2001:db8:2::7",
				      how & 2 ? -1 : !!(how & 4), how & 8 ? 2 : 1, NULL);

	s->tuple.sport = htons((uint16_t)number(s));
	if (how & 16)
		say(s, next());
}

/* As a peer without an address sends it. */
static size_t park_message(uint8_t buf[CONVERT_MAX_LEN])
{
	struct conn c = { 0 };
	int n = request_park(world.worker, &c, &world.config.peers[0], buf, CONVERT_MAX_LEN);

	CHECK(n > 0);
	return (size_t)n;
}

static void caller(void)
{
	unsigned how = next();
	uint8_t buf[CONVERT_MAX_LEN];
	size_t len = world_request(buf, sizeof(buf), "10.0.0.5", how & 1 ? "198.51.100.7" : "2001:db8:2::7", true);
	struct sock *s;

	if (how & 64)
		len = park_message(buf);
	if (how & 2)
		len = next() % (len + 1);
	if (how & 4)
		buf[next() % 64] ^= (uint8_t)(1U << next() % 8);
	s = world_caller(how & 8 ? "192.0.2.77" : "2001:db8::77", how & 16, buf, len);
	if (how & 32)
		say(s, next());
}

/* A SYN that steer holds; and the client of one that was approved. */
static void held(void)
{
	unsigned how = next();

	if (world.syn_count < WORLD_SYNS)
		world_syn(how & 1 ? "10.0.0.5" : "2001:db8::5", how & 1 ? "198.51.100.7" : "2001:db8:2::7", !!(how & 2),
			  how & 4 ? 2 : 1);
}

static void approved(void)
{
	const struct syn *syn = &world.syns[next() % WORLD_SYNS];
	unsigned how = next();
	struct sock *s;

	if (!syn->entry || syn->flow.state != MPGATE_FLOW_APPROVED)
		return;
	s = world_accepted(syn);
	if (how & 1)
		say(s, how);
}

static void fault(void)
{
	static const int errors[] = { EMFILE, ENOBUFS, ECONNRESET, EPIPE, ENETUNREACH, EADDRNOTAVAIL, EACCES };
	int *const what[] = { &world.fail.socket, &world.fail.dial,  &world.fail.bind, &world.fail.watch,
			      &world.fail.accept, &world.fail.local, &world.fail.send };

	*what[next() % 7] = errors[next() % 7];
}

static void reload(void)
{
	unsigned what = next();

	world.config.head.preserve ^= what & 1;
	world.config.head.buffer_bytes = what & 2 ? 5000 : 16U << 20;
	world.config.peers[0].flags ^= what & 4 ? SNAPSHOT_PEER_KEYED | SNAPSHOT_PEER_PRIVATE : 0;
	world.config.peers[1].ready = what & 8 ? 2 : 0;
	world.config.head.first_bytes_ms = what & 16 ? 0 : 20;
	world.config.peers[1].park = what & 32 ? 2 : 0;
	world_reload();
}

/*
 * The other side's next message, if it is its turn and it has said nothing else: an answer, or on a connection that is
 * parked with it, and that it has answered for, a request.
 */
static void message(struct sock *s)
{
	uint8_t request[CONVERT_MAX_LEN];
	const uint8_t *data = s->out;
	size_t len = s->out_len, n;
	unsigned how = next();

	if (said[number(s)] || !s->mptcp || !s->connected)
		return;
	if (!s->dialed) {
		/* It has parked this one, was answered, and is asked. */
		if (skip_message(false, &data, &len) && len && !answered[number(s)]++)
			sock_answer(s, how % 3 ? -1 : (int)how);
	} else if (!s->arrived) {
		sock_answer(s, how % 3 ? -1 : (int)next());
	} else if (!answered[number(s)]++) {
		n = world_request(request, sizeof(request), "192.0.2.77", how & 1 ? "198.51.100.7" : "2001:db8:2::7",
				  how & 2);
		sock_say(s, request, how & 4 ? n : how % (n + 1));
	}
}

static void other_side(struct sock *s)
{
	static const int errors[] = { ECONNRESET, ECONNREFUSED, EHOSTUNREACH, ETIMEDOUT };
	bool ended = s->fin || s->late_fin || s->dead;

	switch (next() % 11) {
	case 0:
		if (s->dialed && !s->dead)
			sock_connected(s);
		break;
	case 1:
		sock_refuse(s, errors[next() % 4]);
		break;
	case 2:
		if (!ended && (s->connected || s->young))
			say(s, (next() << 8 | next()) % SAY_MAX);
		break;
	case 3:
		if (!ended && (s->connected || s->young))
			sock_fin(s);
		break;
	case 4:
		sock_take(s, next() % 4 ? next() * 16 : SIZE_MAX);
		break;
	case 5:
		if (!s->dead && (s->connected || s->young))
			sock_acks(s);
		break;
	case 6:
		s->unacked = true;
		s->unsent = next() & 1;
		break;
	case 7:
		sock_event(s);
		break;
	case 8:
		if (!ended)
			message(s);
		break;
	case 9:
		s->is_mptcp = false;
		break;
	default:
		s->mark = s->in_off + next();
	}
}

static void step(struct worker *w)
{
	struct sock *s;

	switch (next() % 11) {
	case 0:
		if (world.sock_count < WORLD_SOCKETS / 2)
			client();
		break;
	case 1:
		if (world.sock_count < WORLD_SOCKETS / 2)
			caller();
		break;
	case 2:
		fault();
		break;
	case 3:
		reload();
		break;
	case 4:
		world_pass(1ULL << next() % 23);
		break;
	case 5:
		world_settle();
		break;
	case 6:
		w->shm->peers[next() % WORLD_PEERS].syn_data = next() % 3;
		world.syn_room = next() * 8;
		break;
	case 7:
		held();
		break;
	case 8:
		if (world.sock_count < WORLD_SOCKETS / 2)
			approved();
		break;
	default:
		/* Mostly one of the latest. */
		s = &world.socks[world.sock_count - 1 -
				 next() % (next() % 2 ? world.sock_count : 4) % world.sock_count];
		if (!s->listener && s->queue < 0 && s->end == OPEN)
			other_side(s);
		CHECK(loop_turn(w));
	}
	see_all(w);
}

/* Clients are those of published services: of a peer without an address, and of one that has some. */
static void publish(void)
{
	world.config.peers[0].address_count = 0;
	world.rule_flags = MPGATE_RULE_PUBLISHED;
	for (unsigned i = 0; i < WORLD_PEERS; i++) {
		struct snapshot_rule *r = &world.config.rules[i];

		r->published = 1;
		r->target = world_addr(i ? "fd60:1::2" : "10.60.1.2");
		r->port = i ? 80 : 70;
		r->target_port = i ? 80 : 8070;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct worker *w;
	unsigned how;

	log_setup("fuzz", LOG_LEVEL_ERROR);
	memset(seen, 0, sizeof(seen));
	memset(said, 0, sizeof(said));
	memset(answered, 0, sizeof(answered));
	input = data;
	input_end = data + size;
	world_new();
	how = next();
	world.config.head.accept = how % 3;
	if (how / 3 % 4 == 1)
		publish();
	world.room = next() % 4 ? SIZE_MAX : 100;
	w = world_start();
	for (unsigned i = 0; i < STEPS && input < input_end; i++)
		step(w);
	/* Everything ends by itself, once none is to be kept open for a peer. */
	memset(&world.fail, 0, sizeof(world.fail));
	world.config.peers[1].park = 0;
	world_reload();
	world_settle();
	for (unsigned i = 0; i < LAST_ROUNDS && w->connections; i++)
		world_pass(w->snap->idle_s * 1000ULL);
	CHECK(!w->connections);
	for (unsigned i = 0; i < world.sock_count; i++)
		if (seen[i].other)
			check_stream(seen[i].other, &world.socks[i]);
	CHECK(world_end());
	return 0;
}
