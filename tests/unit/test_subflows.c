// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/joins.c user/mpgated/paths/subflows.c user/mpgated/paths/foreign.c
// SOURCES: user/mpgated/paths/steer.c
// SOURCES: tests/unit/subflows_script.c tests/unit/nl_list.c
// LIBS: libmnl libuv
/* Which subflows are made and ended, from what the kernel lists. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/mptcp.h>
#include <string.h>

#include "machine_script.h"

static void test_asked(void)
{
	machine();
	ask(ASK_JOIN, 1, "10.0.0.2", HUB, PORT, false);
	did_all("+1:10.0.1.2>192.0.2.1:8803");
	ask(ASK_JOIN, 2, "fd00:b::2", "2001:db8::1", PORT, false);
	did_all("+2:fd00:a::2>[2001:db8::1]:8803");
	set.links[1].pub.backup = true;
	do
		subflows_apply(&set);
	while (set.joins.look);
	ask(ASK_JOIN, 3, "10.0.0.2", HUB, PORT, false);
	did_all("~3:10.0.1.2>192.0.2.1:8803");
	CU_ASSERT(!set.joins.look);
	/* A kernel that forgets that it is to be one is told when the subflow stands. */
	set.joins.backs_up = false;
	ask(ASK_JOIN, 5, "10.0.0.2", HUB, PORT, false);
	did_all("~5:10.0.1.2>192.0.2.1:8803");
	CU_ASSERT(set.joins.look && set.joins.look_ms);
	list(5, "10.0.0.2", HUB, PORT, false);
	list(5, "10.0.1.2", HUB, PORT, true);
	look("_5:10.0.1.2");
	kernel.count = 0;
	set.joins.backs_up = true;
	/* The first one is over a path that is a backup: it becomes one when others join. */
	ask(ASK_JOIN, 6, "10.0.1.2", HUB, PORT, false);
	did_all("+6:10.0.0.2>192.0.2.1:8803 _6:10.0.1.2");
	/* Not established yet: again, and not for ever. */
	kernel.join_error = -ENOTCONN;
	ask(ASK_JOIN, 4, "10.0.0.2", HUB, PORT, false);
	CU_ASSERT(set.joins.asked.n == 1 && set.joins.retry_ms && !set.joins.look);
	((struct join_ask *)set.joins.asked.v)->next = 1;
	((struct join_ask *)set.joins.asked.v)->since = 1;
	joins_serve(&set);
	CU_ASSERT_EQUAL(set.joins.asked.n, 0);
	*kernel.did = '\0';
	/* From a path that is dead or down none leaves. */
	kernel.join_error = 0;
	set.links[1].health[0] = PATHS_DEAD;
	subflows_apply(&set);
	*kernel.did = '\0';
	ask(ASK_JOIN, 5, "10.0.0.2", HUB, PORT, false);
	did_all("");
}

static void test_link_down(void)
{
	machine();
	ask(ASK_JOIN, 1, "10.0.0.2", HUB, PORT, false);
	did_all("+1:10.0.1.2>192.0.2.1:8803");
	list(1, "10.0.0.2", HUB, PORT, false);
	list(1, "10.0.1.2", HUB, PORT, true);
	list(2, "10.0.1.2", HUB, PORT, false); /* it has not asked */
	list(3, "10.0.0.2", HUB, PORT, false);
	look("");
	set.links[1].pub.up = false;
	/* What has another ends there; what has none gets one first. */
	look("-1:10.0.1.2 +2:10.0.0.2>192.0.2.1:8803");
	CU_ASSERT(set.joins.look_ms);
	kernel.listed[1] = kernel.listed[--kernel.count];
	list(2, "10.0.0.2", HUB, PORT, true)->connected = false;
	look("");
	kernel.listed[kernel.count - 1].connected = true;
	look("-2:10.0.1.2");
	/* It is back: who asked has it again. */
	set.joins.look = false;
	kernel.count = 0;
	list(1, "10.0.0.2", HUB, PORT, false);
	list(3, "10.0.0.2", HUB, PORT, false);
	set.links[1].pub.up = true;
	look("+1:10.0.1.2>192.0.2.1:8803");
}

/* A path that the probes find dead: what has no other gets one, and nothing ends. */
static void test_silence(void)
{
	machine();
	list(1, "10.0.0.2", HUB, PORT, false);
	list(2, "10.0.0.2", HUB, PORT, false);
	list(2, "10.0.1.2", HUB, PORT, true);
	list(3, "fd00:a::2", "2001:db8::1", PORT, false);
	subflows_apply(&set);
	set.links[0].health[0] = PATHS_DEAD;
	look("+1:10.0.1.2>192.0.2.1:8803");
	list(1, "10.0.1.2", HUB, PORT, true);
	set.joins.look = false;
	/* It answers again, after it was silent. */
	set.links[0].health[0] = PATHS_ALIVE;
	set.links[0].anew[0] = true;
	look("-1:10.0.0.2 -2:10.0.0.2");
	/* Joined when that has arrived: the end of an address is not to be taken for that of the next subflow. */
	set.links[0].anew[0] = false;
	kernel.count = 0;
	list(1, "10.0.1.2", HUB, PORT, true);
	list(2, "10.0.1.2", HUB, PORT, true);
	look("+1:10.0.0.2>192.0.2.1:8803 +2:10.0.0.2>192.0.2.1:8803");
}

/* The only path was silent: it is joined over the same, and the old one ends then. */
static void test_one_path(void)
{
	machine();
	set.links[1].pub.up = false;
	list(1, "10.0.0.2", HUB, PORT, false);
	look("");
	set.links[0].anew[0] = true;
	look("+1:10.0.0.2>192.0.2.1:8803");
	set.links[0].anew[0] = false;
	list(1, "10.0.0.2", HUB, PORT, true);
	look("-1:10.0.0.2");
	/* Once more: now both have the id of the address, and what ends is what was not heard. */
	set.joins.look = false;
	kernel.count = 0;
	list(1, "10.0.0.2", HUB, PORT, true);
	look("");
	set.links[0].anew[0] = true;
	look("+1:10.0.0.2>192.0.2.1:8803");
	set.links[0].anew[0] = false;
	kernel.listed[0].quiet_ms = 100;
	list(1, "10.0.0.2", HUB, PORT, true)->quiet_ms = 9000;
	kernel.listed[1].local_port = 7777;
	look("=1:10.0.0.2");
	/* What does not stand yet is left alone. */
	kernel.count = 0;
	set.joins.look = true;
	set.joins.look_ms = 0;
	list(9, "10.0.0.2", HUB, PORT, false)->connected = false;
	look("");
	CU_ASSERT(!set.joins.look && !set.joins.look_ms);
	/* Nothing to be done: it does not look for ever. */
	set.links[0].health[0] = PATHS_DEAD;
	kernel.listed[0].connected = true;
	look("");
	CU_ASSERT(set.joins.look && set.joins.look_ms);
	for (unsigned i = 0; i < 100; i++) {
		set.joins.look_ms = 0;
		subflows_apply(&set);
	}
	CU_ASSERT(!set.joins.look && !set.joins.look_ms);
}

/* An address is gone, by DHCP for one. */
static void test_address(void)
{
	machine();
	list(1, "10.0.0.2", HUB, PORT, false);
	list(1, "10.0.1.2", HUB, PORT, true);
	look("");
	set.links[1].pub.addr[0] = address("10.0.1.77");
	((struct nl_address *)set.addrs.v)[2].addr = address("10.0.1.77");
	look("-1:10.0.1.2 +1:10.0.1.77>192.0.2.1:8803");
}

/* The next one has the same id, so the old one is to be gone first. */
static void test_same_id(void)
{
	struct nl_subflow *s;

	machine();
	list(1, "10.0.0.2", HUB, PORT, false);
	s = list(1, "10.0.1.2", HUB, PORT, true);
	s->local_id = PATHS_ENDPOINT_ID + 2;
	look("");
	set.links[1].pub.addr[0] = address("10.0.1.77");
	((struct nl_address *)set.addrs.v)[2].addr = address("10.0.1.77");
	/* However long that takes. */
	for (unsigned i = 0; i < 4; i++)
		look("-1:10.0.1.2");
	kernel.count = 1;
	look("+1:10.0.1.77>192.0.2.1:8803");
	/* It was refused: that is all for now. */
	look("");
}

/* A path's address is another one now, and the old one is still there: deprecated, say. */
static void test_deprecated(void)
{
	struct nl_address old;

	machine();
	list(1, "10.0.1.2", HUB, PORT, false);
	list(1, "10.0.0.2", HUB, PORT, true);
	list(2, "fd00:a::2", "2001:db8::1", PORT, false);
	list(2, "fd00:b::2", "2001:db8::1", PORT, true);
	look("");
	for (unsigned f = 0; f < 2; f++) {
		old = ((struct nl_address *)set.addrs.v)[f];
		old.addr = set.links[0].pub.addr[f] = address(f ? "fd00:a::77" : "10.0.0.77");
		nl_list_add(&set.addrs, &old, sizeof(old));
	}
	look("");
	/* A connection that asks now has the path already. */
	ask(ASK_JOIN, 2, "fd00:a::2", "2001:db8::1", PORT, false);
	look("");
	/* And when the path dies, so does what came from there. */
	set.links[0].pub.up = false;
	look("-1:10.0.0.2 -2:fd00:a::2");
}

/* What its path left without asking has asked since, and is not joined twice. */
static void test_asks_later(void)
{
	machine();
	list(1, "10.0.0.2", HUB, PORT, false);
	look("");
	set.links[0].pub.up = false;
	look("+1:10.0.1.2>192.0.2.1:8803");
	list(1, "10.0.1.2", HUB, PORT, true);
	ask(ASK_JOIN, 1, "10.0.0.2", HUB, PORT, false);
	did_all("");
	look("-1:10.0.0.2");
}

/* The address of the only subflow is gone: that is no connection of mode transparent. */
static void test_gone(void)
{
	machine();
	list(1, "10.0.0.77", HUB, PORT, false);
	set.joins.look = true;
	look("+1:10.0.0.2>192.0.2.1:8803 +1:10.0.1.2>192.0.2.1:8803");
}

/* A path becomes a backup, or is none any more: said three times, since an ACK alone tells the other side. */
static void test_use(void)
{
	machine();
	list(1, "10.0.0.2", HUB, PORT, false);
	list(1, "10.0.1.2", HUB, PORT, true);
	look("");
	set.links[1].pub.backup = true;
	look("_1:10.0.1.2");
	kernel.listed[1].backup = true;
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT(set.joins.look && set.joins.look_ms);
		look("_1:10.0.1.2");
	}
	CU_ASSERT(!set.joins.look);
	set.joins.look = true;
	look("");
	set.links[0].pub.backup = true;
	set.links[1].pub.backup = false;
	for (unsigned i = 0; i < 3; i++)
		look("_1:10.0.0.2 ^1:10.0.1.2");
	kernel.listed[0].backup = true;
	kernel.listed[1].backup = false;
	look("");
	/* The only one stays what it is until another stands. */
	kernel.count = 1;
	set.joins.look = true;
	look("+1:10.0.1.2>192.0.2.1:8803");
	set.links[0].pub.backup = false;
	look("+1:10.0.1.2>192.0.2.1:8803");
	list(1, "10.0.1.2", HUB, PORT, true);
	for (unsigned i = 0; i < 2; i++)
		look("^1:10.0.0.2");
	kernel.listed[0].backup = false;
	set.links[1].role = CFG_NET;
	look("-1:10.0.1.2");
}

/* All links that are up are held back: they are better than none. */
static void test_held(void)
{
	machine();
	set.links[0].pub.up = false;
	set.links[1].pub.held = true;
	subflows_apply(&set);
	ask(ASK_JOIN, 1, "10.0.0.2", HUB, PORT, false);
	did_all("+1:10.0.1.2>192.0.2.1:8803");
}

int main(void)
{
	CU_TestInfo tests[] = { { "asked for", test_asked },
				{ "a link goes down", test_link_down },
				{ "a path is silent", test_silence },
				{ "the only path is silent", test_one_path },
				{ "an address goes", test_address },
				{ "another address of the same id", test_same_id },
				{ "an address is deprecated", test_deprecated },
				{ "asked for after its path died", test_asks_later },
				{ "the only address goes", test_gone },
				{ "another use of a path", test_use },
				{ "held back", test_held },
				CU_TEST_INFO_NULL };

	return machine_run("subflows", tests);
}
