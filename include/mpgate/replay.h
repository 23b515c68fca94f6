/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What guard's table of used cookies and the workers' have in common: buckets
 * of MPGATE_REPLAY_WAYS words, the lowest 16 bits of which are the second of
 * CLOCK_BOOTTIME when the cookie was used, so that no clock that is set makes
 * it good again.
 */
#ifndef MPGATE_REPLAY_H
#define MPGATE_REPLAY_H

#include <linux/types.h>

#define REPLAY_TIME_MASK 0xffffU

/* Nonces are random and covered by the tag, so any mixing that keeps their bits apart will do. */
static inline __attribute__((always_inline, unused)) __u64 replay_fingerprint(__u64 nonce, __u32 key_id)
{
	nonce ^= (__u64)key_id * 0x9e3779b97f4a7c15ULL;
	nonce ^= nonce >> 29;
	nonce *= 0xbf58476d1ce4e5b9ULL;
	return nonce ^ nonce >> 32;
}

#endif
