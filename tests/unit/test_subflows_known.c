// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/joins.c user/mpgated/paths/subflows.c user/mpgated/paths/foreign.c
// SOURCES: user/mpgated/paths/steer.c
// SOURCES: tests/unit/subflows_script.c tests/unit/nl_list.c
// LIBS: libmnl libuv
/* Whose connections get subflows, and where they join: what is known of them, as the kernel lists and tells it. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/mptcp.h>
#include <string.h>

#include "machine_script.h"

static void test_announced(void)
{
	machine();
	/* In either order. */
	ask(ASK_ANNOUNCED, 1, NULL, "192.0.2.1", 8804, false);
	did_all("");
	ask(ASK_JOIN, 1, "172.16.0.9", "198.51.100.7", 80, true);
	did_all("+1:10.0.0.2>192.0.2.1:8804 +1:10.0.1.2>192.0.2.1:8804");
	ask(ASK_JOIN, 2, "172.16.0.9", "198.51.100.7", 80, true);
	did_all("");
	ask(ASK_ANNOUNCED, 2, NULL, "192.0.2.1", 8804, false);
	did_all("+2:10.0.0.2>192.0.2.1:8804 +2:10.0.1.2>192.0.2.1:8804");
	/* To what is joined at its own address an announced one is nothing. */
	ask(ASK_JOIN, 3, "10.0.0.2", HUB, PORT, false);
	did_all("+3:10.0.1.2>192.0.2.1:8803");
	ask(ASK_ANNOUNCED, 3, NULL, "192.0.2.1", 8804, false);
	did_all("");
	/* IPv6 is joined over IPv4 where no other address is announced. */
	ask(ASK_JOIN, 4, "fd00:99::9", "2001:db8::7", 80, true);
	did_all("");
	ask(ASK_ANNOUNCED, 4, NULL, "192.0.2.1", 8804, false);
	did_all("+4:10.0.0.2>192.0.2.1:8804 +4:10.0.1.2>192.0.2.1:8804");
	/* The client's address is not ours, and yet not gone. */
	list(1, "172.16.0.9", "198.51.100.7", 80, false);
	list(1, "10.0.0.2", "192.0.2.1", 8804, true);
	list(1, "10.0.1.2", "192.0.2.1", 8804, true);
	set.joins.look = true;
	look("");
	set.links[1].pub.up = false;
	look("-1:10.0.1.2");
}

/* Others have the peer's address as well: joins go where the other side announces, and nowhere else. */
static void test_shared(void)
{
	machine();
	set.settings.peer[0].announces = set.settings.peer[1].announces = true;
	/* In either order; port 0 is that of the connection. */
	ask(ASK_JOIN, 1, "10.0.0.2", HUB, PORT, false);
	did_all("");
	ask(ASK_ANNOUNCED, 1, NULL, "192.0.2.10", 0, false);
	did_all("+1:10.0.1.2>192.0.2.10:8803");
	ask(ASK_ANNOUNCED, 2, NULL, "192.0.2.20", 0, false);
	ask(ASK_ANNOUNCED, 2, NULL, "2001:db8::20", PORT, false);
	did_all("");
	ask(ASK_JOIN, 2, "fd00:a::2", "2001:db8::1", PORT, false);
	did_all("+2:fd00:b::2>[2001:db8::20]:8803");
	/* One that never asked loses its path: the announced address is known, or not. */
	ask(ASK_ANNOUNCED, 3, NULL, "192.0.2.10", 0, false);
	list(3, "10.0.1.2", HUB, PORT, false);
	list(4, "10.0.1.2", HUB, PORT, false);
	look("");
	set.links[1].pub.up = false;
	look("+3:10.0.0.2>192.0.2.10:8803");
	/* It is announced late. */
	ask(ASK_ANNOUNCED, 4, NULL, "192.0.2.20", 0, false);
	look("+3:10.0.0.2>192.0.2.10:8803 +4:10.0.0.2>192.0.2.20:8803");
	/* The address of the first subflow is gone: it ends, unlike that of mode transparent. */
	list(4, "10.0.0.2", "192.0.2.20", PORT, true);
	set.links[1].pub.up = true;
	set.links[1].pub.addr[0] = address("10.0.1.77");
	((struct nl_address *)set.addrs.v)[2].addr = address("10.0.1.77");
	kernel.listed[0] = kernel.listed[1];
	kernel.listed[1] = kernel.listed[2];
	kernel.count = 2;
	look("-4:10.0.1.2 +4:10.0.1.77>192.0.2.20:8803");
}

/* A daemon that has just started: the subflows that there are tell, and until the peer has answered nothing else. */
static void test_restart(void)
{
	machine();
	set.settings.peer[0].answered = false;
	list(1, "10.0.0.2", HUB, PORT, false);
	list(1, "10.0.1.2", "192.0.2.10", PORT, true);
	list(2, "10.0.0.2", HUB, PORT, false);
	list(2, "10.0.1.2", HUB, PORT, true);
	list(3, "10.0.1.2", HUB, PORT, false);
	set.joins.look = true;
	look("");
	set.links[1].pub.up = false;
	look("-1:10.0.1.2 -2:10.0.1.2");
	set.settings.peer[0].answered = true;
	look("-1:10.0.1.2 -2:10.0.1.2 +3:10.0.0.2>192.0.2.1:8803");
	kernel.listed[1] = kernel.listed[2];
	kernel.count = 2;
	set.links[1].pub.up = true;
	look("+1:10.0.1.2>192.0.2.10:8803 +2:10.0.1.2>192.0.2.1:8803");
	/* Who asks meanwhile is served when it has. */
	machine();
	set.settings.peer[0].answered = false;
	ask(ASK_JOIN, 5, "10.0.0.2", HUB, PORT, false);
	did_all("");
	set.settings.peer[0].answered = true;
	((struct join_ask *)set.joins.asked.v)->next = 1;
	joins_serve(&set);
	did_all("+5:10.0.1.2>192.0.2.1:8803");
	/* What cannot be told goes on as it is. */
	machine();
	set.settings.peer[0].announces = true;
	list(4, "10.0.1.2", HUB, PORT, false);
	set.links[1].pub.up = false;
	look("");
}

static void test_foreign(void)
{
	machine();
	kernel.endpoints[0] =
		(struct nl_endpoint){ .addr = address("10.0.1.2"), .flags = MPTCP_PM_ADDR_FLAG_SUBFLOW, .id = 1 };
	kernel.endpoints[1] =
		(struct nl_endpoint){ .addr = address("10.0.9.9"), .flags = MPTCP_PM_ADDR_FLAG_SIGNAL, .id = 2 };
	kernel.endpoint_count = 2;
	/* As soon as it is established, without asking. */
	ask(ASK_ESTABLISHED, 1, "10.0.0.2", "198.51.100.1", 443, false);
	did_all("+1:10.0.1.2>198.51.100.1:443 !1:10.0.9.9");
	/* A look at all comes before the event: it is not joined twice. */
	list(7, "10.0.0.2", "198.51.100.1", 443, false);
	set.joins.look = true;
	look("+7:10.0.1.2>198.51.100.1:443");
	ask(ASK_ESTABLISHED, 7, "10.0.0.2", "198.51.100.1", 443, false);
	did_all("!7:10.0.9.9");
	list(7, "10.0.1.2", "198.51.100.1", 443, true);
	look("");
	kernel.count = 0;
	/* The other side announces an address: from where it is. */
	ask(ASK_ESTABLISHED, 1, "10.0.0.2", "198.51.100.1", 443, false);
	did_all("+1:10.0.1.2>198.51.100.1:443 !1:10.0.9.9");
	ask(ASK_ANNOUNCED, 1, NULL, "198.51.100.2", 444, false);
	did_all("+1:10.0.0.2>198.51.100.2:444");
	/* Not each of those that it announces. */
	ask(ASK_ANNOUNCED, 1, NULL, "198.51.100.3", 444, false);
	did_all("");
	/* It says that there is nobody at the first one's address: a balancer, for one. */
	ask(ASK_ESTABLISHED, 2, "10.0.0.2", "198.51.100.1", 443, true);
	did_all("!2:10.0.9.9");
	/* It has a subflow from each endpoint, and none from what is none any more. */
	list(1, "10.0.0.2", "198.51.100.1", 443, false);
	set.joins.look = true;
	look("+1:10.0.1.2>198.51.100.1:443");
	list(1, "10.0.1.2", "198.51.100.1", 443, true);
	kernel.endpoint_count = 0;
	look("-1:10.0.1.2");
	/* Nobody is in charge of what somebody else manages. */
	set.joins.foreign = false;
	set.joins.look = true;
	kernel.count = 1;
	kernel.endpoint_count = 2;
	look("");
}

/* What is gone is forgotten, so that a token means nothing when it comes again. */
static void test_forget(void)
{
	machine();
	ask(ASK_JOIN, 1, "10.0.0.2", HUB, PORT, false);
	ask(ASK_JOIN, 2, "10.0.0.2", HUB, PORT, false);
	*kernel.did = '\0';
	CU_ASSERT_EQUAL(set.joins.count, 2);
	list(2, "10.0.0.2", HUB, PORT, false);
	set.joins.look = true;
	look("+2:10.0.1.2>192.0.2.1:8803");
	CU_ASSERT_EQUAL(set.joins.count, 1);
	CU_ASSERT_PTR_NULL(joins_find(&set.joins, 1));
	CU_ASSERT_PTR_NOT_NULL(joins_find(&set.joins, 2));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "announced addresses", test_announced },	    { "an address that others have", test_shared },
		{ "a daemon that has just started", test_restart }, { "other programs' connections", test_foreign },
		{ "what is gone is forgotten", test_forget },	    CU_TEST_INFO_NULL,
	};

	return machine_run("what is known of connections", tests);
}
