// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/bitmap_pool.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 1024 /* of the index; grows by doubling */

static bool same(const struct mpgate_bitmap *a, const struct mpgate_bitmap *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool bitmap_is_empty(const struct mpgate_bitmap *map)
{
	static const struct mpgate_bitmap empty;

	return same(map, &empty);
}

static unsigned hash(const struct mpgate_bitmap *map)
{
	uint64_t h = 0;
	unsigned i;

	for (i = 0; i < MPGATE_RULE_WORDS; i++)
		h = (h ^ map->rules[i]) * 0x9e3779b97f4a7c15ULL; /* 2^64 by the golden ratio: spreads any input */
	return (unsigned)(h >> 32);
}

static uint32_t *find_slot(const struct bitmap_pool *pool, const struct mpgate_bitmap *map)
{
	unsigned i = hash(map) & (pool->slot_count - 1);

	while (pool->slots[i] && !same(&pool->maps[pool->slots[i]], map))
		i = (i + 1) & (pool->slot_count - 1);
	return &pool->slots[i];
}

/* Keeps the index at most half full. */
static int grow_slots(struct bitmap_pool *pool)
{
	unsigned i, count = pool->slot_count ? pool->slot_count * 2 : FIRST_SLOTS;
	uint32_t *slots;

	if (pool->count * 2 < pool->slot_count)
		return 0;
	slots = calloc(count, sizeof(*slots));
	if (!slots)
		return -ENOMEM;
	free(pool->slots);
	pool->slots = slots;
	pool->slot_count = count;
	for (i = 1; i < pool->count; i++)
		*find_slot(pool, &pool->maps[i]) = i;
	return 0;
}

int bitmap_pool_open(struct bitmap_pool *pool)
{
	pool->cap = 64;
	pool->maps = calloc(pool->cap, sizeof(*pool->maps));
	if (!pool->maps)
		return -ENOMEM;
	pool->count = 1;
	return 0;
}

int bitmap_pool_index(struct bitmap_pool *pool, const struct mpgate_bitmap *map, uint32_t *out)
{
	uint32_t *slot;

	/* Slot value 0 means free, so bitmap 0 is known without the index. */
	if (bitmap_is_empty(map)) {
		*out = 0;
		return 0;
	}
	if (grow_slots(pool) < 0)
		return -ENOMEM;
	slot = find_slot(pool, map);
	if (!*slot) {
		if (pool->count == pool->cap) {
			unsigned cap = pool->cap * 2;
			struct mpgate_bitmap *maps = realloc(pool->maps, cap * sizeof(*maps));

			if (!maps)
				return -ENOMEM;
			pool->maps = maps;
			pool->cap = cap;
		}
		pool->maps[pool->count] = *map;
		*slot = pool->count++;
	}
	*out = *slot;
	return 0;
}
