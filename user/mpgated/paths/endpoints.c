// SPDX-License-Identifier: GPL-2.0-or-later
/* The MPTCP endpoints of the paths' addresses. */
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
static unsigned want_endpoints(struct path_set *p, const struct nl_list *present, struct wanted_endpoint *out)
{
	bool any_up = false;
	unsigned n = 0;

	for (unsigned i = 0; i < p->count; i++)
		any_up |= p->links[i].role == CFG_PATH && p->links[i].pub.up &&
			  (link_has_addr(&p->links[i].pub, 0) || link_has_addr(&p->links[i].pub, 1));
	for (unsigned i = 0; i < 2 * p->count; i++) {
		struct path_link *l = &p->links[i / 2];
		unsigned f = i % 2;
		struct wanted_endpoint w = { .e.addr = l->pub.addr[f], .e.ifindex = l->pub.ifindex };
		const struct nl_endpoint *other;

		w.id = &l->pub.endpoint[f];
		*w.id = 0;
		if (!link_is_path(l, f))
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
static bool endpoints_full(struct path_set *p)
{
	struct nl_list present = { 0 };
	bool full = !mptcp_pm_dump(&p->pm, &present) && present.n >= MPTCP_PM_MOST;

	nl_list_free(&present);
	return full;
}

static void add_endpoint(struct path_set *p, const struct wanted_endpoint *w)
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

int endpoints_apply(struct path_set *p)
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

	if (mptcp_pm_dump(&p->pm, &present) == 0)
		for (unsigned i = 0; i < 2 * p->count; i++) {
			int id = p->links[i / 2].pub.endpoint[i % 2];

			lost |= id && !is_present(&present, id);
		}
	nl_list_free(&present);
	return lost;
}
