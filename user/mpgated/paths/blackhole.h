/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's blackhole detection (net.mptcp.blackhole_timeout, Linux 6.12): after MP_CAPABLE SYNs without an answer
 * all new connections of the namespace are plain TCP, for an hour at first. A short outage of a hub is enough.
 */
#ifndef MPGATED_BLACKHOLE_H
#define MPGATED_BLACKHOLE_H

#include <mpgated/paths/originals.h>

#define BLACKHOLE_SYSCTL "mptcp/blackhole_timeout"

struct blackhole {
	uint64_t seen; /* how often it has struck, as last read */
	bool known;
	uint64_t struck; /* ns of uv_hrtime(): when it did last, 0: never */
};

#define BLACKHOLE_NS (3600 * 1000000000ULL) /* so long, at first, new connections are plain TCP */

/* dials: we open MPTCP connections; then it is turned off, else put back. */
void blackhole_set(struct originals *o, bool dials);
/* To be called now and then: says when it has struck, which it can only while somebody else turned it on. */
void blackhole_check(struct blackhole *b);

#endif
