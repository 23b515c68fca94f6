// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/replay.h>

#include <arpa/inet.h>
#include <string.h>

#include <mpgate/replay.h>

/*
 * An entry: 40 bits of the cookie's fingerprint, one that is always set, whether the request's copies are settled, the
 * worker that has it, 16 bits of the second it was used. 0: empty.
 */
#define TIME_BITS 16
#define WORKER_MASK (MPGATE_MAX_WORKERS - 1U)
#define SETTLED (1ULL << 22)
#define TAKEN (1ULL << 23)
#define PRINT_SHIFT 24
#define SEGMENTS 32U

static bool fresh(uint64_t entry, uint32_t now, unsigned window)
{
	/* A cookie is good from window seconds before its time stamp to window seconds after. */
	return entry && ((now - (uint32_t)entry) & REPLAY_TIME_MASK) <= 2 * window;
}

/*
 * Cookies whose time stamps are near each other share a segment, so that those of now keep to a part of the table that
 * the CPU's caches hold. The segments' turn takes as long as an entry is fresh.
 */
static unsigned bucket_of(unsigned buckets, uint64_t print, uint32_t stamp, unsigned window)
{
	unsigned each = buckets / SEGMENTS, seconds = (2 * window + SEGMENTS) / SEGMENTS;

	if (!each)
		return print & (buckets - 1);
	return stamp / seconds % SEGMENTS * each + (print & (each - 1));
}

enum replay replay_use(struct shared_memory *shm, unsigned buckets, const struct convert_cookie *cookie, uint32_t now,
		       unsigned window, unsigned worker, struct replay_place *place)
{
	uint64_t print, entry, *bucket;

	memcpy(&print, cookie->nonce, sizeof(print));
	print = replay_fingerprint(print, ntohl(cookie->key_id));
	bucket = shm->replay[bucket_of(buckets, print, ntohl(cookie->timestamp), window)];
	entry = print >> PRINT_SHIFT << PRINT_SHIFT | TAKEN | (uint64_t)(worker & WORKER_MASK) << TIME_BITS |
		(now & REPLAY_TIME_MASK);
	for (;;) {
		unsigned victim = 0, oldest = 0;
		uint64_t seen = 0;

		for (unsigned i = 0; i < MPGATE_REPLAY_WAYS; i++) {
			uint64_t e = __atomic_load_n(&bucket[i], __ATOMIC_ACQUIRE);
			unsigned age = (now - (uint32_t)e) & REPLAY_TIME_MASK;

			if (fresh(e, now, window) && e >> PRINT_SHIFT == entry >> PRINT_SHIFT) {
				*place = (struct replay_place){ &bucket[i], e };
				return REPLAY_SEEN;
			}
			if (!fresh(e, now, window))
				age = REPLAY_TIME_MASK + 1;
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
						__ATOMIC_ACQUIRE)) {
			*place = (struct replay_place){ &bucket[victim], entry };
			return oldest > REPLAY_TIME_MASK ? REPLAY_NEW : REPLAY_NEW_FULL;
		}
	}
}

unsigned replay_worker(const struct replay_place *p)
{
	return (unsigned)(p->entry >> TIME_BITS) & WORKER_MASK;
}

unsigned replay_age(const struct replay_place *p, uint32_t now)
{
	return (now - (uint32_t)p->entry) & REPLAY_TIME_MASK;
}

void replay_settle(const struct replay_place *p)
{
	uint64_t seen = p->entry;

	/* It may be another cookie's by now. */
	__atomic_compare_exchange_n(p->at, &seen, p->entry | SETTLED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool replay_settled(const struct replay_place *p)
{
	return __atomic_load_n(p->at, __ATOMIC_ACQUIRE) != (p->entry & ~SETTLED);
}
