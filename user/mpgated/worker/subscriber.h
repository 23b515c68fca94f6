/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hub's subscribers: their address in the pool, and how many connections they have. */
#ifndef MPGATED_SUBSCRIBER_H
#define MPGATED_SUBSCRIBER_H

#include <mpgated/worker/conn.h>

/* The hash that stands for one. */
struct subscriber {
	uint64_t lo, hi;
};

/* The client behind a peer (snapshot_key.peer), or a client without one (0). */
struct subscriber subscriber_of(const struct worker *w, uint64_t peer, const struct mpgate_addr *client);
/* Its address of that version. False: the pool has none. */
bool subscriber_address(const struct worker *w, const struct subscriber *s, bool v4, struct mpgate_addr *out);
/* Counts c, until subscriber_leave() or its end. 0, or -EDQUOT: it has as many as it may. */
int subscriber_enter(struct worker *w, struct conn *c, const struct subscriber *s);
void subscriber_leave(struct worker *w, struct conn *c);

#endif
