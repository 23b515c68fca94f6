// SPDX-License-Identifier: GPL-2.0-or-later
/* The first steps of a worker process: it takes what the supervisor gives it (ipc/start.h), and checks it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>
#include <mpgated/worker/worker.h>

#define FIXED_FDS 4U /* shared memory, snapshot, flows, flow_clients */

static bool is_listener(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

static int map_shared(int fd, struct shared_memory **out)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct shared_memory))
		return -EPROTO;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	close(fd);
	*out = map;
	return 0;
}

/* Fills args from the first packet; listeners has room for WORKER_LISTENERS. */
static int take_start(struct worker_args *args, struct listener *listeners)
{
	struct worker_start start;
	int fds[PACKET_FDS], ret;
	unsigned n, at = FIXED_FDS;
	void *clients;

	ret = packet_receive(START_SOCKET, &start, sizeof(start), fds, PACKET_FDS, &n, 0);
	if (ret <= 0)
		return ret ? ret : -EPIPE;
	if (start.index >= MPGATE_MAX_WORKERS || start.listeners > WORKER_LISTENERS || start.synack > 1 ||
	    start.holds > 1 || n != FIXED_FDS + start.synack + 2U * start.holds + start.listeners)
		return -EPROTO;
	*args = (struct worker_args){ .index = start.index,
				      .control = START_SOCKET,
				      .snapshot_fd = fds[1],
				      .flows_fd = fds[2],
				      .synack_fd = start.synack ? fds[at++] : -1,
				      .ring_fd = -1,
				      .hold_fd = -1,
				      .steer_port = { start.steer_port, start.steer_port },
				      .listeners = listeners,
				      .listener_count = start.listeners };
	if (start.holds) {
		args->ring_fd = fds[at++];
		args->hold_fd = fds[at++];
	}
	for (unsigned i = 0; i < start.listeners; i++) {
		listeners[i] = (struct listener){ .fd = fds[at + i], .convert = start.convert >> i & 1 };
		if (!is_listener(listeners[i].fd))
			return -EPROTO;
	}
	clients = mmap(NULL, MPGATE_CLIENT_COUNTERS * sizeof(*args->flow_clients), PROT_READ | PROT_WRITE, MAP_SHARED,
		       fds[3], 0);
	if (clients == MAP_FAILED)
		return -errno;
	close(fds[3]);
	args->flow_clients = clients;
	return map_shared(fds[0], &args->shm);
}

void worker_main(const char *number)
{
	static char who[24];
	struct listener listeners[WORKER_LISTENERS];
	struct worker_args args;
	int ret = start_begin();

	snprintf(who, sizeof(who), "worker %s", number);
	log_setup(who, LOG_LEVEL_INFO);
	if (!ret)
		ret = take_start(&args, listeners);
	if (!ret)
		worker_run(&args);
	if (ret != -EPIPE) /* the supervisor has ended meanwhile */
		log_error("cannot start: %s", strerror(-ret));
	_exit(1);
}
