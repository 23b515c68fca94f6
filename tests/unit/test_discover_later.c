// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/discover.c user/mpgated/supervisor/peers.c user/mpgated/supervisor/slots.c
// SOURCES: user/mpgated/supervisor/groups.c user/mpgated/supervisor/parked.c user/mpgated/supervisor/ways.c
// SOURCES: user/mpgated/supervisor/health.c user/mpgated/ipc/message.c
// SOURCES: tests/unit/peers_script.c tests/unit/loop.c
/* Peers by domain or DHCP that have their addresses: other ones come, and what is kept of the old ones. */
#include "discover_script.h"

static void test_other_addresses(void)
{
	struct peer *p;
	struct resolve_question q;
	struct resolve_answer r;

	start(PEERS HUB);
	p = script_peer("hub");
	answer("192.0.2.1", "192.0.2.2");
	script_all_end(&script_good);
	script.s.shm->peers[p->slot].clock = 77;
	loop_pass(600000);
	/* One stays, at another place: it is as it was, even with a probe under way. */
	answer("192.0.2.3", "192.0.2.1");
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].address, 1);
	CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].clock, 77);
	CU_ASSERT_EQUAL_FATAL(p->health.count, 2);
	CU_ASSERT_EQUAL(p->health.way[0].state, HEALTH_UNKNOWN);
	CU_ASSERT_EQUAL(p->health.way[1].state, HEALTH_UP);
	CU_ASSERT_EQUAL(p->health.way[1].address, 1);
	CU_ASSERT_PTR_NOT_NULL(script_probe("hub", 0, "wan0"));
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].address, 0);
	/* None stays, or another port: nothing is known of that one. */
	loop_pass(600000);
	script_all_end(&script_good);
	answer("192.0.2.4", NULL);
	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
	CU_ASSERT_EQUAL(script.s.shm->peers[p->slot].clock, 0);
	script_all_end(&script_good);
	loop_pass(600000);
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.4", NULL);
	r.port = 9000;
	say(&r);
	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
	CU_ASSERT_EQUAL(p->port[0], htons(9000));
	CU_ASSERT_TRUE(ends());
}

/* Its other ports are at the addresses that are found, and what is known of them stays as theirs. */
static void test_other_ports(void)
{
	struct resolve_question q;
	struct resolve_answer r;
	struct peer *p;

	start(PEERS "- { name: hub, domain: hub.example, ports: [ 443 ], key-file: a.key }\n");
	p = script_peer("hub");
	answer("192.0.2.1", "192.0.2.2");
	CU_ASSERT_EQUAL(p->address_count, 4);
	CU_ASSERT_EQUAL(p->own_count, 2);
	CU_ASSERT_EQUAL(p->port[1], htons(8803));
	CU_ASSERT_EQUAL(p->port[3], htons(443));
	CU_ASSERT_EQUAL(memcmp(&p->address[3], &p->address[1], sizeof(p->address[1])), 0);
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	loop_pass(601000);
	script_all_end(&script_good);
	p->health.way[3].rtt_us = 4242; /* the second address at the other port */
	answer("192.0.2.2", NULL);
	CU_ASSERT_EQUAL(p->address_count, 2);
	CU_ASSERT_EQUAL(p->port[1], htons(443));
	CU_ASSERT_EQUAL(p->health.way[1].rtt_us, 4242);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	script_all_end(&script_good);
	loop_pass(601000);
	script_all_end(&script_good);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.2", NULL);
	r.port = 443;
	say(&r);
	CU_ASSERT_EQUAL(p->address_count, 1); /* which is no other port then */
	CU_ASSERT_EQUAL(p->port[0], htons(443));
	CU_ASSERT_TRUE(ends());
}

/* Over reloads, and over the end of the process. */
static void test_kept(void)
{
	struct resolve_question q;
	struct resolve_answer late;

	start(PEERS HUB);
	answer("192.0.2.1", NULL);
	script_all_end(&script_good);
	load(PEERS HUB2 HUB);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	/* The test's load() commits twice, the first time without what is known. */
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(script_peer("hub")->state, PEER_UP);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	CU_ASSERT_STRING_EQUAL(q.domain, "second.example");
	late = found(&q, "192.0.2.9", NULL);
	/* A question whose peer is gone has an answer that is nobody's; just one. */
	load(PEERS HUB);
	say(&late);
	CU_ASSERT_PTR_NULL(told.killed);
	say(&late);
	CU_ASSERT_PTR_NOT_NULL(told.killed);
	start_again();
	CU_ASSERT_FALSE(next_question(&q));
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	/* What was open is asked for again. */
	load(PEERS HUB HUB2);
	CU_ASSERT_TRUE(next_question(&q));
	start_again();
	CU_ASSERT_TRUE(next_question(&q));
	/* Another domain: nothing is known. */
	load(PEERS "- { name: hub, domain: other.example, key-file: a.key }\n");
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 0);
	/* In the file: it is not asked for any more. */
	load(PEERS "- { name: hub, address: [ 192.0.2.7 ], key-file: a.key }\n");
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	CU_ASSERT_PTR_NULL(discover_get(&script.s, script_peer("hub")->slot));
	CU_ASSERT_TRUE(ends());
}

/* When a path comes, DNS may be reached now. */
static void test_hurry(void)
{
	struct resolve_question q;

	start(PEERS HUB);
	for (unsigned i = 0; i < 8; i++) {
		answer_failure(RESOLVE_SILENT);
		loop_pass(DISCOVER_BACKOFF_MAX_MS + 1000);
	}
	answer_failure(RESOLVE_SILENT);
	loop_pass(2000);
	CU_ASSERT_FALSE(next_question(&q));
	discover_hurry(&script.s);
	loop_pass(1000);
	CU_ASSERT_TRUE(next_question(&q));
	/* One that never answers is ended. */
	loop_pass(119000);
	CU_ASSERT_PTR_NULL(told.killed);
	loop_pass(2000);
	CU_ASSERT_PTR_NOT_NULL(told.killed);
	CU_ASSERT_TRUE(ends());
}

static void test_dhcp(void)
{
	struct resolve_question q;
	struct resolve_answer late;

	start("dhcp: { enterprise: 32473 }\n" PEERS "- { name: hub, from: dhcp, key-file: a.key }\n");
	CU_ASSERT_FALSE(next_question(&q));
	CU_ASSERT_STRING_EQUAL(discover_error(discover(), hub()), "DHCP: no option has come yet");
	told.option = 7;
	loop_pass(1000);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	CU_ASSERT(q.enterprise == 32473 && !q.v6 && q.len == 7 && q.data[6] == 7);
	late = found(&q, "192.0.2.9", NULL);
	/* Another one while the answer is awaited, which is nobody's then. */
	told.option = 8;
	loop_pass(1000);
	say(&late);
	CU_ASSERT_PTR_NULL(told.killed);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 0);
	answer("192.0.2.1", NULL);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	/* One for others takes nothing: the one before is read again. */
	told.option = 9;
	loop_pass(1000);
	answer_failure(RESOLVE_NO_OPTION);
	loop_pass(1000);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	CU_ASSERT(q.len == 8 && q.data[7] == 8);
	late = found(&q, "192.0.2.1", NULL);
	say(&late);
	CU_ASSERT_EQUAL(hub()->result, RESOLVE_FOUND);
	CU_ASSERT_EQUAL(told.changes, 1);
	/* Read by another number. */
	load("dhcp: { enterprise: 1 }\n" PEERS "- { name: hub, from: dhcp, key-file: a.key }\n");
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	CU_ASSERT_EQUAL(q.enterprise, 1);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	CU_ASSERT_TRUE(ends());
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "another one", test_other_addresses },
		{ "other ports", test_other_ports },
		{ "what is kept", test_kept },
		{ "at once, and not at all", test_hurry },
		{ "by DHCP", test_dhcp },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("addresses that change", tests);
}
