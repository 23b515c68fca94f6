// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/joins.h>

#include <errno.h>
#include <lib/log.h>
#include <linux/mptcp.h>
#include <mpgated/paths/internal.h>
#include <search.h>
#include <stdlib.h>

#define TRIES_MS 30000 /* until a connection is joined, which it can be when the other side has acknowledged data */
#define TRY_MS 20
#define LOOK_MS 200 /* until what was joined has been established, or not */
#define COST 20U /* of the time at most one part of so many is looked */
#define NS_PER_MS 1000000ULL
#define KNOWN_MIN 4096U /* connections known until those that are gone are looked for */
#define KNOWN_MAX 1000000U

/* --- connections */

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

struct joined *joins_find(const struct joins *j, uint32_t token)
{
	struct joined **found = tfind(&token, &j->known, compare);

	return found ? *found : NULL;
}

struct joined *joins_know(struct joins *j, uint32_t token)
{
	struct joined *n = joins_find(j, token);

	if (n)
		return n;
	j->look |= j->count >= (j->most > KNOWN_MIN ? j->most : KNOWN_MIN);
	n = j->count < KNOWN_MAX ? calloc(1, sizeof(*n)) : NULL;
	if (!n)
		return NULL;
	n->token = token;
	if (!tsearch(n, &j->known, compare)) {
		free(n);
		return NULL;
	}
	j->count++;
	return n;
}

/* twalk() has no argument, and twalk_r() is glibc's alone. */
static _Thread_local struct nl_list *noted;

static void note_gone(const void *node, VISIT visit, int depth)
{
	struct joined *n = *(struct joined *const *)node;

	(void)depth;
	if (visit != postorder && visit != leaf)
		return;
	if (!n->seen)
		nl_list_add(noted, &n, sizeof(struct joined *));
	n->seen = false;
}

void joins_forget(struct joins *j)
{
	struct nl_list gone = { 0 };
	struct joined **v;

	noted = &gone;
	twalk(j->known, note_gone);
	v = gone.v;
	for (unsigned i = 0; i < gone.n; i++) {
		tdelete(v[i], &j->known, compare);
		free(v[i]);
		j->count--;
	}
	j->most = 2 * j->count;
	nl_list_free(&gone);
}

void joins_free(struct joins *j)
{
	tdestroy(j->known, free);
	j->known = NULL;
	j->count = 0;
	nl_list_free(&j->asked);
	nl_list_free(&j->ended);
}

const struct path_peer *joins_find_peer(const struct path_settings *s, const struct mpgate_addr *remote, uint16_t port)
{
	for (unsigned i = 0; i < s->peer_count; i++)
		if (s->peer[i].port == port && !memcmp(&s->peer[i].addr, remote, sizeof(*remote)))
			return &s->peer[i];
	return NULL;
}

bool joins_is_ours(const struct path_settings *s, bool local, const struct mpgate_addr *remote, uint16_t port)
{
	return !local || joins_find_peer(s, remote, port);
}

/* --- ways */

void joins_find_ways(const struct path_set *p, struct join_way ways[JOINS_WAYS])
{
	bool any_up = false;

	memset(ways, 0, JOINS_WAYS * sizeof(*ways));
	for (unsigned i = 0; i < p->count; i++)
		any_up |= p->links[i].role == CFG_PATH && p->links[i].pub.up && !p->links[i].pub.held &&
			  (link_is_path(&p->links[i], 0) || link_is_path(&p->links[i], 1));
	for (unsigned i = 0; i < 2 * p->count; i++) {
		const struct path_link *l = &p->links[i / 2];
		unsigned f = i % 2;

		if (!link_is_path(l, f))
			continue;
		ways[i] = (struct join_way){
			.addr = l->pub.addr[f],
			.ifindex = l->pub.ifindex,
			.flags = l->pub.backup ? MPTCP_PM_ADDR_FLAG_BACKUP : 0,
			.full = l->full,
			.rtt_us = l->rtt_us,
			.id = (uint8_t)(PATHS_ENDPOINT_ID + 2 * l->slot + f),
			/* One that is held back is better than none. */
			.gone = !l->pub.up || (l->pub.held && any_up),
			.dead = l->health[f] == PATHS_DEAD,
			.anew = l->was_down || l->anew[f],
		};
		ways[i].open = !ways[i].gone && !ways[i].dead && !(l->had_route[f] && l->pub.metric[f] == UINT32_MAX) &&
			       !paths_is_astray(&l->pub, f);
	}
}

const struct join_way *joins_way(const struct path_set *p, const struct mpgate_addr *addr)
{
	const struct join_way *ways = p->joins.ways;
	const struct nl_address *a;

	for (unsigned i = 0; i < JOINS_WAYS; i++)
		if (ways[i].ifindex && !memcmp(&ways[i].addr, addr, sizeof(*addr)))
			return &ways[i];
	a = paths_find_address(&p->addrs, addr);
	for (unsigned i = 0; a && i < JOINS_WAYS; i++)
		if (ways[i].ifindex == a->ifindex && addr_is_v4(&ways[i].addr) == addr_is_v4(addr))
			return &ways[i];
	return NULL;
}

unsigned joins_family(const struct joined *j)
{
	if (addr_is_v4(&j->local))
		return 0;
	return !j->announced || joins_to_port(j, 1) || !joins_to_port(j, 0);
}

int joins_from(struct path_set *p, const struct join_way *w, const struct joined *j)
{
	bool v4 = addr_is_v4(&w->addr);
	unsigned f = !v4;
	uint16_t port = joins_to_port(j, f);
	const struct nl_endpoint from = {
		.addr = w->addr, .ifindex = w->ifindex, .flags = joins_flags(p, j, w), .id = w->id
	};

	if (j->announced)
		return port ? mptcp_pm_join(&p->pm, j->token, &from, &j->to[f], port) : 0;
	return mptcp_pm_join(&p->pm, j->token, &from, &j->remote, j->port);
}

/* And the limits. What cannot be read is as it was. */
void joins_find_endpoints(struct path_set *p)
{
	struct joins *j = &p->joins;
	struct nl_list all = { 0 };
	struct nl_limits limits;

	if (mptcp_pm_dump(&p->pm, &all) == 0) {
		j->endpoint_count = all.n < JOINS_ENDPOINTS ? all.n : JOINS_ENDPOINTS;
		j->endpoints_cut = all.n > JOINS_ENDPOINTS;
		memset(j->endpoints, 0, sizeof(j->endpoints));
		if (all.n)
			memcpy(j->endpoints, all.v, j->endpoint_count * sizeof(*j->endpoints));
	}
	if (mptcp_pm_get_limits(&p->pm, &limits) == 0)
		j->limits = limits;
	nl_list_free(&all);
}

void joins_look_soon(struct joins *j)
{
	unsigned ms = j->took_ms * COST > LOOK_MS ? j->took_ms * COST : LOOK_MS;

	j->look = true;
	j->look_ms = !j->look_ms || ms < j->look_ms ? ms : j->look_ms;
}

/* --- what is asked */

static bool join_all(struct path_set *p, const struct joined *j)
{
	const struct join_way *first = joins_way(p, &j->local);
	const struct nl_subflow s = {
		.token = j->token, .local = j->local, .remote = j->remote, .remote_port = j->port
	};
	bool done = true, backups = false;

	for (unsigned i = 0; i < JOINS_WAYS && done; i++) {
		const struct join_way *w = &p->joins.ways[i];

		if (w->open && joins_may_use(p, j, w) && !addr_is_v4(&w->addr) == joins_family(j) &&
		    memcmp(&w->addr, &j->local, sizeof(w->addr)) != 0 && w != first)
			done = joins_from(p, w, j) != -ENOTCONN;
		backups |= w->open && joins_flags(p, j, w);
	}
	if (done && first && joins_flags(p, j, first))
		mptcp_pm_prio(&p->pm, &s, true);
	/* Those that joined as ordinary ones are seen to when they stand. */
	if (done && backups && !p->joins.backs_up)
		joins_look_soon(&p->joins);
	return done;
}

/* One of ours asks, or another program's was established. False: it is to be tried again. */
static bool serve_new(struct path_set *p, const struct join_ask *a, struct joined *j)
{
	bool has_some = !a->since && (j->asked || j->foreign);
	const struct path_peer *peer = joins_find_peer(&p->settings, &a->join.remote, a->join.port);

	if (peer && !peer->answered)
		return false;

	j->local = a->join.local;
	j->remote = a->join.remote;
	j->port = a->join.port;
	j->announced = a->join.announced || (peer && peer->announces);
	j->asked = a->kind == ASK_JOIN;
	j->foreign = !j->asked;
	j->rule = a->join.rule;
	j->before = false;
	/* Has some: a look at all subflows came first, after its path had died, or by chance. */
	if (j->foreign)
		foreign_established(p, j, !a->server && !has_some);
	else if (!has_some)
		return join_all(p, j);
	p->joins.look |= has_some;
	if (has_some)
		p->joins.look_ms = 1;
	return true;
}

/* An address that is announced, one in each family: whoever announces more does not make us join them all. */
static bool serve_announced(struct path_set *p, const struct join_ask *a, struct joined *j)
{
	unsigned f = !addr_is_v4(&a->join.remote);

	if (!a->since) {
		if (joins_to_port(j, f))
			return true;
		j->to[f] = a->join.remote;
		j->to_port[f] = a->join.port;
		if (j->foreign)
			foreign_announced(p, j, f);
	}
	return !j->asked || !j->announced || joins_family(j) != f || join_all(p, j);
}

static bool serve(struct path_set *p, const struct join_ask *a)
{
	struct joined *j = joins_know(&p->joins, a->join.token);

	if (!j || !p->joins.managed)
		return true;
	if (a->kind == ASK_NOTE) {
		j->rule = a->join.rule;
		j->before = false;
		return true;
	}
	return a->kind == ASK_ANNOUNCED ? serve_announced(p, a, j) : serve_new(p, a, j);
}

void joins_serve(struct path_set *p)
{
	struct nl_list *asked = &p->joins.asked;
	struct join_ask *a = asked->v;
	uint64_t now = uv_hrtime() / NS_PER_MS;
	unsigned kept = 0;
	bool others = false;

	for (unsigned i = 0; i < asked->n; i++)
		others |= a[i].kind >= ASK_ESTABLISHED;
	if (others && p->joins.foreign)
		joins_find_endpoints(p);
	for (unsigned i = 0; i < asked->n; i++) {
		struct join_ask ask = a[i];
		unsigned wait;

		if (now >= ask.next) {
			if (serve(p, &ask))
				continue;
			ask.since = ask.since ? ask.since : now;
			/* The longer it takes the less often. */
			ask.next = now + TRY_MS + (now - ask.since) / 4;
			if (now >= ask.since + TRIES_MS)
				continue;
		}
		wait = (unsigned)(ask.next - now);
		p->joins.retry_ms = !p->joins.retry_ms || wait < p->joins.retry_ms ? wait : p->joins.retry_ms;
		a[kept++] = ask;
	}
	asked->n = kept;
}
