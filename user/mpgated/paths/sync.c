// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/internal.h>

#include <errno.h>
#include <lib/log.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ULL
#define DUMP_TRIES 4 /* until links and addresses hold still during a dump */

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

static int dump_links(struct path_set *p, struct nl_list *out)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, RTM_GETLINK, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	return nl_talk(&p->rt, nlh, on_link, out);
}

static int dump_addresses(struct path_set *p, struct nl_list *out)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, RTM_GETADDR, NLM_F_DUMP);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifaddrmsg));
	return nl_talk(&p->rt, nlh, on_address, out);
}

/* Both lists, fresh; on failure they are empty. */
static int look(struct path_set *p, struct nl_list *links, struct nl_list *addrs)
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
	}
	if (err && err != p->look_error)
		log_error("cannot read links and addresses: %s", strerror(-err));
	p->look_error = err;
	return err;
}

/*
 * The fittest address, the first of those. The one in use is kept as long as none is fitter, whatever comes before it
 * later: subflows stay where they are when an address comes, or when its lifetime alone is another one.
 */
static void choose_address(const struct nl_list *addrs, unsigned f, const struct mpgate_addr *in_use,
			   struct paths_link *out)
{
	const struct nl_address *a = addrs->v;
	enum nl_fitness best = NL_UNFIT;

	for (unsigned i = 0; i < addrs->n; i++) {
		if (a[i].ifindex == out->ifindex && a[i].family == paths_families[f] && a[i].global)
			out->tentative[f] |= a[i].fitness == NL_UNFIT;
		if (!address_is_source(&a[i], out->ifindex, f) || a[i].fitness > best)
			continue;
		if (a[i].fitness < best || !memcmp(&a[i].addr, in_use, sizeof(*in_use)))
			out->addr[f] = a[i].addr;
		best = a[i].fitness;
	}
	out->tentative[f] &= best == NL_UNFIT;
	out->deprecated[f] = best == NL_DEPRECATED;
}

static void update_link(struct path_link *l, const struct nl_list *links, const struct nl_list *addrs)
{
	struct paths_link old = l->pub, *pub = &l->pub;
	const struct nl_link *v = links->v;

	pub->ifindex = 0;
	pub->up = pub->l3 = false;
	memset(&pub->kind, 0, sizeof(pub->kind));
	memset(pub->addr, 0, sizeof(pub->addr));
	memset(pub->tentative, 0, sizeof(pub->tentative));
	memset(pub->deprecated, 0, sizeof(pub->deprecated));
	for (unsigned i = 0; i < links->n; i++) {
		if (strcmp(v[i].name, pub->name))
			continue;
		pub->ifindex = v[i].ifindex;
		pub->up = v[i].up;
		pub->l3 = v[i].l3;
		/* Down and up again between two looks. */
		l->was_down |= old.ifindex == v[i].ifindex && l->downs != v[i].downs;
		l->downs = v[i].downs;
		link_kind_find(v, links->n, i, &pub->kind);
		for (unsigned f = 0; f < 2; f++)
			choose_address(addrs, f, &old.addr[f], pub);
	}
	for (unsigned f = 0; f < 2; f++)
		l->kept[f] = !memcmp(&pub->addr[f], &old.addr[f], sizeof(old.addr[f]));
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

/* --- all of it */

/* Strict reverse path filtering drops what comes in on one path while the main table points to another. */
static void loosen_rp_filter(struct path_set *p, const struct path_link *l)
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

int paths_apply(struct path_set *p)
{
	int err = 0, endpoint_err;

	p->alternatives = false;
	for (unsigned i = 0; i < p->count; i++)
		loosen_rp_filter(p, &p->links[i]);
	for (unsigned f = 0; f < 2; f++) {
		int e = routing_apply(p, f);

		err = err ? err : e;
	}
	if (err && err != p->route_error)
		log_warn("not all routes and rules of the links could be set: %s", strerror(-err));
	p->route_error = err;
	/* After the routes: a new endpoint makes subflows at once. */
	endpoint_err = endpoints_apply(p);
	if (endpoint_err)
		log_error("cannot read MPTCP endpoints: %s", strerror(-endpoint_err));
	subflows_apply(p);
	if (!endpoint_err)
		endpoints_made(p);
	return endpoint_err;
}

int paths_sync(struct path_set *p)
{
	uint64_t begin = uv_hrtime();
	struct nl_list links = { 0 };
	int err;

	nl_list_free(&p->addrs);
	err = look(p, &links, &p->addrs);
	if (err)
		return err;
	p->looked = true;
	for (unsigned i = 0; i < p->count; i++)
		update_link(&p->links[i], &links, &p->addrs);
	twins_part(p);
	p->loopback = find_loopback(&links);
	nl_list_free(&links);
	p->look_ms = steady_look(p);
	err = paths_apply(p);
	p->sync_ms = (unsigned)((uv_hrtime() - begin) / NS_PER_MS);
	return err;
}
