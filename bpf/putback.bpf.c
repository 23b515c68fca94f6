// SPDX-License-Identifier: GPL-2.0-only
/*
 * tc ingress of the device that workers write frames to: a held SYN comes in again on the link where it came from, as
 * if it came just now; an ICMP error about one leaves there. What is no flow of ours goes nowhere.
 */
#include <linux/pkt_cls.h>

#include "icmp.h"
#include "maps.h"
#include "stats.h"

SEC("tc")
int put_back(struct __sk_buff *skb)
{
	struct mpgate_tuple tuple = {}, opener = {};
	struct mpgate_flow *flow;
	struct segment seg;
	enum parse_result result = parse_frame((void *)(long)skb->data, (void *)(long)skb->data_end, false, &seg);

	if (result == PARSE_TCP) {
		segment_tuple(&seg, &opener);
	} else if (result == PARSE_ICMP && icmp_quote(skb, &seg)) {
		segment_tuple(&seg, &tuple);
		opener.saddr = tuple.daddr;
		opener.daddr = tuple.saddr;
		opener.sport = tuple.dport;
		opener.dport = tuple.sport;
	} else {
		return TC_ACT_SHOT;
	}
	flow = bpf_map_lookup_elem(&flows, &opener);
	if (!flow)
		return TC_ACT_SHOT;
	count(MPGATE_R_PUT_BACK);
	return bpf_redirect(flow->ifindex, result == PARSE_TCP ? BPF_F_INGRESS : 0);
}

char _license[] SEC("license") = "GPL";
