// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/internal.h>

#include <errno.h>
#include <lib/log.h>
#include <linux/fib_rules.h>
#include <linux/mptcp.h>
#include <linux/rtnetlink.h>
#include <mpgated/paths/route.h>
#include <stdio.h>
#include <string.h>

#define DUMP_TRIES 4 /* until links and addresses hold still during a dump */
#define LOCAL_METRIC6 1024U /* what the kernel gives to IPv6 routes without one */
#define MOST_COPIES                                                                                                    \
	1024U /* routes of one link and family; who has more runs a router, and its paths need a default               \
	       */
#define ENDPOINT_IDS (2 * MPGATE_MAX_LINKS)

static const int families[2] = { AF_INET, AF_INET6 }; /* by index into paths_link.addr */

static bool has_addr(const struct paths_link *l, unsigned f)
{
	static const struct mpgate_addr none;

	return memcmp(&l->addr[f], &none, sizeof(none)) != 0;
}

static const uint8_t *addr_bytes(const struct paths_link *l, unsigned f)
{
	return families[f] == AF_INET ? l->addr[f].b + 12 : l->addr[f].b;
}

static unsigned addr_len(unsigned f)
{
	return families[f] == AF_INET ? 4 : 16;
}

/* --- what is there */

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_link l;

	if (nlh->nlmsg_type != RTM_NEWLINK || nl_parse_link(nlh, &l) < 0)
		return 0;
	return nl_list_add(arg, &l, sizeof(l));
}

static int on_address(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_address a;

	if (nlh->nlmsg_type != RTM_NEWADDR || nl_parse_address(nlh, &a) < 0)
		return 0;
	return nl_list_add(arg, &a, sizeof(a));
}

static int dump_links(struct paths *p, struct nl_list *out)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, RTM_GETLINK, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	return nl_talk(&p->rt, nlh, on_link, out);
}

static int dump_addresses(struct paths *p, struct nl_list *out)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, RTM_GETADDR, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	return nl_talk(&p->rt, nlh, on_address, out);
}

/* Both lists, fresh; on failure they are empty. */
static int look(struct paths *p, struct nl_list *links, struct nl_list *addrs)
{
	int err = -EINTR;

	for (int i = 0; err == -EINTR && i < DUMP_TRIES; i++) {
		links->n = addrs->n = 0;
		err = dump_links(p, links);
		err = err ? err : dump_addresses(p, addrs);
	}
	if (err) {
		nl_list_free(links);
		nl_list_free(addrs);
		log_error("cannot read links and addresses: %s", strerror(-err));
	}
	return err;
}

/* The first address that fits; the one in use is kept as long as it fits, whatever comes before it later. */
static void choose_address(const struct nl_list *addrs, unsigned ifindex, unsigned f, const struct mpgate_addr *in_use,
			   struct mpgate_addr *out)
{
	const struct nl_address *a = addrs->v;
	bool found = false;

	for (unsigned i = 0; i < addrs->n; i++) {
		if (a[i].ifindex != ifindex || a[i].family != families[f] || !a[i].global || !a[i].usable)
			continue;
		if (!found || !memcmp(&a[i].addr, in_use, sizeof(*in_use)))
			*out = a[i].addr;
		found = true;
	}
}

static void update_link(struct path_link *l, const struct nl_list *links, const struct nl_list *addrs)
{
	struct paths_link old = l->pub, *pub = &l->pub;
	const struct nl_link *v = links->v;

	pub->ifindex = 0;
	pub->up = pub->l3 = false;
	memset(pub->addr, 0, sizeof(pub->addr));
	for (unsigned i = 0; i < links->n; i++) {
		if (strcmp(v[i].name, pub->name))
			continue;
		pub->ifindex = v[i].ifindex;
		pub->up = v[i].up;
		pub->l3 = v[i].l3;
		for (unsigned f = 0; f < 2; f++)
			choose_address(addrs, pub->ifindex, f, &old.addr[f], &pub->addr[f]);
	}
	if (!pub->up)
		l->was_down = true;
}

static unsigned find_loopback(const struct nl_list *links)
{
	const struct nl_link *v = links->v;

	for (unsigned i = 0; i < links->n; i++)
		if (!strcmp(v[i].name, "lo") && v[i].up)
			return v[i].ifindex;
	return 0;
}

/* --- rules and routes */

static int want_steering(const struct paths *p, unsigned f, struct nl_list *routes, struct nl_list *rules)
{
	struct nl_rule rule = {
		.priority = PATHS_STEER_PRIORITY,
		.table = PATHS_STEER_TABLE,
		.mark = MPGATE_MARK,
		.mask = MPGATE_MARK_MASK,
		.family = (uint8_t)families[f],
		.action = FR_ACT_TO_TBL,
		.protocol = PATHS_PROTOCOL,
	};
	struct nl_route route = {
		.table = PATHS_STEER_TABLE,
		.oif = p->loopback,
		.family = (uint8_t)families[f],
		.type = RTN_LOCAL,
		.protocol = PATHS_PROTOCOL,
	};
	int err = 0;

	/* Scopes and default metrics are what the kernel reports, so that the route is known again. */
	if (families[f] == AF_INET)
		route.scope = RT_SCOPE_HOST;
	else
		route.priority = LOCAL_METRIC6;
	for (unsigned i = 0; i < p->count && !err; i++) {
		memcpy(rule.iif, p->links[i].pub.name, sizeof(rule.iif));
		err = nl_list_add(rules, &rule, sizeof(rule));
	}
	if (p->count && p->loopback && !err)
		err = nl_list_add(routes, &route, sizeof(route));
	return err;
}

/* Two routes of one destination and metric, over one link, are alternatives: the first is the one that is used. */
static bool same_place(const struct nl_route *a, const struct nl_route *b)
{
	return a->table == b->table && a->dst_len == b->dst_len && a->tos == b->tos && a->priority == b->priority &&
	       !memcmp(a->dst, b->dst, sizeof(a->dst));
}

static bool has_place(const struct nl_list *routes, const struct nl_route *r)
{
	const struct nl_route *have = routes->v;

	for (unsigned i = 0; have && i < routes->n; i++)
		if (same_place(&have[i], r))
			return true;
	return false;
}

static int want_copies(struct paths *p, const struct path_link *l, unsigned f, struct nl_list *routes)
{
	struct nl_list copies = { 0 };
	int err = route_dump_main(&p->rt, families[f], l->pub.ifindex, &copies);
	struct nl_route *v = copies.v;

	if (copies.n > MOST_COPIES) {
		if (!p->many_routes_told)
			log_warn("link %s has %u routes: its own table gets the first %u", l->pub.name, copies.n,
				 MOST_COPIES);
		p->many_routes_told = true;
		copies.n = MOST_COPIES;
	}
	for (unsigned i = 0; i < copies.n && !err; i++) {
		v[i].table = PATHS_LINK_TABLE + l->slot;
		v[i].protocol = PATHS_PROTOCOL;
		if (!has_place(routes, &v[i]))
			err = nl_list_add(routes, &v[i], sizeof(v[i]));
	}
	nl_list_free(&copies);
	return err;
}

static int want_path(struct paths *p, const struct path_link *l, unsigned f, struct nl_list *routes,
		     struct nl_list *rules)
{
	struct nl_rule rule = {
		.priority = PATHS_LINK_PRIORITY,
		.table = PATHS_LINK_TABLE + l->slot,
		.family = (uint8_t)families[f],
		.src_len = (uint8_t)(addr_len(f) * 8),
		.action = FR_ACT_TO_TBL,
		.protocol = PATHS_PROTOCOL,
	};
	int err;

	if (l->role != CFG_PATH || !l->pub.ifindex || !has_addr(&l->pub, f))
		return 0;
	memcpy(rule.src, addr_bytes(&l->pub, f), addr_len(f));
	err = nl_list_add(rules, &rule, sizeof(rule));
	return err ? err : want_copies(p, l, f, routes);
}

static bool family_off(struct paths *p, unsigned f)
{
	int all = 0, lo = 0;

	if (families[f] == AF_INET)
		return false;
	if (sysctl_get("ipv6/conf/all/disable_ipv6", &all) < 0)
		return true;
	sysctl_get("ipv6/conf/lo/disable_ipv6", &lo);
	return all || lo || !p->loopback;
}

static int apply_routing(struct paths *p, unsigned f)
{
	struct nl_list routes = { 0 }, rules = { 0 };
	bool off = family_off(p, f);
	int err = 0, all;

	if (off && p->loopback && !p->ipv6_off_told) {
		log_info("IPv6 is disabled here: steering is set up for IPv4 only");
		p->ipv6_off_told = true;
	}
	if (!off)
		err = want_steering(p, f, &routes, &rules);
	for (unsigned i = 0; i < p->count && !err; i++)
		err = want_path(p, &p->links[i], f, &routes, &rules);
	/* Without IPv6 in the kernel there is nothing to ask for. */
	if (!err && (families[f] == AF_INET || sysctl_get("ipv6/conf/all/disable_ipv6", &all) == 0)) {
		err = route_apply(&p->rt, families[f], &routes);
		/* Rules last: a rule must not send traffic to a table that is not ready. */
		int rule_err = rule_apply(&p->rt, families[f], &rules);

		err = err ? err : rule_err;
	}
	nl_list_free(&routes);
	nl_list_free(&rules);
	return err;
}

/* --- MPTCP endpoints */

struct wanted_endpoint {
	struct nl_endpoint e;
	int *id; /* where the result goes */
	bool again; /* make it anew even if it is there */
	bool present;
};

static bool is_ours(const struct nl_endpoint *e)
{
	return e->id >= PATHS_ENDPOINT_ID && e->id < PATHS_ENDPOINT_ID + ENDPOINT_IDS;
}

static bool same_endpoint(const struct nl_endpoint *a, const struct nl_endpoint *b)
{
	const uint32_t flags = MPTCP_PM_ADDR_FLAG_SUBFLOW | MPTCP_PM_ADDR_FLAG_BACKUP;

	return a->id == b->id && a->ifindex == b->ifindex && (a->flags & flags) == (b->flags & flags) &&
	       !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static const struct nl_endpoint *find_endpoint(const struct nl_list *present, const struct nl_endpoint *e, bool ours)
{
	const struct nl_endpoint *v = present->v;

	for (unsigned i = 0; i < present->n; i++) {
		if (ours ? same_endpoint(&v[i], e)
			 : !is_ours(&v[i]) && !(v[i].flags & MPTCP_PM_ADDR_FLAG_IMPLICIT) &&
				    !memcmp(&v[i].addr, &e->addr, sizeof(e->addr)))
			return &v[i];
	}
	return NULL;
}

/* Somebody else's endpoint with the same address serves as well, and is left alone. */
static unsigned want_endpoints(struct paths *p, const struct nl_list *present, struct wanted_endpoint *out)
{
	bool any_up = false;
	unsigned n = 0;

	for (unsigned i = 0; i < p->count; i++)
		any_up |= p->links[i].role == CFG_PATH && p->links[i].pub.up &&
			  (has_addr(&p->links[i].pub, 0) || has_addr(&p->links[i].pub, 1));
	for (unsigned i = 0; i < 2 * p->count; i++) {
		struct path_link *l = &p->links[i / 2];
		unsigned f = i % 2;
		struct wanted_endpoint w = { .e.addr = l->pub.addr[f], .e.ifindex = l->pub.ifindex };
		const struct nl_endpoint *other;

		w.id = &l->pub.endpoint[f];
		*w.id = 0;
		if (l->role != CFG_PATH || !l->pub.ifindex || !has_addr(&l->pub, f))
			continue;
		w.e.id = (uint8_t)(PATHS_ENDPOINT_ID + 2 * l->slot + f);
		w.e.flags = MPTCP_PM_ADDR_FLAG_SUBFLOW | (l->use == CFG_PRIMARY ? 0 : MPTCP_PM_ADDR_FLAG_BACKUP);
		w.again = l->pub.up && l->was_down;
		other = find_endpoint(present, &w.e, false);
		w.present = find_endpoint(present, &w.e, true) != NULL;
		/*
		 * Removing the endpoint of a link that went down closes its subflows at once, so that what was under
		 * way goes over another path without waiting for a time-out. With no other path up that would only
		 * end connections that can still be saved.
		 */
		if (other)
			*w.id = other->id;
		else if (l->pub.up || (!any_up && w.present))
			out[n++] = w;
	}
	return n;
}

/* Older kernels answer EINVAL to whatever they do not take, one endpoint too many as well. */
static bool endpoints_full(struct paths *p)
{
	struct nl_list present = { 0 };
	bool full = !mptcp_pm_dump(&p->pm, &present) && present.n >= MPTCP_PM_MOST;

	nl_list_free(&present);
	return full;
}

static void add_endpoint(struct paths *p, const struct wanted_endpoint *w)
{
	int err = mptcp_pm_add(&p->pm, &w->e);

	if (!err) {
		*w->id = w->e.id;
	} else if (err == -ERANGE || (err == -EINVAL && endpoints_full(p))) {
		if (!p->endpoints_full_told)
			log_warn("the kernel has room for %d MPTCP endpoints: not all path addresses have one",
				 MPTCP_PM_MOST);
		p->endpoints_full_told = true;
	} else if (err != -EEXIST) {
		log_warn("cannot add MPTCP endpoint %u on interface %u: %s", w->e.id, w->e.ifindex, strerror(-err));
	}
}

static int apply_endpoints(struct paths *p)
{
	struct wanted_endpoint wanted[ENDPOINT_IDS];
	struct nl_list present = { 0 };
	const struct nl_endpoint *v;
	unsigned n;
	int err = mptcp_pm_dump(&p->pm, &present);

	if (err) {
		nl_list_free(&present);
		return err;
	}
	v = present.v;
	n = want_endpoints(p, &present, wanted);
	for (unsigned i = 0; i < present.n; i++) {
		bool keep = !is_ours(&v[i]);

		for (unsigned k = 0; k < n; k++)
			keep |= !wanted[k].again && same_endpoint(&wanted[k].e, &v[i]);
		if (!keep)
			mptcp_pm_del(&p->pm, v[i].id);
	}
	for (unsigned k = 0; k < n; k++) {
		if (wanted[k].present && !wanted[k].again)
			*wanted[k].id = wanted[k].e.id;
		else
			add_endpoint(p, &wanted[k]);
	}
	for (unsigned i = 0; i < p->count; i++)
		if (p->links[i].pub.up)
			p->links[i].was_down = false;
	nl_list_free(&present);
	return 0;
}

/* --- all of it */

/* Strict reverse path filtering drops what comes in on one path while the main table points to another. */
static void loosen_rp_filter(struct paths *p, const struct path_link *l)
{
	char name[sizeof("ipv4/conf//rp_filter") + sizeof(l->pub.name)];
	int all, own;

	if (l->role == CFG_NET || !l->pub.ifindex)
		return;
	snprintf(name, sizeof(name), "ipv4/conf/%s/rp_filter", l->pub.name);
	if (sysctl_get("ipv4/conf/all/rp_filter", &all) < 0 || sysctl_original(&p->originals, name, &own) < 0)
		return;
	if ((all > own ? all : own) == 1)
		sysctl_set(&p->originals, name, 2);
}

int paths_apply(struct paths *p)
{
	int err = 0, endpoint_err;

	for (unsigned i = 0; i < p->count; i++)
		loosen_rp_filter(p, &p->links[i]);
	for (unsigned f = 0; f < 2; f++) {
		int e = apply_routing(p, f);

		err = err ? err : e;
	}
	if (err && err != p->route_error)
		log_warn("not all routes and rules of the links could be set: %s", strerror(-err));
	p->route_error = err;
	/* After the routes: a new endpoint makes subflows at once. */
	endpoint_err = apply_endpoints(p);
	if (endpoint_err)
		log_error("cannot read MPTCP endpoints: %s", strerror(-endpoint_err));
	return endpoint_err;
}

static bool same_link(const struct paths_link *a, const struct paths_link *b)
{
	return a->ifindex == b->ifindex && a->up == b->up && a->l3 == b->l3 &&
	       !memcmp(a->addr, b->addr, sizeof(a->addr)) && !memcmp(a->endpoint, b->endpoint, sizeof(a->endpoint));
}

int paths_sync(struct paths *p)
{
	struct nl_list links = { 0 }, addrs = { 0 };
	struct paths_link old[MPGATE_MAX_LINKS];
	int err = look(p, &links, &addrs);

	if (err)
		return err;
	for (unsigned i = 0; i < p->count; i++) {
		old[i] = p->links[i].pub;
		update_link(&p->links[i], &links, &addrs);
	}
	p->loopback = find_loopback(&links);
	nl_list_free(&links);
	nl_list_free(&p->addrs);
	p->addrs = addrs;
	err = paths_apply(p);
	for (unsigned i = 0; i < p->count; i++) {
		struct path_link *l = &p->links[i];

		if (l->told && same_link(&old[i], &l->pub))
			continue;
		l->told = true;
		if (p->events.link)
			p->events.link(p->events.arg, i, &l->pub);
	}
	return err;
}
