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
#include <mpgated/ipc/start.h>

#define BACKLOG 16
#define PAUSE_MS 20 /* from question to question: whoever can ask cannot keep us busy */
#define PAGE_PAUSE_MS 200 /* the same behind a text of the page, which takes longer to make */

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

	return packet_send(c->socket, &s->how, sizeof(s->how), &s->listener, 1);
}

/* A memfd with a text, -1: none. */
static int text_fd(const char *text, size_t len)
{
	int fd = text ? memfd_create("metrics", MFD_CLOEXEC) : -1;

	if (fd >= 0 && write(fd, text, len) != (ssize_t)len) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void pause_over(uv_timer_t *t)
{
	child_listen(t->data, true);
}

/* The answer to s->question; text is freed. */
static void give(struct scrape *s, char *text, size_t len)
{
	struct message m = s->question;
	int fd = text_fd(text, len);

	free(text);
	m.value = fd < 0 ? 0 : (int32_t)len;
	message_send(s->child.socket, &m, fd);
	if (fd >= 0)
		close(fd);
	uv_timer_start(&s->pause, pause_over, s->question.value < HTTP_STATUS ? PAUSE_MS : PAGE_PAUSE_MS, 0);
}

/* Who asked may have ended; the next one asks anew, and an answer to the one before is as good. */
static void page_done(void *arg, char *text, size_t len)
{
	struct scrape *s = arg;

	if (!s->due) {
		free(text);
		return;
	}
	s->due = false;
	give(s, text, len);
}

static void answer(struct scrape *s, const struct message *question)
{
	enum http_text which = (enum http_text)question->value;
	char *text = NULL;
	size_t len = 0;

	s->question = *question;
	if (which >= HTTP_STATUS && s->source->page) {
		s->due = true;
		s->source->page(s->arg, which, page_done, s);
		return;
	}
	if (which < HTTP_STATUS)
		text = s->source->metrics(s->arg, which == HTTP_OPENMETRICS, &len);
	give(s, text, len);
}

static void readable(struct child *c)
{
	struct message m;
	int fd, ret = message_receive(c->socket, &m, &fd);
	bool wrong = ret == -EPROTO ||
		     (ret == 1 && (fd >= 0 || m.type != MSG_METRICS || m.value < 0 || m.value >= HTTP_TEXTS || m.more));

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
	s->due = false;
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

/* Who gets the status page. 0 or -errno. */
static int guard(struct http_start *how, const char *addr, const char *token_file)
{
	struct mpgate_addr a;

	if (token_file) {
		how->guard = HTTP_TOKEN;
		return key_file_load(token_file, &how->token);
	}
	how->guard = addr_parse(addr, &a) == 0 && addr_is_loopback(&a) ? HTTP_LOCAL : HTTP_CLOSED;
	return 0;
}

int scrape_open(struct scrape *s, uv_loop_t *loop, const char *addr, uint16_t port, const char *token_file,
		const struct http_source *source, void *arg)
{
	int fd, ret = guard(&s->how, addr, token_file);

	if (ret) {
		log_error("metrics: token file %s: %s", token_file, strerror(-ret));
		return ret;
	}
	fd = listen_on(addr, port);
	if (fd < 0 && fd != -EADDRNOTAVAIL) {
		log_error("metrics: cannot listen on %s port %u: %s", addr, port, strerror(-fd));
		return fd;
	}
	s->listener = -1;
	s->source = source;
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
	key_wipe(&s->how, sizeof(s->how));
	s->open = false;
}
