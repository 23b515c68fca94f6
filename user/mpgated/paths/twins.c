// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Paths with the same address, as two modems of one kind give it. Routing by source, MPTCP's endpoints and what
 * subflows have by their path all go by the address: one of the links has it, the others are without.
 */
#include <mpgated/paths/internal.h>

#include <lib/log.h>

static bool have_same(const struct path_link *a, const struct path_link *b, unsigned f)
{
	return link_is_path(a, f) && link_is_path(b, f) &&
	       !memcmp(&a->pub.addr[f], &b->pub.addr[f], sizeof(a->pub.addr[f]));
}

/* Which of two of a set keeps it: what is up, what has it already, then the first. */
static bool is_before(const struct path_link *a, const struct path_link *b, unsigned f)
{
	if (a->pub.up != b->pub.up)
		return a->pub.up;
	if (a->kept[f] != b->kept[f])
		return a->kept[f];
	return a < b;
}

static void settle(struct path_set *p, struct path_link *l, unsigned f)
{
	const struct path_link *best = l;

	for (unsigned i = 0; i < p->count; i++)
		if (have_same(&p->links[i], l, f) && is_before(&p->links[i], best, f))
			best = &p->links[i];
	l->pub.twin[f] = best == l ? 0 : best->pub.ifindex;
	if (l->pub.twin[f] && l->pub.twin[f] != l->twin_told[f])
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->pub.name }),
			 "%s: %s has the same IPv%u address, so it is not used in IPv%u", l->pub.name, best->pub.name,
			 f ? 6 : 4, f ? 6 : 4);
	else if (!l->pub.twin[f] && l->twin_told[f])
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PATH, l->pub.name }),
			 "%s: no other path keeps its IPv%u address from it any more", l->pub.name, f ? 6 : 4);
	l->twin_told[f] = l->pub.twin[f];
}

void twins_part(struct path_set *p)
{
	for (unsigned f = 0; f < 2; f++) {
		for (unsigned i = 0; i < p->count; i++)
			settle(p, &p->links[i], f);
		for (unsigned i = 0; i < p->count; i++)
			if (p->links[i].pub.twin[f])
				memset(&p->links[i].pub.addr[f], 0, sizeof(p->links[i].pub.addr[f]));
	}
}
