// SPDX-License-Identifier: GPL-2.0-or-later
/* Takes what waits at the listeners. */
#include <errno.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/conn.h>

int accept_next(struct worker *w, int listener, struct mpgate_tuple *tuple)
{
	int fd;

	if (!w->full)
		report_full(w);
	*tuple = (struct mpgate_tuple){ 0 };
	fd = tcp_accept(listener, &tuple->saddr, &tuple->sport);
	if (fd < 0 && reserve_give(w, -fd, RESERVE_SECOND))
		fd = tcp_accept(listener, &tuple->saddr, &tuple->sport);
	if (fd >= w->early && !w->full)
		reserve_early(w);
	if (fd == -EMFILE || fd == -ENFILE) {
		reserve_wait(w);
		return -EAGAIN;
	}
	if (fd < 0)
		return fd == -EAGAIN ? -EAGAIN : -ECONNABORTED;
	/* What steer assigned before the supervisor heard that we are full is still served; twice the limit is not. */
	if (worker_load(w) < 2 * w->snap->connections)
		return fd;
	accept_refuse(w, fd);
	return -ECONNABORTED;
}

void accept_refuse(struct worker *w, int fd)
{
	w->stats->resource++;
	tcp_reset(fd, true);
}

struct conn *accept_conn(struct worker *w, int fd, const struct mpgate_tuple *tuple, enum conn_state state,
			 enum leg_name opener)
{
	struct conn *c = conn_new(w, state, opener);

	if (!c) {
		accept_refuse(w, fd);
		return NULL;
	}
	/* As MPTCP: disconnecting resets a TCP socket just as well, and a client may speak either. */
	leg_accepted(conn_opener(c), fd, true);
	c->request.tuple = *tuple;
	return c;
}
