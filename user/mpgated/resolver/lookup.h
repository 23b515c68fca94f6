/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One question: the SRV records of a domain, then the addresses of their targets. */
#ifndef MPGATED_LOOKUP_H
#define MPGATED_LOOKUP_H

#include <ares.h>

#include <mpgated/ipc/resolve.h>

/*
 * Asks by the channel; seed: of dns_order(). done is called once, perhaps before this returns, and not when the channel
 * is destroyed. 0 or -ENOMEM.
 */
int lookup_start(ares_channel channel, uint64_t seed, const struct resolve_question *question,
		 void (*done)(const struct resolve_answer *answer));

#endif
