// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/jam.h>

#include <mpgated/net/tcp.h>

#define LOOK_MS 500

/*
 * Nothing was read for a while. False: it rests. Who sends nothing but what is out of order is given no more than it
 * has sent in order before.
 */
static bool look_at(struct worker *w, struct conn *c)
{
	struct leg *l = &c->peer;
	struct tcp_memory m;

	if (l->eof || l->broken || l->fd < 0)
		return false;
	/* It is our reader that stands still, or there is something to read. */
	if (c->local.parked.len || l->in)
		return true;
	m = tcp_memory(l->fd);
	if (m.received > m.receive_limit && m.received <= jam_brought(c)) {
		tcp_grow(l->fd, m.received);
		w->stats->unjammed++;
		l->in = true;
		conn_again(w, c);
	}
	return m.received > 0;
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
		if (brought == c->jam.seen && (c->state != RELAY || !look_at(w, c)))
			list_del(&c->jam.list);
		c->jam.seen = brought;
	}
	return list_empty(&w->moving) ? -1 : LOOK_MS;
}
