// SPDX-License-Identifier: GPL-2.0-or-later
/* Bytes by day: what a month is, what a wrong clock does, and the way to text and back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/usage.h>

#include "cunit.h"

static struct usage u;

/* Noon of a day. */
static time_t at(unsigned year, unsigned month, unsigned day)
{
	struct tm tm = { .tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day, .tm_hour = 12 };

	tm.tm_isdst = -1;
	return mktime(&tm);
}

static void test_month(void)
{
	static const struct {
		uint32_t day;
		unsigned reset;
		uint32_t begin, next;
	} cases[] = {
		{ 20261128, 1, 20261101, 20261201 },  { 20261128, 28, 20261128, 20261228 },
		{ 20261127, 28, 20261028, 20261128 }, { 20260101, 1, 20260101, 20260201 },
		{ 20260101, 15, 20251215, 20260115 }, { 20261231, 15, 20261215, 20270115 },
		{ 20280229, 28, 20280228, 20280328 }, { 20280301, 28, 20280228, 20280328 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CU_ASSERT_EQUAL(usage_month(cases[i].day, cases[i].reset), cases[i].begin);
		CU_ASSERT_EQUAL(usage_next_month(cases[i].day, cases[i].reset), cases[i].next);
	}
}

/* What a quota that begins on the first counts at that time, after so many bytes more. */
static uint64_t used(time_t now, uint64_t more)
{
	uint32_t today = usage_today(&u, now);

	CU_ASSERT_EQUAL(usage_add(&u, USAGE_PATH, "lte", today, more, 0), 0);
	return usage_since(&u, USAGE_PATH, "lte", usage_month(today, 1));
}

static void test_clock(void)
{
	/* At its first start ever a machine that does not know the time. */
	CU_ASSERT_EQUAL(used(100, 1), 1);
	CU_ASSERT_EQUAL(used(at(2026, 11, 28), 2), 3);
	CU_ASSERT_EQUAL(used(at(2026, 11, 30), 4), 7);
	/* After a reboot again: it is no other month. */
	CU_ASSERT_EQUAL(used(200, 8), 15);
	CU_ASSERT_EQUAL(u.last, 20261130);
	CU_ASSERT_EQUAL(used(at(2026, 12, 1), 16), 16);
	CU_ASSERT_EQUAL(used(300, 32), 48);
	/* Far ahead, and right again: when that has lasted a day nothing is lost, and nothing is stuck. */
	CU_ASSERT_EQUAL(used(at(2099, 5, 5), 64), 64);
	CU_ASSERT_EQUAL(used(at(2026, 12, 2), 128), 64 + 128);
	CU_ASSERT_EQUAL(used(at(2026, 12, 3), 256), 16 + 32 + 64 + 128 + 256);
	CU_ASSERT_EQUAL(used(at(2027, 1, 1), 1), 1);
	/* Back into the month before, for an hour. */
	CU_ASSERT_EQUAL(used(at(2026, 12, 31), 1), 2);
	CU_ASSERT_EQUAL(used(at(2027, 1, 1), 1), 3);
	/* A machine whose clock begins where it was last written down, with each start: the month goes on. */
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(used(at(2026, 2, 3), 1), 4 + 2 * i);
		CU_ASSERT_EQUAL(used(at(2027, 1, 2), 1), 5 + 2 * i);
	}
	usage_free(&u);
}

static void test_bounds(void)
{
	char name[USAGE_NAME];

	for (unsigned i = 0; i < 3 * USAGE_DAYS; i++)
		usage_add(&u, USAGE_PATH, "a", 20260101 + i / 28 * 100 + i % 28, 1, 0);
	CU_ASSERT_EQUAL(u.items[0].count, USAGE_DAYS);
	CU_ASSERT_EQUAL(usage_since(&u, USAGE_PATH, "a", 20260101), USAGE_DAYS);
	CU_ASSERT_EQUAL(u.items[0].day[USAGE_DAYS - 1].day, 20260421);
	/* What is older than all is not lost. */
	usage_add(&u, USAGE_PATH, "a", 20250101, 1, 0);
	CU_ASSERT_EQUAL(usage_since(&u, USAGE_PATH, "a", 20260101), USAGE_DAYS + 1);
	for (unsigned i = 0; i < USAGE_NAMES; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		usage_add(&u, USAGE_RULE, name, 20260501 + (i == 7 ? 0 : 1), 1, 1);
	}
	CU_ASSERT_EQUAL(u.count, USAGE_NAMES);
	CU_ASSERT_PTR_NULL(usage_find(&u, USAGE_PATH, "a"));
	usage_add(&u, USAGE_RULE, "more", 20260502, 1, 1);
	CU_ASSERT_PTR_NULL(usage_find(&u, USAGE_RULE, "r7"));
	CU_ASSERT_PTR_NOT_NULL(usage_find(&u, USAGE_RULE, "r8"));
	usage_free(&u);
}

static void test_text(void)
{
	static const char *const broken[] = {
		"",
		"mpgate usage 2\nend\n",
		"mpgate usage 1\n",
		"mpgate usage 1\nend",
		"mpgate usage 1\nend\nlast 20260101\n",
		"mpgate usage 1\nlast 20261301\nend\n",
		"mpgate usage 1\nlast 1 2\nend\n",
		"mpgate usage 1\npath a 20260101 1\nend\n",
		"mpgate usage 1\npath a 20260101 1 2 3\nend\n",
		"mpgate usage 1\npath a 20260132 1 2\nend\n",
		"mpgate usage 1\npath a 20260101 1 9223372036854775808\nend\n",
		"mpgate usage 1\nbill a 20260101 1 2\nend\n",
		"mpgate usage 1\npath aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 20260101 1 2\nend\n",
	};
	struct usage other = { 0 };
	char *text, *again;
	size_t len;

	u.last = 20261128;
	strcpy(u.boot, "0c1d7a3e-2b9f-4b7e-8f0a-1234567890ab");
	u.counter[u.counters++] = (struct usage_counter){ "wwan0", 7, UINT64_MAX, 5 };
	usage_add(&u, USAGE_PATH, "lte", 20261127, 1ULL << 60, 7);
	usage_add(&u, USAGE_PATH, "lte", 20261128, 3, 4);
	usage_add(&u, USAGE_RULE, "web", 20261128, 5, 6);
	text = usage_print(&u, &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(usage_parse(&other, text), 0);
	again = usage_print(&other, &len);
	CU_ASSERT_STRING_EQUAL(text, again);
	CU_ASSERT_EQUAL(other.counter[0].rx, UINT64_MAX);
	CU_ASSERT_EQUAL(usage_since(&other, USAGE_PATH, "lte", 20261128), 7);
	for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		CU_ASSERT_EQUAL(usage_parse(&other, broken[i]), -EPROTO);
	/* Cut off anywhere; what there was stays. */
	for (size_t i = 0; i < len; i++) {
		text[len - 1 - i] = '\0';
		CU_ASSERT_EQUAL(usage_parse(&other, text), -EPROTO);
	}
	CU_ASSERT_EQUAL(usage_since(&other, USAGE_PATH, "lte", 20261128), 7);
	free(text);
	free(again);
	usage_free(&other);
	usage_free(&u);
}

/* Of an interface, as it counts. */
static void test_counters(void)
{
	static const struct {
		struct usage_counter now;
		uint64_t up, down;
	} steps[] = {
		{ { .ifindex = 7, .rx = 5000, .tx = 900 }, 0, 0 }, /* of before our time */
		{ { .ifindex = 7, .rx = 5100, .tx = 950 }, 50, 100 },
		{ { .ifindex = 7, .rx = 5100, .tx = 950 }, 0, 0 },
		{ { .ifindex = 7, .rx = 40, .tx = 960 }, 10, 40 }, /* one wraps around */
		{ { .ifindex = 7, .rx = 50, .tx = 2 }, 2, 10 },
		{ { .ifindex = 9, .rx = 60, .tx = 70 }, 70, 60 }, /* another one */
	};
	uint64_t up, down;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		usage_count(&u, "wwan0", &steps[i].now, &up, &down);
		CU_ASSERT_EQUAL(up, steps[i].up);
		CU_ASSERT_EQUAL(down, steps[i].down);
	}
	usage_free(&u);
}

/* Reloads may name ever more of them: what is in use goes on being counted, and so is what is new. */
static void test_many_counters(void)
{
	struct usage_counter now = { .ifindex = 7, .rx = 5, .tx = 5 };
	uint64_t up, down;
	char name[16], *text;
	size_t len;

	for (unsigned i = 0; i <= 2 * USAGE_COUNTERS; i++) {
		now.rx = 10 + i;
		usage_count(&u, "wwan0", &now, &up, &down);
		CU_ASSERT_EQUAL(down, i ? 1 : 0);
		snprintf(name, sizeof(name), "eth%u", i);
		usage_count(&u, name, &now, &up, &down);
		CU_ASSERT(!up && !down);
		now.tx++;
		usage_count(&u, name, &now, &up, &down);
		CU_ASSERT(up == 1 && !down);
		now.tx--;
	}
	CU_ASSERT_EQUAL(u.counters, USAGE_COUNTERS);
	/* Also over a restart: which one goes is as before. */
	text = usage_print(&u, &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(usage_parse(&u, text), 0);
	free(text);
	usage_count(&u, "new", &now, &up, &down);
	now.tx += 3;
	usage_count(&u, "wwan0", &now, &up, &down);
	CU_ASSERT_EQUAL(up, 3);
	usage_free(&u);
}

/* What was told, however much, can be read again. */
static void test_most(void)
{
	struct usage other = { 0 };
	char *text;
	size_t len;

	u.last = 20261128;
	for (unsigned i = 0; i < 3; i++)
		usage_add(&u, USAGE_RULE, "web", 20261128, INT64_MAX - 1, UINT64_MAX);
	text = usage_print(&u, &len);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL(usage_parse(&other, text), 0);
	CU_ASSERT_EQUAL(usage_find(&other, USAGE_RULE, "web")->day[0].up, INT64_MAX);
	CU_ASSERT_EQUAL(usage_find(&other, USAGE_RULE, "web")->day[0].down, INT64_MAX);
	free(text);
	usage_free(&other);
	usage_free(&u);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "months", test_month },
		{ "clocks", test_clock },
		{ "bounds", test_bounds },
		{ "counters", test_counters },
		{ "more counters than there is room for", test_many_counters },
		{ "more than there is", test_most },
		{ "text and back", test_text },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("usage", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
