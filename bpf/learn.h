/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How servers take MPTCP. SYNs with MP_CAPABLE that go on by a rule with `mptcp: learned` are written down in `asked`;
 * what answers them says whether the server speaks it, does not, or may break on it: no answer to two of them or a RST,
 * and then one to a SYN without. An outage or a restart looks the same, so that has to be seen again after a while.
 * Whoever speaks MPTCP is forgotten: SYNs for it go on, and a phone's connection stays its own.
 *
 * Only who sees the SYN can make up an answer that counts: it has to acknowledge it.
 */
#ifndef MPGATE_LEARN_H
#define MPGATE_LEARN_H

#include "maps.h"
#include "parse.h"
#include "stats.h"

#define LEARN_SYN_ACK (TCP_SYN_BIT | TCP_ACK_BIT)
#define LEARN_UNANSWERED 2 /* tries with MP_CAPABLE after which the kernel makes one without */

/* What is known of this tuple's destination; NULL: nothing, or nothing any more. */
static __always_inline struct mpgate_learned *learned_of(const struct mpgate_tuple *tuple)
{
	struct mpgate_server server = { .addr = tuple->daddr, .port = tuple->dport };
	struct mpgate_learned *known = bpf_map_lookup_elem(&learned, &server);

	return known && bpf_ktime_get_ns() - known->time < MPGATE_LEARNED_NS ? known : NULL;
}

/* Does it not speak MPTCP? */
static __always_inline bool learned_mute(const struct mpgate_tuple *tuple)
{
	const struct mpgate_learned *known = learned_of(tuple);

	return known && known->state != MPGATE_LEARNED_NOTHING;
}

/* What a flow to it is to say. */
static __always_inline __u32 learned_flags(const struct mpgate_tuple *tuple)
{
	const struct mpgate_learned *known = learned_of(tuple);

	if (!known)
		return 0;
	if (known->state == MPGATE_LEARNED_BREAKS)
		return MPGATE_FLOW_BREAKS;
	return known->doubts ? MPGATE_FLOW_DOUBTED : 0;
}

static __always_inline bool learn_word(struct __sk_buff *skb, const struct segment *seg, __u32 off, __u32 *out)
{
	if (bpf_skb_load_bytes(skb, seg->tcp_off + off, out, sizeof(*out)))
		return false;
	*out = bpf_ntohl(*out);
	return true;
}

/* A SYN with MP_CAPABLE goes on. */
static __always_inline void learn_with(struct __sk_buff *skb, const struct segment *seg,
				       const struct mpgate_tuple *tuple)
{
	struct mpgate_asked *said = bpf_map_lookup_elem(&asked, tuple), first = { .with = 1 };

	if (!learn_word(skb, seg, offsetof(struct tcphdr, seq), &first.seq))
		return;
	if (said && said->seq == first.seq)
		said->with += said->with < LEARN_UNANSWERED;
	else
		bpf_map_update_elem(&asked, tuple, &first, BPF_ANY);
}

/* One without goes on: after some with it, or after a RST for those. */
static __always_inline void learn_without(struct __sk_buff *skb, const struct segment *seg,
					  const struct mpgate_tuple *tuple)
{
	struct mpgate_asked *said = bpf_map_lookup_elem(&asked, tuple);
	struct mpgate_asked next = { .with = LEARN_UNANSWERED, .without = 1 };
	const struct mpgate_learned *known;

	if (!learn_word(skb, seg, offsetof(struct tcphdr, seq), &next.seq))
		return;
	if (said && said->seq == next.seq) {
		said->without = 1;
		return;
	}
	known = learned_of(tuple);
	if (known && known->reset)
		bpf_map_update_elem(&asked, tuple, &next, BPF_ANY);
}

static __always_inline bool learn_has_capable(struct __sk_buff *skb, const struct segment *seg)
{
	struct tcp_options options = {};
	__u32 len = segment_options_len(seg);

	return len && !bpf_skb_load_bytes(skb, seg->tcp_off + sizeof(struct tcphdr), options.bytes, len) &&
	       tcp_mptcp_subtype(&options, len) == MPTCP_SUB_CAPABLE;
}

/* A SYN+ACK or a RST of no connection of ours: of a server, perhaps, that was asked. */
static __always_inline void learn_answer(struct __sk_buff *skb, const struct segment *seg)
{
	struct mpgate_learned *known, next = {};
	const struct mpgate_asked *said;
	struct mpgate_server server = {};
	struct mpgate_tuple tuple = {};
	bool without, unanswered;
	__u64 now;
	__u32 ack;

	/* As the client says it. */
	segment_tuple(seg, &tuple);
	server.addr = tuple.saddr;
	server.port = tuple.sport;
	tuple.saddr = tuple.daddr;
	tuple.sport = tuple.dport;
	tuple.daddr = server.addr;
	tuple.dport = server.port;
	said = bpf_map_lookup_elem(&asked, &tuple);
	if (!said || !learn_word(skb, seg, offsetof(struct tcphdr, ack_seq), &ack) || ack != said->seq + 1)
		return;
	without = said->without;
	unanswered = said->with >= LEARN_UNANSWERED;
	bpf_map_delete_elem(&asked, &tuple);
	if (!(seg->flags & TCP_RST_BIT) && learn_has_capable(skb, seg)) {
		bpf_map_delete_elem(&learned, &server);
		return;
	}
	known = learned_of(&tuple);
	now = next.time = bpf_ktime_get_ns();
	if (known)
		next = *known;
	if (seg->flags & TCP_RST_BIT) {
		/* To a SYN without as well: it is the server's port that is closed. */
		next.reset = !without;
	} else if (!without) {
		next.state = MPGATE_LEARNED_PLAIN;
		next.time = now;
		count(MPGATE_R_SERVER_PLAIN);
	} else if (unanswered) {
		next.reset = 0;
		/* Of one outage many connections tell. */
		if (!next.doubts || now - next.time >= MPGATE_DOUBTS_APART_NS) {
			next.doubts++;
			next.time = now;
		}
		if (next.doubts >= MPGATE_LEARNED_DOUBTS)
			next.state = MPGATE_LEARNED_BREAKS;
		count(MPGATE_R_SERVER_BREAKS);
	}
	bpf_map_update_elem(&learned, &server, &next, BPF_ANY);
}

#endif
