/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The way of a packet through steer (docs/dataplane.md). It is shared by the program that acts and by the one that only
 * explains; `dry` is constant in each. All exits pass the packet on with TC_ACT_UNSPEC, so that programs after this one
 * still run: assignment and mark stay with the packet. The other exits are the RST (of a rule that says reject, or of
 * the server by the word of the hub) and the SYN that is held, which is dropped here and comes back
 * (bpf/putback.bpf.c).
 */
#ifndef MPGATE_STEER_H
#define MPGATE_STEER_H

#include <linux/pkt_cls.h>

#include "classify.h"
#include "flows.h"
#include "icmp.h"
#include "learn.h"
#include "mark.h"
#include "reach.h"
#include "reject.h"
#include "stats.h"
#include "tagged.h"

#define STEER_PULL_LEN 256 /* bytes that hold every header this parser steps over, in all likely packets */
#define STEER_STATE_LISTEN 10 /* bpf_sock.state: enum of the kernel, UAPI as BPF_TCP_LISTEN */
#define STEER_STATE_TIME_WAIT 6
#define STEER_IPV4_LOOPBACK 0x7f000001
#define STEER_IPV6_DSCP_SHIFT 22 /* of the code point in the first word of an IPv6 header */

static __always_inline void sock_put(struct bpf_sock **sk)
{
	if (*sk)
		bpf_sk_release(*sk);
}
#define _cleanup_sock_ __attribute__((cleanup(sock_put)))

static __always_inline struct bpf_sock *sock_find(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u8 family)
{
	if (family == 4)
		return bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
	return bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv6), BPF_F_CURRENT_NETNS, 0);
}

/* The tuple under which a worker's listener is found: to the loopback address and its port. */
static __always_inline void listener_tuple(const struct segment *seg, __be16 port, struct bpf_sock_tuple *out)
{
	*out = seg->tuple;
	if (seg->family == 4) {
		out->ipv4.daddr = bpf_htonl(STEER_IPV4_LOOPBACK);
		out->ipv4.dport = port;
	} else {
		out->ipv6.daddr[0] = 0;
		out->ipv6.daddr[1] = 0;
		out->ipv6.daddr[2] = 0;
		out->ipv6.daddr[3] = bpf_htonl(1);
		out->ipv6.dport = port;
	}
}

/*
 * Gives the packet to this worker's listener; dry: only says whether it listens. One on its way out has to come in on
 * the loopback device first (bpf/host.bpf.c).
 */
static __always_inline enum mpgate_reason steer_give(struct __sk_buff *skb, const struct mpgate_settings *set,
						     const struct segment *seg, __u32 worker, enum mpgate_reason done,
						     bool dry)
{
	struct mpgate_listener *listener = bpf_map_lookup_elem(&listeners, &worker);
	struct bpf_sock_tuple tuple;

	if (!listener || !listener->alive)
		return MPGATE_R_NO_LISTENER;
	listener_tuple(seg, listener->port, &tuple);
	struct bpf_sock *sk _cleanup_sock_ = sock_find(skb, &tuple, seg->family);

	if (!sk || sk->state != STEER_STATE_LISTEN)
		return MPGATE_R_NO_LISTENER;
	if (dry)
		return done;
	if (!seg->out && bpf_sk_assign(skb, sk, 0))
		return MPGATE_R_ASSIGN_FAILED;
	packet_mark(skb, set);
	return done;
}

/*
 * The one place that decides what becomes of a connection that a rule would have carried and that cannot be: it goes on
 * its way, or is reset where the rule says reject. flow_must_reset() of the workers is the same for what they have.
 */
static __always_inline enum mpgate_reason steer_cannot(struct mpgate_explained *answer, __u32 rule_flags,
						       enum mpgate_reason why)
{
	answer->reset = rule_flags & MPGATE_RULE_REJECT;
	return why == MPGATE_R_PEER_DOWN && answer->reset ? MPGATE_R_PEER_DOWN_REJECT : why;
}

/* Would the normal route forward this SYN? OTHER: yes. */
static __always_inline enum mpgate_reason steer_route(struct __sk_buff *skb, const struct segment *seg)
{
	struct bpf_fib_lookup fib = { .l4_protocol = IPPROTO_TCP, .ifindex = skb->ifindex };

	if (seg->family == 4) {
		fib.family = 2; /* AF_INET */
		fib.tos = seg->dscp << 2;
		fib.ipv4_src = seg->tuple.ipv4.saddr;
		fib.ipv4_dst = seg->tuple.ipv4.daddr;
		fib.sport = seg->tuple.ipv4.sport;
		fib.dport = seg->tuple.ipv4.dport;
	} else {
		fib.family = 10; /* AF_INET6 */
		fib.flowinfo = bpf_htonl((__u32)seg->dscp << STEER_IPV6_DSCP_SHIFT);
		__builtin_memcpy(fib.ipv6_src, seg->tuple.ipv6.saddr, sizeof(fib.ipv6_src));
		__builtin_memcpy(fib.ipv6_dst, seg->tuple.ipv6.daddr, sizeof(fib.ipv6_dst));
		fib.sport = seg->tuple.ipv6.sport;
		fib.dport = seg->tuple.ipv6.dport;
	}
	switch (bpf_fib_lookup(skb, &fib, sizeof(fib), 0)) {
	case BPF_FIB_LKUP_RET_NOT_FWDED:
		return MPGATE_R_LOCAL;
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
		return MPGATE_R_NO_ROUTE;
	}
	return MPGATE_R_OTHER;
}

/* The subtype of a SYN's MPTCP option, -1 without one. */
static __always_inline int steer_subtype(struct __sk_buff *skb, const struct segment *seg)
{
	struct tcp_options options = {};
	__u32 len = segment_options_len(seg);

	if (!len || bpf_skb_load_bytes(skb, seg->tcp_off + sizeof(struct tcphdr), options.bytes, len))
		return -1;
	return tcp_mptcp_subtype(&options, len);
}

/*
 * May this rule take a SYN, by its MPTCP option? OTHER: yes. MP_JOIN belongs to a connection that somebody else
 * terminates; so does MP_CAPABLE, unless the rule takes it, or its server is known not to.
 */
static __always_inline enum mpgate_reason steer_mptcp(struct __sk_buff *skb, const struct mpgate_settings *set,
						      const struct segment *seg, const struct mpgate_tuple *tuple,
						      const struct mpgate_rule *rule, bool dry)
{
	bool terminates = rule->action == MPGATE_TERMINATE, learns = rule->flags & MPGATE_RULE_LEARNED;
	int subtype = steer_subtype(skb, seg);

	if (subtype == MPTCP_SUB_JOIN)
		return MPGATE_R_MPTCP;
	if (subtype != MPTCP_SUB_CAPABLE) {
		/* What was taken with it may be said again without. */
		if (!terminates || (!dry && bpf_map_lookup_elem(&flows, tuple)))
			return MPGATE_R_OTHER;
		if (learns && !dry)
			learn_without(skb, seg, tuple);
		return MPGATE_R_PLAIN;
	}
	if (terminates && !set->holds)
		return MPGATE_R_MPTCP;
	if (rule->flags & MPGATE_RULE_TAKE_MPTCP || (learns && learned_mute(tuple)))
		return MPGATE_R_OTHER;
	if (learns && !dry)
		learn_with(skb, seg, tuple);
	return MPGATE_R_MPTCP;
}

/* The rule that gate has found for this packet under this generation; false: steer has to look itself. */
static __always_inline bool steer_from_gate(struct __sk_buff *skb, __u32 slot, __u32 *rule)
{
	void *data = (void *)(long)skb->data;
	struct mpgate_meta *meta = (void *)(long)skb->data_meta;

	if ((void *)(meta + 1) > data || meta->magic != MPGATE_META_MAGIC || meta->generation != slot ||
	    meta->ifindex != skb->ifindex)
		return false;
	*rule = meta->rule;
	return true;
}

static __always_inline void steer_count_rule(__u32 slot, __u32 rule)
{
	void *map = GEN_MAP(gen_hits, slot);
	__u64 *hits = map ? bpf_map_lookup_elem(map, &rule) : NULL;

	if (hits)
		*hits += 1;
}

/*
 * A packet of a flow that is in the table: its SYN said again, or the third packet under SYN cookies. Its worker gets
 * it, and when that one takes no more, the one that its client has now.
 */
static __always_inline enum mpgate_reason steer_known(struct __sk_buff *skb, const struct mpgate_settings *set,
						      const struct segment *seg, struct mpgate_flow *flow,
						      struct mpgate_explained *answer, enum mpgate_reason done)
{
	__u32 worker = flow->worker;
	struct mpgate_listener *listener = bpf_map_lookup_elem(&listeners, &worker);
	enum mpgate_reason reason;

	if (!listener || !listener->alive)
		flow->worker = worker = steer_worker(flow_client(seg, set->client_seed), flow_peer(flow));
	reason = steer_give(skb, set, seg, worker, done, false);
	return reason == done ? reason : steer_cannot(answer, flow->rule_flags, reason);
}

/*
 * Is there a worker that listens, and that was there already at that time? Its socket is looked for, too: of a daemon
 * that was killed the maps stay as they were.
 */
static __always_inline bool steer_is_served(struct __sk_buff *skb, const struct mpgate_settings *set,
					    const struct segment *seg, __u32 worker, __u64 time)
{
	struct mpgate_listener *listener = bpf_map_lookup_elem(&listeners, &worker);

	return listener && time >= listener->since &&
	       steer_give(skb, set, seg, worker, MPGATE_R_HELD, true) == MPGATE_R_HELD;
}

/* Hands a flow that is in the table as held to its worker. */
static __always_inline enum mpgate_reason steer_hold(struct __sk_buff *skb, const struct mpgate_settings *set,
						     const struct segment *seg, const struct mpgate_tuple *tuple,
						     struct mpgate_flow *flow, struct mpgate_explained *answer)
{
	enum mpgate_reason reason = MPGATE_R_NO_LISTENER;

	if (steer_is_served(skb, set, seg, flow->worker, flow->time)) {
		if (flow_copy_syn(skb, seg, tuple, flow))
			return MPGATE_R_HELD;
		reason = MPGATE_R_HELD_FULL;
	}
	reason = steer_cannot(answer, flow->rule_flags, reason);
	flow_remove(tuple, flow);
	return reason;
}

/* A SYN of a flow that is in the table: put back by its worker, or said again. */
static __always_inline enum mpgate_reason steer_again(struct __sk_buff *skb, const struct mpgate_settings *set,
						      const struct segment *seg, const struct mpgate_tuple *tuple,
						      struct mpgate_flow *flow, struct mpgate_explained *answer)
{
	struct mpgate_flow copy;

	switch (flow->state) {
	case MPGATE_FLOW_HELD:
		if (steer_is_served(skb, set, seg, flow->worker, flow->time))
			return MPGATE_R_HELD_AGAIN;
		/* That worker is gone, and what it knew. */
		flow->worker = steer_worker(flow_client(seg, set->client_seed), flow_peer(flow));
		/* fall through */
	case MPGATE_FLOW_MOVED:
		flow->state = MPGATE_FLOW_HELD;
		flow->time = bpf_ktime_get_ns();
		copy = *flow;
		return steer_hold(skb, set, seg, tuple, &copy, answer);
	case MPGATE_FLOW_REFUSED:
		answer->reset = true;
		copy = *flow;
		flow_remove(tuple, &copy);
		return MPGATE_R_REFUSED;
	case MPGATE_FLOW_RELEASED:
		return MPGATE_R_RELEASED;
	case MPGATE_FLOW_APPROVED:
		flow->state = MPGATE_FLOW_STEERED;
		flow->time = bpf_ktime_get_ns();
		syn_epoch_add(set->backlog);
		return steer_known(skb, set, seg, flow, answer, MPGATE_R_APPROVED);
	default:
		flow->time = bpf_ktime_get_ns();
		return steer_known(skb, set, seg, flow, answer, MPGATE_R_STEERED_AGAIN);
	}
}

/* A SYN that is to be carried: noted as a flow, and given to its client's worker, or held. */
static __always_inline enum mpgate_reason steer_new(struct __sk_buff *skb, const struct mpgate_settings *set,
						    const struct segment *seg, const struct mpgate_tuple *tuple,
						    const struct steer_rule *rule, struct mpgate_explained *answer)
{
	__u64 client = flow_client(seg, set->client_seed);
	const struct mpgate_peer *peer = rule->flags & STEER_ALONE ? NULL : peer_of(answer->peer);
	bool honest = steer_holds(set, rule->flags, peer);
	struct mpgate_flow flow = {}, *known;
	enum mpgate_reason reason;

	flow.rule_id = rule->id;
	flow.peer = answer->peer;
	flow.dscp = seg->dscp;
	flow.state = honest ? MPGATE_FLOW_HELD : MPGATE_FLOW_STEERED;
	flow.ifindex = skb->ifindex;
	flow.rule_flags = rule->flags | (seg->out ? MPGATE_FLOW_HOST : 0) | (set->learns ? learned_flags(tuple) : 0);
	flow.worker = steer_worker(client, peer);
	flow.client = client & (MPGATE_CLIENT_COUNTERS - 1);
	flow.time = bpf_ktime_get_ns();
	/* The entry is there before the packet goes on: the worker may accept at once. */
	if (!flow_add(tuple, &flow)) {
		known = bpf_map_lookup_elem(&flows, tuple);
		if (!known)
			return steer_cannot(answer, flow.rule_flags, MPGATE_R_TABLE_FULL);
		return steer_again(skb, set, seg, tuple, known, answer);
	}
	if (honest)
		return steer_hold(skb, set, seg, tuple, &flow, answer);
	reason = steer_give(skb, set, seg, flow.worker, MPGATE_R_STEERED, false);
	if (reason == MPGATE_R_STEERED) {
		syn_epoch_add(set->backlog);
		return reason;
	}
	flow_remove(tuple, &flow);
	return steer_cannot(answer, flow.rule_flags, reason);
}

/* The rule of a SYN by the policy of that generation. OTHER: it is to be carried, by *out. */
static __always_inline enum mpgate_reason steer_classify(struct __sk_buff *skb, const struct mpgate_settings *set,
							 const struct segment *seg, __u32 slot,
							 const struct mpgate_tuple *tuple, struct steer_rule *out,
							 struct mpgate_explained *answer, bool dry)
{
	enum mpgate_reason reason = MPGATE_R_NO_RULE;
	const struct mpgate_rule *rule;
	__u32 index;
	void *map;

	if (!dry && !seg->out && steer_from_gate(skb, slot, &index))
		count(MPGATE_R_GATE_HIT);
	else
		index = classify(slot, seg->out ? MPGATE_HOST_IFINDEX : skb->ifindex, seg, &reason);
	if (index == MPGATE_NO_RULE)
		return reason;
	map = GEN_MAP(gen_rules, slot);
	rule = map ? bpf_map_lookup_elem(map, &index) : NULL;
	if (!rule)
		return MPGATE_R_NO_POLICY;
	answer->rule = index;
	if (!dry)
		steer_count_rule(slot, index);
	if (rule->action == MPGATE_DIRECT)
		return MPGATE_R_RULE_DIRECT;
	reason = steer_mptcp(skb, set, seg, tuple, rule, dry);
	if (reason != MPGATE_R_OTHER)
		return reason;
	if (bpf_map_lookup_elem(&peer_addrs, &tuple->daddr))
		return MPGATE_R_PEER_ADDRESS;
	out->id = rule->id;
	out->flags = rule->flags;
	out->group = rule->group;
	return MPGATE_R_OTHER;
}

/* A SYN without a connection: which way, by policy. *answer names rule and peer as far as they were found. */
static __always_inline enum mpgate_reason steer_syn(struct __sk_buff *skb, const struct mpgate_settings *set,
						    const struct segment *seg, struct mpgate_explained *answer,
						    bool dry)
{
	enum mpgate_reason reason, done;
	struct mpgate_tuple tuple = {};
	struct steer_rule rule = {};
	const struct mpgate_peer *peer;
	struct mpgate_flow *known;
	__u32 slot;

	if (!set->loaded)
		return MPGATE_R_NO_POLICY;
	slot = *(volatile const __u32 *)&set->generation; /* read once: everything below is of one policy */
	segment_tuple(seg, &tuple);
	if (dry || seg->out || !steer_tagged(skb, set, seg, slot, &tuple, &rule, answer)) {
		reason = steer_classify(skb, set, seg, slot, &tuple, &rule, answer, dry);
		if (reason != MPGATE_R_OTHER)
			return reason;
	}
	/* What is published is often an address of our own; what leaves has its route. */
	reason = rule.flags & MPGATE_RULE_PUBLISHED || seg->out ? MPGATE_R_OTHER : steer_route(skb, seg);
	if (reason != MPGATE_R_OTHER)
		return reason;
	if (set->undelivered)
		return steer_cannot(answer, rule.flags, MPGATE_R_UNDELIVERED);
	known = dry ? NULL : bpf_map_lookup_elem(&flows, &tuple);
	if (known) {
		answer->peer = known->peer;
		return steer_again(skb, set, seg, &tuple, known, answer);
	}
	if (!(rule.flags & STEER_ALONE)) {
		answer->peer = steer_peer(slot, rule.group, seg);
		if (answer->peer == MPGATE_NO_PEER)
			return steer_cannot(answer, rule.flags, MPGATE_R_PEER_DOWN);
	}
	if (!dry)
		return steer_new(skb, set, seg, &tuple, &rule, answer);
	peer = peer_of(answer->peer);
	done = steer_holds(set, rule.flags, peer) ? MPGATE_R_HELD : MPGATE_R_STEERED;
	reason = steer_give(skb, set, seg, steer_worker(flow_client(seg, set->client_seed), peer), done, true);
	return reason == done ? reason : steer_cannot(answer, rule.flags, reason);
}

/*
 * Neither a connection nor a SYN: ours only as the third packet of a handshake with a SYN cookie. Answers of servers
 * may tell something of them.
 */
static __always_inline enum mpgate_reason steer_stray(struct __sk_buff *skb, const struct mpgate_settings *set,
						      const struct segment *seg, struct mpgate_explained *answer)
{
	struct mpgate_tuple tuple = {};
	struct mpgate_flow *flow;
	__u32 bits = seg->flags & (TCP_SYN_BIT | TCP_ACK_BIT | TCP_RST_BIT);

	if (set->learns && (bits == LEARN_SYN_ACK || bits & TCP_RST_BIT))
		learn_answer(skb, seg);
	if (bits != TCP_ACK_BIT || !syn_epoch_busy())
		return MPGATE_R_OTHER;
	segment_tuple(seg, &tuple);
	flow = bpf_map_lookup_elem(&flows, &tuple);
	if (!flow || flow->state != MPGATE_FLOW_STEERED)
		return MPGATE_R_OTHER;
	return steer_known(skb, set, seg, flow, answer, MPGATE_R_STEERED_ACK);
}

/*
 * A SYN in TIME_WAIT: the stack looks for a listener that could take it, and one of this machine that is bound to any
 * address would answer for a server elsewhere. As an ACK the packet draws what TIME_WAIT answers to strays: the client
 * resets, that ends TIME_WAIT, and its SYN comes again (tcp_timewait_state_process() in net/ipv4/tcp_minisocks.c).
 */
static __always_inline void steer_syn_to_ack(struct __sk_buff *skb, const struct segment *seg)
{
	__u32 off = seg->tcp_off + offsetof(struct tcphdr, window) - 2; /* header length and flags */
	__be16 old, new;

	if ((!seg->out && steer_route(skb, seg) == MPGATE_R_LOCAL) || bpf_skb_load_bytes(skb, off, &old, sizeof(old)))
		return;
	new = (old & ~bpf_htons(TCP_SYN_BIT)) | bpf_htons(TCP_ACK_BIT);
	if (!bpf_l4_csum_replace(skb, seg->tcp_off + offsetof(struct tcphdr, check), old, new, sizeof(new)))
		bpf_skb_store_bytes(skb, off, &new, sizeof(new), 0);
}

/*
 * A TCP packet, or an ICMP error about one that was sent from here, with the tuple that packets of its connection have.
 * Where there is one the mark is enough: the kernel finds the socket itself, and with it the route that the socket has
 * from its packet before. With a socket assigned here it would look the route up for each packet.
 */
static __always_inline enum mpgate_reason steer_segment(struct __sk_buff *skb, struct segment *seg, bool icmp,
							struct mpgate_explained *answer, bool dry)
{
	struct bpf_sock *sk _cleanup_sock_ = sock_find(skb, &seg->tuple, seg->family);
	const struct mpgate_settings *set;
	__u32 zero = 0;

	set = bpf_map_lookup_elem(&settings, &zero);
	if (!set)
		return MPGATE_R_NO_POLICY;
	if (icmp) {
		if (!sk || sk->state == STEER_STATE_LISTEN)
			return MPGATE_R_OTHER;
		if (!dry)
			packet_mark(skb, set);
		return MPGATE_R_ICMP_ERROR;
	}
	if (sk && sk->state != STEER_STATE_LISTEN) {
		bool ended = sk->state == STEER_STATE_TIME_WAIT;

		if (!dry && ended && segment_is_syn(seg))
			steer_syn_to_ack(skb, seg);
		if (!dry)
			packet_mark(skb, set);
		return ended ? MPGATE_R_TIME_WAIT : MPGATE_R_ESTABLISHED;
	}
	if (segment_is_syn(seg))
		return steer_syn(skb, set, seg, answer, dry);
	return dry ? MPGATE_R_OTHER : steer_stray(skb, set, seg, answer);
}

/* Headers of a large packet can lie outside the linear part: then they are pulled in, once. */
static __always_inline enum parse_result steer_parse(struct __sk_buff *skb, bool l3, struct segment *seg)
{
	enum parse_result result = parse_frame((void *)(long)skb->data, (void *)(long)skb->data_end, l3, seg);
	__u32 linear = skb->data_end - skb->data;

	if (result != PARSE_SHORT || linear >= skb->len)
		return result;
	if (bpf_skb_pull_data(skb, skb->len < STEER_PULL_LEN ? skb->len : STEER_PULL_LEN))
		return result;
	return parse_frame((void *)(long)skb->data, (void *)(long)skb->data_end, l3, seg);
}

/*
 * Does the frame belong to a VLAN device behind this link? The kernel has taken its tag off and hands it on; steered
 * here it would arrive there with a socket that no routing rule leads to, and be dropped. VLAN 0 is a priority only;
 * the tag behind it is still in the frame.
 */
static __always_inline bool steer_is_tagged(const struct __sk_buff *skb, const struct segment *seg)
{
	return seg->vlan || (skb->vlan_present && (skb->vlan_tci & PARSE_VLAN_ID));
}

/* The whole of it. Returns the reason; rule and peer go to *answer. */
static __always_inline enum mpgate_reason steer_packet(struct __sk_buff *skb, bool l3, struct segment *seg,
						       struct mpgate_explained *answer, bool dry)
{
	enum parse_result result = steer_parse(skb, l3, seg);

	seg->out = dry && skb->ifindex == MPGATE_HOST_IFINDEX;
	switch (result) {
	case PARSE_TCP:
	case PARSE_ICMP:
		if (steer_is_tagged(skb, seg))
			return MPGATE_R_NO_LINK;
		if (result == PARSE_ICMP && !icmp_quote(skb, seg))
			return MPGATE_R_OTHER;
		return steer_segment(skb, seg, result == PARSE_ICMP, answer, dry);
	case PARSE_FRAGMENTED:
		return MPGATE_R_FRAGMENT;
	case PARSE_OTHER:
	case PARSE_LONG:
		return MPGATE_R_OTHER;
	default:
		return MPGATE_R_MALFORMED;
	}
}

#endif
