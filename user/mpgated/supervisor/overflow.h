/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether paths are full: so that those which cost more are used only then. Looked at once a second. Pure.
 *
 * A path whose capacity is configured is full when it carries nearly that, in either direction. Of others it is not
 * known; they are full when they carry nearly as much as they ever have of late, and probes take much longer than they
 * can: there is a queue. Some paths stop being full when they could carry what others carry now as well.
 */
#ifndef MPGATED_OVERFLOW_H
#define MPGATED_OVERFLOW_H

#include <stdbool.h>
#include <stdint.h>

#include <lib/config/config.h>

#define OVERFLOW_FULL_PERCENT 85U /* of the capacity */
#define OVERFLOW_FREE_PERCENT 70U /* of it, by all paths together: then they are full no more */
#define OVERFLOW_FULL_S 3U /* so long before they are taken to be full */
#define OVERFLOW_FREE_S 10U /* and to be full no more */
#define OVERFLOW_NEAR_PERCENT 70U /* of the most that was seen, where the capacity is not known */
#define OVERFLOW_LEAST 125000U /* bytes a second: below that no such path is full */
#define OVERFLOW_QUEUE_US 10000U /* a probe takes twice the shortest time, and so much more: there is a queue */
#define OVERFLOW_MEMORY_S 600U /* then half of the most is forgotten, and the least time grows by a quarter */

enum { OVERFLOW_UP, OVERFLOW_DOWN };

/* A path in the last second. */
struct overflow_view {
	bool well; /* a path, and of use */
	uint64_t rate[2]; /* bytes a second, by direction */
	unsigned mbit[2]; /* as configured; 0: not */
	uint32_t rtt_us; /* of a probe of now; 0: there is none */
};

/* What is remembered of one. */
struct overflow_path {
	uint64_t most[2];
	uint32_t least_us; /* 0: none yet */
	unsigned age_s;
	bool busy[2]; /* it is full now, in that direction */
};

/* Of some paths together. */
struct overflow {
	bool full;
	unsigned seconds; /* that the opposite is seen */
	uint64_t capacity[2]; /* when they were found full; 0: not known, it was the other direction */
};

/* First, for each path and each second. */
void overflow_look(struct overflow_path *p, const struct overflow_view *v);
/*
 * Then: are the paths of `these` full? others: paths that carry what these cannot. Bits by index; n views. True: that
 * has changed.
 */
bool overflow_step(struct overflow *o, const struct overflow_path *p, const struct overflow_view *v, unsigned n,
		   uint64_t these, uint64_t others);

#endif
