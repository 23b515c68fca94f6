// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The gateway of a path: that of the configuration; or of the main table; or of another one, where network managers put
 * it for whom routes by rules (netifd's ip4table, systemd-networkd's RouteTable=, NetworkManager's route-table, a VRF).
 */
#include <mpgated/paths/internal.h>

#include <lib/nl_attrs.h>
#include <linux/rtnetlink.h>
#include <mpgated/paths/route.h>
#include <mpgated/paths/sysctl.h>
#include <stdio.h>

#define METRIC6 1024U /* what the kernel gives to IPv6 routes without one */

/* The best default route among these, the first of equals; NULL: none. */
static const struct nl_route *best_default(const struct nl_list *routes)
{
	const struct nl_route *v = routes->v, *best = NULL;

	for (unsigned i = 0; i < routes->n; i++) {
		if (v[i].dst_len || v[i].tos)
			continue;
		if (!best || v[i].priority < best->priority ||
		    (v[i].priority == best->priority && v[i].table < best->table))
			best = &v[i];
	}
	return best;
}

static void tell(struct path_link *l, unsigned f, enum paths_source source, const struct nl_route *r)
{
	struct paths_route *out = &l->pub.route[f];

	out->source = source;
	out->table = source == PATHS_OTHER_TABLE ? r->table : 0;
	memset(&out->via, 0, sizeof(out->via));
	if (r->via_family)
		nl_map_address(r->via_family, r->via, &out->via);
}

/* Defaults of routing tables are not taken then. */
static int take_configured(struct path_link *l, unsigned f, struct nl_list *routes)
{
	struct nl_route r = {
		.family = (uint8_t)paths_families[f],
		.oif = l->pub.ifindex,
		.priority = f ? METRIC6 : 0,
		.type = RTN_UNICAST,
		.scope = !f && l->gateway_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
	};
	struct nl_route *v = routes->v;
	unsigned kept = 0;

	for (unsigned i = 0; i < routes->n; i++)
		if (v[i].dst_len)
			v[kept++] = v[i];
	routes->n = kept;
	if (!l->gateway_link) {
		/* In a net of an address of the link or not. */
		r.flags = RTNH_F_ONLINK;
		r.via_family = r.family;
		memcpy(r.via, l->gateway[f].b + (f ? 0 : 12), f ? 16 : 4);
	}
	tell(l, f, PATHS_CONFIGURED, &r);
	return nl_list_add(routes, &r, sizeof(r));
}

/* All of that table, since the way to the gateway may be there, too. */
static int take_elsewhere(struct path_set *p, struct path_link *l, unsigned f, struct nl_list *routes)
{
	struct nl_list others = { 0 };
	int err = route_dump_others(&p->rt, paths_families[f], l->pub.ifindex, &others);
	const struct nl_route *best = err ? NULL : best_default(&others);

	if (best) {
		l->pub.metric[f] = PATHS_ELSEWHERE;
		tell(l, f, PATHS_OTHER_TABLE, best);
		err = route_dump(&p->rt, paths_families[f], best->table, l->pub.ifindex, 0, routes);
	}
	nl_list_free(&others);
	return err;
}

static bool is_configured(const struct path_link *l, unsigned f)
{
	static const struct mpgate_addr none;

	return l->gateway_link || memcmp(&l->gateway[f], &none, sizeof(none)) != 0;
}

int gateway_find(struct path_set *p, struct path_link *l, unsigned f, struct nl_list *routes)
{
	const struct nl_route *best = best_default(routes);

	if (best) {
		l->pub.metric[f] = best->priority < PATHS_ELSEWHERE ? best->priority : PATHS_ELSEWHERE - 1;
		tell(l, f, PATHS_MAIN, best);
	}
	if (is_configured(l, f)) {
		if (!best)
			l->pub.metric[f] = PATHS_ELSEWHERE;
		return take_configured(l, f, routes);
	}
	return best ? 0 : take_elsewhere(p, l, f, routes);
}

bool gateway_concerns(const struct path_link *l, const struct nl_route *r)
{
	unsigned f = r->family == AF_INET6;
	const struct paths_route *now = &l->pub.route[f];

	if (l->role != CFG_PATH || r->type != RTN_UNICAST || r->table == RT_TABLE_LOCAL)
		return false;
	return now->source == PATHS_NO_GATEWAY ? !r->dst_len
					       : now->source == PATHS_OTHER_TABLE && now->table == r->table;
}

bool paths_ignores_adverts(const struct paths_link *l)
{
	char name[sizeof("ipv6/conf//accept_ra") + sizeof(l->name)];
	int accept, forwarding;

	snprintf(name, sizeof(name), "ipv6/conf/%s/accept_ra", l->name);
	return sysctl_get(name, &accept) == 0 && accept == 1 &&
	       sysctl_get("ipv6/conf/all/forwarding", &forwarding) == 0 && forwarding;
}
