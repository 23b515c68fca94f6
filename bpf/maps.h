/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map of the data plane. Each program includes all of them; they are weak, so that `bpftool gen object` merges
 * them into one object in which the programs share them. Values are described in mpgate/abi.h.
 *
 * The gen_* maps hold MPGATE_GENERATIONS slots, each with one policy as a whole. The supervisor fills the slot that is
 * not in force and then changes settings.generation: a packet reads that once, so it never meets half a policy. The
 * inner maps here are only templates: the supervisor makes the real ones with the number of entries it needs.
 */
/*
 * The programs, as the skeleton names them; _l3 is for links whose frames start with the IP header (TUN, WireGuard,
 * PPP, raw-IP modems), which nothing in a packet tells safely:
 *
 *	steer, steer_l3		tc	bpf/steer.bpf.c
 *	explain			tc	bpf/explain.bpf.c, for BPF_PROG_TEST_RUN, which always has an Ethernet header
 *	guard_tc, guard_tc_l3	tc	bpf/guard.bpf.c
 *	guard_xdp		xdp	bpf/guard.bpf.c
 *	gate			xdp	bpf/gate.bpf.c
 *	read_synack		sockops	bpf/synack.bpf.c
 *	add_tag			sockops	bpf/tag.bpf.c
 *	by_path			sockops	bpf/paths.bpf.c
 *	pace			sockops	bpf/pace.bpf.c
 *	put_back		tc	bpf/putback.bpf.c
 *	host_out, host_out_l3	tc	bpf/host.bpf.c
 *	host_in			tc	bpf/host.bpf.c
 *	host_mark		sockops	bpf/hostmark.bpf.c
 */
#ifndef MPGATE_MAPS_H
#define MPGATE_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <mpgate/abi.h>

/* --- what the supervisor writes, one copy for all generations */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mpgate_settings);
} settings __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MPGATE_MAX_WORKERS);
	__type(key, __u32); /* worker */
	__type(value, struct mpgate_listener);
} listeners __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MPGATE_CLIENT_SLOTS);
	__type(key, __u32); /* hash of the client */
	__type(value, __u32); /* worker, MPGATE_NO_WORKER: none is alive */
} client_workers __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MPGATE_MAX_PEERS);
	__type(key, __u32); /* slot */
	__type(value, struct mpgate_peer);
} peers __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * MPGATE_MAX_PEERS); /* two keys a peer while one replaces the other */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* key id */
	__type(value, struct mpgate_guard_key);
} guard_keys __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MPGATE_MAX_PEERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* slot */
	__type(value, struct mpgate_tag_key);
} tag_keys __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * MPGATE_MAX_LINKS + 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mpgate_addr); /* ::, for what is no path's own */
	__type(value, struct mpgate_path);
} paths __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, MPGATE_MAX_ALLOW);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mpgate_lpm_key); /* side MPGATE_SRC */
	__type(value, __u32);
} guard_allow __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MPGATE_MAX_PEER_ADDRS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mpgate_addr);
	__type(value, __u32); /* number of the configuration that named it */
} peer_addrs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MPGATE_MAX_LOCAL);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mpgate_addr);
	__type(value, __u32);
} guard_local __weak SEC(".maps");

/* This machine's own addresses, while host mode is in use. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MPGATE_MAX_LOCAL);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mpgate_addr);
	__type(value, __u32);
} host_addrs __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, MPGATE_CGROUP_COUNT);
	__type(key, __u32); /* enum mpgate_cgroup */
	__type(value, __u32);
} host_cgroups __weak SEC(".maps");

/* --- what the programs write */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MPGATE_REASON_COUNT);
	__type(key, __u32); /* enum mpgate_reason */
	__type(value, __u64);
} reasons __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MPGATE_MAX_FLOWS);
	__type(key, struct mpgate_tuple);
	__type(value, struct mpgate_flow);
} flows __weak SEC(".maps");

/* How many entries of `flows` are a client's. Workers and the supervisor have it mapped: all change it atomically. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MPGATE_CLIENT_COUNTERS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32); /* hash of the client */
	__type(value, __u64); /* not less: whoever maps an array finds its values 8 bytes apart */
} flow_clients __weak SEC(".maps");

struct held_ring_inner {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* the supervisor makes larger ones */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MPGATE_MAX_WORKERS);
	__type(key, __u32); /* worker */
	__array(values, struct held_ring_inner);
} held_rings __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mpgate_syn_epoch);
} syn_epochs __weak SEC(".maps");

/* The epoch from which on SYN cookies are no longer possible; 0: they never were. Written once an epoch at most. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} syn_busy __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MPGATE_REPLAY_BUCKETS); /* the supervisor makes it as large as settings.replay_buckets */
	__type(key, __u32);
	__type(value, struct mpgate_replay);
} guard_replay __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MPGATE_MAX_SOURCES);
	__type(key, struct mpgate_addr);
	__type(value, struct mpgate_bucket);
} guard_rate __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MPGATE_MAX_SOURCES);
	__type(key, struct mpgate_addr);
	__type(value, __u64);
} guard_known __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MPGATE_MAX_SYNACK);
	__type(key, struct mpgate_tuple);
	__type(value, struct mpgate_synack);
} synack __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mpgate_explained);
} explained __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MPGATE_MAX_SERVERS);
	__type(key, struct mpgate_server);
	__type(value, struct mpgate_learned);
} learned __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MPGATE_MAX_ASKED);
	__type(key, struct mpgate_tuple);
	__type(value, struct mpgate_asked);
} asked __weak SEC(".maps");

/* guard's copy of the Convert message that it looks at: only of use within one run. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mpgate_guard_scratch);
} guard_scratch __weak SEC(".maps");

/* --- the policy: templates of the inner maps, then the slots */

/*
 * clang 14 only forward-declares a struct that nothing but an inner map points to, and then the map has no size. The
 * parameter of a function is described in full, so this one, which nobody calls and nobody loads, names them.
 */
union mpgate_inner_types {
	struct mpgate_link link;
	struct mpgate_policy policy;
	struct mpgate_rule rule;
	struct mpgate_bitmap bitmap;
	struct mpgate_lpm_key lpm_key;
	struct mpgate_exact_key exact_key;
	struct mpgate_group group;
};

__weak int mpgate_describe_inner_types(const union mpgate_inner_types *types)
{
	return types != 0;
}

struct gen_links_inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MPGATE_MAX_LINKS + 1); /* and the loopback device */
	__type(key, __u32); /* ifindex */
	__type(value, struct mpgate_link);
};

struct gen_policy_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
	__type(key, __u32);
	__type(value, struct mpgate_policy);
};

struct gen_rules_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MPGATE_MAX_RULES);
	__uint(map_flags, BPF_F_INNER_MAP);
	__type(key, __u32); /* rule index */
	__type(value, struct mpgate_rule);
};

struct gen_bitmaps_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_INNER_MAP);
	__type(key, __u32); /* bitmap index */
	__type(value, struct mpgate_bitmap);
};

struct gen_ports_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MPGATE_PORTS);
	__uint(map_flags, BPF_F_INNER_MAP);
	__type(key, __u32); /* destination port, host order */
	__type(value, __u32); /* bitmap index */
};

struct gen_lpm_inner {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mpgate_lpm_key);
	__type(value, __u32); /* bitmap index */
};

struct gen_exact_inner {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mpgate_exact_key);
	__type(value, __u32); /* bitmap index */
};

struct gen_groups_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MPGATE_MAX_GROUPS);
	__uint(map_flags, BPF_F_INNER_MAP);
	__type(key, __u32);
	__type(value, struct mpgate_group);
};

struct gen_hits_inner {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MPGATE_MAX_RULES);
	__type(key, __u32); /* rule index */
	__type(value, __u64);
};

#define MPGATE_GEN_MAP(name)                                                                                           \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);                                                              \
		__uint(max_entries, MPGATE_GENERATIONS);                                                               \
		__type(key, __u32);                                                                                    \
		__array(values, struct name##_inner);                                                                  \
	} name __weak SEC(".maps")

MPGATE_GEN_MAP(gen_links);
MPGATE_GEN_MAP(gen_policy);
MPGATE_GEN_MAP(gen_rules);
MPGATE_GEN_MAP(gen_bitmaps);
MPGATE_GEN_MAP(gen_ports);
MPGATE_GEN_MAP(gen_lpm);
MPGATE_GEN_MAP(gen_exact);
MPGATE_GEN_MAP(gen_groups);
MPGATE_GEN_MAP(gen_hits);

#endif
