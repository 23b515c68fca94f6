// SPDX-License-Identifier: GPL-2.0-or-later
/* The Convert request of a gateway (RFC 8803, 6.2), and the cookies that converters without a shared key issued. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/convert.h>
#include <mpgated/net/io.h>
#include <mpgated/worker/request.h>

#define STAMP_SPARE 5 /* s: a cookie this close to the end of its time is not sent again */

const struct snapshot_peer *request_peer(const struct worker *w, const struct conn *c)
{
	return c->request.peers_changed == w->peers_changed ? conn_peer(w, c->request.slot) : NULL;
}

static struct issued_cookie *issued_find(struct worker *w, unsigned slot)
{
	for (unsigned i = 0; i < w->cookie_count; i++)
		if (w->cookies[i].slot == slot)
			return &w->cookies[i];
	return NULL;
}

static bool cookie_forget(struct worker *w, unsigned slot)
{
	struct issued_cookie *k = issued_find(w, slot);

	if (!k)
		return false;
	*k = w->cookies[--w->cookie_count];
	return true;
}

static bool cookie_store(struct worker *w, unsigned slot, const struct convert_bytes *value)
{
	struct issued_cookie *k = issued_find(w, slot);

	if (value->len < 2 || value->len - 1 > sizeof(k->data))
		return false;
	if (!k) {
		k = reallocarray(w->cookies, w->cookie_count + 1, sizeof(*k));
		if (!k)
			return false;
		w->cookies = k;
		k += w->cookie_count++;
		k->slot = (uint16_t)slot;
	}
	k->len = (uint8_t)(value->len - 1);
	memcpy(k->data, value->data + 1, k->len);
	return true;
}

bool request_other_cookie(struct worker *w, struct conn *c, const struct convert_msg *m)
{
	if (c->request.keyed)
		return false;
	if (m->error == CONVERT_E_NOT_AUTHORIZED && !c->request.cookie_tries)
		c->request.cookie_tries = cookie_forget(w, c->request.slot) ? 1 : 0;
	else if (m->error == CONVERT_E_NO_COOKIE && c->request.cookie_tries < 2)
		c->request.cookie_tries = cookie_store(w, c->request.slot, &m->error_value) ? 2 : 0;
	else
		return false;
	return c->request.cookie_tries;
}

bool request_stale(struct worker *w, struct conn *c, const struct snapshot_peer *p, const struct convert_msg *m)
{
	struct conn_request *r = &c->request;
	char text[CLOCK_TEXT];
	int32_t differs;

	if (!r->keyed || !peer_told_time(&w->shm->peers[r->slot], &p->send, r->stamp, (const uint8_t *)&r->nonce, m,
					 io_wall_clock(), &differs))
		return false;
	report_note(w, c, "the peer's clock is %s: from now on cookies go by it", clock_print(differs, text));
	return true;
}

const struct snapshot_rule *request_rule(const struct worker *w, uint32_t id)
{
	const struct snapshot_rule *r = snapshot_at(w->snap, w->snap->rules);

	for (unsigned i = 0; i < w->snap->rules.count; i++)
		if (r[i].id == id)
			return &r[i];
	return NULL;
}

/* The place of its peer in the group of c's rule, and the rule; -1: it has none, or not any more. */
static int place_in_group(const struct worker *w, const struct conn *c, const struct snapshot_rule **rule)
{
	const struct snapshot_rule *r = request_peer(w, c) ? request_rule(w, c->request.rule_id) : NULL;

	*rule = r;
	for (unsigned i = 0; r && i < r->peer_count; i++)
		if (r->peers[i] == c->request.slot)
			return (int)i;
	return -1;
}

int request_stand_in(const struct worker *w, const struct conn *c)
{
	const struct snapshot_rule *r;
	int at = w->snap->stand_ins ? place_in_group(w, c, &r) : -1;

	for (unsigned k = 1; at >= 0 && k < r->peer_count; k++) {
		unsigned i = ((unsigned)at + k) % r->peer_count;
		const struct snapshot_peer *p = conn_peer(w, r->peers[i]);

		if (!(c->request.tried & 1U << i) && p && p->address_count && w->shm->peers[p->slot].up &&
		    !(p->flags & SNAPSHOT_PEER_TRANSPARENT))
			return p->slot;
	}
	return -1;
}

bool request_move(struct worker *w, struct conn *c)
{
	const struct snapshot_rule *r;
	int at = place_in_group(w, c, &r), to = request_stand_in(w, c);

	if (at < 0 || to < 0)
		return false;
	c->request.tried |= (uint8_t)(1U << at);
	c->request.slot = (uint16_t)to;
	c->request.attempt = c->request.cookie_tries = 0;
	c->request.again = c->request.retimed = false;
	c->request.stamp = 0;
	w->stats->moved++;
	return true;
}

int request_compose(struct worker *w, struct conn *c, const struct snapshot_peer *p, const uint8_t **at, size_t *len)
{
	const struct parked *first = &c->request.first;
	uint8_t *data = w->buf + RELAY_HEADROOM, msg[RELAY_HEADROOM];
	int m = request_build(w, c, p, first->len > 0, msg, sizeof(msg));

	if (m < 0)
		return m;
	if (first->len)
		memcpy(data, first->data + first->off, first->len);
	memcpy(data - m, msg, (size_t)m);
	*at = data - m;
	*len = (size_t)m + first->len;
	return 0;
}

/* Where the peer is to connect to. False: it was published, and is no more. */
static bool request_target(const struct worker *w, const struct conn *c, struct mpgate_addr *addr, __be16 *port)
{
	const struct snapshot_rule *r;

	*addr = c->request.tuple.daddr;
	*port = c->request.tuple.dport;
	if (!c->request.published)
		return true;
	r = request_rule(w, c->request.rule_id);
	if (!r || !r->published)
		return false;
	*addr = r->target;
	*port = htons((uint16_t)(ntohs(*port) - r->port + r->target_port));
	return true;
}

int request_park(struct worker *w, struct conn *c, const struct snapshot_peer *p, uint8_t *buf, size_t cap)
{
	const struct convert_bytes none = { 0 };
	struct convert_bytes park = { .data = buf + CONVERT_HEADER_LEN };
	struct convert_cookie cookie;
	struct convert_writer wr;

	convert_begin(&wr, buf, cap);
	convert_put_park(&wr);
	park.len = wr.len - CONVERT_HEADER_LEN;
	c->request.keyed = true;
	c->request.stamp = peer_time(&w->shm->peers[p->slot], io_wall_clock());
	c->request.nonce = io_random();
	cookie_make(&p->send, c->request.stamp, (const uint8_t *)&c->request.nonce, &park, &none, &cookie);
	convert_put_cookie(&wr, &cookie, sizeof(cookie));
	return convert_end(&wr);
}

int request_build(struct worker *w, struct conn *c, const struct snapshot_peer *p, bool early, uint8_t *buf, size_t cap)
{
	const struct issued_cookie *issued = issued_find(w, c->request.slot);
	const __be16 copies = htons(CONVERT_NONCE_COPIES);
	struct convert_writer wr;
	struct convert_bytes connect = { 0 }, source = { 0 };
	struct convert_cookie cookie;
	uint32_t now = peer_time(&w->shm->peers[c->request.slot], io_wall_clock());
	struct mpgate_addr addr;
	__be16 port;

	if (!request_target(w, c, &addr, &port))
		return -ENOENT;
	convert_begin(&wr, buf, cap);
	connect.data = buf + wr.len;
	convert_put_connect(&wr, &addr, port, NULL);
	connect.len = (size_t)(buf + wr.len - connect.data);
	if (p->flags & SNAPSHOT_PEER_PRIVATE) {
		source.data = buf + wr.len;
		convert_put_orig_source(&wr, &c->request.tuple.saddr, c->request.tuple.sport);
		source.len = (size_t)(buf + wr.len - source.data);
		convert_put_flow_attrs(&wr, c->request.dscp, early ? CONVERT_ATTR_EARLY_DATA : 0);
	}
	c->request.keyed = p->flags & SNAPSHOT_PEER_KEYED;
	if (c->request.keyed) {
		/* Sent again it is the same request, so that a hub which had it refuses it. */
		if (!c->request.stamp) {
			c->request.stamp = now;
			c->request.nonce = io_random();
			if (c->request.twice)
				memcpy(&c->request.nonce, &copies, sizeof(copies));
		} else if ((int64_t)now - c->request.stamp > (int64_t)w->snap->window - STAMP_SPARE) {
			return -ETIME;
		}
		cookie_make(&p->send, c->request.stamp, (const uint8_t *)&c->request.nonce, &connect, &source, &cookie);
		convert_put_cookie(&wr, &cookie, sizeof(cookie));
	} else if (issued) {
		convert_put_cookie(&wr, issued->data, issued->len);
	}
	return convert_end(&wr);
}
