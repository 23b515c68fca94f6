// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections of other programs. With the userspace path manager nobody makes subflows for them, so what the kernel's
 * would do is done here, by its endpoints and limits (net/mptcp/pm_kernel.c): a connection that was opened here gets a
 * subflow from each endpoint `subflow`, or, where the other side announces an address, to there; one that was accepted
 * announces the endpoints `signal`.
 */
#include <linux/mptcp.h>
#include <mpgated/paths/internal.h>

static bool same_family(const struct mpgate_addr *a, const struct mpgate_addr *b)
{
	return addr_is_v4(a) == addr_is_v4(b);
}

static bool has_local(const struct nl_subflow *s, unsigned n, const struct mpgate_addr *addr)
{
	for (unsigned i = 0; i < n; i++)
		if (!memcmp(&s[i].local, addr, sizeof(*addr)))
			return true;
	return false;
}

/* From the endpoints that it has no subflow of; there are n, more than the first. */
static void join_from_endpoints(struct path_set *p, const struct joined *j, const struct nl_subflow *s, unsigned n)
{
	struct joins *all = &p->joins;
	unsigned count = n > 1 ? n - 1 : 0;

	if (j->announced)
		return;
	for (unsigned i = 0; i < all->endpoint_count && count < all->limits.subflows; i++) {
		const struct nl_endpoint *e = &all->endpoints[i];

		if (!(e->flags & MPTCP_PM_ADDR_FLAG_SUBFLOW) || !same_family(&e->addr, &j->local) ||
		    !memcmp(&e->addr, &j->local, sizeof(e->addr)) || has_local(s, n, &e->addr))
			continue;
		count += mptcp_pm_join(&p->pm, j->token, e, &j->remote, j->port) == 0;
	}
}

void foreign_established(struct path_set *p, const struct joined *j, bool join)
{
	struct joins *all = &p->joins;

	if (join)
		join_from_endpoints(p, j, NULL, 0);
	for (unsigned i = 0; i < all->endpoint_count; i++)
		if (all->endpoints[i].flags & MPTCP_PM_ADDR_FLAG_SIGNAL)
			mptcp_pm_announce(&p->pm, j->token, &all->endpoints[i]);
}

void foreign_announced(struct path_set *p, const struct joined *j, unsigned f)
{
	struct joins *all = &p->joins;
	const struct nl_endpoint own = { .addr = j->local };
	bool v4 = addr_is_v4(&j->local);
	unsigned joined = 0;
	uint16_t port = joins_to_port(j, f);

	if (!port || !all->limits.add_addrs || (v4 && f))
		return;
	for (unsigned i = 0; i < all->endpoint_count && joined < all->limits.subflows; i++) {
		const struct nl_endpoint *e = &all->endpoints[i];

		if ((e->flags & MPTCP_PM_ADDR_FLAG_FULLMESH) && same_family(&e->addr, &j->to[f]))
			joined += mptcp_pm_join(&p->pm, j->token, e, &j->to[f], port) == 0;
	}
	if (!joined && all->limits.subflows && v4 == !f)
		mptcp_pm_join(&p->pm, j->token, &own, &j->to[f], port);
}

void foreign_settle(struct path_set *p, const struct joined *j, const struct nl_subflow *s, unsigned n)
{
	struct joins *all = &p->joins;

	for (unsigned i = 0; i < n && n > 1 && !all->endpoints_cut; i++) {
		bool wanted = !s[i].join || !memcmp(&s[i].local, &j->local, sizeof(j->local));

		for (unsigned k = 0; k < all->endpoint_count; k++)
			wanted |= !memcmp(&all->endpoints[k].addr, &s[i].local, sizeof(s[i].local));
		if (!wanted)
			mptcp_pm_part(&p->pm, &s[i], true);
	}
	join_from_endpoints(p, j, s, n);
}
