// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/worker/replay.c
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mpgated/worker/replay.h>

#include "cunit.h"

#define NOW 1700000000U
#define WINDOW 30U
#define KEY 0xabcdefU
#define ROUNDS 20000U

/* What two workers share: the table, and how their race for each nonce went. */
static struct race {
	struct shared_memory shm;
	uint32_t arrived[ROUNDS];
	uint8_t won[2][ROUNDS];
} * race;

static struct shared_memory *empty(void)
{
	memset(race, 0, sizeof(*race));
	return &race->shm;
}

static bool use(uint64_t nonce, uint32_t key_id, uint32_t stamp, uint32_t now)
{
	uint8_t bytes[sizeof(nonce)];

	memcpy(bytes, &nonce, sizeof(bytes));
	return replay_new(&race->shm, bytes, key_id, stamp, now, WINDOW);
}

static void test_once(void)
{
	empty();
	CU_ASSERT(use(1, KEY, NOW, NOW));
	CU_ASSERT_FALSE(use(1, KEY, NOW, NOW));
	CU_ASSERT(use(2, KEY, NOW, NOW));
	CU_ASSERT_FALSE(use(2, KEY, NOW, NOW + 1));
	CU_ASSERT_FALSE(use(1, KEY, NOW, NOW + 1));
}

static void test_other_key(void)
{
	empty();
	CU_ASSERT(use(1, KEY, NOW, NOW));
	CU_ASSERT(use(1, KEY + 1, NOW, NOW));
	CU_ASSERT_FALSE(use(1, KEY, NOW, NOW));
	CU_ASSERT_FALSE(use(1, KEY + 1, NOW, NOW));
}

/* A cookie is refused as long as any clock inside the window would take it, whenever it was used first. */
static void test_window(void)
{
	for (uint32_t stamp = NOW; stamp < NOW + 2 * REPLAY_SECONDS; stamp++) {
		empty();
		CU_ASSERT(use(1, KEY, stamp, stamp - WINDOW));
		for (uint32_t now = stamp - WINDOW; now <= stamp + WINDOW; now++)
			CU_ASSERT_FALSE(use(1, KEY, stamp, now));
	}
	/* Its place is free once no clock takes it. */
	CU_ASSERT(use(1, KEY, NOW + 2 * REPLAY_SECONDS - 1, NOW + 2 * REPLAY_SECONDS + WINDOW));
}

/* The seconds kept with an entry are 16 bits; those that pass their end are seconds as any. */
static void test_time_wraps(void)
{
	const uint32_t end = NOW | 0xffff;

	empty();
	CU_ASSERT(use(1, KEY, end, end - 1));
	CU_ASSERT_FALSE(use(1, KEY, end, end + 1));
	CU_ASSERT_FALSE(use(1, KEY, end, end + WINDOW));
}

/* Where a nonce was put: the bucket's number, or -1. */
static int bucket_of(uint64_t nonce)
{
	struct shared_memory *shm = empty();

	CU_ASSERT(use(nonce, KEY, NOW, NOW));
	for (unsigned b = 0; b < REPLAY_BUCKETS; b++)
		for (unsigned i = 0; i < REPLAY_WAYS; i++)
			if (shm->replay[NOW % REPLAY_SECONDS][b][i])
				return (int)b;
	return -1;
}

/* A full bucket forgets its oldest entry, and no other. */
static void test_full_bucket(void)
{
	uint64_t same[REPLAY_WAYS + 1];
	unsigned found = 1;
	int bucket = bucket_of(same[0] = 1);

	CU_ASSERT_FATAL(bucket >= 0);
	for (uint64_t nonce = 2; found <= REPLAY_WAYS; nonce++)
		if (bucket_of(nonce) == bucket)
			same[found++] = nonce;
	empty();
	for (unsigned i = 0; i < REPLAY_WAYS; i++)
		CU_ASSERT(use(same[i], KEY, NOW, NOW + i));
	for (unsigned i = 0; i < REPLAY_WAYS; i++)
		CU_ASSERT_FALSE(use(same[i], KEY, NOW, NOW + REPLAY_WAYS));
	CU_ASSERT(use(same[REPLAY_WAYS], KEY, NOW, NOW + REPLAY_WAYS));
	for (unsigned i = 1; i <= REPLAY_WAYS; i++)
		CU_ASSERT_FALSE(use(same[i], KEY, NOW, NOW + REPLAY_WAYS));
	CU_ASSERT(use(same[0], KEY, NOW, NOW + REPLAY_WAYS));
}

/* Both start each round together, as far as two processes can. */
static void worker(unsigned me)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		__atomic_add_fetch(&race->arrived[i], 1, __ATOMIC_ACQ_REL);
		while (__atomic_load_n(&race->arrived[i], __ATOMIC_ACQUIRE) < 2)
			sched_yield();
		race->won[me][i] = use(i + 1, KEY, NOW + i / 4096, NOW);
	}
}

static void test_two_workers(void)
{
	unsigned both = 0, none = 0;
	int status = -1;
	pid_t child;

	empty();
	child = fork();
	CU_ASSERT_FATAL(child >= 0);
	if (!child) {
		worker(1);
		_exit(0);
	}
	worker(0);
	CU_ASSERT(waitpid(child, &status, 0) == child && status == 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		both += race->won[0][i] && race->won[1][i];
		none += !race->won[0][i] && !race->won[1][i];
	}
	CU_ASSERT_EQUAL(both, 0);
	CU_ASSERT_EQUAL(none, 0);
}

int main(void)
{
	CU_TestInfo tests[] = { { "a nonce is new once", test_once },
				{ "the same nonce with another key is new", test_other_key },
				{ "a nonce stays known for the whole window", test_window },
				{ "seconds wrap at 16 bits", test_time_wraps },
				{ "a full bucket forgets its oldest", test_full_bucket },
				{ "of two workers one wins", test_two_workers },
				CU_TEST_INFO_NULL };

	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (race == MAP_FAILED)
		return 1;
	return cunit_run("replay", tests, NULL, NULL) ? 0 : 1;
}
