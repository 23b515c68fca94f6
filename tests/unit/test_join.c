// SPDX-License-Identifier: GPL-2.0-or-later
/* When a worker asks for further subflows of a connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cunit.h"
#include "gateway_script.h"
#include "world.h"

#define ENOUGH 20000U /* bytes */
#define LATE_MS 1000U

static struct sock *opener, *target;
static uint8_t bytes[2 * ENOUGH];

static unsigned asked(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < world.told_count && i < WORLD_MESSAGES; i++)
		n += world.told[i].type == MSG_JOIN;
	return n;
}

static void world_late(void)
{
	world_new();
	world.config.head.joins = 1;
	world.config.head.join_bytes = ENOUGH;
	world.config.head.join_ms = LATE_MS;
}

/* The relay of a connection by rule 1, of which the server has said nothing yet. */
static void relay(void)
{
	w = world_start();
	opener = open_client(0, 1, "x");
	target = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(target);
	sock_connected(target);
	world_settle();
	sock_answer(target, -1);
	world_settle();
}

static void start_late(void)
{
	world_late();
	relay();
	CU_ASSERT_EQUAL(asked(), 0);
}

static void start_answered(void)
{
	start_late();
	sock_say(target, "y", 1);
	world_settle();
}

static void end(void)
{
	CU_ASSERT_TRUE(world_end());
}

static void test_bytes(void)
{
	for (unsigned down = 0; down < 2; down++) {
		const struct message *m = &world.told[0];
		struct mpgate_addr local, remote;
		struct sock *from;

		start_late();
		from = down ? target : opener;
		sock_say(from, bytes, ENOUGH - 2);
		world_settle();
		CU_ASSERT_EQUAL(asked(), 0);
		sock_say(from, bytes, 2);
		world_settle();
		CU_ASSERT_EQUAL(asked(), 1);
		addr_parse("192.0.2.7", &local);
		addr_parse("192.0.2.8", &remote);
		while (m->type != MSG_JOIN)
			m++;
		CU_ASSERT(m->token >= WORLD_TOKEN && m->slot == 8803 && !m->more);
		CU_ASSERT(!memcmp(&m->source, &local, sizeof(local)) && !memcmp(&m->other, &remote, sizeof(remote)));
		sock_say(from, bytes, sizeof(bytes));
		world_settle();
		world_pass(2 * LATE_MS);
		CU_ASSERT_EQUAL(asked(), 1);
		end();
	}
}

/* What the supervisor's socket does not take is said again. */
static void test_not_told(void)
{
	start_late();
	world.fail.tell = EAGAIN;
	sock_say(opener, bytes, ENOUGH);
	world_settle();
	CU_ASSERT_EQUAL(asked(), 0);
	sock_say(opener, bytes, 1);
	world_settle();
	CU_ASSERT_EQUAL(asked(), 1);
	end();
}

static void test_time(void)
{
	/* It waits for an answer. */
	start_late();
	world_pass(LATE_MS - 1);
	CU_ASSERT_EQUAL(asked(), 0);
	world_pass(1);
	CU_ASSERT_EQUAL(asked(), 1);
	world_pass(10 * LATE_MS);
	CU_ASSERT_EQUAL(asked(), 1);
	end();
	/* It was answered, and rests. */
	start_answered();
	world_pass(2 * LATE_MS);
	CU_ASSERT_EQUAL(asked(), 0);
	end();
	/* It was answered, and is at work still. */
	start_answered();
	world_pass(LATE_MS - 100);
	sock_say(target, "y", 1);
	world_settle();
	world_pass(100);
	CU_ASSERT_EQUAL(asked(), 1);
	end();
	/* What it has sent does not arrive. */
	start_answered();
	target->unacked = 1;
	world_pass(LATE_MS);
	CU_ASSERT_EQUAL(asked(), 1);
	end();
}

static void test_rules(void)
{
	static const struct {
		enum cfg_join all, rule;
		unsigned at_start, late;
	} cases[] = { { CFG_JOIN_LATE, CFG_JOIN_DEFAULT, 0, 1 }, { CFG_JOIN_LATE, CFG_JOIN_NEVER, 0, 0 },
		      { CFG_JOIN_LATE, CFG_JOIN_AT_ONCE, 1, 1 }, { CFG_JOIN_NEVER, CFG_JOIN_DEFAULT, 0, 0 },
		      { CFG_JOIN_NEVER, CFG_JOIN_LATE, 0, 1 },	 { CFG_JOIN_AT_ONCE, CFG_JOIN_DEFAULT, 1, 1 },
		      { CFG_JOIN_AT_ONCE, CFG_JOIN_LATE, 0, 1 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_late();
		world.config.head.join = cases[i].all;
		world.config.rules[0].join = cases[i].rule;
		world.config.head.join_some_at_once =
			cases[i].all == CFG_JOIN_AT_ONCE || cases[i].rule == CFG_JOIN_AT_ONCE;
		relay();
		CU_ASSERT_EQUAL(asked(), cases[i].at_start);
		sock_say(opener, bytes, ENOUGH);
		world_settle();
		world_pass(LATE_MS);
		CU_ASSERT_EQUAL(asked(), cases[i].late);
		end();
	}
}

/* The kernel makes subflows itself; this is plain TCP; we did not open it. */
static void test_not_ours(void)
{
	uint8_t message[CONVERT_MAX_LEN];
	size_t n;

	for (unsigned i = 0; i < 2; i++) {
		world_late();
		world.config.head.joins = i;
		relay();
		target->is_mptcp = !i;
		sock_say(opener, bytes, ENOUGH);
		world_settle();
		world_pass(LATE_MS);
		CU_ASSERT_EQUAL(asked(), 0);
		end();
	}
	world_late();
	w = world_start();
	n = world_request(message, sizeof(message), "10.0.0.5", "198.51.100.7", false);
	opener = world_caller("192.0.2.77", false, message, n);
	world_settle();
	sock_connected(world_dialed(0));
	world_settle();
	sock_say(opener, bytes, ENOUGH);
	world_settle();
	world_pass(LATE_MS);
	CU_ASSERT_EQUAL(asked(), 0);
	end();
}

/* What fell back since is found out once, and takes no more of the room that others need. */
static void test_fallback(void)
{
	start_late();
	target->is_mptcp = false;
	for (unsigned i = 0; i < 3; i++) {
		sock_say(opener, bytes, ENOUGH);
		world_settle();
	}
	CU_ASSERT_EQUAL(asked(), 0);
	CU_ASSERT_EQUAL(w->stats->joins, 0);
	CU_ASSERT_EQUAL(w->join_count, 1);
	end();
}

/* The hub is on the way to the server: it says itself where it is joined. */
static void test_transparent(void)
{
	world_late();
	world.config.peers[0].flags |= SNAPSHOT_PEER_TRANSPARENT;
	w = world_start();
	opener = open_client(0, 1, "x");
	target = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(target);
	sock_connected(target);
	world_settle();
	sock_say(opener, bytes, ENOUGH);
	world_settle();
	CU_ASSERT_EQUAL(asked(), 1);
	CU_ASSERT_EQUAL(world.told[(world.told_count - 1) % WORLD_MESSAGES].more, 1);
	end();
}

int main(void)
{
	CU_TestInfo tests[] = { { "after so many bytes", test_bytes },
				{ "said again", test_not_told },
				{ "after so long", test_time },
				{ "by rule", test_rules },
				{ "connections that are not ours to join", test_not_ours },
				{ "a fallback", test_fallback },
				{ "where a hub announces", test_transparent },
				CU_TEST_INFO_NULL };

	return cunit_run("further subflows", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
