/* SPDX-License-Identifier: GPL-2.0-only */
/* By which peer, and by which worker, a SYN can be carried: over connections to the peer, or over those it parked. */
#ifndef MPGATE_REACH_H
#define MPGATE_REACH_H

#include "classify.h"
#include "flows.h"

/* The bucket of a client: by its address alone, and always the same. */
static __always_inline __u32 reach_bucket(const struct segment *seg)
{
	const __u32 *a = seg->tuple.ipv6.saddr;
	__u64 client = seg->tuple.ipv4.saddr;

	if (seg->family == 6)
		client = (((__u64)a[0] << 32 | a[1]) * 0x9e3779b97f4a7c15ULL) ^ ((__u64)a[2] << 32 | a[3]);
	client = (client ^ client >> 32) * 0xff51afd7ed558ccdULL;
	client = (client ^ client >> 29) * 0xc4ceb9fe1a85ec53ULL;
	return client >> 40 & (MPGATE_GROUP_BUCKETS - 1);
}

/* Slot of the peer of the group that this client is to have, the first that can be reached; or MPGATE_NO_PEER. */
static __always_inline __u32 steer_peer(__u32 slot, __u32 group_index, const struct segment *seg)
{
	void *map = GEN_MAP(gen_groups, slot);
	const struct mpgate_group *group;
	__u32 order;

	if (!map)
		return MPGATE_NO_PEER;
	group = bpf_map_lookup_elem(map, &group_index);
	if (!group)
		return MPGATE_NO_PEER;
	order = group->order[reach_bucket(seg)];
	for (__u32 i = 0; i < MPGATE_GROUP_PEERS; i++) {
		const struct mpgate_peer *peer;
		__u32 key;

		if (i >= group->count)
			break;
		key = group->peers[order & (MPGATE_GROUP_PEERS - 1)];
		order >>= 4;
		peer = bpf_map_lookup_elem(&peers, &key);
		if (peer && (peer->up || peer->parks))
			return key;
	}
	return MPGATE_NO_PEER;
}

static __always_inline const struct mpgate_peer *peer_of(__u32 slot)
{
	return bpf_map_lookup_elem(&peers, &slot);
}

/* Of no peer: what came from one, and what goes on without. */
#define STEER_ALONE (MPGATE_RULE_TAGGED | MPGATE_RULE_TERMINATE)

/* The peer that a flow goes to; NULL: none. */
static __always_inline const struct mpgate_peer *flow_peer(const struct mpgate_flow *flow)
{
	return flow->rule_flags & STEER_ALONE ? NULL : peer_of(flow->peer);
}

/*
 * The worker for a new flow: its client's. A peer that only workers with a parked connection can reach has one of
 * those, the next one from there on, if there is any now.
 */
static __always_inline __u32 steer_worker(__u64 client, const struct mpgate_peer *peer)
{
	__u32 worker = flow_worker(client), turn = worker & (MPGATE_MAX_WORKERS - 1);
	__u64 parked;

	if (!peer || peer->up || !peer->parked)
		return worker;
	parked = peer->parked;
	if (turn)
		parked = parked >> turn | parked << (MPGATE_MAX_WORKERS - turn);
	return (turn + lowest_bit(parked)) & (MPGATE_MAX_WORKERS - 1);
}

/*
 * Is the SYN held? Also where the rule says early, when the peer can be reached over parked connections only: a held
 * one can still go to a worker that has some.
 */
static __always_inline bool steer_holds(const struct mpgate_settings *set, __u32 rule_flags,
					const struct mpgate_peer *peer)
{
	return set->holds && (rule_flags & MPGATE_RULE_HONEST || (peer && !peer->up));
}

#endif
