// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The relay: bytes from each leg to the other. Edge-triggered: a leg's `in`
 * and `out` remember what the kernel last said, so that a connection that
 * moves costs a read and a write, and none that fail.
 *
 * Bytes pass through the worker's one buffer. Only what a write did not take
 * is parked, in memory of its own, and then nothing is read from the other
 * leg until it is gone: a connection parks at most RELAY_BUF a direction.
 * Where half of the worker's bound is used up, little is read at a time, for
 * legs that have room for it: readers that stand still stop nobody else. What
 * the kernel holds for those is bounded in still.c.
 */
#include <errno.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/jam.h>
#include <mpgated/worker/join.h>
#include <mpgated/worker/relay.h>

#define ACKED_SOON_MS 1000 /* without progress for longer, whether all is acknowledged is asked seldom */

static int wait_for_room(struct worker *w, struct conn *c, struct leg *to)
{
	still_full(w, c, to, true);
	return leg_watch_out(w, c, to);
}

/*
 * Moves bytes from one leg to the other until the first is dry, the second is full or the turn is over. Returns 0,
 * -EAGAIN when the turn is over, or another -errno when the connection is broken.
 */
static int pump(struct worker *w, struct conn *c, struct leg *from, struct leg *to, uint64_t *bytes)
{
	uint8_t *buf = w->buf + RELAY_HEADROOM;
	uint32_t waited = to->parked.len;
	int ret = leg_flush(w, to);

	to->broken |= ret < 0;
	if (to->parked.len < waited)
		c->active = w->now;
	for (unsigned round = 0; !ret && !to->parked.len && from->in && !from->eof; round++) {
		/* The other half is for connections that are being set up. */
		bool room = w->parked_bytes + RELAY_BUF <= w->snap->buffer_bytes / 2;
		size_t want = !room ? RELAY_LITTLE : to->ahead ? to->ahead : STILL_AHEAD;
		ssize_t n;

		if (round == RELAY_ROUNDS)
			return -EAGAIN;
		/* A little for a leg that has room for it: nothing is left over. */
		if (!room && !(to->out = to->out && tcp_writable(to->fd)))
			return wait_for_room(w, c, to);
		n = tcp_recv(from->fd, buf, want);
		if (n < 0) {
			if (n != -EAGAIN) {
				from->broken = true;
				return (int)n;
			}
			from->in = from->urgent = false;
			break;
		}
		if (n == 0) {
			from->eof = true;
			break;
		}
		still_full(w, c, to, false);
		if (!to->ahead && *bytes < STILL_AHEAD && (size_t)n > STILL_SLOW)
			still_begin(to);
		*bytes += (uint64_t)n;
		c->active = w->now;
		if ((size_t)n < want && leg_is_dry(from))
			from->in = false;
		ret = leg_write(w, c, to, buf, (size_t)n);
		if (to->ahead < RELAY_BUF && *bytes >= STILL_FIRST && !ret)
			still_ahead(to, *bytes, (uint32_t)(w->now / 1000) - c->opened);
		to->broken |= ret < 0 && ret != -ENOBUFS && ret != -ENOMEM;
	}
	still_full(w, c, to, to->parked.len > 0);
	/*
	 * Before its answer a peer may not know that this is MPTCP. Where the first packets behind a SYN with data get
	 * lost, its kernel takes the end that it is told and then falls back to TCP, and never reports that end.
	 */
	if (!ret && from->eof && !from->broken && !to->parked.len && !to->shut && c->state == RELAY) {
		/* When this was the second direction, see leg_end(). */
		to->shut = from->shut;
		if (!to->shut) {
			ret = leg_shutdown(w, c, to);
			to->broken |= ret < 0;
		}
		if (to->shut)
			c->active = w->now;
	}
	return ret;
}

/* Before it is relayed, that is not yet sure to be of that peer: relay_start() adds what there is by then. */
static void count_peer(struct worker *w, const struct conn *c, unsigned down, uint64_t bytes)
{
	if (c->state == RELAY && c->request.slot < MPGATE_MAX_PEERS)
		w->shm->peer_bytes[w->index][c->request.slot][down] += bytes;
}

void relay_count(struct worker *w, const struct conn *c, unsigned down, uint64_t bytes)
{
	uint64_t *stat = down ? &w->stats->bytes_down : &w->stats->bytes_up;

	*stat += bytes;
	if (c->request.rule_id - 1 < MPGATE_MAX_RULES)
		w->shm->rule_bytes[w->index][c->request.rule_id - 1][down] += bytes;
	count_peer(w, c, down, bytes);
}

int relay_up(struct worker *w, struct conn *c)
{
	uint64_t before = c->bytes_up;
	int ret = pump(w, c, conn_opener(c), conn_target(c), &c->bytes_up);

	relay_count(w, c, 0, c->bytes_up - before);
	return ret;
}

static int relay_down(struct worker *w, struct conn *c)
{
	uint64_t before = c->bytes_down;
	int ret;

	/* Nothing would be sent yet; see leg_settle(). */
	if (conn_opener(c)->young)
		return 0;
	ret = pump(w, c, conn_target(c), conn_opener(c), &c->bytes_down);

	relay_count(w, c, 1, c->bytes_down - before);
	return ret;
}

static void relay_reset(struct worker *w, struct conn *c)
{
	w->stats->reset++;
	conn_close(w, c, true);
}

/*
 * Both directions have ended: closes a leg. Linux gives a closed MPTCP socket a minute to deliver what it holds, and a
 * slow reader may take longer; false: it has to stay open, until the event that says that its end is acknowledged.
 */
static bool leg_end(struct worker *w, struct conn *c, struct leg *l)
{
	if (l->fd < 0)
		return true;
	if (l->mptcp && !tcp_may_close(l->fd)) {
		/* Each shutdown() is an event of its own. */
		if (!l->ended)
			leg_shutdown(w, c, l);
		l->ended = !l->unsent;
		return false;
	}
	tcp_close(l->fd);
	l->fd = -1;
	l->unsent = false;
	return true;
}

static void relay_end(struct worker *w, struct conn *c)
{
	bool local, peer;

	conn_check_fallback(w, c);
	local = leg_end(w, c, &c->local);
	peer = leg_end(w, c, &c->peer);
	if (!local || !peer)
		return;
	w->stats->closed++;
	conn_close(w, c, false);
}

static bool has_unacked(const struct leg *l)
{
	return l->fd >= 0 && !tcp_is_closed(l->fd) && !tcp_all_acked(l->fd);
}

/* Nothing tells of what is waited for: it is looked at again soon, and seldom when nothing has moved for a while. */
static void look_again(struct worker *w, struct conn *c)
{
	conn_timer(w, c, w->now < c->active + ACKED_SOON_MS ? TIMER_ACKED : TIMER_PEER);
}

/*
 * One leg was reset. The other gets what that one had sent before, as it would have without us (an answer and a reset
 * behind it), and is reset when it has acknowledged all.
 */
static void relay_broken(struct worker *w, struct conn *c)
{
	bool up = conn_opener(c)->broken;
	struct leg *from = up ? conn_opener(c) : conn_target(c), *to = up ? conn_target(c) : conn_opener(c);

	from->in = !from->eof;
	if (!to->broken && (up ? relay_up(w, c) : relay_down(w, c)) == -EAGAIN) {
		conn_again(w, c);
	} else if (to->broken || w->now >= c->active + w->snap->idle_s * 1000ULL ||
		   (!to->parked.len && !to->young && !has_unacked(to))) {
		relay_reset(w, c);
		return;
	}
	look_again(w, c);
}

static bool has_unsent(const struct conn *c)
{
	return c->local.unsent || c->peer.unsent;
}

/* From here on it is probed when it is silent. Whom we accepted has that of our listener. */
static void grown(struct worker *w, struct conn *c)
{
	/* Where both have ended it may be closed, and the other has bytes under way. */
	if (conn_target(c)->fd >= 0)
		tcp_keepalive(conn_target(c)->fd, w->snap->keepalive_s);
}

void relay_event(struct worker *w, struct conn *c)
{
	bool broken = c->local.broken || c->peer.broken;
	int a = broken ? 0 : relay_up(w, c);
	int b = broken || c->peer.broken || c->local.broken ? 0 : relay_down(w, c);

	if (c->local.broken || c->peer.broken) {
		relay_broken(w, c);
		return;
	}
	if ((a && a != -EAGAIN) || (b && b != -EAGAIN)) {
		relay_reset(w, c);
		return;
	}
	if (a == -EAGAIN || b == -EAGAIN)
		conn_again(w, c);
	join_moved(w, c);
	jam_moved(w, c);
	if (c->local.shut && c->peer.shut)
		relay_end(w, c);
	if (c->state != RELAY)
		return;
	/* The kernel may tell when it has sent all, see leg_shutdown(), and may not. */
	if (has_unsent(c)) {
		if (c->class == TIMER_YOUNG)
			grown(w, c);
		look_again(w, c);
	} else if (c->class != TIMER_YOUNG && c->class != TIMER_HALF && (c->local.eof || c->peer.eof)) {
		conn_timer(w, c, TIMER_HALF);
	}
}

void relay_timeout(struct worker *w, struct conn *c)
{
	if (c->local.broken || c->peer.broken) {
		relay_broken(w, c);
		return;
	}
	if (c->class == TIMER_YOUNG) {
		grown(w, c);
		join_look(w, c);
		conn_timer(w, c, c->local.eof || c->peer.eof ? TIMER_HALF : TIMER_IDLE);
		return;
	}
	if (has_unsent(c) && w->now < c->active + w->snap->idle_s * 1000ULL) {
		if (w->now >= c->active + w->snap->join_ms)
			join_look(w, c);
		relay_event(w, c);
		return;
	}
	/* What still waits for a slow reader is not forgotten: such a connection has the time of an idle one. */
	if (c->class == TIMER_HALF && w->now < c->active + w->snap->idle_s * 1000ULL &&
	    (has_unacked(&c->local) || has_unacked(&c->peer))) {
		conn_timer(w, c, TIMER_HALF);
		return;
	}
	w->stats->idle++;
	conn_close(w, c, true);
}

void relay_still(struct worker *w, struct conn *c)
{
	w->stats->still++;
	report_note(w, c, "reset: it has stood still for %u s and holds %u KiB",
		    (unsigned)((w->now - c->still.since) / 1000), c->still.held >> 10);
	conn_close(w, c, true);
}

void relay_start(struct worker *w, struct conn *c)
{
	conn_uncount(w, c);
	unpark(w, &c->request.first);
	c->state = RELAY;
	c->active = w->now;
	w->stats->relayed++;
	if (c->request.slot < MPGATE_MAX_PEERS)
		w->shm->relayed[w->index][c->request.slot]++;
	count_peer(w, c, 0, c->bytes_up);
	count_peer(w, c, 1, c->bytes_down);
	conn_timer(w, c, TIMER_YOUNG);
	join_start(w, c);
	relay_event(w, c);
}
