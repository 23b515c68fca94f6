/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Weighted rendezvous hashing: for each bucket of clients, an order of the members of a group. A member's share of
 * first places is its weight's; when one comes, goes or changes its weight, only buckets that gain or lose it change.
 */
#ifndef LIB_RENDEZVOUS_H
#define LIB_RENDEZVOUS_H

#include <stdint.h>

#define RENDEZVOUS_MEMBERS 8U
#define RENDEZVOUS_AS_GIVEN 0x76543210U

/*
 * Of count members (at most RENDEZVOUS_MEMBERS) with distinct names and weights of 1 or more: their indexes, first the
 * one in the lowest 4 bits. key: the same for always the same orders, another for others.
 */
uint32_t rendezvous_order(const uint64_t key[2], uint32_t bucket, const char *const *names, const unsigned *weights,
			  unsigned count);

#endif
