/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routes and rules of ours in the kernel, as sets: read what is there, then add and remove the difference to what is
 * wanted. Ours is what carries PATHS_PROTOCOL and lies in our tables and priorities (paths.h).
 */
#ifndef MPGATED_ROUTE_H
#define MPGATED_ROUTE_H

#include <stdbool.h>

#include <lib/nl_parse.h>
#include <mpgated/paths/netlink.h>

#define ROUTE_MOST 4096U /* routes that a dump gives, besides those that are vital: a table may have a million */

/* A default route, or to a net of the link's own. */
bool route_is_vital(const struct nl_route *r);
/*
 * Appends struct nl_route: a table's unicast routes of a family that go out of a link (0: any) and come from a protocol
 * (RTPROT_*, 0: any). 0 or -errno.
 */
int route_dump(struct nl_sock *s, int family, uint32_t table, unsigned ifindex, uint8_t protocol, struct nl_list *out);
/* The same, of all default routes of the main table. */
int route_dump_defaults(struct nl_sock *s, int family, struct nl_list *out);
/* The default routes of a family that go out of a link, of all tables that are neither ours nor named main or local. */
int route_dump_others(struct nl_sock *s, int family, unsigned ifindex, struct nl_list *out);
/*
 * The way of TCP from an address of this machine to another one, port in host order. -errno: as sendto() would fail, or
 * the kernel was not asked.
 */
int route_ask(struct nl_sock *s, const struct mpgate_addr *from, const struct mpgate_addr *to, uint16_t port,
	      struct nl_way *out);
/* The first rule of somebody else that is before those of paths and sends packets to that table; 0: none. */
uint32_t rule_before(struct nl_sock *s, int family, uint32_t table);
/* Adds or removes one of ours, whatever else is there. 0 or -errno, nothing is logged. */
int route_change(struct nl_sock *s, const struct nl_route *r, bool add);

/*
 * Makes the kernel's routes (rules) of ours equal to wanted, a list of struct nl_route (nl_rule) of that family. What
 * is right already is not touched. 0 or the first -errno; the others are tried all the same, and each failure is
 * logged at the debug level.
 */
int route_apply(struct nl_sock *s, int family, const struct nl_list *wanted);
int rule_apply(struct nl_sock *s, int family, const struct nl_list *wanted);

#endif
