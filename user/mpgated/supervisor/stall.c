// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/stall.h>

#include <mpgated/supervisor/supervisor.h>

bool stall_step(struct stall_link *l, bool carries, bool others, uint64_t now)
{
	bool stalled = !carries && others && l->carried && now >= l->carried + STALL_MS;

	if (carries)
		l->carried = now;
	else if (stalled || now >= l->carried + STALL_OLD_MS)
		l->carried = 0;
	return stalled;
}

/* As for a path that is down, or by now a backup: it is known why it carries nothing. */
static bool is_expected(const struct supervisor *s, unsigned i)
{
	const struct paths_link *l = paths_get(s->paths, i);

	return !l->up || l->held || l->backup;
}

void stall_sampled(struct supervisor *s)
{
	unsigned n = s->cfg->link_count, carrying = 0;
	bool carries[MPGATE_MAX_LINKS];

	/* Not at the start, nor during a reload. */
	if (!s->paths || paths_count(s->paths) != n)
		return;
	for (unsigned i = 0; i < n; i++) {
		const struct paths_sample *m = paths_get_sample(s->paths, i);
		uint64_t bytes = m->span_sent + m->span_received;

		carries[i] = m->span_ms && bytes * 1000 >= (uint64_t)STALL_MUCH * m->span_ms;
		carrying += carries[i];
	}
	for (unsigned i = 0; i < n; i++) {
		if (is_expected(s, i))
			s->stall[i].carried = 0;
		else if (stall_step(&s->stall[i], carries[i], carrying > 0, uv_now(&s->loop)))
			peers_suspect_path(s, s->cfg->links[i].name);
	}
}
