/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State of paths.c (life cycle, monitor) and sync.c (from what is seen to what is set). Notifications only say
 * that something changed: state is always read anew as a whole, so that a lost one costs nothing but time.
 */
#ifndef MPGATED_PATHS_INTERNAL_H
#define MPGATED_PATHS_INTERNAL_H

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
	bool told; /* events->link was called for it */
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
	bool undone; /* all is put back */
	struct path_link links[MPGATE_MAX_LINKS];
	unsigned count;
	unsigned loopback; /* ifindex of lo while it is up, else 0 */
	struct nl_list addrs; /* struct nl_address, all of this namespace */
	bool ipv6_off_told, endpoints_full_told, many_routes_told;
	int route_error; /* told last */
};

/* Reads links and addresses, sets what they need, calls events->link for changes. 0 or -errno after a message. */
int paths_sync(struct paths *p);
/* Sets only: with no links, everything of ours goes. */
int paths_apply(struct paths *p);

#endif
