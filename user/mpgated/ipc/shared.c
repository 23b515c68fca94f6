// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/ipc/shared.h>

#include <stdlib.h>

#define NS_PER_SECOND 1000000000ULL
#define SLACK 4U /* places for each cookie */

bool shared_accepts(const struct config *cfg)
{
	for (unsigned i = 0; i < cfg->peer_count; i++)
		if (cfg->peers[i].park)
			return true;
	return cfg->convert.listening;
}

unsigned shared_replay_buckets(const struct config *cfg)
{
	uint64_t places = (uint64_t)cfg->limits.request_rate * (2 * cfg->convert.window + 1) * SLACK;
	unsigned buckets = 1;

	if (!shared_accepts(cfg))
		return 1;
	while ((uint64_t)buckets * MPGATE_REPLAY_WAYS < places && buckets < REPLAY_MAX_BUCKETS)
		buckets *= 2;
	return buckets;
}

size_t shared_size(unsigned replay_buckets)
{
	return sizeof(struct shared_memory) + (size_t)replay_buckets * MPGATE_REPLAY_WAYS * sizeof(uint64_t);
}

uint32_t shared_cookie_time(const struct shared_memory *shm, uint64_t boot)
{
	return (uint32_t)((boot + __atomic_load_n(&shm->wall_offset, __ATOMIC_RELAXED)) / NS_PER_SECOND);
}

static int compare_slots(const void *key, const void *peer)
{
	return (int)*(const unsigned *)key - (int)((const struct snapshot_peer *)peer)->slot;
}

const struct snapshot_peer *snapshot_find_peer(const struct snapshot *s, unsigned slot)
{
	return bsearch(&slot, snapshot_at(s, s->peers), s->peers.count, sizeof(struct snapshot_peer), compare_slots);
}
