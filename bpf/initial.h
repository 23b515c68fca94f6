/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SYN+ACK with which a hub answers a peer, or a phone, in a server's place. Joins to that server's address and port
 * would be refused here, or go to the server where they take another way: they belong to the addresses that we
 * announce. The flag C of MP_CAPABLE says so (RFC 8684, 3.1). The kernel has a sysctl for it, which would also keep the
 * joins of explicit mode from where they belong, without convert.join; hence it is set here, in these SYN+ACKs alone.
 */
#ifndef MPGATE_INITIAL_H
#define MPGATE_INITIAL_H

#include "reach.h"

#define MPTCP_CAPABLE_FLAGS 3 /* where they are in the option */
#define MPTCP_DENY_INITIAL 0x20 /* C */

/* Is it the answer to a SYN that was taken in a server's place? The segment is that of the answer. */
static __always_inline bool initial_is_taken(const struct segment *seg)
{
	struct mpgate_tuple tuple = {}, opener = {};
	const struct mpgate_flow *flow;

	segment_tuple(seg, &tuple);
	opener.saddr = tuple.daddr;
	opener.daddr = tuple.saddr;
	opener.sport = tuple.dport;
	opener.dport = tuple.sport;
	flow = bpf_map_lookup_elem(&flows, &opener);
	return flow && flow->rule_flags & STEER_ALONE;
}

static __always_inline bool initial_parse(struct __sk_buff *skb, struct segment *seg)
{
	__u32 ifindex = skb->ifindex, zero = 0, slot;
	const struct mpgate_settings *set = bpf_map_lookup_elem(&settings, &zero);
	const struct mpgate_link *link;
	void *map;

	if (!set || !set->tags)
		return false;
	slot = set->generation;
	map = GEN_MAP(gen_links, slot);
	link = map ? bpf_map_lookup_elem(map, &ifindex) : NULL;
	if (!link)
		return false;
	return parse_frame((void *)(long)skb->data, (void *)(long)skb->data_end, link->flags & MPGATE_LINK_L3, seg) ==
	       PARSE_TCP;
}

static __always_inline void initial_deny(struct __sk_buff *skb)
{
	struct tcp_options options = {};
	struct segment seg = {};
	__be16 old, new;
	__u32 len, off;
	int at;

	if (!initial_parse(skb, &seg) || (seg.flags & (TCP_SYN_BIT | TCP_ACK_BIT)) != (TCP_SYN_BIT | TCP_ACK_BIT) ||
	    !initial_is_taken(&seg))
		return;
	len = segment_options_len(&seg);
	off = seg.tcp_off + sizeof(struct tcphdr);
	if (!len || bpf_skb_load_bytes(skb, off, options.bytes, len) ||
	    tcp_mptcp_subtype(&options, len) != MPTCP_SUB_CAPABLE)
		return;
	at = tcp_option_at(&options, len, TCPOPT_KIND_MPTCP);
	if (at < 0)
		return;
	/* Sums are of 16 bits, from an even place on. */
	at += MPTCP_CAPABLE_FLAGS;
	off += at & ~1;
	if (bpf_skb_load_bytes(skb, off, &old, sizeof(old)))
		return;
	new = old | (at & 1 ? bpf_htons(MPTCP_DENY_INITIAL) : bpf_htons(MPTCP_DENY_INITIAL << 8));
	if (!bpf_l4_csum_replace(skb, seg.tcp_off + offsetof(struct tcphdr, check), old, new, sizeof(new)))
		bpf_skb_store_bytes(skb, off, &new, sizeof(new), 0);
}

#endif
