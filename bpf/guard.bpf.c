// SPDX-License-Identifier: GPL-2.0-only
/* XDP, and tc ingress where a link has no XDP of its own: drops forged, stale and replayed Convert SYNs. */
#include <linux/pkt_cls.h>

#include "guard.h"
#include "window.h"

GUARD_DEFINE(guard_check_xdp, xdp_md, bpf_xdp_load_bytes)
GUARD_DEFINE(guard_check_tc, __sk_buff, bpf_skb_load_bytes)

/* NULL: Convert is not accepted here, everything passes. */
static __always_inline const struct mpgate_settings *guard_settings(void)
{
	__u32 zero = 0;
	const struct mpgate_settings *set = bpf_map_lookup_elem(&settings, &zero);

	return set && set->accept != MPGATE_ACCEPT_NONE ? set : NULL;
}

/* Is this a SYN with data whose window is to be corrected? Then the segment and its options are filled. */
#define GUARD_WINDOW(ctx, load, seg, options, len)                                                                     \
	(parse_frame((void *)(long)(ctx)->data, (void *)(long)(ctx)->data_end, l3, seg) == PARSE_TCP &&                \
	 (seg)->payload && (len = segment_options_len(seg)) &&                                                         \
	 !load(ctx, (seg)->tcp_off + sizeof(struct tcphdr), (options)->bytes, len))

static __always_inline void guard_window_xdp(struct xdp_md *ctx, bool l3)
{
	struct tcp_options options = {};
	struct segment seg;
	struct tcphdr tcp;
	__be16 window;
	__u32 len;

	if (!GUARD_WINDOW(ctx, bpf_xdp_load_bytes, &seg, &options, len) ||
	    bpf_xdp_load_bytes(ctx, seg.tcp_off, &tcp, sizeof(tcp)))
		return;
	window = window_unscaled(&options, len, tcp.window);
	if (window == tcp.window)
		return;
	tcp.check = window_checksum(tcp.check, tcp.window, window);
	tcp.window = window;
	bpf_xdp_store_bytes(ctx, seg.tcp_off, &tcp, sizeof(tcp));
}

static __always_inline void guard_window_tc(struct __sk_buff *skb, bool l3)
{
	struct tcp_options options = {};
	struct segment seg;
	__be16 old, window;
	__u32 len;

	if (!GUARD_WINDOW(skb, bpf_skb_load_bytes, &seg, &options, len) ||
	    bpf_skb_load_bytes(skb, seg.tcp_off + offsetof(struct tcphdr, window), &old, sizeof(old)))
		return;
	window = window_unscaled(&options, len, old);
	if (window == old)
		return;
	/* The helper knows of checksums that hardware is to finish. */
	bpf_l4_csum_replace(skb, seg.tcp_off + offsetof(struct tcphdr, check), old, window, sizeof(window));
	bpf_skb_store_bytes(skb, seg.tcp_off + offsetof(struct tcphdr, window), &window, sizeof(window), 0);
}

static __always_inline bool guard_lets_in(enum mpgate_reason reason)
{
	return reason == MPGATE_R_GUARD_PASS || reason == MPGATE_R_GUARD_UNCHECKED;
}

SEC("xdp.frags")
int guard_xdp(struct xdp_md *ctx)
{
	const struct mpgate_settings *set = guard_settings();
	enum mpgate_reason reason = set ? guard_check_xdp(ctx, false, set) : MPGATE_R_OTHER;

	/* Cut short, or in several buffers: nothing to go by here, the stack or the worker sees to it. But headers that
	 * fill a whole buffer are none to wait for. */
	if (reason == GUARD_UNSEEN)
		reason = MPGATE_R_GUARD_HEADERS;
	if (reason != MPGATE_R_OTHER && reason != GUARD_SHORT)
		count(reason);
	if (set && set->unscale && guard_lets_in(reason))
		guard_window_xdp(ctx, false);
	return guard_drops(reason) ? XDP_DROP : XDP_PASS;
}

static __always_inline int guard_tc_any(struct __sk_buff *skb, bool l3)
{
	const struct mpgate_settings *set = guard_settings();
	enum mpgate_reason reason = MPGATE_R_OTHER;

	if (!set)
		return TC_ACT_UNSPEC;
	if (skb->vlan_present && (skb->vlan_tci & PARSE_VLAN_ID)) /* the tag of a VLAN device is taken off already */
		return TC_ACT_UNSPEC;
		/* A second time when the packet had to be made linear; a loop, so that the check stands here once. */
#pragma clang loop unroll(disable)
	for (int i = 0; i < 2; i++) {
		reason = guard_check_tc(skb, l3, set);
		if (reason < GUARD_SHORT || skb->data_end - skb->data >= skb->len || bpf_skb_pull_data(skb, skb->len))
			break;
	}
	if (reason == GUARD_UNSEEN)
		reason = MPGATE_R_GUARD_HEADERS;
	if (reason != MPGATE_R_OTHER && reason != GUARD_SHORT)
		count(reason);
	if (set->unscale && guard_lets_in(reason))
		guard_window_tc(skb, l3);
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
