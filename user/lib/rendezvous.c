// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/rendezvous.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

/* The time until an event of that rate, drawn from the hash: who of several comes first does so by its rate. */
static double draw(const uint64_t key[2], uint32_t bucket, const char *name, unsigned weight)
{
	uint8_t text[sizeof(bucket) + 128] = { 0 };
	size_t len = strnlen(name, sizeof(text) - sizeof(bucket));
	uint64_t hash;

	memcpy(text, &bucket, sizeof(bucket));
	memcpy(text + sizeof(bucket), name, len);
	crypto_shorthash((uint8_t *)&hash, text, sizeof(bucket) + len, (const uint8_t *)key);
	/* Between 0 and 1, and neither: 53 bits are what a double holds. */
	return -log(((double)(hash >> 11) + 0.5) / 9007199254740992.0) / weight;
}

uint32_t rendezvous_order(const uint64_t key[2], uint32_t bucket, const char *const *names, const unsigned *weights,
			  unsigned count)
{
	double at[RENDEZVOUS_MEMBERS];
	unsigned sorted[RENDEZVOUS_MEMBERS];
	uint32_t order = 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned k = i;

		at[i] = draw(key, bucket, names[i], weights[i]);
		for (; k && at[sorted[k - 1]] > at[i]; k--)
			sorted[k] = sorted[k - 1];
		sorted[k] = i;
	}
	for (unsigned i = 0; i < count; i++)
		order |= (uint32_t)sorted[i] << 4 * i;
	return order;
}
