// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Do the paths lead to the peers? The kernel is asked where a packet from each path's address would go: that has all
 * rules and routes in it, others' as well. A path without a gateway must not be taken: the main table would send its
 * packets over another link, where a NAT may even make them pass.
 */
#include <mpgated/paths/internal.h>

#include <errno.h>
#include <lib/log.h>
#include <linux/rtnetlink.h>
#include <mpgated/paths/route.h>
#include <uv.h>

#define TELL_MS 3000 /* it lasts so long: DHCP gives the address first, and the route a moment later */
#define MOST_PEERS 16U /* addresses of peers that are asked about */

/* Does it lead there, or is it not known? Else *way has where to; no link: nowhere. */
static bool leads(struct path_set *p, const struct path_link *l, unsigned f, const struct path_peer *peer,
		  struct nl_way *way)
{
	int err = route_ask(&p->rt, &l->pub.addr[f], &peer->addr, peer->port, way);

	if (err == -ENETUNREACH || err == -EHOSTUNREACH || err == -EACCES)
		return false;
	return err || way->oif == l->pub.ifindex || way->type == RTN_LOCAL;
}

const char *paths_link_name(uint32_t ifindex, char name[IF_NAMESIZE])
{
	/* It may have gone meanwhile. */
	return ifindex && if_indextoname(ifindex, name) ? name : "no link";
}

static void tell(const struct path_link *l, unsigned f)
{
	const struct paths_route *r = &l->pub.route[f];
	char to[IF_NAMESIZE];

	if (r->stray_rule)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->pub.name }),
			 "%s: the rule %u of somebody else takes its IPv%u packets to table %u, out of %s", l->pub.name,
			 r->stray_rule, f ? 6 : 4, r->stray_table, paths_link_name(r->stray_link, to));
	else
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->pub.name }),
			 "%s: no IPv%u gateway is known, so it is not used in IPv%u", l->pub.name, f ? 6 : 4,
			 f ? 6 : 4);
}

static void note(struct path_set *p, struct path_link *l, unsigned f, bool stray)
{
	uint64_t now = uv_hrtime() / 1000000;

	if (!stray) {
		p->stray_news |= l->stray_told[f];
		if (l->stray_told[f])
			log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PATH, l->pub.name }),
				 "%s: IPv%u packets to peers take it again", l->pub.name, f ? 6 : 4);
		l->stray_told[f] = false;
		l->stray_since[f] = 0;
		return;
	}
	if (!l->stray_since[f])
		l->stray_since[f] = now;
	if (l->stray_told[f])
		return;
	l->stray_told[f] = now >= l->stray_since[f] + TELL_MS;
	p->stray_news |= l->stray_told[f];
	if (l->stray_told[f])
		tell(l, f);
	else if (!p->look_ms || p->look_ms > TELL_MS)
		p->look_ms = TELL_MS;
}

static void look_at(struct path_set *p, struct path_link *l, unsigned f)
{
	struct paths_route *r = &l->pub.route[f];
	const struct path_settings *s = &p->settings;
	struct nl_way first = { 0 }, way;
	unsigned asked = 0;
	bool leads_there = false;

	for (unsigned i = 0; i < s->peer_count && asked < MOST_PEERS && !leads_there; i++) {
		if (addr_is_v4(&s->peer[i].addr) != !f)
			continue;
		leads_there = leads(p, l, f, &s->peer[i], &way);
		first = asked++ ? first : way;
	}
	if (asked && !leads_there) {
		r->stray_table = first.table ? first.table : RT_TABLE_MAIN;
		r->stray_link = first.oif;
		r->stray_rule = rule_before(&p->rt, paths_families[f], r->stray_table);
	}
	note(p, l, f, asked && !leads_there);
}

void reach_look(struct path_set *p, unsigned f)
{
	for (unsigned i = 0; i < p->count; i++) {
		struct path_link *l = &p->links[i];

		l->pub.route[f].stray_table = l->pub.route[f].stray_link = l->pub.route[f].stray_rule = 0;
		if (link_is_path(l, f) && l->pub.up)
			look_at(p, l, f);
	}
}
