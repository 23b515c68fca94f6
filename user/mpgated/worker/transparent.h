/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections of transparent mode: nothing is said between the proxies but the
 * option of the SYN (mpgate/tag.h), which the kernel's programs add and check.
 * So both sides do the same: dial the server, and let in whoever waits when it
 * has accepted.
 */
#ifndef MPGATED_TRANSPARENT_H
#define MPGATED_TRANSPARENT_H

#include <mpgated/worker/conn.h>

/* Dials the server of c over MPTCP, from its client's own address and port: a hub takes it on its way, or none does. */
void transparent_dial(struct worker *w, struct conn *c);
/*
 * c is a SYN with the tag of a peer, made with the key of that name: dials its server over TCP, if the peer may have
 * that; else the SYN goes on.
 */
void transparent_take(struct worker *w, struct conn *c, uint32_t key_id);
/* c is a SYN with MP_CAPABLE that a rule terminates: dials its server over TCP. */
void transparent_terminate(struct worker *w, struct conn *c);
void transparent_event(struct worker *w, struct conn *c); /* in TR_DIAL */
void transparent_timeout(struct worker *w, struct conn *c);

#endif
