/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connections to the Convert port that have proven nothing yet, and how many of them there may be. */
#ifndef MPGATED_STRANGERS_H
#define MPGATED_STRANGERS_H

#include <mpgated/worker/conn.h>

/* Puts c, which was just accepted from request.tuple.saddr, among them; the oldest may have to go. */
void stranger_add(struct worker *w, struct conn *c);
/* The request of c was made with a key: neither it nor its source is a stranger. */
void stranger_proves(struct worker *w, struct conn *c, const struct mpgate_addr *client);

#endif
