/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The in-kernel MPTCP path manager: endpoints and limits, through generic netlink. 0 or -errno, nothing is logged. */
#ifndef MPGATED_MPTCP_PM_H
#define MPGATED_MPTCP_PM_H

#include <lib/nl_parse.h>
#include <mpgated/paths/netlink.h>

#define MPTCP_PM_MOST 8 /* endpoints of a namespace, and subflows of a connection, that the kernel allows */

struct mptcp_pm {
	struct nl_sock sock;
	uint16_t family; /* number of the generic netlink family */
};

/* -EOPNOTSUPP: this kernel has no MPTCP. */
int mptcp_pm_open(struct mptcp_pm *out);
void mptcp_pm_close(struct mptcp_pm *pm);

/* Appends struct nl_endpoint to out. */
int mptcp_pm_dump(struct mptcp_pm *pm, struct nl_list *out);
/* -EEXIST: the address is an endpoint already; -ERANGE: there are MPTCP_PM_MOST. */
int mptcp_pm_add(struct mptcp_pm *pm, const struct nl_endpoint *e);
int mptcp_pm_del(struct mptcp_pm *pm, uint8_t id);

int mptcp_pm_get_limits(struct mptcp_pm *pm, struct nl_limits *out);
int mptcp_pm_set_limits(struct mptcp_pm *pm, const struct nl_limits *limits);

#endif
