// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/health.c
/* Which of the ways to a peer is taken. */
#include "health_script.h"

static void test_choice(void)
{
	struct health h = two_up();

	CU_ASSERT_EQUAL(health_first(&h), 0);
	probe(&h, 0, &bad, T0 + 1);
	CU_ASSERT_EQUAL(health_first(&h), 1);
	CU_ASSERT_EQUAL(health_state(&h), HEALTH_UP);
	CU_ASSERT_EQUAL(health_of_path(&h, "wan0", false), HEALTH_DOWN);
	CU_ASSERT_EQUAL(health_of_path(&h, "wan0", true), HEALTH_UNKNOWN);
	probe(&h, 1, &bad, T0 + 2);
	CU_ASSERT_EQUAL(health_first(&h), -1);
	CU_ASSERT_EQUAL(health_state(&h), HEALTH_DOWN);
	probe(&h, 0, &tcp, T0 + 3); /* plain TCP is better than nothing, */
	CU_ASSERT_EQUAL(health_first(&h), 0);
	probe(&h, 1, &good, T0 + 4); /* and worse than anything else */
	CU_ASSERT_EQUAL(health_first(&h), 1);
}

/* Where the second copy of a request goes, and when the first is late. */
static void test_second(void)
{
	struct health h = two_up();

	CU_ASSERT_EQUAL(health_second(&h, 0), 1);
	CU_ASSERT_EQUAL(health_late_ms(&h, 0), 30 + HEALTH_LATE_MS);
	h.way[0].rtt_us = 3000000;
	CU_ASSERT_EQUAL(health_late_ms(&h, 0), HEALTH_LATE_MOST_MS);
	probe(&h, 0, &tcp, T0 + 1); /* the better one is the other now, and this one bonds nothing */
	CU_ASSERT_EQUAL(health_second(&h, 0), -1);
	probe(&h, 0, &good, T0 + 2);
	probe(&h, 1, &bad, T0 + 3);
	CU_ASSERT_EQUAL(health_second(&h, 0), -1);
	probe(&h, 1, &good, T0 + 4);
	probe(&h, 0, &bad, T0 + 5); /* one is left */
	CU_ASSERT_EQUAL(health_second(&h, 0), -1);
	CU_ASSERT_EQUAL(health_second(&h, 1), -1); /* of another address */
}

/* By the address: what one way says holds for all, until it says something else, or nothing. */
static void test_joins(void)
{
	const struct health_result joins = { .plain_known = true, .joins = true, .joins_known = true };
	const struct health_result gone = { .plain_known = true, .joins_known = true };
	struct health h = two_up();

	CU_ASSERT_FALSE(health_joins(&h, 0));
	probe(&h, 1, &joins, T0 + 1);
	CU_ASSERT_TRUE(health_joins(&h, 0));
	CU_ASSERT_FALSE(health_joins(&h, 1));
	probe(&h, 1, &bad, T0 + 2);
	CU_ASSERT_FALSE(health_joins(&h, 0));
	probe(&h, 1, &good, T0 + 3); /* no answer to that question */
	CU_ASSERT_TRUE(health_joins(&h, 0));
	probe(&h, 1, &gone, T0 + 4);
	CU_ASSERT_FALSE(health_joins(&h, 0));
}

static void test_second_address(void)
{
	struct health h = { 0 };

	health_set_ways(&h, both, 2, paths, 3, T0);
	probe(&h, 0, &bad, T0);
	probe(&h, 1, &bad, T0);
	CU_ASSERT_EQUAL(health_state(&h), HEALTH_UNKNOWN);
	probe(&h, 2, &good, T0);
	CU_ASSERT_EQUAL(health_best(&h, 0), -1);
	CU_ASSERT_EQUAL(health_first(&h), 2);
	probe(&h, 1, &good, T0);
	CU_ASSERT_EQUAL(health_first(&h), 1);
}

/* One address at two ports: the own one, unless more ways bond at the other, and back. */
static void test_ports(void)
{
	static const bool ends[] = { true, false, true, false };
	struct health h = { .apart = 2 };

	/* Ways 0 and 1 to the first address, 2 to the second; 3 and 4, 5 are the same at the other port. */
	health_set_ways(&h, ends, 4, paths, 3, T0);
	CU_ASSERT_EQUAL(h.count, 6);
	for (unsigned i = 3; i < 6; i++)
		probe(&h, i, &good, T0);
	CU_ASSERT_EQUAL(health_first(&h), 3);
	for (unsigned i = 0; i < 3; i++)
		probe(&h, i, &good, T0);
	CU_ASSERT_EQUAL(health_first(&h), 0);
	/* What is not used is not probed as if it were. */
	health_used(&h, T0 + 1);
	for (unsigned i = 0; i < 6; i++)
		h.way[i].suspect = false;
	for (unsigned i = 0; i < 3; i++)
		probe(&h, i, &good, T0 + HEALTH_BUSY_MS);
	CU_ASSERT_EQUAL(next_of(&h, T0 + HEALTH_BUSY_MS), T0 + 2 * HEALTH_BUSY_MS);
	probe(&h, 0, &bad, T0 + 3000); /* the first path is without the own port */
	CU_ASSERT_EQUAL(health_first(&h), 3);
	CU_ASSERT_EQUAL(health_best(&h, 0), 1);
	probe(&h, 3, &bad, T0 + 3001); /* and without the other one */
	CU_ASSERT_EQUAL(health_first(&h), 1);
	probe(&h, 3, &tcp, T0 + 3002); /* nothing bonds by that */
	CU_ASSERT_EQUAL(health_first(&h), 1);
	probe(&h, 3, &good, T0 + 3003);
	CU_ASSERT_EQUAL(health_first(&h), 3);
	probe(&h, 1, &bad, T0 + 3004);
	probe(&h, 2, &bad, T0 + 3005);
	CU_ASSERT_EQUAL(health_first(&h), 3);
	probe(&h, 0, &good, T0 + 3006);
	CU_ASSERT_EQUAL(health_first(&h), 3);
	probe(&h, 1, &good, T0 + 3007);
	CU_ASSERT_EQUAL(health_first(&h), 0);
	/* One port each by one path: the better path's. */
	probe(&h, 0, &bad, T0 + 3007);
	probe(&h, 4, &bad, T0 + 3007);
	CU_ASSERT_EQUAL(health_first(&h), 3);
	probe(&h, 0, &good, T0 + 3007);
	probe(&h, 1, &bad, T0 + 3007);
	probe(&h, 3, &bad, T0 + 3007);
	probe(&h, 4, &good, T0 + 3007);
	CU_ASSERT_EQUAL(health_first(&h), 0);
	probe(&h, 1, &good, T0 + 3007);
	/* Without `apart` they are two machines, and the first one's path does. */
	probe(&h, 0, &bad, T0 + 3008);
	h.apart = 4;
	CU_ASSERT_EQUAL(health_first(&h), 1);
}

/* Backups carry nothing while there are others: more of them at one port are no reason to go there. */
static void test_port_backups(void)
{
	static const bool ends[] = { true, true };
	struct health_path some[3] = { { .name = "dsl" },
				       { .name = "lte1", .backup = true },
				       { .name = "lte2", .backup = true } };
	struct health h = { .apart = 1 };

	/* Ways 0 to 2 to the own port, 3 to 5 to the other one. */
	health_set_ways(&h, ends, 2, some, 3, T0);
	for (unsigned i = 0; i < 6; i++)
		probe(&h, i, i == 0 || i == 4 ? &bad : &good, T0);
	CU_ASSERT_EQUAL(health_first(&h), 3);
	probe(&h, 3, &tcp, T0 + 1); /* does not bond */
	CU_ASSERT_EQUAL(health_first(&h), 1);
	probe(&h, 3, &good, T0 + 2);
	/* It is a backup no more, and the other one has become one. */
	some[0].backup = true;
	some[1].backup = false;
	health_set_ways(&h, ends, 2, some, 3, T0 + 3);
	CU_ASSERT_EQUAL(health_first(&h), 1);
	CU_ASSERT_EQUAL(h.way[0].state, HEALTH_DOWN);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "choice", test_choice },
		{ "the second best", test_second },
		{ "where joins go", test_joins },
		{ "second address", test_second_address },
		{ "another port", test_ports },
		{ "another port, and backups", test_port_backups },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("choice of ways", tests, NULL, NULL) ? 0 : 1;
}
