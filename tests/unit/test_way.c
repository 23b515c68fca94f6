// SPDX-License-Identifier: GPL-2.0-or-later
/* Which way a connection takes first, where its rule says something of paths. */
#include <mpgated/worker/ready.h>
#include <mpgated/worker/way.h>

#include "world_script.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DSL "10.1.0.2"
#define LTE "10.2.0.2"
#define SAT "10.3.0.2"

/* Ways to address 0 of peer 0, over links 4, 7 and 9; by default DSL is the best. */
static void set_ways(unsigned dsl, unsigned lte, unsigned sat)
{
	struct peer_shared *p = &w->shm->peers[0];

	p->way[0] = (struct way_shared){ world_addr(DSL), 2, 30000, 0, 4, (uint8_t)dsl, 0 };
	p->way[1] = (struct way_shared){ world_addr(LTE), 3, 50000, 0, 7, (uint8_t)lte, 0 };
	p->way[2] = (struct way_shared){ world_addr(SAT), 5, 20000, 0, 9, (uint8_t)sat, 0 };
	p->way[3] = (struct way_shared){ world_addr(SAT), 5, 1000, 1, 9, WAY_GOOD, 0 };
	p->way_count = 4;
	p->from[0] = world_addr(DSL);
}

static void start(enum cfg_steer steer, const char *links)
{
	struct snapshot_rule *r = &world.config.rules[0];

	world_new();
	world.config.head.joins = 1;
	world.config.head.steers = 1;
	r->steer = steer;
	r->link_count = (uint32_t)strlen(links);
	for (unsigned i = 0; links[i]; i++)
		r->links[i] = (uint8_t)(links[i] - '0');
	w = world_start();
}

/* Where a client's connection leaves from; NULL: it does not go to the peer. */
static const char *leaves(unsigned rule, unsigned *by)
{
	static char text[ADDR_TEXT];
	struct sock *p;

	world_client(client, server, 0, rule, GET);
	world_settle();
	p = world_dialed(world_dialed_count() - 1);
	*by = p->by;
	return p->mptcp ? addr_print(&p->tuple.saddr, text) : NULL;
}

static void test_chosen(void)
{
	static const struct {
		enum cfg_steer steer;
		const char *links;
		unsigned state[3];
		const char *from; /* NULL: none works */
		unsigned by;
	} cases[] = {
		{ CFG_STEER_BALANCE, "7", { 0 }, LTE, 3 },
		{ CFG_STEER_BALANCE, "97", { 0 }, LTE, 0 }, /* the better one, by metric */
		{ CFG_STEER_BALANCE, "97", { 0, WAY_DOWN, 0 }, SAT, 0 },
		{ CFG_STEER_BALANCE, "47", { WAY_PLAIN, 0, 0 }, LTE, 0 },
		{ CFG_STEER_BALANCE, "4", { WAY_PLAIN, 0, 0 }, DSL, 2 },
		{ CFG_STEER_BALANCE, "4", { WAY_DOWN, 0, 0 }, NULL, 0 },
		{ CFG_STEER_BALANCE, "8", { 0 }, NULL, 0 }, /* a link without an address */
		{ CFG_STEER_STANDBY, "97", { 0 }, SAT, 0 },
		{ CFG_STEER_STANDBY, "97", { 0, 0, WAY_DOWN }, LTE, 0 },
		{ CFG_STEER_PRIORITY, "74", { 0 }, LTE, 0 },
		{ CFG_STEER_DELAY, "47", { 0 }, DSL, 0 },
		{ CFG_STEER_DELAY, "", { 0 }, SAT, 0 },
		{ CFG_STEER_STANDBY, "", { 0 }, DSL, 0 },
		{ CFG_STEER_DELAY, "", { WAY_DOWN, 0, WAY_DOWN }, LTE, 0 },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		const char *from;
		unsigned by;

		start(cases[i].steer, cases[i].links);
		set_ways(cases[i].state[0], cases[i].state[1], cases[i].state[2]);
		from = leaves(1, &by);
		CU_ASSERT_EQUAL(!from, !cases[i].from);
		if (from && cases[i].from) {
			CU_ASSERT_STRING_EQUAL(from, cases[i].from);
			CU_ASSERT_EQUAL(by, cases[i].by);
		}
		CU_ASSERT_EQUAL(w->stats->no_path, !cases[i].from);
		/* The peer is not to blame. */
		CU_ASSERT_EQUAL(w->stats->peer_failed, 0);
		CU_ASSERT_TRUE(world_end());
	}
}

/* Where no path leads to the peer, but the main table does: a rule that only orders paths has nothing to order. */
static void test_no_paths(void)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned by;

		start(CFG_STEER_STANDBY, i ? "4" : "");
		CU_ASSERT_EQUAL(!leaves(1, &by), i);
		CU_ASSERT_EQUAL(w->stats->no_path, i);
		CU_ASSERT_TRUE(world_end());
	}
}

/* Other rules are as ever. */
static void test_others(void)
{
	unsigned by;

	start(CFG_STEER_BALANCE, "7");
	set_ways(0, 0, 0);
	CU_ASSERT_STRING_EQUAL(leaves(2, &by), DSL);
	CU_ASSERT_EQUAL(by, 0);
	CU_ASSERT_TRUE(world_end());
}

/* Connections opened ahead are used by those whose rules let them: this one left over DSL. */
static void test_ready(void)
{
	static const struct {
		const char *links;
		bool used;
	} cases[] = { { "7", false }, { "4", true }, { "74", true }, { "", true } };

	for (unsigned i = 0; i < COUNT(cases); i++) {
		unsigned by;

		start(CFG_STEER_STANDBY, cases[i].links);
		set_ways(0, 0, 0);
		((struct snapshot_peer *)(uintptr_t)conn_peer(w, 0))->ready = 1;
		ready_fill(w, 0, 0);
		CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 1);
		sock_connected(world_dialed(0));
		world_settle();
		leaves(1, &by);
		CU_ASSERT_EQUAL(w->stats->ready_used, cases[i].used);
		CU_ASSERT_EQUAL(w->stats->no_path, 0);
		CU_ASSERT_TRUE(world_end());
	}
}

/* The supervisor hears of the rule when there is a connection, without being asked for more paths. */
static void test_noted(void)
{
	static const struct {
		unsigned rule;
		bool told;
	} cases[] = { { 1, true }, { 2, false } };

	for (unsigned i = 0; i < COUNT(cases); i++) {
		unsigned by;

		start(CFG_STEER_BALANCE, "7");
		set_ways(0, 0, 0);
		leaves(cases[i].rule, &by);
		CU_ASSERT(!was_told(MSG_JOIN));
		sock_connected(world_dialed(0));
		world_settle();
		CU_ASSERT_EQUAL(was_told(MSG_JOIN), cases[i].told);
		for (unsigned k = 0; k < world.told_count; k++)
			if (world.told[k].type == MSG_JOIN)
				CU_ASSERT(world.told[k].value == 1 && world.told[k].more == JOIN_NOTE);
		CU_ASSERT_EQUAL(w->stats->joins, 0);
		CU_ASSERT_TRUE(world_end());
	}
}

/* What is being written is not read, and not waited for long. */
static void test_torn(void)
{
	unsigned by;

	start(CFG_STEER_BALANCE, "7");
	set_ways(0, 0, 0);
	w->shm->peers[0].ways_written = 1;
	CU_ASSERT_PTR_NULL(leaves(1, &by));
	w->shm->peers[0].ways_written = 2;
	CU_ASSERT_STRING_EQUAL(leaves(1, &by), LTE);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "the way that the rule says", test_chosen },
		{ "other rules", test_others },
		{ "no paths", test_no_paths },
		{ "connections opened ahead", test_ready },
		{ "the rule is told", test_noted },
		{ "what is being written", test_torn },
		CU_TEST_INFO_NULL,
	};

	return script_run("ways by rule", tests);
}
