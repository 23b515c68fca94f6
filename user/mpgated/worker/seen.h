/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of those who ask us, by peer, in shared memory: for the operator, who sees no other trace of them. */
#ifndef MPGATED_SEEN_H
#define MPGATED_SEEN_H

#include <mpgated/worker/conn.h>

/* A request of that key came from there, and its cookie is right. */
void seen_peer(struct worker *w, const struct snapshot_key *k, const struct mpgate_addr *from);
/* A peer with that key has asked for what it does not get. ahead: CONVERT_REFUSED_CLOCK: of our clock, in seconds. */
void seen_refused(struct worker *w, const struct snapshot_key *k, enum convert_refusal refusal, int32_t ahead);
/* Somebody asks with a key that we do not have: the last one is known. */
void seen_unknown(struct worker *w, const struct mpgate_addr *from);

#endif
