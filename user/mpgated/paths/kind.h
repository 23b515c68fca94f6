/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kind of device a link is, and what that means for what we attach there. Pure but for the list of links given. */
#ifndef MPGATED_PATHS_KIND_H
#define MPGATED_PATHS_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include <lib/config/config.h>
#include <lib/nl_parse.h>

struct link_kind {
	char kind[NL_NAME]; /* as `ip -d link` names it; empty: hardware, or not told */
	char master[NL_NAME]; /* the device that it is a member of; empty: none */
	char master_kind[NL_NAME];
	char parent[NL_NAME]; /* of a macvlan or ipvlan device, while that is up itself; empty: none */
	bool has_members;
};

/* Of links[me] among all count of them. */
void link_kind_find(const struct nl_link *links, unsigned count, unsigned me, struct link_kind *out);
/* Can a link of this role not be served? Then why has the reason. */
bool link_kind_unfit(const struct link_kind *k, enum cfg_role role, char *why, size_t size);
/* Is there something that the operator should know? Then what has it. */
bool link_kind_caution(const struct link_kind *k, enum cfg_role role, char *what, size_t size);
/* Where native XDP would get in the way of its members: they could not be added, or lose their offloads. */
bool link_kind_wants_tc(const struct link_kind *k);

#endif
