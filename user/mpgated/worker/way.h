/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which way a connection to a peer takes first, where its rule says which paths it uses, or how (`paths`, `steer`). */
#ifndef MPGATED_WAY_H
#define MPGATED_WAY_H

#include <mpgated/worker/conn.h>

/* The rule of c, if it says so; NULL: it does not. */
const struct snapshot_rule *way_rule(const struct worker *w, const struct conn *c);
/*
 * fd is to be dialed for c, to its request's peer and address: it leaves as the rule says, or else by the best way. 0;
 * -ENETDOWN: none of the rule's paths works; or another -errno.
 */
int way_leave(struct worker *w, const struct conn *c, int fd);
/* May c use that connection, which was opened ahead? */
bool way_fits(const struct worker *w, const struct conn *c, const struct conn *ready);

#endif
