/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The distinct rule bitmaps of a policy, each once: a million prefixes share
 * few. Bitmap 0 is the empty one.
 */
#ifndef LIB_BITMAP_POOL_H
#define LIB_BITMAP_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include <mpgate/abi.h>

struct bitmap_pool {
	struct mpgate_bitmap *maps; /* malloc'ed, as slots is; the owner frees both */
	unsigned count, cap;
	uint32_t *slots; /* hash index, open addressing; 0: free, so bitmap 0 is not in it */
	unsigned slot_count; /* a power of two */
};

bool bitmap_is_empty(const struct mpgate_bitmap *map);
/* Starts a pool with bitmap 0. 0 or -ENOMEM. */
int bitmap_pool_open(struct bitmap_pool *pool);
/* The index of a bitmap, added when it is new. 0 or -ENOMEM. */
int bitmap_pool_index(struct bitmap_pool *pool, const struct mpgate_bitmap *map, uint32_t *out);

#endif
