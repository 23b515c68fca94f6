// SPDX-License-Identifier: GPL-2.0-or-later
/* What others want to know of the ways to peers, by link. */
#include <string.h>

#include <mpgated/supervisor/supervisor.h>

#define FRESH_MS 15000U /* a probe of then says how a path is now */

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
