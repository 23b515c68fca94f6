// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/discover.c user/mpgated/supervisor/peers.c user/mpgated/supervisor/slots.c
// SOURCES: user/mpgated/supervisor/groups.c user/mpgated/supervisor/parked.c user/mpgated/supervisor/ways.c
// SOURCES: user/mpgated/supervisor/health.c user/mpgated/ipc/message.c
// SOURCES: tests/unit/peers_script.c tests/unit/loop.c
/*
 * Peers by domain or DHCP: the test is the process that asks, over a socket pair, by the clock of loop.h. What is asked
 * when, what an answer makes of a peer, and that one which lies is ended.
 */
#include "discover_script.h"

static void test_found(void)
{
	struct resolve_question q;
	struct peer *p;

	start(PEERS HUB);
	p = script_peer("hub");
	CU_ASSERT_EQUAL(p->address_count, 0);
	CU_ASSERT_EQUAL(p->state, PEER_UNKNOWN);
	CU_ASSERT_EQUAL(script.s.probes, 0);
	CU_ASSERT_STRING_EQUAL(discover_error(discover(), hub()), "");
	answer("192.0.2.1", "2001:db8::1");
	CU_ASSERT_EQUAL(p->address_count, 2);
	CU_ASSERT_EQUAL(p->port[0], htons(8803));
	CU_ASSERT_EQUAL(script.s.cfg->peers[0].address_count, 2);
	CU_ASSERT_EQUAL(told.changes, 1);
	CU_ASSERT_EQUAL(script.s.probes, 2);
	script_all_end(&script_good);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	/* The same again changes nothing; not before its time is over. */
	loop_pass(599000);
	CU_ASSERT_FALSE(next_question(&q));
	loop_pass(2000);
	answer("192.0.2.1", "2001:db8::1");
	CU_ASSERT_EQUAL(told.changes, 1);
	CU_ASSERT_EQUAL(p->state, PEER_UP);
	CU_ASSERT_PTR_NULL(told.killed);
	CU_ASSERT_TRUE(ends());
}

static void test_no_use(void)
{
	struct resolve_question q;
	struct peer *p;

	start(PEERS HUB);
	p = script_peer("hub");
	answer("192.0.2.1", NULL);
	script_all_end(&script_good);
	for (unsigned i = RESOLVE_NO_RECORD; i < RESOLVE_RESULTS; i++) {
		loop_pass(i == RESOLVE_NO_RECORD ? 601000 : DISCOVER_BACKOFF_MAX_MS);
		script_all_end(&script_good);
		answer_failure((enum resolve_result)i);
		CU_ASSERT_EQUAL(p->address_count, 1);
		CU_ASSERT_EQUAL(p->state, PEER_UP);
		CU_ASSERT_STRING_NOT_EQUAL(discover_error(discover(), hub()), "");
	}
	/* Later and later. */
	loop_pass((DISCOVER_BACKOFF_MIN_MS << (RESOLVE_RESULTS - RESOLVE_NO_RECORD - 1)) - 1000);
	CU_ASSERT_FALSE(next_question(&q));
	loop_pass(2000);
	answer("192.0.2.1", NULL);
	CU_ASSERT_STRING_EQUAL(discover_error(discover(), hub()), "");
	CU_ASSERT_EQUAL(told.changes, 1);
	CU_ASSERT_TRUE(ends());
}

/* Some addresses, when others could not be asked for. */
static void test_in_part(void)
{
	struct resolve_question q;
	struct resolve_answer r;
	struct peer *p;

	start(PEERS HUB);
	p = script_peer("hub");
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.1", NULL);
	r.result = RESOLVE_IN_PART;
	say(&r);
	CU_ASSERT_EQUAL(p->address_count, 1); /* better than none */
	script_all_end(&script_good);
	loop_pass(1000);
	answer("192.0.2.1", "192.0.2.2");
	script_all_end(&script_good);
	loop_pass(601000);
	script_all_end(&script_good);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.3", NULL);
	r.result = RESOLVE_IN_PART;
	say(&r);
	CU_ASSERT_EQUAL(p->address_count, 2); /* those work */
	script_all_end(&script_silent);
	loop_pass(HEALTH_BACKOFF_MAX_MS);
	script_all_end(&script_silent);
	loop_pass(HEALTH_BACKOFF_MAX_MS);
	script_all_end(&script_silent);
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	r = found(&q, "192.0.2.3", NULL);
	r.result = RESOLVE_IN_PART;
	say(&r);
	CU_ASSERT_EQUAL(p->address_count, 1);
	CU_ASSERT_TRUE(ends());
}

static void test_ttl(void)
{
	static const struct {
		uint32_t ttl, taken;
	} cases[] = { { 0, DISCOVER_TTL_MIN }, { 31, 31 }, { UINT32_MAX, DISCOVER_TTL_MAX } };

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct resolve_question q;
		struct resolve_answer r;

		start(PEERS HUB);
		CU_ASSERT_TRUE_FATAL(next_question(&q));
		r = found(&q, "192.0.2.1", NULL);
		r.ttl = cases[i].ttl;
		say(&r);
		CU_ASSERT_EQUAL(hub()->next - uv_now(&script.s.loop), cases[i].taken * 1000ULL);
		CU_ASSERT_TRUE(ends());
	}
}

/* Addresses that are none of a peer's: what this machine has, what the pool has. */
static void test_ours(void)
{
	struct mpgate_addr local;

	start(LINKS "convert: { listen: [ \"::\" ], pool: [ 192.0.2.64/26 ] }\npeers:\n" HUB);
	CU_ASSERT_EQUAL(addr_parse("10.0.0.1", &local), 0);
	script.s.local = &local;
	script.s.local_count = 1;
	answer("10.0.0.1", "192.0.2.65");
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(discover_error(discover(), hub()), "no address that can be used"));
	loop_pass(1000);
	answer("10.0.0.1", "192.0.2.1");
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 1);
	CU_ASSERT_TRUE(ends());
}

static void test_lies(void)
{
	struct resolve_question q;
	struct resolve_answer good, r;

	start(PEERS HUB);
	CU_ASSERT_TRUE_FATAL(next_question(&q));
	good = found(&q, "192.0.2.1", "2001:db8::1");
	CU_ASSERT_PTR_NULL(discover_check(discover(), script.s.peer_slots, &good));
#define LIE(change)                                                                                                    \
	do {                                                                                                           \
		r = good;                                                                                              \
		change;                                                                                                \
		CU_ASSERT_PTR_NOT_NULL(discover_check(discover(), script.s.peer_slots, &r));                           \
	} while (0)
	LIE(r.slot = 1);
	LIE(r.slot = UINT32_MAX);
	LIE(r.number++);
	LIE(r.number = 0);
	LIE(r.result = RESOLVE_RESULTS);
	LIE(r.result = UINT32_MAX);
	LIE(r.result = RESOLVE_SILENT);
	LIE(r.port = 0);
	LIE(r.count = 0);
	LIE(r.count = 1);
	LIE(r.count = CFG_PEER_ADDRESSES);
	LIE(r.count = CFG_PEER_ADDRESSES + 1);
	LIE(addr_parse("127.0.0.1", &r.address[0]));
	LIE(addr_parse("ff02::1", &r.address[0]));
	LIE(addr_parse("fe80::1", &r.address[0]));
	LIE(r.address[0] = r.address[1]);
	LIE((r = (struct resolve_answer){ .slot = q.slot, .number = q.number }));
	/* Another length. */
	CU_ASSERT_EQUAL(packet_send(told.socket, &good, sizeof(good) - 1, NULL, 0), 0);
	discover()->child.kind->readable(&discover()->child);
	CU_ASSERT_PTR_NOT_NULL(told.killed);
	CU_ASSERT_EQUAL(script_peer("hub")->address_count, 0);
	CU_ASSERT_TRUE(ends());
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "an answer", test_found },
		{ "answers of no use", test_no_use },
		{ "half an answer", test_in_part },
		{ "bounds of the TTL", test_ttl },
		{ "our own addresses", test_ours },
		{ "lies", test_lies },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("peers whose addresses are not in the file", tests);
}
