// SPDX-License-Identifier: GPL-2.0-only
/*
 * tc ingress of the device that workers write frames to: a held SYN comes in again on the link where it came from, as
 * if it came just now; an ICMP error about one leaves there. With this machine's own SYNs it is the other way round:
 * they leave again, known by their mark (bpf/host.bpf.c), and an error comes in. What is no flow of ours goes nowhere.
 */
#include <linux/pkt_cls.h>

#include "icmp.h"
#include "mark.h"
#include "stats.h"

SEC("tc")
int put_back(struct __sk_buff *skb)
{
	struct mpgate_tuple tuple = {}, opener = {};
	const struct mpgate_settings *set;
	struct mpgate_flow *flow;
	struct segment seg;
	__u32 zero = 0;
	bool host;
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
	host = flow->rule_flags & MPGATE_FLOW_HOST;
	if (host && result == PARSE_TCP) {
		set = bpf_map_lookup_elem(&settings, &zero);
		if (!set)
			return TC_ACT_SHOT;
		packet_mark(skb, set);
	}
	return bpf_redirect(flow->ifindex, host == (result == PARSE_ICMP) ? BPF_F_INGRESS : 0);
}

char _license[] SEC("license") = "GPL";
