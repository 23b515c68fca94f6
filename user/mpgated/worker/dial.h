/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a gateway takes a connection to. Each may close it. */
#ifndef MPGATED_DIAL_H
#define MPGATED_DIAL_H

#include <mpgated/worker/conn.h>

/* Sends the request and the first bytes in c->request.first to the first address of the peer that can be dialed. */
void dial_peer(struct worker *w, struct conn *c);
/* The handshake with the present address did not come about, since err: the next one, the next peer of the
 * group, or the server. */
void dial_failed(struct worker *w, struct conn *c, int err);
/*
 * c waits for its peer, while others of the group are up: a peer that is slow is reported, one that was found to be
 * down left for the next. False: c has waited as long as it may.
 */
bool dial_slow(struct worker *w, struct conn *c);
/*
 * A connection opened ahead had died before the peer took the message: all is said again over a new one. Others of its
 * kind are suspect.
 */
void dial_again(struct worker *w, struct conn *c);
/* Plain TCP to the server in the peer's place, with the bytes that were kept; a reset when the rule says reject. */
void dial_direct(struct worker *w, struct conn *c);
/* A peer has parked a connection with us: one that waits for that has it. */
void dial_waiting(struct worker *w, unsigned slot);
/* Looks whether those that wait can be served by others meanwhile. The time until the next look, ms; -1: none waits. */
int64_t dial_look(struct worker *w);
/* Tells the supervisor that c's peer failed. */
void dial_blame(struct worker *w, const struct conn *c, int err);
/*
 * Are the client's first bytes kept until the answer? A peer without a shared key may ask for a cookie, and one that is
 * asked again may refuse: then they are sent once more.
 */
bool dial_keeps_first(const struct conn *c);
/* Gives up the peer leg. */
void dial_leave(struct worker *w, struct conn *c);

#endif
