/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds items of an nl_list by their value: a hash table of positions, so that the list may grow meanwhile. */
#ifndef MPGATED_INDEX_H
#define MPGATED_INDEX_H

#include <stdbool.h>

#include <mpgated/paths/netlink.h>

struct index {
	const struct nl_list *list;
	size_t size; /* bytes of an item */
	uint32_t (*hash)(const void *item, size_t size);
	bool (*equal)(const void *a, const void *b, size_t size);
	unsigned *slot; /* position + 1 by hash, 0: free */
	unsigned slots, used; /* slots is a power of two, or 0 */
};

/* Items that are equal as bytes. */
uint32_t index_hash_bytes(const void *item, size_t size);
bool index_equal_bytes(const void *a, const void *b, size_t size);

/* Adds the item at this position of the list, which is taken for the list's last state. 0 or -ENOMEM. */
int index_add(struct index *x, unsigned position);
/* The first item added that is equal to this one; NULL: none. */
const void *index_find(const struct index *x, const void *item);
void index_free(struct index *x);

#endif
