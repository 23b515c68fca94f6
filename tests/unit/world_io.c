// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's part of the world: events, clocks, maps, messages (net/io.h, ipc/message.h). See world.h. */
#include "world.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mpgated/ipc/message.h>
#include <mpgated/net/io.h>
#include <mpgated/net/tcp.h>

#include "../fuzz/check.h"
#include "world_inside.h"

/* --- io.h */
int io_watch(int epoll, int fd, uint32_t events, uint64_t tag)
{
	int ret = world_fails(&world.fail.watch);
	struct sock *s;

	(void)epoll;
	if (ret)
		return ret;
	s = sock_live(fd);
	s->watched = s->changed = true;
	s->events = events;
	s->tag = tag;
	return 0;
}

int io_watch_again(int epoll, int fd, uint32_t events, uint64_t tag)
{
	CHECK(sock_live(fd)->watched);
	return io_watch(epoll, fd, events, tag);
}

void io_unwatch(int epoll, int fd)
{
	(void)epoll;
	CHECK(fd == CONTROL_FD || sock_live(fd)->watched);
	if (fd != CONTROL_FD)
		sock_of(fd)->watched = false;
}

uint64_t io_now(void)
{
	return world.clock;
}

uint64_t io_wall_ms(void)
{
	return world.wall * 1000ULL;
}

uint32_t io_wall_clock(void)
{
	return world.wall;
}

uint64_t io_boot_clock(void)
{
	return world.clock * 1000000;
}

uint64_t io_random(void)
{
	static uint64_t x;

	x += 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 31;
}

int io_reserve(int fd)
{
	CHECK(fd == CONTROL_FD);
	if (world_no_descriptor())
		return -EMFILE;
	world.reserved++;
	return RESERVE_FD;
}

bool io_take(int map, const struct mpgate_tuple *tuple, void *value)
{
	if (map == SYNACK_MAP) {
		memcpy(value, &world.synack, sizeof(world.synack));
		return world.synack.len;
	}
	for (unsigned i = 0; i < world.syn_count; i++) {
		struct syn *s = &world.syns[i];

		if (!s->entry || memcmp(&s->tuple, tuple, sizeof(*tuple)) != 0)
			continue;
		memcpy(value, &s->flow, sizeof(s->flow));
		s->entry = false;
		return true;
	}
	for (unsigned i = 0; i < world.sock_count; i++) {
		struct sock *s = &world.socks[i];

		if (!s->announced || memcmp(&s->tuple, tuple, sizeof(*tuple)) != 0)
			continue;
		memcpy(value, &s->flow, sizeof(s->flow));
		s->announced = false;
		return true;
	}
	return false;
}

bool io_replace(int map, const struct mpgate_tuple *tuple, const void *value)
{
	CHECK(map == FLOWS_MAP);
	for (unsigned i = 0; i < world.syn_count; i++) {
		struct syn *s = &world.syns[i];

		if (!s->entry || memcmp(&s->tuple, tuple, sizeof(*tuple)) != 0)
			continue;
		memcpy(&s->flow, value, sizeof(s->flow));
		return true;
	}
	return false;
}

/* To the first whose entry is there, as one SYN at a time is looked at. */
bool io_put(int fd, const void *frame, size_t len)
{
	CHECK(fd == HOLD_FD && len <= WORLD_FRAME);
	for (unsigned i = 0; i < world.syn_count; i++) {
		struct syn *s = &world.syns[i];

		if (!s->entry)
			continue;
		memcpy(s->put, frame, len);
		s->put_len = len;
		s->put_count++;
		return true;
	}
	return false;
}

/* world_syn() hands them over itself. */
void io_ring_take(struct io_ring *ring)
{
	(void)ring;
}

static bool has_queue(unsigned listener)
{
	for (unsigned i = 0; i < world.sock_count; i++)
		if (world.socks[i].queue == (int)listener + WORLD_FIRST_FD)
			return true;
	return false;
}

/* What poll() would say. */
static uint32_t level(const struct sock *s)
{
	uint32_t ev = 0;

	if (s->in_len > s->in_off || s->fin || s->dead)
		ev |= EPOLLIN;
	if (s->dead || ((s->connected || s->young) && s->room))
		ev |= EPOLLOUT;
	if (s->fin || s->dead)
		ev |= EPOLLRDHUP;
	if (s->dead || (s->fin && s->shut))
		ev |= EPOLLHUP;
	if (s->error)
		ev |= EPOLLERR;
	if (s->mark > s->in_off)
		ev |= EPOLLPRI;
	return ev;
}

int io_wait(int epoll, struct epoll_event *ev, int max, int timeout)
{
	int n = 0;

	(void)epoll;
	world.busy = !timeout;
	world.sleep = timeout;
	if (world.message_waits)
		ev[n++] = (struct epoll_event){ .events = EPOLLIN, .data.u64 = (uint64_t)(uintptr_t)world.worker };
	for (unsigned i = 0; i < world.sock_count && n < max; i++) {
		struct sock *s = &world.socks[i];
		uint32_t is = s->listener && has_queue(i) ? EPOLLIN : s->changed ? level(s) : 0;

		if (!s->watched || !is)
			continue;
		s->changed = false;
		is &= s->events | EPOLLERR | EPOLLHUP;
		if (is)
			ev[n++] = (struct epoll_event){ .events = is, .data.u64 = s->tag };
	}
	if (!n && !world.busy)
		world.busy = sock_release();
	world.busy |= n > 0;
	return n;
}

/* --- message.h, fault.c */
int message_send(int socket, const struct message *m, int fd)
{
	int ret = world_fails(&world.fail.tell);

	CHECK(socket == CONTROL_FD);
	if (ret)
		return ret;
	if (fd >= 0)
		world.told_fd = dup(fd);
	world.told[world.told_count++ % WORLD_MESSAGES] = *m;
	return 0;
}

int message_receive(int socket, struct message *m, int *fd)
{
	int ret;

	CHECK(socket == CONTROL_FD);
	*fd = -1;
	if (world.supervisor_gone)
		return 0;
	if (!world.message_waits)
		return -EAGAIN;
	world.message_waits = false;
	*m = world.message;
	ret = world_fails(&world.fail.hear);
	if (ret)
		return ret;
	*fd = world.message_fd;
	return 1;
}

void fault_covers(int fd)
{
	sock_live(fd);
}
