// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The supervisor's side of its workers: their start and restart, and their messages (listen.c has their listeners).
 * While a worker is gone steer passes its listeners by (`alive` is 0), and what is already in their queues waits for
 * the next process.
 */
#include <errno.h>
#include <poll.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>
#include <mpgated/supervisor/listen.h>
#include <mpgated/supervisor/reports.h>
#include <mpgated/supervisor/supervisor.h>

#define TERM_WAIT_MS 15000 /* a worker resets its connections meanwhile; the unit's TimeoutStopSec is longer */

_Static_assert(4 + 1 + 2 + WORKER_LISTENERS <= PACKET_FDS, "descriptors of a worker_start");

/* The child is the first member. */
static struct worker_proc *worker_of(struct child *c)
{
	return (struct worker_proc *)(void *)c;
}

static void set_alive(const struct worker_proc *p)
{
	struct supervisor *s = p->sup;

	datapath_set_listener(s->dp, p->child.index, p->port, p->child.pid && !p->silent && !s->stopping, p->full);
}

/* Those that a worker does not have yet. What it does not take goes with a later ping. */
static void send_listeners(const struct worker_proc *p)
{
	for (uint64_t i = p->sup->shm->workers[p->child.index].listeners; i < p->listener_count; i++) {
		const struct message m = { .type = MSG_LISTEN, .value = (int32_t)i };

		if (message_send(p->child.socket, &m, p->listeners[i].fd) < 0)
			return;
	}
}

void workers_listen(struct supervisor *s)
{
	if (!listen_again(s))
		return;
	for (unsigned i = 0; i < s->worker_count; i++)
		if (s->workers[i].child.pid)
			send_listeners(&s->workers[i]);
}

/* A worker that could cut it short would end us with SIGBUS. */
int workers_memory(struct supervisor *s)
{
	size_t size = shared_size(s->replay_buckets);
	int ret;

	s->shm_fd = memfd_create("mpgate-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s->shm_fd < 0 || ftruncate(s->shm_fd, (off_t)size) < 0 ||
	    fcntl(s->shm_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return -errno;
	s->shm = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->shm_fd, 0);
	if (s->shm != MAP_FAILED)
		return 0;
	ret = -errno;
	s->shm = NULL;
	return ret;
}

/* What a full socket does not take goes with a later ping. */
static void send_snapshot(struct worker_proc *p)
{
	const struct message m = { .type = MSG_SNAPSHOT };
	bool behind = message_send(p->child.socket, &m, p->sup->snapshot_fd) < 0;

	if (behind && !p->behind)
		log_error("worker %u does not take the new configuration yet", p->child.index);
	p->behind = behind;
}

static int send_start(const struct worker_proc *p)
{
	const struct supervisor *s = p->sup;
	struct worker_start start = {
		.index = p->child.index, .listeners = p->listener_count, .synack = s->synack, .steer_port = p->port
	};
	int fds[PACKET_FDS], n = 0;

	fds[n++] = s->shm_fd;
	fds[n++] = s->snapshot_fd;
	fds[n++] = datapath_flows_fd(s->dp);
	fds[n++] = datapath_flow_clients_fd(s->dp);
	if (s->synack)
		fds[n++] = datapath_synack_fd(s->dp);
	start.holds = p->ring_fd >= 0;
	if (start.holds) {
		fds[n++] = p->ring_fd;
		fds[n++] = datapath_hold_fd(s->dp);
	}
	for (unsigned i = 0; i < p->listener_count; i++) {
		fds[n++] = p->listeners[i].fd;
		start.convert |= (uint32_t)p->listeners[i].convert << i;
	}
	return packet_send(p->child.socket, &start, sizeof(start), fds, (unsigned)n);
}

/* It waits for this packet: what is done before is done before it accepts anything. */
static int worker_begin(struct child *c)
{
	struct worker_proc *p = worker_of(c);
	struct supervisor *s = p->sup;

	if (s->cgroup_fd >= 0)
		cgroup_add(s->cgroup_fd, c->pid);
	int ret;

	p->full = p->silent = p->behind = false;
	p->reports_left = REPORTS_MAX;
	/* A new ring for each process: what the one before had not taken is held anew when it is said again. */
	if (datapath_hold_fd(s->dp) >= 0) {
		ret = p->ring_fd = datapath_hold_ring(s->dp, c->index);
		if (ret < 0)
			return ret;
	}
	set_alive(p);
	ret = send_start(p);
	if (p->ring_fd >= 0)
		close(p->ring_fd);
	p->ring_fd = -1;
	return ret;
}

static struct report_bounds bounds_of(const struct worker_proc *p)
{
	const struct supervisor *s = p->sup;

	return (struct report_bounds){
		.peers = s->peer_slots, .rules = s->rule_count, .workers = s->worker_count, .question = s->question
	};
}

static void take_flows(struct worker_proc *p, const struct message *m, int fd)
{
	const struct report_bounds b = bounds_of(p);
	struct flow_record *r;
	const char *wrong;
	unsigned n;
	int ret;

	if (!p->asked || m->slot != b.question)
		return;
	ret = report_flows(m, fd, &b, &r, &n, &wrong);
	if (ret == -EPROTO)
		child_kill(&p->child, wrong);
	if (ret < 0)
		flows_lost(p);
	else
		flows_answered(p, r, n, m->more);
}

/* What its connection met, for the operator. */
static void note_error(struct worker_proc *p, const struct message *m)
{
	uint8_t code = (uint8_t)m->value, refusal = (uint8_t)(m->value >> REFUSAL_SHIFT);

	if (m->type == MSG_PEER_FAILED)
		peers_note_error(p->sup, m->slot, trouble_of_errno(m->value), strerror(m->value));
	else if (m->type == MSG_PEER_REFUSED)
		peers_note_error(p->sup, m->slot, trouble_of_refusal(code, refusal), convert_error_text(code, refusal));
}

static void take_message(void *arg, const struct message *m, int fd)
{
	struct worker_proc *p = arg;

	if (m->type == MSG_PEER_FAILED || m->type == MSG_PEER_REFUSED || m->type == MSG_PEER_SLOW) {
		peers_suspect(p->sup, m->slot, m->type == MSG_PEER_SLOW);
		note_error(p, m);
	} else if (m->type == MSG_PARKED) {
		peers_parked(p->sup, m->slot);
	} else if (m->type == MSG_PROVED) {
		datapath_know_source(p->sup->dp, &m->source);
	} else if (m->type == MSG_BREAKS || m->type == MSG_SPEAKS) {
		datapath_doubt_server(p->sup->dp, &m->source, (uint16_t)m->value, m->type == MSG_BREAKS);
	} else if (m->type == MSG_JOIN) {
		paths_join(p->sup->paths, &(struct paths_join){ .token = m->token,
								.rule = (uint32_t)m->value,
								.note = m->more & JOIN_NOTE,
								.port = (uint16_t)m->slot,
								.announced = m->more & JOIN_ANNOUNCED,
								.local = m->source,
								.remote = m->other });
	} else if (m->type == MSG_COPY) {
		message_send(p->sup->workers[m->slot].child.socket, m, fd);
	} else if (m->type == MSG_FLOWS) {
		take_flows(p, m, fd);
	} else if (m->type == MSG_FULL && p->full != m->value) {
		p->full = m->value;
		log_warn("worker %u %s", p->child.index,
			 p->full ? "is full: new connections go unbonded" : "takes connections again");
		set_alive(p);
	}
}

static void worker_readable(struct child *c)
{
	struct worker_proc *p = worker_of(c);
	const struct report_bounds b = bounds_of(p);
	const char *wrong;
	bool more = reports_read(c->socket, &b, &p->reports_left, take_message, p, &wrong);

	if (wrong)
		child_kill(c, wrong);
	/* Gone: SIGCHLD tells. Too many: the next period has room for more. */
	if (!more || !p->reports_left)
		child_listen(c, false);
}

static void worker_ended(struct child *c, int status, unsigned delay)
{
	struct worker_proc *p = worker_of(c);
	struct supervisor *s = p->sup;

	s->shm->workers[c->index].connections = 0;
	memset(s->shm->relayed[c->index], 0, sizeof(s->shm->relayed[c->index]));
	memset(s->shm->parked[c->index], 0, sizeof(s->shm->parked[c->index]));
	memset(s->shm->subscribers[c->index], 0, sizeof(s->shm->subscribers[c->index]));
	peers_worker_gone(s);
	flows_lost(p);
	set_alive(p);
	if (!s->stopping)
		log_error("worker %u ended (%s %d); its connections are lost, a new one starts in %u ms", c->index,
			  WIFSIGNALED(status) ? "signal" : "exit code",
			  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), delay);
}

static const struct child_kind worker_kind = {
	.name = START_WORKER, .begin = worker_begin, .readable = worker_readable, .ended = worker_ended
};

static void watch_worker(struct worker_proc *p)
{
	struct child *c = &p->child;
	bool silent = !child_tick(c, (uint32_t)p->sup->shm->workers[c->index].beat);
	struct message ping = { .type = MSG_PING };

	if (!c->pid)
		return;
	if (silent != p->silent) {
		p->silent = silent;
		log_warn("worker %u %s", c->index,
			 silent ? "does not answer: new connections pass it by" : "answers again");
		set_alive(p);
	}
	ping.value = (int32_t)c->watch.asked;
	message_send(c->socket, &ping, -1);
	if (p->behind)
		send_snapshot(p);
	send_listeners(p);
	p->reports_left = REPORTS_MAX;
	child_listen(c, true);
}

static void watch_due(uv_timer_t *t)
{
	struct supervisor *s = t->data;

	for (unsigned i = 0; i < s->worker_count; i++)
		watch_worker(&s->workers[i]);
}

int workers_start(struct supervisor *s)
{
	int ret = datapath_set_backlog(s->dp, listen_backlog());

	for (unsigned i = 0; !ret && i < s->worker_count; i++) {
		child_init(&s->workers[i].child, &s->loop, &worker_kind, i);
		ret = child_start(&s->workers[i].child);
		if (ret)
			log_error("worker %u: %s", i, strerror(-ret));
	}
	uv_timer_init(&s->loop, &s->watch);
	s->watch.data = s;
	uv_timer_start(&s->watch, watch_due, WATCH_PERIOD_MS, WATCH_PERIOD_MS);
	return ret;
}

void workers_reap(struct supervisor *s)
{
	for (unsigned i = 0; i < s->worker_count; i++)
		child_reap(&s->workers[i].child);
}

void workers_update(struct supervisor *s)
{
	listen_keepalive(s);
	for (unsigned i = 0; i < s->worker_count; i++)
		if (s->workers[i].child.pid)
			send_snapshot(&s->workers[i]);
}

void workers_stop(struct supervisor *s)
{
	uint64_t end = uv_hrtime() / 1000000 + TERM_WAIT_MS;
	bool left = true;

	for (unsigned i = 0; i < s->worker_count; i++) {
		child_stop(&s->workers[i].child);
		if (s->workers[i].child.pid)
			kill(s->workers[i].child.pid, SIGTERM);
		/* One that was stopped could not take it. */
		if (s->workers[i].child.pid)
			kill(s->workers[i].child.pid, SIGCONT);
	}
	while (left) {
		bool late = uv_hrtime() / 1000000 > end;

		left = false;
		workers_reap(s);
		for (unsigned i = 0; i < s->worker_count; i++) {
			if (!s->workers[i].child.pid)
				continue;
			left = true;
			if (late)
				kill(s->workers[i].child.pid, SIGKILL);
		}
		if (left)
			poll(NULL, 0, 5);
	}
	for (unsigned i = 0; i < s->worker_count; i++) {
		struct worker_proc *p = &s->workers[i];

		for (unsigned k = 0; k < p->listener_count; k++)
			close(p->listeners[k].fd);
		p->listener_count = 0;
	}
}
