// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/source.h>

#include <errno.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/subscriber.h>

/* The subscriber that c is one of. Only a peer with a key is believed in what it says of its clients. */
static struct subscriber subscriber_asking(const struct worker *w, const struct conn *c, const struct request *r,
					   const struct mpgate_addr *client)
{
	static const struct mpgate_addr itself;

	if (!r->keyed)
		return subscriber_of(w, 0, client);
	return subscriber_of(w, r->key->peer, r->msg.has & CONVERT_HAS_ORIG_SOURCE ? &c->request.tuple.saddr : &itself);
}

bool source_has_room(struct worker *w, struct conn *c, const struct request *r, const struct mpgate_addr *client)
{
	struct subscriber s;

	if (!w->snap->per_subscriber)
		return true;
	s = subscriber_asking(w, c, r, client);
	return subscriber_enter(w, c, &s) == 0;
}

bool source_is_missing(const struct worker *w, const struct conn *c)
{
	unsigned family = addr_is_v4(&c->request.tuple.daddr) ? SNAPSHOT_IPV4 : SNAPSHOT_IPV6;

	return !c->request.own && !(w->snap->families & family);
}

int source_bind(struct worker *w, struct conn *c, const struct request *r, const struct mpgate_addr *client)
{
	bool v4 = addr_is_v4(&c->request.tuple.daddr);
	struct mpgate_addr from;
	struct subscriber s;
	__be16 port = 0;

	if (access_preserves(w, r)) {
		if (addr_is_v4(&r->msg.src) != v4)
			return -EAFNOSUPPORT;
		from = r->msg.src;
		port = r->msg.src_port;
	} else {
		if (w->snap->pool.count)
			s = subscriber_asking(w, c, r, client);
		if (!w->snap->pool.count || !subscriber_address(w, &s, v4, &from))
			return source_is_missing(w, c) ? -EADDRNOTAVAIL : 0;
		if (w->snap->pool_from)
			tcp_port_range(c->local.fd, w->snap->pool_from, w->snap->pool_to);
	}
	c->request.own = true;
	return tcp_bind_foreign(c->local.fd, &from, port);
}
