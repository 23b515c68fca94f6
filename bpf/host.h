/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which SYNs of this machine's own are classified (host mode). What leaves has been routed already, and the socket is
 * there: so a question about it is answered by the kernel's own structures, read by BTF.
 */
#ifndef MPGATE_HOST_H
#define MPGATE_HOST_H

#include <bpf/bpf_core_read.h>

#include "steer.h"

#define HOST_STATE_SYN_SENT 2 /* bpf_sock.state: UAPI as BPF_TCP_SYN_SENT */
#define HOST_SOCK_RAW 3 /* bpf_sock.type: SOCK_RAW */
#define HOST_RTF_GATEWAY 2 /* rt6i_flags: UAPI as RTF_GATEWAY */

/* Of the kernel's own, the fields that are read here. */
struct dst_entry;

struct sock {
	struct dst_entry *sk_dst_cache;
} __attribute__((preserve_access_index));

struct inet_sock {
	struct sock sk;
} __attribute__((preserve_access_index));

struct inet_connection_sock {
	struct inet_sock icsk_inet;
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
} __attribute__((preserve_access_index));

struct rtable {
	__u8 rt_uses_gateway;
} __attribute__((preserve_access_index));

struct rt6_info {
	__u32 rt6i_flags;
} __attribute__((preserve_access_index));

/*
 * Is the socket one whose connections are to be carried? Never a worker's, nor one that asked for a device: what comes
 * back arrives on the loopback device.
 */
static __always_inline bool host_chosen(struct __sk_buff *skb, const struct mpgate_settings *set,
					const struct bpf_sock *sk)
{
	if (sk->bound_dev_if || bpf_skb_under_cgroup(skb, &host_cgroups, MPGATE_CGROUP_WORKERS))
		return false;
	return set->hosts == MPGATE_HOSTS_ALL || bpf_skb_under_cgroup(skb, &host_cgroups, MPGATE_CGROUP_RUN) == 1;
}

/*
 * Does it go to a host of a net that this machine is in, without a router? A link without Ethernet header has one at
 * its other end, whatever its route says.
 */
static __always_inline bool host_is_near(struct bpf_sock *sk, bool l3, const struct segment *seg)
{
	struct tcp_sock *tcp = sk && !l3 ? bpf_skc_to_tcp_sock(sk) : NULL;
	struct dst_entry *dst;

	if (!tcp)
		return false;
	dst = BPF_CORE_READ(tcp, inet_conn.icsk_inet.sk.sk_dst_cache);
	if (!dst)
		return false;
	if (seg->family == 4)
		return !BPF_CORE_READ((struct rtable *)dst, rt_uses_gateway);
	return !(BPF_CORE_READ((struct rt6_info *)dst, rt6i_flags) & HOST_RTF_GATEWAY);
}

/* Is it from an address of this machine? Else it is of a transparent proxy, and answers would not come here. */
static __always_inline bool host_is_source(const struct segment *seg)
{
	struct mpgate_tuple tuple = {};

	segment_tuple(seg, &tuple);
	return bpf_map_lookup_elem(&host_addrs, &tuple.saddr);
}

/* To the loopback device, as if it came in there: marked, and for this machine. */
static __always_inline int host_loop(struct __sk_buff *skb, bool l3, const struct segment *seg)
{
	struct ethhdr eth = { .h_proto = bpf_htons(seg->family == 4 ? ETH_P_IP : ETH_P_IPV6) };

	if ((l3 && bpf_skb_change_head(skb, sizeof(eth), 0)) || bpf_skb_store_bytes(skb, 0, &eth, sizeof(eth), 0))
		return TC_ACT_SHOT;
	return bpf_redirect(MPGATE_HOST_IFINDEX, BPF_F_INGRESS);
}

#endif
