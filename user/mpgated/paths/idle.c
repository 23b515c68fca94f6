// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/internal.h>

#include <lib/log.h>
#include <stdlib.h>
#include <uv.h>

#define UNANSWERED 3U /* of what was said in a row: then it is dead, if another one is not */
#define RENEWED_MS 6000U /* within that time another one stands */
#define NS_PER_MS 1000000ULL

/* A subflow at the last look. */
struct idle {
	uint64_t cookie; /* keep first: found by it */
	struct nl_subflow s;
	unsigned way; /* 2 * the link's index and family */
	uint32_t idle_ms; /* since a packet that a NAT has seen for certain */
	uint32_t before_ms; /* the same, before what is not answered now */
	uint64_t kept; /* ms: it said something that has no answer (MP_PRIO, RM_ADDR), 0: not since it was heard */
	bool renewed;
	bool ended; /* by us */
};

static int by_cookie(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct idle *find(const struct nl_list *l, uint64_t cookie)
{
	return l->n ? bsearch(&cookie, l->v, l->n, sizeof(struct idle), by_cookie) : NULL;
}

static void note_ended(struct path_set *p)
{
	struct nl_list *ended = &p->joins.ended;
	const uint64_t *cookie = ended->v;

	for (unsigned k = 0; k < ended->n; k++) {
		struct idle *i = find(&p->idler.before, cookie[k]);

		if (i)
			i->ended = true;
	}
	ended->n = 0;
}

void idle_free(struct idler *d)
{
	nl_list_free(&d->before);
	*d = (struct idler){ 0 };
}

static struct nat *nat_of(struct path_set *p, unsigned way)
{
	return &p->links[way / 2].nat[way % 2];
}

static void tell(struct path_set *p, unsigned way)
{
	const struct nat *n = nat_of(p, way);
	const char *name = p->links[way / 2].pub.name;

	if (n->forgets_ms)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, name }),
			 "%s, IPv%u: something on the way forgets connections that are silent for %u s: idle ones "
			 "say something every %u s",
			 name, way % 2 ? 6 : 4, (n->forgets_ms + 500) / 1000, n->keep_ms / 1000);
	else
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PATH, name }),
			 "%s, IPv%u: silent connections are forgotten no more", name, way % 2 ? 6 : 4);
}

/* It seems dead, after so long a silence and slack_ms more at most. Should that be so another one will stand soon. */
static bool renew(struct path_set *p, const struct idle *i, uint32_t idle_ms, uint32_t slack_ms, uint64_t now)
{
	const struct join_way *w = &p->joins.ways[i->way];
	struct idler *d = &p->idler;

	if (idle_ms + slack_ms <= NAT_LEAST_MS || !w->open || !subflows_renew(p, &i->s, w))
		return false;
	p->sampler.stale = true;
	p->sampler.next_ms = SAMPLE_SOON_MS;
	nat_gone(nat_of(p, i->way), i->cookie, true, now);
	d->renewal[d->next++ % IDLE_RENEWALS] = (struct renewal){
		.token = i->s.token, .cookie = i->cookie, .idle_ms = idle_ms, .way = i->way, .until = now + RENEWED_MS
	};
	return true;
}

static void heard(struct path_set *p, const struct idle *was)
{
	uint32_t idle = was->s.unanswered ? was->before_ms : was->idle_ms;

	if (nat_lived(nat_of(p, was->way), was->cookie, idle))
		tell(p, was->way);
}

/* What is known of a subflow by now, and is to be done. */
static struct idle look_at(struct path_set *p, const struct nl_subflow *s, unsigned way, uint32_t span, uint64_t now)
{
	const struct idle *was = find(&p->idler.before, s->cookie);
	struct idle i = { .cookie = s->cookie, .s = *s, .way = way, .idle_ms = s->quiet_ms };

	if (was && s->quiet_ms < was->s.quiet_ms + span / 2) {
		heard(p, was);
	} else if (was) {
		i.kept = s->packets != was->s.packets && s->unanswered == was->s.unanswered ? now : was->kept;
		i.ended = was->ended;
		i.renewed = was->renewed;
		i.before_ms = was->s.unanswered ? was->before_ms : was->idle_ms;
	}
	/* Seen late: it is not known when that was said. */
	if (!was && s->unanswered)
		i.before_ms = s->quiet_ms;
	if (i.kept && now - i.kept < i.idle_ms)
		i.idle_ms = (uint32_t)(now - i.kept);
	if (!s->connected)
		return i;
	if (s->unanswered >= UNANSWERED && !i.renewed && !i.ended) {
		i.renewed = renew(p, &i, i.before_ms, 0, now);
	} else if (!s->unanswered && nat_keeps(nat_of(p, way), i.cookie, i.idle_ms, span, now)) {
		mptcp_pm_prio(&p->pm, s, s->backup);
		i.kept = now;
		i.idle_ms = 0;
	}
	return i;
}

/* Those that are no more: reset by who has no entry for them, or ended with their connection. */
static void look_for_lost(struct path_set *p, const struct nl_list *now_there, uint32_t span, uint64_t now)
{
	const struct idle *was = p->idler.before.v;

	for (unsigned k = 0; k < p->idler.before.n; k++) {
		if (find(now_there, was[k].cookie))
			continue;
		/* Of a connection that has ended the kernel knows nothing. */
		if (was[k].s.connected && !was[k].ended && !was[k].renewed)
			renew(p, &was[k], was[k].s.unanswered ? was[k].before_ms : was[k].idle_ms, span, now);
		nat_gone(nat_of(p, was[k].way), was[k].cookie, false, now);
	}
}

static void look_for_renewed(struct path_set *p, const struct idle *i, uint64_t now)
{
	for (unsigned k = 0; k < IDLE_RENEWALS; k++) {
		struct renewal *r = &p->idler.renewal[k];

		if (r->token != i->s.token || r->way != i->way || r->cookie == i->cookie || !i->s.connected)
			continue;
		r->token = 0;
		/* The old one is to end, if it is there. */
		joins_look_soon(&p->joins);
		if (now < r->until && r->idle_ms >= NAT_LEAST_MS && nat_died(nat_of(p, r->way), r->idle_ms, now))
			tell(p, r->way);
	}
}

/* The path that it is of, 2 * p->count: none. */
static unsigned way_of(const struct path_set *p, const struct nl_subflow *s)
{
	const struct join_way *w = joins_way(p, &s->local);

	return w ? (unsigned)(w - p->joins.ways) : 2 * p->count;
}

static void show(struct path_set *p)
{
	for (unsigned i = 0; i < 2 * p->count; i++)
		p->links[i / 2].sample.forgets_ms[i % 2] = nat_of(p, i)->forgets_ms;
}

void idle_look(struct path_set *p)
{
	const struct nl_subflow *s = p->sampler.known.v;
	uint64_t now = uv_hrtime() / NS_PER_MS;
	struct idler *d = &p->idler;
	uint32_t span = d->at ? (uint32_t)(now - d->at) : 0;
	struct nl_list list = { 0 };
	const struct idle *i;

	if (!p->sampler.taken || !p->joins.managed)
		return;
	note_ended(p);
	for (unsigned k = 0; k < 2 * p->count; k++)
		nat_at(nat_of(p, k), &p->links[k / 2].pub.addr[k % 2]);
	for (unsigned k = 0; k < p->sampler.known.n; k++) {
		unsigned way = way_of(p, &s[k]);
		struct idle one;

		if (way >= 2 * p->count)
			continue;
		one = look_at(p, &s[k], way, span, now);
		nl_list_add(&list, &one, sizeof(one));
	}
	if (list.n)
		qsort(list.v, list.n, sizeof(struct idle), by_cookie);
	look_for_lost(p, &list, span, now);
	i = list.v;
	for (unsigned k = 0; k < list.n; k++)
		look_for_renewed(p, &i[k], now);
	nl_list_free(&d->before);
	d->before = list;
	d->at = now;
	show(p);
}
