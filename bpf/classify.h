/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * First matching rule of a SYN by the bit-vector algorithm: each field gives the set of rules it allows, the sets are
 * ANDed, and the lowest bit left is the rule. The cost depends on the number of rules only through the words ANDed.
 */
#ifndef MPGATE_CLASSIFY_H
#define MPGATE_CLASSIFY_H

#include "maps.h"
#include "parse.h"

/* The map of this generation; NULL while none is there. */
#define GEN_MAP(name, slot) bpf_map_lookup_elem(&name, &(slot))

/*
 * Number of the lowest bit set; set is not 0. BPF has no instruction for it: the bits below it are counted, by the
 * usual sums of 2, 4 and 8 neighbours. With branches the verifier of 6.1 follows each rule through all that comes
 * after.
 */
static __always_inline __u32 lowest_bit(__u64 set)
{
	__u64 below = (set & -set) - 1;

	below -= below >> 1 & 0x5555555555555555ULL;
	below = (below & 0x3333333333333333ULL) + (below >> 2 & 0x3333333333333333ULL);
	below = (below + (below >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return below * 0x0101010101010101ULL >> 56;
}

static __always_inline const struct mpgate_bitmap *bitmap_get(void *bitmaps, __u32 index)
{
	return bpf_map_lookup_elem(bitmaps, &index);
}

/* Index of the bitmap of an address: exact entry, else longest prefix, else what matches any address. */
static __always_inline __u32 classify_addr(const struct mpgate_policy *policy, __u32 slot, __u32 side,
					   const struct segment *seg)
{
	struct mpgate_lpm_key lpm = { .prefixlen = MPGATE_LPM_FIXED_BITS + 128 };
	const __u32 *found = NULL;
	void *map;

	lpm.key.side = side;
	lpm.key.family = seg->family;
	if (seg->family == 4) {
		__builtin_memcpy(lpm.key.addr, side == MPGATE_SRC ? &seg->tuple.ipv4.saddr : &seg->tuple.ipv4.daddr, 4);
		lpm.prefixlen = MPGATE_LPM_FIXED_BITS + 32;
	} else if (side == MPGATE_SRC) {
		__builtin_memcpy(lpm.key.addr, seg->tuple.ipv6.saddr, 16);
	} else {
		__builtin_memcpy(lpm.key.addr, seg->tuple.ipv6.daddr, 16);
	}
	if (policy->exact[side]) {
		map = GEN_MAP(gen_exact, slot);
		if (map)
			found = bpf_map_lookup_elem(map, &lpm.key);
	}
	if (!found && policy->lpm[side]) {
		map = GEN_MAP(gen_lpm, slot);
		if (map)
			found = bpf_map_lookup_elem(map, &lpm);
	}
	if (found)
		return *found;
	return policy->any[side][seg->family == 6];
}

/*
 * The rule index of a SYN that came in on ifindex, or MPGATE_NO_RULE. *reason says why there is none (no policy, no
 * link, no rule) and is left alone when there is one.
 */
static __always_inline __u32 classify(__u32 slot, __u32 ifindex, const struct segment *seg, enum mpgate_reason *reason)
{
	const struct mpgate_bitmap *link_set, *src_set, *dst_set, *port_set, *dscp_set;
	const struct mpgate_policy *policy;
	const struct mpgate_link *link;
	const __u32 *port_index;
	void *map, *bitmaps;
	__u32 zero = 0, port;

	*reason = MPGATE_R_NO_POLICY;
	map = GEN_MAP(gen_links, slot);
	if (!map)
		return MPGATE_NO_RULE;
	link = bpf_map_lookup_elem(map, &ifindex);
	if (!link || !(link->flags & MPGATE_LINK_CLASSIFY)) {
		*reason = MPGATE_R_NO_LINK;
		return MPGATE_NO_RULE;
	}
	map = GEN_MAP(gen_policy, slot);
	if (!map)
		return MPGATE_NO_RULE;
	policy = bpf_map_lookup_elem(map, &zero);
	bitmaps = GEN_MAP(gen_bitmaps, slot);
	map = GEN_MAP(gen_ports, slot);
	if (!policy || !bitmaps || !map)
		return MPGATE_NO_RULE;
	port = bpf_ntohs(seg->family == 4 ? seg->tuple.ipv4.dport : seg->tuple.ipv6.dport);
	port_index = bpf_map_lookup_elem(map, &port);
	if (!port_index)
		return MPGATE_NO_RULE;

	*reason = MPGATE_R_NO_RULE;
	link_set = bitmap_get(bitmaps, link->bitmap);
	port_set = bitmap_get(bitmaps, *port_index);
	dscp_set = bitmap_get(bitmaps, policy->dscp[seg->dscp & 63]);
	src_set = bitmap_get(bitmaps, classify_addr(policy, slot, MPGATE_SRC, seg));
	dst_set = bitmap_get(bitmaps, classify_addr(policy, slot, MPGATE_DST, seg));
	if (!link_set || !port_set || !dscp_set || !src_set || !dst_set)
		return MPGATE_NO_RULE;
	for (__u32 w = 0; w < MPGATE_RULE_WORDS; w++) {
		__u64 set;

		if (w >= policy->words)
			break;
		set = link_set->rules[w] & src_set->rules[w] & dst_set->rules[w] & port_set->rules[w] &
		      dscp_set->rules[w];
		if (set)
			return w * 64 + lowest_bit(set);
	}
	return MPGATE_NO_RULE;
}

#endif
