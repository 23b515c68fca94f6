// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/rank.h>

#include <stdio.h>
#include <string.h>

#include <lib/addr.h>
#include <lib/log.h>
#include <mpgated/supervisor/supervisor.h>

/* --- which rank, by all reasons */

static struct rank_verdict wished(const struct rank_view *v)
{
	unsigned by = 0;

	while (by < RANK_REASONS && v->wish[by] == PATHS_RANK_USE)
		by++;
	return (struct rank_verdict){ .rank = by < RANK_REASONS ? v->wish[by] : PATHS_RANK_USE,
				      .by = (enum rank_reason)by };
}

static bool is_primary(const struct rank_view *v, const struct rank_verdict *d)
{
	return d->rank == PATHS_RANK_PRIMARY || (d->rank == PATHS_RANK_USE && v->primary);
}

/* How little a backup is to be avoided. */
static unsigned standing(const struct rank_view *v, const struct rank_verdict *d)
{
	if (d->by == RANK_QUOTA)
		return 1 + v->primary;
	return d->by == RANK_REASONS ? 4 : 3 + 2 * v->primary;
}

void rank_decide(const struct rank_view *v, unsigned n, struct rank_verdict *out)
{
	bool wish = false, primary = false;
	unsigned last = n;

	for (unsigned i = 0; i < n; i++) {
		out[i] = wished(&v[i]);
		if (!v[i].path || !v[i].well)
			continue;
		wish |= out[i].rank == PATHS_RANK_BACKUP;
		primary |= is_primary(&v[i], &out[i]);
		if (last == n || standing(&v[i], &out[i]) > standing(&v[last], &out[last]))
			last = i;
	}
	if (!wish || primary)
		return;
	out[last].rank = PATHS_RANK_PRIMARY;
	out[last].last = true;
}

/* --- of the running daemon */

/* Down in one family: those over the other are of use. */
static bool is_well(const struct rank *r, const struct paths_link *l)
{
	bool well = false;

	for (unsigned f = 0; f < 2; f++)
		well |= addr_is_set(&l->addr[f]) && !r->down[f];
	return well && l->up && !l->held;
}

/* What is known of links stays with their names. */
static void rename_links(struct supervisor *s)
{
	struct ranks *r = &s->ranks;
	bool same = r->count == s->cfg->link_count;
	struct ranks old;

	for (unsigned i = 0; i < r->count && same; i++)
		same = !strcmp(r->link[i].link, s->cfg->links[i].name);
	if (same)
		return;
	old = *r;
	memset(r, 0, sizeof(*r));
	r->count = s->cfg->link_count;
	for (unsigned i = 0; i < r->count; i++) {
		for (unsigned k = 0; k < old.count; k++)
			if (!strcmp(old.link[k].link, s->cfg->links[i].name))
				r->link[i] = old.link[k];
		snprintf(r->link[i].link, sizeof(r->link[i].link), "%s", s->cfg->links[i].name);
	}
}

static void explain(const struct rank *r, const struct rank_verdict *d, char text[RANK_WHY])
{
	const char *why = d->by < RANK_REASONS ? r->why[d->by] : "";

	if (!d->last)
		snprintf(text, RANK_WHY, "%s", why);
	else
		snprintf(text, RANK_WHY, "no other path is well%s%.60s", *why ? "; " : "", why);
}

static void change(struct supervisor *s, unsigned i, const struct rank_verdict *d)
{
	static const char *const names[] = { "as configured", "primary", "backup" };
	struct rank *r = &s->ranks.link[i];
	char text[RANK_WHY];

	explain(r, d, text);
	if (r->now.rank != d->rank || strcmp(r->text, text) != 0)
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PATH, s->cfg->links[i].name }), "path %s: %s%s%s",
			 s->cfg->links[i].path, names[d->rank], *text ? ": " : "", text);
	r->now = *d;
	memcpy(r->text, text, sizeof(text));
	paths_set_rank(s->paths, i, d->rank);
}

static struct rank_view view_of(const struct supervisor *s, unsigned i)
{
	const struct cfg_link *c = &s->cfg->links[i];
	const struct rank *r = &s->ranks.link[i];
	struct rank_view v = { .path = c->role == CFG_PATH, .primary = c->use == CFG_PRIMARY };

	v.well = v.path && is_well(r, paths_get(s->paths, i));
	memcpy(v.wish, r->wish, sizeof(v.wish));
	return v;
}

void rank_settle(struct supervisor *s)
{
	struct rank_view view[MPGATE_MAX_LINKS] = { 0 };
	struct rank_verdict verdict[MPGATE_MAX_LINKS];

	rename_links(s);
	for (unsigned i = 0; i < s->ranks.count; i++)
		view[i] = view_of(s, i);
	rank_decide(view, s->ranks.count, verdict);
	for (unsigned i = 0; i < s->ranks.count; i++)
		if (view[i].path)
			change(s, i, &verdict[i]);
}

void rank_set_down(struct supervisor *s, unsigned link, unsigned f, bool down)
{
	rename_links(s);
	if (link < s->ranks.count)
		s->ranks.link[link].down[f] = down;
}

void rank_set(struct supervisor *s, unsigned link, enum rank_reason reason, enum paths_rank wish, const char *why)
{
	struct rank *r = &s->ranks.link[link];

	rename_links(s);
	if (link >= s->ranks.count || (r->wish[reason] == wish && wish == PATHS_RANK_USE))
		return;
	if (r->wish[reason] == wish && !strcmp(r->why[reason], why))
		return;
	snprintf(r->why[reason], sizeof(r->why[reason]), "%s", wish == PATHS_RANK_USE ? "" : why);
	r->wish[reason] = wish;
	rank_settle(s);
}

bool rank_is_primary(const struct supervisor *s, unsigned link, enum rank_reason but)
{
	struct rank_view v = view_of(s, link);
	struct rank_verdict d;

	v.wish[but] = PATHS_RANK_USE;
	d = wished(&v);
	return v.well && is_primary(&v, &d);
}

const char *rank_why(const struct supervisor *s, unsigned link, enum paths_rank *rank)
{
	const struct rank *r = &s->ranks.link[link];

	*rank = PATHS_RANK_USE;
	/* A reload may be under way. */
	if (link >= s->ranks.count || strcmp(r->link, s->cfg->links[link].name) != 0 || !*r->text)
		return NULL;
	*rank = r->now.rank;
	return r->text;
}
