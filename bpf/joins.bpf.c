// SPDX-License-Identifier: GPL-2.0-only
/*
 * tc egress on path links: holds back what a joined subflow says before the kernel has finished the join.
 *
 * A join that comes while a process is in a call on the MPTCP socket is finished when that call returns, and that sets
 * the subflow's place in the stream (map_seq) to the next byte expected. What data came on it before is then delivered
 * at that place, wherever it belongs: wrong bytes, without a word (seen on Linux 6.18; the sources of others read the
 * same). The other side sends no data on a path before our first ACK there, and asks again for one after two round
 * trips: so that ACK is dropped until the place is set. It seldom is; then nothing is lost but this time.
 *
 * It also tells the peers of transparent mode where not to join (initial.h).
 */
#include <linux/pkt_cls.h>
#include <stdbool.h>

#include <bpf/bpf_core_read.h>

#include "initial.h"

#define LONGEST_ACK 160 /* bytes of a frame: what is longer has data, which is sent later than this matters */

/* Of the kernel's own, the fields that are read here. */
struct inet_connection_sock {
	void *icsk_ulp_data;
} __attribute__((preserve_access_index));

struct tcp_sock {
	struct inet_connection_sock inet_conn;
	bool is_mptcp;
} __attribute__((preserve_access_index));

struct mptcp_subflow_context {
	__u64 map_seq;
	__u32 request_join : 1, mp_join : 1;
} __attribute__((preserve_access_index));

SEC("tc")
int hold_joins(struct __sk_buff *skb)
{
	struct mptcp_subflow_context *subflow;
	struct bpf_sock *sk = skb->sk;
	struct tcp_sock *tcp;

	if (skb->len > LONGEST_ACK || !sk)
		return TC_ACT_UNSPEC;
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!tcp) {
		/* No connection yet: this may be its SYN+ACK. */
		initial_deny(skb);
		return TC_ACT_UNSPEC;
	}
	if (!BPF_CORE_READ(tcp, is_mptcp))
		return TC_ACT_UNSPEC;
	subflow = BPF_CORE_READ(tcp, inet_conn.icsk_ulp_data);
	/* Passive, that is: who asks for a join knows the place before anything can arrive. */
	if (!subflow || !BPF_CORE_READ_BITFIELD_PROBED(subflow, mp_join) ||
	    BPF_CORE_READ_BITFIELD_PROBED(subflow, request_join) || BPF_CORE_READ(subflow, map_seq))
		return TC_ACT_UNSPEC;
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
