// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Subscribers, as RFC 6888 has them: who has one address of the pool, and a bound of connections. One is a client (an
 * IPv4 address, an IPv6 /64) behind the peer that names it in an Original Source; without that it is the client that
 * speaks Convert to us.
 *
 * The address follows from a keyed hash of the subscriber, so workers agree on it without a word. Counters are a
 * table for each worker, written by that worker alone, and all are read for a sum: no lock, and what a worker that
 * died had counted goes with its table. Two workers that count at the same moment may both find room for the last one.
 */
#include <errno.h>
#include <string.h>

#include <lib/config/config.h>
#include <mpgate/siphash.h>
#include <mpgated/worker/subscriber.h>

#define COUNT_BITS 16 /* of a word, its lowest; above them the subscriber's hash */
#define COUNT_MASK ((1U << COUNT_BITS) - 1)
#define V4_MAPPED 96U /* bits in front of an IPv4 address */
#define HOST_BITS 32U /* what a prefix holds beyond 2^32 addresses counts for nothing */

struct subscriber subscriber_of(const struct worker *w, uint64_t peer, const struct mpgate_addr *client)
{
	const struct mpgate_addr a = addr_client(client);
	struct siphash_tag tag;
	struct siphash s;
	uint64_t word[2];

	memcpy(word, &a, sizeof(word));
	siphash_init(&s, w->snap->pool_key[0], w->snap->pool_key[1]);
	siphash_word(&s, peer);
	siphash_word(&s, word[0]);
	siphash_word(&s, word[1]);
	siphash_final(&s, 0, 3 * sizeof(word[0]), &tag);
	return (struct subscriber){ tag.lo, tag.hi };
}

static uint64_t prefix_size(const struct prefix *p)
{
	unsigned bits = (p->family == 4 ? 32U : 128U) - p->len;

	return 1ULL << (bits < HOST_BITS ? bits : HOST_BITS);
}

/* The bits of an address behind its prefix are those of the hash. */
static void fill_host(struct mpgate_addr *a, const struct prefix *p, const struct subscriber *s)
{
	const uint64_t word[2] = { s->lo, s->hi };
	unsigned fixed = p->family == 4 ? V4_MAPPED + p->len : p->len;
	uint8_t hash[16];

	memcpy(hash, word, sizeof(hash));
	memcpy(a->b, p->addr, sizeof(p->addr));
	if (p->family == 4) {
		memset(a->b, 0, 10);
		a->b[10] = a->b[11] = 0xff;
		memcpy(a->b + 12, p->addr, 4);
	}
	for (unsigned i = fixed / 8; i < sizeof(hash); i++) {
		uint8_t mask = i == fixed / 8 ? (uint8_t)(0xff >> fixed % 8) : 0xff;

		a->b[i] |= hash[i] & mask;
	}
}

bool subscriber_address(const struct worker *w, const struct subscriber *s, bool v4, struct mpgate_addr *out)
{
	const struct prefix *p = snapshot_at(w->snap, w->snap->pool);
	uint64_t all = 0, at;

	for (unsigned i = 0; i < w->snap->pool.count; i++)
		all += (p[i].family == 4) == v4 ? prefix_size(&p[i]) : 0;
	if (!all)
		return false;
	at = s->lo % all;
	for (unsigned i = 0; i < w->snap->pool.count; i++) {
		if ((p[i].family == 4) != v4)
			continue;
		if (at < prefix_size(&p[i])) {
			fill_host(out, &p[i], s);
			return true;
		}
		at -= prefix_size(&p[i]);
	}
	return false;
}

/* Connections of that subscriber in a worker's bucket. */
static unsigned count_in(const uint64_t *bucket, uint64_t name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SUBSCRIBER_WAYS; i++) {
		uint64_t word = __atomic_load_n(&bucket[i], __ATOMIC_RELAXED);

		if (word >> COUNT_BITS == name)
			n += (unsigned)word & COUNT_MASK;
	}
	return n;
}

int subscriber_enter(struct worker *w, struct conn *c, const struct subscriber *s)
{
	uint64_t name = s->hi >> COUNT_BITS, *own, *free = NULL;
	unsigned at = (unsigned)(s->lo % SUBSCRIBER_BUCKETS), n = 0;

	for (unsigned i = 0; i < MPGATE_MAX_WORKERS && i < w->snap->workers; i++)
		n += count_in(w->shm->subscribers[i][at], name);
	if (n >= w->snap->per_subscriber)
		return -EDQUOT;
	own = w->shm->subscribers[w->index][at];
	for (unsigned i = 0; i < SUBSCRIBER_WAYS; i++) {
		if (own[i] >> COUNT_BITS == name && own[i] & COUNT_MASK) {
			free = &own[i];
			break;
		}
		if (!free && !(own[i] & COUNT_MASK))
			free = &own[i];
	}
	/* Others have all places: it goes on, uncounted. */
	if (!free)
		return 0;
	n = free - own + at * SUBSCRIBER_WAYS;
	if (!(*free & COUNT_MASK))
		__atomic_store_n(free, name << COUNT_BITS, __ATOMIC_RELAXED);
	__atomic_store_n(free, *free + 1, __ATOMIC_RELAXED);
	c->request.subscriber = n + 1;
	return 0;
}

void subscriber_leave(struct worker *w, struct conn *c)
{
	uint64_t *word;
	uint32_t at;

	if (!c->request.subscriber)
		return;
	at = c->request.subscriber - 1;
	word = &w->shm->subscribers[w->index][at / SUBSCRIBER_WAYS][at % SUBSCRIBER_WAYS];
	/* It can be written to by other processes, too. */
	if (*word & COUNT_MASK)
		__atomic_store_n(word, *word - 1, __ATOMIC_RELAXED);
	c->request.subscriber = 0;
}
