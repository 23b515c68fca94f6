/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A path that carried much and then nothing, while others go on, may have died without a word. Probes in their turn
 * would find that after seconds, and an outage that is shorter never, though TCP rests for as long again as it lasted.
 * So its ways are probed at once; what comes of that is for health.h and paths/steady.c.
 */
#ifndef MPGATED_STALL_H
#define MPGATED_STALL_H

#include <stdbool.h>
#include <stdint.h>

#define STALL_MS 1000U /* of nothing */
#define STALL_OLD_MS 3000U /* what carries then is another transfer */
#define STALL_MUCH 65536U /* bytes a second, both ways; below that a pause says little */

struct stall_link {
	uint64_t carried; /* ms: when it did last; 0: nothing of late */
};

/* After a look at a path, now in ms: does it carry much, do others? True, once: it has stalled. */
bool stall_step(struct stall_link *l, bool carries, bool others, uint64_t now);

struct supervisor;

/* Called when the paths have a sample. */
void stall_sampled(struct supervisor *s);

#endif
