/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which keyed cookies were used: a table that all workers share. */
#ifndef MPGATED_REPLAY_H
#define MPGATED_REPLAY_H

#include <stdbool.h>

#include <mpgated/ipc/shared.h>

/*
 * True the first time a nonce of a key is seen inside the window (seconds). stamp: the cookie's own time, the same in
 * each copy of it. Lock-free, so that a worker that dies in here holds up nobody. A full bucket gives up its oldest
 * entry: only who has the key can fill one.
 */
bool replay_new(struct shared_memory *shm, const uint8_t nonce[8], uint32_t key_id, uint32_t stamp, uint32_t now,
		unsigned window);

#endif
