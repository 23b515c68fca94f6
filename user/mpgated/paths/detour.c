// SPDX-License-Identifier: GPL-2.0-or-later
/* While the way that traffic takes by default is dead: local and connected routes first, then a path that is alive. */
#include <mpgated/paths/internal.h>

#include <lib/log.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <mpgated/paths/route.h>

/* The path to take instead of a dead one: alive, with a default route; primary ones first, then by metric. */
static const struct path_link *stand_in(const struct path_set *p, unsigned f)
{
	const struct path_link *best = NULL;

	for (unsigned i = 0; i < p->count; i++) {
		const struct path_link *l = &p->links[i];
		bool spare = l->pub.backup;

		if (!link_is_path(l, f) || !l->pub.up || l->health[f] != PATHS_ALIVE || l->pub.metric[f] == UINT32_MAX)
			continue;
		if (!best || spare < best->pub.backup ||
		    (spare == best->pub.backup && l->pub.metric[f] < best->pub.metric[f]))
			best = l;
	}
	return best;
}

static bool any_dead(const struct path_set *p, unsigned f)
{
	bool dead = false;

	for (unsigned i = 0; i < p->count; i++)
		dead |= p->links[i].role == CFG_PATH && p->links[i].detour && p->links[i].health[f] == PATHS_DEAD;
	return dead;
}

/* Does the best default route of the main table go over a path that is dead? */
static int default_is_dead(struct path_set *p, unsigned f, bool *dead)
{
	struct nl_list all = { 0 };
	int err = route_dump_defaults(&p->rt, paths_families[f], &all);
	const struct nl_route *v = all.v;
	uint32_t metric = UINT32_MAX;

	*dead = false;
	for (unsigned i = 0; i < all.n; i++)
		metric = v[i].priority < metric ? v[i].priority : metric;
	for (unsigned i = 0; i < all.n; i++) {
		const struct path_link *l = v[i].priority == metric ? path_link_of(p, v[i].oif) : NULL;

		*dead |= l && l->role == CFG_PATH && l->detour && l->health[f] == PATHS_DEAD;
	}
	nl_list_free(&all);
	return err;
}

static void tell_detour(struct path_set *p, unsigned f, const struct path_link *l)
{
	unsigned now = l ? l->slot + 1 : 0;

	if (p->detour[f] == now)
		return;
	p->detour[f] = now;
	if (l)
		log_warn("the path of the IPv%d default route is dead: what is not bonded takes %s", f ? 6 : 4,
			 l->pub.name);
	else
		log_info("the IPv%d default route is taken again", f ? 6 : 4);
}

int detour_want(struct path_set *p, unsigned f, struct nl_list *rules)
{
	struct nl_rule near = {
		.priority = PATHS_NEAR_PRIORITY,
		.table = RT_TABLE_MAIN,
		.suppress = 0,
		.family = (uint8_t)paths_families[f],
		.action = FR_ACT_TO_TBL,
		.protocol = PATHS_PROTOCOL,
	};
	struct nl_rule detour = near;
	const struct path_link *l = any_dead(p, f) ? stand_in(p, f) : NULL;
	bool dead = false;
	int err = l ? default_is_dead(p, f, &dead) : 0;

	if (err)
		return err;
	if (!dead)
		l = NULL;
	tell_detour(p, f, l);
	if (!l)
		return 0;
	detour.priority = PATHS_DETOUR_PRIORITY;
	detour.table = PATHS_LINK_TABLE + l->slot;
	detour.suppress = -1;
	/* In this order: the first must be there when the second is. */
	err = nl_list_add(rules, &near, sizeof(near));
	return err ? err : nl_list_add(rules, &detour, sizeof(detour));
}
