/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One probe of a peer: an Info request (RFC 8803, 6.2.3) over MPTCP to one address over one path, signed as any other.
 * An answer shows that the way, the daemon and the key are good, and whether data in a SYN gets there.
 */
#ifndef MPGATED_PROBE_H
#define MPGATED_PROBE_H

#include <mpgated/supervisor/supervisor.h>

/* The end of a probe. address and path: what it was started with. */
typedef void (*probe_done)(struct peer *p, unsigned address, const struct health_path *path,
			   const struct health_result *r);

/* Starts one over a way; it ends within patience_ms. 0, or -errno: there is no probe. */
int probe_start(struct peer *p, unsigned way, uint64_t patience_ms, probe_done done);
/* Ends all of a peer without a word. The loop must run once more to close their handles. */
void probe_cancel(struct peer *p);

#endif
