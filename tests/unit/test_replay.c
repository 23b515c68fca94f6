// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/worker/replay.c user/mpgated/ipc/shared.c
#include <arpa/inet.h>
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
#define BUCKETS 1024U
#define ROUNDS 20000U

/* What two workers share: the table, and how their race for each nonce went. */
static struct race {
	uint32_t arrived[ROUNDS];
	uint8_t won[2][ROUNDS];
} * race;
static struct shared_memory *shm;

static void empty(void)
{
	memset(race, 0, sizeof(*race));
	memset(shm, 0, shared_size(BUCKETS));
}

static struct replay_place place; /* of the cookie that was used last */

static struct convert_cookie cookie(uint64_t nonce, uint32_t key_id, uint32_t stamp)
{
	struct convert_cookie c = { .key_id = htonl(key_id), .timestamp = htonl(stamp) };

	memcpy(c.nonce, &nonce, sizeof(nonce));
	return c;
}

/* Of a cookie made at NOW. */
static enum replay use_one(uint64_t nonce, uint32_t key_id, uint32_t now)
{
	const struct convert_cookie c = cookie(nonce, key_id, NOW);

	return replay_use(shm, BUCKETS, &c, now, WINDOW, 0, &place);
}

static bool use(uint64_t nonce, uint32_t key_id, uint32_t now)
{
	return use_one(nonce, key_id, now) != REPLAY_SEEN;
}

static void test_once(void)
{
	empty();
	CU_ASSERT(use(1, KEY, NOW));
	CU_ASSERT_FALSE(use(1, KEY, NOW));
	CU_ASSERT(use(2, KEY, NOW));
	CU_ASSERT_FALSE(use(2, KEY, NOW + 1));
	CU_ASSERT_FALSE(use(1, KEY, NOW + 1));
}

static void test_other_key(void)
{
	empty();
	CU_ASSERT(use(1, KEY, NOW));
	CU_ASSERT(use(1, KEY + 1, NOW));
	CU_ASSERT_FALSE(use(1, KEY, NOW));
	CU_ASSERT_FALSE(use(1, KEY + 1, NOW));
}

/* A cookie is refused as long as any clock inside the window would take it, whenever it was used first. */
static void test_window(void)
{
	for (uint32_t first = NOW; first < NOW + 200; first++) {
		empty();
		CU_ASSERT(use(1, KEY, first));
		for (uint32_t now = first; now <= first + 2 * WINDOW; now++)
			CU_ASSERT_FALSE(use(1, KEY, now));
		/* Its place is free once no clock takes it. */
		CU_ASSERT(use(1, KEY, first + 2 * WINDOW + 1));
	}
}

/* The seconds kept with an entry are 16 bits; those that pass their end are seconds as any. */
static void test_time_wraps(void)
{
	const uint32_t end = NOW | 0xffff;

	empty();
	CU_ASSERT(use(1, KEY, end - 1));
	CU_ASSERT_FALSE(use(1, KEY, end + 1));
	CU_ASSERT_FALSE(use(1, KEY, end + WINDOW));
}

/* Where a nonce was put: the bucket's number, or -1. */
static int bucket_of(uint64_t nonce)
{
	empty();
	CU_ASSERT(use(nonce, KEY, NOW));
	for (unsigned b = 0; b < BUCKETS; b++)
		for (unsigned i = 0; i < MPGATE_REPLAY_WAYS; i++)
			if (shm->replay[b][i])
				return (int)b;
	return -1;
}

/* A full bucket forgets its oldest entry, and no other. */
static void test_full_bucket(void)
{
	uint64_t same[MPGATE_REPLAY_WAYS + 1];
	unsigned found = 1;
	int bucket = bucket_of(same[0] = 1);

	CU_ASSERT_FATAL(bucket >= 0);
	for (uint64_t nonce = 2; found <= MPGATE_REPLAY_WAYS; nonce++)
		if (bucket_of(nonce) == bucket)
			same[found++] = nonce;
	empty();
	for (unsigned i = 0; i < MPGATE_REPLAY_WAYS; i++)
		CU_ASSERT_EQUAL(use_one(same[i], KEY, NOW + i), REPLAY_NEW);
	for (unsigned i = 0; i < MPGATE_REPLAY_WAYS; i++)
		CU_ASSERT_FALSE(use(same[i], KEY, NOW + MPGATE_REPLAY_WAYS));
	CU_ASSERT_EQUAL(use_one(same[MPGATE_REPLAY_WAYS], KEY, NOW + MPGATE_REPLAY_WAYS), REPLAY_NEW_FULL);
	for (unsigned i = 1; i <= MPGATE_REPLAY_WAYS; i++)
		CU_ASSERT_FALSE(use(same[i], KEY, NOW + MPGATE_REPLAY_WAYS));
	CU_ASSERT(use(same[0], KEY, NOW + MPGATE_REPLAY_WAYS));
}

/* Both start each round together, as far as two processes can. */
static void worker(unsigned me)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		__atomic_add_fetch(&race->arrived[i], 1, __ATOMIC_ACQ_REL);
		while (__atomic_load_n(&race->arrived[i], __ATOMIC_ACQUIRE) < 2)
			sched_yield();
		race->won[me][i] = use(i + 1, KEY, NOW);
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

/* Requests of one second keep to a small part of the table; windows of any length find a place. */
static void test_near(void)
{
	unsigned touched = 0;

	empty();
	for (uint64_t nonce = 0; nonce < BUCKETS; nonce++)
		use(nonce, KEY, NOW);
	for (unsigned b = 0; b < BUCKETS; b++)
		touched += shm->replay[b][0] != 0;
	CU_ASSERT_EQUAL(touched, BUCKETS / 32);
	for (unsigned window = 1; window <= 3600; window *= 2)
		for (unsigned buckets = 1; buckets <= BUCKETS; buckets *= 2) {
			const struct convert_cookie c = cookie(1, KEY, UINT32_MAX - window);

			empty();
			CU_ASSERT_EQUAL(replay_use(shm, buckets, &c, NOW, window, 0, &place), REPLAY_NEW);
			CU_ASSERT_EQUAL(replay_use(shm, buckets, &c, NOW, window, 0, &place), REPLAY_SEEN);
		}
}

/* Who has a request, for how long, and whether its copies are settled: told to whoever asks later. */
static void test_place(void)
{
	const struct convert_cookie c = cookie(5, KEY, NOW);
	struct replay_place mine, other;

	empty();
	for (unsigned worker = 0; worker < MPGATE_MAX_WORKERS; worker += MPGATE_MAX_WORKERS - 1) {
		empty();
		CU_ASSERT_EQUAL(replay_use(shm, BUCKETS, &c, NOW, WINDOW, worker, &mine), REPLAY_NEW);
		CU_ASSERT_EQUAL(replay_use(shm, BUCKETS, &c, NOW + 2, WINDOW, 1, &other), REPLAY_SEEN);
		CU_ASSERT_EQUAL(replay_worker(&other), worker);
		CU_ASSERT_EQUAL(replay_age(&other, NOW + 2), 2);
		CU_ASSERT_FALSE(replay_settled(&other));
		replay_settle(&mine);
		CU_ASSERT_TRUE(replay_settled(&other));
		CU_ASSERT_EQUAL(replay_use(shm, BUCKETS, &c, NOW + 2, WINDOW, 1, &other), REPLAY_SEEN);
		CU_ASSERT_EQUAL(replay_worker(&other), worker);
		CU_ASSERT_TRUE(replay_settled(&other));
		/* Its place is another one's by now: that is not touched. */
		*mine.at = 1;
		replay_settle(&mine);
		CU_ASSERT_EQUAL(*mine.at, 1);
		CU_ASSERT_TRUE(replay_settled(&other));
	}
}

/* As many as the configuration says, for the whole of the window, and none is forgotten. */
static void test_size(void)
{
	struct config cfg = { .convert = { .listening = true, .window = WINDOW }, .limits = { .request_rate = 1000 } };
	unsigned buckets = shared_replay_buckets(&cfg), forgotten = 0;
	uint64_t nonce = 0;

	CU_ASSERT_EQUAL(buckets, BUCKETS * 32); /* 61,000 cookies, four places each, a power of two */
	CU_ASSERT_EQUAL(shared_size(buckets), shared_size(0) + 8 * sizeof(uint64_t) * buckets);
	memset(shm, 0, shared_size(buckets));
	for (unsigned s = 0; s <= 10 * WINDOW; s++)
		for (unsigned i = 0; i < 1000; i++, nonce++) {
			const struct convert_cookie c = cookie(nonce, KEY, NOW + s);

			forgotten += replay_use(shm, buckets, &c, NOW + s, WINDOW, 0, &place) == REPLAY_NEW_FULL;
		}
	CU_ASSERT(forgotten <= 301000 * 5 / 10000);
	cfg.convert.window = 3600;
	cfg.limits.request_rate = 1000000;
	CU_ASSERT_EQUAL(shared_replay_buckets(&cfg), REPLAY_MAX_BUCKETS);
	cfg.convert.listening = false;
	CU_ASSERT_EQUAL(shared_replay_buckets(&cfg), 1);
}

int main(void)
{
	CU_TestInfo tests[] = { { "a nonce is new once", test_once },
				{ "the same nonce with another key is new", test_other_key },
				{ "a nonce stays known for the whole window", test_window },
				{ "seconds wrap at 16 bits", test_time_wraps },
				{ "a full bucket forgets its oldest", test_full_bucket },
				{ "of two workers one wins", test_two_workers },
				{ "those of one time are near each other", test_near },
				{ "sized by rate", test_size },
				{ "whose it is", test_place },
				CU_TEST_INFO_NULL };

	race = mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	shm = mmap(NULL, shared_size(BUCKETS * 32), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (race == MAP_FAILED || shm == MAP_FAILED)
		return 1;
	return cunit_run("replay", tests, NULL, NULL) ? 0 : 1;
}
