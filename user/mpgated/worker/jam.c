// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/jam.h>

#include <mpgated/net/tcp.h>

#define LOOK_MS 500

/*
 * stands: nothing was read for a while. False: it rests. Who sends nothing but what cannot be taken is given no more
 * than it has sent in order before.
 */
static bool look_at(struct worker *w, struct conn *c, bool stands)
{
	struct leg *l = &c->peer;
	struct tcp_memory m;
	bool earned;

	if (l->eof || l->broken || l->fd < 0)
		return !stands;
	/* It is our reader that stands still, or there is something to read. */
	if (stands && (c->local.parked.len || l->in))
		return true;
	m = tcp_memory(l->fd);
	earned = m.receive_limit <= jam_brought(c);
	if (stands && m.received > m.receive_limit && m.received <= jam_brought(c)) {
		tcp_grow(l->fd, m.received);
		w->stats->unjammed++;
		l->in = true;
		conn_again(w, c);
	} else if (m.dropped != c->jam.dropped && earned) {
		tcp_grow(l->fd, 2 * m.receive_limit);
		w->stats->widened++;
	}
	c->jam.dropped = m.dropped;
	return !stands || m.received > 0;
}

void jam_look_young(struct conn *c)
{
	struct leg *l = &c->peer;
	struct tcp_memory m;

	c->jam.young = (uint32_t)jam_brought(c);
	/* As above. */
	if (l->eof || l->broken || l->fd < 0 || l->in || c->local.parked.len)
		return;
	m = tcp_memory(l->fd);
	if (m.received > m.receive_limit / 8)
		tcp_grow(l->fd, 2 * m.receive_limit);
}

int64_t jam_look(struct worker *w)
{
	struct list *l, *next;

	if (list_empty(&w->moving))
		return -1;
	if (w->now < w->jam_look)
		return (int64_t)(w->jam_look - w->now);
	w->jam_look = w->now + LOOK_MS;
	for (l = w->moving.next; l != &w->moving; l = next) {
		struct conn *c = list_entry(l, struct conn, jam.list);
		uint64_t brought = jam_brought(c);

		next = l->next;
		if (c->state == RELAY ? !look_at(w, c, brought == c->jam.seen) : brought == c->jam.seen)
			list_del(&c->jam.list);
		c->jam.seen = brought;
	}
	return list_empty(&w->moving) ? -1 : LOOK_MS;
}
