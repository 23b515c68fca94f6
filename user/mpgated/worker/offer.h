/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a converter offers its clients: TCP options towards servers, and where further subflows come to. */
#ifndef MPGATED_OFFER_H
#define MPGATED_OFFER_H

#include <lib/convert.h>
#include <mpgated/worker/conn.h>

/* Puts the kinds of TCP options that are supported. */
void offer_put(const struct worker *w, struct convert_writer *wr);
/*
 * The options that a Connect asks for. 0 and *mptcp; -EOPNOTSUPP with the kinds that are not supported in bad, of 256
 * bytes; -EINVAL.
 */
int offer_check(const struct worker *w, const struct convert_msg *m, bool *mptcp, uint8_t *bad, size_t *bad_count);
/*
 * Do further subflows of that connection belong where we announce (convert.join)? Not those of one that came to such
 * an address: nobody else has that, and it is not announced there.
 */
bool offer_joins(const struct worker *w, int fd);

#endif
