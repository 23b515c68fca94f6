// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockops on the workers' cgroup: keeps the TCP options of the SYN+ACK that answered a plain TCP connection, for the
 * Extended TCP Header TLV (RFC 8803, 6.2.5). A SYN+ACK with an MPTCP option came from a peer: nobody asks for it.
 */
#include "maps.h"
#include "parse.h"

SEC("sockops")
int read_synack(struct bpf_sock_ops *ops)
{
	struct mpgate_synack entry = {};
	struct tcp_options options = {};
	struct tcphdr *tcp;
	void *pos, *end;
	__u32 len = 0;
	__u64 cookie;

	if (ops->op != BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		return 1;
	tcp = ops->skb_data;
	end = ops->skb_data_end;
	if ((void *)(tcp + 1) > end || !tcp->syn)
		return 1;
	pos = tcp + 1;
	for (; len < PARSE_TCP_OPTIONS && pos + 4 <= end; len += 4, pos += 4)
		__builtin_memcpy(options.bytes + len, pos, 4);
	if (tcp_mptcp_subtype(&options, len) >= 0)
		return 1;
	entry.len = len;
	__builtin_memcpy(entry.options, options.bytes, sizeof(entry.options));
	cookie = bpf_get_socket_cookie(ops);
	bpf_map_update_elem(&synack, &cookie, &entry, BPF_ANY);
	return 1;
}

char _license[] SEC("license") = "GPL";
