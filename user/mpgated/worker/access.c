// SPDX-License-Identifier: GPL-2.0-or-later
/* Who may have what from the hub: cookies, sources, destinations. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/config.h>
#include <mpgated/net/io.h>
#include <mpgated/worker/access.h>
#include <mpgated/worker/conn.h>

static int compare_keys(const void *id, const void *key)
{
	uint32_t a = *(const uint32_t *)id, b = ((const struct snapshot_key *)key)->key.id;

	return a < b ? -1 : a > b;
}

const struct snapshot_key *access_key(const struct worker *w, uint32_t id)
{
	const struct snapshot *s = w->snap;

	return bsearch(&id, snapshot_at(s, s->keys), s->keys.count, sizeof(struct snapshot_key), compare_keys);
}

struct access_clock access_now(const struct worker *w)
{
	uint64_t boot = io_boot_clock();

	return (struct access_clock){ shared_cookie_time(w->shm, boot), (uint32_t)(boot / 1000000000ULL) };
}

/* Checks a keyed cookie. 0: valid; 1: it is none of ours; -errno: forged, our own, stale or used before. */
static int check_keyed(struct worker *w, struct request *r, const struct access_clock *clock)
{
	const struct snapshot *s = w->snap;
	const struct snapshot_key *k;
	struct convert_cookie cookie;
	uint32_t id;
	int ret;

	if (!(r->msg.has & CONVERT_HAS_COOKIE) || cookie_key_id(&r->msg.cookie, &id) < 0)
		return 1;
	k = access_key(w, id);
	if (!k)
		return 1;
	ret = cookie_check(&k->key, clock->wall, s->window, &r->msg.cookie, &r->msg.connect_tlv, &r->msg.source_tlv);
	if (ret == -EKEYREJECTED)
		return ret;
	r->key = k;
	if (ret)
		return ret;
	memcpy(&cookie, r->msg.cookie.data, sizeof(cookie)); /* it may not be aligned */
	switch (replay_use(w->shm, s->replay_buckets, &cookie, clock->boot, s->window, w->index, &r->place)) {
	case REPLAY_SEEN:
		return -EALREADY;
	case REPLAY_NEW_FULL:
		w->stats->forgotten++;
		break;
	default:
		break;
	}
	r->keyed = true;
	return 0;
}

enum access access_request(struct worker *w, struct request *r, const struct mpgate_addr *client,
			   const struct access_clock *clock)
{
	const struct snapshot *s = w->snap;
	int ret = check_keyed(w, r, clock);

	if (ret == 0)
		return ACCESS_GRANTED;
	if (ret == -EALREADY)
		return ACCESS_REPLAYED;
	if (s->accept == CFG_ACCEPT_OPEN)
		return ACCESS_GRANTED;
	if (s->accept == CFG_ACCEPT_ISSUED && ret == 1) {
		if (!(r->msg.has & CONVERT_HAS_COOKIE))
			return ACCESS_NO_COOKIE;
		if (issued_check(&s->issuing, clock->wall, client, &r->msg.cookie) == 0)
			return ACCESS_GRANTED;
	}
	return ret == -ETIME ? ACCESS_STALE : ret == -ELOOP ? ACCESS_OWN : ACCESS_REFUSED;
}

/* An address of this machine, or one under which it speaks to servers. */
static bool is_local(const struct snapshot *s, const struct mpgate_addr *a)
{
	const struct mpgate_addr *local = snapshot_at(s, s->local);
	const struct prefix *pool = snapshot_at(s, s->pool);

	for (unsigned i = 0; i < s->local.count; i++)
		if (!memcmp(&local[i], a, sizeof(*a)))
			return true;
	for (unsigned i = 0; i < s->pool.count; i++)
		if (prefix_contains(&pool[i], a))
			return true;
	return false;
}

bool access_preserved(const struct worker *w, const struct request *r)
{
	const struct snapshot *s = w->snap;
	const struct prefix *p = snapshot_at(s, s->allow_source);

	if (!r->keyed || is_local(s, &r->msg.src))
		return false;
	p += r->key->source_first;
	for (unsigned i = 0; i < r->key->source_count; i++)
		if (prefix_contains(&p[i], &r->msg.src))
			return true;
	return false;
}

bool access_preserves(const struct worker *w, const struct request *r)
{
	/* A peer that may open connections to us, and speak for others' hosts, does. */
	return r->msg.has & CONVERT_HAS_ORIG_SOURCE &&
	       (w->snap->preserve || (r->keyed && r->key->to_count && r->key->source_count));
}

bool access_destination(const struct worker *w, const struct request *r)
{
	const struct snapshot *s = w->snap;
	bool own = r->keyed && r->key->to_count;
	const struct prefix *to = snapshot_at(s, own ? s->accept_to : s->allow_to);
	unsigned count = own ? r->key->to_count : s->allow_to.count;

	/* Services of the hub itself are not for those who come through it. */
	if (is_local(s, &r->msg.dst))
		return false;
	to += own ? r->key->to_first : 0;
	for (unsigned i = 0; i < count; i++)
		if (prefix_contains(&to[i], &r->msg.dst))
			return true;
	return false;
}

bool access_source(const struct worker *w, const struct mpgate_addr *a)
{
	const struct prefix *p = snapshot_at(w->snap, w->snap->allow_from);

	for (unsigned i = 0; i < w->snap->allow_from.count; i++)
		if (prefix_contains(&p[i], a))
			return true;
	return w->snap->allow_from.count == 0;
}
