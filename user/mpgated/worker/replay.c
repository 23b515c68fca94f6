// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/replay.h>

#include <string.h>

/* An entry: 48 bits of the cookie's fingerprint, 16 bits of the second it was used. 0: empty. */
#define TIME_BITS 16
#define TIME_MASK 0xffffU

/* Nonces are random and covered by the tag, so any mixing that keeps their bits apart will do. */
static uint64_t fingerprint(const uint8_t nonce[8], uint32_t key_id)
{
	uint64_t n;

	memcpy(&n, nonce, sizeof(n));
	n ^= (uint64_t)key_id * 0x9e3779b97f4a7c15ULL;
	n ^= n >> 29;
	n *= 0xbf58476d1ce4e5b9ULL;
	return n ^ n >> 32;
}

static bool fresh(uint64_t entry, uint32_t now, unsigned window)
{
	/* A cookie is good from window seconds before its time stamp to window seconds after. */
	return entry && ((now - (uint32_t)(entry & TIME_MASK)) & TIME_MASK) <= 2 * window;
}

bool replay_new(struct shared_memory *shm, const uint8_t nonce[8], uint32_t key_id, uint32_t stamp, uint32_t now,
		unsigned window)
{
	uint64_t print = fingerprint(nonce, key_id);
	/* Cookies of one second lie together: an idle hub touches little of the table. */
	uint64_t *bucket = shm->replay[stamp % REPLAY_SECONDS][print % REPLAY_BUCKETS];
	uint64_t entry = (print & ~(uint64_t)TIME_MASK) | (now & TIME_MASK) | 1U << TIME_BITS;

	for (;;) {
		unsigned victim = 0, oldest = 0;
		uint64_t seen = 0;

		for (unsigned i = 0; i < REPLAY_WAYS; i++) {
			uint64_t e = __atomic_load_n(&bucket[i], __ATOMIC_ACQUIRE);
			unsigned age = (now - (uint32_t)(e & TIME_MASK)) & TIME_MASK;

			if (fresh(e, now, window) && (e >> TIME_BITS) == (entry >> TIME_BITS))
				return false;
			if (!fresh(e, now, window))
				age = TIME_MASK + 1;
			/*
			 * The first of the oldest: two workers with one cookie want the same place. The later one finds
			 * there no longer what it saw, and looks at all of them again.
			 */
			if (i == 0 || age > oldest) {
				oldest = age;
				victim = i;
				seen = e;
			}
		}
		if (__atomic_compare_exchange_n(&bucket[victim], &seen, entry, false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return true;
	}
}
