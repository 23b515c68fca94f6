// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/scrape.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lib/addr.h>
#include <lib/log.h>
#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>

#define BACKLOG 16
#define PAUSE_MS 20 /* from question to question: whoever can ask cannot keep us busy */

static int listen_on(const char *text, uint16_t port)
{
	struct sockaddr_storage ss;
	struct mpgate_addr addr;
	int fd, one = 1, err;
	socklen_t len;

	if (addr_parse(text, &addr) < 0)
		return -EINVAL;
	len = addr_to_sockaddr(&addr, htons(port), &ss);
	fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    (ss.ss_family != AF_INET6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == 0) &&
	    bind(fd, (struct sockaddr *)&ss, len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static int begin(struct child *c)
{
	const struct scrape *s = (struct scrape *)(void *)c;

	return packet_send(c->socket, "", 1, &s->listener, 1);
}

/* A memfd with a new text, its length in *len; -1: none. */
static int text_fd(const struct scrape *s, bool openmetrics, size_t *len)
{
	char *text = s->render(s->arg, openmetrics, len);
	int fd = text ? memfd_create("metrics", MFD_CLOEXEC) : -1;

	if (fd >= 0 && write(fd, text, *len) != (ssize_t)*len) {
		close(fd);
		fd = -1;
	}
	free(text);
	return fd;
}

static void pause_over(uv_timer_t *t)
{
	child_listen(t->data, true);
}

static void answer(struct scrape *s, const struct message *question)
{
	struct message m = *question;
	size_t len = 0;
	int fd = text_fd(s, question->value, &len);

	m.value = fd < 0 ? 0 : (int32_t)len;
	message_send(s->child.socket, &m, fd);
	if (fd >= 0)
		close(fd);
	uv_timer_start(&s->pause, pause_over, PAUSE_MS, 0);
}

static void readable(struct child *c)
{
	struct message m;
	int fd, ret = message_receive(c->socket, &m, &fd);
	bool wrong = ret == -EPROTO ||
		     (ret == 1 && (fd >= 0 || m.type != MSG_METRICS || m.value < 0 || m.value > 1 || m.more));

	if (ret == -EAGAIN || ret == -EINTR)
		return;
	child_listen(c, false); /* when it has ended: SIGCHLD tells */
	if (ret == 1 && fd >= 0)
		close(fd);
	if (wrong)
		child_kill(c, "a message that it has no reason to send");
	else if (ret == 1)
		answer((struct scrape *)(void *)c, &m);
}

static void on_end(struct child *c, int status, unsigned delay)
{
	struct scrape *s = (struct scrape *)(void *)c;

	uv_timer_stop(&s->pause);
	if (!c->stopping)
		log_error("the metrics process ended (wait status %#x); a new one starts in %u ms", (unsigned)status,
			  delay);
}

static const struct child_kind kind = { .name = START_METRICS, .begin = begin, .readable = readable, .ended = on_end };

const char *scrape_waits(const struct scrape *s)
{
	return !s->open || !s->waiting	     ? NULL
	       : s->waiting == EADDRNOTAVAIL ? "no interface has that address"
					     : strerror(s->waiting);
}

static void wait_for(struct scrape *s, const char *addr, uint16_t port, int err)
{
	bool news = s->waiting != err;

	s->waiting = err;
	if (news)
		log_warn("metrics: waiting to listen on %s port %u: %s", addr, port, scrape_waits(s));
}

static int start(struct scrape *s, int fd)
{
	int ret;

	s->listener = fd;
	s->waiting = 0;
	ret = child_start(&s->child);
	if (ret)
		log_error("metrics: %s", strerror(-ret));
	return ret;
}

int scrape_open(struct scrape *s, uv_loop_t *loop, const char *addr, uint16_t port, metrics_render render, void *arg)
{
	int fd = listen_on(addr, port);

	if (fd < 0 && fd != -EADDRNOTAVAIL) {
		log_error("metrics: cannot listen on %s port %u: %s", addr, port, strerror(-fd));
		return fd;
	}
	s->listener = -1;
	s->render = render;
	s->arg = arg;
	s->open = true;
	child_init(&s->child, loop, &kind, 0);
	uv_timer_init(loop, &s->pause);
	s->pause.data = &s->child;
	if (fd >= 0)
		return start(s, fd);
	wait_for(s, addr, port, -fd);
	return 0;
}

void scrape_again(struct scrape *s, const char *addr, uint16_t port)
{
	int fd;

	if (!s->open || !s->waiting)
		return;
	fd = listen_on(addr, port);
	if (fd < 0)
		wait_for(s, addr, port, -fd);
	else if (start(s, fd) == 0)
		log_info("metrics: listening on %s port %u", addr, port);
}

void scrape_reap(struct scrape *s)
{
	if (s->open)
		child_reap(&s->child);
}

void scrape_close(struct scrape *s)
{
	if (!s->open)
		return;
	child_stop(&s->child);
	/* It has nothing to put in order. */
	if (s->child.pid)
		kill(s->child.pid, SIGKILL);
	while (s->child.pid) {
		child_reap(&s->child);
		poll(NULL, 0, 1);
	}
	uv_close((uv_handle_t *)&s->pause, NULL);
	if (s->listener >= 0)
		close(s->listener);
	s->open = false;
}
