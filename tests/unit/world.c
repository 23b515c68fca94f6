// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's part of the world: sockets (net/tcp.h). See world.h. */
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
struct sock *sock_live(int fd)
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

int world_fails(int *what)
{
	int err = *what;

	*what = 0;
	return -err;
}

bool world_no_descriptor(void)
{
	unsigned n = world.reserved;

	for (unsigned i = 0; i < world.sock_count; i++)
		n += !world.socks[i].listener && world.socks[i].queue < 0 && world.socks[i].end == OPEN;
	return world.descriptors && n >= world.descriptors;
}

/* --- tcp.h */
int tcp_socket(int family, bool mptcp)
{
	int ret = world_fails(&world.fail.socket);

	(void)family;
	if (ret)
		return ret;
	if (world.sock_count == WORLD_SOCKETS || world_no_descriptor())
		return -EMFILE;
	ret = sock_new(false);
	sock_of(ret)->dialed = true;
	sock_of(ret)->mptcp = sock_of(ret)->is_mptcp = mptcp;
	return ret;
}

ssize_t tcp_dial(int fd, const struct mpgate_addr *addr, __be16 port, bool syn_data, const void *data, size_t len)
{
	struct sock *s = sock_live(fd);
	int ret = world_fails(&world.fail.dial);

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
	int ret = world_fails(&world.fail.accept);

	if (ret)
		return ret;
	for (unsigned i = 0; i < world.sock_count; i++) {
		struct sock *s = &world.socks[i];

		if (s->queue != listener)
			continue;
		if (world_no_descriptor())
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
	struct sock *s = sock_live(fd);
	size_t n = s->in_len - s->in_off - s->unheard;

	if (s->mark > s->in_off && n > s->mark - s->in_off)
		n = s->mark - s->in_off;
	if (s->jam > s->limit)
		n = 0;
	if (!n && s->error)
		return world_fails(&s->error);
	if (!n && !s->fin)
		return s->connected || s->young ? -EAGAIN : -ENOTCONN;
	if (n > len)
		n = len;
	if (n)
		memcpy(buf, s->in + s->in_off, n);
	if (!peek) {
		s->in_off += n;
		s->unheard = n == len ? 0 : s->unheard;
	}
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
	struct sock *s = sock_live(fd);
	int ret = world_fails(&world.fail.send);

	CHECK(!s->shut);
	if (ret)
		return ret;
	if (s->error)
		return world_fails(&s->error);
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
	struct sock *s = sock_live(fd);

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
	sock_live(fd)->end = how;
	sock_of(fd)->watched = false;
}

void tcp_close(int fd)
{
	end(fd, CLOSED_IN_ORDER);
}

void tcp_reset(int fd, bool mptcp)
{
	/* Ending an MPTCP socket as a plain one would be no reset. */
	CHECK(mptcp || !sock_live(fd)->mptcp);
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
	struct sock *s = sock_live(fd);

	if (s->stuck && !s->young)
		s->unsent = s->stuck = false;
}

void tcp_keepalive(int fd, unsigned seconds)
{
	sock_live(fd)->keepalive = seconds;
}

void tcp_urgent_inline(int fd)
{
	sock_live(fd);
}

bool tcp_in_handshake(int fd)
{
	return sock_live(fd)->young;
}

bool tcp_is_up(int fd)
{
	return !sock_live(fd)->young && !sock_live(fd)->dead;
}

void tcp_set_dscp(int fd, const struct mpgate_addr *addr, uint8_t dscp)
{
	(void)addr;
	sock_live(fd)->dscp = dscp;
}

int tcp_leave_from(int fd, const struct mpgate_addr *from)
{
	sock_live(fd)->tuple.saddr = *from;
	return 0;
}

int tcp_leave_by(int fd, unsigned ifindex)
{
	sock_live(fd)->by = ifindex;
	return 0;
}

void tcp_port_range(int fd, uint16_t from, uint16_t to)
{
	sock_live(fd)->ports[0] = from;
	sock_live(fd)->ports[1] = to;
}

int tcp_bind_foreign(int fd, const struct mpgate_addr *addr, __be16 port)
{
	struct sock *s = sock_live(fd);

	s->bound = true;
	s->tuple.saddr = *addr;
	s->tuple.sport = port;
	return world_fails(&world.fail.bind);
}

bool tcp_writable(int fd)
{
	return sock_live(fd)->room > 0;
}

int tcp_error(int fd)
{
	struct sock *s = sock_live(fd);

	return -world_fails(&s->error);
}

int tcp_local(int fd, struct mpgate_addr *addr, __be16 *port)
{
	struct sock *s = sock_live(fd);
	int ret = world_fails(&world.fail.local);

	if (ret)
		return ret;
	*addr = s->dialed ? s->tuple.saddr : s->tuple.daddr;
	*port = !s->dialed ? s->tuple.dport : s->tuple.sport ? s->tuple.sport : htons(50000);
	return 0;
}

bool tcp_syn_data_acked(int fd)
{
	return sock_live(fd)->syn_data_acked;
}

unsigned tcp_retransmissions(int fd)
{
	return sock_live(fd)->sent_again;
}

bool tcp_all_acked(int fd)
{
	return !sock_live(fd)->unacked;
}

/* Then a socket with unsent bytes is not writable, and does not say when its handshake is over. */
void tcp_tell_sent(int fd)
{
	CHECK(!sock_live(fd)->young);
	sock_live(fd)->ahead = 1;
}

uint32_t tcp_rtt_us(int fd)
{
	return sock_live(fd)->rtt_us;
}

void tcp_set_ahead(int fd, uint32_t bytes)
{
	sock_live(fd)->ahead = bytes;
}

struct tcp_memory tcp_memory(int fd)
{
	const struct sock *s = sock_live(fd);

	return (struct tcp_memory){ .received = (uint32_t)(s->in_len - s->in_off) + s->jam,
				    .sent = s->held,
				    .receive_limit = s->limit,
				    .dropped = s->dropped };
}

void tcp_grow(int fd, uint32_t bytes)
{
	sock_live(fd)->limit = 2 * bytes;
}

bool tcp_is_closed(int fd)
{
	return sock_live(fd)->dead;
}

bool tcp_may_shutdown(int fd)
{
	return !sock_live(fd)->is_mptcp || !sock_live(fd)->unsent || sock_live(fd)->dead;
}

bool tcp_may_close(int fd)
{
	return !sock_live(fd)->is_mptcp || !sock_live(fd)->unacked || sock_live(fd)->dead;
}

bool tcp_is_mptcp(int fd)
{
	return sock_live(fd)->is_mptcp;
}

bool tcp_multipath(int fd, struct tcp_multipath *out, __be16 *port)
{
	const struct sock *s = sock_live(fd);

	if (!s->is_mptcp || s->dead)
		return false;
	*out = (struct tcp_multipath){ .token = WORLD_TOKEN + (uint32_t)fd };
	addr_parse("192.0.2.7", &out->local);
	addr_parse("192.0.2.8", &out->remote);
	*port = htons(8803);
	return true;
}

unsigned tcp_locals(int fd, struct mpgate_addr *out, unsigned max)
{
	(void)fd;
	return max && addr_parse("192.0.2.7", out) == 0;
}

uint8_t tcp_subflows(int fd, uint32_t *token)
{
	if (token)
		*token = (uint32_t)fd;
	return sock_live(fd)->is_mptcp;
}
