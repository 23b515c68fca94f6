// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/net/io.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <lib/log.h>

#define RANDOM_POOL 512U /* numbers of one call */

static int watch(int epoll, int op, int fd, uint32_t events, uint64_t tag)
{
	struct epoll_event ev = { .events = events, .data.u64 = tag };

	return epoll_ctl(epoll, op, fd, &ev) < 0 ? -errno : 0;
}

int io_watch(int epoll, int fd, uint32_t events, uint64_t tag)
{
	return watch(epoll, EPOLL_CTL_ADD, fd, events, tag);
}

int io_watch_again(int epoll, int fd, uint32_t events, uint64_t tag)
{
	return watch(epoll, EPOLL_CTL_MOD, fd, events, tag);
}

void io_unwatch(int epoll, int fd)
{
	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
}

int io_wait(int epoll, struct epoll_event *ev, int max, int timeout)
{
	int n = epoll_wait(epoll, ev, max, timeout);

	return n < 0 ? 0 : n;
}

uint64_t io_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint32_t io_wall_clock(void)
{
	return (uint32_t)time(NULL);
}

uint64_t io_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t io_boot_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

uint64_t io_random(void)
{
	static uint64_t pool[RANDOM_POOL];
	static unsigned left;

	if (!left) {
		if (getrandom(pool, sizeof(pool), 0) != (ssize_t)sizeof(pool)) {
			log_error("getrandom: %s", strerror(errno));
			_exit(1);
		}
		left = RANDOM_POOL;
	}
	return pool[--left];
}

bool io_take(int map, const struct mpgate_tuple *tuple, void *value)
{
	return bpf_map_lookup_and_delete_elem(map, tuple, value) == 0;
}

bool io_replace(int map, const struct mpgate_tuple *tuple, const void *value)
{
	return bpf_map_update_elem(map, tuple, value, BPF_EXIST) == 0;
}

struct io_ring {
	struct ring_buffer *buffer;
	io_held fn;
	void *arg;
};

static int take_one(void *ring, void *data, size_t size)
{
	const struct io_ring *r = ring;

	if (size == sizeof(struct mpgate_held))
		r->fn(r->arg, data);
	return 0;
}

struct io_ring *io_ring_open(int map, io_held fn, void *arg)
{
	struct io_ring *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	*r = (struct io_ring){ .fn = fn, .arg = arg };
	r->buffer = ring_buffer__new(map, take_one, r, NULL);
	if (r->buffer)
		return r;
	free(r);
	return NULL;
}

void io_ring_take(struct io_ring *ring)
{
	ring_buffer__consume(ring->buffer);
}

bool io_put(int fd, const void *frame, size_t len)
{
	return write(fd, frame, len) == (ssize_t)len;
}

int io_reserve(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : copy;
}
