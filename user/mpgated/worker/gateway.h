/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The asking end: connections that steer gave us. */
#ifndef MPGATED_GATEWAY_H
#define MPGATED_GATEWAY_H

#include <mpgated/worker/conn.h>

void gateway_accept(struct worker *w, struct listener *l);
void gateway_event(struct worker *w, struct conn *c);
void gateway_copy(struct worker *w, struct conn *r); /* of a request, over another path: an event */
void gateway_timeout(struct worker *w, struct conn *c);

#endif
