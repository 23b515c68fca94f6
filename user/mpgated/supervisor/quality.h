/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which paths are better left alone, by what their subflows and probes say. A path that is slow beside another makes a
 * bonded transfer slower than the better path alone is: what it holds is waited for, and buffers are full meanwhile.
 * That shows in no figure of one path, so it is tried out: a path that is suspect is made a backup, and stays one if
 * nothing is lost by it; after a while, longer each time, it is tried as a primary again, and stays one if something is
 * gained. One path at a time, and only while there is a transfer to judge by. What loses many segments with no queue
 * of its own, or has a queue that no transfer needs, is a backup for a while without a trial. Pure: no I/O.
 */
#ifndef MPGATED_QUALITY_H
#define MPGATED_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include <mpgated/paths/paths.h>

#define QUALITY_WHY 96
#define QUALITY_TRANSFER 62500U /* bytes a second: there is something to judge by */
#define QUALITY_QUEUE_US 10000U /* so much longer than the least round trip: it has a queue */
#define QUALITY_RISE_MS 2000U /* until a path brings what it can */

/* A path, as of this sample. */
struct quality_view {
	char link[16]; /* its name */
	bool candidate; /* it is well, and a primary but for what is decided here */
	struct paths_sample sample;
	uint32_t probe_us; /* least round trip of the last probes over it that were answered; 0: none */
};

enum quality_state {
	QUALITY_GOOD,
	QUALITY_PROOF, /* a backup, to see whether all is better without it */
	QUALITY_BACKUP,
	QUALITY_TRIAL, /* a primary, to see whether all is better with it */
};

struct quality_link {
	char link[16];
	enum quality_state state;
	char why[QUALITY_WHY]; /* of PROOF and BACKUP */
	bool plain; /* BACKUP: goes without a trial */
	bool was_candidate;
	uint64_t rate; /* bytes a second, smoothed */
	uint32_t base_us; /* least round trip; 0: not known */
	uint32_t carried_ms; /* it has carried something for that long */
	uint32_t suspect_ms, bloated_ms; /* it has looked so for that long */
	uint64_t suspect_bytes; /* of all paths in that time */
	uint32_t segs, retrans; /* of some seconds without a transfer */
	uint32_t pause_ms; /* the last one; doubles */
	uint64_t until; /* ms. GOOD: not suspected before; BACKUP: no trial, or none as a primary, before */
	uint64_t least; /* BACKUP: bytes a second without it; with half of that another trial is due */
	uint64_t ended; /* ms: the last trial or proof */
	/* Of quality_order(): */
	uint32_t less_ms, more_ms; /* it brings little beside another, or as much, for that long */
	bool held; /* in less_ms: it had a queue, or lost something */
	uint64_t brought; /* bytes a second, when it was found slow */
	uint32_t far_looks; /* in a row that it looked so */
	bool slow, far;
	bool told; /* that it is */
};

struct quality {
	struct quality_link link[MPGATE_MAX_LINKS];
	unsigned count;
	uint64_t rate; /* bytes a second, of all paths that are candidates, smoothed */
	uint32_t busy_ms; /* something is transferred for that long */
	uint32_t steady_ms; /* there has been a transfer for that long */
	int tested; /* link + 1 that is in PROOF or TRIAL, 0: none */
	/* Of that: */
	uint64_t before; /* rate, before it began */
	uint64_t began; /* ms */
	uint64_t lasted; /* ms; until then there was a transfer to judge by */
	uint64_t bytes; /* since it has settled */
	uint32_t settled_ms, measured_ms;
};

/* Takes a sample of n paths, all of the same time. now: ms. */
void quality_step(struct quality *q, const struct quality_view *v, unsigned n, uint64_t now);
/* Is it to be a backup? */
static inline bool quality_demoted(const struct quality_link *l)
{
	return l->state == QUALITY_PROOF || l->state == QUALITY_BACKUP;
}

/* Why connections are to begin over others, if there are some for which this is NULL. */
static inline const char *quality_later(const struct quality_link *l)
{
	return l->slow	? "connections begin over others first, it is slow beside them"
	       : l->far ? "connections begin over others first, it is far beside them"
			: NULL;
}

static inline bool quality_is_later(const struct quality_link *l)
{
	return quality_later(l) != NULL;
}

/* Does it carry what is bonded, and may it? */
static inline bool quality_in_use(const struct quality *q, const struct quality_view *v, unsigned i)
{
	return v[i].candidate && !quality_demoted(&q->link[i]);
}

/* order.c, a part of quality_step(): finds out slow and far. */
void quality_order(struct quality *q, const struct quality_view *v, unsigned n);

#endif
