// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/overflow.c
/* When paths are full, and when no more. */
#include <stdlib.h>
#include <string.h>

#include <mpgated/supervisor/overflow.h>

#include "cunit.h"

#define MBIT 125000ULL /* bytes a second */
#define DSL 1U
#define FIBRE 2U
#define LTE 4U

static struct overflow_path path[3];
static struct overflow_view view[3];
static struct overflow o;

static void start(unsigned dsl_down, unsigned fibre_down)
{
	memset(path, 0, sizeof(path));
	memset(&o, 0, sizeof(o));
	for (unsigned i = 0; i < 3; i++)
		view[i] = (struct overflow_view){ .well = true, .rtt_us = 20000 };
	view[0].mbit[OVERFLOW_DOWN] = dsl_down;
	view[1].mbit[OVERFLOW_DOWN] = fibre_down;
}

/* Passes seconds at those rates (Mbit/s down); how many until something changed, 0: it did not. */
static unsigned pass(unsigned seconds, uint64_t these, double dsl, double fibre, double lte)
{
	const double down[3] = { dsl, fibre, lte };

	for (unsigned s = 1; s <= seconds; s++) {
		for (unsigned i = 0; i < 3; i++) {
			view[i].rate[OVERFLOW_DOWN] = (uint64_t)(down[i] * (double)MBIT);
			overflow_look(&path[i], &view[i]);
		}
		if (overflow_step(&o, path, view, 3, these, LTE))
			return s;
	}
	return 0;
}

/* Of known capacity. */
static void test_configured(void)
{
	start(50, 0);
	CU_ASSERT_EQUAL(pass(100, DSL, 40, 0, 0), 0);
	CU_ASSERT_EQUAL(pass(2, DSL, 45, 0, 0), 0);
	CU_ASSERT_EQUAL(pass(1, DSL, 30, 0, 0), 0);
	CU_ASSERT_EQUAL(pass(100, DSL, 45, 0, 0), OVERFLOW_FULL_S);
	CU_ASSERT(o.full);
	/* What the other one has taken over would fill it again. */
	CU_ASSERT_EQUAL(pass(100, DSL, 20, 0, 20), 0);
	CU_ASSERT_EQUAL(pass(9, DSL, 10, 0, 20), 0);
	CU_ASSERT_EQUAL(pass(1, DSL, 30, 0, 20), 0);
	CU_ASSERT_EQUAL(pass(100, DSL, 14, 0, 20), OVERFLOW_FREE_S);
	CU_ASSERT(!o.full);
	/* Upwards alone, of which only that is known. */
	start(0, 0);
	view[0].mbit[OVERFLOW_UP] = 10;
	view[0].rate[OVERFLOW_UP] = 9 * MBIT;
	CU_ASSERT_EQUAL(pass(100, DSL, 1, 0, 0), OVERFLOW_FULL_S);
	CU_ASSERT_EQUAL(pass(100, DSL, 100, 0, 0), 0);
	view[0].rate[OVERFLOW_UP] = 1 * MBIT;
	CU_ASSERT_EQUAL(pass(100, DSL, 100, 0, 0), OVERFLOW_FREE_S);
}

/* All that are well have to be. */
static void test_several(void)
{
	start(50, 100);
	CU_ASSERT_EQUAL(pass(100, DSL | FIBRE, 50, 50, 0), 0);
	CU_ASSERT_EQUAL(pass(100, DSL | FIBRE, 50, 95, 0), OVERFLOW_FULL_S);
	CU_ASSERT_EQUAL(pass(100, DSL | FIBRE, 40, 65, 5), 0);
	CU_ASSERT_EQUAL(pass(100, DSL | FIBRE, 30, 60, 5), OVERFLOW_FREE_S);
	view[1].well = false;
	CU_ASSERT_EQUAL(pass(100, DSL | FIBRE, 50, 0, 0), OVERFLOW_FULL_S);
	/* None is: then they are not full, but dead. */
	start(50, 100);
	view[0].well = view[1].well = false;
	CU_ASSERT_EQUAL(pass(100, DSL | FIBRE, 50, 100, 0), 0);
	CU_ASSERT_EQUAL(pass(100, 0, 50, 100, 0), 0);
}

/* Of unknown capacity: a queue tells. */
static void test_measured(void)
{
	start(0, 0);
	CU_ASSERT_EQUAL(pass(100, DSL, 20, 0, 0), 0);
	/* A slow probe at rest, or at a rate far below others. */
	view[0].rtt_us = 90000;
	CU_ASSERT_EQUAL(pass(100, DSL, 0.5, 0, 0), 0);
	CU_ASSERT_EQUAL(pass(100, DSL, 13, 0, 0), 0);
	CU_ASSERT_EQUAL(pass(100, DSL, 19, 0, 0), OVERFLOW_FULL_S);
	CU_ASSERT_EQUAL(pass(100, DSL, 15, 0, 0), 0);
	CU_ASSERT_EQUAL(pass(100, DSL, 8, 0, 3), OVERFLOW_FREE_S);
	/* A little longer than ever is no queue. */
	start(0, 0);
	CU_ASSERT_EQUAL(pass(100, DSL, 1, 0, 0), 0);
	view[0].rtt_us = 48000;
	CU_ASSERT_EQUAL(pass(100, DSL, 20, 0, 0), 0);
	view[0].rtt_us = 52000;
	CU_ASSERT_EQUAL(pass(100, DSL, 20, 0, 0), OVERFLOW_FULL_S);
	/* What a path was once is forgotten. */
	start(0, 0);
	CU_ASSERT_EQUAL(pass(10, DSL, 80, 0, 0), 0);
	view[0].rtt_us = 90000;
	CU_ASSERT_EQUAL(pass(10, DSL, 30, 0, 0), 0);
	CU_ASSERT(pass(2 * OVERFLOW_MEMORY_S, DSL, 30, 0, 0) > 100);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "configured", test_configured },
		{ "several", test_several },
		{ "measured", test_measured },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("overflow", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
