// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rules and routes: marked packets are delivered here, and what leaves from a path's address takes that path. A path's
 * table has the main table's routes over its link. Where another link, which is no path, has a route that is no
 * default, it says "throw": the main table decides, so that this machine's own nets are reached from any address.
 */
#include <mpgated/paths/internal.h>

#include <errno.h>
#include <lib/log.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <mpgated/paths/index.h>
#include <mpgated/paths/route.h>
#include <mpgated/paths/sysctl.h>
#include <stddef.h>
#include <string.h>

#define LOCAL_METRIC6 1024U /* what the kernel gives to IPv6 routes without one */
/* Routes of one link and family; who has more runs a router, and its paths need a default. */
#define MOST_COPIES 1024U
#define MOST_SOURCES 32U /* addresses of a link that have a rule */

/* What is to be in the kernel, of one family. */
struct wanted {
	struct nl_list routes, rules;
	struct index places; /* of routes, see same_place() */
	struct index nets; /* of routes, see same_net() */
};

static const uint8_t *addr_bytes(const struct mpgate_addr *a, unsigned f)
{
	return paths_families[f] == AF_INET ? a->b + 12 : a->b;
}

static unsigned addr_len(unsigned f)
{
	return paths_families[f] == AF_INET ? 4 : 16;
}

/* Two routes of one destination and metric, over one link, are alternatives: the first is the one that is used. */
static bool same_place(const void *x, const void *y, size_t size)
{
	const struct nl_route *a = x, *b = y;

	(void)size;
	return a->table == b->table && a->dst_len == b->dst_len && a->tos == b->tos && a->priority == b->priority &&
	       !memcmp(a->dst, b->dst, sizeof(a->dst));
}

static bool same_net(const void *x, const void *y, size_t size)
{
	const struct nl_route *a = x, *b = y;

	(void)size;
	return a->table == b->table && a->dst_len == b->dst_len && !memcmp(a->dst, b->dst, sizeof(a->dst));
}

static uint32_t hash_net(const void *item, size_t size)
{
	const struct nl_route *r = item;

	(void)size;
	return index_hash_bytes(r->dst, sizeof(r->dst)) ^ (r->table << 8) ^ r->dst_len;
}

static int want_route(struct wanted *w, const struct nl_route *r)
{
	int err = nl_list_add(&w->routes, r, sizeof(*r));

	err = err ? err : index_add(&w->places, w->routes.n - 1);
	return err ? err : index_add(&w->nets, w->routes.n - 1);
}

static int want_steering(const struct path_set *p, unsigned f, struct wanted *w)
{
	struct nl_rule rule = {
		.priority = PATHS_STEER_PRIORITY,
		.table = PATHS_STEER_TABLE,
		.mark = p->settings.mark,
		.mask = p->settings.mark_mask,
		.suppress = -1,
		.family = (uint8_t)paths_families[f],
		.action = FR_ACT_TO_TBL,
		.protocol = PATHS_PROTOCOL,
	};
	struct nl_route route = {
		.table = PATHS_STEER_TABLE,
		.oif = p->loopback,
		.family = (uint8_t)paths_families[f],
		.type = RTN_LOCAL,
		.protocol = PATHS_PROTOCOL,
	};
	int err = 0;

	/* Scopes and default metrics are what the kernel reports, so that the route is known again. */
	if (paths_families[f] == AF_INET)
		route.scope = RT_SCOPE_HOST;
	else
		route.priority = LOCAL_METRIC6;
	for (unsigned i = 0; i < p->count && !err; i++) {
		memcpy(rule.iif, p->links[i].pub.name, sizeof(rule.iif));
		err = nl_list_add(&w->rules, &rule, sizeof(rule));
	}
	if (p->count && p->settings.host && !err) {
		strcpy(rule.iif, "lo");
		err = nl_list_add(&w->rules, &rule, sizeof(rule));
	}
	if (p->count && p->loopback && !err)
		err = want_route(w, &route);
	return err;
}

static void make_copy(const struct path_link *l, struct nl_route *r)
{
	r->table = PATHS_LINK_TABLE + l->slot;
	r->protocol = PATHS_PROTOCOL;
}

static void tell_many(struct path_set *p, const struct path_link *l)
{
	if (!p->many_routes_told)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->pub.name }),
			 "link %s has more than %u routes: its own table has no more of them", l->pub.name,
			 MOST_COPIES);
	p->many_routes_told = true;
}

static int want_copy(struct path_set *p, struct path_link *l, unsigned f, const struct nl_route *r, struct wanted *w)
{
	struct nl_route copy = *r;

	if (l->copies[f] >= MOST_COPIES) {
		tell_many(p, l);
		return 0;
	}
	make_copy(l, &copy);
	if (index_find(&w->places, &copy)) {
		p->alternatives = true;
		return 0;
	}
	l->copies[f]++;
	return want_route(w, &copy);
}

static int want_copies(struct path_set *p, struct path_link *l, unsigned f, struct wanted *w)
{
	struct nl_list copies = { 0 };
	int err = route_dump(&p->rt, paths_families[f], RT_TABLE_MAIN, l->pub.ifindex, 0, &copies);
	const struct nl_route *v;

	err = err ? err : gateway_find(p, l, f, &copies);
	v = copies.v;
	/* The ways to the world and to the link's own nets first: a path needs those. */
	for (unsigned turn = 0; turn < 2; turn++)
		for (unsigned i = 0; i < copies.n && !err; i++)
			if (turn == !route_is_vital(&v[i]))
				err = want_copy(p, l, f, &v[i], w);
	nl_list_free(&copies);
	return err;
}

/*
 * Does a route of the main table lead to one of this machine's own nets? Of links that the configuration does not name
 * only those that come with an address: a VPN may have two halves of the Internet.
 */
static bool is_near(struct path_set *p, const struct nl_route *r)
{
	const struct path_link *l = path_link_of(p, r->oif);

	if (r->type != RTN_UNICAST || !r->dst_len || r->oif == p->loopback || (l && l->role == CFG_PATH))
		return false;
	/* Link-local addresses and multicast are everywhere. */
	if (r->family == AF_INET6 && (r->dst[0] == 0xff || (r->dst[0] == 0xfe && (r->dst[1] & 0xc0) == 0x80)))
		return false;
	return l || r->protocol == RTPROT_KERNEL;
}

/* Routes to this machine's own nets, of one family. */
static int list_near(struct path_set *p, unsigned f, struct nl_list *out)
{
	struct nl_route *v;
	unsigned kept = 0;
	int err = route_dump(&p->rt, paths_families[f], RT_TABLE_MAIN, 0, RTPROT_KERNEL, out);

	for (unsigned i = 0; i < p->count && !err; i++)
		if (p->links[i].role != CFG_PATH && p->links[i].pub.ifindex)
			err = route_dump(&p->rt, paths_families[f], RT_TABLE_MAIN, p->links[i].pub.ifindex, 0, out);
	v = out->v;
	for (unsigned i = 0; i < out->n; i++)
		if (kept < MOST_COPIES && is_near(p, &v[i]))
			v[kept++] = v[i];
	out->n = kept;
	return err;
}

static int want_near(struct path_set *p, const struct path_link *l, unsigned f, const struct nl_list *near,
		     struct wanted *w)
{
	const struct nl_route *v = near->v;
	int err = 0;

	for (unsigned i = 0; i < near->n && !err; i++) {
		struct nl_route r = { .family = (uint8_t)paths_families[f],
				      .dst_len = v[i].dst_len,
				      .type = RTN_THROW };

		make_copy(l, &r);
		memcpy(r.dst, v[i].dst, sizeof(r.dst));
		if (paths_families[f] == AF_INET6) {
			r.oif = p->loopback;
			r.priority = LOCAL_METRIC6;
		}
		if (!index_find(&w->nets, &r))
			err = want_route(w, &r);
	}
	return err;
}

/*
 * A rule for each address of the link, the one in use first: what began at another one goes on, as long as the address
 * is there.
 */
static int want_sources(const struct path_set *p, const struct path_link *l, unsigned f, struct wanted *w)
{
	struct nl_rule rule = {
		.priority = PATHS_LINK_PRIORITY,
		.table = PATHS_LINK_TABLE + l->slot,
		.suppress = -1,
		.family = (uint8_t)paths_families[f],
		.src_len = (uint8_t)(addr_len(f) * 8),
		.action = FR_ACT_TO_TBL,
		.protocol = PATHS_PROTOCOL,
	};
	const struct nl_address *a = p->addrs.v;
	unsigned n = 1;
	int err;

	memcpy(rule.src, addr_bytes(&l->pub.addr[f], f), addr_len(f));
	err = nl_list_add(&w->rules, &rule, sizeof(rule));
	for (unsigned i = 0; i < p->addrs.n && n < MOST_SOURCES && !err; i++) {
		if (!address_is_source(&a[i], l->pub.ifindex, f) ||
		    !memcmp(&a[i].addr, &l->pub.addr[f], sizeof(a[i].addr)))
			continue;
		memcpy(rule.src, addr_bytes(&a[i].addr, f), addr_len(f));
		err = nl_list_add(&w->rules, &rule, sizeof(rule));
		n++;
	}
	return err;
}

static int want_path(struct path_set *p, struct path_link *l, unsigned f, const struct nl_list *near, struct wanted *w)
{
	int err;

	l->copies[f] = 0;
	l->pub.metric[f] = UINT32_MAX;
	memset(&l->pub.route[f], 0, sizeof(l->pub.route[f]));
	if (!link_is_path(l, f))
		return 0;
	err = want_sources(p, l, f, w);
	err = err ? err : want_copies(p, l, f, w);
	return err ? err : want_near(p, l, f, near, w);
}

static bool family_off(struct path_set *p, unsigned f)
{
	int all = 0, lo = 0;

	if (paths_families[f] == AF_INET)
		return false;
	if (sysctl_get("ipv6/conf/all/disable_ipv6", &all) < 0)
		return true;
	sysctl_get("ipv6/conf/lo/disable_ipv6", &lo);
	return all || lo || !p->loopback;
}

static int want_all(struct path_set *p, unsigned f, struct wanted *w)
{
	struct nl_list near = { 0 };
	int err = 0;

	if (!family_off(p, f))
		err = want_steering(p, f, w);
	else if (p->loopback && !p->ipv6_off_told) {
		log_info("IPv6 is disabled here: steering is set up for IPv4 only");
		p->ipv6_off_told = true;
	}
	if (!err && p->count)
		err = list_near(p, f, &near);
	for (unsigned i = 0; i < p->count && !err; i++)
		err = want_path(p, &p->links[i], f, &near, w);
	if (!err)
		err = detour_want(p, f, &w->rules);
	nl_list_free(&near);
	return err;
}

int routing_apply(struct path_set *p, unsigned f)
{
	struct wanted w = {
		.places = { .list = &w.routes, sizeof(struct nl_route), hash_net, same_place },
		.nets = { .list = &w.routes, sizeof(struct nl_route), hash_net, same_net },
	};
	int err, all;

	/* Without IPv6 in the kernel there is nothing to ask for. */
	if (paths_families[f] == AF_INET6 && sysctl_get("ipv6/conf/all/disable_ipv6", &all) < 0)
		return 0;
	err = want_all(p, f, &w);
	if (!err) {
		err = route_apply(&p->rt, paths_families[f], &w.routes);
		/* Rules last: a rule must not send traffic to a table that is not ready. */
		int rule_err = rule_apply(&p->rt, paths_families[f], &w.rules);

		err = err ? err : rule_err;
		reach_look(p, f);
	}
	index_free(&w.places);
	index_free(&w.nets);
	nl_list_free(&w.routes);
	nl_list_free(&w.rules);
	return err;
}

/* A route over a path's link is to be copied, or its copy removed. False: it cannot be done alone. */
static bool notice_copy(struct path_set *p, struct path_link *l, const struct nl_route *r, bool add)
{
	struct path_change c = { .route = *r, .add = add };
	unsigned f = r->family == AF_INET6;

	if (!link_is_path(l, f))
		return true;
	if (add && l->copies[f] >= MOST_COPIES) {
		tell_many(p, l);
		return true;
	}
	/* Another one may take the place of the one that went. */
	if (!r->dst_len || p->alternatives)
		return false;
	make_copy(l, &c.route);
	if (nl_list_add(&p->changes, &c, sizeof(c)) < 0)
		return false;
	if (add)
		l->copies[f]++;
	else if (l->copies[f] && l->copies[f] < MOST_COPIES)
		l->copies[f]--; /* else it may be one that has none; when all is looked at, others have the room */
	return true;
}

/* A table that is not the main one. */
static bool notice_elsewhere(struct path_set *p, const struct nl_route *hops, int n, bool add)
{
	/* One of ours that is gone by another hand. */
	if (hops[0].protocol == PATHS_PROTOCOL)
		return add;
	for (int i = 0; i < n; i++) {
		const struct path_link *l = path_link_of(p, hops[i].oif);

		if (l && gateway_concerns(l, &hops[i]))
			return false;
	}
	return true;
}

bool routing_notice(struct path_set *p, const struct nlmsghdr *nlh)
{
	struct nl_route hops[NL_ROUTE_HOPS];
	bool add = nlh->nlmsg_type == RTM_NEWROUTE;
	int n = nl_parse_route(nlh, hops);
	struct path_link *l;

	if (n > 0 && hops[0].table != RT_TABLE_MAIN)
		return notice_elsewhere(p, hops, n, add);
	/* What cannot be told is taken for a change. */
	if (n != 1 || (nlh->nlmsg_flags & (NLM_F_REPLACE | NLM_F_APPEND)))
		return false;
	l = path_link_of(p, hops[0].oif);
	if (!l || l->role != CFG_PATH)
		return hops[0].dst_len && !is_near(p, &hops[0]);
	return hops[0].type != RTN_UNICAST || notice_copy(p, l, &hops[0], add);
}

bool routing_follow(struct path_set *p)
{
	const struct path_change *v = p->changes.v;
	int err = 0;

	for (unsigned i = 0; i < p->changes.n && !err; i++) {
		err = route_change(&p->rt, &v[i].route, v[i].add);
		if (err == -ESRCH && !v[i].add)
			err = 0;
	}
	p->changes.n = 0;
	return !err;
}
