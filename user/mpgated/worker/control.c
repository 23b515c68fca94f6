// SPDX-License-Identifier: GPL-2.0-or-later
/* A worker and its supervisor: a new snapshot, a list of flows, the end of accepting. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/message.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/copy.h>
#include <mpgated/worker/parking.h>
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
	if (((const struct snapshot *)map)->size != st.st_size) {
		munmap(map, (size_t)st.st_size);
		return -EINVAL;
	}
	/* It may be no more than an address of this machine that came or went. */
	if (w->snap && !same_peers(w->snap, map)) {
		ready_drop(w, -1);
		parking_drop(w);
		w->cookie_count = 0;
		w->peers_changed++;
	}
	if (w->snap)
		munmap((void *)(uintptr_t)w->snap, w->snap->size);
	w->snap = map;
	w->parking_look = 0;
	return 0;
}

static void record_flow(struct worker *w, struct conn *c, struct flow_record *r)
{
	*r = (struct flow_record){ .tuple = c->request.tuple,
				   .rule_id = c->request.rule_id,
				   .peer = c->request.slot,
				   .hub = c->opener == LEG_PEER,
				   .state = c->state,
				   .half_closed = c->state == RELAY && (c->local.eof || c->peer.eof),
				   .age = (uint32_t)(w->now / 1000) - c->opened,
				   .quiet_ms = (uint32_t)(w->now - c->active),
				   .bytes_up = c->bytes_up,
				   .bytes_down = c->bytes_down };
	if (r->hub && c->local.fd >= 0)
		tcp_local(c->local.fd, &r->mapped, &r->mapped_port);
	if (c->peer.fd >= 0) {
		r->subflows = tcp_subflows(c->peer.fd, &r->token);
		tcp_locals(c->peer.fd, r->local, FLOW_LOCALS);
	}
	r->mptcp = r->subflows > 0;
	if (c->state == RELAY && !r->mptcp)
		conn_check_fallback(w, c);
}

struct found {
	struct conn *c;
	uint64_t key; /* the least comes first */
};

/* Is c kept for others? */
static bool is_spare(const struct conn *c)
{
	return c->state == GW_READY || c->state == GW_PARKING || c->state == GW_PARKED;
}

/* Without a call: all of a worker's connections are looked at. */
static bool is_wanted(const struct flows_wanted *f, const struct conn *c)
{
	const struct mpgate_tuple *t = &c->request.tuple;

	return !is_spare(c) && (!f->peer || f->peer - 1 == c->request.slot) &&
	       (!f->rule || f->rule == c->request.rule_id) && addr_match_has(&f->client, &t->saddr, t->sport) &&
	       addr_match_has(&f->server, &t->daddr, t->dport);
}

static uint64_t key_of(const struct flows_wanted *f, const struct conn *c)
{
	switch (f->order) {
	case FLOWS_LARGEST:
		return ~(c->bytes_up + c->bytes_down);
	case FLOWS_UP:
		return ~c->bytes_up;
	case FLOWS_DOWN:
		return ~c->bytes_down;
	case FLOWS_ACTIVE:
		return ~c->active;
	default:
		return c->opened;
	}
}

/* Connections that carry something, or will, and are wanted: their number, in *out, malloc'ed. */
static size_t collect_flows(struct worker *w, const struct flows_wanted *f, struct found **out)
{
	struct found *all = malloc((w->connections + 1) * sizeof(*all));
	size_t n = 0;

	for (unsigned class = 0; all && class < TIMER_CLASSES; class ++)
		for (struct list *l = w->timers[class].next; l != &w->timers[class]; l = l->next) {
			struct conn *c = list_entry(l, struct conn, timer);

			if (n < w->connections && is_wanted(f, c))
				all[n++] = (struct found){ c, key_of(f, c) };
		}
	*out = all;
	return n;
}

/*
 * Moves the `want` first of n to the front, by halving the range of their keys: 64 passes at most, whatever peers make
 * these be. Not by qsort(), which asks for the size of memory: a call too many here.
 */
static void first_to_front(struct found *all, size_t n, size_t want)
{
	uint64_t from = UINT64_MAX, to = 0;

	for (size_t i = 0; i < n; i++) {
		from = all[i].key < from ? all[i].key : from;
		to = all[i].key > to ? all[i].key : to;
	}
	while (want && want < n && from < to) {
		uint64_t middle = from + (to - from) / 2;
		size_t at = 0;

		for (size_t i = 0; i < n; i++)
			if (all[i].key <= middle) {
				struct found swap = all[at];

				all[at++] = all[i];
				all[i] = swap;
			}
		if (at > want) {
			n = at;
			to = middle;
		} else {
			all += at;
			n -= at;
			want -= at;
			from = middle + 1;
		}
	}
}

/* A memfd of n records, or -errno. */
static int write_flows(struct worker *w, const struct found *all, size_t n)
{
	size_t size = n * sizeof(struct flow_record);
	struct flow_record *r = malloc(size);
	int fd = r ? memfd_create("flows", MFD_CLOEXEC) : -ENOMEM;

	for (size_t i = 0; fd >= 0 && i < n; i++)
		record_flow(w, all[i].c, &r[i]);
	if (fd >= 0 && write(fd, r, size) != (ssize_t)size) {
		close(fd);
		fd = -ENOMEM;
	}
	free(r);
	return fd;
}

/* Of the flows that are wanted the first, as many as an answer takes: to ask the kernel about each costs calls. */
static void send_flows(struct worker *w, const struct message *question)
{
	struct message m = { .type = MSG_FLOWS, .slot = question->slot };
	const struct flows_wanted wanted = w->shm->flows;
	struct found *all;
	size_t found = collect_flows(w, &wanted, &all), n = found < FLOWS_MAX ? found : FLOWS_MAX;
	int fd = -1;

	if (found > n)
		first_to_front(all, found, n);
	if (n)
		fd = write_flows(w, all, n);
	free(all);
	m.value = fd < 0 ? 0 : (int32_t)n;
	m.more = found > (size_t)m.value;
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
	ready_drop(w, -1);
	parking_drop(w);
}

/* False: it is not taken. One that is said again, since we had no descriptor for it, may be one that we have by now. */
static bool add_listener(struct worker *w, int32_t number, int fd)
{
	struct listener *l = &w->listeners[w->listener_count];

	if (!w->accepting || w->listener_count == WORKER_LISTENERS || number != (int32_t)w->listener_count)
		return false;
	*l = (struct listener){ .fd = fd, .convert = true };
	/* While there are no descriptors left it waits as all others do. */
	if (!w->deaf && listener_watch(w, l) < 0)
		return false;
	w->stats->listeners = ++w->listener_count;
	return true;
}

bool worker_message(struct worker *w)
{
	struct message m;
	int fd, ret;

	/* Without room for a descriptor only what came with it is lost. */
	while ((ret = message_receive(w->control, &m, &fd)) > 0 || ret == -EMFILE) {
		if (m.type == MSG_SNAPSHOT && (fd < 0 || worker_snapshot(w, fd) < 0))
			log_error("a new configuration could not be mapped");
		else if (m.type == MSG_FLOWS)
			send_flows(w, &m);
		else if (m.type == MSG_PING)
			w->stats->beat = (uint32_t)m.value;
		else if (m.type == MSG_STOP_ACCEPTING)
			worker_stop_accepting(w);
		else if (m.type == MSG_LISTEN && fd >= 0)
			fd = add_listener(w, m.value, fd) ? -1 : fd;
		else if (m.type == MSG_COPY && fd >= 0)
			fd = copy_arrives(w, &m, fd);
		if (fd >= 0)
			close(fd);
	}
	/* The limit of descriptors may be another one, or others have closed some. */
	reserve_ended(w);
	/* After a reload the limit may be another one; with each ping, what could not be told is told again. */
	report_full(w);
	return ret == -EAGAIN || ret == -EINTR;
}
