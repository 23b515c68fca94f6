// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What rules say of their connections' paths: which, and how they use them. The kernel has one packet scheduler and
 * backup flags for each subflow; so a steering mode is a choice of which subflows are backups.
 */
#include <mpgated/paths/joins.h>

#include <linux/mptcp.h>
#include <mpgated/paths/internal.h>
#include <stdlib.h>

static int compare_rules(const void *key, const void *rule)
{
	uint32_t a = *(const uint32_t *)key, b = ((const struct paths_rule *)rule)->id;

	return a < b ? -1 : a > b;
}

static const struct paths_rule *find_rule(const struct path_settings *s, uint32_t id)
{
	return id ? bsearch(&id, s->rule, s->rule_count, sizeof(*s->rule), compare_rules) : NULL;
}

static unsigned link_of(const struct path_set *p, const struct join_way *w)
{
	return (unsigned)(w - p->joins.ways) / 2;
}

bool joins_are_steered(const struct path_set *p, const struct joined *j)
{
	return find_rule(&p->settings, j->rule);
}

bool joins_may_use(const struct path_set *p, const struct joined *j, const struct join_way *w)
{
	const struct paths_rule *r = find_rule(&p->settings, j->rule);

	if (j->before)
		return p->settings.common >> link_of(p, w) & 1;
	for (unsigned i = 0; r && i < r->count; i++)
		if (r->links[i] == link_of(p, w))
			return true;
	return !r || !r->count;
}

/* The ways of a rule in one family that can be used, best first, backups behind others; how many. */
static unsigned list_ways(const struct path_set *p, const struct paths_rule *r, unsigned f,
			  const struct join_way *out[MPGATE_MAX_LINKS])
{
	unsigned links = r->count ? r->count : p->count, n = 0;

	for (unsigned backup = 0; backup < 2; backup++)
		for (unsigned i = 0; i < links; i++) {
			unsigned link = r->count ? r->links[i] : i;
			const struct join_way *w = &p->joins.ways[2 * link + f];

			if (w->open && (w->flags != 0) == backup)
				out[n++] = w;
		}
	return n;
}

static bool is_sooner(const struct join_way *a, const struct join_way *b)
{
	if (a->flags != b->flags)
		return !a->flags;
	return a->rtt_us && (!b->rtt_us || a->rtt_us < b->rtt_us);
}

uint32_t joins_flags(const struct path_set *p, const struct joined *j, const struct join_way *w)
{
	const struct paths_rule *r = find_rule(&p->settings, j->rule);
	const struct join_way *ways[MPGATE_MAX_LINKS], *best;
	unsigned n;

	if (!r || r->steer == CFG_STEER_BALANCE)
		return w->flags;
	n = list_ways(p, r, (unsigned)(w - p->joins.ways) % 2, ways);
	best = n ? ways[0] : w;
	for (unsigned i = 1; i < n && r->steer == CFG_STEER_DELAY; i++)
		best = is_sooner(ways[i], best) ? ways[i] : best;
	/* And those behind it, as long as all before are full. What is a backup for all is none for that. */
	for (unsigned i = 0; i < n && r->steer == CFG_STEER_PRIORITY && best != w; i++) {
		if (ways[i] == w)
			return w->flags;
		if (!ways[i]->full)
			break;
	}
	return best == w ? 0 : MPTCP_PM_ADDR_FLAG_BACKUP;
}
