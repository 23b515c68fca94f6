// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The supervisor's side of its workers: their listeners, which outlive them,
 * their start and restart, and their messages. While a worker is gone steer
 * passes its listeners by (`alive` is 0), and what is already in their queues
 * waits for the next process.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/ipc/message.h>
#include <mpgated/supervisor/supervisor.h>
#include <mpgated/paths/sysctl.h>
#include <mpgated/net/tcp.h>

#define BACKLOG 4096 /* of a listener; net.core.somaxconn may cut it */
#define PORT_TRIES 16 /* to find a port free on both loopback addresses */
#define STABLE_MS 5000 /* a worker that lived this long is restarted at once */
#define BACKOFF_MAX_MS 5000
#define FLOWS_WAIT_MS 1000
#define TERM_WAIT_MS 15000 /* a worker resets its connections meanwhile; the unit's TimeoutStopSec is longer */

static void set_alive(struct supervisor *s, const struct worker_proc *p)
{
	datapath_set_listener(s->dp, p->index, p->port, p->pid && !p->full && !p->stuck && !s->stopping);
}

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

static int listen_convert(struct supervisor *s, struct worker_proc *p)
{
	const struct cfg_convert *c = &s->cfg->convert;
	const struct listen_options opt = { .reuseport = true, .fastopen = true, .backlog = BACKLOG };

	if (!c->listening)
		return 0;
	for (unsigned i = 0; i < c->listen_count; i++) {
		char text[ADDR_TEXT];
		int fd;

		fd = tcp_listen(&c->listen[i], htons(c->port), &opt);
		if (fd < 0) {
			log_error("cannot listen on %s: %s", addr_print_port(&c->listen[i], htons(c->port), text),
				  strerror(-fd));
			return fd;
		}
		add_listener(p, fd, true);
	}
	return 0;
}

int workers_listen(struct supervisor *s)
{
	s->worker_count = s->cfg->workers;
	for (unsigned i = 0; i < s->worker_count; i++) {
		struct worker_proc *p = &s->workers[i];
		int ret;

		*p = (struct worker_proc){ .sup = s, .index = i, .control = -1 };
		ret = listen_steer(p);
		if (ret) {
			log_error("cannot listen for steered connections: %s", strerror(-ret));
			return ret;
		}
		ret = listen_convert(s, p);
		if (ret)
			return ret;
	}
	return 0;
}

/* Closes all descriptors but those in keep (sorted, n of them). */
static void close_others(const int *keep, unsigned n)
{
	unsigned from = 3;

	for (unsigned i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from)
			syscall(SYS_close_range, from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	syscall(SYS_close_range, from, ~0U, 0);
}

static int compare_ints(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void run_child(struct supervisor *s, struct worker_proc *p, int control)
{
	static char who[16];
	struct worker_args args = { .index = p->index,
				    .control = control,
				    .pending_fd = datapath_pending_fd(s->dp),
				    .synack_fd = s->synack ? datapath_synack_fd(s->dp) : -1,
				    .listeners = p->listeners,
				    .listener_count = p->listener_count,
				    .steer_port = { p->port, p->port },
				    .shm = s->shm,
				    .snapshot_fd = s->snapshot_fd };
	int keep[WORKER_LISTENERS + 4], n = 0;
	sigset_t none;

	for (unsigned i = 0; i < p->listener_count; i++)
		keep[n++] = p->listeners[i].fd;
	keep[n++] = args.control;
	keep[n++] = args.pending_fd;
	keep[n++] = args.synack_fd;
	keep[n++] = args.snapshot_fd;
	qsort(keep, (size_t)n, sizeof(keep[0]), compare_ints);
	close_others(keep, (unsigned)n);
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	/* SIGHUP and SIGINT are for the supervisor, also when a terminal sends them to the whole group. */
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN); /* of the log */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(who, sizeof(who), "worker %u", p->index);
	log_setup(who, LOG_LEVEL_INFO);
	worker_main(&args);
}

static void take_message(struct worker_proc *p, const struct message *m)
{
	if (m->type == MSG_PEER_FAILED) {
		peers_failed(p->sup, m->slot, m->value);
	} else if (m->type == MSG_PEER_REFUSED) {
		peers_refused(p->sup, m->slot);
	} else if (m->type == MSG_FULL) {
		p->full = m->value;
		log_warn("worker %u %s", p->index,
			 p->full ? "is full: new connections go unbonded" : "takes connections again");
		set_alive(p->sup, p);
	}
}

static void worker_readable(uv_poll_t *poll, int status, int events)
{
	struct worker_proc *p = poll->data;
	struct message m;
	int fd;

	(void)status;
	(void)events;
	while (message_receive(p->control, &m, &fd) > 0) {
		take_message(p, &m);
		if (fd >= 0)
			close(fd);
	}
}

/* What a full socket does not take goes with a later ping. */
static void send_snapshot(struct supervisor *s, struct worker_proc *p)
{
	const struct message m = { .type = MSG_SNAPSHOT };
	bool behind = message_send(p->control, &m, s->snapshot_fd) < 0;

	if (behind && !p->behind)
		log_error("worker %u does not take the new configuration yet", p->index);
	p->behind = behind;
}

void workers_ping(struct supervisor *s)
{
	for (unsigned i = 0; i < s->worker_count; i++) {
		struct worker_proc *p = &s->workers[i];
		const struct message m = { .type = MSG_PING, .value = (int32_t)++p->ping };
		bool stuck;

		if (!p->pid)
			continue;
		/* The ping before this one has had a whole period. */
		stuck = s->shm->workers[i].beat + 1 < p->ping && uv_now(&s->loop) - p->started > STABLE_MS;
		if (stuck != p->stuck) {
			p->stuck = stuck;
			log_warn("worker %u %s", i,
				 stuck ? "does not answer: new connections pass it by" : "answers again");
			set_alive(s, p);
		}
		message_send(p->control, &m, -1);
		if (p->behind)
			send_snapshot(s, p);
	}
}

static int worker_fork(struct supervisor *s, struct worker_proc *p)
{
	int pair[2], ret;
	sigset_t all, before;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	/* A signal must not find our handlers in the child, which would take it for us and go on. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	p->pid = fork();
	if (p->pid == 0)
		run_child(s, p, pair[1]);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(pair[1]);
	if (p->pid < 0) {
		ret = -errno;
		p->pid = 0;
		close(pair[0]);
		return ret;
	}
	if (s->cgroup_fd >= 0)
		cgroup_add(s->cgroup_fd, p->pid);
	p->control = pair[0];
	p->full = p->stuck = p->behind = false;
	p->ping = (uint32_t)s->shm->workers[p->index].beat;
	p->started = uv_now(&s->loop);
	uv_poll_init(&s->loop, &p->poll, p->control);
	p->poll.data = p;
	p->polling = true;
	uv_poll_start(&p->poll, UV_READABLE, worker_readable);
	set_alive(s, p);
	return 0;
}

/* How many SYNs may wait in a listener before it answers with SYN cookies. */
static unsigned backlog(void)
{
	int most, cookies;

	if (sysctl_get("ipv4/tcp_syncookies", &cookies) == 0 && cookies == 2)
		return 0;
	return sysctl_get("core/somaxconn", &most) == 0 && most < BACKLOG ? (unsigned)most : BACKLOG;
}

int workers_start(struct supervisor *s)
{
	int ret = datapath_set_workers(s->dp, s->worker_count, backlog());

	for (unsigned i = 0; !ret && i < s->worker_count; i++) {
		struct worker_proc *p = &s->workers[i];

		uv_timer_init(&s->loop, &p->restart);
		p->restart.data = p;
		ret = worker_fork(s, p);
		if (ret)
			log_error("worker %u: %s", i, strerror(-ret));
	}
	return ret;
}

static void restart_due(uv_timer_t *t)
{
	struct worker_proc *p = t->data;
	int ret;

	if (p->sup->stopping)
		return;
	p->restarts++;
	ret = worker_fork(p->sup, p);
	if (ret) {
		log_error("worker %u: %s", p->index, strerror(-ret));
		uv_timer_start(t, restart_due, BACKOFF_MAX_MS, 0);
	}
}

/* The fd is closed only when libuv has let go of it. */
static void poll_closed(uv_handle_t *h)
{
	struct worker_proc *p = h->data;

	close(p->control);
	p->control = -1;
	p->polling = false;
	if (p->sup->stopping)
		return;
	uv_timer_start(&p->restart, restart_due, p->backoff_ms, 0);
}

static void worker_ended(struct worker_proc *p, int status)
{
	struct supervisor *s = p->sup;
	uint64_t lived = uv_now(&s->loop) - p->started;

	p->pid = 0;
	s->shm->workers[p->index].connections = 0;
	memset(s->shm->relayed[p->index], 0, sizeof(s->shm->relayed[p->index]));
	set_alive(s, p);
	if (lived > STABLE_MS)
		p->backoff_ms = 0;
	else if (p->restarts)
		p->backoff_ms = p->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : p->backoff_ms * 2 + 50;
	if (!s->stopping)
		log_error("worker %u ended (%s %d); its connections are lost, a new one starts", p->index,
			  WIFSIGNALED(status) ? "signal" : "exit code",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (p->polling)
		uv_close((uv_handle_t *)&p->poll, poll_closed);
}

void workers_reap(struct supervisor *s)
{
	for (unsigned i = 0; i < s->worker_count; i++) {
		struct worker_proc *p = &s->workers[i];
		int status;

		if (p->pid && waitpid(p->pid, &status, WNOHANG) == p->pid)
			worker_ended(p, status);
	}
}

void workers_update(struct supervisor *s)
{
	for (unsigned i = 0; i < s->worker_count; i++)
		if (s->workers[i].pid)
			send_snapshot(s, &s->workers[i]);
}

int workers_flows(struct supervisor *s, unsigned index, unsigned *n)
{
	struct worker_proc *p = &s->workers[index];
	struct message m = { .type = MSG_FLOWS };
	uint64_t end = uv_hrtime() / 1000000 + FLOWS_WAIT_MS;
	int ret, fd;

	if (!p->pid)
		return -ESRCH;
	ret = message_send(p->control, &m, -1);
	for (uint64_t now; !ret && (now = uv_hrtime() / 1000000) < end;) {
		struct pollfd pfd = { .fd = p->control, .events = POLLIN };

		if (poll(&pfd, 1, (int)(end - now)) <= 0)
			continue;
		if (message_receive(p->control, &m, &fd) <= 0)
			return -EPIPE;
		if (m.type != MSG_FLOWS) {
			take_message(p, &m);
			continue;
		}
		*n = (unsigned)m.value;
		return fd < 0 ? -ENOMEM : fd;
	}
	return ret ? ret : -ETIMEDOUT;
}

void workers_stop(struct supervisor *s)
{
	uint64_t end = uv_hrtime() / 1000000 + TERM_WAIT_MS;
	bool left = true;

	for (unsigned i = 0; i < s->worker_count; i++)
		if (s->workers[i].pid)
			kill(s->workers[i].pid, SIGTERM);
	while (left) {
		bool late = uv_hrtime() / 1000000 > end;

		left = false;
		workers_reap(s);
		for (unsigned i = 0; i < s->worker_count; i++) {
			if (!s->workers[i].pid)
				continue;
			left = true;
			if (late)
				kill(s->workers[i].pid, SIGKILL);
		}
		if (left)
			poll(NULL, 0, 5);
	}
	for (unsigned i = 0; i < s->worker_count; i++) {
		struct worker_proc *p = &s->workers[i];

		for (unsigned k = 0; k < p->listener_count; k++)
			close(p->listeners[k].fd);
		p->listener_count = 0;
		if (p->restart.data)
			uv_close((uv_handle_t *)&p->restart, NULL);
	}
}
