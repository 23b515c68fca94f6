// SPDX-License-Identifier: GPL-2.0-or-later
#include "loop.h"

#include <string.h>

#include "../fuzz/check.h"

#define HANDLES 2048U
#define TURNS 100000U /* far more than any test needs: a timer that starts itself again without a pause */

struct handle {
	uv_handle_t *h;
	bool poll, active, closing;
	uv_close_cb closed;
	/* A timer. */
	uv_timer_cb due;
	uint64_t at, repeat;
	unsigned order; /* of those that are due together, the one that was started first */
	/* A descriptor. */
	uv_poll_cb ready;
	int fd, events;
};

static struct {
	struct handle handle[HANDLES];
	unsigned count, started;
	uint64_t clock, seen; /* ms; seen: by the loop, as libuv reads the clock once a turn */
	int refuse;
} loop;

void loop_new(void)
{
	memset(&loop, 0, sizeof(loop));
	loop.clock = loop.seen = LOOP_START;
}

static struct handle *find(const void *h)
{
	for (unsigned i = 0; i < loop.count; i++)
		if (loop.handle[i].h == h)
			return &loop.handle[i];
	return NULL;
}

/* One that was initialised and is not closed. */
static struct handle *live(const void *h)
{
	struct handle *e = find(h);

	CHECK(e);
	return e;
}

static struct handle *add(void *h)
{
	struct handle *e = &loop.handle[loop.count];

	CHECK(!find(h) && loop.count < HANDLES);
	loop.count++;
	*e = (struct handle){ .h = h, .fd = -1 };
	return e;
}

/* --- what libuv has */
uint64_t uv_now(const uv_loop_t *l)
{
	(void)l;
	return loop.seen;
}

void uv_update_time(uv_loop_t *l)
{
	(void)l;
	loop.seen = loop.clock;
}

uint64_t uv_hrtime(void)
{
	return loop.clock * 1000000;
}

int uv_timer_init(uv_loop_t *l, uv_timer_t *t)
{
	(void)l;
	add(t);
	return 0;
}

int uv_timer_start(uv_timer_t *t, uv_timer_cb due, uint64_t timeout, uint64_t repeat)
{
	struct handle *e = live(t);

	if (e->closing || !due)
		return UV_EINVAL;
	e->active = true;
	e->due = due;
	e->at = loop.seen + timeout;
	e->repeat = repeat;
	e->order = loop.started++;
	return 0;
}

int uv_timer_stop(uv_timer_t *t)
{
	live(t)->active = false;
	return 0;
}

int uv_poll_init(uv_loop_t *l, uv_poll_t *p, int fd)
{
	int err = loop.refuse;
	struct handle *e;

	(void)l;
	loop.refuse = 0;
	if (err)
		return err;
	for (unsigned i = 0; i < loop.count; i++)
		CHECK(loop.handle[i].fd != fd);
	e = add(p);
	e->poll = true;
	e->fd = fd;
	return 0;
}

int uv_poll_start(uv_poll_t *p, int events, uv_poll_cb ready)
{
	struct handle *e = live(p);

	CHECK(!e->closing && events);
	e->active = true;
	e->events = events;
	e->ready = ready;
	return 0;
}

int uv_poll_stop(uv_poll_t *p)
{
	struct handle *e = live(p);

	CHECK(!e->closing);
	e->active = false;
	return 0;
}

void uv_close(uv_handle_t *h, uv_close_cb closed)
{
	struct handle *e = live(h);

	CHECK(!e->closing);
	e->closing = true;
	e->active = false;
	e->closed = closed;
}

int uv_is_closing(const uv_handle_t *h)
{
	return live(h)->closing;
}

/* --- what the test does */
static struct handle *next_due(uint64_t until)
{
	struct handle *next = NULL;

	for (unsigned i = 0; i < loop.count; i++) {
		struct handle *e = &loop.handle[i];

		if (e->poll || !e->active || e->at > until)
			continue;
		if (!next || e->at < next->at || (e->at == next->at && e->order < next->order))
			next = e;
	}
	return next;
}

static void tell_closed(void)
{
	for (unsigned i = 0; i < loop.count;) {
		const struct handle e = loop.handle[i];

		if (!e.closing) {
			i++;
			continue;
		}
		loop.handle[i] = loop.handle[--loop.count];
		if (e.closed)
			e.closed(e.h);
		i = 0;
	}
}

void loop_pass(uint64_t ms)
{
	uint64_t until = loop.clock + ms;
	unsigned turns = 0;
	struct handle *e;

	tell_closed();
	while ((e = next_due(until))) {
		uv_timer_t *t = (uv_timer_t *)e->h;
		uv_timer_cb due = e->due;

		CHECK(turns++ < TURNS);
		if (e->at > loop.clock)
			loop.clock = e->at;
		loop.seen = loop.clock;
		e->active = false;
		if (e->repeat)
			uv_timer_start(t, due, e->repeat, e->repeat);
		due(t);
		tell_closed();
	}
	loop.clock = loop.seen = until;
}

void loop_busy(uint64_t ms)
{
	loop.clock += ms;
}

static struct handle *watcher(int fd)
{
	for (unsigned i = 0; i < loop.count; i++)
		if (loop.handle[i].poll && loop.handle[i].fd == fd && loop.handle[i].active)
			return &loop.handle[i];
	return NULL;
}

bool loop_ready(int fd, int status, int events)
{
	struct handle *e = watcher(fd);

	if (!e || !(status || (e->events & events)))
		return false;
	loop.seen = loop.clock;
	e->ready((uv_poll_t *)e->h, status, status ? 0 : e->events & events);
	return true;
}

int loop_watched(int fd)
{
	const struct handle *e = watcher(fd);

	return e ? e->events : 0;
}

void loop_refuse(int err)
{
	loop.refuse = err;
}

unsigned loop_handles(void)
{
	return loop.count;
}

unsigned loop_timers(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < loop.count; i++)
		n += !loop.handle[i].poll && loop.handle[i].active;
	return n;
}
