// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/window_probe.h>

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mpgated/net/tcp.h>

#define OFFERED (128 << 10) /* bytes; twice what a receiver that never reads can have offered by then */
#define SEND_BUFFER (256 << 10)
#define WAIT_MS 200

/* Bytes in flight at the MPTCP level after as much as the kernel takes was written to fd; negative: unknown. */
static int in_flight(int fd)
{
	static const char data[4096];
	int all, unsent, size = SEND_BUFFER;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (unsigned i = 0; i < SEND_BUFFER / sizeof(data); i++)
		if (send(fd, data, sizeof(data), MSG_NOSIGNAL) < 0)
			break;
	if (ioctl(fd, SIOCOUTQ, &all) < 0 || ioctl(fd, SIOCOUTQNSD, &unsent) < 0)
		return -1;
	return all - unsent;
}

static bool wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, WAIT_MS) == 1;
}

/* A receiver that does not read, connected with data in its SYN. True: more is in flight than it can have offered. */
static bool overshoots(int listener, const struct mpgate_addr *addr, __be16 port)
{
	int from = tcp_socket(AF_INET, true), to = -1;
	bool result = true;

	if (from >= 0 && tcp_dial(from, addr, port, true, "", 1) == 1 && wait_for(listener, POLLIN))
		to = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (to >= 0 && wait_for(from, POLLOUT) && tcp_syn_data_acked(from))
		result = in_flight(to) > OFFERED;
	if (to >= 0)
		tcp_reset(to, true);
	if (from >= 0)
		tcp_reset(from, true);
	return result;
}

bool window_probe(void)
{
	const struct listen_options opt = { .fastopen = true, .backlog = 1 };
	struct mpgate_addr addr;
	__be16 port;
	int listener;
	bool result = true;

	addr_parse("127.0.0.1", &addr);
	listener = tcp_listen(&addr, 0, &opt);
	if (listener >= 0 && tcp_local(listener, &addr, &port) == 0)
		result = overshoots(listener, &addr, port);
	if (listener >= 0)
		close(listener);
	return result;
}
