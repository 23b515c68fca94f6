// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A request whose nonce says so may come in copies (setup: stagger, duplicate): a SYN with data is acted on when it
 * arrives, and its SYN+ACK may get lost. The first to arrive has the server connection. Those that come after it wait
 * for the third packet of their handshake (HUB_COPY). Whose comes first, of all of them, shows that its path works in
 * both directions: the answer goes there, and the others are reset.
 *
 * Copies arrive at any worker. The table of used cookies says which one has the request, and whether that is settled; a
 * copy that is first is handed to that worker, which has the last word.
 */
#include <mpgated/worker/copy.h>

#include <string.h>

#include <mpgated/net/io.h>
#include <mpgated/net/tcp.h>

#define COPIES_A_SECOND 400U /* handed on; REPORTS_MAX are more */

static bool has_copies(const struct conn *c, const struct request *r, uint64_t *nonce)
{
	struct convert_cookie cookie;

	if (!r->key || !r->key->private_tlvs || c->request.back || !(r->msg.has & CONVERT_HAS_CONNECT))
		return false;
	memcpy(&cookie, r->msg.cookie.data, sizeof(cookie));
	memcpy(nonce, cookie.nonce, sizeof(*nonce));
	return convert_has_copies(cookie.nonce);
}

void copy_expect(struct worker *w, struct conn *c, const struct request *r)
{
	if (!r->keyed || !has_copies(c, r, &c->request.nonce))
		return;
	c->request.place = r->place;
	conn_open(w, c);
	if (!c->peer.young)
		conn_settle(c);
}

bool copy_wait(struct worker *w, struct conn *c, const struct request *r, uint32_t boot)
{
	if (!has_copies(c, r, &c->request.nonce) || replay_age(&r->place, boot) > CONVERT_COPY_SECONDS)
		return false;
	w->stats->copies++;
	c->request.slot = (uint16_t)r->key->slot;
	c->request.place = r->place;
	c->state = HUB_COPY;
	conn_timer(w, c, TIMER_HEADER);
	copy_event(w, c);
	return true;
}

/* Its own was reset, and a copy may still come. */
static bool is_lost(const struct conn *c)
{
	return c->peer.fd < 0;
}

void copy_settle(struct worker *w, struct conn *c)
{
	if (!c->request.open || is_lost(c))
		return;
	if (c->peer.hangup && tcp_error(c->peer.fd)) {
		leg_close(w, &c->peer, true);
		c->peer.hangup = c->peer.young = false;
		conn_timer(w, c, TIMER_HEADER);
	} else if (!c->peer.young) {
		conn_settle(c);
	}
}

/* Its connection is carried over fd from here on. False: that is settled, or there is none. */
static bool take(struct worker *w, unsigned slot, uint64_t nonce, uint64_t bytes, int fd)
{
	struct conn *c = conn_find_open(w, slot, nonce);

	/* All copies say the same, and where a SYN took more than the other, that one is not used. */
	if (!c || c->state != HUB_DIAL || c->bytes_up != bytes)
		return false;
	if (is_lost(c))
		conn_timer(w, c, TIMER_CONNECT);
	else
		leg_settle(&c->peer);
	conn_settle(c);
	conn_again(w, c);
	if (!is_lost(c) && !c->peer.young)
		return false;
	leg_close(w, &c->peer, true);
	leg_accepted(&c->peer, fd, true);
	w->stats->copies_taken++;
	if (leg_watch(w, c, &c->peer) < 0)
		conn_close(w, c, true);
	return true;
}

/* The supervisor hands it on. */
static bool hand_on(struct worker *w, const struct conn *c, int fd)
{
	struct message m = { .type = MSG_COPY,
			     .slot = replay_worker(&c->request.place),
			     .value = (int32_t)c->bytes_up,
			     .token = c->request.slot };
	uint32_t second = (uint32_t)(w->now / 1000);

	if (second != w->copy_second) {
		w->copy_second = second;
		w->copy_count = 0;
	}
	memcpy(m.source.b, &c->request.nonce, sizeof(c->request.nonce));
	return w->copy_count++ < COPIES_A_SECOND && report_copy(w, &m, fd);
}

void copy_event(struct worker *w, struct conn *c)
{
	bool gone = c->peer.hangup && tcp_error(c->peer.fd);
	int fd = c->peer.fd;

	if (!gone && c->peer.young)
		return;
	if (gone || replay_settled(&c->request.place)) {
		conn_close(w, c, true);
		return;
	}
	/* It lives on in another process, or as another connection's. */
	io_unwatch(w->epoll, fd);
	c->peer.fd = -1;
	if (replay_worker(&c->request.place) != w->index) {
		if (hand_on(w, c, fd))
			tcp_close(fd);
		else
			tcp_reset(fd, true);
	} else if (!take(w, c->request.slot, c->request.nonce, c->bytes_up, fd)) {
		tcp_reset(fd, true);
	}
	conn_close(w, c, false);
}

int copy_arrives(struct worker *w, const struct message *m, int fd)
{
	uint64_t nonce;

	memcpy(&nonce, m->source.b, sizeof(nonce));
	if (!take(w, m->token, nonce, (uint64_t)m->value, fd))
		tcp_reset(fd, true);
	return -1;
}
