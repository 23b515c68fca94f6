/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the subflows of our connections fare, path by path, as the kernel counts (TCP_INFO). Looked at in jobs: several
 * times a second while they carry much, rarely while there are none. A list of all sockets takes longest: where few are
 * known these are asked for one by one in between. Neither takes more than a hundredth of the time.
 */
#ifndef MPGATED_SAMPLE_H
#define MPGATED_SAMPLE_H

#include <mpgated/paths/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#define SAMPLE_SOON_MS 250U /* while they carry much, and when one asks to be joined */
#define SAMPLE_MS 1000U /* while there are any, or were at the last look: what ended shows */
#define SAMPLE_IDLE_MS 5000U

struct sampler {
	struct nl_list before; /* struct counted, by cookie: of the last look */
	struct nl_list rows; /* struct paths_subflow */
	unsigned total; /* of which rows are some */
	struct nl_list known; /* struct nl_subflow: ours, by token */
	bool stale; /* there may be more by now */
	uint64_t at; /* ns: the last look; 0: none yet */
	uint64_t listed, cost; /* ns: when all subflows were listed, and what that took */
	bool taken; /* this time */
	unsigned next_ms; /* until the next one */
	unsigned least_ms; /* the same, at least */
};

struct path_set;

/* In jobs. */
void sample_take(struct path_set *p);
/* Behind all that looks at sampler.known: many are listed anew each time, and need not be kept meanwhile. */
void sample_forget(struct sampler *s);
void sample_free(struct sampler *s);

#endif
