// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host mode: SYNs of this machine's own meet steer where they leave. host_out is at tc egress of path links. A SYN that
 * is held, or given to a worker, goes to the loopback device, as if it came in there; all others leave as they are. At
 * tc ingress there host_in gives it to its worker, or drops it while it is held. Once it is answered host_mark
 * (bpf/hostmark.bpf.c) marks the socket, so that whatever follows is routed to the loopback device by itself, and
 * neither program has anything to do with it, nor has the link.
 *
 * A SYN that is held is not dropped at egress, since TCP would take that for a full queue and never give up.
 */
#include "host.h"

/* What becomes of it. */
static __always_inline int host_verdict(struct __sk_buff *skb, const struct mpgate_settings *set, bool l3,
					const struct segment *seg, enum mpgate_reason reason,
					const struct mpgate_explained *answer)
{
	count(reason);
	if (answer->reset) {
		count(MPGATE_R_RESET);
		return reject_segment(skb, l3, seg);
	}
	switch (reason) {
	case MPGATE_R_HELD:
	case MPGATE_R_HELD_AGAIN:
		packet_mark(skb, set);
		return host_loop(skb, l3, seg);
	case MPGATE_R_ESTABLISHED:
	case MPGATE_R_TIME_WAIT:
	case MPGATE_R_STEERED:
	case MPGATE_R_STEERED_AGAIN:
	case MPGATE_R_APPROVED:
		return host_loop(skb, l3, seg);
	default:
		return TC_ACT_UNSPEC;
	}
}

static __always_inline int host_leaves(struct __sk_buff *skb, bool l3)
{
	struct mpgate_explained answer = { .rule = MPGATE_NO_RULE, .peer = MPGATE_NO_PEER };
	const struct mpgate_settings *set;
	struct bpf_sock *sk = NULL;
	enum mpgate_reason reason;
	bool put_back, control;
	struct segment seg;
	__u32 zero = 0;

	set = bpf_map_lookup_elem(&settings, &zero);
	if (!set || !set->hosts)
		return TC_ACT_UNSPEC;
	put_back = packet_marked(skb, set);
	if (!put_back) {
		sk = skb->sk;
		sk = sk ? bpf_sk_fullsock(sk) : NULL;
		if (!sk)
			return TC_ACT_UNSPEC;
		/* The kernel's own socket for resets: of a SYN that met TIME_WAIT, see steer_syn_to_ack(). */
		control = sk->type == HOST_SOCK_RAW && sk->protocol == IPPROTO_TCP;
		if (!control && (sk->state != HOST_STATE_SYN_SENT || !host_chosen(skb, set, sk)))
			return TC_ACT_UNSPEC;
	}
	if (steer_parse(skb, l3, &seg) != PARSE_TCP || steer_is_tagged(skb, &seg))
		return TC_ACT_UNSPEC;
	seg.out = true;
	if (!segment_is_syn(&seg)) {
		if (put_back || !(seg.flags & TCP_RST_BIT))
			return TC_ACT_UNSPEC;
	} else if (!put_back && (host_is_near(sk, l3, &seg) || !host_is_source(&seg))) {
		count(MPGATE_R_LOCAL);
		return TC_ACT_UNSPEC;
	}
	if (put_back)
		skb->mark &= ~set->mark_mask;
	reason = steer_segment(skb, &seg, false, &answer, false);
	if (reason == MPGATE_R_OTHER)
		return TC_ACT_UNSPEC;
	return host_verdict(skb, set, l3, &seg, reason, &answer);
}

SEC("tc")
int host_out(struct __sk_buff *skb)
{
	return host_leaves(skb, false);
}

SEC("tc")
int host_out_l3(struct __sk_buff *skb)
{
	return host_leaves(skb, true);
}

/* A SYN that came by host_out: its worker's, or held, and then it has come far enough. */
static __always_inline int host_syn(struct __sk_buff *skb, const struct mpgate_settings *set, const struct segment *seg)
{
	struct mpgate_explained answer = {};
	struct mpgate_tuple tuple = {};
	struct mpgate_flow *flow;

	segment_tuple(seg, &tuple);
	flow = bpf_map_lookup_elem(&flows, &tuple);
	if (!flow || flow->state != MPGATE_FLOW_STEERED || !(flow->rule_flags & MPGATE_FLOW_HOST))
		return TC_ACT_SHOT;
	return steer_known(skb, set, seg, flow, &answer, MPGATE_R_STEERED) == MPGATE_R_STEERED ? TC_ACT_UNSPEC
											       : TC_ACT_SHOT;
}

SEC("tc")
int host_in(struct __sk_buff *skb)
{
	struct mpgate_explained answer = {};
	const struct mpgate_settings *set;
	enum mpgate_reason reason;
	struct segment seg;
	__u32 zero = 0;

	set = bpf_map_lookup_elem(&settings, &zero);
	if (!set || !packet_marked(skb, set) || steer_parse(skb, false, &seg) != PARSE_TCP)
		return TC_ACT_UNSPEC;
	seg.out = false;
	if (!segment_is_syn(&seg) && !syn_epoch_busy())
		return TC_ACT_UNSPEC;
	struct bpf_sock *sk _cleanup_sock_ = sock_find(skb, &seg.tuple, seg.family);

	/* The kernel finds it as well: for what is marked this machine is everybody. */
	if (sk && sk->state != STEER_STATE_LISTEN)
		return TC_ACT_UNSPEC;
	if (segment_is_syn(&seg))
		return host_syn(skb, set, &seg);
	reason = steer_stray(skb, set, &seg, &answer);
	if (reason != MPGATE_R_OTHER)
		count(reason);
	return TC_ACT_UNSPEC;
}

char _license[] SEC("license") = "GPL";
