// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Readers that stand still, and what the kernel holds for them. Left to itself
 * it lets receive windows grow to megabytes while we fill the other leg's
 * buffers, whether or not somebody reads those: some hundred such readers have
 * all memory that TCP may use, and every connection of the machine crawls.
 *
 * First, a reader has to show that it reads. What is taken for it at a time, and
 * what may wait for it unsent, is little and grows by what was acknowledged
 * behind us. So who stands still from the begin never teaches the kernel a large
 * window. (Nor is a window ever taken back: that can lock an MPTCP connection
 * for good, when what comes on one path fills the buffer, and what is missing
 * between waits on the other: jam.h.)
 *
 * Second, who has not taken what waits for it for a while stands still. What it
 * holds in the kernel and with us is counted, by client and in all. When that is
 * more than limits.kernel-mib, the client with most loses those that stand still
 * longest, until it fits.
 */
#include <mpgated/net/tcp.h>
#include <mpgated/worker/conn.h>

#define STILL_MS 5000 /* a path that died is replaced within that time */
#define LOOK_MS 1000
#define AHEAD_SHARE 4 /* a quarter of what was acknowledged is read at a time: all after 2 MiB */
#define SLOW_US 1000000U /* round trip */

/*
 * What is written at once goes to one subflow, and what is not sent yet when one has room goes there, too: where a
 * packet takes seconds, a minute's load of one link, while the others rest.
 */
void still_begin(struct leg *l)
{
	if (!l->mptcp || tcp_rtt_us(l->fd) < SLOW_US)
		return;
	tcp_set_ahead(l->fd, STILL_SLOW);
	l->ahead = STILL_SLOW;
}

void still_ahead(struct leg *l, uint64_t moved, uint32_t seconds)
{
	uint32_t ahead = l->ahead ? l->ahead * 2 : STILL_AHEAD;
	uint64_t wanted = l->ahead ? (uint64_t)ahead * AHEAD_SHARE : STILL_FIRST;

	/* It is as slow as it looked. */
	if (l->ahead && l->ahead < STILL_AHEAD && moved < (uint64_t)ahead * seconds && tcp_rtt_us(l->fd) >= SLOW_US)
		return;
	if (moved < wanted || (l->ahead && moved < wanted + l->parked.len + tcp_memory(l->fd).sent))
		return;
	/* A larger buffer costs less, where it is read. */
	tcp_set_ahead(l->fd, ahead < RELAY_BUF ? ahead : 0);
	l->ahead = ahead;
}

/* Every change of what is counted for c goes through here, so that the sums are right. */
static void count(struct worker *w, struct conn *c, uint32_t held)
{
	uint64_t more = (uint64_t)held - c->still.held;

	w->still_bytes += more;
	w->still_clients[c->still.client] += more;
	c->still.held = held;
}

void still_end(struct worker *w, struct conn *c)
{
	count(w, c, 0);
	list_del(&c->still.list);
}

void still_full(struct worker *w, struct conn *c, struct leg *l, bool full)
{
	if (l->full && !full)
		still_end(w, c);
	l->full = full;
	if (!full || !list_empty(&c->still.list))
		return;
	c->still.since = w->now;
	c->still.look = w->now + STILL_MS;
	list_add_tail(&w->blocked, &c->still.list);
}

static uint64_t held_by(const struct leg *l)
{
	struct tcp_memory m;

	if (l->fd < 0)
		return 0;
	m = tcp_memory(l->fd);
	return (uint64_t)m.received + m.sent + l->parked.len;
}

/* Who answers for c: to a hub that is the gateway, since what it says of its clients is its word alone. */
static unsigned client_of(const struct conn *c)
{
	if (c->opener == LEG_PEER && c->request.slot < MPGATE_MAX_PEERS)
		return c->request.slot % PENDING_SLOTS;
	return client_slot(&c->request.tuple.saddr);
}

static void look_at(struct worker *w, struct conn *c)
{
	uint64_t held = held_by(&c->local) + held_by(&c->peer);

	count(w, c, 0);
	c->still.client = (uint16_t)client_of(c);
	count(w, c, held < UINT32_MAX ? (uint32_t)held : UINT32_MAX);
	/* What still comes in comes slowly: twice as much time, less than twice as much. */
	c->still.look = 2 * w->now - c->still.since;
}

int64_t still_look(struct worker *w)
{
	struct list *l, *next;

	if (list_empty(&w->blocked))
		return -1;
	if (w->now < w->still_look)
		return (int64_t)(w->still_look - w->now);
	w->still_look = w->now + LOOK_MS;
	for (l = w->blocked.next; l != &w->blocked; l = next) {
		struct conn *c = list_entry(l, struct conn, still.list);

		next = l->next;
		if (w->now < c->still.since + STILL_MS)
			break;
		if (!c->local.full && !c->peer.full)
			still_end(w, c); /* that leg was closed */
		else if (w->now >= c->still.look)
			look_at(w, c);
	}
	return LOOK_MS;
}

struct conn *still_over(struct worker *w)
{
	unsigned worst = 0;

	if (w->still_bytes <= w->snap->kernel_bytes)
		return NULL;
	for (unsigned i = 1; i < PENDING_SLOTS; i++)
		if (w->still_clients[i] > w->still_clients[worst])
			worst = i;
	for (struct list *l = w->blocked.next; l != &w->blocked; l = l->next) {
		struct conn *c = list_entry(l, struct conn, still.list);

		if (c->still.held && c->still.client == worst)
			return c;
	}
	return NULL;
}
