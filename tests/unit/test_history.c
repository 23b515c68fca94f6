// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/answers/history.c
/* What the history keeps of each path, and of failures: what is new, what is over, what makes room. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mpgated/answers/history.h>

#include "cunit.h"

static void put(struct history_path *p, uint64_t period, uint32_t up)
{
	const struct history_sample s = { .rate = { up }, .state = HISTORY_UP };

	history_put(p, period, &s);
}

static void samples_in_order(void)
{
	struct history_path p = { 0 };

	CU_ASSERT_EQUAL_FATAL(history_path_open(&p), 0);
	CU_ASSERT_EQUAL(p.count, 0);
	put(&p, 1000, 1);
	put(&p, 1001, 2);
	CU_ASSERT_EQUAL(p.count, 2);
	CU_ASSERT_EQUAL(history_get(&p, 0)->rate[0], 1);
	CU_ASSERT_EQUAL(history_get(&p, 1)->rate[0], 2);
	/* Two periods in which nobody looked. */
	put(&p, 1004, 3);
	CU_ASSERT_EQUAL(p.count, 5);
	CU_ASSERT_EQUAL(history_get(&p, 2)->state, HISTORY_NONE);
	CU_ASSERT_EQUAL(history_get(&p, 3)->state, HISTORY_NONE);
	CU_ASSERT_EQUAL(history_get(&p, 4)->rate[0], 3);
	/* One that is not new. */
	put(&p, 1004, 9);
	put(&p, 1000, 9);
	CU_ASSERT_EQUAL(p.count, 5);
	CU_ASSERT_EQUAL(history_get(&p, 4)->rate[0], 3);
	history_path_free(&p);
	CU_ASSERT_PTR_NULL(p.ring);
}

static void an_hour_at_most(void)
{
	struct history_path p = { 0 };

	CU_ASSERT_EQUAL_FATAL(history_path_open(&p), 0);
	for (unsigned i = 0; i < HISTORY_SAMPLES + 7; i++)
		put(&p, 50 + i, i);
	CU_ASSERT_EQUAL(p.count, HISTORY_SAMPLES);
	CU_ASSERT_EQUAL(history_get(&p, 0)->rate[0], 7);
	CU_ASSERT_EQUAL(history_get(&p, HISTORY_SAMPLES - 1)->rate[0], HISTORY_SAMPLES + 6);
	/* The machine slept for longer. */
	put(&p, 10000, 5);
	CU_ASSERT_EQUAL(p.count, HISTORY_SAMPLES);
	for (unsigned i = 0; i < HISTORY_SAMPLES - 1; i++)
		CU_ASSERT_EQUAL(history_get(&p, i)->state, HISTORY_NONE);
	CU_ASSERT_EQUAL(history_get(&p, HISTORY_SAMPLES - 1)->rate[0], 5);
	history_path_free(&p);
}

/* A look at which these paths are down. */
static void look(struct history_failures *f, const char *const *down, uint64_t now)
{
	history_look_begin(f);
	for (; *down; down++)
		history_failing(f, HISTORY_PATH, *down, "wan0", "down", "link down", "b", now);
	history_look_end(f, now);
}

#define LOOK(f, now, ...) look(f, (const char *const[]){ __VA_ARGS__ }, now)

static void failures_begin_and_end(void)
{
	static struct history_failures f;

	memset(&f, 0, sizeof(f));
	LOOK(&f, 1000, NULL);
	CU_ASSERT_EQUAL(f.count, 0);
	LOOK(&f, 2000, "a", NULL);
	LOOK(&f, 3000, "a", "b", NULL);
	CU_ASSERT_EQUAL_FATAL(f.count, 2);
	CU_ASSERT_STRING_EQUAL(f.list[0].name, "a");
	CU_ASSERT_STRING_EQUAL(f.list[0].why, "link down");
	CU_ASSERT_EQUAL(f.list[0].began, 2000);
	CU_ASSERT_EQUAL(f.list[0].ended, 0);
	LOOK(&f, 4000, "b", NULL);
	CU_ASSERT_EQUAL(f.list[0].ended, 4000);
	CU_ASSERT_EQUAL(f.list[1].ended, 0);
	/* Once more: it is another one. */
	LOOK(&f, 5000, "a", "b", NULL);
	CU_ASSERT_EQUAL_FATAL(f.count, 3);
	CU_ASSERT_EQUAL(f.list[0].ended, 4000);
	CU_ASSERT_EQUAL(f.list[2].began, 5000);
	LOOK(&f, 6000, NULL);
	CU_ASSERT_EQUAL(f.list[1].ended, 6000);
	CU_ASSERT_EQUAL(f.list[2].ended, 6000);
}

/* Another state, kind or link of one name is another failure; the reason stays that of its begin. */
static void failures_are_told_apart(void)
{
	static struct history_failures f;

	memset(&f, 0, sizeof(f));
	history_look_begin(&f);
	history_failing(&f, HISTORY_PATH, "a", "wan0", "down", "one", "x", 1);
	history_failing(&f, HISTORY_PATH, "a", "wan1", "down", "two", "", 1);
	history_failing(&f, HISTORY_PEER, "a", "", "down", "three", "", 1);
	history_failing(&f, HISTORY_PATH, "a", "wan0", "down", "four", "y", 1);
	history_look_end(&f, 1);
	CU_ASSERT_EQUAL_FATAL(f.count, 3);
	CU_ASSERT_STRING_EQUAL(f.list[0].why, "one");
	CU_ASSERT_STRING_EQUAL(f.list[0].to, "x");
	history_look_begin(&f);
	history_failing(&f, HISTORY_PATH, "a", "wan0", "backup", "slow", "", 9);
	history_look_end(&f, 9);
	CU_ASSERT_EQUAL_FATAL(f.count, 4);
	CU_ASSERT_EQUAL(f.list[0].ended, 9);
	CU_ASSERT_STRING_EQUAL(f.list[3].state, "backup");
}

static void failing_all(struct history_failures *f, unsigned from, unsigned to, uint64_t now)
{
	char name[HISTORY_NAME];

	history_look_begin(f);
	for (unsigned i = from; i < to; i++) {
		snprintf(name, sizeof(name), "%u", i);
		history_failing(f, HISTORY_PEER, name, "", "down", "no answer", "", now);
	}
	history_look_end(f, now);
}

/* The oldest that is over makes room, and while all last there is none. */
static void failures_are_bounded(void)
{
	static struct history_failures f;

	memset(&f, 0, sizeof(f));
	failing_all(&f, 0, 1000, 1);
	CU_ASSERT_EQUAL(f.count, HISTORY_FAILURES);
	CU_ASSERT_STRING_EQUAL(f.list[0].name, "0");
	/* 10 and 11 are over, and two that had no room come in. */
	history_look_begin(&f);
	for (unsigned i = 0; i < HISTORY_FAILURES; i++)
		if (i != 10 && i != 11)
			f.list[i].seen = true;
	history_look_end(&f, 2);
	history_look_begin(&f);
	for (unsigned i = 0; i < HISTORY_FAILURES; i++)
		f.list[i].seen = true;
	for (unsigned i = 100; i < 103; i++)
		history_failing(&f, HISTORY_PATH, "late", "wan0",
				i == 100   ? "down"
				: i == 101 ? "backup"
					   : "primary",
				"", "", 3);
	history_look_end(&f, 3);
	CU_ASSERT_EQUAL(f.count, HISTORY_FAILURES);
	CU_ASSERT_STRING_EQUAL(f.list[9].name, "9");
	CU_ASSERT_STRING_EQUAL(f.list[10].name, "12");
	CU_ASSERT_STRING_EQUAL(f.list[HISTORY_FAILURES - 2].state, "down");
	CU_ASSERT_STRING_EQUAL(f.list[HISTORY_FAILURES - 1].state, "backup");
	for (unsigned i = 0; i < HISTORY_FAILURES; i++)
		CU_ASSERT_EQUAL(f.list[i].ended, 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "samples_in_order", samples_in_order },
		{ "an_hour_at_most", an_hour_at_most },
		{ "failures_begin_and_end", failures_begin_and_end },
		{ "failures_are_told_apart", failures_are_told_apart },
		{ "failures_are_bounded", failures_are_bounded },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("history", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
