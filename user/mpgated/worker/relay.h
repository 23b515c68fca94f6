/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes between the legs of a connection. */
#ifndef MPGATED_RELAY_H
#define MPGATED_RELAY_H

#include <mpgated/worker/conn.h>

/* So many bytes of c went up, or down: counted for the worker and for its rule. */
void relay_count(struct worker *w, const struct conn *c, unsigned down, uint64_t bytes);
/* One turn of the opener's bytes only. 0, -EAGAIN (conn_again() is due) or -errno. */
int relay_up(struct worker *w, struct conn *c);
/* Both legs are connected; runs the first round. c may be closed when it returns. */
void relay_start(struct worker *w, struct conn *c);
void relay_event(struct worker *w, struct conn *c);
void relay_timeout(struct worker *w, struct conn *c);
void relay_still(struct worker *w, struct conn *c); /* c stands still and has to go */

#endif
