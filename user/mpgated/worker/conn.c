// SPDX-License-Identifier: GPL-2.0-or-later
/* A connection's memory, its place in the worker's lists, and what epoll reports of its legs. */
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

struct conn *conn_new(struct worker *w, enum conn_state state, enum leg_name opener)
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
	c->opener = (uint8_t)opener;
	c->local.fd = c->peer.fd = -1;
	c->request.pending = PENDING_SLOTS;
	c->active = w->now;
	c->opened = (uint32_t)(w->now / 1000);
	w->connections++;
	w->stats->connections = w->connections;
	return c;
}

void leg_accepted(struct leg *l, int fd, bool mptcp)
{
	*l = (struct leg){ .fd = fd, .mptcp = mptcp, .in = true, .out = true };
}

void leg_dialed(struct leg *l, int fd, bool mptcp)
{
	*l = (struct leg){ .fd = fd, .mptcp = mptcp, .dialed = true };
}

static void leg_close(struct worker *w, struct leg *l, bool reset)
{
	if (l->parked.data)
		unpark(w, &l->parked);
	if (l->fd < 0)
		return;
	if (reset)
		tcp_reset(l->fd, l->mptcp);
	else
		close(l->fd);
	l->fd = -1;
}

void conn_close(struct worker *w, struct conn *c, bool reset)
{
	leg_close(w, &c->local, reset);
	leg_close(w, &c->peer, reset);
	hub_forget(w, c);
	if (c->request.first.data)
		unpark(w, &c->request.first);
	if (c->state == RELAY && c->request.slot < MPGATE_MAX_PEERS)
		w->shm->relayed[w->index][c->request.slot]--;
	c->state = CLOSED;
	list_del(&c->run);
	list_del(&c->timer);
	list_add_tail(&w->dead, &c->timer);
	w->connections--;
	w->stats->connections = w->connections;
	if (w->full)
		worker_tell_full(w);
}

static int watch_leg(struct worker *w, struct conn *c, struct leg *l, int op)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET };

	if (l->watched_out)
		ev.events |= EPOLLOUT;
	ev.data.u64 = (uint64_t)(uintptr_t)c | (l == &c->peer ? TAG_PEER : 0);
	return epoll_ctl(w->epoll, op, l->fd, &ev) < 0 ? -errno : 0;
}

int conn_watch(struct worker *w, struct conn *c, struct leg *l)
{
	l->watched_out = l->dialed || l->young;
	fault_covers(l->fd);
	return watch_leg(w, c, l, EPOLL_CTL_ADD);
}

int conn_watch_again(struct worker *w, struct conn *c, struct leg *l)
{
	return watch_leg(w, c, l, EPOLL_CTL_MOD);
}

int conn_watch_out(struct worker *w, struct conn *c, struct leg *l)
{
	if (l->watched_out)
		return 0;
	l->watched_out = true;
	return watch_leg(w, c, l, EPOLL_CTL_MOD);
}

/*
 * Linux does not send what is written to an MPTCP socket between a SYN with data and the third packet of the handshake,
 * nor does that packet set it off. It wakes epoll, though; then setting TCP_NODELAY once more sends what waits.
 */
void leg_settle(struct leg *l)
{
	if (!l->young || tcp_in_handshake(l->fd))
		return;
	l->young = false;
	tcp_nodelay(l->fd);
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
