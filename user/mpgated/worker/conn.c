// SPDX-License-Identifier: GPL-2.0-or-later
/* A connection's memory, and its place in the worker's lists, table, timers and bounds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mpgate/siphash.h>
#include <mpgated/net/io.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/conn.h>
#include <mpgated/worker/mapping.h>
#include <mpgated/worker/subscriber.h>

#define FREE_MIN 64 /* retired connections kept in any case */
#define ACKED_MS 20 /* nothing tells when a socket's bytes are acknowledged: it is asked that often, before a reset */

void conn_init(struct worker *w)
{
	w->now = io_now();
	for (unsigned i = 0; i < TIMER_CLASSES; i++)
		list_init(&w->timers[i]);
	list_init(&w->runnable);
	for (unsigned i = 0; i < READY_LISTS; i++)
		list_init(&w->ready[i]);
	list_init(&w->parking);
	list_init(&w->waiting);
	list_init(&w->racing);
	list_init(&w->dead);
	list_init(&w->blocked);
	list_init(&w->moving);
	for (unsigned i = 0; i < 2; i++)
		list_init(&w->strangers[i].list);
	w->table_key[0] = io_random();
	w->table_key[1] = io_random();
}

uint64_t conn_timer_ms(const struct worker *w, enum timer_class class)
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
	case TIMER_SLOW:
		return SLOW_MS;
	case TIMER_CONNECT:
		return s->connect_s * 1000ULL;
	case TIMER_ACKED:
		return ACKED_MS;
	case TIMER_YOUNG:
		return s->join_ms;
	case TIMER_HALF:
		return s->half_closed_s * 1000ULL;
	default:
		return s->idle_s * 1000ULL;
	}
}

void conn_timer(struct worker *w, struct conn *c, enum timer_class class)
{
	list_del(&c->timer);
	c->class = (uint8_t) class;
	c->armed = w->now;
	list_add_tail(&w->timers[class], &c->timer);
}

void conn_again(struct worker *w, struct conn *c)
{
	if (list_empty(&c->run))
		list_add_tail(&w->runnable, &c->run);
}

/* Who chooses ports shall not choose a chain. */
static struct conn **chain_of(struct worker *w, const struct mpgate_tuple *t)
{
	uint64_t word[4], ports = (uint64_t)t->sport << 16 | t->dport;
	struct siphash_tag tag;
	struct siphash s;

	memcpy(word, &t->saddr, 16);
	memcpy(word + 2, &t->daddr, 16);
	siphash_init(&s, w->table_key[0], w->table_key[1]);
	for (unsigned i = 0; i < 4; i++)
		siphash_word(&s, word[i]);
	siphash_final(&s, ports, sizeof(word) + 4, &tag);
	return &w->table[tag.lo % CONN_CHAINS];
}

static struct conn **chain_of_nonce(struct worker *w, uint64_t nonce)
{
	struct siphash_tag tag;
	struct siphash s;

	siphash_init(&s, w->table_key[0], w->table_key[1]);
	siphash_final(&s, nonce, sizeof(nonce), &tag);
	return &w->table[tag.lo % CONN_CHAINS];
}

static bool same_tuple(const struct mpgate_tuple *a, const struct mpgate_tuple *b)
{
	return a->sport == b->sport && a->dport == b->dport && !memcmp(&a->saddr, &b->saddr, sizeof(a->saddr)) &&
	       !memcmp(&a->daddr, &b->daddr, sizeof(a->daddr));
}

static void enter(struct conn *c, struct conn **head)
{
	c->chain = *head;
	if (c->chain)
		c->chain->chained = &c->chain;
	c->chained = head;
	*head = c;
}

void conn_enter(struct worker *w, struct conn *c)
{
	enter(c, chain_of(w, &c->request.tuple));
}

void conn_open(struct worker *w, struct conn *c)
{
	enter(c, chain_of_nonce(w, c->request.nonce));
	c->request.open = true;
}

static void conn_leave(struct conn *c)
{
	if (!c->chained)
		return;
	*c->chained = c->chain;
	if (c->chain)
		c->chain->chained = c->chained;
	c->chained = NULL;
}

struct conn *conn_find(struct worker *w, const struct mpgate_tuple *t)
{
	struct conn *c = *chain_of(w, t);

	while (c && (c->request.open || !same_tuple(&c->request.tuple, t)))
		c = c->chain;
	return c;
}

struct conn *conn_find_open(struct worker *w, unsigned slot, uint64_t nonce)
{
	struct conn *c = *chain_of_nonce(w, nonce);

	while (c && !(c->request.open && c->request.slot == slot && c->request.nonce == nonce))
		c = c->chain;
	return c;
}

void conn_settle(struct conn *c)
{
	if (!c->request.open)
		return;
	conn_leave(c);
	c->request.open = false;
	replay_settle(&c->request.place);
}

int conn_count(struct worker *w, struct conn *c, const struct mpgate_addr *client)
{
	uint16_t *pending = &w->pending[client_slot(client)];

	if (*pending >= w->snap->pending_per_client)
		return -EBUSY;
	c->request.pending = (uint16_t)(pending - w->pending);
	++*pending;
	return 0;
}

void conn_uncount(struct worker *w, struct conn *c)
{
	if (c->request.pending == PENDING_SLOTS)
		return;
	w->pending[c->request.pending]--;
	c->request.pending = PENDING_SLOTS;
}

struct conn *conn_new(struct worker *w, enum conn_state state, enum leg_name opener)
{
	struct conn *c;

	if (!w->free) {
		c = malloc(sizeof(*c));
		if (!c)
			return NULL;
	} else {
		c = list_entry(w->free, struct conn, timer);
		w->free = w->free->next;
		w->free_count--;
	}
	memset(c, 0, sizeof(*c));
	list_init(&c->timer);
	list_init(&c->run);
	list_init(&c->still.list);
	list_init(&c->jam.list);
	c->state = (uint8_t)state;
	c->opener = (uint8_t)opener;
	c->local.fd = c->peer.fd = -1;
	c->request.pending = PENDING_SLOTS;
	c->active = w->now;
	c->opened = (uint32_t)(w->now / 1000);
	w->connections++;
	w->stats->connections = w->connections;
	return c;
}

void conn_check_fallback(struct worker *w, struct conn *c)
{
	struct leg *l = &c->peer;

	if (l->fd < 0 || !l->mptcp || l->plain || tcp_is_mptcp(l->fd))
		return;
	l->plain = true;
	w->stats->not_mptcp++;
	if (c->request.slot < MPGATE_MAX_PEERS)
		__atomic_add_fetch(&w->shm->peers[c->request.slot].fallbacks, 1, __ATOMIC_RELAXED);
}

void conn_known(struct conn *c)
{
	if (!c->pool)
		return;
	list_del(&c->stranger);
	list_del(&c->same);
	c->pool->count--;
	c->source->count--;
	c->pool = NULL;
}

static void conn_unlend(struct worker *w, struct conn *c)
{
	c->lent = false;
	if (!--w->shm->parked[w->index][c->request.slot])
		report_parked(w, c->request.slot);
}

/* Its copies go with a request; a copy goes alone. */
static void leave_race(struct worker *w, struct conn *c)
{
	struct conn **at = c->state == GW_COPY && c->race ? &c->race->race : NULL;

	while (at && *at != c)
		at = &(*at)->race_next;
	if (at)
		*at = c->race_next;
	while (!at && c->race)
		conn_close(w, c->race, true);
	c->race = NULL;
}

void conn_close(struct worker *w, struct conn *c, bool reset)
{
	leave_race(w, c);
	if (c->state == RELAY || c->state == GW_ANSWER)
		conn_check_fallback(w, c);
	if (c->held)
		verdict_end(w, c);
	leg_close(w, &c->local, reset);
	leg_close(w, &c->peer, reset);
	conn_uncount(w, c);
	conn_mapping(w, c, true);
	subscriber_leave(w, c);
	still_end(w, c);
	list_del(&c->jam.list);
	if (c->request.first.data)
		unpark(w, &c->request.first);
	if (c->state == RELAY && c->request.slot < MPGATE_MAX_PEERS)
		w->shm->relayed[w->index][c->request.slot]--;
	conn_known(c);
	if (c->lent)
		conn_unlend(w, c);
	if (c->state == GW_PARKING || c->state == GW_PARKED)
		w->parking_look = 0;
	c->state = CLOSED;
	conn_leave(c);
	list_del(&c->run);
	list_del(&c->timer);
	list_add_tail(&w->dead, &c->timer);
	w->connections--;
	w->stats->connections = w->connections;
	if (reserve_touched(w))
		reserve_ended(w);
	if (w->full)
		report_full(w);
}

void conn_approved(struct worker *w, struct conn *c)
{
	c->state = GW_APPROVED;
	/* Where that comes to nothing, nobody is told. */
	c->held->verdict = VERDICT_SILENT;
	conn_timer(w, c, TIMER_CONNECT);
	/* Its client has to begin anew. */
	if (!verdict_approve(w, c))
		conn_close(w, c, true);
}

/* Retired connections are kept for the next ones, but never more than are in use: memory follows the load down. */
void conn_reap(struct worker *w)
{
	while (!list_empty(&w->dead)) {
		struct list *l = w->dead.next;

		list_del(l);
		l->next = w->free;
		w->free = l;
		w->free_count++;
	}
	while (w->free_count > w->connections + FREE_MIN) {
		struct list *l = w->free;

		/* The analyzer takes the list for one that may be a ring. */
		w->free = l->next; /* NOLINT(clang-analyzer-unix.Malloc) */
		w->free_count--;
		free(list_entry(l, struct conn, timer));
	}
}

void conn_leave_from(struct worker *w, int fd, unsigned slot, unsigned address)
{
	struct peer_shared *p = &w->shm->peers[slot];

	if (!p->used)
		p->used = 1;
	/* An address that is gone since: then the kernel chooses. */
	tcp_leave_from(fd, &p->from[address]);
}

void conn_mapping(struct worker *w, struct conn *c, bool end)
{
	if (end)
		mapping_end(w, c, c->request.mapped_port ? conn_peer(w, c->request.slot) : NULL);
	else if (w->snap->log_mappings)
		mapping_begin(w, c, conn_peer(w, c->request.slot));
}
