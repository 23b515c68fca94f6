/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State of what the room's files share: paths.c (life cycle), monitor.c (what the kernel tells), sync.c (from what is
 * seen to what is set), routing.c and endpoints.c. The state is read anew as a whole after each notification, but for
 * single routes, which are many and are followed one by one; so that a lost one costs nothing but time.
 */
#ifndef MPGATED_PATHS_INTERNAL_H
#define MPGATED_PATHS_INTERNAL_H

#include <string.h>

#include <mpgated/paths/blackhole.h>
#include <mpgated/paths/mptcp_pm.h>
#include <mpgated/paths/netlink.h>
#include <mpgated/paths/paths.h>
#include <mpgated/paths/sysctl.h>

struct path_link {
	struct paths_link pub;
	enum cfg_role role;
	enum cfg_use use;
	unsigned slot; /* names its table and endpoints; no two links share one */
	bool was_down; /* since its endpoints were made: subflows over it may be lost */
	uint32_t downs; /* its carrier, as often as the kernel has counted */
	bool told; /* events->link was called for it */
	enum paths_health health[2];
	bool detour; /* its traffic may take another path while it is dead */
	unsigned copies[2]; /* routes in its table, by family */
};

struct paths {
	uv_loop_t *loop;
	struct paths_events events;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles; /* of libuv, still to be closed */
	struct mnl_socket *monitor;
	struct nl_sock rt;
	struct mptcp_pm pm;
	struct originals originals; /* and the lock: nobody else sets paths in this network namespace */
	struct blackhole blackhole;
	bool undone; /* all is put back */
	struct path_link links[MPGATE_MAX_LINKS];
	unsigned count;
	uint32_t mark, mark_mask; /* of the packets that are delivered here */
	unsigned loopback; /* ifindex of lo while it is up, else 0 */
	struct nl_list addrs; /* struct nl_address, all of this namespace */
	bool alternatives; /* in the main table: of some destination a link has more than one route */
	unsigned detour[2]; /* by family: slot + 1 of the path that stands in for the default route, 0: none */
	unsigned checks; /* since the last full one */
	bool ipv6_off_told, endpoints_full_told, many_routes_told, overflow_told;
	int route_error; /* told last */
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

/* sync.c */
/* Reads and sets all anew, and again later if something failed. 0 or -errno. */
int paths_sync_now(struct paths *p);
/* The same after ms, or earlier if that is due by then: a storm of changes must not put it off for ever. */
void paths_sync_after(struct paths *p, unsigned ms);

/* Reads links and addresses, sets what they need, calls events->link for changes. 0 or -errno after a message. */
int paths_sync(struct paths *p);
/* Sets only: with no links, everything of ours goes. */
int paths_apply(struct paths *p);

/* monitor.c */
/* Opens the socket and starts to watch it: one handle more. 0 or -errno. */
int monitor_open(struct paths *p);

/* routing.c */
/* Makes the rules and routes of one family what they should be. 0 or -errno. */
int routing_apply(struct paths *p, unsigned f);
/* A route has come or gone: true when what follows from that is done, false when all has to be read anew. */
bool routing_follow(struct paths *p, const struct nlmsghdr *nlh);

/* endpoints.c */
int endpoints_apply(struct paths *p); /* 0 or -errno */
bool endpoints_lost(struct paths *p); /* has somebody removed one of ours? */

#endif
