// SPDX-License-Identifier: GPL-2.0-or-later
/* A worker process: what it is started with, and its end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/start.h>
#include <mpgated/net/io.h>
#include <mpgated/worker/held.h>
#include <mpgated/worker/worker.h>

static int watch(struct worker *w, int fd, const void *tag)
{
	return io_watch(w->epoll, fd, EPOLLIN, (uint64_t)(uintptr_t)tag);
}

static void init_reserve(struct worker *w)
{
	struct rlimit limit = { 0 };

	getrlimit(RLIMIT_NOFILE, &limit);
	w->reserve_size = reserve_size(limit.rlim_cur);
	w->early = (int)(limit.rlim_cur - w->reserve_size);
}

static int init_ring(struct worker *w, int fd)
{
	w->ring = io_ring_open(fd, held_open, w);
	return w->ring ? watch(w, fd, &w->ring) : -errno;
}

static int init(struct worker *w, const struct worker_args *args)
{
	int ret;

	w->index = args->index;
	w->control = args->control;
	w->flows_fd = args->flows_fd;
	w->flow_clients = args->flow_clients;
	w->synack_fd = args->synack_fd;
	w->hold_fd = args->hold_fd;
	w->shm = args->shm;
	w->stats = &args->shm->workers[args->index];
	w->steer_port[0] = args->steer_port[0];
	w->steer_port[1] = args->steer_port[1];
	w->accepting = true;
	conn_init(w);
	w->buf = mmap(NULL, RELAY_HEADROOM + RELAY_BUF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	init_reserve(w);
	if (w->buf == MAP_FAILED || w->epoll < 0 || reserve_fill(w) < 0)
		return -errno;
	ret = worker_snapshot(w, args->snapshot_fd);
	close(args->snapshot_fd);
	if (!ret)
		ret = watch(w, w->control, w);
	if (!ret && args->ring_fd >= 0)
		ret = init_ring(w, args->ring_fd);
	for (unsigned i = 0; !ret && i < args->listener_count; i++) {
		w->listeners[i] = args->listeners[i];
		ret = listener_watch(w, &w->listeners[i]);
		w->stats->listeners = ++w->listener_count;
	}
	return ret;
}

void worker_run(const struct worker_args *args)
{
	struct worker *w = calloc(1, sizeof(*w));
	int ret = w ? init(w, args) : -ENOMEM;

	if (!ret)
		ret = fault_handlers();
	if (!ret) {
		start_signals();
		ret = sandbox_enter();
	}
	if (ret) {
		log_error("cannot start: %s", strerror(-ret));
		_exit(1);
	}
	while (loop_turn(w))
		;
	_exit(0);
}
