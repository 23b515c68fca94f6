/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections that we open to a peer and keep for its requests (peers: park): to be reached from its side although
 * nothing leads to us, as behind NAT. docs/protocol.md, Park.
 */
#ifndef MPGATED_PARKING_H
#define MPGATED_PARKING_H

#include <mpgated/worker/conn.h>

/* Opens what is missing, when that is due. The time until more is, ms; -1: none is missing. */
int64_t parking_look(struct worker *w);
void parking_event(struct worker *w, struct conn *c); /* may close c, or make it one of hub.c */
void parking_timeout(struct worker *w, struct conn *c);
void parking_drop(struct worker *w); /* closes all that are unused */

#endif
