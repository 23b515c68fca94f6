// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockops on the workers' cgroup: keeps the TCP options of the SYN+ACK that answered a connection, for the Extended TCP
 * Header TLV (RFC 8803, 6.2.6). Kept by addresses and ports, since an MPTCP socket does not say which subflow is its
 * own. Nobody asks for those of a join.
 */
#include "maps.h"
#include "parse.h"

/* Volatile: the verifier takes reads at fixed places of the context only, which clang would merge otherwise. */
static __always_inline void own_tuple(const volatile struct bpf_sock_ops *ops, struct mpgate_tuple *tuple)
{
	__be32 local[4] = { 0, 0, bpf_htonl(0xffff), ops->local_ip4 };
	__be32 remote[4] = { 0, 0, bpf_htonl(0xffff), ops->remote_ip4 };

	if (ops->family != 2 /* AF_INET */) {
		local[0] = ops->local_ip6[0];
		local[1] = ops->local_ip6[1];
		local[2] = ops->local_ip6[2];
		local[3] = ops->local_ip6[3];
		remote[0] = ops->remote_ip6[0];
		remote[1] = ops->remote_ip6[1];
		remote[2] = ops->remote_ip6[2];
		remote[3] = ops->remote_ip6[3];
	}
	__builtin_memcpy(tuple->saddr.b, local, sizeof(local));
	__builtin_memcpy(tuple->daddr.b, remote, sizeof(remote));
	tuple->sport = bpf_htons(ops->local_port);
	tuple->dport = bpf_htons(bpf_ntohl(ops->remote_port)); /* all four bytes in network order */
}

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
