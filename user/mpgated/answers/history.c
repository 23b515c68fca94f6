// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/answers/history.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- paths */

int history_path_open(struct history_path *p)
{
	p->ring = calloc(HISTORY_SAMPLES, sizeof(*p->ring));
	p->count = 0;
	return p->ring ? 0 : -ENOMEM;
}

void history_path_free(struct history_path *p)
{
	free(p->ring);
	*p = (struct history_path){ 0 };
}

void history_put(struct history_path *p, uint64_t period, const struct history_sample *sample)
{
	uint64_t new = !p->count ? 1 : period > p->last ? period - p->last : 0;

	if (!new)
		return;
	if (new > HISTORY_SAMPLES)
		new = HISTORY_SAMPLES;
	for (uint64_t back = 1; back < new; back++)
		p->ring[(period - back) % HISTORY_SAMPLES] = (struct history_sample){ 0 };
	p->ring[period % HISTORY_SAMPLES] = *sample;
	p->last = period;
	p->count = p->count + new < HISTORY_SAMPLES ? p->count + (unsigned)new : HISTORY_SAMPLES;
}

const struct history_sample *history_get(const struct history_path *p, unsigned i)
{
	return &p->ring[(p->last - (p->count - 1 - i)) % HISTORY_SAMPLES];
}

/* --- failures */

void history_look_begin(struct history_failures *f)
{
	for (unsigned i = 0; i < f->count; i++)
		f->list[i].seen = false;
}

static struct history_failure *find(struct history_failures *f, enum history_kind kind, const char *name,
				    const char *link, const char *state)
{
	for (unsigned i = 0; i < f->count; i++) {
		struct history_failure *l = &f->list[i];

		if (!l->ended && l->kind == kind && !strcmp(l->state, state) && !strcmp(l->name, name) &&
		    !strcmp(l->link, link))
			return l;
	}
	return NULL;
}

/* Room for another one, behind all others; NULL: all that there are last. */
static struct history_failure *make_room(struct history_failures *f)
{
	unsigned oldest = 0;

	if (f->count < HISTORY_FAILURES)
		return &f->list[f->count++];
	while (oldest < f->count && !f->list[oldest].ended)
		oldest++;
	if (oldest == f->count)
		return NULL;
	memmove(&f->list[oldest], &f->list[oldest + 1], (f->count - 1 - oldest) * sizeof(f->list[0]));
	return &f->list[f->count - 1];
}

void history_failing(struct history_failures *f, enum history_kind kind, const char *name, const char *link,
		     const char *state, const char *why, const char *to, uint64_t now)
{
	struct history_failure *l = find(f, kind, name, link, state);

	if (!l) {
		l = make_room(f);
		if (!l)
			return;
		*l = (struct history_failure){ .kind = kind, .state = state, .began = now };
		snprintf(l->name, sizeof(l->name), "%s", name);
		snprintf(l->link, sizeof(l->link), "%s", link);
		snprintf(l->why, sizeof(l->why), "%s", why);
		snprintf(l->to, sizeof(l->to), "%s", to);
	}
	l->seen = true;
}

void history_look_end(struct history_failures *f, uint64_t now)
{
	for (unsigned i = 0; i < f->count; i++)
		if (!f->list[i].ended && !f->list[i].seen)
			f->list[i].ended = now;
}
