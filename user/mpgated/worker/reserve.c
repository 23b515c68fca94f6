// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Descriptors held in reserve. When as many as that are left besides, the worker is full: steer is told to pass it by.
 * What it gives us until then, when there are no others left, is relayed directly, with two of these a connection; a
 * hub has what it says Error 64 to with one. When these are in use too, what waits at the listeners is left there, not
 * reset, until a connection ends.
 */
#include <errno.h>
#include <sys/epoll.h>

#include <mpgated/net/io.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/conn.h>

int reserve_fill(struct worker *w)
{
	while (w->reserve_count < w->reserve_size) {
		int fd = io_reserve(w->control);

		if (fd < 0)
			return fd;
		w->reserve[w->reserve_count++] = fd;
	}
	return 0;
}

void reserve_early(struct worker *w)
{
	w->room = worker_load(w);
	report_full(w);
}

bool reserve_give(struct worker *w, int err, unsigned keep)
{
	if ((err != EMFILE && err != ENFILE) || w->reserve_count <= keep)
		return false;
	if (!w->room)
		w->room = worker_load(w);
	tcp_close(w->reserve[--w->reserve_count]);
	report_full(w);
	return true;
}

int listener_watch(struct worker *w, struct listener *l)
{
	return io_watch(w->epoll, l->fd, EPOLLIN, (uint64_t)(uintptr_t)l);
}

void reserve_wait(struct worker *w)
{
	for (unsigned i = 0; i < w->listener_count; i++)
		io_unwatch(w->epoll, w->listeners[i].fd);
	w->deaf = true;
}

void reserve_ended(struct worker *w)
{
	reserve_fill(w);
	if (!w->deaf || w->reserve_count <= RESERVE_SECOND)
		return;
	w->deaf = false;
	for (unsigned i = 0; i < w->listener_count; i++) {
		if (listener_watch(w, &w->listeners[i]) < 0) {
			reserve_wait(w);
			return;
		}
	}
}
