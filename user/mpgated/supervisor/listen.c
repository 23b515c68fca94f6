// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/net/tcp.h>
#include <mpgated/paths/sysctl.h>
#include <mpgated/supervisor/listen.h>
#include <mpgated/supervisor/supervisor.h>

#define BACKLOG 4096 /* of a listener; net.core.somaxconn may cut it */
#define PORT_TRIES 16 /* to find a port free on both loopback addresses */
/*
 * Clients are probed so many times later: what forgets connections early stands further out, and a phone is not to be
 * woken, nor cut off for a nap.
 */
#define KEEPALIVE_CLIENT 4U

static void add_listener(struct worker_proc *p, int fd, bool convert)
{
	p->listeners[p->listener_count++] = (struct listener){ .fd = fd, .convert = convert };
}

/* The steering listeners: one port on both loopback addresses, where nothing from outside can arrive unassigned. */
static int listen_steer(struct worker_proc *p)
{
	static const struct listen_options opt = { .transparent = true, .backlog = BACKLOG };
	struct mpgate_addr v4, v6, bound;
	int fd4, fd6, ret;

	addr_parse("127.0.0.1", &v4);
	addr_parse("::1", &v6);
	for (unsigned i = 0; i < PORT_TRIES; i++) {
		fd4 = tcp_listen(&v4, 0, &opt);
		if (fd4 < 0)
			return fd4;
		ret = tcp_local(fd4, &bound, &p->port);
		fd6 = ret ? ret : tcp_listen(&v6, p->port, &opt);
		if (fd6 >= 0 || fd6 == -EAFNOSUPPORT || fd6 == -EADDRNOTAVAIL) {
			add_listener(p, fd4, false);
			if (fd6 >= 0)
				add_listener(p, fd6, false);
			return 0;
		}
		close(fd4);
		if (fd6 != -EADDRINUSE)
			return fd6;
	}
	return -EADDRINUSE;
}

/* Where Convert listens: all addresses at the first port, then at the next. How many places that are. */
static unsigned count_places(const struct supervisor *s)
{
	const struct cfg_convert *c = &s->cfg->convert;

	return c->listening ? c->listen_count * (1 + c->ports.count) : 0;
}

static const struct mpgate_addr *place(const struct supervisor *s, unsigned n, __be16 *port)
{
	const struct cfg_convert *c = &s->cfg->convert;
	unsigned other = n / c->listen_count;

	*port = htons(other ? c->ports.port[other - 1] : c->port);
	return &c->listen[n % c->listen_count];
}

static int listen_convert(struct worker_proc *p, unsigned n)
{
	static const struct listen_options opt = { .reuseport = true, .fastopen = true, .backlog = BACKLOG };
	const struct mpgate_addr *a;
	__be16 port;
	int fd;

	if (p->places & 1U << n)
		return 0;
	a = place(p->sup, n, &port);
	fd = tcp_listen(a, port, &opt);
	if (fd < 0)
		return fd;
	add_listener(p, fd, true);
	p->places |= 1U << n;
	return 0;
}

static const char *reason(int err)
{
	return err == EADDRNOTAVAIL ? "no interface has that address" : strerror(err);
}

static void tell_waiting(struct supervisor *s, unsigned n, int err)
{
	char text[ADDR_TEXT];
	__be16 port;
	const struct mpgate_addr *a = place(s, n, &port);

	if (s->waiting[n] != err)
		log_warn("waiting to listen on %s: %s", addr_print_port(a, port, text), reason(err));
	s->waiting[n] = err;
}

static int open_worker(struct supervisor *s, unsigned i)
{
	struct worker_proc *p = &s->workers[i];
	unsigned places = count_places(s);
	char text[ADDR_TEXT];
	__be16 port;
	int ret;

	*p = (struct worker_proc){ .sup = s, .ring_fd = -1, .child = { .socket = -1 } };
	ret = listen_steer(p);
	if (ret)
		log_error("cannot listen for steered connections: %s", strerror(-ret));
	for (unsigned n = 0; n < places && !ret; n++) {
		ret = listen_convert(p, n);
		if (ret == -EADDRNOTAVAIL) {
			tell_waiting(s, n, EADDRNOTAVAIL);
			ret = 0;
		} else if (ret) {
			const struct mpgate_addr *a = place(s, n, &port);

			log_error("cannot listen on %s: %s", addr_print_port(a, port, text), strerror(-ret));
		}
	}
	return ret;
}

int listen_open(struct supervisor *s)
{
	s->worker_count = s->cfg->workers;
	for (unsigned i = 0; i < s->worker_count; i++) {
		int ret = open_worker(s, i);

		if (ret)
			return ret;
	}
	listen_keepalive(s);
	return 0;
}

bool listen_again(struct supervisor *s)
{
	char text[ADDR_TEXT];
	bool news = false;

	for (unsigned n = 0; n < CFG_LISTEN_ADDRESSES; n++) {
		const struct mpgate_addr *a;
		__be16 port;
		int ret = 0;

		if (!s->waiting[n])
			continue;
		for (unsigned i = 0; i < s->worker_count && !ret; i++)
			ret = listen_convert(&s->workers[i], n);
		if (ret) {
			tell_waiting(s, n, -ret);
			continue;
		}
		s->waiting[n] = 0;
		news = true;
		a = place(s, n, &port);
		log_info("listening on %s", addr_print_port(a, port, text));
	}
	if (news)
		listen_keepalive(s);
	return news;
}

/* What is accepted inherits it. */
void listen_keepalive(const struct supervisor *s)
{
	unsigned seconds = s->cfg->timeouts.keepalive;

	for (unsigned i = 0; i < s->worker_count; i++) {
		const struct worker_proc *p = &s->workers[i];

		for (unsigned k = 0; k < p->listener_count; k++)
			tcp_keepalive(p->listeners[k].fd,
				      p->listeners[k].convert ? seconds : seconds * KEEPALIVE_CLIENT);
	}
}

unsigned listen_backlog(void)
{
	int most, cookies;

	if (sysctl_get("ipv4/tcp_syncookies", &cookies) == 0 && cookies == 2)
		return 0;
	return sysctl_get("core/somaxconn", &most) == 0 && most < BACKLOG ? (unsigned)most : BACKLOG;
}

const char *listen_waits(const struct supervisor *s, unsigned n, char *text, size_t size)
{
	char addr[ADDR_TEXT];
	const struct mpgate_addr *a;
	__be16 port;

	if (n >= count_places(s) || !s->waiting[n])
		return NULL;
	a = place(s, n, &port);
	snprintf(text, size, "%s (%s)", addr_print_port(a, port, addr), reason(s->waiting[n]));
	return text;
}
