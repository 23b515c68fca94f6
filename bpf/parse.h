/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a frame to a TCP segment's addresses, ports and places. The same code runs at tc, at XDP and in user space (the
 * fuzzer), over a view of the linear bytes. Checksums are never looked at: on veth they are only partly there.
 */
#ifndef MPGATE_PARSE_H
#define MPGATE_PARSE_H

#ifdef __bpf__
#include <linux/in.h>
#else
#include <netinet/in.h>
#endif
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#ifdef __bpf__
#include <bpf/bpf_helpers.h>
#endif

#include <mpgate/abi.h>

#define PARSE_INLINE static inline __attribute__((always_inline, unused))

#define PARSE_VLAN_TAGS 2 /* 802.1Q, or QinQ */
#define PARSE_EXT_HEADERS 6 /* IPv6 extension headers before TCP; more: not ours */
#define PARSE_IP_FRAGMENT 0x3fff /* more fragments, or an offset */
#define PARSE_IP_OFFSET 0x1fff /* of a fragment, IPv4 */
#define PARSE_IPV6_OFFSET 0xfff8 /* the same, IPv6 */
#define PARSE_VLAN_LEN 4
#define PARSE_VLAN_ID 0xfff /* of a tag: 802.1Q, 9.6 */
#define PARSE_TCP_OPTIONS 40 /* bytes, at most */

#define TCP_SYN_BIT 0x02
#define TCP_RST_BIT 0x04
#define TCP_ACK_BIT 0x10

#define TCPOPT_KIND_MPTCP 30
#define MPTCP_SUB_CAPABLE 0
#define MPTCP_SUB_JOIN 1

enum parse_result {
	PARSE_TCP, /* all of struct segment is filled */
	PARSE_ICMP, /* ICMP or ICMPv6: family, addresses, vlan, ip_off and tcp_off are filled */
	PARSE_OTHER, /* neither of them */
	PARSE_FRAGMENTED, /* tcp_off says what is in this one */
	PARSE_LONG, /* more extension headers than are stepped over */
	PARSE_BAD, /* headers do not add up */
	PARSE_SHORT, /* headers go past the linear bytes */
};

struct segment {
	struct bpf_sock_tuple tuple; /* ipv4 or ipv6, as the family says */
	__u8 family; /* 4 or 6; 0: no IP header was seen. With it the addresses are there, whatever the result */
	__u8 dscp;
	__u8 flags; /* byte 13 of the TCP header */
	__u8 tcp_len; /* header with options, bytes */
	__u16 vlan; /* the ids of the frame's tags, put together: 0 without tags, or with priorities only */
	__u32 ip_off; /* of the IP header, from the start of the frame */
	__u32 tcp_off; /* of the TCP header, or the ICMP one. Of a fragment: 0: there is no TCP header in it;
			  PARSE_BEHIND: behind further headers */
	__u32 payload; /* bytes that the IP header announces after the TCP header; 0 too when it announces nothing
			  (more than 64 KiB merged by the kernel) */
	bool out; /* for the caller: it is this machine's own, on its way out */
};

#define PARSE_BEHIND 0xffffffffU

struct cursor {
	void *pos, *end;
};

/*
 * Steps over len bytes, which may lie past the end: the next take sees that. The compiler must not know how pos came
 * about, or it checks one copy of the pointer and reads through another, which the verifier refuses.
 */
PARSE_INLINE void cursor_skip(struct cursor *c, __u32 len)
{
	void *pos = c->pos + len;

	asm volatile("" : "+r"(pos));
	c->pos = pos;
}

/* The next len bytes, or NULL when they are not all there. */
PARSE_INLINE void *cursor_take(struct cursor *c, __u32 len)
{
	void *p = c->pos;

	if (p + len > c->end)
		return NULL;
	c->pos = p + len;
	return p;
}

/* The distance of two places in a packet, as a number that the compiler does not mix with either. */
PARSE_INLINE __u32 parse_offset(const void *pos, const void *start)
{
	__u64 offset = pos - start;

	asm volatile("" : "+r"(offset));
	return offset;
}

/* Fills what follows the addresses. announced: bytes from the TCP header on, 0: unknown. */
PARSE_INLINE enum parse_result parse_tcp(struct cursor *c, void *start, __u32 announced, struct segment *seg)
{
	struct tcphdr *tcp = cursor_take(c, sizeof(*tcp));

	if (!tcp)
		return PARSE_SHORT;
	seg->tcp_off = (void *)tcp - start;
	seg->tcp_len = tcp->doff * 4;
	seg->flags = ((__u8 *)tcp)[13];
	if (seg->tcp_len < sizeof(*tcp) || (announced && announced < seg->tcp_len))
		return PARSE_BAD;
	seg->payload = announced ? announced - seg->tcp_len : 0;
	if (seg->family == 4) {
		seg->tuple.ipv4.sport = tcp->source;
		seg->tuple.ipv4.dport = tcp->dest;
	} else {
		seg->tuple.ipv6.sport = tcp->source;
		seg->tuple.ipv6.dport = tcp->dest;
	}
	return PARSE_TCP;
}

PARSE_INLINE enum parse_result parse_ipv4(struct cursor *c, void *start, struct segment *seg)
{
	struct iphdr *ip = cursor_take(c, sizeof(*ip));
	__u32 len, total;

	if (!ip)
		return PARSE_SHORT;
	len = ip->ihl * 4;
	if (ip->protocol == IPPROTO_ICMP && !(ip->frag_off & bpf_htons(PARSE_IP_FRAGMENT))) {
		seg->family = 4;
		seg->tuple.ipv4.saddr = ip->saddr;
		seg->tuple.ipv4.daddr = ip->daddr;
		seg->ip_off = (void *)ip - start;
		seg->tcp_off = seg->ip_off + len;
		return PARSE_ICMP;
	}
	if (ip->protocol != IPPROTO_TCP)
		return PARSE_OTHER;
	total = bpf_ntohs(ip->tot_len);
	if (ip->version != 4 || len < sizeof(*ip))
		return PARSE_BAD;
	seg->family = 4;
	seg->tuple.ipv4.saddr = ip->saddr;
	seg->tuple.ipv4.daddr = ip->daddr;
	if (ip->frag_off & bpf_htons(PARSE_IP_FRAGMENT)) {
		if (!(ip->frag_off & bpf_htons(PARSE_IP_OFFSET)))
			seg->tcp_off = parse_offset(ip, start) + len;
		return PARSE_FRAGMENTED;
	}
	if (total && total < len + sizeof(struct tcphdr))
		return PARSE_BAD;
	seg->dscp = ip->tos >> 2;
	seg->ip_off = (void *)ip - start;
	cursor_skip(c, len - sizeof(*ip));
	return parse_tcp(c, start, total ? total - len : 0, seg);
}

/* Extension headers that this parser steps over: type of the next one, length in 8 bytes without the first 8. */
struct parse_ext {
	__u8 next, len, routing_type, segments_left;
};

/* Types of headers that come before TCP. */
PARSE_INLINE bool parse_is_ext(__u8 next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT;
}

/* Where TCP begins in an IPv6 fragment whose header is next: see struct segment. */
PARSE_INLINE __u32 parse_fragment(struct cursor *c, void *start)
{
	struct parse_ext *ext = c->pos;
	__be16 *words = c->pos;

	if (!cursor_take(c, 8))
		return PARSE_BEHIND;
	if (words[1] & bpf_htons(PARSE_IPV6_OFFSET))
		return 0;
	if (ext->next == IPPROTO_TCP)
		return parse_offset(c->pos, start);
	return parse_is_ext(ext->next) ? PARSE_BEHIND : 0;
}

PARSE_INLINE enum parse_result parse_ipv6(struct cursor *c, void *start, struct segment *seg)
{
	struct ipv6hdr *ip = cursor_take(c, sizeof(*ip));
	__u32 total, ext_len = 0;
	__u8 next;

	if (!ip)
		return PARSE_SHORT;
	next = ip->nexthdr;
	seg->family = 6;
	__builtin_memcpy(seg->tuple.ipv6.saddr, &ip->saddr, sizeof(seg->tuple.ipv6.saddr));
	__builtin_memcpy(seg->tuple.ipv6.daddr, &ip->daddr, sizeof(seg->tuple.ipv6.daddr));
	if (next == IPPROTO_ICMPV6) { /* errors come without extension headers */
		seg->ip_off = (void *)ip - start;
		seg->tcp_off = seg->ip_off + sizeof(*ip);
		return PARSE_ICMP;
	}
	for (int i = 0; i < PARSE_EXT_HEADERS && next != IPPROTO_TCP; i++) {
		struct parse_ext *ext;

		if (next == IPPROTO_FRAGMENT) {
			seg->tcp_off = parse_fragment(c, start);
			return PARSE_FRAGMENTED;
		}
		if (!parse_is_ext(next))
			return PARSE_OTHER;
		ext = c->pos;
		if (!cursor_take(c, 8))
			return PARSE_SHORT;
		if (next == IPPROTO_ROUTING && ext->segments_left)
			return PARSE_OTHER; /* the destination is still to change */
		next = ext->next;
		ext_len += 8 + ext->len * 8;
		cursor_skip(c, ext->len * 8);
	}
	if (next != IPPROTO_TCP)
		return parse_is_ext(next) ? PARSE_LONG : PARSE_OTHER;
	total = bpf_ntohs(ip->payload_len);
	if (ip->version != 6 || (total && total < ext_len + sizeof(struct tcphdr)))
		return PARSE_BAD;
	seg->dscp = (ip->priority << 2 | ip->flow_lbl[0] >> 6) & 0x3f;
	seg->ip_off = (void *)ip - start;
	return parse_tcp(c, start, total ? total - ext_len : 0, seg);
}

/* l3: the frame starts with the IP header. All of *seg is filled only when PARSE_TCP is returned. */
PARSE_INLINE enum parse_result parse_frame(void *data, void *end, bool l3, struct segment *seg)
{
	struct cursor c = { data, end };
	__be16 proto;

	seg->vlan = 0;
	seg->family = 0;
	seg->tcp_off = 0;
	if (l3) {
		__u8 *first = data;

		if (data + 1 > end)
			return PARSE_SHORT;
		proto = *first >> 4 == 4 ? bpf_htons(ETH_P_IP) : *first >> 4 == 6 ? bpf_htons(ETH_P_IPV6) : 0;
	} else {
		struct ethhdr *eth = cursor_take(&c, sizeof(*eth));

		if (!eth)
			return PARSE_SHORT;
		proto = eth->h_proto;
		for (int i = 0; i < PARSE_VLAN_TAGS; i++) {
			__be16 *tag; /* what the tag says, then the type of what follows */

			if (proto != bpf_htons(ETH_P_8021Q) && proto != bpf_htons(ETH_P_8021AD))
				break;
			tag = cursor_take(&c, PARSE_VLAN_LEN);
			if (!tag)
				return PARSE_SHORT;
			seg->vlan |= bpf_ntohs(tag[0]) & PARSE_VLAN_ID;
			proto = tag[1];
		}
	}
	if (proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(&c, data, seg);
	if (proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(&c, data, seg);
	return PARSE_OTHER;
}

/* IPv4 as Convert and the maps write it: ::ffff:a.b.c.d. */
PARSE_INLINE void segment_map_addr(struct mpgate_addr *out, __u8 family, const __be32 *v4, const __be32 *v6)
{
	if (family == 4) {
		__builtin_memset(out->b, 0, 10);
		__builtin_memset(out->b + 10, 0xff, 2);
		__builtin_memcpy(out->b + 12, v4, 4);
	} else {
		__builtin_memcpy(out->b, v6, 16);
	}
}

PARSE_INLINE void segment_tuple(const struct segment *seg, struct mpgate_tuple *out)
{
	segment_map_addr(&out->saddr, seg->family, &seg->tuple.ipv4.saddr, seg->tuple.ipv6.saddr);
	segment_map_addr(&out->daddr, seg->family, &seg->tuple.ipv4.daddr, seg->tuple.ipv6.daddr);
	out->sport = seg->family == 4 ? seg->tuple.ipv4.sport : seg->tuple.ipv6.sport;
	out->dport = seg->family == 4 ? seg->tuple.ipv4.dport : seg->tuple.ipv6.dport;
}

PARSE_INLINE bool segment_is_syn(const struct segment *seg)
{
	return (seg->flags & (TCP_SYN_BIT | TCP_ACK_BIT | TCP_RST_BIT)) == TCP_SYN_BIT;
}

/*
 * The same number when it lies in 1..max, else 0. The helpers that copy bytes want a length that is not 0, and not
 * every verifier learns that from a comparison with 0 (6.1 and 7.2 do not): so it is told as 1 more than something
 * below max.
 */
PARSE_INLINE __u32 parse_length(__u32 n, __u32 max)
{
	__u32 less = n - 1;

	if (less >= max)
		return 0;
	asm volatile("" : "+r"(less)); /* else the compiler undoes it */
	return less + 1;
}

/* Bytes of TCP options; 0: there are none. */
PARSE_INLINE __u32 segment_options_len(const struct segment *seg)
{
	return parse_length(seg->tcp_len - sizeof(struct tcphdr), PARSE_TCP_OPTIONS);
}

#ifdef __bpf__
#define PARSE_OWN_FUNCTION __weak __attribute__((noinline))
#else
#define PARSE_OWN_FUNCTION PARSE_INLINE

/* What the kernel does; flags are 0. */
PARSE_INLINE long bpf_loop(__u32 n, long (*step)(__u32, void *), void *arg, __u64 flags)
{
	__u32 i = 0;

	(void)flags;
	while (i < n && !step(i++, arg))
		;
	return i;
}
#endif

struct tcp_options {
	__u8 bytes[64]; /* PARSE_TCP_OPTIONS in use */
};

struct tcp_option_walk {
	const struct tcp_options *options;
	__u32 len, next; /* next: where the option begins that is waited for */
	__u8 kind;
	int at; /* where the one that is looked for begins */
};

/* Looks at byte i. Returns 1 when the walk is over. */
static __attribute__((unused)) long tcp_option_step(__u32 i, void *arg)
{
	struct tcp_option_walk *walk = arg;
	__u8 kind, size;

	if (i >= PARSE_TCP_OPTIONS || i + 2 >= walk->len)
		return 1;
	if (i < walk->next)
		return 0;
	kind = walk->options->bytes[i];
	if (kind == 0)
		return 1;
	if (kind == 1)
		return 0;
	size = walk->options->bytes[i + 1];
	if (size < 2)
		return 1;
	if (kind == walk->kind) {
		walk->at = i;
		return 1;
	}
	walk->next = i + size;
	return 0;
}

/*
 * Where the first option of that kind begins among len bytes of TCP options, -1 without one; of a value it has a byte
 * at least. The verifier walks the callback of bpf_loop() once. A loop it would walk for each byte, or each sequence of
 * option lengths.
 */
PARSE_OWN_FUNCTION int tcp_option_at(const struct tcp_options *options, __u32 len, __u8 kind)
{
	struct tcp_option_walk walk = { .options = options, .len = len, .kind = kind, .at = -1 };

	if (options)
		bpf_loop(PARSE_TCP_OPTIONS, tcp_option_step, &walk, 0);
	return walk.at;
}

/* The byte after kind and length of that option, -1 without one. */
PARSE_INLINE int tcp_option_first(const struct tcp_options *options, __u32 len, __u8 kind)
{
	int at = tcp_option_at(options, len, kind);

	return at < 0 ? -1 : options->bytes[(at + 2) & (sizeof(options->bytes) - 1)];
}

/* The subtype of the first MPTCP option (RFC 8684), -1 without one. */
PARSE_INLINE int tcp_mptcp_subtype(const struct tcp_options *options, __u32 len)
{
	int first = tcp_option_first(options, len, TCPOPT_KIND_MPTCP);

	return first < 0 ? -1 : first >> 4;
}

#endif
