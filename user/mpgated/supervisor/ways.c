// SPDX-License-Identifier: GPL-2.0-or-later
/* Which paths ways to peers go over, and what others want to know of them, by link. */
#include <string.h>

#include <mpgated/supervisor/supervisor.h>

#define FRESH_MS 15000U /* a probe of then says how a path is now */

/* What is known of links has their names, and a reload may be under way. */
const char *ways_later(const struct supervisor *s, unsigned link)
{
	const struct quality_link *l = &s->quality.link[link];

	return link < s->quality.count && !strcmp(l->link, s->cfg->links[link].name) ? quality_later(l) : NULL;
}

/* A link is before another: primary ones first, slow ones last, then as the main table prefers them, then in their
 * order. */
static bool is_before(const struct supervisor *s, unsigned a, unsigned b, unsigned f)
{
	bool a_spare = paths_get(s->paths, a)->backup, b_spare = paths_get(s->paths, b)->backup;
	bool a_later = ways_later(s, a) != NULL, b_later = ways_later(s, b) != NULL;
	uint32_t a_metric = paths_get(s->paths, a)->metric[f], b_metric = paths_get(s->paths, b)->metric[f];

	if (a_spare != b_spare)
		return b_spare;
	return a_later != b_later ? b_later : a_metric < b_metric;
}

static bool is_way(const struct supervisor *s, unsigned link, unsigned f)
{
	static const struct mpgate_addr none;
	const struct paths_link *l = paths_get(s->paths, link);

	return s->cfg->links[link].role == CFG_PATH && l->up && memcmp(&l->addr[f], &none, sizeof(none)) != 0 &&
	       !paths_is_astray(l, f);
}

/* The paths of one family, best first; also notes which the main table prefers. */
static unsigned list_paths(struct supervisor *s, unsigned f, struct health_path *out)
{
	unsigned order[MPGATE_MAX_LINKS], n = 0;
	uint32_t best = UINT32_MAX;

	memset(&s->main_path[f], 0, sizeof(s->main_path[f]));
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		unsigned k = n;

		if (!is_way(s, i, f))
			continue;
		for (; k && is_before(s, i, order[k - 1], f); k--)
			order[k] = order[k - 1];
		order[k] = i;
		n++;
	}
	for (unsigned i = 0; i < n; i++) {
		const struct paths_link *l = paths_get(s->paths, order[i]);

		out[i] = (struct health_path){ .v6 = f, .backup = l->backup, .from = l->addr[f] };
		memcpy(out[i].name, l->name, sizeof(out[i].name));
		if (l->metric[f] < best && l->metric[f] != PATHS_ELSEWHERE)
			s->main_path[f] = out[i];
		best = l->metric[f] < best ? l->metric[f] : best;
	}
	return n;
}

unsigned ways_list_paths(struct supervisor *s, struct health_path *out)
{
	unsigned n = list_paths(s, 0, out);

	return n + list_paths(s, 1, out + n);
}

/* The index of the link with that name, -1: there is none. */
static int find_link(const struct supervisor *s, const char *name)
{
	for (unsigned i = 0; i < s->cfg->link_count; i++)
		if (!strcmp(s->cfg->links[i].name, name))
			return (int)i;
	return -1;
}

/* For rules that say which paths they use. */
void ways_tell(const struct peer *p)
{
	struct peer_shared *shared = &p->sup->shm->peers[p->slot];
	struct way_shared way[WAYS_SHARED] = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; i < p->health.count; i++) {
		const struct health_way *h = &p->health.way[i];
		int index = find_link(p->sup, h->path.name);

		if (index < 0)
			continue;
		way[n++] = (struct way_shared){ .from = h->path.from,
						.ifindex = paths_get(p->sup->paths, (unsigned)index)->ifindex,
						.rtt_us = h->rtt_us,
						.address = h->address,
						.link = (uint8_t)paths_slot(p->sup->paths, (unsigned)index),
						.state = h->state == HEALTH_DOWN ? WAY_DOWN
							 : h->plain		 ? WAY_PLAIN
										 : WAY_GOOD };
	}
	if (shared->way_count == n && !memcmp(shared->way, way, sizeof(way)))
		return;
	__atomic_add_fetch(&shared->ways_written, 1, __ATOMIC_SEQ_CST);
	memcpy(shared->way, way, sizeof(way));
	shared->way_count = n;
	__atomic_add_fetch(&shared->ways_written, 1, __ATOMIC_SEQ_CST);
}

uint32_t ways_rtt(const struct supervisor *s, const char *link, uint64_t now)
{
	uint32_t rtt = 0;

	for (unsigned i = 0; i < s->peer_slots; i++)
		for (unsigned k = 0; s->peers[i].name && k < s->peers[i].health.count; k++) {
			const struct health_way *w = &s->peers[i].health.way[k];

			if (w->state == HEALTH_UP && now - w->last < FRESH_MS && !strcmp(w->path.name, link) &&
			    w->rtt_us && (!rtt || w->rtt_us < rtt))
				rtt = w->rtt_us;
		}
	return rtt;
}
