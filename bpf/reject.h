/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A segment becomes the RST that refuses it (RFC 9293, 3.5.2), in place, and leaves by the link it came in on. Lengths
 * stay as they are (options become padding, data stays behind the RST, which RFC 9293 allows), so that the checksum can
 * be changed by difference: that is right for a complete checksum and for the partial one of a virtual link alike.
 */
#ifndef MPGATE_REJECT_H
#define MPGATE_REJECT_H

#include <linux/pkt_cls.h>

#include "parse.h"
#include <bpf/bpf_helpers.h>

#define REJECT_TTL 64
#define REJECT_NOPS 0x01010101U

static __always_inline int reject_swap(struct __sk_buff *skb, __u32 off, __u32 len)
{
	__u8 a[16], b[16];

	if (bpf_skb_load_bytes(skb, off, a, len) || bpf_skb_load_bytes(skb, off + len, b, len) ||
	    bpf_skb_store_bytes(skb, off, b, len, 0) || bpf_skb_store_bytes(skb, off + len, a, len, 0))
		return -1;
	return 0;
}

static __always_inline int reject_ttl(struct __sk_buff *skb, const struct segment *seg)
{
	__u16 old, new;
	__u8 ttl = REJECT_TTL;

	if (seg->family == 6)
		return bpf_skb_store_bytes(skb, seg->ip_off + offsetof(struct ipv6hdr, hop_limit), &ttl, 1, 0);
	if (bpf_skb_load_bytes(skb, seg->ip_off + offsetof(struct iphdr, ttl), &old, sizeof(old)))
		return -1;
	new = bpf_htons(REJECT_TTL << 8 | IPPROTO_TCP);
	if (bpf_l3_csum_replace(skb, seg->ip_off + offsetof(struct iphdr, check), old, new, sizeof(new)))
		return -1;
	return bpf_skb_store_bytes(skb, seg->ip_off + offsetof(struct iphdr, ttl), &new, sizeof(new), 0);
}

/* The sequence number that was acknowledged, or 0; all is acknowledged; RST and ACK; options become no-operations. */
static __always_inline int reject_tcp(struct __sk_buff *skb, const struct segment *seg)
{
	__be32 old[4], new[4]; /* sequence, acknowledgement, offset to window, checksum: the last left out */
	__u32 options = seg->tcp_len - sizeof(struct tcphdr);
	__u32 off = seg->tcp_off + offsetof(struct tcphdr, seq);
	__s64 diff;

	if (bpf_skb_load_bytes(skb, off, old, 12))
		return -1;
	new[0] = seg->flags &TCP_ACK_BIT ? old[1] : 0;
	new[1] = bpf_htonl(bpf_ntohl(old[0]) + !!(seg->flags & TCP_SYN_BIT) + seg->payload);
	new[2] = bpf_htonl((__u32)seg->tcp_len / 4 << 28 | (TCP_RST_BIT | TCP_ACK_BIT) << 16);
	diff = bpf_csum_diff(old, 12, new, 12, 0);
	if (bpf_skb_store_bytes(skb, off, new, 12, 0))
		return -1;
	off = seg->tcp_off + sizeof(struct tcphdr);
	for (__u32 i = 0; i < PARSE_TCP_OPTIONS; i += 4) {
		__be32 word, nops = REJECT_NOPS;

		if (i >= options)
			break;
		if (bpf_skb_load_bytes(skb, off + i, &word, 4) || bpf_skb_store_bytes(skb, off + i, &nops, 4, 0))
			return -1;
		diff = bpf_csum_diff(&word, 4, &nops, 4, diff);
	}
	return bpf_l4_csum_replace(skb, seg->tcp_off + offsetof(struct tcphdr, check), 0, diff, 0);
}

/* What was on its way out comes in. Returns the verdict: the redirect, or TC_ACT_SHOT when the packet is half changed
 * and nothing can be sent. */
static __always_inline int reject_segment(struct __sk_buff *skb, bool l3, const struct segment *seg)
{
	int err;

	if (seg->family == 4)
		err = reject_swap(skb, seg->ip_off + offsetof(struct iphdr, saddr), 4);
	else
		err = reject_swap(skb, seg->ip_off + offsetof(struct ipv6hdr, saddr), 16);
	if (!l3)
		err = err ?: reject_swap(skb, 0, ETH_ALEN);
	err = err ?: reject_swap(skb, seg->tcp_off, sizeof(__be16));
	err = err ?: reject_ttl(skb, seg);
	err = err ?: reject_tcp(skb, seg);
	return err ? TC_ACT_SHOT : bpf_redirect(skb->ifindex, seg->out ? BPF_F_INGRESS : 0);
}

#endif
