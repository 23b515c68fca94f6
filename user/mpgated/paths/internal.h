/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State of what the room's files share: paths.c (life cycle), monitor.c (what the kernel tells), work.c (jobs, and what
 * others see of their results); and what runs in jobs beside the loop (job.h), since it may block: set.c (settings),
 * sync.c (from what is seen to what is set), steady.c (which paths can be relied on), routing.c and endpoints.c. The
 * state is read anew as a whole after each notification, but for single routes, which are many and are followed one by
 * one; so that a lost one costs nothing but time.
 *
 * While a job runs, struct path_set is the job's alone. The loop writes down what else is to be done (paths.todo,
 * paths.settings) and does not read the monitor: what the kernel tells meanwhile waits in the socket. So each job
 * starts from what was true when it started, and what comes later is looked at against what it found.
 */
#ifndef MPGATED_PATHS_INTERNAL_H
#define MPGATED_PATHS_INTERNAL_H

#include <string.h>

#include <lib/nl_parse.h>
#include <mpgated/paths/blackhole.h>
#include <mpgated/paths/idle.h>
#include <mpgated/paths/job.h>
#include <mpgated/paths/joins.h>
#include <mpgated/paths/mptcp_pm.h>
#include <mpgated/paths/nat.h>
#include <mpgated/paths/netlink.h>
#include <mpgated/paths/paths.h>
#include <mpgated/paths/sample.h>
#include <mpgated/paths/sysctl.h>

#define PATHS_ENDPOINTS (PATHS_JOIN_ID + CFG_JOIN_ADDRESSES - PATHS_ENDPOINT_ID)
#define PATHS_PEERS 128 /* addresses of peers that are told from others' */
#define PATHS_LOOP_LOCAL "ipv4/conf/lo/accept_local"

struct path_link {
	struct paths_link pub;
	enum cfg_role role;
	enum cfg_use use;
	unsigned slot; /* names its table and endpoints; no two links share one */
	bool full; /* it carries all it can */
	uint32_t rtt_us; /* by the probes, 0: not known */
	bool was_down; /* since its endpoints were made: subflows over it may be lost */
	uint32_t downs; /* its carrier, as often as the kernel has counted */
	enum paths_health health[2];
	enum paths_rank rank;
	bool kept[2]; /* its address is what it was before, by family */
	bool anew[2]; /* its endpoint is to be made anew, likewise */
	bool had_route[2]; /* a default route, once */
	/* steady.c, in ms */
	bool silent[2]; /* nothing came over it since it was found dead */
	bool mute[2]; /* nothing had come over it either when it was found dead */
	uint64_t dead_since[2]; /* 0: it is not */
	bool was_up;
	uint32_t rise_downs; /* downs when it came up last */
	uint64_t rise; /* when that was; 0: never */
	unsigned flaps, hold_ms; /* so often it went soon after; so long it is not used after it came */
	bool detour; /* its traffic may take another path while it is dead */
	struct mpgate_addr gateway[2]; /* by configuration; zero: as routing tables have it */
	bool gateway_link;
	unsigned twin_told[2];
	/* reach.c */
	uint64_t stray_since[2]; /* ms; 0: its packets go where they should */
	bool stray_told[2];
	unsigned copies[2]; /* routes in its table, by family */
	struct paths_sample sample;
	struct nat nat[2]; /* by family */
};

struct path_peer {
	struct mpgate_addr addr;
	uint16_t port;
	bool answered; /* what follows is known */
	bool announces; /* connections to it are joined where the other side announces, and nowhere else */
};

/* What is wanted of us: of a configuration, which may be gone while a job works, and of the peers' probes. */
struct path_settings {
	struct {
		char name[16];
		enum cfg_role role;
		enum cfg_use use;
		bool detour;
		unsigned slot; /* of path_link */
		bool full;
		uint32_t rtt_us;
		struct mpgate_addr gateway[2];
		bool gateway_link;
		enum paths_health health[2];
		enum paths_rank rank;
	} link[MPGATE_MAX_LINKS];
	unsigned count;
	uint32_t mark, mark_mask; /* of the packets that are delivered here */
	bool accepts; /* Convert */
	bool dials; /* peers, or servers for clients */
	bool forwards; /* for clients */
	bool host; /* marked packets are also those of this machine itself; once set it stays */
	struct mpgate_addr join[CFG_JOIN_ADDRESSES]; /* announced, with join_port; 0: that of the connection */
	unsigned join_count;
	uint16_t join_port;
	bool deny_first; /* nobody is to join to the address that a connection came to */
	bool manage; /* which subflows exist is for us to say, where the kernel lets us */
	struct path_peer peer[PATHS_PEERS]; /* where connections of ours go */
	unsigned peer_count;
	bool to_announced; /* paths' addresses join those that others announce as well */
	uint64_t common; /* bits by link: of paths that all rules let their connections use */
	struct paths_rule rule[MPGATE_MAX_RULES]; /* those that say something of paths, by id */
	unsigned rule_count;
};

/* What a job is to do, as bits. */
enum path_todo {
	TODO_SETTINGS = 1, /* new ones: sysctls and limits follow */
	TODO_FOLLOW = 2, /* set.changes */
	TODO_CHECK = 4, /* are our endpoints there? */
	TODO_SYNC = 8, /* everything, and what is above if it did not go well */
	TODO_JOINS = 16, /* joins.asked */
	TODO_LOOK = 32, /* are subflows as they should be? */
	TODO_SAMPLE = 64, /* how do subflows fare? */
	TODO_OTHERS = 128, /* what do others do, and are sysctls and limits as we have set them? */
};

/* A route of a path's table that has to come or go. */
struct path_change {
	struct nl_route route;
	bool add;
};

struct others {
	struct paths_other list[PATHS_OTHERS], overflow;
	unsigned count;
};

/* Rules and routes of ours that somebody has removed. */
struct path_removed {
	unsigned count;
	uint32_t pid; /* of who did it last; 0: not known */
	char program[PATHS_PROGRAM];
	uint64_t told_ms; /* 0: never */
};

/* All that is seen and set by a job. */
struct path_set {
	unsigned todo; /* enum path_todo */
	struct path_settings settings;
	struct nl_list changes; /* struct path_change */
	struct nl_sock rt;
	struct mptcp_pm pm;
	struct mnl_socket *events; /* of the path manager; read by the loop. NULL: it tells none */
	struct joins joins;
	struct others others;
	char zones[PATHS_WHAT]; /* see paths_zones() */
	struct path_removed removed;
	struct originals originals; /* and the lock: nobody else sets paths in this network namespace */
	struct path_link links[MPGATE_MAX_LINKS];
	unsigned count;
	bool endpoint_set[PATHS_ENDPOINTS]; /* by id above PATHS_ENDPOINT_ID: it is ours when it is there */
	int join_id[CFG_JOIN_ADDRESSES]; /* endpoints of settings.join; 0: not now */
	unsigned loopback; /* ifindex of lo while it is up, else 0 */
	struct nl_list addrs; /* struct nl_address, all of this namespace; good if looked */
	bool looked;
	bool alternatives; /* in the main table: of some destination a link has more than one route */
	unsigned detour[2]; /* by family: slot + 1 of the path that stands in for the default route, 0: none */
	bool ipv6_off_told, endpoints_full_told, many_routes_told;
	struct sampler sampler;
	struct idler idler;
	bool stray_news; /* of reach.c, since others_look() */
	unsigned sync_ms; /* that the last paths_sync() took */
	unsigned look_ms; /* all is to be looked at again after that; 0: not for the sake of steady.c */
	int error; /* of the job */
	int look_error, route_error, endpoint_error; /* told last */
};

struct paths {
	uv_loop_t *loop;
	struct paths_events events;
	uv_poll_t poll;
	uv_poll_cb notified; /* of poll */
	uv_timer_t timer;
	unsigned handles; /* of libuv, still to be closed */
	struct mnl_socket *monitor;
	struct blackhole blackhole;
	bool undone; /* all is put back */
	struct path_settings settings; /* those that are wanted */
	struct paths_link links[MPGATE_MAX_LINKS]; /* by the same index: as they were at the end of the last job */
	bool told[MPGATE_MAX_LINKS]; /* events->link was called for it */
	struct nl_list addrs; /* struct nl_address, likewise */
	unsigned todo; /* for the next job */
	unsigned missed; /* for the next try of what failed */
	unsigned checks; /* since the last full one */
	bool overflow_told;
	struct nl_list asked; /* struct join_ask, for the next job */
	uv_poll_t events_poll;
	uv_timer_t look_timer, retry_timer; /* of joins */
	uv_timer_t sample_timer;
	unsigned sample_least_ms;
	struct paths_sample samples[MPGATE_MAX_LINKS]; /* as of the last one */
	struct nl_list rows; /* struct paths_subflow, likewise */
	unsigned rows_total;
	bool manages; /* as of the last job */
	struct others others; /* likewise */
	char zones[PATHS_WHAT]; /* likewise */
	struct path_removed removed;
	struct job job;
	struct path_set set;
};

static inline bool link_has_addr(const struct paths_link *l, unsigned f)
{
	static const struct mpgate_addr none;

	return memcmp(&l->addr[f], &none, sizeof(none)) != 0;
}

/* Is it present, with an address of that family? */
static inline bool link_is_path(const struct path_link *l, unsigned f)
{
	return l->role == CFG_PATH && l->pub.ifindex && link_has_addr(&l->pub, f);
}

static const int paths_families[2] = { AF_INET, AF_INET6 }; /* by index into paths_link.addr */

/* NULL: none of ours. */
static inline struct path_link *path_link_of(struct path_set *p, unsigned ifindex)
{
	for (unsigned i = 0; i < p->count; i++)
		if (p->links[i].pub.ifindex == ifindex)
			return &p->links[i];
	return NULL;
}

/* Can packets of that family leave over that link from there? */
static inline bool address_is_source(const struct nl_address *a, unsigned ifindex, unsigned f)
{
	return a->ifindex == ifindex && a->family == paths_families[f] && a->global && a->fitness != NL_UNFIT;
}

/* Is it one of these struct nl_address? NULL: no. */
static inline const struct nl_address *paths_find_address(const struct nl_list *addrs, const struct mpgate_addr *addr)
{
	const struct nl_address *a = addrs->v;

	for (unsigned i = 0; i < addrs->n; i++)
		if (!memcmp(&a[i].addr, addr, sizeof(*addr)))
			return &a[i];
	return NULL;
}

static inline bool paths_has_address(const struct nl_list *addrs, const struct mpgate_addr *addr)
{
	return paths_find_address(addrs, addr) != NULL;
}

/* work.c */
/* Starts the thread, and makes timer and job: two handles. 0 or -errno. */
int paths_open_jobs(struct paths *p);
/* Has all read and set anew after ms, or earlier if that is due by then: a storm must not put it off for ever. */
void paths_sync_after(struct paths *p, unsigned ms);
/* Has all subflows looked at after ms. */
void paths_look_after(struct paths *p, unsigned ms);
/* Has them sampled after ms, or earlier if that is due by then. */
void paths_sample_after(struct paths *p, unsigned ms);
/* Starts a job for what is to be done, or leaves that to the end of the one that runs. */
void paths_begin(struct paths *p);
/* What was found is what others see from now on, and what failed is tried again. No job runs. */
void paths_take_over(struct paths *p);
/* Waits up to ms until no job runs, in place of the loop. 0, the -errno of the last one, or -ETIMEDOUT: one runs still.
 */
int paths_settle(struct paths *p, unsigned ms);

/* lock.c */
/*
 * Takes the lock of the network namespace for an instance, and opens what sets it. 0, or -errno after a message; to be
 * closed in any case.
 */
int set_open(struct path_set *p, const char *instance);
void set_close(struct path_set *p, bool undone); /* undone: all is put back */

/* set.c: in a job, as all that follows but for monitor.c */
/* Takes the settings over; of links that are gone, what is set by name is undone. */
void set_links(struct path_set *p);
/* Lets a connection have as many subflows as the kernel can; what was set before is kept in mind. 0 or -errno. */
int set_limits(struct path_set *p);
void set_sysctls(struct path_set *p);
/* The addresses in a list of struct nl_address: a new array. 0 or -ENOMEM. */
int set_list_addrs(const struct nl_list *addrs, struct mpgate_addr **out, unsigned *count);
/* Puts everything back. 0, or -errno: the originals have to be kept for the next start. */
int set_undo(struct path_set *p);
const struct path_link *set_find_link(const struct path_link *links, unsigned count, const char *name); /* NULL: none */

/* sync.c */
/* Reads links and addresses, sets what they need. 0 or -errno after a message. */
int paths_sync(struct path_set *p);
/* Sets only: with no links, everything of ours goes. */
int paths_apply(struct path_set *p);

/* twins.c */
/* Of paths with the same address one keeps it, and the others have none: that is said. */
void twins_part(struct path_set *p);

/* steady.c */
/* Decides which links are held back and whose endpoints are made anew. Returns after how many ms it is called again, 0:
 * when something changes. */
unsigned steady_look(struct path_set *p);

/* monitor.c */
/* Opens the socket and starts to watch it: one handle more. 0 or -errno. */
int monitor_open(struct paths *p);

/* routing.c */
/* Makes the rules and routes of one family what they should be. 0 or -errno. */
int routing_apply(struct path_set *p, unsigned f);
/*
 * No job runs: a route has come or gone. True: p->changes has what follows from that, perhaps nothing; false: all has
 * to be read anew.
 */
bool routing_notice(struct path_set *p, const struct nlmsghdr *nlh);
/* Sets p->changes, which are none then. False: not all could be set, and all has to be read anew. */
bool routing_follow(struct path_set *p);

/* gateway.c */
/*
 * The default route of a path in one family. routes: those of the main table over its link. Says in l->pub what it is,
 * and appends to routes what is not in the main table. 0 or -errno.
 */
int gateway_find(struct path_set *p, struct path_link *l, unsigned f, struct nl_list *routes);
/* Must the path's gateway be looked for again, after a change of a route of a table that is not the main one? */
bool gateway_concerns(const struct path_link *l, const struct nl_route *r);

/* detour.c */
/* Appends the rules that are due while the way that traffic takes by default is dead (struct nl_rule). 0 or -errno. */
int detour_want(struct path_set *p, unsigned f, struct nl_list *rules);

/* reach.c */
/* Where packets from the paths' addresses to peers would go, as the kernel says. */
void reach_look(struct path_set *p, unsigned f);

/* others.c */
/* Finds out what others do, and says what is new of it. */
void others_look(struct path_set *p);
/* zones.c */
void zones_look(struct path_set *p);
/* The program in this network namespace whose netlink socket has that port; false, and an empty name: not known. */
bool others_name(uint32_t port, char name[PATHS_PROGRAM]);

/* endpoints.c */
bool endpoints_is_ours(const struct path_set *p, const struct nl_endpoint *e);
int endpoints_apply(struct path_set *p); /* 0 or -errno */
void endpoints_made(struct path_set *p); /* what was to be made anew has been, here and by subflows_apply() */
bool endpoints_lost(struct path_set *p); /* has somebody removed one of ours? */

/* joins.c, and joins.h */
/* NULL: none. */
const struct path_peer *joins_find_peer(const struct path_settings *s, const struct mpgate_addr *remote, uint16_t port);
/* Is a connection with such a first subflow ours? local: it comes from an address of this machine. */
bool joins_is_ours(const struct path_settings *s, bool local, const struct mpgate_addr *remote, uint16_t port);

/* events.c */
/* Opens the socket of the path manager's events and starts to watch it: one handle more, if there are any. 0 or -errno.
 */
int events_open(struct paths *p);

/* manager.c */
/* Takes the network namespace's connections over, or gives them back to the kernel. */
void manager_set(struct path_set *p);

#endif
