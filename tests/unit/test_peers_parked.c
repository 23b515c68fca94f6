// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/peers.c user/mpgated/supervisor/slots.c user/mpgated/supervisor/groups.c
// SOURCES: user/mpgated/supervisor/parked.c user/mpgated/supervisor/health.c user/mpgated/supervisor/ways.c
// SOURCES: tests/unit/peers_script.c tests/unit/loop.c
/* Peers that have parked connections with workers: which workers steer may send their connections to. */
#include "config_test.h"
#include "loop.h"
#include "peers_script.h"

#define LOOK_MS 1000
#define GATEWAY LINKS "peers:\n- { name: gw, key-file: a.key }\n"
#define BOTH LINKS "peers:\n- { name: gw, address: [ 192.0.2.1 ], key-file: a.key }\n"

static struct peer *start(const char *text)
{
	script_new(LINKS);
	script_link("wan0", "10.0.0.1", NULL, 100);
	CU_ASSERT_FATAL(script_load(text, NULL));
	loop_pass(0);
	return script_peer("gw");
}

/* A worker has so many of it now, and says so where that is news. */
static void parks(const struct peer *p, unsigned worker, unsigned count)
{
	uint32_t *now = &script.s.shm->parked[worker][p->slot];
	bool told = !*now != !count;

	*now = count;
	if (told)
		peers_parked(&script.s, p->slot);
}

static uint64_t mask(const struct peer *p)
{
	CU_ASSERT_EQUAL(script.steer[p->slot].parked, p->parked);
	CU_ASSERT_TRUE(script.steer[p->slot].parks || !p->parked);
	return script.steer[p->slot].parked;
}

static bool counts(const struct peer *p)
{
	return script.steer[p->slot].parks;
}

/* What is there is known at once; that the peer parks no more, when there was none from one look to the next. */
static void test_come_and_go(void)
{
	struct peer *p = start(GATEWAY);

	CU_ASSERT_EQUAL(mask(p), 0);
	parks(p, 1, 1);
	CU_ASSERT_EQUAL(mask(p), 2);
	CU_ASSERT_FALSE(script.steer[p->slot].up);
	parks(p, 0, 3);
	CU_ASSERT_EQUAL(mask(p), 3);
	loop_pass(10 * LOOK_MS);
	CU_ASSERT_EQUAL(mask(p), 3);
	parks(p, 1, 0);
	CU_ASSERT_EQUAL(mask(p), 1);
	parks(p, 0, 0);
	CU_ASSERT_EQUAL(mask(p), 0);
	CU_ASSERT_TRUE(counts(p));
	loop_pass(LOOK_MS);
	CU_ASSERT_TRUE(counts(p));
	loop_pass(LOOK_MS);
	CU_ASSERT_FALSE(counts(p));
	parks(p, 1, 1);
	CU_ASSERT_EQUAL(mask(p), 2);
	CU_ASSERT_TRUE(script_end());
}

/* What is used up and parked anew between two looks was never away. */
static void test_in_use(void)
{
	struct peer *p = start(GATEWAY);

	parks(p, 0, 1);
	for (unsigned i = 0; i < 10; i++) {
		parks(p, 0, 0);
		loop_pass(LOOK_MS);
		CU_ASSERT_TRUE(mask(p) == 0 && counts(p));
		parks(p, 0, 1);
		CU_ASSERT_EQUAL(mask(p), 1);
		if (i % 2)
			loop_pass(LOOK_MS);
	}
	CU_ASSERT_TRUE(script_end());
}

/* SYNs wait, and each that comes is taken before anybody looks. */
static void test_taken_at_once(void)
{
	struct peer *p = start(GATEWAY);

	for (unsigned i = 0; i < 10; i++) {
		peers_parked(&script.s, p->slot);
		CU_ASSERT_TRUE(mask(p) == 0 && counts(p));
		loop_pass(LOOK_MS);
		CU_ASSERT_TRUE(counts(p));
	}
	loop_pass(LOOK_MS);
	CU_ASSERT_FALSE(counts(p));
	CU_ASSERT_TRUE(script_end());
}

static void test_worker_gone(void)
{
	struct peer *p = start(GATEWAY);

	parks(p, 0, 1);
	parks(p, 1, 2);
	script.s.shm->parked[1][p->slot] = 0;
	peers_worker_gone(&script.s);
	CU_ASSERT_EQUAL(mask(p), 1);
	/* It does not come back by itself. */
	loop_pass(3 * LOOK_MS);
	CU_ASSERT_EQUAL(mask(p), 1);
	peers_worker_gone(&script.s);
	CU_ASSERT_EQUAL(mask(p), 1);
	parks(p, 1, 1);
	CU_ASSERT_EQUAL(mask(p), 3);
	CU_ASSERT_TRUE(script_end());
}

/* Up by what probes find, and parked besides: each is told as it is. */
static void test_with_address(void)
{
	struct peer *p = start(BOTH);

	parks(p, 0, 1);
	CU_ASSERT_FALSE(script.steer[p->slot].up);
	CU_ASSERT_EQUAL(mask(p), 1);
	script_all_end(&script_good);
	CU_ASSERT_TRUE(script.steer[p->slot].up);
	CU_ASSERT_EQUAL(mask(p), 1);
	parks(p, 1, 1);
	CU_ASSERT_TRUE(script.steer[p->slot].up);
	CU_ASSERT_EQUAL(mask(p), 3);
	parks(p, 0, 0);
	parks(p, 1, 0);
	loop_pass(2 * LOOK_MS);
	CU_ASSERT_TRUE(script.steer[p->slot].up);
	CU_ASSERT_EQUAL(mask(p), 0);
	parks(p, 1, 1);
	loop_pass(HEALTH_IDLE_MS);
	script_all_end(&script_silent);
	CU_ASSERT_EQUAL(p->state, PEER_DOWN);
	CU_ASSERT_FALSE(script.steer[p->slot].up);
	CU_ASSERT_EQUAL(mask(p), 2);
	CU_ASSERT_TRUE(script_end());
}

/* A slot that nobody has, or is none: a worker can say what it wants. */
static void test_nobody(void)
{
	struct peer *p = start(GATEWAY);
	unsigned slot = p->slot;

	peers_parked(&script.s, MPGATE_MAX_PEERS);
	peers_parked(&script.s, UINT32_MAX);
	parks(p, 0, 1);
	CU_ASSERT_FATAL(script_load(LINKS, NULL));
	CU_ASSERT_EQUAL(script.steer[slot].parked, 0);
	CU_ASSERT_EQUAL(p->parked, 0);
	peers_parked(&script.s, slot);
	peers_worker_gone(&script.s);
	loop_pass(2 * LOOK_MS);
	CU_ASSERT_EQUAL(script.steer[slot].parked, 0);
	/* Who has that slot next has none of it. */
	script.s.shm->parked[0][slot] = 0;
	CU_ASSERT_FATAL(script_load(GATEWAY, NULL));
	p = script_peer("gw");
	CU_ASSERT_EQUAL(p->slot, slot);
	CU_ASSERT_EQUAL(mask(p), 0);
	loop_pass(LOOK_MS);
	CU_ASSERT_EQUAL(mask(p), 0);
	parks(p, 1, 1);
	CU_ASSERT_EQUAL(mask(p), 2);
	CU_ASSERT_TRUE(script_end());
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "they come and go", test_come_and_go },
		{ "in use", test_in_use },
		{ "taken at once", test_taken_at_once },
		{ "a worker is gone", test_worker_gone },
		{ "a peer with an address", test_with_address },
		{ "of nobody", test_nobody },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("peers-parked", tests);
}
