// SPDX-License-Identifier: GPL-2.0-or-later
/* A subflow that is far beside another of its connection, and what it may hold. */
#include <mpgate/far.h>

#include "cunit.h"

#define MS 1000U
#define SECOND 1000000000ULL
#define NOW (1000 * SECOND)
#define SATELLITE 1U
#define LTE 2U
#define OTHER 3U

static struct far_nearest n;

static bool is_far(__u64 cookie, __u32 ms, __u64 seconds)
{
	return far_is(&n, cookie, ms * MS, NOW + seconds * SECOND);
}

static void begin(void)
{
	n = (struct far_nearest){ 0 };
}

static void test_alone(void)
{
	begin();
	CU_ASSERT_FALSE(is_far(SATELLITE, 600, 0));
	CU_ASSERT_FALSE(is_far(SATELLITE, 700, 1));
}

static void test_beside(void)
{
	static const struct {
		__u32 far, near; /* ms */
		bool is;
	} cases[] = {
		{ 600, 60, true },   { 200, 60, true }, { 199, 60, false }, { 600, 199, true },
		{ 600, 200, false }, { 600, 0, true },	{ 60, 600, false },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		is_far(LTE, cases[i].near, 0);
		CU_ASSERT_EQUAL(is_far(SATELLITE, cases[i].far, 0), cases[i].is);
	}
	/* Whichever is heard of first. */
	begin();
	CU_ASSERT_FALSE(is_far(SATELLITE, 600, 0));
	CU_ASSERT_FALSE(is_far(LTE, 60, 0));
	CU_ASSERT(is_far(SATELLITE, 600, 1));
}

static void test_near_is_gone(void)
{
	begin();
	CU_ASSERT_FALSE(is_far(LTE, 60, 0));
	for (unsigned i = 0; i < 5; i++)
		CU_ASSERT(is_far(SATELLITE, 600, i));
	CU_ASSERT_FALSE(is_far(SATELLITE, 600, 5));
	CU_ASSERT_FALSE(is_far(SATELLITE, 600, 6));
	/* It is back. */
	CU_ASSERT_FALSE(is_far(LTE, 60, 7));
	CU_ASSERT(is_far(SATELLITE, 600, 8));
}

static void test_near_lasts(void)
{
	begin();
	for (unsigned i = 0; i < 30; i += 3) {
		CU_ASSERT_FALSE(is_far(LTE, 60, i));
		CU_ASSERT(is_far(SATELLITE, 600, i + 1));
	}
	/* Nothing was sent for a while: what is near is heard of first. */
	CU_ASSERT_FALSE(is_far(LTE, 60, 100));
	CU_ASSERT(is_far(SATELLITE, 600, 101));
}

/* The kernel forgets the least round trip after minutes. */
static void test_near_is_farther(void)
{
	begin();
	CU_ASSERT_FALSE(is_far(LTE, 60, 0));
	CU_ASSERT(is_far(SATELLITE, 600, 1));
	CU_ASSERT_FALSE(is_far(LTE, 90, 4));
	CU_ASSERT(is_far(SATELLITE, 600, 8));
	CU_ASSERT_FALSE(is_far(LTE, 300, 9));
	CU_ASSERT_FALSE(is_far(SATELLITE, 600, 10));
	/* A third one is nearer. */
	CU_ASSERT_FALSE(is_far(OTHER, 20, 11));
	CU_ASSERT(is_far(LTE, 300, 12));
}

static void test_ahead(void)
{
	CU_ASSERT_EQUAL(far_ahead(0), 65536);
	CU_ASSERT_EQUAL(far_ahead(262144), 65536);
	CU_ASSERT_EQUAL(far_ahead(262148), 65537);
	CU_ASSERT_EQUAL(far_ahead(1250000), 312500);
}

int main(void)
{
	CU_TestInfo tests[] = { { "one alone is not far", test_alone },
				{ "one is far beside another", test_beside },
				{ "not when that is gone", test_near_is_gone },
				{ "it is while that is there", test_near_lasts },
				{ "what is near may become farther", test_near_is_farther },
				{ "what it may hold", test_ahead },
				CU_TEST_INFO_NULL };

	return cunit_run("far", tests, NULL, NULL) ? 0 : 1;
}
