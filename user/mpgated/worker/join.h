/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a connection gets further subflows (`subflows` and `join` of the configuration). */
#ifndef MPGATED_JOIN_H
#define MPGATED_JOIN_H

#include <mpgated/worker/conn.h>

/* c begins to relay. */
void join_start(struct worker *w, struct conn *c);
/* Asks for them now, unless its rule says never; once, with conn.join_done set, or again when that could not be told.
 */
void join_ask(struct worker *w, struct conn *c);
/*
 * Tells what rule c goes by, where that says something of paths: as soon as there is a connection, since one whose path
 * dies gets others unasked.
 */
void join_note(struct worker *w, struct conn *c);
#define JOIN_SLOW 5U /* a fifth of the bytes is enough when a fifth of the time is over: its path is a slow one */
/* c has moved something: asks when it is enough. */
static inline void join_moved(struct worker *w, struct conn *c)
{
	uint64_t moved = c->bytes_up + c->bytes_down;

	if (c->join_done || moved < w->snap->join_bytes / JOIN_SLOW)
		return;
	if (moved >= w->snap->join_bytes ||
	    (c->class == TIMER_YOUNG && w->now >= c->armed + w->snap->join_ms / JOIN_SLOW))
		join_ask(w, c);
}
/* c is join_ms old: asks when it is at work still, or waits for its first answer or for what it sent to arrive. */
void join_look(struct worker *w, struct conn *c);

#endif
