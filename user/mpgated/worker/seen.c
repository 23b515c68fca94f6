// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/seen.h>

#include <string.h>

static uint32_t seconds(const struct worker *w)
{
	return (uint32_t)(w->now / 1000);
}

void seen_peer(struct worker *w, const struct snapshot_key *k, const struct mpgate_addr *from)
{
	struct peer_shared *p = &w->shm->peers[k->slot];

	/* All workers have its line in their caches; it is written when something is new. */
	if (p->seen != seconds(w))
		p->seen = seconds(w);
	if (memcmp(&p->seen_from, from, sizeof(*from)) != 0)
		p->seen_from = *from;
}

void seen_refused(struct worker *w, const struct snapshot_key *k, enum convert_refusal refusal, int32_t ahead)
{
	struct peer_shared *p = &w->shm->peers[k->slot];

	p->refusal = refusal;
	p->ahead = (uint32_t)ahead;
	p->refused = seconds(w);
}

void seen_unknown(struct worker *w, const struct mpgate_addr *from)
{
	struct unknown_shared *u = &w->shm->unknown;

	u->at = seconds(w);
	u->from = *from;
	u->count++;
}
