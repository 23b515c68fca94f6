// SPDX-License-Identifier: GPL-2.0-or-later
/* How clients are shared out to the peers of a group. */
#include <lib/keys.h>
#include <lib/rendezvous.h>

#include <stdlib.h>

#include "cunit.h"

#define BUCKETS 4096U

static const uint64_t key[2] = { 3, 4 };
static const char *const names[RENDEZVOUS_MEMBERS] = { "a", "b", "c", "d", "e", "f", "g", "h" };
static const unsigned alike[RENDEZVOUS_MEMBERS] = { 1, 1, 1, 1, 1, 1, 1, 1 };

static unsigned at(uint32_t order, unsigned place)
{
	return order >> 4 * place & 15;
}

static void test_each_is_there_once(void)
{
	for (unsigned n = 1; n <= RENDEZVOUS_MEMBERS; n++)
		for (unsigned b = 0; b < 64; b++) {
			uint32_t order = rendezvous_order(key, b, names, alike, n);
			unsigned seen = 0;

			for (unsigned i = 0; i < n; i++)
				seen |= 1U << at(order, i);
			CU_ASSERT_EQUAL(seen, (1U << n) - 1);
			CU_ASSERT(n == RENDEZVOUS_MEMBERS || order >> 4 * n == 0);
		}
}

/* First places, and second ones of those whose first is gone, go by weight. */
static void test_weights_are_shares(void)
{
	static const unsigned weights[3] = { 6, 3, 1 };
	unsigned first[3] = { 0 }, second[3] = { 0 };

	for (unsigned b = 0; b < BUCKETS; b++) {
		uint32_t order = rendezvous_order(key, b, names, weights, 3);

		first[at(order, 0)]++;
		if (at(order, 0) == 0)
			second[at(order, 1)]++;
	}
	for (unsigned i = 0; i < 3; i++) {
		double share = (double)first[i] / BUCKETS, due = weights[i] / 10.0;

		CU_ASSERT(share > due - 0.03 && share < due + 0.03);
	}
	CU_ASSERT(second[1] > 2.4 * second[2] && second[1] < 3.8 * second[2]);
}

/* Who leaves takes nothing from others, and who gets more weight takes no client from one to give it to another. */
static void test_a_change_moves_no_other(void)
{
	static const unsigned heavier[3] = { 1, 1, 2 };
	static const char *const two[2] = { "a", "c" };
	unsigned gained = 0;

	for (unsigned b = 0; b < BUCKETS; b++) {
		unsigned three = at(rendezvous_order(key, b, names, alike, 3), 0);
		unsigned left = at(rendezvous_order(key, b, two, alike, 2), 0) ? 2 : 0;
		unsigned grown = at(rendezvous_order(key, b, names, heavier, 3), 0);

		CU_ASSERT(three == 1 || left == three);
		CU_ASSERT(grown == three || grown == 2);
		gained += grown != three;
	}
	/* From a third to a half. */
	CU_ASSERT(gained > BUCKETS / 8 && gained < BUCKETS * 5 / 24);
}

static void test_gateways_differ(void)
{
	static const uint64_t other[2] = { 5, 6 };
	unsigned same = 0;

	for (unsigned b = 0; b < BUCKETS; b++)
		same += rendezvous_order(key, b, names, alike, 2) == rendezvous_order(other, b, names, alike, 2);
	CU_ASSERT(same > BUCKETS * 45 / 100 && same < BUCKETS * 55 / 100);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "each member has one place", test_each_is_there_once },
		{ "weights are shares", test_weights_are_shares },
		{ "a change moves no client between others", test_a_change_moves_no_other },
		{ "gateways share out in their own ways", test_gateways_differ },
		CU_TEST_INFO_NULL,
	};

	if (keys_init())
		return EXIT_FAILURE;
	return cunit_run("rendezvous", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
