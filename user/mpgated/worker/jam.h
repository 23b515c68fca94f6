/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MPTCP connections whose receive buffer is full of what came out of order. Linux takes nothing more from subflows then
 * (net/mptcp/protocol.c, __mptcp_move_skbs), not even what is missing, which waits in the queue of one of them: the
 * connection stands still for good. It happens when a path dies with the begin of a window under way. A larger buffer
 * sets it free.
 *
 * And buffers whose window the other side does not keep: Linux drops what comes behind it, although the subflow has
 * acknowledged it, and MPTCP itself sends that again, 32 KiB each time-out. All that follows has the same fate, so that
 * of 40 Mbit/s half a Mbit/s was left. A buffer that holds what the other side may have under way is the way out.
 *
 * And young connections that are given a faster path: what comes there waits for what is under way on the slow one, and
 * fills the small buffer of the beginning. Linux makes it larger by what is read, so that the fast path stands still
 * until the queue of the slow one is through.
 */
#ifndef MPGATED_JAM_H
#define MPGATED_JAM_H

#include <mpgated/worker/conn.h>

#define JAM_LEAST (128U << 10) /* bytes: what a buffer holds in the beginning */
#define JAM_YOUNG (4U << 20) /* bytes brought: from there on buffers are what the kernel makes of them */
#define JAM_FIRST (32U << 10) /* bytes brought: a young one is looked at, and each time it has brought */
#define JAM_STEP 16U /* one part of so many more: some 80 times. By larger steps a fast path had rested for 0.15 s */

/* What the other proxy has sent and we have read. */
static inline uint64_t jam_brought(const struct conn *c)
{
	return c->opener == LEG_PEER ? c->bytes_up : c->bytes_down;
}

/* Of a young one that has brought something: is what waits out of order much of what its buffer holds? */
void jam_look_young(struct conn *c);

/* c has moved something: from now on it is looked at, until it rests. */
static inline void jam_moved(struct worker *w, struct conn *c)
{
	uint64_t brought = jam_brought(c);

	if (!c->peer.mptcp)
		return;
	if (brought >= JAM_FIRST && brought >= c->jam.young + c->jam.young / JAM_STEP && brought < JAM_YOUNG)
		jam_look_young(c);
	if (list_empty(&c->jam.list) && brought >= c->jam.seen + JAM_LEAST)
		list_add_tail(&w->moving, &c->jam.list);
}

/* Looks at all of those, in its time; returns after how many ms it is to be called again, -1: when something moved. */
int64_t jam_look(struct worker *w);

#endif
