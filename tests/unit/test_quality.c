// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/quality.c user/mpgated/supervisor/order.c
/* Which paths are made backups, and when they come back, by samples of two paths as they would be at those speeds. */
#include <stdlib.h>
#include <string.h>

#include <mpgated/supervisor/quality.h>

#include "cunit.h"

#define SPAN 250U /* ms */
#define T0 1000000ULL
#define A (q.link[0])
#define B (q.link[1])

static struct quality q;
static struct quality_view v[2];
static uint64_t now;

/* Two paths that have carried nothing yet; 20 ms without a queue. */
static void start(void)
{
	memset(&q, 0, sizeof(q));
	now = T0;
	for (unsigned i = 0; i < 2; i++)
		v[i] = (struct quality_view){ .link = { 'w', 'a', 'n', (char)('0' + i) },
					      .candidate = true,
					      .sample = { .span_ms = SPAN, .min_rtt_us = 20000 } };
}

static void carries(unsigned i, double mbit, uint32_t rtt_ms)
{
	struct paths_sample *m = &v[i].sample;

	m->span_sent = (uint32_t)(mbit * 1e6 / 8 * SPAN / 1000);
	m->span_bonded = m->span_sent;
	m->span_segs = m->span_sent / 1448;
	m->rtt_us = rtt_ms * 1000;
	m->span_retrans = 0;
}

static void loses(unsigned i, unsigned percent)
{
	v[i].sample.span_retrans = v[i].sample.span_segs * percent / 100;
}

static void pass(unsigned ms)
{
	for (unsigned i = 0; i < ms / SPAN; i++) {
		now += SPAN;
		quality_step(&q, v, 2, now);
	}
}

/* 40 + 2 Mbit/s: B keeps A from working while it is in use. */
static void unequal(unsigned ms)
{
	for (unsigned i = 0; i < ms / SPAN; i++) {
		bool with = !quality_demoted(&B);

		carries(0, with ? 8 : 38, with ? 25 : 40);
		carries(1, with ? 2 : 0, with ? 120 : 0);
		pass(SPAN);
	}
}

static void test_unequal(void)
{
	start();
	unequal(2500);
	CU_ASSERT_EQUAL(B.state, QUALITY_PROOF);
	CU_ASSERT_PTR_NOT_NULL(strstr(B.why, "round trip 120 ms"));
	unequal(3000);
	CU_ASSERT_EQUAL(B.state, QUALITY_BACKUP);
	CU_ASSERT_FALSE(quality_demoted(&A));
}

/* It is tried again, ever more rarely, and briefly. */
static void test_trials(void)
{
	unsigned with[2] = { 0 };

	start();
	unequal(6000);
	for (unsigned half = 0; half < 2; half++)
		for (unsigned i = 0; i < 4 * 300; i++) {
			unequal(SPAN);
			with[half] += !quality_demoted(&B);
		}
	CU_ASSERT(with[0] > 0 && with[0] * SPAN < 12000);
	CU_ASSERT(with[1] > 0 && with[1] * SPAN < 6000);
}

/* The slower link has become as good as the other one. */
static void test_better(void)
{
	start();
	unequal(6000);
	for (unsigned i = 0; i < 4 * 26; i++) {
		carries(0, 38, 40);
		carries(1, quality_demoted(&B) ? 0 : 38, 40);
		pass(SPAN);
	}
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	for (unsigned i = 0; i < 4 * 60; i++) {
		pass(SPAN);
		CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	}
}

/* As much as its looks are against it: something is lost without it, so it stays, and is left alone for a minute. */
static void test_acquitted(void)
{
	unsigned without = 0;

	start();
	for (unsigned i = 0; i < 4 * 60; i++) {
		carries(0, 18, 30);
		carries(1, quality_demoted(&B) ? 0 : 18, 150);
		pass(SPAN);
		without += quality_demoted(&B);
	}
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	CU_ASSERT(without > 0 && without * SPAN <= 3500);
}

/* Nothing to find out: neither has a queue or loss; both are alike; there is no other. */
static void test_left_alone(void)
{
	start();
	carries(0, 30, 20);
	carries(1, 1, 21);
	pass(20000);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	start();
	carries(0, 37, 190);
	carries(1, 1.8, 145); /* what it brings is there sooner, queue and all */
	pass(20000);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	start();
	carries(0, 37, 150);
	carries(1, 1.8, 120);
	pass(3000);
	carries(0, 31, 45);
	carries(1, 1.4, 150); /* the next transfer begins, and it is not yet paced */
	pass(1250);
	carries(0, 37, 150);
	carries(1, 1.8, 50);
	pass(20000);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	start();
	carries(0, 3, 120);
	carries(1, 0.01, 20); /* probes */
	pass(20000);
	CU_ASSERT_EQUAL(A.state, QUALITY_GOOD);
	start();
	carries(0, 18, 320);
	carries(1, 18, 350);
	loses(0, 2);
	loses(1, 2);
	pass(20000);
	CU_ASSERT_EQUAL(A.state, QUALITY_GOOD);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	start();
	v[0].candidate = false;
	carries(1, 1, 900);
	loses(1, 50);
	pass(20000);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
}

/* The transfer ends in the middle of a test. */
static void test_ends(void)
{
	start();
	for (unsigned i = 0; i < 5; i++) {
		unequal(2500);
		CU_ASSERT_EQUAL(B.state, QUALITY_PROOF);
		carries(0, 0, 0);
		carries(1, 0, 0);
		pass(500);
		CU_ASSERT_EQUAL(B.state, QUALITY_PROOF);
		/* It is not coming back: nothing was proven, and the next test is no later for it. */
		pass(500);
		CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
		pass(10000);
	}
	/* Short ones are never the reason for a test. */
	start();
	for (unsigned i = 0; i < 20; i++) {
		unequal(1500);
		CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
		carries(0, 0, 0);
		carries(1, 0, 0);
		pass(500);
	}
	/* No trial without one, either. */
	start();
	unequal(6000);
	carries(0, 0, 0);
	carries(1, 0, 0);
	pass(600000);
	CU_ASSERT_EQUAL(B.state, QUALITY_BACKUP);
}

/* The good path goes: what it would be tested against is gone. */
static void test_other_gone(void)
{
	start();
	unequal(2500);
	v[0].candidate = false;
	pass(SPAN);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	CU_ASSERT_EQUAL(q.tested, 0);
}

static void test_lossy(void)
{
	start();
	for (unsigned round = 0; round < 2; round++) {
		carries(0, 0.4, 21);
		carries(1, 0.4, 22);
		loses(1, 15);
		pass(4000);
		CU_ASSERT_EQUAL(B.state, QUALITY_BACKUP);
		CU_ASSERT_PTR_NOT_NULL(strstr(B.why, "lossy: "));
		carries(1, 0, 22);
		pass(6000 + 10000 * round);
		CU_ASSERT_EQUAL(B.state, QUALITY_BACKUP);
		pass(5000);
		CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	}
	/* A transfer: what it brings counts. */
	start();
	carries(0, 18, 30);
	carries(1, 18, 30);
	loses(1, 15);
	pass(8000);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	/* Both are: neither is better. */
	start();
	carries(0, 0.4, 21);
	carries(1, 0.4, 21);
	loses(0, 15);
	loses(1, 15);
	pass(8000);
	CU_ASSERT_EQUAL(A.state, QUALITY_GOOD);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
}

/* A look after five quiet seconds: a transfer has begun just before, and the other path has joined it. */
static void test_long_span(void)
{
	start();
	carries(0, 38, 120);
	carries(1, 0.2, 120);
	for (unsigned i = 0; i < 2; i++)
		v[i].sample.span_ms = 5000;
	v[0].sample.span_bonded = 1500000;
	now += 5000;
	quality_step(&q, v, 2, now);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	for (unsigned i = 0; i < 2; i++)
		v[i].sample.span_ms = SPAN;
	carries(0, 20, 120);
	carries(1, 38, 60);
	pass(10000);
	CU_ASSERT_EQUAL(A.state, QUALITY_GOOD);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	/* So is a queue that probes have seen once. */
	start();
	carries(0, 0.1, 21);
	v[0].probe_us = v[1].probe_us = 21000;
	pass(1000);
	v[1].probe_us = 900000;
	for (unsigned i = 0; i < 2; i++)
		v[i].sample.span_ms = 5000;
	now += 5000;
	quality_step(&q, v, 2, now);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	now += 5000;
	quality_step(&q, v, 2, now);
	CU_ASSERT_EQUAL(B.state, QUALITY_BACKUP);
}

/* The fast one of two has a long queue, and the slow one, which is paced, has none. */
static void test_paced(void)
{
	start();
	for (unsigned i = 0; i < 4 * 30; i++) {
		carries(0, 38, 190);
		carries(1, 2, 24);
		pass(SPAN);
		CU_ASSERT_EQUAL(A.state, QUALITY_GOOD);
	}
}

/* Others fill a queue that is far too long; the probes see it, and that it is gone. */
static void test_bloated(void)
{
	start();
	carries(0, 0.1, 21);
	v[0].probe_us = v[1].probe_us = 21000;
	pass(1000);
	v[1].probe_us = 900000;
	pass(2500);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	pass(1000);
	CU_ASSERT_EQUAL(B.state, QUALITY_BACKUP);
	CU_ASSERT_PTR_NOT_NULL(strstr(B.why, "bloated: "));
	pass(60000);
	CU_ASSERT_EQUAL(B.state, QUALITY_BACKUP);
	v[1].probe_us = 30000;
	pass(SPAN);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	/* A queue of the usual kind, and one that all have. */
	start();
	v[0].probe_us = v[1].probe_us = 21000;
	pass(1000);
	v[1].probe_us = 400000;
	pass(10000);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	v[0].probe_us = v[1].probe_us = 900000;
	pass(10000);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	/* 2.4 kbit/s: four packets are a queue of 17 s, beside a link at rest. */
	start();
	v[0].sample.min_rtt_us = v[1].sample.min_rtt_us = v[0].probe_us = v[1].probe_us = 2600000;
	pass(1000);
	v[1].probe_us = 19700000;
	pass(60000);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
	v[1].probe_us = 60000000;
	pass(10000);
	CU_ASSERT_EQUAL(B.state, QUALITY_BACKUP);
}

/* A reload: the same paths in another order. */
/* Over which of them connections are to begin. A's figures are for a path with plenty of room. */
static void test_slow(void)
{
	start();
	for (unsigned i = 0; i < 8; i++) {
		carries(0, 38, 25);
		carries(1, 2, i % 4 ? 20 : 29); /* paced: no queue to speak of */
		pass(1000);
	}
	CU_ASSERT_FALSE(quality_is_later(&B)); /* nothing says that it could not bring more */
	for (unsigned i = 0; i < 8; i++) {
		carries(0, 38, 25);
		carries(1, 2, i % 4 ? 20 : 31); /* it fills up now and then */
		pass(SPAN);
	}
	CU_ASSERT_TRUE(quality_is_later(&B));
	CU_ASSERT_FALSE(quality_is_later(&A));
	/* An application that needs no more says nothing; nor does rest. */
	carries(0, 2, 20);
	carries(1, 2, 20);
	pass(5000);
	CU_ASSERT_TRUE(quality_is_later(&B));
	carries(0, 0, 0);
	carries(1, 0, 0);
	pass(60000);
	CU_ASSERT_TRUE(quality_is_later(&B));
	carries(0, 30, 25);
	carries(1, 18, 25);
	pass(5000);
	CU_ASSERT_FALSE(quality_is_later(&B));
}

/* What was found out is of that path: away and back, it is another. */
static void test_slow_gone(void)
{
	start();
	for (unsigned i = 0; i < 16; i++) {
		carries(0, 38, 25);
		carries(1, 2, i % 4 ? 20 : 31);
		pass(SPAN);
	}
	CU_ASSERT_TRUE(quality_is_later(&B));
	v[1].candidate = false;
	pass(1000);
	v[1].candidate = true;
	pass(SPAN);
	CU_ASSERT_FALSE(quality_is_later(&B));
}

/* A path that was a backup carries little at first, after its trickle of then. */
static void test_rises(void)
{
	start();
	v[1].candidate = false;
	for (unsigned i = 0; i < 12; i++) {
		carries(0, 20, 25);
		carries(1, 0.1, 31);
		pass(SPAN);
	}
	v[1].candidate = true;
	pass(2000);
	CU_ASSERT_FALSE(quality_is_later(&B));
	carries(1, 18, 31);
	pass(4000);
	CU_ASSERT_FALSE(quality_is_later(&B));
}

static void test_far(void)
{
	start();
	v[1].sample.min_rtt_us = 560000;
	pass(SPAN);
	CU_ASSERT_FALSE(quality_is_later(&B)); /* the first ones may have waited */
	pass(SPAN);
	CU_ASSERT_TRUE(quality_is_later(&B));
	CU_ASSERT_FALSE(quality_is_later(&A));
	/* Back in the middle of a transfer, with all of its queue. */
	start();
	v[1].sample.min_rtt_us = 560000;
	for (unsigned i = 0; i < 12; i++) {
		carries(0, 20, 25);
		carries(1, 20, 560);
		pass(SPAN);
	}
	CU_ASSERT_FALSE(quality_is_later(&B));
	/* In the beginning it brings little, however much it can, and fills a queue with that. */
	start();
	v[1].sample.min_rtt_us = 500000;
	carries(0, 18, 70);
	carries(1, 1, 560);
	pass(4500);
	CU_ASSERT_FALSE(quality_demoted(&B));
	pass(2000);
	CU_ASSERT_TRUE(quality_demoted(&B));
	start();
	v[1].sample.min_rtt_us = 110000; /* five times, but who notices */
	pass(4 * SPAN);
	CU_ASSERT_FALSE(quality_is_later(&B));
	start();
	v[0].sample.min_rtt_us = 200000;
	v[1].sample.min_rtt_us = 350000; /* not even twice */
	pass(4 * SPAN);
	CU_ASSERT_FALSE(quality_is_later(&B));
}

static void test_reload(void)
{
	struct quality_view other;

	start();
	unequal(6000);
	other = v[0];
	v[0] = v[1];
	v[1] = other;
	quality_step(&q, v, 2, now);
	CU_ASSERT_EQUAL(A.state, QUALITY_BACKUP);
	CU_ASSERT_EQUAL(B.state, QUALITY_GOOD);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "unequal paths", test_unequal },
		{ "trials are rare", test_trials },
		{ "a path that has become better", test_better },
		{ "a path that is needed after all", test_acquitted },
		{ "paths that are left alone", test_left_alone },
		{ "a transfer that ends", test_ends },
		{ "a test without another path", test_other_gone },
		{ "loss", test_lossy },
		{ "a slow path that is paced", test_paced },
		{ "queues", test_bloated },
		{ "looks that are rare", test_long_span },
		{ "a path that is slow is no place to begin", test_slow },
		{ "it is another one when it comes back", test_slow_gone },
		{ "a path that was a backup", test_rises },
		{ "a path that is far", test_far },
		{ "another configuration", test_reload },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("quality", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
