// SPDX-License-Identifier: GPL-2.0-only
/* XDP, and tc ingress where a link has no XDP of its own: drops forged, stale and replayed Convert SYNs. */
#include <linux/pkt_cls.h>

#include "guard.h"

GUARD_DEFINE(guard_check_xdp, xdp_md, bpf_xdp_load_bytes)
GUARD_DEFINE(guard_check_tc, __sk_buff, bpf_skb_load_bytes)

/* NULL: Convert is not accepted here, everything passes. */
static __always_inline const struct mpgate_settings *guard_settings(void)
{
	__u32 zero = 0;
	const struct mpgate_settings *set = bpf_map_lookup_elem(&settings, &zero);

	return set && set->accept != MPGATE_ACCEPT_NONE ? set : NULL;
}

SEC("xdp.frags")
int guard_xdp(struct xdp_md *ctx)
{
	const struct mpgate_settings *set = guard_settings();
	enum mpgate_reason reason = set ? guard_check_xdp(ctx, false, set) : MPGATE_R_OTHER;

	/* Cut short, or in several buffers: nothing to go by here, the stack or the worker sees to it. */
	if (reason != MPGATE_R_OTHER && reason != GUARD_SHORT)
		count(reason);
	return guard_drops(reason) ? XDP_DROP : XDP_PASS;
}

static __always_inline int guard_tc_any(struct __sk_buff *skb, bool l3)
{
	const struct mpgate_settings *set = guard_settings();
	enum mpgate_reason reason;

	if (!set)
		return TC_ACT_UNSPEC;
	reason = guard_check_tc(skb, l3, set);
	if (reason == GUARD_SHORT && skb->data_end - skb->data < skb->len && !bpf_skb_pull_data(skb, 0))
		reason = guard_check_tc(skb, l3, set);
	if (reason != MPGATE_R_OTHER && reason != GUARD_SHORT)
		count(reason);
	return guard_drops(reason) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int guard_tc(struct __sk_buff *skb)
{
	return guard_tc_any(skb, false);
}

SEC("tc")
int guard_tc_l3(struct __sk_buff *skb)
{
	return guard_tc_any(skb, true);
}

char _license[] SEC("license") = "GPL";
