// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockops on the workers' cgroup: keeps the TCP options of the SYN+ACK that answered a connection, for the Extended TCP
 * Header TLV (RFC 8803, 6.2.6). Kept by addresses and ports, since an MPTCP socket does not say which subflow is its
 * own. Nobody asks for those of a join.
 */
#include "maps.h"
#include "parse.h"
#include "tuple.h"

SEC("sockops")
int read_synack(struct bpf_sock_ops *ops)
{
	struct mpgate_synack entry = {};
	struct tcp_options options = {};
	struct mpgate_tuple tuple = {};
	struct tcphdr *tcp;
	void *pos, *end;
	__u32 len = 0;

	if (ops->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		return 1;
	tcp = ops->skb_data;
	end = ops->skb_data_end;
	if ((void *)(tcp + 1) > end || !tcp->syn)
		return 1;
	pos = tcp + 1;
	for (; len < PARSE_TCP_OPTIONS && pos + 4 <= end; len += 4, pos += 4)
		__builtin_memcpy(options.bytes + len, pos, 4);
	if (tcp_mptcp_subtype(&options, len) == MPTCP_SUB_JOIN)
		return 1;
	entry.len = len;
	__builtin_memcpy(entry.options, options.bytes, sizeof(entry.options));
	own_tuple(ops, &tuple);
	bpf_map_update_elem(&synack, &tuple, &entry, BPF_ANY);
	return 1;
}

char _license[] SEC("license") = "GPL";
