/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links, addresses, routes and MPTCP endpoints, through rtnetlink and the
 * mptcp_pm generic netlink family (libmnl). Everything added to the kernel is
 * tagged (route protocol, rule priority, endpoint id) so that what a killed
 * daemon left is found and removed at the next start.
 */
#ifndef MPGATED_PATHS_H
#define MPGATED_PATHS_H

#include <uv.h>

#include <lib/config.h>

#define PATHS_PROTOCOL 109 /* rtm_protocol and FRA_PROTOCOL of what we add */
#define PATHS_STEER_TABLE 7000 /* local routes for marked packets, on links whose rule says so */
#define PATHS_LINK_TABLE 7001 /* plus the link's index in the configuration: routes of one path */
#define PATHS_ENDPOINT_ID 100 /* first endpoint id we use */

struct paths;

struct paths_link {
	char name[16];
	unsigned ifindex; /* 0: absent */
	bool up; /* administratively up with carrier */
	bool l3; /* no Ethernet header */
	struct mpgate_addr addr[2]; /* [0] IPv4, [1] IPv6 global; all zero: none */
	int endpoint[2]; /* MPTCP endpoint ids, 0: none */
};

struct paths_events {
	/* A configured link appeared, disappeared, changed state or address. */
	void (*link)(void *arg, unsigned index, const struct paths_link *link);
	void *arg;
};

/*
 * Opens the sockets, cleans leftovers, reads the present state (calling events->link for each configured link before
 * it returns) and goes on in loop. Sets: for `path` links endpoint, table and source rule; for every link the rule and
 * the local routes that deliver marked packets; MPTCP limits; the sysctls that the roles need (each logged, restored
 * at close). -errno after a message.
 */
int paths_open(uv_loop_t *loop, const struct config *cfg, const struct paths_events *events, struct paths **out);
/* A new configuration: a diff; what stays is not touched. */
int paths_reload(struct paths *p, const struct config *cfg);
/* Undoes everything. */
void paths_close(struct paths *p);

unsigned paths_count(const struct paths *p);
const struct paths_link *paths_get(const struct paths *p, unsigned index);
/* Addresses of this machine (for refusing Connect to ourselves): a new array that the caller frees. */
int paths_local_addrs(struct paths *p, struct mpgate_addr **out, unsigned *count);

#endif
