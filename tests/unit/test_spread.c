// SPDX-License-Identifier: GPL-2.0-or-later
/* Which worker serves which clients. */
// SOURCES: user/mpgated/datapath/spread.c
#include <string.h>

#include "cunit.h"

#include <mpgated/datapath/spread.h>

static void of_none_there_is_none(void)
{
	bool alive[MPGATE_MAX_WORKERS] = { false };
	uint32_t slots[MPGATE_CLIENT_SLOTS];

	spread_clients(alive, slots);
	for (unsigned i = 0; i < MPGATE_CLIENT_SLOTS; i++)
		CU_ASSERT_EQUAL(slots[i], MPGATE_NO_WORKER);
}

/* No worker has more than half again of its share, or less than half of it. */
static void all_get_their_share(void)
{
	for (unsigned workers = 1; workers <= 16; workers++) {
		bool alive[MPGATE_MAX_WORKERS] = { false };
		uint32_t slots[MPGATE_CLIENT_SLOTS];
		unsigned share = MPGATE_CLIENT_SLOTS / workers, n[MPGATE_MAX_WORKERS] = { 0 };

		memset(alive, true, workers);
		spread_clients(alive, slots);
		for (unsigned i = 0; i < MPGATE_CLIENT_SLOTS; i++) {
			CU_ASSERT_FATAL(slots[i] < workers);
			n[slots[i]]++;
		}
		for (unsigned w = 0; w < workers; w++)
			CU_ASSERT(n[w] >= share / 2 && n[w] <= share + share / 2);
	}
}

static void a_worker_that_dies_moves_its_own_clients_only(void)
{
	uint32_t before[MPGATE_CLIENT_SLOTS], after[MPGATE_CLIENT_SLOTS], again[MPGATE_CLIENT_SLOTS];
	bool alive[MPGATE_MAX_WORKERS];

	memset(alive, true, sizeof(alive));
	spread_clients(alive, before);
	for (unsigned dead = 0; dead < MPGATE_MAX_WORKERS; dead++) {
		alive[dead] = false;
		spread_clients(alive, after);
		alive[dead] = true;
		for (unsigned i = 0; i < MPGATE_CLIENT_SLOTS; i++) {
			CU_ASSERT(after[i] < MPGATE_MAX_WORKERS && after[i] != dead);
			CU_ASSERT(after[i] == before[i] || before[i] == dead);
		}
	}
	spread_clients(alive, again);
	CU_ASSERT_EQUAL(memcmp(again, before, sizeof(before)), 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "of none there is none", of_none_there_is_none },
		{ "all get their share", all_get_their_share },
		{ "a worker that dies moves its own clients only", a_worker_that_dies_moves_its_own_clients_only },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("spread", tests, NULL, NULL) ? 0 : 1;
}
