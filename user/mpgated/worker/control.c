// SPDX-License-Identifier: GPL-2.0-or-later
/* A worker and its supervisor: a new snapshot, a list of flows, the end of accepting. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/message.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/ready.h>
#include <mpgated/worker/worker.h>

static bool same_peers(const struct snapshot *a, const struct snapshot *b)
{
	return a->peers.count == b->peers.count && !memcmp(snapshot_at(a, a->peers), snapshot_at(b, b->peers),
							   a->peers.count * sizeof(struct snapshot_peer));
}

int worker_snapshot(struct worker *w, int fd)
{
	struct stat st;
	void *map;

	if (fstat(fd, &st) < 0 || st.st_size < (off_t)sizeof(struct snapshot))
		return -EINVAL;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	/* It may be no more than an address of this machine that came or went. */
	if (w->snap && !same_peers(w->snap, map)) {
		ready_drop(w, -1);
		w->cookie_count = 0;
		w->peers_changed++;
	}
	if (w->snap)
		munmap((void *)(uintptr_t)w->snap, w->snap->size);
	w->snap = map;
	return 0;
}

static void record_flow(const struct worker *w, const struct conn *c, struct flow_record *r)
{

	*r = (struct flow_record){ .tuple = c->request.tuple,
				   .rule_id = c->request.rule_id,
				   .peer = c->request.slot,
				   .hub = c->opener == LEG_PEER,
				   .state = c->state,
				   .half_closed = c->state == RELAY && (c->local.eof || c->peer.eof),
				   .age = (uint32_t)(w->now / 1000) - c->opened,
				   .bytes_up = c->bytes_up,
				   .bytes_down = c->bytes_down };
	if (c->peer.fd >= 0)
		r->subflows = tcp_subflows(c->peer.fd);
	r->mptcp = r->subflows > 0;
}

/* Answers with a memfd of all flows; without one when there is no memory. */
static void send_flows(struct worker *w, const struct message *request)
{
	struct message m = *request;
	size_t size = w->connections * sizeof(struct flow_record), n = 0;
	struct flow_record *r = MAP_FAILED;
	int fd = memfd_create("flows", MFD_CLOEXEC);

	if (fd >= 0 && size && ftruncate(fd, (off_t)size) == 0)
		r = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r != MAP_FAILED) {
		for (unsigned class = 0; class < TIMER_CLASSES; class ++)
			for (struct list *l = w->timers[class].next; l != &w->timers[class]; l = l->next)
				if (list_entry(l, struct conn, timer)->state != GW_READY && n < w->connections)
					record_flow(w, list_entry(l, struct conn, timer), &r[n++]);
		munmap(r, size);
	}
	m.value = (int32_t)n;
	message_send(w->control, &m, fd);
	if (fd >= 0)
		close(fd);
}

void worker_stop_accepting(struct worker *w)
{
	for (unsigned i = 0; i < w->listener_count; i++)
		tcp_close(w->listeners[i].fd);
	w->listener_count = 0;
	w->accepting = false;
}

bool worker_message(struct worker *w)
{
	struct message m;
	int fd, ret;

	while ((ret = message_receive(w->control, &m, &fd)) > 0) {
		if (m.type == MSG_SNAPSHOT && fd >= 0 && worker_snapshot(w, fd) < 0)
			log_error("a new configuration could not be mapped: %s", strerror(errno));
		else if (m.type == MSG_FLOWS)
			send_flows(w, &m);
		else if (m.type == MSG_PING)
			w->stats->beat = (uint32_t)m.value;
		else if (m.type == MSG_STOP_ACCEPTING)
			worker_stop_accepting(w);
		if (fd >= 0)
			close(fd);
	}
	/* After a reload the limit may be another one; with each ping, what could not be told is told again. */
	report_full(w);
	return ret == -EAGAIN || ret == -EINTR;
}
