/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections to peers that are opened ahead. */
#ifndef MPGATED_READY_H
#define MPGATED_READY_H

#include <mpgated/worker/conn.h>

/* Gives c an established connection to its peer as its peer leg, and the request its address, if there is one. */
bool ready_take(struct worker *w, struct conn *c);
/* A connection wants that peer, and has found one that was opened ahead, or none. */
void ready_wanted(struct worker *w, unsigned slot, bool found);
/*
 * Opens as many to an address of the peer as its configuration says, or as were missed lately by those who came in a
 * burst, up to READY_MOST. None where the configuration says 0.
 */
#define READY_MOST 64U
void ready_fill(struct worker *w, unsigned slot, unsigned address);
/* Closes those of a peer; slot -1: all. */
void ready_drop(struct worker *w, int slot);
void ready_event(struct worker *w, struct conn *r);

#endif
