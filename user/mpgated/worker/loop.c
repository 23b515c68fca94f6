// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The worker's loop: events, timers, the supervisor's messages. One thread; it
 * sleeps only in io_wait().
 *
 * Timers: each class has one duration, so its list is ordered by the time of
 * arming and only heads are looked at. Activity does not move a connection; a
 * head that was active since is armed again, and so ends after one to two
 * times the duration without a byte.
 */
#include <lib/log.h>
#include <mpgated/net/io.h>
#include <mpgated/worker/jam.h>
#include <mpgated/worker/copy.h>
#include <mpgated/worker/dial.h>
#include <mpgated/worker/gateway.h>
#include <mpgated/worker/hub.h>
#include <mpgated/worker/parking.h>
#include <mpgated/worker/race.h>
#include <mpgated/worker/ready.h>
#include <mpgated/worker/relay.h>
#include <mpgated/worker/transparent.h>
#include <mpgated/worker/worker.h>

#define BATCH 256 /* events taken from the kernel at a time */

static void conn_event(struct worker *w, struct conn *c)
{
	switch (c->state) {
	case GW_FIRST:
	case GW_DIAL:
	case GW_ANSWER:
	case GW_APPROVED:
	case GW_DIRECT:
		gateway_event(w, c);
		break;
	case GW_COPY:
		gateway_copy(w, c);
		break;
	case GW_READY:
		ready_event(w, c);
		break;
	case GW_PARKING:
	case GW_PARKED:
		parking_event(w, c);
		break;
	case TR_DIAL:
		transparent_event(w, c);
		break;
	case HUB_HEADER:
	case HUB_DIAL:
	case HUB_LINGER:
		hub_event(w, c);
		break;
	case HUB_COPY:
		copy_event(w, c);
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
	case GW_APPROVED:
	case GW_DIRECT:
		gateway_timeout(w, c);
		break;
	case GW_PARKING:
		parking_timeout(w, c);
		break;
	case TR_DIAL:
		transparent_timeout(w, c);
		break;
	case GW_READY:
	case GW_PARKED:
		conn_close(w, c, true);
		break;
	case HUB_HEADER:
	case HUB_DIAL:
	case HUB_COPY:
	case HUB_LINGER:
		hub_timeout(w, c);
		break;
	default:
		relay_timeout(w, c);
	}
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Readers that stand still; returns when they are looked at again. */
static int64_t run_still(struct worker *w)
{
	int64_t next = still_look(w);
	struct conn *c;

	while ((c = still_over(w)))
		relay_still(w, c);
	return next;
}

/* Fires what is due; returns how long to sleep, -1: no timer. */
static int run_timers(struct worker *w)
{
	int64_t sleep = earlier(earlier(run_still(w), race_look(w)), earlier(parking_look(w), dial_look(w)));

	sleep = earlier(sleep, jam_look(w));

	for (unsigned class = 0; class < TIMER_CLASSES; class ++) {
		struct list *head = &w->timers[class];
		uint64_t ms = conn_timer_ms(w, class);

		while (!list_empty(head)) {
			struct conn *c = list_entry(head->next, struct conn, timer);

			if (c->armed + ms > w->now) {
				sleep = earlier(sleep, (int64_t)(c->armed + ms - w->now));
				break;
			}
			if (c->state == RELAY && class != TIMER_YOUNG && c->active + ms > w->now) {
				conn_timer(w, c, class);
				continue;
			}
			conn_timeout(w, c);
		}
	}
	/* A connection kept for a peer has run out of time. */
	if (w->parking_look <= w->now)
		return 0;
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

/* The supervisor is gone. New connections go unbonded from here on; those that exist live to their end. */
static void orphaned(struct worker *w)
{
	log_warn("the supervisor is gone: no new connections, %u go on", w->connections);
	io_unwatch(w->epoll, w->control);
	worker_stop_accepting(w);
	w->orphan = true;
}

bool loop_turn(struct worker *w)
{
	struct epoll_event ev[BATCH];
	int timeout = run_timers(w), n;

	if (w->orphan && !w->connections)
		return false;
	if (!list_empty(&w->runnable))
		timeout = 0;
	conn_reap(w);
	n = io_wait(w->epoll, ev, BATCH, timeout);
	w->now = io_now();
	for (int i = 0; i < n; i++) {
		if (ev[i].data.u64 == (uint64_t)(uintptr_t)w) {
			if (!worker_message(w))
				orphaned(w);
		} else if (ev[i].data.u64 == (uint64_t)(uintptr_t)&w->ring) {
			io_ring_take(w->ring);
		} else if (!listener_event(w, ev[i].data.u64)) {
			dispatch(w, &ev[i]);
		}
	}
	run_again(w);
	return true;
}
