/* SPDX-License-Identifier: GPL-2.0-only */
/* The mark of packets that are to reach a local socket: a routing rule leads them there. */
#ifndef MPGATE_MARK_H
#define MPGATE_MARK_H

#include "maps.h"

static __always_inline void packet_mark(struct __sk_buff *skb, const struct mpgate_settings *set)
{
	__u32 mark = (skb->mark & ~set->mark_mask) | set->mark;

	asm volatile("" : "+r"(mark)); /* else the compiler writes the upper half only, which the context forbids */
	skb->mark = mark;
}

static __always_inline bool packet_marked(const struct __sk_buff *skb, const struct mpgate_settings *set)
{
	return (skb->mark & set->mark_mask) == set->mark;
}

#endif
