/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A peer's request that comes in copies, over several of its paths. See race.h for the other end. */
#ifndef MPGATED_COPY_H
#define MPGATED_COPY_H

#include <mpgated/worker/access.h>

/* The server of c is about to be dialed: copies of its request may come until one of the handshakes is over. */
void copy_expect(struct worker *w, struct conn *c, const struct request *r);
/*
 * Was the handshake of c over first? Then no copy has its request any more. One that was reset, by a middlebox, leaves
 * it to a copy that is there or comes soon.
 */
void copy_settle(struct worker *w, struct conn *c);
/* The cookie of c was used before. True: it is a copy, which waits for its handshake. boot: as in access_clock. */
bool copy_wait(struct worker *w, struct conn *c, const struct request *r, uint32_t boot);
void copy_event(struct worker *w, struct conn *c);
/* Another worker has a copy of a request of ours. Returns -1: fd is used, or reset. */
int copy_arrives(struct worker *w, const struct message *m, int fd);

#endif
