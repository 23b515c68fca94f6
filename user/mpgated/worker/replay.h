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

/* A use of a cookie that may come again. */
struct replay_place {
	uint64_t *at;
	uint64_t entry; /* as it was found there, or put there */
};

/*
 * Has this cookie, whose tag is right, been used inside the window (seconds)? From now on it has. now: of
 * CLOCK_BOOTTIME. Lock-free, so that a worker that dies in here holds up nobody. A full bucket gives up its oldest
 * entry: only who has a key can fill one. worker: who asks; it has the request from now on, if it is new.
 */
enum replay replay_use(struct shared_memory *shm, unsigned buckets, const struct convert_cookie *cookie, uint32_t now,
		       unsigned window, unsigned worker, struct replay_place *place);
/* The worker that had it first; and how long ago that was, in seconds. */
unsigned replay_worker(const struct replay_place *p);
unsigned replay_age(const struct replay_place *p, uint32_t now);
/* The request is carried over one of its copies: what comes now comes too late. And, is that so? */
void replay_settle(const struct replay_place *p);
bool replay_settled(const struct replay_place *p);

#endif
