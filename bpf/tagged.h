/* SPDX-License-Identifier: GPL-2.0-only */
/* SYNs that are ours by the tag of a peer (mpgate/tag.h), wherever they go. */
#ifndef MPGATE_TAGGED_H
#define MPGATE_TAGGED_H

#include <mpgate/tag.h>

#include "classify.h"
#include "stats.h"

#define TAG_NS 1000000000ULL
#define TAG_EPOCHS 3 /* that are tried: the one before, the present one, the next */

/* Of the clock that cookies are judged by. */
static __always_inline __u32 tag_epoch(void)
{
	__u32 zero = 0;
	const struct mpgate_settings *set = bpf_map_lookup_elem(&settings, &zero);

	return set ? (bpf_ktime_get_boot_ns() + set->wall_offset) / TAG_NS >> TAG_EPOCH_SHIFT : 0;
}

/* Is that the tag of this SYN? A function of its own, and a loop, so that the hash stands here once. */
static __noinline bool tag_is_right(const struct mpgate_guard_key *key, struct mpgate_tag_signed *m, __u64 tag)
{
	__u32 epoch = tag_epoch();

	if (!key || !m)
		return false;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < TAG_EPOCHS; i++) {
		m->epoch = bpf_htonl(epoch + i - 1);
		if (tag_make(key->k0, key->k1, m) == tag)
			return true;
	}
	return false;
}

/* Copies our option, if the SYN has MP_CAPABLE and it. */
static __always_inline bool tag_find(struct __sk_buff *skb, const struct segment *seg, struct mpgate_tag_option *out)
{
	struct tcp_options options = {};
	__u32 len = segment_options_len(seg);
	__s32 at;

	if (!len || bpf_skb_load_bytes(skb, seg->tcp_off + sizeof(struct tcphdr), options.bytes, len) ||
	    tcp_mptcp_subtype(&options, len) != MPTCP_SUB_CAPABLE)
		return false;
	at = tcp_option_at(&options, len, TAG_KIND);
	return at >= 0 && (__u32)at + TAG_LEN <= len &&
	       !bpf_skb_load_bytes(skb, seg->tcp_off + sizeof(struct tcphdr) + at, out, sizeof(*out)) &&
	       out->len == TAG_LEN && out->exid == bpf_htons(TAG_EXID);
}

/* By its tag, the peer that says this SYN is for us, and the name of its key; MPGATE_NO_PEER: none. */
static __always_inline __u32 tag_peer(struct __sk_buff *skb, const struct segment *seg,
				      const struct mpgate_tuple *tuple, __u32 *key_id)
{
	struct mpgate_tag_signed m = { .form = bpf_htonl(TAG_FORM), .tuple = *tuple };
	struct mpgate_tag_option option;
	const struct mpgate_guard_key *key;
	__u64 tag;

	if (!tag_find(skb, seg, &option) ||
	    bpf_skb_load_bytes(skb, seg->tcp_off + offsetof(struct tcphdr, seq), &m.seq, sizeof(m.seq)))
		return MPGATE_NO_PEER;
	*key_id = bpf_ntohl(option.key_id);
	key = bpf_map_lookup_elem(&guard_keys, key_id);
	if (!key) {
		count(MPGATE_R_TAG_UNKNOWN);
		return MPGATE_NO_PEER;
	}
	__builtin_memcpy(&tag, option.tag, sizeof(tag));
	if (!tag_is_right(key, &m, tag)) {
		count(MPGATE_R_TAG_WRONG);
		return MPGATE_NO_PEER;
	}
	return key->peer;
}

/* What a flow is taken by: a rule, or the tag of a peer. */
struct steer_rule {
	__u32 id, flags, group;
};

/*
 * Does a peer say by its tag that this SYN is for us, or has one lately? What it says again may be without the tag: the
 * kernel leaves MPTCP out when it got no answer twice.
 */
static __always_inline bool steer_tagged(struct __sk_buff *skb, const struct mpgate_settings *set,
					 const struct segment *seg, __u32 slot, const struct mpgate_tuple *tuple,
					 struct steer_rule *out, struct mpgate_explained *answer)
{
	__u32 ifindex = skb->ifindex;
	const struct mpgate_link *link;
	struct mpgate_flow *known;
	void *map;

	if (!set->tags || !set->holds)
		return false;
	map = GEN_MAP(gen_links, slot);
	link = map ? bpf_map_lookup_elem(map, &ifindex) : NULL;
	if (!link || !(link->flags & MPGATE_LINK_PATH))
		return false;
	out->flags = MPGATE_RULE_TAGGED | MPGATE_RULE_HONEST;
	known = bpf_map_lookup_elem(&flows, tuple);
	if (known)
		return known->rule_flags & MPGATE_RULE_TAGGED;
	answer->peer = tag_peer(skb, seg, tuple, &out->id);
	if (answer->peer == MPGATE_NO_PEER)
		return false;
	count(MPGATE_R_TAG_TAKEN);
	return true;
}

#endif
