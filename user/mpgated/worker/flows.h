/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What steer wrote down of a connection, and what its rule says should become of it when it cannot be carried. */
#ifndef MPGATED_WORKER_FLOWS_H
#define MPGATED_WORKER_FLOWS_H

#include <mpgated/worker/conn.h>

/* What an entry asks for; the tuple is the caller's. */
void flow_asks(const struct mpgate_flow *f, struct conn_request *out);
/* Takes the entry of c's tuple: rule, peer, DSCP. False: there is none. */
bool flow_take(struct worker *w, struct conn *c);
/* Nobody needs the entry of that tuple any more. */
void flow_drop(struct worker *w, const struct mpgate_tuple *tuple);
/* c cannot be carried: is it reset, rather than go direct? */
bool flow_must_reset(const struct worker *w, const struct conn *c);

#endif
