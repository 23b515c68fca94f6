// SPDX-License-Identifier: GPL-2.0-or-later
/* Jobs: what is to be done, when, and what becomes of the result. */
#include <mpgated/paths/internal.h>

#include <errno.h>
#include <lib/log.h>

#define RETRY_MS 200 /* after reading the state failed */
#define ROUTE_RETRY_MS 1000 /* after a rule or route could not be set */
#define ENDPOINT_RETRY_MS 2000 /* the kernel may have to forget connections first */
#define NS_PER_MS 1000000ULL

static bool same_link(const struct paths_link *a, const struct paths_link *b)
{
	return a->ifindex == b->ifindex && a->up == b->up && a->held == b->held && a->l3 == b->l3 &&
	       a->backup == b->backup && !memcmp(a->addr, b->addr, sizeof(a->addr)) &&
	       !memcmp(a->endpoint, b->endpoint, sizeof(a->endpoint)) &&
	       !memcmp(a->metric, b->metric, sizeof(a->metric)) && !memcmp(a->route, b->route, sizeof(a->route)) &&
	       !memcmp(a->tentative, b->tentative, sizeof(a->tentative)) &&
	       !memcmp(a->deprecated, b->deprecated, sizeof(a->deprecated)) &&
	       !memcmp(a->twin, b->twin, sizeof(a->twin)) && !memcmp(&a->kind, &b->kind, sizeof(a->kind));
}

/* What a job has found is what others see from now on. A reload may have named other links meanwhile. */
static void show(struct paths *p)
{
	const struct nl_address *a = p->set.addrs.v;

	if (!p->set.looked)
		return;
	/* Jobs that look at subflows alone need them, too. */
	p->addrs.n = 0;
	for (unsigned i = 0; i < p->set.addrs.n; i++)
		nl_list_add(&p->addrs, &a[i], sizeof(a[i]));
	for (unsigned i = 0; i < p->settings.count; i++) {
		const struct path_link *l = set_find_link(p->set.links, p->set.count, p->settings.link[i].name);
		bool same = l && p->told[i] && same_link(&p->links[i], &l->pub);

		if (!l || same)
			continue;
		p->links[i] = l->pub;
		p->told[i] = true;
		if (p->events.link)
			p->events.link(p->events.arg, i, &p->links[i]);
	}
	if (p->events.addrs)
		p->events.addrs(p->events.arg);
}

void paths_take_over(struct paths *p)
{
	show(p);
	if (p->set.error)
		p->missed |= p->set.todo & TODO_SETTINGS;
	/* What could not be set is tried again: steer marks packets for rules and routes that must be there. */
	if (p->set.error || p->set.route_error)
		paths_sync_after(p, p->set.error ? RETRY_MS : ROUTE_RETRY_MS);
	else if (p->set.endpoint_error)
		paths_sync_after(p, ENDPOINT_RETRY_MS);
	if (p->set.look_ms)
		paths_sync_after(p, p->set.look_ms);
}

/* What the kernel tells while nobody listens waits in the socket. */
static void listen_on(struct paths *p, bool on)
{
	if (on)
		uv_poll_start(&p->poll, UV_READABLE, p->notified);
	else
		uv_poll_stop(&p->poll);
}

static void work(void *arg)
{
	struct path_set *p = &((struct paths *)arg)->set;

	nl_retry(&p->rt);
	nl_retry(&p->pm.sock);
	set_links(p);
	if (p->todo & TODO_SETTINGS) {
		idle_free(&p->idler); /* by links that may be others now */
		/* With none of them nothing is bonded, and the kernel does not tell who lowered them, nor when. */
		set_limits(p);
		set_sysctls(p);
		manager_set(p);
	}
	if ((p->todo & TODO_CHECK) && endpoints_lost(p)) {
		log_warn("somebody removed MPTCP endpoints: they are set again");
		p->todo |= TODO_SYNC;
	}
	if (!(p->todo & TODO_SYNC) && !routing_follow(p))
		p->todo |= TODO_SYNC;
	p->changes.n = 0;
	p->joins.look |= (p->todo & TODO_LOOK) != 0;
	if (p->todo & TODO_SYNC)
		p->error = paths_sync(p);
	else if (p->todo & (TODO_LOOK | TODO_CHECK))
		subflows_apply(p);
	if (p->todo & TODO_JOINS)
		joins_serve(p);
	p->sampler.stale |= (p->todo & TODO_JOINS) != 0;
	if (p->todo & TODO_SAMPLE) {
		sample_take(p);
		idle_look(p);
		sample_forget(&p->sampler);
	}
	if (p->todo & TODO_OTHERS) {
		sysctl_hold(&p->originals, BLACKHOLE_SYSCTL);
		set_limits(p);
	}
	if ((p->todo & (TODO_OTHERS | TODO_SETTINGS)) || p->stray_news) {
		others_look(p);
		zones_look(p);
	}
	p->stray_news = false;
}

static void on_look(uv_timer_t *timer)
{
	struct paths *p = timer->data;

	p->todo |= TODO_LOOK;
	paths_begin(p);
}

static void on_retry(uv_timer_t *timer)
{
	struct paths *p = timer->data;

	p->todo |= TODO_JOINS;
	paths_begin(p);
}

static void fire_after(uv_timer_t *timer, uv_timer_cb fire, unsigned ms)
{
	if (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > ms)
		uv_timer_start(timer, fire, ms, 0);
}

void paths_look_after(struct paths *p, unsigned ms)
{
	fire_after(&p->look_timer, on_look, ms);
}

static void retry_after(struct paths *p, unsigned ms)
{
	fire_after(&p->retry_timer, on_retry, ms);
}

static void on_sample(uv_timer_t *timer)
{
	struct paths *p = timer->data;

	p->todo |= TODO_SAMPLE;
	paths_begin(p);
}

void paths_sample_after(struct paths *p, unsigned ms)
{
	fire_after(&p->sample_timer, on_sample, ms > p->sample_least_ms ? ms : p->sample_least_ms);
}

static void show_samples(struct paths *p)
{
	struct nl_list rows = p->rows;

	p->sample_least_ms = p->set.sampler.least_ms;
	paths_sample_after(p, p->set.sampler.next_ms);
	if (!p->set.sampler.taken)
		return;
	p->rows = p->set.sampler.rows;
	p->set.sampler.rows = rows;
	p->rows_total = p->set.sampler.total;
	for (unsigned i = 0; i < p->settings.count; i++) {
		const struct path_link *l = set_find_link(p->set.links, p->set.count, p->settings.link[i].name);

		p->samples[i] = l ? l->sample : (struct paths_sample){ 0 };
	}
	if (p->events.sampled)
		p->events.sampled(p->events.arg);
}

static void on_done(void *arg)
{
	struct paths *p = arg;

	if (p->set.todo & TODO_SYNC)
		paths_take_over(p);
	p->manages = p->set.joins.managed;
	p->others = p->set.others;
	memcpy(p->zones, p->set.zones, sizeof(p->zones));
	if (p->set.joins.look_ms)
		paths_look_after(p, p->set.joins.look_ms);
	if (p->set.joins.retry_ms)
		retry_after(p, p->set.joins.retry_ms);
	if (p->set.todo & TODO_SAMPLE)
		show_samples(p);
	listen_on(p, true);
	paths_begin(p);
}

void paths_begin(struct paths *p)
{
	if (p->job.running || !p->todo)
		return;
	if (p->todo & TODO_SYNC)
		uv_timer_stop(&p->timer);
	for (unsigned i = 0; i < p->asked.n; i++)
		nl_list_add(&p->set.joins.asked, (struct join_ask *)p->asked.v + i, sizeof(struct join_ask));
	p->asked.n = 0;
	p->set.joins.look_ms = p->set.joins.retry_ms = 0;
	p->set.todo = p->todo;
	p->set.settings = p->settings;
	p->set.removed = p->removed;
	p->set.looked = false;
	p->todo = 0;
	listen_on(p, false);
	job_start(&p->job);
}

int paths_settle(struct paths *p, unsigned ms)
{
	uint64_t end = uv_hrtime() + ms * NS_PER_MS;

	while (p->job.running) {
		uint64_t now = uv_hrtime();

		if (!job_wait(&p->job, now < end ? (unsigned)((end - now) / NS_PER_MS) : 0))
			return -ETIMEDOUT;
	}
	return p->set.error;
}

static void on_timer(uv_timer_t *timer)
{
	struct paths *p = timer->data;

	p->todo |= TODO_SYNC | p->missed;
	p->missed = 0;
	paths_begin(p);
}

void paths_sync_after(struct paths *p, unsigned ms)
{
	if (!uv_is_active((uv_handle_t *)&p->timer) || uv_timer_get_due_in(&p->timer) > ms)
		uv_timer_start(&p->timer, on_timer, ms, 0);
}

int paths_open_jobs(struct paths *p)
{
	int err;

	p->job = (struct job){ .work = work, .done = on_done, .arg = p };
	err = job_open(&p->job, p->loop);
	if (err)
		return err;
	uv_timer_init(p->loop, &p->timer);
	uv_timer_init(p->loop, &p->look_timer);
	uv_timer_init(p->loop, &p->retry_timer);
	uv_timer_init(p->loop, &p->sample_timer);
	p->timer.data = p->look_timer.data = p->retry_timer.data = p->sample_timer.data = p;
	p->handles = 5;
	paths_sample_after(p, SAMPLE_SOON_MS);
	return 0;
}
