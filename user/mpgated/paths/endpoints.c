// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The MPTCP endpoints of the paths' addresses, from where joins leave; and of those that are announced, where joins to
 * a hub come to. The kernel makes joins from an endpoint to the address of the connection itself,
 * and with `fullmesh` to announced ones, too.
 */
#include <mpgated/paths/internal.h>

#include <errno.h>
#include <lib/log.h>
#include <linux/mptcp.h>
#include <string.h>

#define ENDPOINT_IDS (2 * MPGATE_MAX_LINKS)

struct wanted_endpoint {
	struct nl_endpoint e;
	int *id; /* where the result goes */
	bool again; /* make it anew even if it is there */
	bool present;
	bool other_backup; /* present, but for that flag */
};

/* The kernel numbers others' endpoints from the last one on: a number alone does not say whose it is. */
bool endpoints_is_ours(const struct path_set *p, const struct nl_endpoint *e)
{
	return e->id >= PATHS_ENDPOINT_ID && e->id < PATHS_JOIN_ID + CFG_JOIN_ADDRESSES &&
	       p->endpoint_set[e->id - PATHS_ENDPOINT_ID];
}

/* But for what can be changed where it stands. */
static bool same_endpoint(const struct nl_endpoint *a, const struct nl_endpoint *b)
{
	const uint32_t flags = MPTCP_PM_ADDR_FLAG_SUBFLOW | MPTCP_PM_ADDR_FLAG_SIGNAL | MPTCP_PM_ADDR_FLAG_FULLMESH;

	return a->id == b->id && a->port == b->port && a->ifindex == b->ifindex &&
	       (a->flags & flags) == (b->flags & flags) && !memcmp(&a->addr, &b->addr, sizeof(a->addr));
}

static const struct nl_endpoint *find_endpoint(const struct path_set *p, const struct nl_list *present,
					       const struct nl_endpoint *e, bool ours)
{
	const struct nl_endpoint *v = present->v;

	for (unsigned i = 0; i < present->n; i++) {
		if (ours ? same_endpoint(&v[i], e)
			 : !endpoints_is_ours(p, &v[i]) && !(v[i].flags & MPTCP_PM_ADDR_FLAG_IMPLICIT) &&
				    !memcmp(&v[i].addr, &e->addr, sizeof(e->addr)))
			return &v[i];
	}
	return NULL;
}

/* Those that are announced, as far as they are ours now. */
static unsigned want_announced(struct path_set *p, const struct nl_list *present, struct wanted_endpoint *out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->settings.join_count; i++) {
		struct wanted_endpoint w = { .e.addr = p->settings.join[i],
					     .e.port = p->settings.join_port,
					     .e.flags = MPTCP_PM_ADDR_FLAG_SIGNAL,
					     .e.id = (uint8_t)(PATHS_JOIN_ID + i),
					     .id = &p->join_id[i] };

		*w.id = 0;
		if (!paths_has_address(&p->addrs, &p->settings.join[i]))
			continue;
		w.present = find_endpoint(p, present, &w.e, true) != NULL;
		out[n++] = w;
	}
	return n;
}

/* The kernel has one endpoint for an address: where joins come to one, none leave from it. */
static bool is_announced(const struct path_set *p, const struct mpgate_addr *addr)
{
	for (unsigned i = 0; i < p->settings.join_count; i++)
		if (!memcmp(&p->settings.join[i], addr, sizeof(*addr)))
			return true;
	return false;
}

static bool is_used(const struct path_link *l)
{
	return l->pub.up && !l->pub.held;
}

/* Had it a default route before, and has none now? */
static bool lacks_route(const struct path_link *l, unsigned f)
{
	return l->had_route[f] && l->pub.metric[f] == UINT32_MAX;
}

/* Is the kernel to join where others announce? */
static bool joins_announced(const struct path_set *p)
{
	bool announced = p->settings.to_announced;

	for (unsigned i = 0; i < p->settings.peer_count && !p->joins.managed; i++)
		announced |= p->settings.peer[i].announces;
	return announced;
}

/* Somebody else's endpoint with the same address serves as well, and is left alone. */
static unsigned want_endpoints(struct path_set *p, const struct nl_list *present, struct wanted_endpoint *out)
{
	bool any_up = false;
	unsigned n = want_announced(p, present, out);

	for (unsigned i = 0; i < p->count; i++)
		any_up |= p->links[i].role == CFG_PATH && is_used(&p->links[i]) &&
			  (link_has_addr(&p->links[i].pub, 0) || link_has_addr(&p->links[i].pub, 1));
	for (unsigned i = 0; i < 2 * p->count; i++) {
		struct path_link *l = &p->links[i / 2];
		unsigned f = i % 2;
		struct wanted_endpoint w = { .e.addr = l->pub.addr[f], .e.ifindex = l->pub.ifindex };
		const struct nl_endpoint *other, *own;

		w.id = &l->pub.endpoint[f];
		*w.id = 0;
		if (!link_is_path(l, f) || is_announced(p, &l->pub.addr[f]))
			continue;
		w.e.id = (uint8_t)(PATHS_ENDPOINT_ID + 2 * l->slot + f);
		w.e.flags = MPTCP_PM_ADDR_FLAG_SUBFLOW | (l->pub.backup ? MPTCP_PM_ADDR_FLAG_BACKUP : 0) |
			    (joins_announced(p) ? MPTCP_PM_ADDR_FLAG_FULLMESH : 0);
		w.again = is_used(l) && (l->was_down || (l->anew[f] && !lacks_route(l, f)));
		other = find_endpoint(p, present, &w.e, false);
		own = find_endpoint(p, present, &w.e, true);
		w.present = own != NULL;
		w.other_backup = own && ((own->flags ^ w.e.flags) & MPTCP_PM_ADDR_FLAG_BACKUP);
		/*
		 * Removing the endpoint of a link that went down closes its subflows at once, so that what was under
		 * way goes over another path without waiting for a time-out. With no other path up that would only
		 * end connections that can still be saved, and one that is held back is better than none.
		 */
		if (other)
			*w.id = other->id;
		else if (is_used(l) || (!any_up && (w.present || l->pub.held)))
			out[n++] = w;
	}
	return n;
}

/* Older kernels answer EINVAL to whatever they do not take, one endpoint too many as well. */
static bool endpoints_full(struct path_set *p)
{
	struct nl_list present = { 0 };
	bool full = !mptcp_pm_dump(&p->pm, &present) && present.n >= MPTCP_PM_MOST;

	nl_list_free(&present);
	return full;
}

/*
 * Where joins come to, the kernel listens, without SO_REUSEADDR: that fails while connections are there that began at
 * the same address and port, in TIME_WAIT at least, as after a restart.
 */
static void add_endpoint(struct path_set *p, const struct wanted_endpoint *w, int told)
{
	int err = mptcp_pm_add(&p->pm, &w->e);
	char text[ADDR_TEXT];

	if (!err) {
		*w->id = w->e.id;
		p->endpoint_set[w->e.id - PATHS_ENDPOINT_ID] = true;
	} else if (err == -ERANGE || (err == -EINVAL && endpoints_full(p))) {
		if (!p->endpoints_full_told)
			log_warn("the kernel has room for %d MPTCP endpoints: not all path addresses have one",
				 MPTCP_PM_MOST);
		p->endpoints_full_told = true;
	} else if (err != -EEXIST) {
		if (err != told)
			log_warn("cannot add an MPTCP endpoint for %s yet: %s",
				 w->e.port ? addr_print_port(&w->e.addr, htons(w->e.port), text)
					   : addr_print(&w->e.addr, text),
				 strerror(-err));
		p->endpoint_error = err;
	}
}

/* The subflows from it that the kernel's path manager has made follow. */
static void keep_endpoint(struct path_set *p, const struct wanted_endpoint *w)
{
	int err = w->other_backup ? mptcp_pm_set_flags(&p->pm, &w->e) : 0;

	*w->id = w->e.id;
	if (err)
		p->endpoint_error = err;
}

/*
 * A join without a route fails, and is not tried again. Links come up before DHCP and router advertisements give back
 * their routes: then it is made once more.
 */
static void made(struct path_link *l)
{
	for (unsigned f = 0; f < 2; f++) {
		l->anew[f] = (l->was_down || l->anew[f]) && lacks_route(l, f);
		l->had_route[f] |= l->pub.metric[f] != UINT32_MAX;
	}
	l->was_down = false;
}

int endpoints_apply(struct path_set *p)
{
	struct wanted_endpoint wanted[ENDPOINT_IDS + CFG_JOIN_ADDRESSES];
	struct nl_list present = { 0 };
	const struct nl_endpoint *v;
	unsigned n;
	int err = mptcp_pm_dump(&p->pm, &present), told = p->endpoint_error;

	memset(wanted, 0, sizeof(wanted));

	if (err) {
		nl_list_free(&present);
		return err;
	}
	p->endpoint_error = 0;
	v = present.v;
	n = want_endpoints(p, &present, wanted);
	for (unsigned i = 0; i < present.n; i++) {
		bool keep = !endpoints_is_ours(p, &v[i]);

		for (unsigned k = 0; k < n; k++)
			keep |= !wanted[k].again && same_endpoint(&wanted[k].e, &v[i]);
		if (!keep)
			mptcp_pm_del(&p->pm, v[i].id);
	}
	for (unsigned k = 0; k < n; k++) {
		if (wanted[k].present && !wanted[k].again)
			keep_endpoint(p, &wanted[k]);
		else
			add_endpoint(p, &wanted[k], told);
	}
	nl_list_free(&present);
	return 0;
}

void endpoints_made(struct path_set *p)
{
	for (unsigned i = 0; i < p->count; i++)
		if (is_used(&p->links[i]))
			made(&p->links[i]);
}

static bool is_present(const struct nl_list *endpoints, int id)
{
	const struct nl_endpoint *v = endpoints->v;

	for (unsigned i = 0; i < endpoints->n; i++)
		if (v[i].id == id)
			return true;
	return false;
}

bool endpoints_lost(struct path_set *p)
{
	struct nl_list present = { 0 };
	bool lost = false;

	if (mptcp_pm_dump(&p->pm, &present) == 0) {
		for (unsigned i = 0; i < 2 * p->count; i++) {
			int id = p->links[i / 2].pub.endpoint[i % 2];

			lost |= id && !is_present(&present, id);
		}
		for (unsigned i = 0; i < p->settings.join_count; i++)
			lost |= p->join_id[i] && !is_present(&present, p->join_id[i]);
	}
	nl_list_free(&present);
	return lost;
}
