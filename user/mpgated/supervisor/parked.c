// SPDX-License-Identifier: GPL-2.0-or-later
/* What steer is told of a peer: whether it can be dialed, and which workers have connections that it opened for us. */
#include <lib/log.h>
#include <mpgated/supervisor/supervisor.h>

void peers_tell_steer(const struct peer *p)
{
	bool up = p->state == PEER_UP && !p->silent;
	const struct mpgate_peer told = { .up = up, .parks = p->parks, .parked = p->parked };

	p->sup->shm->peers[p->slot].up = up;
	datapath_set_peer(p->sup->dp, p->slot, &told);
}

static void set_parked(struct peer *p, uint64_t parked, bool parks)
{
	if (parked == p->parked && parks == p->parks)
		return;
	if (!p->address_count && parks != p->parks)
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PEER, p->name }), "peer %s %s", p->name,
			 parks ? "has parked connections" : "has no parked connection any more");
	p->parked = parked;
	p->parks = parks;
	peers_tell_steer(p);
}

static uint64_t parked_now(const struct supervisor *s, unsigned slot)
{
	uint64_t parked = 0;

	for (unsigned i = 0; i < s->worker_count; i++)
		parked |= (uint64_t)(s->shm->parked[i][slot] > 0) << i;
	return parked;
}

void peers_parked(struct supervisor *s, unsigned slot)
{
	struct peer *p = slot < s->peer_slots ? &s->peers[slot] : NULL;

	if (!p || !p->name)
		return;
	/* What was parked may be in use already. */
	p->parked_since = true;
	set_parked(p, parked_now(s, slot), true);
}

/* Who had some since the last look is about to open others: what was used up is replaced. */
void peers_look_at_parked(struct peer *p)
{
	uint64_t now = parked_now(p->sup, p->slot);

	set_parked(p, now, now || p->parked_since);
	p->parked_since = now != 0;
}

void peers_worker_gone(struct supervisor *s)
{
	for (unsigned i = 0; i < s->peer_slots; i++)
		if (s->peers[i].name)
			set_parked(&s->peers[i], parked_now(s, i), s->peers[i].parks);
}
