// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockops on the workers' cgroup: the SYN of a connection that a worker opens in its client's name gets the option by
 * which a hub on the path knows it (mpgate/tag.h). That it is one says the table of flows: there is a held SYN of the
 * very same addresses and ports, for a peer of mode transparent. No other socket has that: joins leave from addresses
 * of this machine.
 */
#include <mpgate/tag.h>

#include "maps.h"
#include "sockops.h"
#include "tagged.h"

/* By its flow, the key that the SYN of this socket is signed with; NULL: it is no such SYN. */
static __always_inline const struct mpgate_tag_key *tag_key(const struct mpgate_tuple *tuple)
{
	const struct mpgate_flow *flow = bpf_map_lookup_elem(&flows, tuple);
	__u32 slot;

	if (!flow || flow->state != MPGATE_FLOW_HELD || flow->rule_flags & MPGATE_RULE_TAGGED)
		return NULL;
	slot = flow->peer;
	return bpf_map_lookup_elem(&tag_keys, &slot);
}

/* The kernel says a SYN without MPTCP when two with it got no answer: that one has no option of ours, either. */
static __always_inline bool is_capable(struct tcphdr *tcp, void *end)
{
	struct tcp_options options = {};
	void *pos = tcp + 1;
	__u32 len = 0;

	for (; len < PARSE_TCP_OPTIONS && pos + 4 <= end; len += 4, pos += 4)
		__builtin_memcpy(options.bytes + len, pos, 4);
	return tcp_mptcp_subtype(&options, len) == MPTCP_SUB_CAPABLE;
}

static __always_inline void write_tag(struct bpf_sock_ops *ops)
{
	struct mpgate_tag_option option = { .kind = TAG_KIND, .len = TAG_LEN, .exid = bpf_htons(TAG_EXID) };
	struct mpgate_tag_signed m = { .form = bpf_htonl(TAG_FORM) };
	const struct mpgate_tag_key *key;
	struct tcphdr *tcp = ops->skb_data;
	void *end = ops->skb_data_end;
	__u64 tag;

	if ((void *)(tcp + 1) > end || !is_capable(tcp, end))
		return;
	own_tuple(ops, &m.tuple);
	key = tag_key(&m.tuple);
	if (!key)
		return;
	m.epoch = bpf_htonl(tag_epoch());
	m.seq = tcp->seq;
	tag = tag_make(key->k0, key->k1, &m);
	option.key_id = bpf_htonl(key->id);
	__builtin_memcpy(option.tag, &tag, sizeof(option.tag));
	bpf_store_hdr_opt(ops, &option, sizeof(option), 0);
}

SEC("sockops")
int add_tag(struct bpf_sock_ops *ops)
{
	__u32 asked = ops->bpf_sock_ops_cb_flags;
	struct mpgate_tuple tuple = {};

	switch (ops->op) {
	case BPF_SOCK_OPS_TCP_CONNECT_CB:
		own_tuple(ops, &tuple);
		if (tag_key(&tuple))
			bpf_sock_ops_cb_flags_set(ops, asked | BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	case BPF_SOCK_OPS_HDR_OPT_LEN_CB:
		/* Without so much room there is no tag. */
		bpf_reserve_hdr_opt(ops, TAG_LEN, 0);
		break;
	case BPF_SOCK_OPS_WRITE_HDR_OPT_CB:
		write_tag(ops);
		break;
	case BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB:
		if (asked & BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG)
			bpf_sock_ops_cb_flags_set(ops, asked & ~BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG);
		break;
	}
	return 1;
}

char _license[] SEC("license") = "GPL";
