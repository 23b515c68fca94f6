// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/watch.c
/* When a worker is hung, and how long it waits for its next start, by a clock that the test turns. */
#include <stdlib.h>

#include <mpgated/supervisor/watch.h>

#include "cunit.h"

#define WORDS_BEFORE_WRAP 3U

/* Ends after each of these lives, all as long: the delays before the next starts. */
static void lives(uint64_t ms, unsigned n, unsigned *delay)
{
	struct watch w = { 0 };
	uint64_t now = 5000;

	for (unsigned i = 0; i < n; i++) {
		watch_started(&w, now, 0);
		now += ms;
		delay[i] = watch_ended(&w, now);
		now += delay[i];
	}
}

static void test_first_end_costs_nothing(void)
{
	unsigned delay[1];

	lives(0, 1, delay);
	CU_ASSERT_EQUAL(delay[0], 0);
}

/* At once or after 6 s each: a loop of crashes gets slower and slower, up to a bound. */
static void test_crashes_slow_down(void)
{
	static const uint64_t life[] = { 0, 6000, WATCH_HEALTHY_MS - 1 };

	for (unsigned k = 0; k < sizeof(life) / sizeof(life[0]); k++) {
		unsigned delay[40];

		lives(life[k], 40, delay);
		CU_ASSERT_EQUAL(delay[1], WATCH_DELAY_MS);
		for (unsigned i = 2; i < 40; i++)
			CU_ASSERT(delay[i] == 2 * delay[i - 1] || delay[i] == WATCH_DELAY_MAX_MS);
		CU_ASSERT_EQUAL(delay[39], WATCH_DELAY_MAX_MS);
	}
}

static void test_health_forgives(void)
{
	struct watch w = { 0 };
	unsigned delay[10];

	lives(WATCH_HEALTHY_MS, 10, delay);
	for (unsigned i = 0; i < 10; i++)
		CU_ASSERT_EQUAL(delay[i], 0);
	for (unsigned i = 0; i < 5; i++)
		watch_ended(&w, 0);
	CU_ASSERT(watch_ended(&w, 1) > WATCH_DELAY_MS);
	watch_started(&w, 10, 0);
	CU_ASSERT_EQUAL(watch_ended(&w, 10 + WATCH_HEALTHY_MS), 0);
	watch_started(&w, 20 + WATCH_HEALTHY_MS, 0);
	CU_ASSERT_EQUAL(watch_ended(&w, 21 + WATCH_HEALTHY_MS), WATCH_DELAY_MS);
}

/* A worker that has answered `good` pings and then none: how many periods until each verdict. */
static void silent_after(unsigned good, uint32_t number, unsigned *silent, unsigned *hung, unsigned *dead)
{
	struct watch w = { 0 };
	enum watch_verdict v = WATCH_IS_WELL;
	uint64_t now = 1000;
	unsigned n = 0;

	*silent = *hung = 0;
	watch_started(&w, now, number);
	for (unsigned i = 0; i <= good; i++) {
		CU_ASSERT_EQUAL(watch_tick(&w, now += WATCH_PERIOD_MS, number), WATCH_IS_WELL);
		if (i < good)
			number = w.asked;
	}
	while (v != WATCH_IS_DEAD && n < 1000) {
		v = watch_tick(&w, now += WATCH_PERIOD_MS, number);
		n++;
		if (v == WATCH_IS_SILENT && !*silent)
			*silent = n;
		if (v == WATCH_IS_HUNG && !*hung)
			*hung = n;
	}
	*dead = n;
}

static void test_silence(void)
{
	/* The numbers of pings may wrap. */
	static const uint32_t number[] = { 0, UINT32_MAX - WORDS_BEFORE_WRAP };
	unsigned silent, hung, dead;

	for (unsigned k = 0; k < 2; k++)
		for (unsigned good = 1; good < 8; good++) {
			silent_after(good, number[k], &silent, &hung, &dead);
			CU_ASSERT_EQUAL(silent, WATCH_SILENT);
			CU_ASSERT_EQUAL(hung, WATCH_HUNG);
			CU_ASSERT_EQUAL(dead, WATCH_DEAD);
		}
	silent_after(0, 7, &silent, &hung, &dead);
	CU_ASSERT_EQUAL(silent, WATCH_START * WATCH_SILENT);
	CU_ASSERT_EQUAL(hung, WATCH_START * WATCH_HUNG);
	CU_ASSERT_EQUAL(dead, WATCH_START * WATCH_DEAD);
}

static void test_answer_in_time_counts(void)
{
	struct watch w = { 0 };
	uint32_t answered = 0;
	uint64_t now = 0;

	watch_started(&w, now, answered);
	for (unsigned i = 0; i < 100; i++) {
		CU_ASSERT(watch_tick(&w, now += WATCH_PERIOD_MS, answered) < WATCH_IS_HUNG);
		/* Each fourth only. */
		if (i % 4 == 0)
			answered = w.asked;
	}
}

/* The machine slept, or was so busy that we did not run ourselves: nobody is blamed for that. */
static void test_our_own_delay_is_not_held_against_it(void)
{
	struct watch w = { 0 };
	uint64_t now = 0;

	watch_started(&w, now, 0);
	watch_tick(&w, now += WATCH_PERIOD_MS, 0);
	watch_tick(&w, now += WATCH_PERIOD_MS, 1);
	for (unsigned i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(watch_tick(&w, now += 2 * WATCH_PERIOD_MS, 1), WATCH_IS_WELL);
	for (unsigned i = 1; i < WATCH_HUNG; i++)
		CU_ASSERT(watch_tick(&w, now += WATCH_PERIOD_MS, 1) < WATCH_IS_HUNG);
	CU_ASSERT_EQUAL(watch_tick(&w, now += WATCH_PERIOD_MS, 1), WATCH_IS_HUNG);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "the first end costs nothing", test_first_end_costs_nothing },
		{ "crashes slow down", test_crashes_slow_down },
		{ "a long life forgives", test_health_forgives },
		{ "silence, hung, dead", test_silence },
		{ "an answer in time counts", test_answer_in_time_counts },
		{ "our own delay is not held against it", test_our_own_delay_is_not_held_against_it },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("watch", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
