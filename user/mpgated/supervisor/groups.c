// SPDX-License-Identifier: GPL-2.0-or-later
/* Peers of a group take each other's place. Which of them a new connection gets is steer's part (bpf/reach.h). */
#include <lib/log.h>
#include <mpgated/supervisor/supervisor.h>

void groups_settle(struct supervisor *s)
{
	for (unsigned i = 0; i < s->peer_slots; i++)
		s->peers[i].health.spare = false;
	for (unsigned i = 0; i < s->cfg->group_count; i++)
		for (unsigned k = 0; k < s->cfg->groups[i].peer_count; k++)
			s->peers[s->peer_slot[s->cfg->groups[i].peers[k]]].health.spare |=
				s->cfg->groups[i].peer_count > 1;
}

void groups_use(const struct supervisor *s, bool used[MPGATE_MAX_PEERS])
{
	for (unsigned i = 0; i < s->cfg->group_count; i++) {
		const struct cfg_group *g = &s->cfg->groups[i];
		bool any = false;

		for (unsigned k = 0; k < g->peer_count; k++)
			any |= used[s->peer_slot[g->peers[k]]];
		for (unsigned k = 0; k < g->peer_count && any; k++)
			used[s->peer_slot[g->peers[k]]] = true;
	}
}

static bool can_take_over(const struct peer *p)
{
	return p->state == PEER_UP && !p->silent && p->address_count;
}

/* Where all are late it is the access that is slow, and nothing is gained elsewhere. */
static bool has_other(const struct peer *p)
{
	const struct supervisor *s = p->sup;

	for (unsigned i = 0; i < s->cfg->group_count; i++) {
		const struct cfg_group *g = &s->cfg->groups[i];
		bool member = false, other = false;

		for (unsigned k = 0; k < g->peer_count; k++) {
			const struct peer *q = &s->peers[s->peer_slot[g->peers[k]]];

			member |= q == p;
			other |= q != p && can_take_over(q);
		}
		if (member && other)
			return true;
	}
	return false;
}

void groups_look_silent(struct peer *p, uint64_t now, uint64_t *next)
{
	uint64_t at;
	bool silent = health_silent(&p->health, now, &at) && has_other(p);

	*next = at < *next ? at : *next;
	if (silent == p->silent)
		return;
	p->silent = silent;
	if (silent)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PEER, p->name }), "peer %s is silent: others take its place",
			 p->name);
	else if (p->state == PEER_UP)
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PEER, p->name }), "peer %s answers again", p->name);
	peers_tell_steer(p);
}
