// SPDX-License-Identifier: GPL-2.0-only
/* What would steer do with this packet? Run with BPF_PROG_TEST_RUN, never attached; the answer is in `explained`. */
#include "steer.h"

SEC("tc")
int explain(struct __sk_buff *skb)
{
	struct mpgate_explained answer = { .rule = MPGATE_NO_RULE, .peer = MPGATE_NO_PEER };
	struct segment seg;
	__u32 zero = 0;

	answer.reason = steer_packet(skb, false, &seg, &answer, true);
	bpf_map_update_elem(&explained, &zero, &answer, BPF_ANY);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
