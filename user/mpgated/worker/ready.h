/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections to peers that are opened ahead, by us or by them. */
#ifndef MPGATED_READY_H
#define MPGATED_READY_H

#include <mpgated/worker/conn.h>

/* Gives c an established connection to its peer as its peer leg, and the request its address, if there is one. */
bool ready_take(struct worker *w, struct conn *c);
/* A connection wants that peer, and has found one that was opened ahead, or none. */
void ready_wanted(struct worker *w, unsigned slot, bool found);
/*
 * The same of any demand, of which at least `least` are served; how many would serve it. What is missed in a burst
 * raises it, time lets it sink.
 */
void demand_note(struct demand *d, unsigned least, bool found, uint64_t now);
unsigned demand_wanted(struct demand *d, unsigned least, uint64_t now);
/*
 * Opens as many to an address of the peer as its configuration says, or as were missed lately by those who came in a
 * burst, up to READY_MOST. None where the configuration says 0.
 */
#define READY_MOST 64U
void ready_fill(struct worker *w, unsigned slot, unsigned address);
/* Closes those of a peer; slot -1: all. */
void ready_drop(struct worker *w, int slot);
void ready_event(struct worker *w, struct conn *r);
/*
 * Takes in a connection of the peer in c->request.slot that it opened for requests of ours. 0 or -EBUSY: a worker has
 * READY_MOST of each peer. It is closed when it has not been used in timeouts.idle.
 */
int ready_park(struct worker *w, struct conn *c);
/*
 * A connection to an address of a peer, in that state and in no list yet; NULL: there can be none now. Its opener is
 * the peer, since it is for what the peer asks, or will lend its leg to another connection.
 */
struct conn *ready_open(struct worker *w, const struct snapshot_peer *p, unsigned address, enum conn_state state);

#endif
