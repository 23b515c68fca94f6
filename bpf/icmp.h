/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICMP and ICMPv6 errors quote the packet that they are about (RFC 792, RFC 4443). About a connection of ours that is
 * one that we sent: its source is the address under which we speak, its destination the other side.
 */
#ifndef MPGATE_ICMP_H
#define MPGATE_ICMP_H

#include "parse.h"

/* linux/icmp.h cannot be included here. */
#define ICMP_UNREACHABLE 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETER 12
#define ICMP6_NO_ERROR 0x80 /* in the type */
#define ICMP_FRAGMENT_OFFSET 0x1fff

struct icmp_header {
	__u8 type, code;
	__be16 checksum;
	__be32 rest;
};

static __always_inline bool icmp_quote4(struct __sk_buff *skb, struct segment *seg)
{
	struct {
		struct icmp_header icmp;
		struct iphdr ip;
	} error;
	__be16 ports[2];

	if (bpf_skb_load_bytes(skb, seg->tcp_off, &error, sizeof(error)))
		return false;
	if (error.icmp.type != ICMP_UNREACHABLE && error.icmp.type != ICMP_TIME_EXCEEDED &&
	    error.icmp.type != ICMP_PARAMETER)
		return false;
	if (error.ip.version != 4 || error.ip.ihl < sizeof(error.ip) / 4 || error.ip.protocol != IPPROTO_TCP ||
	    error.ip.frag_off & bpf_htons(ICMP_FRAGMENT_OFFSET))
		return false;
	if (bpf_skb_load_bytes(skb, seg->tcp_off + sizeof(error.icmp) + error.ip.ihl * 4, ports, sizeof(ports)))
		return false;
	seg->tuple.ipv4.saddr = error.ip.daddr;
	seg->tuple.ipv4.daddr = error.ip.saddr;
	seg->tuple.ipv4.sport = ports[1];
	seg->tuple.ipv4.dport = ports[0];
	return true;
}

static __always_inline bool icmp_quote6(struct __sk_buff *skb, struct segment *seg)
{
	struct {
		struct icmp_header icmp;
		struct ipv6hdr ip;
		__be16 ports[2]; /* what the kernel sends has no extension headers */
	} error;

	if (bpf_skb_load_bytes(skb, seg->tcp_off, &error, sizeof(error)))
		return false;
	if (error.icmp.type & ICMP6_NO_ERROR || error.ip.version != 6 || error.ip.nexthdr != IPPROTO_TCP)
		return false;
	__builtin_memcpy(seg->tuple.ipv6.saddr, &error.ip.daddr, sizeof(seg->tuple.ipv6.saddr));
	__builtin_memcpy(seg->tuple.ipv6.daddr, &error.ip.saddr, sizeof(seg->tuple.ipv6.daddr));
	seg->tuple.ipv6.sport = error.ports[1];
	seg->tuple.ipv6.dport = error.ports[0];
	return true;
}

/* After PARSE_ICMP: is it an error about a TCP packet? Then seg->tuple is as packets of that connection have it here.
 */
static __always_inline bool icmp_quote(struct __sk_buff *skb, struct segment *seg)
{
	return seg->family == 4 ? icmp_quote4(skb, seg) : icmp_quote6(skb, seg);
}

#endif
