// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/index.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64U

uint32_t index_hash_bytes(const void *item, size_t size)
{
	const uint8_t *b = item;
	uint32_t h = 2166136261U; /* FNV-1a */

	for (size_t i = 0; i < size; i++)
		h = (h ^ b[i]) * 16777619U;
	return h;
}

bool index_equal_bytes(const void *a, const void *b, size_t size)
{
	return !memcmp(a, b, size);
}

static const void *item_at(const struct index *x, unsigned position)
{
	return (const char *)x->list->v + (size_t)position * x->size;
}

/* The slot that holds an item equal to this one, or the free one where it belongs. */
static unsigned place(const struct index *x, const void *item)
{
	unsigned i = x->hash(item, x->size) & (x->slots - 1);

	while (x->slot[i] && !x->equal(item_at(x, x->slot[i] - 1), item, x->size))
		i = (i + 1) & (x->slots - 1);
	return i;
}

static int grow(struct index *x)
{
	struct index y = *x;

	y.slots = x->slots ? 2 * x->slots : FIRST_SLOTS;
	y.slot = calloc(y.slots, sizeof(*y.slot));
	if (!y.slot)
		return -ENOMEM;
	for (unsigned i = 0; i < x->slots; i++)
		if (x->slot[i])
			y.slot[place(&y, item_at(x, x->slot[i] - 1))] = x->slot[i];
	free(x->slot);
	*x = y;
	return 0;
}

int index_add(struct index *x, unsigned position)
{
	unsigned at;

	if (2 * x->used >= x->slots) {
		int err = grow(x);

		if (err)
			return err;
	}
	at = place(x, item_at(x, position));
	if (!x->slot[at]) {
		x->slot[at] = position + 1;
		x->used++;
	}
	return 0;
}

const void *index_find(const struct index *x, const void *item)
{
	unsigned at;

	if (!x->slots)
		return NULL;
	at = place(x, item);
	return x->slot[at] ? item_at(x, x->slot[at] - 1) : NULL;
}

void index_free(struct index *x)
{
	free(x->slot);
	x->slot = NULL;
	x->slots = x->used = 0;
}
