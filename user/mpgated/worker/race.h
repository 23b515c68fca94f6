/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A gateway's request that goes over two paths (setup: stagger, duplicate). */
#ifndef MPGATED_RACE_H
#define MPGATED_RACE_H

#include <mpgated/worker/conn.h>

/* Before c's request to p is made: may it go over more than one path? */
void race_prepare(struct worker *w, struct conn *c, const struct snapshot_peer *p);
/* Is the peer one that must not get the request twice? Then handshakes race, and SYNs have no data. */
bool race_is_bare(const struct worker *w, const struct conn *c);
/* c was dialed: the second path has it as well, at once or when the first is late. */
void race_begin(struct worker *w, struct conn *c);
/* Sends the copies that are due. The time until others may be, ms; -1: none. */
int64_t race_look(struct worker *w);
/* Copies of the request went in SYNs, so that the peer chooses which of them it answers. */
static inline bool race_in_syns(const struct conn *c)
{
	return c->request.raced && c->request.sent == SENT_SYN;
}
/* c takes the peer leg of r, one of its copies, and r that of c. 0, or -errno: c is closed. */
int race_swap(struct worker *w, struct conn *c, struct conn *r);
/* The peer leg of c has come to nothing: true: it has one of its copies' now. */
bool race_goes_on(struct worker *w, struct conn *c);
/* The peer leg of c is the one that the connection has: the others end. */
void race_won(struct worker *w, struct conn *c);
void race_end(struct worker *w, struct conn *c); /* the same, when none has */

#endif
