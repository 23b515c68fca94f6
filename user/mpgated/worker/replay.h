/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which keyed cookies were used: a table that all workers share. */
#ifndef MPGATED_REPLAY_H
#define MPGATED_REPLAY_H

#include <mpgate/convert.h>
#include <mpgated/ipc/shared.h>

enum replay {
	REPLAY_NEW,
	REPLAY_NEW_FULL, /* new, and an older one had to be forgotten for it */
	REPLAY_SEEN,
};

/*
 * Has this cookie, whose tag is right, been used inside the window (seconds)? From now on it has. now: of
 * CLOCK_BOOTTIME. Lock-free, so that a worker that dies in here holds up nobody. A full bucket gives up its oldest
 * entry: only who has a key can fill one.
 */
enum replay replay_use(struct shared_memory *shm, unsigned buckets, const struct convert_cookie *cookie, uint32_t now,
		       unsigned window);

#endif
