// SPDX-License-Identifier: GPL-2.0-only
/*
 * What middleboxes do to TCP, as tc programs for one interface of a router between veth pairs, where packets still wait
 * for their checksum (CHECKSUM_PARTIAL): of TCP only the pseudo header is in it, so that what changes behind that costs
 * nothing. Each returns what it did not drop to other programs.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define OPTION_NOP 1
#define OPTION_MPTCP 30
#define ALTERED 600 /* so far into the payload is the byte that `alter` changes: no message of Convert is so long */

struct found {
	__u32 tcp, payload, end; /* offsets; of the payload, from the frame's begin */
	bool v6, syn;
};

/* A TCP segment without IP options or extension headers, which is all that there is in the tests. */
static __always_inline bool find(struct __sk_buff *skb, struct found *f)
{
	struct tcphdr tcp;
	struct ipv6hdr v6;
	struct iphdr v4;

	f->v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	f->tcp = ETH_HLEN + (f->v6 ? sizeof(v6) : sizeof(v4));
	if (f->v6) {
		if (bpf_skb_load_bytes(skb, ETH_HLEN, &v6, sizeof(v6)) || v6.nexthdr != IPPROTO_TCP)
			return false;
		f->end = f->tcp + bpf_ntohs(v6.payload_len);
	} else {
		if (skb->protocol != bpf_htons(ETH_P_IP) || bpf_skb_load_bytes(skb, ETH_HLEN, &v4, sizeof(v4)) ||
		    v4.protocol != IPPROTO_TCP || v4.ihl != 5)
			return false;
		f->end = ETH_HLEN + bpf_ntohs(v4.tot_len);
	}
	if (bpf_skb_load_bytes(skb, f->tcp, &tcp, sizeof(tcp)))
		return false;
	f->payload = f->tcp + tcp.doff * 4;
	f->syn = tcp.syn;
	return true;
}

SEC("tc/strip_mptcp")
int strip_mptcp(struct __sk_buff *skb)
{
	struct found f;
	__u32 at;

	if (!find(skb, &f))
		return TC_ACT_UNSPEC;
	at = f.tcp + sizeof(struct tcphdr);
	for (int i = 0; i < 40; i++) {
		__u8 option[2], nop = OPTION_NOP;

		if (at + 1 >= f.payload || bpf_skb_load_bytes(skb, at, option, sizeof(option)) || !option[0])
			break;
		if (option[0] == OPTION_NOP) {
			at++;
			continue;
		}
		if (option[1] < 2)
			break;
		if (option[0] == OPTION_MPTCP)
			for (__u32 k = 0; k < 40; k++)
				if (k < option[1] && bpf_skb_store_bytes(skb, at + k, &nop, 1, 0))
					return TC_ACT_SHOT;
		at += option[1];
	}
	return TC_ACT_UNSPEC;
}

SEC("tc/strip_syn_data")
int strip_syn_data(struct __sk_buff *skb)
{
	struct found f;
	__be16 was, now;
	__u32 len;

	if (!find(skb, &f) || !f.syn || f.end == f.payload)
		return TC_ACT_UNSPEC;
	len = f.payload - f.tcp;
	was = bpf_htons(f.v6 ? f.end - f.tcp : f.end - ETH_HLEN);
	now = bpf_htons(f.v6 ? len : f.payload - ETH_HLEN);
	if (bpf_l4_csum_replace(skb, f.tcp + offsetof(struct tcphdr, check), bpf_htons(f.end - f.tcp), bpf_htons(len),
				BPF_F_PSEUDO_HDR | 2))
		return TC_ACT_SHOT;
	if (!f.v6 && bpf_l3_csum_replace(skb, ETH_HLEN + offsetof(struct iphdr, check), was, now, 2))
		return TC_ACT_SHOT;
	if (bpf_skb_store_bytes(
		    skb, ETH_HLEN + (f.v6 ? offsetof(struct ipv6hdr, payload_len) : offsetof(struct iphdr, tot_len)),
		    &now, sizeof(now), 0) ||
	    bpf_skb_change_tail(skb, f.payload, 0))
		return TC_ACT_SHOT;
	return TC_ACT_UNSPEC;
}

SEC("tc/drop_syn_data")
int drop_syn_data(struct __sk_buff *skb)
{
	struct found f;

	return find(skb, &f) && f.syn && f.end > f.payload ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc/alter")
int alter(struct __sk_buff *skb)
{
	struct found f;
	__u8 byte;

	if (!find(skb, &f) || f.end - f.payload <= ALTERED || bpf_skb_load_bytes(skb, f.payload + ALTERED, &byte, 1))
		return TC_ACT_UNSPEC;
	byte ^= 0x55;
	return bpf_skb_store_bytes(skb, f.payload + ALTERED, &byte, 1, BPF_F_RECOMPUTE_CSUM) ? TC_ACT_SHOT
											     : TC_ACT_UNSPEC;
}

/* Somebody else's, which does nothing. */
SEC("xdp") int somebody(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
