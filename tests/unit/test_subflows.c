// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/joins.c user/mpgated/paths/subflows.c user/mpgated/paths/foreign.c
// SOURCES: user/mpgated/paths/steer.c
// SOURCES: tests/unit/subflows_script.c tests/unit/nl_list.c
// LIBS: libmnl libuv
/* Which subflows are made and ended, from what the kernel lists. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/mptcp.h>
#include <mpgated/paths/internal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cunit.h"

#include "subflows_script.h"

#define HUB "192.0.2.1"
#define PORT 8803

static struct path_set set;

/* --- the machine: two paths in both families, a hub */

static struct mpgate_addr address(const char *text)
{
	struct mpgate_addr a;

	CU_ASSERT_EQUAL_FATAL(addr_parse(text, &a), 0);
	return a;
}

static void add_path(unsigned i, const char *v4, const char *v6)
{
	struct path_link *l = &set.links[i];

	l->role = CFG_PATH;
	l->slot = i;
	l->pub.ifindex = i + 1;
	l->pub.up = true;
	for (unsigned f = 0; f < 2; f++) {
		struct nl_address a = { .ifindex = i + 1, .addr = address(f ? v6 : v4) };

		l->pub.addr[f] = a.addr;
		nl_list_add(&set.addrs, &a, sizeof(a));
	}
	set.count = i + 1;
}

static void machine(void)
{
	joins_free(&set.joins);
	nl_list_free(&set.addrs);
	memset(&set, 0, sizeof(set));
	kernel.count = kernel.endpoint_count = 0;
	kernel.join_error = 0;
	*kernel.did = '\0';
	add_path(0, "10.0.0.2", "fd00:a::2");
	add_path(1, "10.0.1.2", "fd00:b::2");
	set.settings.peer[0].addr = address(HUB);
	set.settings.peer[0].port = PORT;
	set.settings.peer[1].addr = address("2001:db8::1");
	set.settings.peer[1].port = PORT;
	set.settings.peer[0].answered = set.settings.peer[1].answered = true;
	set.settings.peer_count = 2;
	set.joins.managed = set.joins.foreign = set.joins.backs_up = true;
	subflows_apply(&set);
	CU_ASSERT_STRING_EQUAL(kernel.did, "");
}

static struct nl_subflow *list(uint32_t token, const char *local, const char *remote, uint16_t port, bool join)
{
	struct nl_subflow *s = &kernel.listed[kernel.count++];

	*s = (struct nl_subflow){ .token = token,
				  .local = address(local),
				  .remote = address(remote),
				  .local_port = (uint16_t)(4000 + kernel.count),
				  .remote_port = port,
				  .local_id = join ? (uint8_t)(100 + (unsigned)local[5]) : 0,
				  .opener = true,
				  .join = join,
				  .connected = true };
	return s;
}

static void ask(int kind, uint32_t token, const char *local, const char *remote, uint16_t port, bool announced)
{
	struct join_ask a = { .join = { .token = token,
					.port = port,
					.announced = announced,
					.local = local ? address(local) : (struct mpgate_addr){ { 0 } },
					.remote = address(remote) } };

	a.kind = kind;
	nl_list_add(&set.joins.asked, &a, sizeof(a));
	joins_serve(&set);
}

/* What was done since the last time; in any order of its words. */
static void did_all(const char *words)
{
	char copy[KERNEL_TEXT], *at = NULL;
	size_t len = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
		CU_ASSERT_PTR_NOT_NULL(strstr(kernel.did, word));
		len += strlen(word) + 1;
	}
	CU_ASSERT_EQUAL(strlen(kernel.did), len ? len - 1 : 0);
	if (strlen(kernel.did) != (len ? len - 1 : 0))
		fprintf(stderr, "did '%s', wanted '%s'\n", kernel.did, words);
	*kernel.did = '\0';
}

static void look(const char *words)
{
	subflows_apply(&set);
	did_all(words);
}

/* --- tests */

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
				{ "announced addresses", test_announced },
				{ "an address that others have", test_shared },
				{ "a daemon that has just started", test_restart },
				{ "other programs' connections", test_foreign },
				{ "what is gone is forgotten", test_forget },
				CU_TEST_INFO_NULL };
	int failed = cunit_run("subflows", tests, NULL, NULL);

	joins_free(&set.joins);
	nl_list_free(&set.addrs);
	return failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
