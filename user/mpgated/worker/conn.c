// SPDX-License-Identifier: GPL-2.0-or-later
/* A connection's memory, its place in the worker's lists, and what epoll reports of its sides. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/worker.h>

#define FREE_MIN 64 /* retired connections kept in any case */

void conn_timer(struct worker *w, struct conn *c, enum timer_class class)
{
	list_del(&c->timer);
	c->class = (uint8_t) class;
	c->armed = w->now;
	list_add_tail(&w->timers[class], &c->timer);
}

void conn_again(struct worker *w, struct conn *c)
{
	if (list_empty(&c->run))
		list_add_tail(&w->runnable, &c->run);
}

struct conn *conn_new(struct worker *w, enum conn_state state, int near_fd, bool near_mptcp)
{
	struct conn *c;

	if (!w->free) {
		c = malloc(sizeof(*c));
		if (!c)
			return NULL;
	} else {
		c = list_entry(w->free, struct conn, timer);
		w->free = w->free->next;
		w->free_count--;
	}
	memset(c, 0, sizeof(*c));
	list_init(&c->timer);
	list_init(&c->run);
	c->state = (uint8_t)state;
	c->near.fd = near_fd;
	c->near.mptcp = near_mptcp;
	c->near.in = c->near.out = true;
	c->far.fd = -1;
	c->active = w->now;
	c->opened = (uint32_t)(w->now / 1000);
	w->connections++;
	w->stats->connections = w->connections;
	return c;
}

static void side_close(struct worker *w, struct side *s, bool reset)
{
	if (s->parked.data)
		unpark(w, &s->parked);
	if (s->fd < 0)
		return;
	if (reset)
		tcp_reset(s->fd, s->mptcp);
	else
		close(s->fd);
	s->fd = -1;
}

void conn_close(struct worker *w, struct conn *c, bool reset)
{
	side_close(w, &c->near, reset);
	side_close(w, &c->far, reset);
	if (c->counted)
		hub_forget(w, c);
	if (c->first.data)
		unpark(w, &c->first);
	if (c->state == RELAY && c->peer < MPGATE_MAX_PEERS)
		w->shm->relayed[w->index][c->peer]--;
	c->state = CLOSED;
	list_del(&c->run);
	list_del(&c->timer);
	list_add_tail(&w->dead, &c->timer);
	w->connections--;
	w->stats->connections = w->connections;
	if (w->full)
		worker_tell_full(w);
}

static int watch_side(struct worker *w, struct conn *c, struct side *s, int op)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET };

	if (s->watched_out)
		ev.events |= EPOLLOUT;
	ev.data.u64 = (uint64_t)(uintptr_t)c | (s == &c->far ? TAG_FAR : 0);
	return epoll_ctl(w->epoll, op, s->fd, &ev) < 0 ? -errno : 0;
}

int conn_watch(struct worker *w, struct conn *c, struct side *s)
{
	s->watched_out = s == &c->far || c->young;
	fault_covers(s->fd);
	return watch_side(w, c, s, EPOLL_CTL_ADD);
}

int conn_watch_again(struct worker *w, struct conn *c, struct side *s)
{
	return watch_side(w, c, s, EPOLL_CTL_MOD);
}

int conn_watch_out(struct worker *w, struct conn *c, struct side *s)
{
	if (s->watched_out)
		return 0;
	s->watched_out = true;
	return watch_side(w, c, s, EPOLL_CTL_MOD);
}

/* Retired connections are kept for the next ones, but never more than are in use: memory follows the load down. */
void conn_reap(struct worker *w)
{
	while (!list_empty(&w->dead)) {
		struct list *l = w->dead.next;

		list_del(l);
		l->next = w->free;
		w->free = l;
		w->free_count++;
	}
	while (w->free_count > w->connections + FREE_MIN) {
		struct list *l = w->free;

		/* The analyzer takes the list for one that may be a ring. */
		w->free = l->next; /* NOLINT(clang-analyzer-unix.Malloc) */
		w->free_count--;
		free(list_entry(l, struct conn, timer));
	}
}
