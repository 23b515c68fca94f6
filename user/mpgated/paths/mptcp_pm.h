/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The MPTCP path managers, through generic netlink: endpoints and limits of the kernel's, commands of the one in user
 * space. 0 or -errno, nothing is logged.
 */
#ifndef MPGATED_MPTCP_PM_H
#define MPGATED_MPTCP_PM_H

#include <lib/nl_parse.h>
#include <mpgated/paths/netlink.h>

#define MPTCP_PM_MOST 8 /* endpoints of a namespace, and subflows of a connection, that the kernel allows */

struct mptcp_pm {
	struct nl_sock sock;
	uint16_t family; /* number of the generic netlink family */
	uint32_t events; /* number of its multicast group, in which it tells of connections; 0: none */
};

/* -EOPNOTSUPP: this kernel has no MPTCP. */
int mptcp_pm_open(struct mptcp_pm *out);
void mptcp_pm_close(struct mptcp_pm *pm);

/* Appends struct nl_endpoint to out. */
int mptcp_pm_dump(struct mptcp_pm *pm, struct nl_list *out);
/* -EEXIST: the address is an endpoint already; -ERANGE: there are MPTCP_PM_MOST. */
int mptcp_pm_add(struct mptcp_pm *pm, const struct nl_endpoint *e);
int mptcp_pm_del(struct mptcp_pm *pm, uint8_t id);
/* e becomes a backup or none, as its flags say, and with it all subflows that the kernel's path manager has made from
 * it. */
int mptcp_pm_set_flags(struct mptcp_pm *pm, const struct nl_endpoint *e);

int mptcp_pm_get_limits(struct mptcp_pm *pm, struct nl_limits *out);
int mptcp_pm_set_limits(struct mptcp_pm *pm, const struct nl_limits *limits);

/*
 * For connections that have the userspace path manager, by their token. -EINVAL: there is no such connection, or it has
 * the kernel's (net/mptcp/pm_userspace.c).
 */
/* A subflow from e (address, id, ifindex, and flags: MPTCP_PM_ADDR_FLAG_BACKUP). -ENOTCONN: not yet. */
int mptcp_pm_join(struct mptcp_pm *pm, uint32_t token, const struct nl_endpoint *e, const struct mpgate_addr *to,
		  uint16_t port);
/*
 * Ends a subflow. tell: over there as well, and with it all others whose local address has the same id; else that is
 * told by its FIN alone.
 */
int mptcp_pm_part(struct mptcp_pm *pm, const struct nl_subflow *s, bool tell);
/* A subflow becomes a backup or none, here and, by MP_PRIO, for what the other side sends. */
int mptcp_pm_prio(struct mptcp_pm *pm, const struct nl_subflow *s, bool backup);
/* Tells the other side of an address where it may join. */
int mptcp_pm_announce(struct mptcp_pm *pm, uint32_t token, const struct nl_endpoint *e);

#endif
