/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links, addresses, routes and MPTCP endpoints, through rtnetlink and the
 * mptcp_pm generic netlink family (libmnl). Everything added to the kernel is
 * tagged (route protocol, rule priority, endpoint id) so that what a killed
 * daemon left is found and removed at the next start.
 */
#ifndef MPGATED_PATHS_H
#define MPGATED_PATHS_H

#include <net/if.h>
#include <uv.h>

#include <lib/config/config.h>
#include <mpgated/paths/kind.h>

#define PATHS_PROTOCOL 109 /* rtm_protocol and FRA_PROTOCOL of what we add */
#define PATHS_STEER_TABLE 7000 /* local routes for marked packets, on links whose rule says so */
#define PATHS_LINK_TABLE 7001 /* plus the link's slot: routes of one path */
#define PATHS_STEER_PRIORITY 7000 /* of the rules that send marked packets to PATHS_STEER_TABLE */
#define PATHS_LINK_PRIORITY 7001 /* of the rules that send a path's source address to its table */
/* While the path of the default route is dead: rules ahead of that for the main table (32766). */
#define PATHS_NEAR_PRIORITY 32764 /* to the main table, but for its default routes */
#define PATHS_DETOUR_PRIORITY 32765 /* to the table of a path that is alive */
/*
 * First endpoint id we use; a link has PATHS_ENDPOINT_ID + 2 * slot for IPv4 and the next one for IPv6. A link's slot
 * is its index in the configuration that named it first: it stays over reloads, whatever the index becomes.
 */
#define PATHS_ENDPOINT_ID 100
/* The next ones are of addresses that are announced for joins, by their index in the configuration. */
#define PATHS_JOIN_ID (PATHS_ENDPOINT_ID + 2 * MPGATE_MAX_LINKS)

#define PATHS_ELSEWHERE (UINT32_MAX - 1)

struct paths;

/* Where a path's default route is from. */
enum paths_source { PATHS_NO_GATEWAY, PATHS_MAIN, PATHS_CONFIGURED, PATHS_OTHER_TABLE };

/* How a path leads to the peers, of one family. All bytes count: set the members, not the whole. */
struct paths_route {
	uint32_t source; /* enum paths_source */
	uint32_t table; /* PATHS_OTHER_TABLE: which */
	struct mpgate_addr via; /* zero: the link alone */
	/*
	 * 0, or no peer of this family is reached over the link: that table, by a rule of that priority (0: not known),
	 * leads out of another link (0: nowhere).
	 */
	uint32_t stray_table, stray_rule, stray_link;
};

struct paths_link {
	char name[16];
	unsigned ifindex; /* 0: absent */
	bool up; /* administratively up with carrier */
	bool held; /* it has come and gone too often lately: no subflows leave from it for now */
	bool l3; /* no Ethernet header */
	struct link_kind kind;
	struct mpgate_addr addr[2]; /* [0] IPv4, [1] IPv6 global; all zero: none */
	int endpoint[2]; /* MPTCP endpoint ids, 0: none */
	bool backup; /* its subflows are: by `use` and rank */
	uint32_t metric[2]; /* of its default route; PATHS_ELSEWHERE: not in the main table; UINT32_MAX: none */
	struct paths_route route[2];
	bool tentative[2]; /* it has addresses, none of which can be used yet */
	bool deprecated[2]; /* that of addr is */
	unsigned twin[2]; /* the interface of another path that has the same address, and keeps it: addr is zero; 0:
			     none */
};

/* Do packets to peers take another link, since it has no gateway? Then it is not to be used. */
static inline bool paths_is_astray(const struct paths_link *l, unsigned f)
{
	return l->route[f].stray_table && !l->route[f].stray_rule;
}

/* That of an interface, for the operator: in name, or a text where there is none. */
const char *paths_link_name(uint32_t ifindex, char name[IF_NAMESIZE]);

/* Does it take no router advertisements, since this machine is a router and nobody told it to? */
bool paths_ignores_adverts(const struct paths_link *l);

/* What the peers' probes say of a path, in one family. */
enum paths_health { PATHS_UNKNOWN, PATHS_ALIVE, PATHS_DEAD };

/* How the kernel is to use a path's subflows: as the path's `use` says, or as one of a primary, or a backup, whatever
 * that is. */
enum paths_rank { PATHS_RANK_USE, PATHS_RANK_PRIMARY, PATHS_RANK_BACKUP };

/* All subflows of ours over a path, as they were looked at last. Loss and bytes of those that came and went unseen are
 * missing. */
struct paths_sample {
	unsigned subflows, backups; /* the second are part of the first */
	uint64_t sent, received; /* bytes, since the daemon started; acknowledged ones */
	uint64_t segs, retrans; /* that were sent, likewise */
	uint32_t rtt_us; /* by what it carried, both ways; 0: it has carried nothing yet */
	uint32_t min_rtt_us; /* the least of all subflows; 0: not known */
	uint32_t forgets_ms[2]; /* by family: a NAT on the way forgets what is silent for so long; 0: none is known */
	/* Since the look before: */
	uint32_t span_ms;
	uint64_t span_sent, span_received;
	/* Of connections whose rule does not choose their paths: bytes both ways, segments that left and that came. */
	uint64_t span_bonded;
	uint32_t span_segs, span_retrans, span_in, span_out_of_order;
};

/* One of them. */
struct paths_subflow {
	uint32_t token;
	unsigned link; /* its index when it was looked at */
	struct mpgate_addr local, remote;
	uint16_t local_port, remote_port; /* host order */
	bool backup, connected;
	uint32_t rtt_us, min_rtt_us, segs, retrans;
	uint64_t sent, received;
};
#define PATHS_ROWS 256U /* that are kept of these */

#define PATHS_OTHERS 24 /* entries of what others do */
#define PATHS_PROGRAM 16 /* bytes of a program's name, as the kernel has it */
#define PATHS_WHAT 128

/* What another program does that concerns paths. */
struct paths_other {
	char program[PATHS_PROGRAM]; /* empty: not known; else it, or the one that is likely */
	int pid;
	bool conflict; /* it gets in the way */
	bool told; /* elsewhere */
	char what[PATHS_WHAT]; /* behind the name */
};

struct paths_events {
	/*
	 * A configured link appeared, disappeared, changed state or address; the first call for a link tells its
	 * present state. Called in the loop. Must not call paths_reload() or paths_close().
	 */
	void (*link)(void *arg, unsigned index, const struct paths_link *link);
	/* All subflows were looked at: paths_get_sample() has news. May be NULL. */
	void (*sampled)(void *arg);
	/* Addresses of this machine were read, since some may have come or gone. May be NULL. */
	void (*addrs)(void *arg);
	void *arg;
};

/*
 * One at a time in a network namespace: -EADDRINUSE while another daemon's are open.
 *
 * Opens the sockets, cleans leftovers, reads the present state (calling events->link for each configured link before
 * it returns) and goes on in loop. Sets: for `path` links endpoint, table and source rule; for every link the rule and
 * the local routes that deliver marked packets; MPTCP limits; the sysctls that the roles need (each logged, restored
 * at close). Waits for the kernel, as paths_close() does; what is done in between does not, but in a thread. -errno
 * after a message.
 */
int paths_open(uv_loop_t *loop, const struct config *cfg, const struct paths_events *events, struct paths **out);
/*
 * A new configuration: a diff; what stays is not touched. 0 when the kernel has it, or -errno after a message;
 * -ETIMEDOUT: it has not within 3 s, and will get it. paths_get() goes by cfg at once.
 */
int paths_reload(struct paths *p, const struct config *cfg);
/* The same, but the kernel gets it later, in a thread. For changes that nobody waits for: of the peers' addresses. */
int paths_renew(struct paths *p, const struct config *cfg);
/*
 * To be called every few seconds: the kernel does not tell when somebody removes an MPTCP endpoint. Every twelfth time
 * everything is looked at, also what should have been told.
 */
void paths_check(struct paths *p);
/* Undoes everything, and waits for that. The loop must run once more to close the handles; then the memory is free. */
void paths_close(struct paths *p);

/*
 * f: 0 IPv4, 1 IPv6. While the default route of the main table goes over a path that is dead, and another is alive,
 * what has no other route takes that one, by rules behind all others but that for the main table.
 */
void paths_set_health(struct paths *p, unsigned index, unsigned f, enum paths_health health);

/*
 * Subflows that there are change what they are where they stand (MP_PRIO), and none is made or ended for it. Both
 * directions follow: the other side sends as it is asked to. PATHS_RANK_USE at first; what a reload does not name
 * keeps its rank.
 */
void paths_set_rank(struct paths *p, unsigned index, enum paths_rank rank);

/*
 * Connections to that address and port of a peer are joined only where the other side announces, or not: others may
 * have the same address.
 */
void paths_set_announces(struct paths *p, const struct mpgate_addr *peer, uint16_t port, bool announces);

/*
 * Host mode: marked sockets of this machine are led to the loopback device, and marked packets taken there from its
 * own addresses, until paths_close(): connections that are carried need it as long as they last. All of it is set when
 * this returns. 0 or -errno.
 */
int paths_set_host(struct paths *p);

/* What a rule says of its connections' paths. */
struct paths_rule {
	uint32_t id;
	enum cfg_steer steer;
	uint8_t links[CFG_RULE_PATHS]; /* indexes into the configuration's: these alone carry them, best first */
	uint8_t count; /* 0: all do */
};
/* Of the configuration that paths_reload() gets next: nothing else may come between. More than fit are left out. */
void paths_set_rules(struct paths *p, const struct paths_rule *rules, unsigned count);
/* What rules go by that say so: is a path full, and how long is its round trip (0: not known)? */
void paths_set_load(struct paths *p, unsigned index, bool full, uint32_t rtt_us);
/* A number below 64 that a link keeps over reloads. */
unsigned paths_slot(const struct paths *p, unsigned index);

/* An MPTCP connection of ours that is to get more subflows. */
struct paths_join {
	uint32_t token;
	uint32_t rule; /* its id, 0: none */
	bool note; /* it is not to get any yet: this is for what its rule says */
	uint16_t port; /* of remote */
	bool announced; /* they go where the other side announces, not to remote */
	struct mpgate_addr local, remote; /* of the first subflow */
};

/* Are subflows made for who asks with paths_join()? Else the kernel makes them itself, of all connections. */
bool paths_manages(const struct paths *p);
/*
 * From now on, as long as the connection lasts, it has a subflow from each path that can be used. Too many at a time
 * are left out.
 */
void paths_join(struct paths *p, const struct paths_join *join);

/* What others do, as it was found at the start and every minute since, and after they have done something. */
const struct paths_other *paths_others(const struct paths *p, unsigned *count);

/* Which rules put what comes in into a zone of connection tracking, while none does so with what is sent; empty: none.
 */
const char *paths_zones(const struct paths *p);

/* Has the kernel's blackhole detection struck lately, so that new connections are plain TCP? */
bool paths_is_blackholed(const struct paths *p);

/*
 * Which interface a packet of this machine to that address leaves by, 0: none. Asks the kernel, which does not wait for
 * its lock of all links for it. 0 or -errno.
 */
int paths_way_to(const struct mpgate_addr *to, unsigned *ifindex);

/*
 * clean.c: what a killed daemon has left in this network namespace. Takes the lock, as paths_open() does: -EADDRINUSE
 * while a daemon runs here. -ESTALE: what is left here is of another instance, or this instance has left something in
 * another network namespace. Each after a message.
 */
struct paths_left;
int paths_left_open(const char *instance, struct paths_left **out);
/*
 * Puts everything back. *addrs: a new array of the addresses of this machine, which the caller frees. 0, or -errno
 * after a message: what is left is still known, and may be put back later.
 */
int paths_left_undo(struct paths_left *l, struct mpgate_addr **addrs, unsigned *count);
void paths_left_close(struct paths_left *l);

unsigned paths_count(const struct paths *p);
const struct paths_link *paths_get(const struct paths *p, unsigned index);
const struct paths_sample *paths_get_sample(const struct paths *p, unsigned index);
/* Subflows as of the last sample, PATHS_ROWS at most of *total; good until the loop turns. */
const struct paths_subflow *paths_subflows(const struct paths *p, unsigned *count, unsigned *total);
/* All addresses of this machine, good until the loop turns. */
const struct nl_address *paths_addrs(const struct paths *p, unsigned *count);
/* Addresses of this machine (for refusing Connect to ourselves): a new array that the caller frees. */
int paths_local_addrs(struct paths *p, struct mpgate_addr **out, unsigned *count);

#endif
