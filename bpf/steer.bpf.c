// SPDX-License-Identifier: GPL-2.0-only
/* tc ingress: gives packets of local connections to their sockets, and chosen SYNs to a worker. */
#include "steer.h"

static __always_inline int steer_and_count(struct __sk_buff *skb, bool l3)
{
	struct mpgate_explained answer = { .rule = MPGATE_NO_RULE, .peer = MPGATE_NO_PEER };
	struct segment seg;
	enum mpgate_reason reason = steer_packet(skb, l3, &seg, &answer, false);

	count(reason);
	if (reason == MPGATE_R_HELD || reason == MPGATE_R_HELD_AGAIN)
		return TC_ACT_SHOT;
	if (!answer.reset)
		return TC_ACT_UNSPEC;
	count(MPGATE_R_RESET);
	return reject_segment(skb, l3, &seg);
}

SEC("tc")
int steer(struct __sk_buff *skb)
{
	return steer_and_count(skb, false);
}

SEC("tc")
int steer_l3(struct __sk_buff *skb)
{
	return steer_and_count(skb, true);
}

char _license[] SEC("license") = "GPL";
