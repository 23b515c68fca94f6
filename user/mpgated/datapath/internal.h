/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the datapath share. The skeleton lives only while
 * load.c works: afterwards there are descriptors, and this.
 */
#ifndef MPGATED_DATAPATH_INTERNAL_H
#define MPGATED_DATAPATH_INTERNAL_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/limits.h>
#include <net/if.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lib/log.h>

#include <mpgated/datapath/datapath.h>

/* Maps of bpf/maps.h, by name: those with one copy, then those with a slot a generation. */
#define DP_PLAIN_MAPS(X)                                                                                               \
	X(settings)                                                                                                    \
	X(listeners)                                                                                                   \
	X(peer_addrs)                                                                                                  \
	X(peers)                                                                                                       \
	X(guard_keys)                                                                                                  \
	X(tag_keys)                                                                                                    \
	X(paths)                                                                                                       \
	X(guard_allow)                                                                                                 \
	X(reasons)                                                                                                     \
	X(flows)                                                                                                       \
	X(flow_clients)                                                                                                \
	X(client_workers)                                                                                              \
	X(syn_busy)                                                                                                    \
	X(guard_local)                                                                                                 \
	X(guard_replay)                                                                                                \
	X(guard_known)                                                                                                 \
	X(guard_rate)                                                                                                  \
	X(held_rings)                                                                                                  \
	X(host_addrs)                                                                                                  \
	X(host_cgroups)                                                                                                \
	X(synack)                                                                                                      \
	X(learned)                                                                                                     \
	X(explained)
#define DP_GEN_MAPS(X)                                                                                                 \
	X(gen_links)                                                                                                   \
	X(gen_policy)                                                                                                  \
	X(gen_rules)                                                                                                   \
	X(gen_bitmaps)                                                                                                 \
	X(gen_ports)                                                                                                   \
	X(gen_lpm)                                                                                                     \
	X(gen_exact)                                                                                                   \
	X(gen_groups)                                                                                                  \
	X(gen_hits)

enum dp_map {
#define X(name) DP_MAP_##name,
	DP_PLAIN_MAPS(X)
#undef X
		DP_MAP_COUNT
};

enum dp_gen {
#define X(name) DP_##name,
	DP_GEN_MAPS(X)
#undef X
		DP_GEN_COUNT
};

enum dp_prog {
	DP_STEER,
	DP_STEER_L3,
	DP_GUARD_TC,
	DP_GUARD_TC_L3,
	DP_GUARD_XDP,
	DP_GATE,
	DP_HOLD_JOINS,
	DP_SYNACK,
	DP_ADD_TAG,
	DP_BY_PATH,
	DP_PACE,
	DP_EXPLAIN,
	DP_PUT_BACK,
	DP_HOST_OUT,
	DP_HOST_OUT_L3,
	DP_HOST_IN,
	DP_HOST_MARK,
	DP_PROG_COUNT
};

/* A map of maps, and how its inner maps are made. */
struct dp_gen_map {
	int fd;
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries, flags;
	uint32_t btf_key, btf_value;
};

/* What one program does on one interface. A link (tcx, XDP) has a descriptor, a clsact filter has none. */
enum dp_role {
	DP_ROLE_GUARD,
	DP_ROLE_STEER,
	DP_ROLE_GATE,
	DP_ROLE_JOINS,
	DP_ROLE_HOST_OUT,
	DP_ROLE_HOST_IN,
	DP_ROLE_COUNT
};
#define DP_LINKS (MPGATE_MAX_LINKS + 1) /* and the loopback device */

static inline bool dp_role_leaves(enum dp_role role)
{
	return role == DP_ROLE_JOINS || role == DP_ROLE_HOST_OUT;
}

#define NS_PER_SECOND 1000000000ULL

/* ns of the clock that the programs go by. */
static inline uint64_t dp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SECOND + (uint64_t)ts.tv_nsec;
}

struct dp_hook {
	enum datapath_hook kind;
	int fd;
};

struct dp_link {
	unsigned ifindex; /* 0: a free entry */
	bool l3; /* no Ethernet header */
	bool path; /* of role path */
	char name[IF_NAMESIZE];
	struct dp_hook hook[DP_ROLE_COUNT];
};

/* How far the search for flows whose time is over has come. */
struct dp_sweep {
	bool under_way;
	uint32_t at; /* where the kernel goes on */
	unsigned seen, held; /* entries that stay: in this pass so far, in the one before */
};
#define FLOW_CLIENTS_SIZE (MPGATE_CLIENT_COUNTERS * sizeof(uint64_t)) /* of the mapping; whole pages */

/* Features in the order in which status shows them: programs first. */
enum { DP_FEATURE_TCX = DP_PROG_COUNT, DP_FEATURE_COUNT };

/*
 * Invariants: settings is what the map holds. inner_links and inner_hits are those of the generation in force, -1
 * before the first policy. Whatever is attached to an interface has an entry below dir, made before the attachment
 * where a process's death does not undo it (clsact).
 */
struct datapath {
	char dir[PATH_MAX]; /* MPGATE_PIN_ROOT/<instance>/v<ABI> */
	int map[DP_MAP_COUNT];
	struct dp_gen_map gen[DP_GEN_COUNT];
	int prog[DP_PROG_COUNT]; /* -1: this kernel does not load it */
	int btf_fd;
	bool tcx; /* false: clsact filters */
	struct mpgate_settings settings;
	bool takes[MPGATE_MAX_WORKERS]; /* workers that take new clients */
	uint32_t peer_addrs_number; /* of the configuration whose peers are in the map */
	uint64_t *flow_clients; /* the map, which programs and workers change at the same time */
	struct dp_sweep sweep;
	unsigned replay_buckets;
	uint64_t set_back; /* seconds: how far the clock is known to be behind what guard goes by */
	int inner_links, inner_hits;
	int synack_link, tag_link, path_link, pace_link, host_link; /* of sockops programs; -1: not attached */
	int hold_fd; /* what is written there is put back; -1: nothing can be held */
	uint64_t since[MPGATE_MAX_WORKERS]; /* ns: when its process got its ring */
	/* The next two are of attach.c, and of the thread that calls datapath_attach(). */
	struct dp_link links[DP_LINKS];
	bool hosts_attached; /* host_in, and host_out on path links */
	struct datapath_feature features[DP_FEATURE_COUNT];
};

static inline void dp_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

const char *dp_map_name(enum dp_map map);
const char *dp_prog_name(enum dp_prog prog);
/* Writes down whether the program can be used, by the errno that it failed with (0: it can). */
void dp_feature(struct datapath *dp, enum dp_prog prog, int why);

/* load.c: fills map, gen, prog, btf_fd and features of dp. */
int dp_load(struct datapath *dp);
void dp_unload(struct datapath *dp);
/* One write of the whole of dp->settings; on failure dp->settings is what it was: pass the new value. */
int dp_write_settings(struct datapath *dp, const struct mpgate_settings *s);

/* tables.c: one entry of an array map. */
int dp_write_entry(struct datapath *dp, enum dp_map map, unsigned index, const void *value);

/* flows.c */
int dp_flows_open(struct datapath *dp);
void dp_flows_close(struct datapath *dp);

/* hold.c: makes the device that held SYNs are put back through; without one, connect: honest is early. */
void dp_hold_open(struct datapath *dp);
void dp_hold_close(struct datapath *dp);

/* pin.c */
int dp_pin_check(const char *instance);
/* Pins the maps; sets dp->dir. What it pinned before it failed stays. */
int dp_pin_maps(struct datapath *dp, const char *instance);
/* The path of an entry of a link: <dir>/<folder>/<ifname>-<role>; size PATH_MAX. */
int dp_pin_path(const char *dir, const char *folder, const char *ifname, const char *role, char *path);
int dp_pin_fd(int fd, const char *path);
const char *dp_role_name(enum dp_role role);

/* clean.c: removes all that a daemon of this instance left: links, filters, pins of any ABI. */
int dp_pin_clean(const char *instance);

/* attach.c */
bool dp_probe_tcx(int prog_fd);

uint32_t dp_prog_id(int fd); /* 0: not known */
/* tc.c: clsact filters. dir is where they are written down. dp_tc_attach(): 1, or 0: it was there already. */
int dp_tc_attach(const char *dir, const char *ifname, unsigned ifindex, enum dp_role role, int prog_fd);
int dp_tc_detach(const char *dir, const char *ifname, unsigned ifindex, enum dp_role role);
/* Removes the filters, and the qdiscs of ours, that are written down in dir by whoever wrote them. */
void dp_tc_clean(const char *dir);

#endif
