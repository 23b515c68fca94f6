/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The answer of a peer to the request of a gateway. */
#ifndef MPGATED_ANSWER_H
#define MPGATED_ANSWER_H

#include <mpgated/worker/conn.h>

/* The peer has the message. */
void answer_begin(struct worker *w, struct conn *c);
/* The message went over a connection opened ahead: only an answer shows that it was alive then. */
void answer_ahead(struct worker *w, struct conn *c);
/* The answer is due. The client's bytes flow meanwhile, unless they may have to be said again. */
void answer_event(struct worker *w, struct conn *c);

#endif
