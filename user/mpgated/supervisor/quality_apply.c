// SPDX-License-Identifier: GPL-2.0-or-later
/* Samples to verdicts (quality.h), and those to ranks. */
#include <mpgated/supervisor/supervisor.h>

#include <stdio.h>
#include <string.h>

#include <lib/log.h>

/* The least round trip of the probes over a link. */
static uint32_t probed(const struct supervisor *s, const char *link)
{
	uint32_t rtt = 0;

	for (unsigned i = 0; i < s->peer_slots; i++) {
		const struct health *h = &s->peers[i].health;

		for (unsigned k = 0; s->peers[i].name && k < h->count; k++) {
			const struct health_way *w = &h->way[k];

			if (w->state == HEALTH_UP && !strcmp(w->path.name, link) && (!rtt || w->rtt_us < rtt))
				rtt = w->rtt_us;
		}
	}
	return rtt;
}

/* Where connections begin, if that is elsewhere now. */
static void tell_order(struct supervisor *s)
{
	bool changed = false;

	for (unsigned i = 0; i < s->quality.count; i++) {
		struct quality_link *l = &s->quality.link[i];

		if (quality_is_later(l) == l->told)
			continue;
		l->told = !l->told;
		changed = true;
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PATH, l->link }), "link %s: %s", l->link,
			 l->told ? quality_later(l) : "connections begin as the default routes prefer it");
	}
	if (changed)
		peers_paths_changed(s);
}

/* Called when the paths have a sample. */
void quality_sampled(void *arg)
{
	struct quality_view v[MPGATE_MAX_LINKS];
	struct supervisor *s = arg;
	unsigned n = s->cfg->link_count;

	/* Not at the start, nor during a reload. */
	if (!s->paths || paths_count(s->paths) != n)
		return;
	if (s->cfg->subflows.no_demotion) {
		for (unsigned i = 0; i < s->quality.count; i++)
			s->quality.link[i].slow = s->quality.link[i].far = false;
		tell_order(s);
		memset(&s->quality, 0, sizeof(s->quality));
		for (unsigned i = 0; i < n; i++)
			rank_set(s, i, RANK_QUALITY, PATHS_RANK_USE, "");
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		const char *name = s->cfg->links[i].name;

		v[i] = (struct quality_view){ .candidate = rank_is_primary(s, i, RANK_QUALITY),
					      .sample = *paths_get_sample(s->paths, i),
					      .probe_us = probed(s, name) };
		snprintf(v[i].link, sizeof(v[i].link), "%s", name);
	}
	quality_step(&s->quality, v, n, uv_now(&s->loop));
	for (unsigned i = 0; i < n; i++) {
		const struct quality_link *l = &s->quality.link[i];

		if (s->cfg->links[i].role == CFG_PATH)
			rank_set(s, i, RANK_QUALITY, quality_demoted(l) ? PATHS_RANK_BACKUP : PATHS_RANK_USE, l->why);
	}
	tell_order(s);
}
