// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The list of all flows. Workers are asked, and the loop goes on: those who wait for the list get it when the last
 * worker has answered, or without those that do not. One question is under way at a time; who asks the same meanwhile
 * gets its answer, too, and who asks something else waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mpgated/ipc/message.h>
#include <mpgated/supervisor/supervisor.h>

#define FLOWS_WAIT_MS 3000

static void add_waiter(struct supervisor *s, struct flows_waiter *w)
{
	struct flows_waiter **at = &s->waiters;

	while (*at)
		at = &(*at)->next;
	w->next = NULL;
	*at = w;
}

static void ask_workers(struct supervisor *s);

static void give(struct supervisor *s)
{
	struct flows_waiter *w, *all = s->waiters;

	s->waiters = NULL;
	while ((w = all)) {
		all = w->next;
		if (memcmp(&w->wanted, &s->wanted, sizeof(w->wanted)) != 0) {
			add_waiter(s, w);
			continue;
		}
		w->done(w->arg);
		free(w);
	}
}

static void flows_done(struct supervisor *s)
{
	/* Those who did not answer may have some. They are not waited for: who is done may ask anew. */
	for (unsigned i = 0; i < s->worker_count; i++) {
		s->workers[i].more_flows |= s->workers[i].asked;
		s->workers[i].asked = false;
	}
	uv_timer_stop(&s->flows_late);
	give(s);
	for (unsigned i = 0; i < s->worker_count; i++) {
		struct worker_proc *p = &s->workers[i];

		free(p->flows);
		p->flows = NULL;
		p->flow_count = 0;
		p->more_flows = false;
	}
	s->asking = false;
	if (s->waiters)
		ask_workers(s);
}

static void flows_late(uv_timer_t *t)
{
	flows_done(t->data);
}

static void done_if_all(struct supervisor *s)
{
	for (unsigned i = 0; i < s->worker_count; i++)
		if (s->workers[i].asked)
			return;
	/* Not from here: who asked is still busy with that. */
	uv_timer_start(&s->flows_late, flows_late, 0, 0);
}

void flows_open(struct supervisor *s)
{
	uv_timer_init(&s->loop, &s->flows_late);
	s->flows_late.data = s;
}

static void ask_workers(struct supervisor *s)
{
	struct message m = { .type = MSG_FLOWS, .slot = ++s->question };

	s->asking = true;
	memcpy(&s->wanted, &s->waiters->wanted, sizeof(s->wanted));
	s->shm->flows = s->wanted;
	for (unsigned i = 0; i < s->worker_count; i++) {
		struct worker_proc *p = &s->workers[i];

		p->asked = p->child.pid && message_send(p->child.socket, &m, -1) == 0;
	}
	uv_timer_start(&s->flows_late, flows_late, FLOWS_WAIT_MS, 0);
	done_if_all(s);
}

int flows_ask(struct supervisor *s, const struct flows_wanted *wanted, void (*done)(void *arg), void *arg)
{
	struct flows_waiter *w = malloc(sizeof(*w));

	if (!w)
		return -ENOMEM;
	*w = (struct flows_waiter){ .done = done, .arg = arg };
	memcpy(&w->wanted, wanted, sizeof(w->wanted));
	add_waiter(s, w);
	if (!s->asking)
		ask_workers(s);
	return 0;
}

void flows_answered(struct worker_proc *p, struct flow_record *records, unsigned n, bool more)
{
	p->flows = records;
	p->flow_count = n;
	p->more_flows = more;
	p->asked = false;
	done_if_all(p->sup);
}

void flows_lost(struct worker_proc *p)
{
	if (!p->asked)
		return;
	p->asked = false;
	done_if_all(p->sup);
}

void flows_close(struct supervisor *s)
{
	if (!s->flows_late.data)
		return;
	do
		flows_done(s);
	while (s->waiters);
}
