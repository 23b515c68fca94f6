// SPDX-License-Identifier: GPL-2.0-or-later
/* Who may have what from the hub: cookies, sources, destinations. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/config.h>
#include <mpgated/worker/access.h>
#include <mpgated/worker/conn.h>
#include <mpgated/worker/replay.h>

static int compare_keys(const void *id, const void *key)
{
	uint32_t a = *(const uint32_t *)id, b = ((const struct snapshot_key *)key)->key.id;

	return a < b ? -1 : a > b;
}

/* Checks a keyed cookie. 0: valid; 1: it is none of ours; -errno: forged, stale or used before. */
static int check_keyed(struct worker *w, struct request *r, uint32_t now)
{
	const struct snapshot *s = w->snap;
	const struct snapshot_key *k;
	struct convert_cookie cookie;
	uint32_t id;
	int ret;

	if (!(r->msg.has & CONVERT_HAS_COOKIE) || cookie_key_id(&r->msg.cookie, &id) < 0)
		return 1;
	k = bsearch(&id, snapshot_at(s, s->keys), s->keys.count, sizeof(*k), compare_keys);
	if (!k)
		return 1;
	ret = cookie_check(&k->key, now, s->window, &r->msg.cookie, &r->msg.connect_tlv, &r->msg.source_tlv);
	if (ret)
		return ret;
	memcpy(&cookie, r->msg.cookie.data, sizeof(cookie)); /* it may not be aligned */
	if (!replay_new(w->shm, cookie.nonce, id, ntohl(cookie.timestamp), now, s->window))
		return -EALREADY;
	r->keyed = true;
	r->private_tlvs = k->private_tlvs;
	r->slot = k->slot;
	return 0;
}

enum access access_request(struct worker *w, struct request *r, const struct mpgate_addr *client, uint32_t now)
{
	const struct snapshot *s = w->snap;
	int ret = check_keyed(w, r, now);

	if (ret == 0)
		return ACCESS_GRANTED;
	if (ret == -EALREADY)
		return ACCESS_REPLAYED;
	if (s->accept == CFG_ACCEPT_OPEN)
		return ACCESS_GRANTED;
	if (s->accept == CFG_ACCEPT_ISSUED && ret == 1) {
		if (!(r->msg.has & CONVERT_HAS_COOKIE))
			return ACCESS_NO_COOKIE;
		if (issued_check(&s->issuing, now, client, &r->msg.cookie) == 0)
			return ACCESS_GRANTED;
	}
	return ret == -ETIME ? ACCESS_STALE : ACCESS_REFUSED;
}

bool access_destination(const struct worker *w, const struct mpgate_addr *dst)
{
	const struct snapshot *s = w->snap;
	const struct prefix *to = snapshot_at(s, s->allow_to);
	const struct mpgate_addr *local = snapshot_at(s, s->local);

	/* Services of the hub itself are not for those who come through it. */
	for (unsigned i = 0; i < s->local.count; i++)
		if (!memcmp(&local[i], dst, sizeof(*dst)))
			return false;
	for (unsigned i = 0; i < s->allow_to.count; i++)
		if (prefix_contains(&to[i], dst))
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
