/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What becomes of subflows that were silent, look by look (sample.h): those that a NAT on the way has forgotten get
 * another one in their place, and where that is the rule (nat.h) idle ones are kept by saying something.
 */
#ifndef MPGATED_IDLE_H
#define MPGATED_IDLE_H

#include <mpgated/paths/netlink.h>
#include <stdbool.h>
#include <stdint.h>

#define IDLE_RENEWALS 64U /* that are waited for at a time */

/* Of a subflow that was dead: another one of its connection, from the same path. */
struct renewal {
	uint32_t token; /* 0: none */
	uint64_t cookie; /* of the dead one */
	uint32_t idle_ms; /* it had been silent */
	unsigned way; /* 2 * the link's index and family */
	uint64_t until; /* ms */
};

struct idler {
	struct nl_list before; /* struct idle, by cookie: as of the last look */
	uint64_t at; /* ms: when that was; 0: not yet */
	struct renewal renewal[IDLE_RENEWALS];
	unsigned next; /* of these */
};

struct path_set;

/* In jobs. */
void idle_look(struct path_set *p); /* after sample_take() */
void idle_free(struct idler *d);

#endif
