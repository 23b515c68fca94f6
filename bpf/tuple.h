/* SPDX-License-Identifier: GPL-2.0-only */
/* The addresses and ports of a socket that sockops programs see, as a connection of ours. */
#ifndef MPGATE_TUPLE_H
#define MPGATE_TUPLE_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>

#include <mpgate/abi.h>

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

#endif
