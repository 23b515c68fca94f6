// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Descriptors held in reserve. When as many as that are left besides, the worker is full: steer is told to pass it by.
 * What it gives us until then, when there are no others left, is relayed directly, with two of these a connection. The
 * last one is never given up for good: it takes and resets what does not fit, or the listener would wake us for ever.
 */
#include <errno.h>

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

bool reserve_give(struct worker *w, int err)
{
	if ((err != EMFILE && err != ENFILE) || w->reserve_count < 2)
		return false;
	if (!w->room)
		w->room = worker_load(w);
	tcp_close(w->reserve[--w->reserve_count]);
	report_full(w);
	return true;
}

int reserve_refuse(struct worker *w, int listener)
{
	struct mpgate_addr addr;
	__be16 port;
	int fd;

	if (w->reserve_count)
		tcp_close(w->reserve[--w->reserve_count]);
	fd = tcp_accept(listener, &addr, &port);
	if (fd >= 0)
		tcp_reset(fd, true);
	w->stats->resource++;
	return reserve_fill(w);
}
