// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include <mpgated/answers/why.h>

static bool is_set(const struct mpgate_addr *a)
{
	static const struct mpgate_addr none;

	return memcmp(a, &none, sizeof(none)) != 0;
}

bool why_is_probed(const struct supervisor *s, unsigned f)
{
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		for (unsigned k = 0; k < s->cfg->peers[i].address_count; k++)
			if (config_dials(&s->cfg->peers[i]) && addr_is_v4(&s->cfg->peers[i].address[k]) == !f)
				return true;
	return false;
}

/* Is there such a way? link: over that one, in that family; NULL: over any path. */
static bool has_way(const struct supervisor *s, const char *link, unsigned f, bool (*is)(const struct health_way *w))
{
	for (unsigned k = 0; k < s->cfg->peer_count; k++) {
		const struct health *h = &s->peers[s->peer_slot[k]].health;

		for (unsigned n = 0; n < h->count; n++)
			if ((!link || (!strcmp(h->way[n].path.name, link) && h->way[n].path.v6 == f)) && is(&h->way[n]))
				return true;
	}
	return false;
}

/* Somebody refuses probes there: then the path is not what is wrong. */
static bool is_refused(const struct health_way *w)
{
	return w->state == HEALTH_DOWN && w->trouble == TROUBLE_REFUSED;
}

static bool is_plain(const struct health_way *w)
{
	return w->state == HEALTH_UP && w->plain;
}

static bool bonds(const struct health_way *w)
{
	return w->state == HEALTH_UP && !w->plain;
}

bool why_bonds(const struct supervisor *s)
{
	return has_way(s, NULL, 0, bonds);
}

static enum why find(const struct supervisor *s, unsigned i, unsigned f)
{
	const struct paths_link *l = paths_get(s->paths, i);
	const struct paths_route *r = &l->route[f];
	const char *name = s->cfg->links[i].name;

	if (!l->ifindex)
		return WHY_ABSENT;
	if (!l->up)
		return WHY_DOWN;
	if (l->twin[f])
		return WHY_TWIN;
	if (!is_set(&l->addr[f]))
		return l->tentative[f] ? WHY_TENTATIVE : WHY_NO_ADDRESS;
	if (r->stray_table && r->stray_rule)
		return WHY_FOREIGN_RULE;
	if (r->stray_table)
		return r->source == PATHS_NO_GATEWAY ? WHY_NO_GATEWAY : WHY_NO_ROUTE;
	if (l->held)
		return WHY_HELD;
	switch (peers_path_health(s, i, f)) {
	case HEALTH_DOWN:
		return has_way(s, name, f, is_refused) ? WHY_REFUSED : WHY_DEAD;
	case HEALTH_UP:
		if (has_way(s, name, f, is_plain) && !has_way(s, name, f, bonds))
			return WHY_PLAIN;
		return l->deprecated[f] ? WHY_DEPRECATED : WHY_NONE;
	default:
		return why_is_probed(s, f) ? WHY_UNKNOWN : WHY_NONE;
	}
}

enum why why_find(const struct supervisor *s, unsigned i, unsigned f, char *text, size_t size)
{
	static const char *const words[] = {
		[WHY_ABSENT] = "absent: no such link",
		[WHY_DOWN] = "link down",
		[WHY_TENTATIVE] = "address not ready: tentative, or somebody else has it",
		[WHY_NO_ADDRESS] = "no address",
		[WHY_NO_GATEWAY] = "no gateway known",
		[WHY_NO_ROUTE] = "its routes do not lead to a peer",
		[WHY_HELD] = "held back: it comes and goes",
		[WHY_DEAD] = "no peer answers over it",
		[WHY_REFUSED] = "peers refuse what comes over it",
		[WHY_PLAIN] = "peers answer in plain TCP over it: nothing is bonded",
		[WHY_DEPRECATED] = "used, from a deprecated address: it has no other",
		[WHY_UNKNOWN] = "no answer of a peer yet",
		[WHY_NONE] = "",
	};
	const struct paths_link *l = paths_get(s->paths, i);
	const struct paths_route *r = &l->route[f];
	enum why why = find(s, i, f);
	char name[IF_NAMESIZE];

	if (why == WHY_FOREIGN_RULE)
		snprintf(text, size, "the rule %u of somebody else takes its packets to table %u, out of %s",
			 r->stray_rule, r->stray_table, paths_link_name(r->stray_link, name));
	else if (why == WHY_TWIN)
		snprintf(text, size, "%s has the same address", paths_link_name(l->twin[f], name));
	else if (why == WHY_NO_GATEWAY && f && paths_ignores_adverts(l))
		snprintf(text, size,
			 "no gateway known: router advertisements are not taken, since accept_ra is 1 and forwarding "
			 "on");
	else
		snprintf(text, size, "%s", words[why]);
	return why;
}

static void add_gateway(const struct paths_link *l, unsigned f, json_t *o)
{
	static const char *const gateway[] = { "gateway4", "gateway6" }, *const from[] = { "gateway4_from",
											   "gateway6_from" };
	const struct paths_route *r = &l->route[f];
	char text[ADDR_TEXT];

	if (r->source == PATHS_NO_GATEWAY)
		return;
	json_set_text(o, gateway[f], is_set(&r->via) ? addr_print(&r->via, text) : "link");
	snprintf(text, sizeof(text), "table %u", r->table);
	json_set_text(o, from[f],
		      r->source == PATHS_CONFIGURED ? "configuration"
		      : r->source == PATHS_MAIN	    ? "table main"
						    : text);
}

void why_add(const struct supervisor *s, unsigned i, json_t *o)
{
	const struct paths_link *l = paths_get(s->paths, i);
	char text[2][160], both[2 * 160 + 32];
	enum why why[2];

	for (unsigned f = 0; f < 2; f++) {
		add_gateway(l, f, o);
		why[f] = why_find(s, i, f, text[f], sizeof(text[f]));
		/* A family that the link does not have is no news, where it has the other. */
		if (why[f] == WHY_NO_ADDRESS && is_set(&l->addr[!f]))
			why[f] = WHY_NONE;
	}
	if (why[0] == why[1] && !strcmp(text[0], text[1]))
		snprintf(both, sizeof(both), "%s", text[0]);
	else if (why[0] != WHY_NONE && why[1] != WHY_NONE)
		snprintf(both, sizeof(both), "IPv4: %s; IPv6: %s", text[0], text[1]);
	else
		snprintf(both, sizeof(both), "IPv%d: %s", why[0] != WHY_NONE ? 4 : 6,
			 why[0] != WHY_NONE ? text[0] : text[1]);
	if (why[0] != WHY_NONE || why[1] != WHY_NONE)
		json_set_text(o, "why", both);
}
