// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mappings go into a ring of shared memory, one a worker, which the process that logs them empties (logger/logger.h):
 * it looks several times a second, and nobody wakes it. When it is behind, what does not fit is lost, and counted.
 */
#include <string.h>

#include <mpgated/net/io.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/mapping.h>

static void put(struct worker *w, const struct conn *c, const struct snapshot_peer *peer, bool end)
{
	struct mapping_ring *r = &w->shm->mappings[w->index];
	uint64_t at = r->written;
	struct mapping *m = &r->mapping[at % MAPPING_RING];

	/* The other side can write any number there. */
	if (at - __atomic_load_n(&r->taken, __ATOMIC_ACQUIRE) >= MAPPING_RING) {
		w->stats->mappings_lost++;
		return;
	}
	*m = (struct mapping){ .time = io_wall_ms(),
			       .source = c->request.tuple.saddr,
			       .source_port = c->request.tuple.sport,
			       .mapped = c->request.mapped,
			       .mapped_port = c->request.mapped_port,
			       .server = c->request.tuple.daddr,
			       .server_port = c->request.tuple.dport,
			       .end = end };
	if (peer)
		memcpy(m->peer, peer->name, sizeof(m->peer));
	__atomic_store_n(&r->written, at + 1, __ATOMIC_RELEASE);
	w->stats->mappings++;
}

void mapping_begin(struct worker *w, struct conn *c, const struct snapshot_peer *peer)
{
	if (tcp_local(c->local.fd, &c->request.mapped, &c->request.mapped_port) < 0)
		return;
	put(w, c, peer, false);
}

void mapping_end(struct worker *w, struct conn *c, const struct snapshot_peer *peer)
{
	if (!c->request.mapped_port)
		return;
	/* What began is told to end, also when nothing new is logged any more. */
	put(w, c, peer, true);
	c->request.mapped_port = 0;
}
