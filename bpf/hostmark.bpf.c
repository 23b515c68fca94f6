// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockops on all sockets of this machine: one whose SYN was given to a worker (bpf/host.bpf.c) and is answered now gets
 * the mark. A routing rule leads what it sends from here on to the loopback device and to the worker, whatever becomes
 * of the link that it would have left by. Its flow is still there: the worker has yet to hear of the answer's answer.
 */
#include "maps.h"
#include "sockops.h"

#define HOST_SOL_SOCKET 1
#define HOST_SO_MARK 36

SEC("sockops")
int host_mark(struct bpf_sock_ops *ops)
{
	const struct mpgate_settings *set;
	struct mpgate_tuple tuple = {};
	struct mpgate_flow *flow;
	struct bpf_sock *sk;
	__u32 zero = 0, mark;

	if (ops->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		return 1;
	sk = ops->sk;
	set = bpf_map_lookup_elem(&settings, &zero);
	if (!sk || !set || !set->hosts)
		return 1;
	mark = (sk->mark & ~set->mark_mask) | set->mark;
	own_tuple(ops, &tuple);
	flow = bpf_map_lookup_elem(&flows, &tuple);
	if (flow && flow->state == MPGATE_FLOW_STEERED && flow->rule_flags & MPGATE_FLOW_HOST)
		bpf_setsockopt(ops, HOST_SOL_SOCKET, HOST_SO_MARK, &mark, sizeof(mark));
	return 1;
}

char _license[] SEC("license") = "GPL";
