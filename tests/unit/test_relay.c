// SPDX-License-Identifier: GPL-2.0-or-later
/* The relay: bytes both ways in order, ends of all kinds, readers that stand still, timers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>

#include "cunit.h"
#include "world.h"

#define MUCH (3U << 20) /* bytes: more than a connection moves in a turn, and than it parks */

static struct worker *w;
static struct sock *opener, *target;
static struct conn *conn;
static uint8_t pattern[MUCH];

/* A connection in the relay, of one end or the other: the opener's leg is a client's, or a peer's. */
static void relay(bool hub)
{
	uint8_t message[CONVERT_MAX_LEN];

	w = world_start();
	if (hub) {
		size_t n = world_request(message, sizeof(message), "10.0.0.5", "198.51.100.7", false);

		opener = world_caller("192.0.2.77", false, message, n);
	} else {
		opener = world_client("10.0.0.5", "198.51.100.7", 0, 1, "x");
	}
	world_settle();
	target = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(target);
	conn = list_entry(w->timers[hub ? TIMER_CONNECT : TIMER_PEER].next, struct conn, timer);
	sock_connected(target);
	world_settle();
	if (!hub)
		sock_answer(target, -1);
	world_settle();
	CU_ASSERT_EQUAL_FATAL(conn->state, RELAY);
	opener->out_len = target->out_len = 0;
}

static void relay_new(bool hub)
{
	world_new();
	relay(hub);
}

static void check_bytes(const struct sock *s, size_t len)
{
	CU_ASSERT_EQUAL_FATAL(s->out_len, len);
	CU_ASSERT_EQUAL(memcmp(s->out, pattern, len), 0);
}

/* Each test, for each end and each direction. */
static bool hub, down;
static struct sock *from, *to;

static void each(void (*test)(void))
{
	for (unsigned i = 0; i < 4; i++) {
		hub = i & 1;
		down = i & 2;
		test();
	}
}

static void start(void)
{
	relay_new(hub);
	from = down ? target : opener;
	to = down ? opener : target;
}

static void both_ended(void)
{
	CU_ASSERT_EQUAL(from->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(to->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(w->stats->closed, 1);
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_TRUE(world_end());
}

static void much(void)
{
	start();
	sock_say(from, pattern, MUCH);
	world_settle();
	check_bytes(to, MUCH);
	sock_say(to, pattern, 1000);
	sock_fin(from);
	sock_fin(to);
	world_settle();
	check_bytes(from, 1000);
	CU_ASSERT_EQUAL(down ? w->stats->bytes_down : w->stats->bytes_up, MUCH + (down || hub ? 0 : 1));
	both_ended();
}

static void test_much(void)
{
	each(much);
}

/* Takes a little at a time, and nothing in between. */
static void slow(void)
{
	static const size_t steps[] = { 1, 7, 4096, RELAY_BUF - 1, RELAY_BUF, RELAY_BUF + 1, 1, MUCH };
	size_t sum = 0;

	start();
	sock_take(to, 0);
	sock_say(from, pattern, MUCH);
	sock_fin(from);
	world_settle();
	CU_ASSERT_EQUAL(w->parked_bytes, STILL_AHEAD);
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		sock_take(to, steps[i]);
		world_settle();
		sum += steps[i];
		if (sum > MUCH)
			sum = MUCH;
		check_bytes(to, sum);
		CU_ASSERT_TRUE(w->parked_bytes <= RELAY_BUF);
	}
	CU_ASSERT_EQUAL(w->parked_bytes, 0);
	CU_ASSERT_TRUE(to->shut);
	sock_fin(to);
	world_settle();
	both_ended();
}

static void test_slow_reader(void)
{
	each(slow);
}

/* Where parked bytes have used up their half, one that is read goes on, and one that is not holds next to nothing. */
static void no_room(void)
{
	start();
	w->parked_bytes += w->snap->buffer_bytes;
	sock_say(from, pattern, MUCH);
	world_settle();
	check_bytes(to, MUCH);
	sock_take(to, 10);
	sock_say(from, pattern, MUCH);
	world_settle();
	CU_ASSERT_EQUAL(w->parked_bytes - w->snap->buffer_bytes, RELAY_LITTLE - 10);
	sock_take(to, SIZE_MAX);
	world_settle();
	CU_ASSERT_EQUAL(to->out_len, 2 * MUCH);
	CU_ASSERT_EQUAL(memcmp(to->out + MUCH, pattern, MUCH), 0);
	w->parked_bytes -= w->snap->buffer_bytes;
	CU_ASSERT_EQUAL(w->parked_bytes, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_no_room(void)
{
	each(no_room);
}

/* One that always has bytes does not hold up another. */
static void test_turns(void)
{
	struct sock *other;

	relay_new(false);
	other = world_client("10.0.0.6", "198.51.100.7", -1, 0, NULL);
	world_settle();
	sock_connected(world_dialed(1));
	world_settle();
	sock_say(opener, pattern, MUCH);
	sock_say(other, pattern, 5);
	CU_ASSERT_TRUE(loop_turn(w));
	CU_ASSERT_TRUE(target->out_len < MUCH);
	check_bytes(world_dialed(1), 5);
	world_settle();
	check_bytes(target, MUCH);
	CU_ASSERT_TRUE(world_end());
}

/* The mark of urgent data ends a read: what is behind it is not forgotten. */
static void urgent(void)
{
	start();
	from->mark = 1000 + from->in_len;
	sock_say(from, pattern, 5000);
	world_settle();
	check_bytes(to, 5000);
	from->mark = 0;
	sock_fin(from);
	sock_fin(to);
	world_settle();
	both_ended();
}

static void test_urgent(void)
{
	each(urgent);
}

/* --- ends */
static void half(void)
{
	start();
	sock_fin(from);
	world_settle();
	CU_ASSERT_TRUE(to->shut);
	CU_ASSERT_FALSE(from->shut);
	/* The other direction goes on, also past the time for half-closed ones as long as there are bytes. */
	for (unsigned i = 0; i < 5; i++) {
		world_pass(w->snap->half_closed_s * 900ULL);
		sock_say(to, pattern + from->out_len, 100);
		world_settle();
	}
	check_bytes(from, 500);
	world_pass(w->snap->half_closed_s * 1000ULL);
	world_pass(w->snap->half_closed_s * 1000ULL);
	CU_ASSERT_EQUAL(w->stats->idle, 1);
	CU_ASSERT_EQUAL(from->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(to->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

static void test_half_closed(void)
{
	each(half);
}

/* Half-closed, and the other side reads slowly: that is no idle connection before it is one by its own time. */
static void half_slow(void)
{
	start();
	to->unacked = true;
	sock_say(from, pattern, 1000);
	sock_fin(from);
	world_settle();
	for (unsigned i = 0; i < 10; i++)
		world_pass(w->snap->half_closed_s * 1000ULL);
	CU_ASSERT_EQUAL(to->end, OPEN);
	for (unsigned i = 0; i < w->snap->idle_s / w->snap->half_closed_s; i++)
		world_pass(w->snap->half_closed_s * 1000ULL);
	CU_ASSERT_EQUAL(to->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

static void test_half_closed_slow(void)
{
	each(half_slow);
}

/* Linux loses what an MPTCP socket has not sent when that falls back behind its end. */
static void unsent(void)
{
	start();
	to->unsent = to->unacked = true;
	sock_say(from, pattern, 1000);
	sock_fin(from);
	world_settle();
	check_bytes(to, 1000);
	CU_ASSERT_EQUAL(to->shut, !to->mptcp);
	world_pass(w->snap->half_closed_s * 2000ULL);
	CU_ASSERT_EQUAL(to->end, OPEN);
	CU_ASSERT_EQUAL(to->shut, !to->mptcp);
	sock_acks(to);
	world_settle();
	CU_ASSERT_TRUE(to->shut);
	sock_fin(to);
	world_settle();
	both_ended();
}

/* All is sent soon, and the kernel does not tell: that is seen soon as well, however young the connection is. */
static void unsent_silent(void)
{
	start();
	to->unsent = true;
	sock_say(from, pattern, 1000);
	sock_fin(from);
	world_settle();
	CU_ASSERT_EQUAL(to->shut, !to->mptcp);
	CU_ASSERT_EQUAL(to->ahead, to->mptcp ? 1 : 0);
	world_pass(40);
	CU_ASSERT_EQUAL(to->shut, !to->mptcp);
	to->unsent = false;
	world_pass(20);
	CU_ASSERT_TRUE(to->shut);
	/* It is probed like any other. */
	CU_ASSERT_EQUAL(to->mptcp && to->dialed ? to->keepalive : w->snap->keepalive_s, w->snap->keepalive_s);
	sock_fin(to);
	world_settle();
	both_ended();
}

/* It falls back meanwhile, and nothing tells of that. */
static void unsent_fallback(void)
{
	start();
	to->unsent = true;
	sock_fin(from);
	world_settle();
	to->is_mptcp = false;
	world_pass(2000);
	CU_ASSERT_TRUE(to->shut);
	sock_fin(to);
	world_settle();
	both_ended();
}

/* Not for ever: then it is an idle connection. */
static void unsent_still(void)
{
	start();
	to->unsent = to->unacked = true;
	sock_fin(from);
	world_settle();
	for (unsigned i = 0; i < w->snap->idle_s + w->snap->half_closed_s; i++)
		world_pass(1000);
	CU_ASSERT_EQUAL(to->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

/* Both have ended. */
static void unsent_ended(void)
{
	start();
	to->unsent = to->unacked = true;
	sock_fin(to);
	sock_fin(from);
	world_settle();
	world_pass(2000);
	sock_acks(to);
	world_settle();
	world_pass(2000);
	both_ended();
}

static void test_unsent(void)
{
	each(unsent);
	each(unsent_silent);
	each(unsent_fallback);
	each(unsent_still);
	each(unsent_ended);
}

static void idle(void)
{
	start();
	world_pass(w->snap->idle_s * 1000ULL - 1000);
	sock_say(from, pattern, 1);
	world_settle();
	world_pass(w->snap->idle_s * 1000ULL - 1000);
	CU_ASSERT_EQUAL(from->end, OPEN);
	/* It ends after one to two times that without a byte. */
	world_pass(w->snap->idle_s * 1000ULL + 1000);
	CU_ASSERT_EQUAL(from->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(to->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->idle, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_idle(void)
{
	each(idle);
}

/* One side is reset: the other gets what that one sent before, and is reset when it has all of it. */
static void reset(void)
{
	start();
	to->unacked = true;
	sock_say(from, pattern, MUCH);
	sock_refuse(from, ECONNRESET);
	world_settle();
	check_bytes(to, MUCH);
	CU_ASSERT_EQUAL(to->end, OPEN);
	world_pass(20);
	CU_ASSERT_EQUAL(to->end, OPEN);
	to->unacked = false;
	world_pass(20);
	CU_ASSERT_EQUAL(to->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(from->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->reset, 1);
	CU_ASSERT_TRUE(world_end());
}

static void reset_unread(void)
{
	start();
	sock_take(to, 10);
	sock_say(from, pattern, 1000);
	sock_refuse(from, ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(to->end, OPEN);
	world_pass(2000);
	CU_ASSERT_EQUAL(to->end, OPEN);
	sock_take(to, SIZE_MAX);
	world_settle();
	check_bytes(to, 1000);
	CU_ASSERT_EQUAL(to->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());

	/* Nobody reads: the time of an idle connection is what it has. */
	start();
	sock_take(to, 10);
	sock_say(from, pattern, 1000);
	sock_refuse(from, ECONNRESET);
	world_settle();
	world_pass(1000);
	world_pass(w->snap->idle_s * 1000ULL);
	CU_ASSERT_EQUAL(to->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

static void test_reset(void)
{
	each(reset);
	each(reset_unread);
}

/* Writing breaks: what is left to read goes nowhere. */
static void broken(void)
{
	start();
	world.fail.send = EPIPE;
	sock_say(from, pattern, 1000);
	world_settle();
	world_pass(20);
	CU_ASSERT_EQUAL(from->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(to->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->reset, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_broken(void)
{
	each(broken);
}

/* Linux gives a closed MPTCP socket a minute: one with bytes that are not acknowledged stays open until they are. */
static void mptcp_end(void)
{
	struct sock *peer;

	start();
	peer = hub ? opener : target;
	peer->unacked = true;
	sock_fin(from);
	sock_fin(to);
	world_settle();
	CU_ASSERT_EQUAL(peer->end, OPEN);
	CU_ASSERT_EQUAL((hub ? target : opener)->end, CLOSED_IN_ORDER);
	CU_ASSERT_TRUE(peer->shut);
	CU_ASSERT_EQUAL(w->connections, 1);
	sock_acks(peer);
	world_settle();
	both_ended();
}

static void test_mptcp_end(void)
{
	each(mptcp_end);
}

/* --- every cut of a short life */
static void script(void)
{
	start();
	sock_say(from, pattern, 300);
	sock_fin(from);
	world_settle();
	sock_say(to, pattern, 200);
	sock_fin(to);
	world_settle();
	both_ended();
}

static void cuts(void)
{
	world_cuts(script, 500);
}

static void test_cuts(void)
{
	each(cuts);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "many bytes", test_much },
		{ "a reader that takes a little at a time", test_slow_reader },
		{ "no room for what is not taken", test_no_room },
		{ "turns", test_turns },
		{ "urgent data", test_urgent },
		{ "half closed", test_half_closed },
		{ "half closed with a slow reader", test_half_closed_slow },
		{ "an end behind what is not sent yet", test_unsent },
		{ "idle", test_idle },
		{ "one side is reset", test_reset },
		{ "one side cannot be written to", test_broken },
		{ "an MPTCP leg stays until all is acknowledged", test_mptcp_end },
		{ "every short read and write", test_cuts },
		CU_TEST_INFO_NULL,
	};

	log_setup("test", LOG_LEVEL_ERROR);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i * 2654435761U >> 13);
	return cunit_run("relay", tests, NULL, NULL) ? 0 : 1;
}
