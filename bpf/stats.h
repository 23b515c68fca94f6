/* SPDX-License-Identifier: GPL-2.0-only */
/* One counter a reason, a copy per CPU. */
#ifndef MPGATE_STATS_H
#define MPGATE_STATS_H

#include "maps.h"

static __always_inline void count(enum mpgate_reason reason)
{
	__u32 key = reason;
	__u64 *counter = bpf_map_lookup_elem(&reasons, &key);

	if (counter)
		*counter += 1;
}

#endif
