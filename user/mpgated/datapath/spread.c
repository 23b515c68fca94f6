// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which worker serves which clients, by rendezvous hashing: each worker has a number for each slot, and of those alive
 * the highest has it.
 */
#include <mpgated/datapath/spread.h>

/* The finalizer of MurmurHash3: every bit of the input changes half of the output's. */
static uint32_t mix(uint32_t n)
{
	n = (n ^ n >> 16) * 0x85ebca6bU;
	n = (n ^ n >> 13) * 0xc2b2ae35U;
	return n ^ n >> 16;
}

void spread_clients(const bool alive[MPGATE_MAX_WORKERS], uint32_t slots[MPGATE_CLIENT_SLOTS])
{
	for (uint32_t slot = 0; slot < MPGATE_CLIENT_SLOTS; slot++) {
		uint32_t highest = 0;

		slots[slot] = MPGATE_NO_WORKER;
		for (uint32_t worker = 0; worker < MPGATE_MAX_WORKERS; worker++) {
			uint32_t number = mix(slot * MPGATE_MAX_WORKERS + worker + 1);

			if (!alive[worker] || (slots[slot] != MPGATE_NO_WORKER && number <= highest))
				continue;
			highest = number;
			slots[slot] = worker;
		}
	}
}
