// SPDX-License-Identifier: GPL-2.0-or-later
#include "workers_script.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mpgated/ipc/start.h>
#include <mpgated/paths/sysctl.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/supervisor/listen.h>

#include "../fuzz/check.h"
#include "loop.h"

#define DESCRIPTORS 256
#define STEER_PORT 7000 /* of worker 0; any free one that was asked for */

struct crew crew;
static unsigned before; /* descriptors */
static int shared[SIZE_HOLD]; /* what all are given, by size - 1 */

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < DESCRIPTORS; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

int sized_fd(off_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	CHECK(fd >= 0 && ftruncate(fd, size) == 0);
	return fd;
}

static off_t size_of(int fd)
{
	struct stat st;

	CHECK(fstat(fd, &st) == 0);
	return st.st_size;
}

off_t fd_size(int fd)
{
	off_t size = size_of(fd);

	close(fd);
	return size;
}

/* --- processes */
static struct proc *proc_of(pid_t pid)
{
	for (unsigned i = 0; i < CREW; i++)
		if (crew.proc[i].pid == pid)
			return &crew.proc[i];
	CHECK(!"a process of ours");
	return NULL;
}

pid_t start_process(const char *name, unsigned number, int socket)
{
	struct proc *p = &crew.proc[number];
	int err = crew.start_fails;

	CHECK(number < CREW && !strcmp(name, START_WORKER));
	crew.start_fails = 0;
	if (err)
		return -err;
	*p = (struct proc){ .pid = FIRST_PID + (pid_t)crew.started++, .socket = dup(socket) };
	CHECK(p->socket >= 0);
	return p->pid;
}

static void end(struct proc *p, int status)
{
	close(p->socket);
	p->socket = -1;
	p->ended = true;
	p->status = status;
}

int kill(pid_t pid, int signum)
{
	struct proc *p = proc_of(pid);

	p->term += signum == SIGTERM;
	p->cont += signum == SIGCONT;
	p->killed += signum == SIGKILL;
	if (!p->ended && (signum == SIGKILL || (signum == SIGTERM && !p->stubborn)))
		end(p, signum);
	return 0;
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	struct proc *p = proc_of(pid);

	CHECK(options == WNOHANG);
	if (!p->ended)
		return 0;
	*status = p->status;
	p->pid = 0;
	return pid;
}

/* A pause, as the stop makes; or the log asks whether it may write. */
int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (fds && !timeout)
		return (int)n;
	CHECK(!fds && !n && timeout > 0);
	loop_busy((uint64_t)timeout);
	return 0;
}

int cgroup_add(int fd, pid_t pid)
{
	CHECK(fd >= 0);
	crew.in_cgroup = pid;
	return 0;
}

/* --- listeners */
int tcp_listen(const struct mpgate_addr *addr, __be16 port, const struct listen_options *opt)
{
	unsigned n = crew.listeners;

	CHECK(n < CREW_LISTENERS);
	crew.listeners++;
	crew.listener[n].addr = *addr;
	crew.listener[n].port = port ? port : htons((uint16_t)(STEER_PORT + n));
	crew.listener[n].opt = *opt;
	return crew.listen_error[n] ? -crew.listen_error[n] : sized_fd(SIZE_LISTENERS + (off_t)n);
}

int tcp_local(int fd, struct mpgate_addr *addr, __be16 *port)
{
	off_t n = size_of(fd) - SIZE_LISTENERS;

	*addr = crew.listener[n].addr;
	*port = crew.listener[n].port;
	return 0;
}

void tcp_keepalive(int fd, unsigned seconds)
{
	crew.listener[size_of(fd) - SIZE_LISTENERS].keepalive = seconds;
}

int sysctl_get(const char *name, int *value)
{
	int v = !strcmp(name, "core/somaxconn") ? crew.somaxconn : crew.syncookies;

	if (v >= 0)
		*value = v;
	return v >= 0 ? 0 : -ENOENT;
}

/* --- steer and peers */
int datapath_set_listener(struct datapath *dp, unsigned worker, __be16 port, bool alive, bool full)
{
	(void)dp;
	CHECK(worker < CREW);
	crew.steer[worker].alive = alive && !full;
	crew.steer[worker].port = port;
	crew.steer[worker].told++;
	return 0;
}

int datapath_set_backlog(struct datapath *dp, unsigned backlog)
{
	(void)dp;
	crew.backlog = backlog;
	return 0;
}

void datapath_doubt_server(struct datapath *dp, const struct mpgate_addr *addr, uint16_t port, bool breaks)
{
	(void)dp;
	crew.breaks = breaks;
	crew.broken = *addr;
	crew.broken_port = port;
}

void paths_join(struct paths *p, const struct paths_join *join)
{
	(void)p;
	crew.join = *join;
}

void datapath_know_source(struct datapath *dp, const struct mpgate_addr *source)
{
	(void)dp;
	crew.source = *source;
	crew.proved++;
}

int datapath_flows_fd(const struct datapath *dp)
{
	(void)dp;
	return shared[SIZE_FLOWS - 1];
}

int datapath_flow_clients_fd(const struct datapath *dp)
{
	(void)dp;
	return shared[SIZE_CLIENTS - 1];
}

int datapath_synack_fd(const struct datapath *dp)
{
	(void)dp;
	return shared[SIZE_SYNACK - 1];
}

int datapath_hold_fd(const struct datapath *dp)
{
	(void)dp;
	return crew.holds ? shared[SIZE_HOLD - 1] : -1;
}

int datapath_hold_ring(struct datapath *dp, unsigned worker)
{
	(void)dp;
	CHECK(worker < CREW && crew.holds);
	return crew.ring_fails ? -crew.ring_fails : sized_fd(SIZE_RING + (off_t)crew.rings++);
}

void peers_parked(struct supervisor *s, unsigned slot)
{
	CHECK(slot < s->peer_slots);
	crew.parked[slot]++;
}

void peers_worker_gone(struct supervisor *s)
{
	(void)s;
	crew.gone++;
}

void peers_suspect(struct supervisor *s, unsigned slot, bool slow)
{
	crew.slow += slow;
	CHECK(slot < s->peer_slots);
	crew.suspected[slot]++;
}

void peers_note_error(struct supervisor *s, unsigned slot, enum trouble trouble, const char *what)
{
	CHECK(slot < s->peer_slots);
	crew.trouble = trouble;
	snprintf(crew.noted, sizeof(crew.noted), "%s", what);
}

/* --- what the test does */
void crew_new(void)
{
	struct supervisor *s = &crew.s;

	before = open_descriptors();
	loop_new();
	memset(&crew, 0, sizeof(crew));
	crew.syncookies = 1;
	crew.somaxconn = -1;
	s->cfg = &crew.cfg;
	s->cfg->workers = CREW;
	s->cfg->timeouts.keepalive = 60;
	s->cfg->convert.listen = crew.listen;
	s->cfg->convert.listen_count = 2;
	s->cfg->convert.port = 8803;
	addr_parse("192.0.2.1", &crew.listen[0]);
	addr_parse("2001:db8::1", &crew.listen[1]);
	s->cgroup_fd = -1;
	s->peer_slots = 4;
	s->rule_count = 2;
	for (unsigned i = 0; i < SIZE_HOLD; i++)
		shared[i] = sized_fd(i + 1);
	s->snapshot_fd = shared[SIZE_SNAPSHOT - 1];
	s->replay_buckets = 1;
	CHECK(workers_memory(s) == 0);
	flows_open(s);
	for (unsigned i = 0; i < CREW; i++)
		crew.proc[i].socket = -1;
}

int crew_start(void)
{
	int ret = listen_open(&crew.s);

	return ret ? ret : workers_start(&crew.s);
}

bool crew_end(void)
{
	struct supervisor *s = &crew.s;

	if (!s->stopping) {
		s->stopping = true;
		workers_stop(s);
	}
	flows_close(s);
	loop_pass(0);
	munmap(s->shm, shared_size(s->replay_buckets));
	close(s->shm_fd);
	for (unsigned i = 0; i < SIZE_HOLD; i++)
		close(shared[i]);
	return open_descriptors() == before;
}

void crew_ends(unsigned i, int status)
{
	end(&crew.proc[i], status);
	workers_reap(&crew.s);
}

void crew_says(unsigned i, const struct message *m, int fd)
{
	CHECK(message_send(crew.proc[i].socket, m, fd) == 0);
	loop_ready(crew.s.workers[i].child.socket, 0, UV_READABLE);
}

bool crew_hears(unsigned i, struct message *m, off_t *size)
{
	int fd, ret = message_receive(crew.proc[i].socket, m, &fd);

	*size = ret == 1 && fd >= 0 ? fd_size(fd) : 0;
	return ret == 1;
}

struct worker_proc *crew_worker(unsigned i)
{
	return &crew.s.workers[i];
}

unsigned crew_take_start(unsigned i, struct worker_start *m, off_t size[PACKET_FDS])
{
	int fds[PACKET_FDS];
	unsigned n;

	CHECK(packet_receive(crew.proc[i].socket, m, sizeof(*m), fds, PACKET_FDS, &n, MSG_DONTWAIT) == 1);
	for (unsigned k = 0; k < n; k++)
		size[k] = fd_size(fds[k]);
	crew.s.shm->workers[i].listeners = m->listeners;
	return n;
}
