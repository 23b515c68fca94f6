// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP on links that classify early: finds the rule of a SYN and hands it to steer in front of the packet. It never
 * drops, and whatever it cannot do is left to steer.
 */
#include "classify.h"

SEC("xdp")
int gate(struct xdp_md *ctx)
{
	struct segment seg;
	enum mpgate_reason reason;
	const struct mpgate_settings *set;
	struct mpgate_meta *meta;
	__u32 zero = 0, slot, rule;

	if (parse_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end, false, &seg) != PARSE_TCP ||
	    !segment_is_syn(&seg))
		return XDP_PASS;
	set = bpf_map_lookup_elem(&settings, &zero);
	if (!set || !set->loaded)
		return XDP_PASS;
	slot = *(volatile const __u32 *)&set->generation; /* read once: everything below is of one policy */
	rule = classify(slot, ctx->ingress_ifindex, &seg, &reason);
	if (rule == MPGATE_NO_RULE && reason != MPGATE_R_NO_RULE)
		return XDP_PASS;
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*meta)))
		return XDP_PASS;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > (void *)(long)ctx->data)
		return XDP_PASS;
	meta->magic = MPGATE_META_MAGIC;
	meta->generation = slot;
	meta->rule = rule;
	meta->ifindex = ctx->ingress_ifindex;
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
