/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a worker writes down of its connections to servers, for the process that logs mappings. No system calls. */
#ifndef MPGATED_MAPPING_H
#define MPGATED_MAPPING_H

#include <mpgated/worker/conn.h>

/* c's server was dialed, from there; peer: who asked, NULL: nobody with a key. */
void mapping_begin(struct worker *w, struct conn *c, const struct snapshot_peer *peer);
/* That is over; without effect where nothing began. */
void mapping_end(struct worker *w, struct conn *c, const struct snapshot_peer *peer);

#endif
