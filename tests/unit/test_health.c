// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/health.c
/* The ways to a peer: what events make of them, and which probe is due when. */
#include "health_script.h"

static void test_ways(void)
{
	struct health h = { 0 };
	uint64_t next;

	health_set_ways(&h, both, 2, paths, 3, T0);
	CU_ASSERT_EQUAL(h.count, 3);
	CU_ASSERT_EQUAL(health_find(&h, 0, &paths[1]), 1);
	CU_ASSERT_EQUAL(health_find(&h, 1, &paths[2]), 2);
	CU_ASSERT_EQUAL(health_find(&h, 1, &paths[0]), -1);
	CU_ASSERT_EQUAL(health_state(&h), HEALTH_UNKNOWN);
	CU_ASSERT_EQUAL(health_due(&h, T0, &next), 0); /* at once */
	/* Without a path of that family: the default route. */
	health_set_ways(&h, both, 2, paths, 2, T0);
	CU_ASSERT_EQUAL(h.count, 3);
	CU_ASSERT_STRING_EQUAL(h.way[2].path.name, "");
	CU_ASSERT_TRUE(h.way[2].path.v6);
	health_set_ways(&h, v4_only, 1, NULL, 0, T0);
	CU_ASSERT_EQUAL(h.count, 1);
}

/* More paths than there is room for: every address has some. */
static void test_bound(void)
{
	static const bool all[CFG_PEER_ENDS] = { true, true, true, true, true, true, true, true };
	struct health_path many[MPGATE_MAX_LINKS] = { 0 };
	struct health h = { 0 };

	for (unsigned i = 0; i < MPGATE_MAX_LINKS; i++)
		many[i].name[0] = (char)(i + 1);
	for (unsigned n = 1; n <= CFG_PEER_ENDS; n *= 2) {
		health_set_ways(&h, all, n, many, MPGATE_MAX_LINKS, T0);
		CU_ASSERT_EQUAL(h.count, HEALTH_WAYS);
		CU_ASSERT_EQUAL(h.way[HEALTH_WAYS - 1].address, n - 1);
	}
}

static void test_kept(void)
{
	struct health h = two_up();

	probe(&h, 0, &bad, T0 + 1);
	health_set_ways(&h, v4_only, 1, paths + 1, 1, T0 + 2); /* wan0 is gone */
	CU_ASSERT_EQUAL(h.count, 1);
	CU_ASSERT_EQUAL(h.way[0].state, HEALTH_UP);
	CU_ASSERT_EQUAL(h.way[0].rtt_us, 20000);
	health_set_ways(&h, v4_only, 1, paths, 2, T0 + 3); /* and back, of which nothing is known */
	CU_ASSERT_EQUAL(h.way[0].state, HEALTH_UNKNOWN);
	CU_ASSERT_EQUAL(h.way[1].state, HEALTH_UP);
}

static void test_cadence(void)
{
	struct health h = two_up();

	CU_ASSERT_EQUAL(next_of(&h, T0), T0 + HEALTH_IDLE_MS);
	health_used(&h, T0 + 100);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 100), T0 + HEALTH_BUSY_MS);
	probe(&h, 0, &good, T0 + HEALTH_BUSY_MS);
	CU_ASSERT_EQUAL(next_of(&h, T0 + HEALTH_BUSY_MS), T0 + 2 * HEALTH_BUSY_MS);
	/* The one that is not taken is asked less often, and nobody is in a hurry when the use is over. */
	probe(&h, 0, &good, T0 + HEALTH_SPARE_MS - 1);
	CU_ASSERT_EQUAL(next_of(&h, T0 + HEALTH_SPARE_MS - 1), T0 + HEALTH_SPARE_MS);
	probe(&h, 0, &good, T0 + HEALTH_USE_MS + 100);
	probe(&h, 1, &good, T0 + HEALTH_USE_MS + 100);
	CU_ASSERT_EQUAL(next_of(&h, T0 + HEALTH_USE_MS + 100), T0 + HEALTH_USE_MS + 100 + HEALTH_IDLE_MS);
}

/* One of two is dead, while the peer is in use: its probes follow one another, so that it is used as soon as it
 * answers. */
static void test_dead_in_use(void)
{
	struct health h = two_up();

	for (unsigned i = 0; i < 10; i++) {
		uint64_t now = T0 + i * HEALTH_PATIENCE_MS;

		health_used(&h, now);
		health_begin(&h, 1, now);
		health_end(&h, 1, &bad, now + HEALTH_PATIENCE_MS);
		probe(&h, 0, &good, now + HEALTH_PATIENCE_MS);
		CU_ASSERT_EQUAL(health_due(&h, now + HEALTH_PATIENCE_MS, &(uint64_t){ 0 }), 1);
	}
	/* Those that fail at once do not. */
	health_end(&h, 1, &bad, T0 + 100000);
	health_used(&h, T0 + 100000);
	probe(&h, 0, &good, T0 + 100000);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 100000), T0 + 100000 + HEALTH_PAUSE_MS);
	/* At rest there is no hurry. */
	health_used(&h, T0);
	CU_ASSERT_TRUE(next_of(&h, T0 + 100000) > T0 + 100000 + HEALTH_PAUSE_MS);
}

static void test_backoff(void)
{
	struct health h = two_up();
	uint64_t now = T0 + 5000, wait = HEALTH_PAUSE_MS;

	/* The other way is looked at as soon as the first fails, */
	probe(&h, 0, &bad, now);
	CU_ASSERT_EQUAL(health_due(&h, now, &(uint64_t){ 0 }), 1);
	probe(&h, 1, &bad, now);
	/* and then both are tried less and less often, up to a bound, whoever uses the peer. */
	for (unsigned i = 0; i < 10; i++) {
		health_used(&h, now);
		health_suspect(&h, now);
		CU_ASSERT_EQUAL(next_of(&h, now), now + wait);
		now += wait;
		probe(&h, 0, &bad, now);
		probe(&h, 1, &bad, now);
		wait = 2 * wait > HEALTH_BACKOFF_MAX_MS ? HEALTH_BACKOFF_MAX_MS : 2 * wait;
	}
	CU_ASSERT_EQUAL(wait, HEALTH_BACKOFF_MAX_MS);
	probe(&h, 0, &good, now);
	probe(&h, 0, &bad, now + 1);
	CU_ASSERT_EQUAL(h.way[0].backoff_ms, HEALTH_PAUSE_MS); /* from the beginning */
}

/* What a connection met is no verdict: it sets off probes, not more often than one a second. */
static void test_suspect(void)
{
	struct health h = two_up();
	uint64_t next;

	health_suspect(&h, T0 + 10);
	CU_ASSERT_EQUAL(health_state(&h), HEALTH_UP);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 10), T0 + HEALTH_PAUSE_MS);
	CU_ASSERT_EQUAL(health_due(&h, T0 + HEALTH_PAUSE_MS, &next), 0);
	probe(&h, 0, &good, T0 + HEALTH_PAUSE_MS);
	probe(&h, 1, &good, T0 + HEALTH_PAUSE_MS);
	CU_ASSERT_EQUAL(health_due(&h, T0 + HEALTH_PAUSE_MS + 1, &next), -1);
}

/* A path that stalls is looked at if its peer is used, and no other path is. */
static void test_suspect_path(void)
{
	struct health h = two_up();

	CU_ASSERT_FALSE(health_suspect_path(&h, "wan1", T0 + 10));
	health_used(&h, T0 + 10);
	CU_ASSERT_TRUE(health_suspect_path(&h, "wan1", T0 + 10));
	CU_ASSERT_TRUE(h.way[1].suspect);
	CU_ASSERT_FALSE(h.way[0].suspect);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 10), T0 + HEALTH_PAUSE_MS);
	probe(&h, 1, &bad, T0 + HEALTH_PAUSE_MS);
	CU_ASSERT_FALSE(health_suspect_path(&h, "wan1", T0 + 2000)); /* it is known to be down */
}

/* A SYN that is sent a third time is plain TCP: no verdict about the peer. */
static void test_unsure(void)
{
	const struct health_result unsure = { .plain = true, .unsure = true, .syn_data = SYN_DATA_NO };
	struct health h = two_up();

	probe(&h, 0, &unsure, T0 + 10);
	CU_ASSERT_FALSE(h.way[0].plain);
	CU_ASSERT_EQUAL(h.way[0].syn_data, SYN_DATA_YES);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 10), T0 + 10 + HEALTH_PAUSE_MS);
	probe(&h, 0, &tcp, T0 + 10 + HEALTH_PAUSE_MS);
	CU_ASSERT_TRUE(h.way[0].plain);
	/* A path on which every SYN is sent twice is asked no more often than others. */
	for (unsigned i = 0; i < HEALTH_UNSURE; i++)
		probe(&h, 0, &unsure, T0 + 20000);
	probe(&h, 1, &good, T0 + 20000);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 20000), T0 + 20000 + HEALTH_IDLE_MS);
}

/* Such a connection is plain TCP, whatever the peer can: the next probe tells, and has no data in its SYN. */
static void test_syn_data_not_taken(void)
{
	const struct health_result untaken = { .plain = true, .syn_data = SYN_DATA_NO };
	const struct health_result without = { .plain_known = true, .rtt_us = 20000 };
	struct health h = two_up();
	unsigned tries = 0;

	/* SYNs get lost: it takes some in a row, soon after each other. */
	for (unsigned i = 0; i < HEALTH_SYN_DATA_LOST; i++) {
		CU_ASSERT_EQUAL(h.way[0].syn_data, SYN_DATA_YES);
		CU_ASSERT_TRUE(health_tries_syn_data(&h, 0));
		probe(&h, 0, &untaken, T0 + 10);
		CU_ASSERT_FALSE(h.way[0].plain);
		CU_ASSERT_EQUAL(next_of(&h, T0 + 10), T0 + 10 + HEALTH_PAUSE_MS);
	}
	CU_ASSERT_EQUAL(h.way[0].syn_data, SYN_DATA_NO);
	CU_ASSERT_FALSE(health_tries_syn_data(&h, 0));
	probe(&h, 0, &without, T0 + 10 + HEALTH_PAUSE_MS);
	CU_ASSERT_EQUAL(h.way[0].syn_data, SYN_DATA_NO);
	CU_ASSERT_FALSE(h.way[0].plain);
	/* It is tried again now and then: the other side may have changed. */
	for (unsigned i = 0; i < 2 * HEALTH_SYN_DATA_EACH; i++) {
		bool now = health_tries_syn_data(&h, 0);

		tries += now;
		probe(&h, 0, now ? &untaken : &without, T0 + 100000 * (i + 1));
	}
	CU_ASSERT_EQUAL(tries, 2);
	probe(&h, 0, &good, T0 + 10000000);
	CU_ASSERT_EQUAL(h.way[0].syn_data, SYN_DATA_YES);
	for (unsigned i = 0; i < 3 * HEALTH_SYN_DATA_LOST; i++)
		probe(&h, 0, i % HEALTH_SYN_DATA_LOST ? &untaken : &good, T0 + 20000000);
	CU_ASSERT_EQUAL(h.way[0].syn_data, SYN_DATA_YES);
}

static void test_put_off(void)
{
	struct health h = two_up();

	for (unsigned i = 0; i < HEALTH_PUT_OFF; i++)
		CU_ASSERT_TRUE(health_put_off(&h, 0, T0 + i));
	CU_ASSERT_EQUAL(h.way[0].state, HEALTH_UP);
	CU_ASSERT_FALSE(health_put_off(&h, 0, T0 + 9));
	probe(&h, 0, &good, T0 + 10);
	CU_ASSERT_TRUE(health_put_off(&h, 0, T0 + 11));
}

static void test_patience(void)
{
	struct health h = two_up();

	CU_ASSERT_EQUAL(health_patience(&h, 0, 5000), HEALTH_PATIENCE_MS);
	CU_ASSERT_EQUAL(health_patience(&h, 0, 1000), 1000);
	h.way[0].rtt_us = 900000; /* a satellite */
	CU_ASSERT_EQUAL(health_patience(&h, 0, 5000), 3600);
	h.way[0].state = HEALTH_DOWN;
	CU_ASSERT_EQUAL(health_patience(&h, 0, 5000), 3600);
	h.way[0].probes = 0; /* it may have become slow */
	CU_ASSERT_EQUAL(health_patience(&h, 0, 5000), 5000);
	health_set_ways(&h, v4_only, 1, paths + 1, 1, T0); /* the only one */
	CU_ASSERT_EQUAL(health_patience(&h, 0, 5000), 5000);
}

/* On a slow link probes are few, and given time: by what the last one took. */
static void test_slow(void)
{
	struct health_result slow = good;
	struct health h = two_up();

	/* Round trips are short: it waited for something else. */
	health_begin(&h, 0, T0 + 1000);
	health_end(&h, 0, &good, T0 + 5000);
	health_used(&h, T0 + 5000);
	probe(&h, 1, &good, T0 + 5000);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 5000), T0 + 5000 + HEALTH_BUSY_MS);
	h = two_up();
	slow.rtt_us = 1200000;
	health_begin(&h, 0, T0 + 1000);
	health_end(&h, 0, &slow, T0 + 5000);
	CU_ASSERT_EQUAL(health_patience(&h, 0, 5000), 4000 * HEALTH_TOOK);
	CU_ASSERT_EQUAL(health_slow_ms(&h), 4000 * HEALTH_TOOK);
	health_used(&h, T0 + 5000);
	probe(&h, 1, &good, T0 + 5000);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 5000), T0 + 5000 + HEALTH_SPARE_MS); /* the other is quick */
	probe(&h, 1, &good, T0 + 24000);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 24000), T0 + 5000 + 4000 * HEALTH_SHARE);
	/* What fails says nothing of how long it takes when it does not. */
	probe(&h, 0, &bad, T0 + 24500);
	health_set_ways(&h, v4_only, 1, paths, 1, T0);
	CU_ASSERT_EQUAL(health_patience(&h, 0, 5000), 4000 * HEALTH_TOOK);
	health_begin(&h, 0, T0);
	health_end(&h, 0, &slow, T0 + 50000);
	CU_ASSERT_EQUAL(health_patience(&h, 0, 5000), HEALTH_TOOK_MAX_MS);
}

static void test_syn_timeout(void)
{
	static const struct {
		uint32_t rtt_us, s;
	} cases[] = { { 0, 0 },	     { 20000, 0 },   { 500000, 0 },
		      { 600000, 2 }, { 2100000, 5 }, { 4000000000U, HEALTH_SYN_MAX_S } };
	struct health h = two_up();

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		CU_ASSERT_EQUAL(health_syn_timeout_s(cases[i].rtt_us), cases[i].s);
	h.way[0].rtt_us = 700;
	CU_ASSERT_EQUAL(health_path_rtt_us(&h, "wan0", false), 700);
	CU_ASSERT_EQUAL(health_path_rtt_us(&h, "wan1", false), good.rtt_us);
	CU_ASSERT_EQUAL(health_path_rtt_us(&h, "wan0", true), 0);
	probe(&h, 0, &bad, T0);
	CU_ASSERT_EQUAL(health_path_rtt_us(&h, "wan0", false), 0);
}

/* A converter that refuses is no peer now, but the path to it is good. */
static void test_refused(void)
{
	static const struct health_result refused = { .error = "it says: not authorized: it has another key",
						      .trouble = TROUBLE_KEY,
						      .answers = true };
	struct health h = two_up();

	probe(&h, 0, &refused, T0 + 1);
	probe(&h, 1, &bad, T0 + 1);
	CU_ASSERT_EQUAL(health_state(&h), HEALTH_DOWN);
	CU_ASSERT_EQUAL(h.way[0].trouble, TROUBLE_KEY);
	CU_ASSERT_EQUAL(health_of_path(&h, "wan0", false), HEALTH_UP);
	CU_ASSERT_EQUAL(health_of_path(&h, "wan1", false), HEALTH_DOWN);
	probe(&h, 0, &bad, T0 + 2);
	CU_ASSERT_EQUAL(h.way[0].trouble, TROUBLE_OTHER);
	CU_ASSERT_EQUAL(health_of_path(&h, "wan0", false), HEALTH_DOWN);
}

/* Where another can take over, a connection that waits and probes that are not answered are enough. */
static void test_silent(void)
{
	struct health h = two_up();
	uint64_t next;

	health_complain(&h, T0 + 1000);
	CU_ASSERT_FALSE(health_silent(&h, T0 + 5000, &next)); /* it has no stand-in */
	h = two_up();
	h.spare = true;
	CU_ASSERT_EQUAL(health_quick_ms(&h), HEALTH_QUICK_MS);
	h.way[0].rtt_us = 100000;
	CU_ASSERT_EQUAL(health_quick_ms(&h), 300);
	health_begin(&h, 0, T0 + 900);
	CU_ASSERT_FALSE(health_silent(&h, T0 + 1300, &next)); /* nobody has complained */
	health_complain(&h, T0 + 1300);
	CU_ASSERT_EQUAL(health_due(&h, T0 + 1300, &next), 1);
	CU_ASSERT_FALSE(health_silent(&h, T0 + 1300, &next)); /* the other way is not asked yet */
	CU_ASSERT_EQUAL(next, UINT64_MAX);
	health_begin(&h, 1, T0 + 1300);
	CU_ASSERT_FALSE(health_silent(&h, T0 + 1599, &next));
	CU_ASSERT_EQUAL(next, T0 + 1600);
	CU_ASSERT_TRUE(health_silent(&h, T0 + 1600, &next));
	/* An answer over either is one. */
	health_end(&h, 1, &good, T0 + 1700);
	CU_ASSERT_FALSE(health_silent(&h, T0 + 1700, &next));
	CU_ASSERT_FALSE(h.complained);
	/* A way that is down says nothing, and without any the peer is down and not silent. */
	health_end(&h, 0, &bad, T0 + 1800);
	health_complain(&h, T0 + 1900);
	health_begin(&h, 1, T0 + 1900);
	CU_ASSERT_TRUE(health_silent(&h, T0 + 2200, &next));
	health_end(&h, 1, &bad, T0 + 3900);
	CU_ASSERT_FALSE(health_silent(&h, T0 + 3900, &next));
}

/* Its probes hurry when they are asked for, and go on while others have its clients. */
static void test_spare(void)
{
	struct health h = two_up();
	uint64_t next;

	h.spare = true;
	health_suspect(&h, T0 + 10);
	CU_ASSERT_EQUAL(next_of(&h, T0 + 10), T0 + HEALTH_QUICK_MS);
	probe(&h, 0, &good, T0 + HEALTH_QUICK_MS);
	probe(&h, 1, &good, T0 + HEALTH_QUICK_MS);
	health_suspect(&h, T0 + 300); /* in vain so far */
	CU_ASSERT_EQUAL(next_of(&h, T0 + 300), T0 + HEALTH_QUICK_MS + HEALTH_PAUSE_MS / 2);
	for (unsigned i = 0; i < 10; i++) {
		probe(&h, 0, &bad, T0 + 1000);
		probe(&h, 1, &bad, T0 + 1000);
	}
	health_used(&h, T0 + 1000);
	CU_ASSERT_EQUAL(health_due(&h, T0 + 1000 + HEALTH_SPARE_MS, &next), 0);
	h.spare = false;
	CU_ASSERT_EQUAL(health_due(&h, T0 + 1000 + HEALTH_SPARE_MS, &next), -1);
}

int main(void)
{
	CU_TestInfo tests[] = { { "ways", test_ways },
				{ "refused", test_refused },
				{ "silent", test_silent },
				{ "with a stand-in", test_spare },
				{ "bound", test_bound },
				{ "what stays is kept", test_kept },
				{ "cadence", test_cadence },
				{ "one is dead while the peer is in use", test_dead_in_use },
				{ "backoff", test_backoff },
				{ "suspicion is no verdict", test_suspect },
				{ "suspicion of a path", test_suspect_path },
				{ "unsure", test_unsure },
				{ "SYN data is not taken", test_syn_data_not_taken },
				{ "put off", test_put_off },
				{ "patience", test_patience },
				{ "a slow link", test_slow },
				{ "when SYNs are said again", test_syn_timeout },
				CU_TEST_INFO_NULL };

	return cunit_run("health", tests, NULL, NULL) ? 0 : 1;
}
