/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BPF side as the supervisor sees it: load, pin, attach, fill, ask. Nothing
 * else in the daemon calls libbpf. All functions return 0 or -errno and have
 * logged what failed, naming link, program or map.
 */
#ifndef MPGATED_DATAPATH_H
#define MPGATED_DATAPATH_H

#include <lib/config/config.h>
#include <lib/keys.h>
#include <lib/policy.h>

struct datapath;

/* What was tried on this kernel, and how a link is served. */
enum datapath_hook { HOOK_NONE, HOOK_TCX, HOOK_CLSACT, HOOK_XDP, HOOK_XDP_GENERIC };
const char *datapath_hook_name(enum datapath_hook hook);

struct datapath_attached {
	enum datapath_hook steer, guard, gate;
	const char *failed; /* the program for which nothing is attached */
};

/*
 * Cleans what a killed daemon of this instance left (pins, links, tc filters), loads the programs, pins the maps
 * under MPGATE_PIN_ROOT/<instance>/v<ABI>/. replay_buckets: of guard's table of used cookies, a power of two.
 */
int datapath_open(const char *instance, unsigned replay_buckets, struct datapath **out);
/* Can an instance of that name be here? -ENOTSUP: there is no BPF file system; -EINVAL: the name is none. */
int datapath_check(const char *instance);
/* Are the pins of this one still there? mounted: there is a BPF file system. */
bool datapath_is_pinned(const struct datapath *dp, bool *mounted);
/* Removes what a killed daemon of this instance left, as datapath_open() does. */
int datapath_clean(const char *instance);
/* Detaches, unpins, frees. Traffic goes the normal way afterwards. */
void datapath_close(struct datapath *dp);

/*
 * The five that follow wait for the kernel's lock of all links, however long others hold it. They may be called in
 * another thread than all the rest, one at a time.
 *
 * Attaches what a link of this role needs: lan: steer (and gate); path: guard and steer; net: steer. steer on links
 * that do not classify only returns traffic to local sockets. Replaces what was attached there by us before. What
 * fails is for the caller to say: nothing is attached then.
 */
int datapath_attach(struct datapath *dp, unsigned ifindex, const struct cfg_link *link, bool l3,
		    struct datapath_attached *out);
int datapath_detach(struct datapath *dp, unsigned ifindex);
/* Sets clsact filters again that somebody removed together with their qdisc. Links cannot be lost that way. */
void datapath_restore(struct datapath *dp);
/*
 * The id of an XDP program there that is not ours, and its name (empty: not known), 0: there is none. It sees packets
 * first.
 */
#define DATAPATH_PROG_NAME 16
uint32_t datapath_foreign_xdp(const struct datapath *dp, unsigned ifindex, char name[DATAPATH_PROG_NAME]);
/* What datapath_set_hosts() needs on the loopback device and on the path links that are attached, or will be. */
int datapath_attach_hosts(struct datapath *dp, bool on);

/*
 * Builds the policy in the slot that is not in force, then flips. On failure the policy in force stays. ifindex[i] is
 * the interface of cfg->links[i], 0 if it is absent now; l3[i] says it has no Ethernet header.
 */
int datapath_set_policy(struct datapath *dp, const struct config *cfg, const struct policy_image *img,
			const unsigned *ifindex, const bool *l3);
/* A link of the policy in force came (or changed) or went. */
int datapath_link_up(struct datapath *dp, unsigned ifindex, const struct cfg_link *link, bool l3, uint32_t bitmap);
int datapath_link_gone(struct datapath *dp, unsigned ifindex);

/*
 * Clients are spread anew over the workers that are alive and not full; only those of a worker that comes or goes move.
 * A full one is still given what it has approved, or was given before.
 */
int datapath_set_listener(struct datapath *dp, unsigned worker, __be16 port, bool alive, bool full);
int datapath_set_backlog(struct datapath *dp, unsigned backlog); /* of a listener, before it uses SYN cookies */
int datapath_set_mark(struct datapath *dp, uint32_t value, uint32_t mask); /* of packets of local connections */
/* True: no new connection is given to a worker, since it would not get there. */
int datapath_set_undelivered(struct datapath *dp, bool undelivered);
int datapath_set_peer(struct datapath *dp, unsigned slot, const struct mpgate_peer *peer);
/* The addresses of all peers of cfg: steer passes what goes there. Replaces those of the configuration before. */
int datapath_set_peer_addrs(struct datapath *dp, const struct config *cfg);
int datapath_set_convert(struct datapath *dp, const struct config *cfg); /* accept, port, window, rate, allow-from */

/* Replaces the set of keys that guard accepts: new ones in first, then the others out. */
struct datapath_key {
	struct subkey key;
	unsigned peer; /* slot */
};
int datapath_set_keys(struct datapath *dp, const struct datapath_key *keys, unsigned count);
/* What SYNs for the peer in that slot get their tag from; NULL: it is none of mode transparent. */
void datapath_set_tag_key(struct datapath *dp, unsigned slot, const struct subkey *key);
/* A source (addr_client()) proved a key: for two minutes guard counts none of its SYNs against a rate. */
void datapath_know_source(struct datapath *dp, const struct mpgate_addr *source);
/*
 * MPTCP has just failed with this server, and plain TCP has not; breaks false: MPTCP has not, and is no longer in
 * doubt. When it has failed often enough, flows to it say so (MPGATE_FLOW_BREAKS). port: host order.
 */
void datapath_doubt_server(struct datapath *dp, const struct mpgate_addr *addr, uint16_t port, bool breaks);
/* Whether guard corrects the window of SYNs with data (bpf/window.h). */
int datapath_set_unscale(struct datapath *dp, bool on);
/*
 * Tells host mode this machine's addresses, and guard which SYNs are for us: those to the addresses of convert.listen;
 * where that is "any", to all of this machine's. To be called when they change.
 */
int datapath_set_local(struct datapath *dp, const struct config *cfg, const struct mpgate_addr *local, unsigned count);
/*
 * Tells guard the offset between the clocks; to be called at least every 10 s and after the clock was set. A clock that
 * was set back is not followed: cookies that were used and forgotten would be good once more.
 */
int datapath_sync_clock(struct datapath *dp);
uint64_t datapath_wall_offset(const struct datapath *dp); /* ns, what guard goes by */

int datapath_counters(struct datapath *dp, uint64_t counters[MPGATE_REASON_COUNT]); /* sums over CPUs */
int datapath_rule_hits(struct datapath *dp, uint64_t *hits, unsigned count); /* of the generation in force */

/* Asks the loaded steer program what it would do with a SYN, mptcp: with MP_CAPABLE; counters and `flows` are left as
 * they were. */
struct datapath_explanation {
	enum mpgate_reason reason;
	int rule; /* index in the policy in force, -1: none */
	int peer; /* slot, -1: none */
};
int datapath_explain(struct datapath *dp, unsigned ifindex, const struct mpgate_tuple *tuple, uint8_t dscp, bool mptcp,
		     struct datapath_explanation *out);

/*
 * Lets a frame come in on a link with an Ethernet header, past its XDP programs. -errno is not logged; -EOPNOTSUPP:
 * this kernel does not load what it takes.
 */
int datapath_inject(const struct datapath *dp, unsigned ifindex, const void *frame, size_t len);

/*
 * What a worker needs for SYNs that are held: a new ring that brings them, in place of that of the process before it
 * (the caller's; -errno), and a descriptor: frames written there go back to where their flow came from. That is -1
 * where nothing can be held, and then there are no rings either.
 */
int datapath_hold_ring(struct datapath *dp, unsigned worker);
int datapath_hold_fd(const struct datapath *dp);

/*
 * Removes flows that no worker has taken in time. To be called every few seconds: a call looks at half of a full table
 * at most, and the next one goes on there.
 */
int datapath_sweep_flows(struct datapath *dp);

/*
 * Descriptors that workers inherit: `flows` (read, write and delete), `flow_clients` (to be mapped) and `synack`
 * (read); -1: not available.
 */
int datapath_flows_fd(const struct datapath *dp);
int datapath_flow_clients_fd(const struct datapath *dp);
int datapath_synack_fd(const struct datapath *dp);
/*
 * Attaches the synack program to a cgroup: an open directory fd of cgroup2, or the -errno that there is none for.
 * -errno: Extended TCP Header is off.
 */
int datapath_attach_synack(struct datapath *dp, int cgroup_fd);
/* The same for the program that adds the tag of transparent mode; what fails is for the caller to say. */
int datapath_attach_tags(struct datapath *dp, int cgroup_fd);
/* And for those that give subflows what they get by their path, and are not to be given too much to send ahead. */
int datapath_attach_paths(struct datapath *dp, int cgroup_fd);
/* From now on subflows that leave from that address of ours get this; NULL: nothing. */
void datapath_set_path(struct datapath *dp, const struct mpgate_addr *addr, const struct mpgate_path *path);

/*
 * Whose connections of this machine's own are classified from here on: hosts is one of enum mpgate_hosts. Not before
 * datapath_attach_hosts(). The descriptors of cgroups are the caller's: that of the workers, of what `run` starts (may
 * be -1), and the root, whose sockets all are. -errno, logged: then it is nobody's.
 */
struct datapath_cgroups {
	int workers, run, root;
};
int datapath_set_hosts(struct datapath *dp, enum mpgate_hosts hosts, const struct datapath_cgroups *cgroups);

/*
 * What was tried on this kernel: programs and ways to attach them. degraded: what is done instead; NULL: it works. why:
 * the error that it failed with, 0: none.
 */
struct datapath_feature {
	const char *name;
	bool works;
	const char *degraded;
	int why; /* errno */
};
/* The list, which lives as long as dp, and its length. */
unsigned datapath_features(const struct datapath *dp, const struct datapath_feature **out);

/* Instructions of each program as the kernel holds them, for status: calls fn once a program. */
void datapath_programs(struct datapath *dp, void (*fn)(void *arg, const char *name, unsigned insns, unsigned verified),
		       void *arg);

#endif
