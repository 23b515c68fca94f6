/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a hub's connections to servers leave from: its own address, one of the pool, or the client's, preserved. */
#ifndef MPGATED_SOURCE_H
#define MPGATED_SOURCE_H

#include <mpgated/worker/access.h>
#include <mpgated/worker/conn.h>

/* Counts c for its subscriber, until its end. client: who speaks Convert to us. False: that has as many as it may. */
bool source_has_room(struct worker *w, struct conn *c, const struct request *r, const struct mpgate_addr *client);
/*
 * Has this machine no address of the server's IP version, and was the socket given none? Left to the kernel one would
 * be taken that is good for one link only.
 */
bool source_is_missing(const struct worker *w, const struct conn *c);
/* Gives the socket towards the server the source that this is to see. 0, -EADDRNOTAVAIL (it is missing) or -errno. */
int source_bind(struct worker *w, struct conn *c, const struct request *r, const struct mpgate_addr *client);

#endif
