// SPDX-License-Identifier: GPL-2.0-or-later
/* Readers that stand still: little is taken for those that show nothing, and what they hold is counted and bounded. */
#include <string.h>

#include <lib/log.h>

#include "cunit.h"
#include "world.h"

#define MUCH (3U << 20) /* bytes: more than a reader has to show */
#define MIB (1U << 20)
#define STILL_MS 6000 /* from then on one stands still, and was looked at */

static struct worker *w;
static uint8_t pattern[MUCH];

/* A connection in the relay whose bytes go from one end to the other. */
struct flow {
	struct conn *conn;
	struct sock *from, *to;
};

/* Of the gateway (hub: of the hub, for a client of its only peer with a key). down: towards who opened. */
static struct flow relay(const char *client, bool hub, bool down)
{
	const char *server = strchr(client, ':') ? "2001:db8:9::7" : "198.51.100.7";
	uint8_t message[CONVERT_MAX_LEN];
	unsigned n = world_dialed_count();
	struct sock *opener, *target;
	struct flow f;

	if (hub) {
		size_t len = world_request(message, sizeof(message), client, server, false);

		opener = world_caller("192.0.2.77", false, message, len);
	} else {
		opener = world_client(client, server, 0, 1, "x");
	}
	world_settle();
	target = world_dialed(n);
	CU_ASSERT_PTR_NOT_NULL_FATAL(target);
	f.conn = list_entry(w->timers[hub ? TIMER_CONNECT : TIMER_PEER].next, struct conn, timer);
	sock_connected(target);
	world_settle();
	if (!hub)
		sock_answer(target, -1);
	world_settle();
	CU_ASSERT_EQUAL_FATAL(f.conn->state, RELAY);
	f.from = down ? target : opener;
	f.to = down ? opener : target;
	return f;
}

/* Another one, which takes nothing and for which the kernel holds bytes. */
static struct flow still(const char *client, bool hub, bool down, uint32_t held)
{
	struct flow f = relay(client, hub, down);

	sock_take(f.to, 0);
	f.to->held = held;
	sock_say(f.from, pattern, STILL_AHEAD);
	world_settle();
	return f;
}

static struct leg *leg_of(const struct flow *f, bool down)
{
	return down ? conn_opener(f->conn) : conn_target(f->conn);
}

/* Each test, for each end and each direction, both families. */
static bool hub, down;
static const char *one, *other;

static void each(void (*test)(void))
{
	for (unsigned i = 0; i < 8; i++) {
		hub = i & 1;
		down = i & 2;
		one = i & 4 ? "2001:db8:5::1" : "10.0.0.5";
		other = i & 4 ? "2001:db8:6::1" : "10.0.0.6";
		world_new();
		world.config.head.kernel_bytes = 4 * MIB;
		w = world_start();
		test();
		CU_ASSERT_TRUE(world_end());
	}
}

/* What is taken ahead of a reader grows by what it has acknowledged, and has no bound once that is much. */
static void proves(void)
{
	struct flow f = relay(one, hub, down);
	struct leg *l = leg_of(&f, down);

	sock_say(f.from, pattern, STILL_FIRST - 1000);
	world_settle();
	CU_ASSERT_EQUAL(l->ahead, 0);
	CU_ASSERT_EQUAL(f.to->ahead, 0);
	/* The kernel has all that is sent from here on: nobody reads. */
	f.to->held = MUCH;
	sock_say(f.from, pattern, MUCH);
	world_settle();
	CU_ASSERT_EQUAL(l->ahead, STILL_AHEAD);
	CU_ASSERT_EQUAL(f.to->ahead, STILL_AHEAD);
	f.to->held = MUCH - MIB / 2;
	sock_say(f.from, pattern, 5 * STILL_AHEAD);
	world_settle();
	CU_ASSERT_EQUAL(l->ahead, RELAY_BUF / 4);
	CU_ASSERT_EQUAL(f.to->ahead, RELAY_BUF / 4);
	f.to->held = 0;
	for (unsigned i = 0; i < 2; i++) {
		sock_say(f.from, pattern, 1000);
		world_settle();
	}
	CU_ASSERT_EQUAL(l->ahead, RELAY_BUF);
	CU_ASSERT_EQUAL(f.to->ahead, 0);
}

static void test_proves(void)
{
	each(proves);
}

/* Where a packet takes seconds little is said at a time, until that turns out to be wrong. */
static void slow_link(void)
{
	struct flow f = relay(one, hub, down);
	struct leg *l = leg_of(&f, down);

	f.to->rtt_us = 2600000;
	world_pass(60000);
	sock_say(f.from, pattern, STILL_SLOW);
	world_settle();
	CU_ASSERT_EQUAL(l->ahead, 0);
	sock_say(f.from, pattern, STILL_SLOW + 1);
	world_settle();
	CU_ASSERT_EQUAL(l->ahead, l->mptcp ? STILL_SLOW : 0);
	CU_ASSERT_EQUAL(f.to->ahead, l->ahead);
	if (!l->mptcp)
		return;
	for (unsigned i = 0; i < 2; i++) {
		sock_say(f.from, pattern, STILL_FIRST);
		world_settle();
	}
	CU_ASSERT_EQUAL(l->ahead, STILL_SLOW);
	/* It is not any more. */
	f.to->rtt_us = 20000;
	sock_say(f.from, pattern, STILL_SLOW);
	world_settle();
	CU_ASSERT_EQUAL(l->ahead, 2 * STILL_SLOW);
	f.to->rtt_us = 2600000;
	/* More than 16 KiB a second since it was opened. */
	sock_say(f.from, pattern, 2 * MIB);
	world_settle();
	CU_ASSERT_TRUE(l->ahead > STILL_AHEAD);
}

static void test_slow_link(void)
{
	each(slow_link);
}

/* Counted after a while, with all that is held on both sides; not any more once it is taken. */
static void counted(void)
{
	struct flow f = still(one, hub, down, MIB);

	sock_say(f.from, pattern, MIB);
	world_pass(STILL_MS - 2000);
	CU_ASSERT_EQUAL(w->still_bytes, 0);
	world_pass(2000);
	CU_ASSERT_EQUAL(w->still_bytes, 2 * MIB + STILL_AHEAD);
	sock_say(f.from, pattern, MIB);
	world_pass(STILL_MS);
	CU_ASSERT_EQUAL(w->still_bytes, 3 * MIB + STILL_AHEAD);
	sock_take(f.to, 1000);
	world_settle();
	CU_ASSERT_EQUAL(w->still_bytes, 3 * MIB + STILL_AHEAD);
	f.to->held = 0;
	sock_take(f.to, SIZE_MAX);
	world_settle();
	CU_ASSERT_EQUAL(w->still_bytes, 0);
	world_pass(STILL_MS);
	CU_ASSERT_EQUAL(w->still_bytes, 0);
	CU_ASSERT_EQUAL(w->stats->still, 0);
	CU_ASSERT_EQUAL(f.from->in_off, f.from->in_len);
}

static void test_counted(void)
{
	each(counted);
}

/* A reader that takes what is parked, and is full again at once, does not stand still. */
static void slow(void)
{
	struct flow f = still(one, hub, down, 16 * MIB);

	sock_say(f.from, pattern, MUCH);
	for (unsigned i = 0; i < 5; i++) {
		world_pass(STILL_MS - 2000);
		sock_take(f.to, STILL_AHEAD + 1000);
		world_settle();
		CU_ASSERT_TRUE(w->parked_bytes > 0);
	}
	CU_ASSERT_EQUAL(w->still_bytes, 0);
	CU_ASSERT_EQUAL(f.to->end, OPEN);
}

static void test_slow(void)
{
	each(slow);
}

/* Where parked bytes have used up their half, nothing is parked; and who is full is counted all the same. */
static void no_room(void)
{
	struct flow f = relay(one, hub, down);

	w->parked_bytes += w->snap->buffer_bytes;
	sock_take(f.to, 0);
	f.to->held = MIB;
	sock_say(f.from, pattern, MIB);
	world_settle();
	CU_ASSERT_EQUAL(w->parked_bytes, w->snap->buffer_bytes);
	world_pass(STILL_MS);
	CU_ASSERT_EQUAL(w->still_bytes, 2 * MIB);
	sock_take(f.to, SIZE_MAX);
	world_settle();
	CU_ASSERT_EQUAL(w->still_bytes, 0);
	w->parked_bytes -= w->snap->buffer_bytes;
}

static void test_no_room(void)
{
	each(no_room);
}

/* The client that holds most loses those that stand still longest, both ends of them, until the rest fits. */
static void bounded(void)
{
	struct flow f[4], quiet;

	quiet = relay(other, hub, down);
	f[0] = still(hub ? one : other, hub, down, MIB);
	for (unsigned i = 1; i < 4; i++) {
		world_pass(100);
		f[i] = still(one, hub, down, MIB);
	}
	world_pass(STILL_MS);
	CU_ASSERT_EQUAL(w->stats->still, 1);
	/* To a hub all clients of a gateway are one. */
	for (unsigned i = 0; i < 4; i++) {
		bool out = i == (hub ? 0 : 1);

		CU_ASSERT_EQUAL(f[i].from->end, out ? CLOSED_BY_RESET : OPEN);
		CU_ASSERT_EQUAL(f[i].to->end, out ? CLOSED_BY_RESET : OPEN);
	}
	CU_ASSERT_EQUAL(quiet.to->end, OPEN);
	CU_ASSERT_TRUE(w->still_bytes <= w->snap->kernel_bytes);
	world.config.head.kernel_bytes = 1;
	world_reload();
	world_pass(STILL_MS);
	CU_ASSERT_EQUAL(w->stats->still, 4);
	CU_ASSERT_EQUAL(w->still_bytes, 0);
	CU_ASSERT_EQUAL(quiet.to->end, OPEN);
}

static void test_bounded(void)
{
	each(bounded);
}

/* An IPv6 /64 is one client. */
static void test_one_net(void)
{
	struct flow a, b, c;

	world_new();
	world.config.head.kernel_bytes = 3 * MIB;
	w = world_start();
	a = still("2001:db8:6::1", false, true, MIB + MIB / 2);
	b = still("2001:db8:5::1", false, true, MIB);
	c = still("2001:db8:5::2", false, true, MIB);
	world_pass(STILL_MS);
	CU_ASSERT_EQUAL(a.to->end, OPEN);
	CU_ASSERT_EQUAL(b.to->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(c.to->end, OPEN);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "a reader shows that it reads", test_proves },   { "a slow link", test_slow_link },
		{ "who stands still is counted", test_counted },   { "who is slow is not", test_slow },
		{ "without room for parked bytes", test_no_room }, { "what they hold is bounded", test_bounded },
		{ "an IPv6 /64 is one client", test_one_net },	   CU_TEST_INFO_NULL,
	};

	log_setup("test", LOG_LEVEL_ERROR);
	return cunit_run("still", tests, NULL, NULL) ? 0 : 1;
}
