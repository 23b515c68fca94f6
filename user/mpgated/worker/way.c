// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/way.h>

#include <errno.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/request.h>

#define TRIES 16U /* at a copy of what the supervisor may be writing */

const struct snapshot_rule *way_rule(const struct worker *w, const struct conn *c)
{
	const struct snapshot_rule *r = w->snap->steers ? request_rule(w, c->request.rule_id) : NULL;

	return r && (r->link_count || r->steer) ? r : NULL;
}

/* Its ways, all of one time; how many. */
static unsigned read_ways(const struct peer_shared *p, struct way_shared out[WAYS_SHARED])
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t before = __atomic_load_n(&p->ways_written, __ATOMIC_ACQUIRE), count = p->way_count;

		memcpy(out, p->way, sizeof(p->way));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!(before & 1) && __atomic_load_n(&p->ways_written, __ATOMIC_RELAXED) == before)
			return count < WAYS_SHARED ? count : WAYS_SHARED;
	}
	return 0;
}

/* The place of a link in the order of the rule; -1: it does not carry it. */
static int place_of(const struct snapshot_rule *r, unsigned link)
{
	for (unsigned i = 0; i < r->link_count; i++)
		if (r->links[i] == link)
			return (int)i;
	return r->link_count ? -1 : 0;
}

/* Of two ways that carry it, the earlier one is in front. */
static bool is_better(const struct snapshot_rule *r, const struct way_shared *a, const struct way_shared *b)
{
	if (a->state != b->state)
		return a->state < b->state;
	if (r->steer == CFG_STEER_DELAY)
		return a->rtt_us && (!b->rtt_us || a->rtt_us < b->rtt_us);
	return r->steer != CFG_STEER_BALANCE && place_of(r, a->link) < place_of(r, b->link);
}

int way_leave(struct worker *w, const struct conn *c, int fd)
{
	const struct snapshot_rule *r = way_rule(w, c);
	struct way_shared way[WAYS_SHARED];
	const struct way_shared *best = NULL;
	unsigned count;
	bool any = false;
	int err;

	if (!r) {
		conn_leave_from(w, fd, c->request.slot, c->request.address);
		return 0;
	}
	w->shm->peers[c->request.slot].used = 1;
	count = read_ways(&w->shm->peers[c->request.slot], way);
	for (unsigned i = 0; i < count; i++) {
		if (way[i].address != c->request.address)
			continue;
		any = true;
		if (way[i].state != WAY_DOWN && place_of(r, way[i].link) >= 0 && (!best || is_better(r, &way[i], best)))
			best = &way[i];
	}
	/* The main table alone leads there, over none of them: a rule that only orders them leaves it at that. */
	if (!any && !r->link_count)
		return 0;
	if (!best)
		return -ENETDOWN;
	/*
	 * Where the link goes down meanwhile, the main table must not lead it over another one. With more than one the
	 * kernel would bind the further subflows to this one, too (sync_socket_options(), net/mptcp/sockopt.c).
	 */
	err = r->link_count == 1 ? tcp_leave_by(fd, best->ifindex) : 0;
	return err ? err : tcp_leave_from(fd, &best->from);
}

bool way_fits(const struct worker *w, const struct conn *c, const struct conn *ready)
{
	const struct snapshot_rule *r = way_rule(w, c);
	struct way_shared way[WAYS_SHARED];
	struct mpgate_addr from;
	unsigned count;
	__be16 port;

	/* What leaves by the best path is good enough for a rule that only orders them: the supervisor puts it right.
	 */
	if (!r || !r->link_count)
		return true;
	/* One whose path has died since has others now. */
	if (tcp_local(ready->peer.fd, &from, &port) < 0 || tcp_subflows(ready->peer.fd, NULL) != 1)
		return false;
	count = read_ways(&w->shm->peers[c->request.slot], way);
	for (unsigned i = 0; i < count; i++)
		if (!memcmp(&way[i].from, &from, sizeof(from)))
			return place_of(r, way[i].link) >= 0;
	return false;
}
