// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's part of the world: sockets, events, clocks. See world.h. */
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

struct world world;

struct sock *sock_of(int fd)
{
	CHECK(fd >= WORLD_FIRST_FD && (unsigned)fd < WORLD_FIRST_FD + world.sock_count);
	return &world.socks[fd - WORLD_FIRST_FD];
}

/* An open one: nothing is asked of a descriptor that was closed. */
static struct sock *live(int fd)
{
	struct sock *s = sock_of(fd);

	CHECK(s->end == OPEN);
	return s;
}

int sock_new(bool listener)
{
	unsigned n = world.sock_count++;
	struct sock *s = &world.socks[n];

	CHECK(n < WORLD_SOCKETS);
	*s = (struct sock){ .listener = listener, .is_mptcp = true, .room = world.room, .queue = -1 };
	if (world.cut_sock == (int)n && world.cut_out)
		s->room = world.cut_at;
	return (int)n + WORLD_FIRST_FD;
}

static int fails(int *what)
{
	int err = *what;

	*what = 0;
	return -err;
}

static bool no_descriptor(void)
{
	unsigned n = world.reserved;

	for (unsigned i = 0; i < world.sock_count; i++)
		n += !world.socks[i].listener && world.socks[i].queue < 0 && world.socks[i].end == OPEN;
	return world.descriptors && n >= world.descriptors;
}

/* --- tcp.h */
int tcp_socket(int family, bool mptcp)
{
	int ret = fails(&world.fail.socket);

	(void)family;
	if (ret)
		return ret;
	if (world.sock_count == WORLD_SOCKETS || no_descriptor())
		return -EMFILE;
	ret = sock_new(false);
	sock_of(ret)->dialed = true;
	sock_of(ret)->mptcp = sock_of(ret)->is_mptcp = mptcp;
	return ret;
}

ssize_t tcp_dial(int fd, const struct mpgate_addr *addr, __be16 port, bool syn_data, const void *data, size_t len)
{
	struct sock *s = live(fd);
	int ret = fails(&world.fail.dial);

	if (ret)
		return ret;
	if (syn_data && !world.syn_room)
		return -EOPNOTSUPP;
	s->to = *addr;
	s->to_port = port;
	s->syn_data = syn_data;
	if (!syn_data)
		return 0;
	if (len > world.syn_room)
		len = world.syn_room;
	if (len > s->room)
		len = s->room;
	return sock_put(s, data, len);
}

int tcp_accept(int listener, struct mpgate_addr *addr, __be16 *port)
{
	int ret = fails(&world.fail.accept);

	if (ret)
		return ret;
	for (unsigned i = 0; i < world.sock_count; i++) {
		struct sock *s = &world.socks[i];

		if (s->queue != listener)
			continue;
		if (no_descriptor())
			return -EMFILE;
		s->queue = -1;
		*addr = s->tuple.saddr;
		*port = s->tuple.sport;
		return (int)i + WORLD_FIRST_FD;
	}
	return -EAGAIN;
}

static ssize_t take_in(int fd, void *buf, size_t len, bool peek)
{
	struct sock *s = live(fd);
	size_t n = s->in_len - s->in_off;

	if (s->mark > s->in_off && n > s->mark - s->in_off)
		n = s->mark - s->in_off;
	if (!n && s->error)
		return fails(&s->error);
	if (!n && !s->fin)
		return s->connected || s->young ? -EAGAIN : -ENOTCONN;
	if (n > len)
		n = len;
	if (n)
		memcpy(buf, s->in + s->in_off, n);
	if (!peek)
		s->in_off += n;
	return (ssize_t)n;
}

ssize_t tcp_recv(int fd, void *buf, size_t len)
{
	return take_in(fd, buf, len, false);
}

ssize_t tcp_peek(int fd, void *buf, size_t len)
{
	return take_in(fd, buf, len, true);
}

ssize_t tcp_send(int fd, const void *data, size_t len)
{
	struct sock *s = live(fd);
	int ret = fails(&world.fail.send);

	CHECK(!s->shut);
	if (ret)
		return ret;
	if (s->error)
		return fails(&s->error);
	if (s->dead)
		return -EPIPE;
	if (!s->connected && !s->young)
		return -EAGAIN;
	if (len > s->room)
		len = s->room;
	if (!len)
		return -EAGAIN;
	if (s->young && s->is_mptcp)
		s->unsent = s->stuck = true;
	return sock_put(s, data, len);
}

int tcp_shutdown(int fd)
{
	struct sock *s = live(fd);

	if (s->dead)
		return -ENOTCONN;
	/* After a fallback that would be lost. */
	CHECK(!s->is_mptcp || !s->unsent);
	s->shut = true;
	return 0;
}

static void end(int fd, enum world_end how)
{
	if (fd == RESERVE_FD) {
		CHECK(world.reserved);
		world.reserved--;
		return;
	}
	live(fd)->end = how;
	sock_of(fd)->watched = false;
}

void tcp_close(int fd)
{
	end(fd, CLOSED_IN_ORDER);
}

void tcp_reset(int fd, bool mptcp)
{
	/* Ending an MPTCP socket as a plain one would be no reset. */
	CHECK(mptcp || !live(fd)->mptcp);
	end(fd, CLOSED_BY_RESET);
}

bool tcp_is_shortage(int err)
{
	return err == EADDRNOTAVAIL || err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM ||
	       err == ENOSPC;
}

/* Sends what was written in the handshake, see leg_settle(). */
void tcp_nodelay(int fd)
{
	struct sock *s = live(fd);

	if (s->stuck && !s->young)
		s->unsent = s->stuck = false;
}

void tcp_keepalive(int fd, unsigned seconds)
{
	live(fd)->keepalive = seconds;
}

bool tcp_in_handshake(int fd)
{
	return live(fd)->young;
}

void tcp_set_dscp(int fd, const struct mpgate_addr *addr, uint8_t dscp)
{
	(void)addr;
	live(fd)->dscp = dscp;
}

int tcp_leave_from(int fd, const struct mpgate_addr *from)
{
	live(fd)->tuple.saddr = *from;
	return 0;
}

void tcp_port_range(int fd, uint16_t from, uint16_t to)
{
	live(fd)->ports[0] = from;
	live(fd)->ports[1] = to;
}

int tcp_bind_foreign(int fd, const struct mpgate_addr *addr, __be16 port)
{
	struct sock *s = live(fd);

	s->bound = true;
	s->tuple.saddr = *addr;
	s->tuple.sport = port;
	return fails(&world.fail.bind);
}

bool tcp_writable(int fd)
{
	return live(fd)->room > 0;
}

int tcp_error(int fd)
{
	struct sock *s = live(fd);

	return -fails(&s->error);
}

int tcp_local(int fd, struct mpgate_addr *addr, __be16 *port)
{
	struct sock *s = live(fd);
	int ret = fails(&world.fail.local);

	if (ret)
		return ret;
	*addr = s->dialed ? s->tuple.saddr : s->tuple.daddr;
	*port = !s->dialed ? s->tuple.dport : s->tuple.sport ? s->tuple.sport : htons(50000);
	return 0;
}

bool tcp_syn_data_acked(int fd)
{
	return live(fd)->syn_data_acked;
}

unsigned tcp_retransmissions(int fd)
{
	return live(fd)->sent_again;
}

bool tcp_all_acked(int fd)
{
	return !live(fd)->unacked;
}

/* Then a socket with unsent bytes is not writable, and does not say when its handshake is over. */
void tcp_tell_sent(int fd)
{
	CHECK(!live(fd)->young);
	live(fd)->ahead = 1;
}

void tcp_set_ahead(int fd, uint32_t bytes)
{
	live(fd)->ahead = bytes;
}

struct tcp_memory tcp_memory(int fd)
{
	const struct sock *s = live(fd);

	return (struct tcp_memory){ .received = (uint32_t)(s->in_len - s->in_off), .sent = s->held };
}

bool tcp_is_closed(int fd)
{
	return live(fd)->dead;
}

bool tcp_may_shutdown(int fd)
{
	return !live(fd)->is_mptcp || !live(fd)->unsent || live(fd)->dead;
}

bool tcp_may_close(int fd)
{
	return !live(fd)->is_mptcp || !live(fd)->unacked || live(fd)->dead;
}

bool tcp_is_mptcp(int fd)
{
	return live(fd)->is_mptcp;
}

bool tcp_multipath(int fd, struct tcp_multipath *out, __be16 *port)
{
	const struct sock *s = live(fd);

	if (!s->is_mptcp || s->dead)
		return false;
	*out = (struct tcp_multipath){ .token = WORLD_TOKEN + (uint32_t)fd };
	addr_parse("192.0.2.7", &out->local);
	addr_parse("192.0.2.8", &out->remote);
	*port = htons(8803);
	return true;
}

uint8_t tcp_subflows(int fd)
{
	return live(fd)->is_mptcp;
}

/* --- io.h */
int io_watch(int epoll, int fd, uint32_t events, uint64_t tag)
{
	int ret = fails(&world.fail.watch);
	struct sock *s;

	(void)epoll;
	if (ret)
		return ret;
	s = live(fd);
	s->watched = s->changed = true;
	s->events = events;
	s->tag = tag;
	return 0;
}

int io_watch_again(int epoll, int fd, uint32_t events, uint64_t tag)
{
	CHECK(live(fd)->watched);
	return io_watch(epoll, fd, events, tag);
}

void io_unwatch(int epoll, int fd)
{
	(void)epoll;
	CHECK(fd == CONTROL_FD || sock_of(fd)->listener);
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
	if (no_descriptor())
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
	int ret = fails(&world.fail.tell);

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
	CHECK(socket == CONTROL_FD);
	*fd = -1;
	if (world.supervisor_gone)
		return 0;
	if (!world.message_waits)
		return -EAGAIN;
	world.message_waits = false;
	*m = world.message;
	*fd = world.message_fd;
	return 1;
}

void fault_covers(int fd)
{
	live(fd);
}
