// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockops on the daemon's cgroup: what a subflow has by the path that it leaves from, which its own address tells. The
 * mark and the congestion control are those of the configuration; the time after which a SYN is sent again follows from
 * the round trip that the probes found, since the kernel's own second is shorter than that of some links.
 *
 * The kernel gives every subflow the cgroup of its connection, whoever makes it. Listeners, and so what they accept,
 * are the supervisor's: hence its cgroup, which has the workers' below it, and perhaps others of other network
 * namespaces.
 */
#include "maps.h"
#include "sockops.h"

#define SOL_SOCKET 1 /* UAPI, asm-generic/socket.h */
#define SO_MARK 36
#define SOL_TCP 6
#define TCP_CONGESTION 13 /* UAPI, linux/tcp.h */

static __always_inline const struct mpgate_path *path_of(struct bpf_sock_ops *ops)
{
	struct mpgate_tuple tuple = {};
	const struct mpgate_path *path;

	own_tuple(ops, &tuple);
	path = bpf_map_lookup_elem(&paths, &tuple.saddr);
	return path && path->netns == bpf_get_netns_cookie(ops) ? path : NULL;
}

static __always_inline bool is_mptcp(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;

	return sk && bpf_skc_to_mptcp_sock(sk);
}

SEC("sockops")
int by_path(struct bpf_sock_ops *ops)
{
	const struct mpgate_path *path;

	if (ops->op != BPF_SOCK_OPS_TIMEOUT_INIT && ops->op != BPF_SOCK_OPS_TCP_CONNECT_CB &&
	    ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	if (!is_mptcp(ops))
		return 1;
	path = path_of(ops);
	if (!path)
		return 1;
	if (ops->op == BPF_SOCK_OPS_TIMEOUT_INIT) {
		if (path->syn_timeout)
			ops->reply = path->syn_timeout;
		return 1;
	}
	if (path->mark)
		bpf_setsockopt(ops, SOL_SOCKET, SO_MARK, (void *)&path->mark, sizeof(path->mark));
	if (path->congestion[0])
		bpf_setsockopt(ops, SOL_TCP, TCP_CONGESTION, (void *)path->congestion, sizeof(path->congestion));
	return 1;
}

char _license[] SEC("license") = "GPL";
