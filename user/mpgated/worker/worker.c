// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The worker's loop: events, timers, the supervisor's messages. One thread; it
 * sleeps only in epoll_wait().
 *
 * Timers: each class has one duration, so its list is ordered by the time of
 * arming and only heads are looked at. Activity does not move a connection; a
 * head that was active since is armed again, and so ends after one to two
 * times the duration without a byte.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/message.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/worker.h>

#define BATCH 256 /* events taken from the kernel at a time */
#define NOTES_PER_SECOND 10
#define ACKED_MS 20 /* nothing tells when a socket's bytes are acknowledged: it is asked that often, before a reset */

static uint64_t clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t class_ms(const struct worker *w, unsigned class)
{
	const struct snapshot *s = w->snap;

	switch (class) {
	case TIMER_FIRST:
		return s->first_bytes_ms;
	case TIMER_READY:
		return s->header_s * 1000ULL / 2;
	case TIMER_HEADER:
		return s->header_s * 1000ULL;
	case TIMER_PEER:
		return s->peer_s * 1000ULL;
	case TIMER_CONNECT:
		return s->connect_s * 1000ULL;
	case TIMER_ACKED:
		return ACKED_MS;
	case TIMER_HALF:
		return s->half_closed_s * 1000ULL;
	default:
		return s->idle_s * 1000ULL;
	}
}

void worker_tell_full(struct worker *w)
{
	unsigned limit = w->snap->connections;
	struct message m = { .type = MSG_FULL };

	m.value = w->connections >= (w->full ? limit - limit / 16 : limit);
	if (m.value != w->full && message_send(w->control, &m, -1) == 0)
		w->full = m.value;
}

/* Takes the connection with the spare descriptor and ends it, or the listener would wake us for ever. */
static void refuse_one(struct worker *w, int listener)
{
	int fd;

	close(w->spare_fd);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		tcp_reset(fd, false);
	w->spare_fd = fcntl(w->control, F_DUPFD_CLOEXEC, 0);
	w->stats->resource++;
}

int worker_accept(struct worker *w, int listener, enum conn_state state, enum leg_name opener, struct conn **out)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct conn *c = NULL;
	int fd;

	if (!w->full)
		worker_tell_full(w);
	fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		int err = errno;

		if (err == EMFILE || err == ENFILE)
			refuse_one(w, listener);
		return err == EAGAIN ? -EAGAIN : -ECONNABORTED;
	}
	/* What steer assigned before the supervisor heard that we are full is still served; twice the limit is not. */
	if (w->connections < 2 * w->snap->connections)
		c = conn_new(w, state, opener);
	if (c)
		/* As MPTCP: disconnecting resets a TCP socket just as well, and a client may speak either. */
		leg_accepted(conn_opener(c), fd, true);
	if (!c || addr_from_sockaddr((struct sockaddr *)&from, &c->request.tuple.saddr, &c->request.tuple.sport) < 0) {
		w->stats->resource++;
		if (c)
			conn_close(w, c, true);
		else
			tcp_reset(fd, true);
		return -ECONNABORTED;
	}
	tcp_urgent_inline(fd);
	*out = c;
	return 0;
}

void worker_peer_failed(struct worker *w, unsigned slot, int err)
{
	struct message m = { .type = MSG_PEER_FAILED, .slot = slot, .value = err };

	w->stats->peer_failed++;
	message_send(w->control, &m, -1);
}

void worker_peer_refused(struct worker *w, unsigned slot)
{
	struct message m = { .type = MSG_PEER_REFUSED, .slot = slot };

	message_send(w->control, &m, -1);
}

uint64_t worker_random(struct worker *w)
{
	if (!w->random_left) {
		if (getrandom(w->random, sizeof(w->random), 0) != (ssize_t)sizeof(w->random)) {
			log_error("getrandom: %s", strerror(errno));
			_exit(1);
		}
		w->random_left = RANDOM_POOL;
	}
	return w->random[--w->random_left];
}

void worker_note(struct worker *w, const struct conn *c, const char *fmt, ...)
{
	char text[256], src[ADDR_TEXT], dst[ADDR_TEXT];
	uint32_t second = (uint32_t)(w->now / 1000);
	va_list ap;

	if (second != w->note_second) {
		if (w->notes > NOTES_PER_SECOND)
			log_info("%u messages about connections left out", w->notes - NOTES_PER_SECOND);
		w->note_second = second;
		w->notes = 0;
	}
	if (w->notes++ >= NOTES_PER_SECOND)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_info("%s -> %s: %s", addr_print_port(&c->request.tuple.saddr, c->request.tuple.sport, src),
		 addr_print_port(&c->request.tuple.daddr, c->request.tuple.dport, dst), text);
}

const struct snapshot_peer *worker_peer(const struct worker *w, unsigned slot)
{
	const struct snapshot_peer *p = snapshot_at(w->snap, w->snap->peers);

	for (unsigned i = 0; i < w->snap->peers.count; i++)
		if (p[i].slot == slot)
			return &p[i];
	return NULL;
}

static void conn_event(struct worker *w, struct conn *c)
{
	switch (c->state) {
	case GW_FIRST:
	case GW_DIAL:
	case GW_ANSWER:
	case GW_DIRECT:
		gateway_event(w, c);
		break;
	case GW_READY:
		ready_event(w, c);
		break;
	case HUB_HEADER:
	case HUB_DIAL:
	case HUB_LINGER:
		hub_event(w, c);
		break;
	case RELAY:
		relay_event(w, c);
		break;
	default:
		break;
	}
}

static void conn_timeout(struct worker *w, struct conn *c)
{
	switch (c->state) {
	case GW_FIRST:
	case GW_DIAL:
	case GW_ANSWER:
	case GW_DIRECT:
		gateway_timeout(w, c);
		break;
	case GW_READY:
		conn_close(w, c, true);
		break;
	case HUB_HEADER:
	case HUB_DIAL:
	case HUB_LINGER:
		hub_timeout(w, c);
		break;
	default:
		relay_timeout(w, c);
	}
}

/* Fires what is due; returns how long to sleep, -1: no timer. */
static int run_timers(struct worker *w)
{
	int64_t sleep = -1;

	for (unsigned class = 0; class < TIMER_CLASSES; class ++) {
		struct list *head = &w->timers[class];
		uint64_t ms = class_ms(w, class);

		while (!list_empty(head)) {
			struct conn *c = list_entry(head->next, struct conn, timer);

			if (c->armed + ms > w->now) {
				int64_t left = (int64_t)(c->armed + ms - w->now);

				if (sleep < 0 || left < sleep)
					sleep = left;
				break;
			}
			if (c->state == RELAY && c->active + ms > w->now) {
				conn_timer(w, c, class);
				continue;
			}
			conn_timeout(w, c);
		}
	}
	return sleep > 60000 ? 60000 : (int)sleep;
}

static void run_again(struct worker *w)
{
	struct list now;

	if (list_empty(&w->runnable))
		return;
	/* Only those that are on the list by now: who asks again waits for the next batch of events. */
	now = w->runnable;
	now.next->prev = now.prev->next = &now;
	list_init(&w->runnable);
	while (!list_empty(&now)) {
		struct conn *c = list_entry(now.next, struct conn, run);

		list_del(&c->run);
		conn_event(w, c);
	}
}

static void dispatch(struct worker *w, const struct epoll_event *ev)
{
	struct conn *c = (struct conn *)(uintptr_t)(ev->data.u64 & ~(uint64_t)TAG_PEER);
	struct leg *l = ev->data.u64 & TAG_PEER ? &c->peer : &c->local;

	if (ev->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		l->in = true;
	if (ev->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		l->out = true;
	if (ev->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		l->hangup = true;
	if (ev->events & EPOLLPRI)
		l->urgent = true;
	if (conn_opener(c)->young && c->state != CLOSED)
		leg_settle(conn_opener(c));
	conn_event(w, c);
}

/* Listeners are few and stand first in the address space of tags: their tag is a pointer into w->listeners. */
static bool listener_event(struct worker *w, uint64_t tag)
{
	struct listener *l = (struct listener *)(uintptr_t)tag;

	if (l < w->listeners || l >= w->listeners + WORKER_LISTENERS)
		return false;
	if (!w->accepting)
		return true;
	if (l->convert)
		hub_accept(w, l);
	else
		gateway_accept(w, l);
	return true;
}

static int watch(struct worker *w, int fd, void *tag)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = (uint64_t)(uintptr_t)tag };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static void loop(struct worker *w)
{
	struct epoll_event ev[BATCH];
	bool orphan = false;

	for (;;) {
		int timeout = run_timers(w), n;

		if (orphan && !w->connections)
			break;
		if (!list_empty(&w->runnable))
			timeout = 0;
		conn_reap(w);
		n = epoll_wait(w->epoll, ev, BATCH, timeout);
		w->now = clock_ms();
		for (int i = 0; i < n; i++) {
			if (ev[i].data.u64 == (uint64_t)(uintptr_t)w) {
				if (worker_message(w))
					continue;
				/* New connections go unbonded from here on; those that exist live to their end. */
				log_warn("the supervisor is gone: no new connections, %u go on", w->connections);
				epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->control, NULL);
				worker_stop_accepting(w);
				orphan = true;
			} else if (!listener_event(w, ev[i].data.u64)) {
				dispatch(w, &ev[i]);
			}
		}
		run_again(w);
	}
}

static int init(struct worker *w, const struct worker_args *args)
{
	int ret;

	w->index = args->index;
	w->control = args->control;
	w->pending_fd = args->pending_fd;
	w->synack_fd = args->synack_fd;
	w->shm = args->shm;
	w->stats = &args->shm->workers[args->index];
	w->steer_port[0] = args->steer_port[0];
	w->steer_port[1] = args->steer_port[1];
	w->accepting = true;
	w->now = clock_ms();
	for (unsigned i = 0; i < TIMER_CLASSES; i++)
		list_init(&w->timers[i]);
	list_init(&w->runnable);
	list_init(&w->ready);
	list_init(&w->dead);
	w->buf = mmap(NULL, RELAY_HEADROOM + RELAY_BUF, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->spare_fd = fcntl(w->control, F_DUPFD_CLOEXEC, 0);
	if (w->buf == MAP_FAILED || w->epoll < 0 || w->spare_fd < 0)
		return -errno;
	ret = worker_snapshot(w, args->snapshot_fd);
	close(args->snapshot_fd);
	if (!ret)
		ret = watch(w, w->control, w);
	for (unsigned i = 0; !ret && i < args->listener_count; i++) {
		w->listeners[i] = args->listeners[i];
		ret = watch(w, w->listeners[i].fd, &w->listeners[i]);
		w->listener_count++;
	}
	return ret;
}

void worker_main(const struct worker_args *args)
{
	struct worker *w = calloc(1, sizeof(*w));
	int ret = w ? init(w, args) : -ENOMEM;

	if (!ret)
		ret = fault_handlers();
	if (!ret)
		ret = sandbox_enter();
	if (ret) {
		log_error("cannot start: %s", strerror(-ret));
		_exit(1);
	}
	loop(w);
	_exit(0);
}
