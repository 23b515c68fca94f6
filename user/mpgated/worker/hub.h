/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answering end: connections that a peer or another Convert client opened to us. */
#ifndef MPGATED_HUB_H
#define MPGATED_HUB_H

#include <mpgated/worker/conn.h>

void hub_accept(struct worker *w, struct listener *l);
void hub_event(struct worker *w, struct conn *c);
void hub_timeout(struct worker *w, struct conn *c);

#endif
