// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections to the Convert port that have proven nothing yet: all until their request is authorized, and those that
 * get an Error before. They have a pool of their own, of which one source (an IPv4 address, an IPv6 /64) has a part;
 * who is too many pushes out the oldest. Sources that have lately proven to have a key have another one: connections
 * that a gateway opened ahead say nothing for long, and no stranger pushes them out.
 */
#include <string.h>

#include <mpgate/siphash.h>
#include <mpgated/net/io.h>
#include <mpgated/worker/strangers.h>

#define STRANGER_PART 8 /* of their pool one source may have this part; of the other pool */
#define PROVEN_PART 2
#define PROVEN_SECONDS                                                                                                 \
	60U /* then it is written down, and the supervisor told, anew; guard forgets after twice that and some */
#define FORGET_SECONDS (3 * PROVEN_SECONDS)

/* By a secret that all workers share: nobody outside knows who falls together with whom. */
static uint64_t source_hash(const struct worker *w, const struct mpgate_addr *a)
{
	const struct mpgate_addr client = addr_client(a);
	uint64_t hi, lo;
	struct siphash_tag tag;
	struct siphash s;

	memcpy(&hi, client.b, 8);
	memcpy(&lo, client.b + 8, 8);
	siphash_init(&s, w->snap->issuing.k0, w->snap->issuing.k1);
	siphash_word(&s, hi);
	siphash_final(&s, lo, 2 * sizeof(uint64_t), &tag);
	return tag.lo;
}

/* A word: the high half of the hash, and the second of it. */
static uint64_t *proven_at(const struct worker *w, uint64_t hash)
{
	return &w->shm->proven[hash % PROVEN_SLOTS];
}

static bool is_proven(const struct worker *w, uint64_t hash, uint32_t seconds)
{
	uint64_t word = __atomic_load_n(proven_at(w, hash), __ATOMIC_RELAXED);

	return word && word >> 32 == hash >> 32 && (uint32_t)(w->now / 1000) - (uint32_t)word < seconds;
}

static void push_out(struct worker *w, struct conn *c)
{
	w->stats->pushed_out++;
	conn_close(w, c, true);
}

void stranger_add(struct worker *w, struct conn *c)
{
	uint64_t hash = source_hash(w, &c->request.tuple.saddr);
	bool proven = is_proven(w, hash, FORGET_SECONDS);
	struct strangers *s = &w->strangers[proven];
	struct source *from = &s->source[hash % SOURCE_SLOTS];
	unsigned pool = strangers_pool(w->snap->connections), most = pool / (proven ? PROVEN_PART : STRANGER_PART);

	if (from->count >= most)
		push_out(w, list_entry(from->list.next, struct conn, same));
	else if (s->count >= pool)
		push_out(w, list_entry(s->list.next, struct conn, stranger));
	/* Here, so that the tables of who has no strangers are never touched. */
	if (!from->count)
		list_init(&from->list);
	c->pool = s;
	c->source = from;
	list_add_tail(&s->list, &c->stranger);
	list_add_tail(&from->list, &c->same);
	s->count++;
	from->count++;
}

void stranger_proves(struct worker *w, struct conn *c, const struct mpgate_addr *client)
{
	const struct mpgate_addr source = addr_client(client);
	uint64_t hash = source_hash(w, client);

	conn_known(c);
	if (!is_proven(w, hash, PROVEN_SECONDS) && report_proved(w, &source) == 0)
		__atomic_store_n(proven_at(w, hash), hash >> 32 << 32 | (uint32_t)(w->now / 1000), __ATOMIC_RELAXED);
}
