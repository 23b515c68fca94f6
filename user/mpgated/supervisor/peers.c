// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Peers and their health. A peer that we dial is probed with an Info request
 * (RFC 8803, 6.2.3) over MPTCP, signed as any other: an answer shows that the
 * way, the daemon and the key are good, and whether data in a SYN gets there.
 * Until the first answer, and from the first failure on, rules that name the
 * peer fall open. Peers without an address dial us and need no state here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lib/convert.h>
#include <lib/log.h>
#include <mpgated/supervisor/supervisor.h>
#include <mpgated/net/tcp.h>

#define PROBE_PERIOD_S 30 /* of a peer that is up */
#define BACKOFF_MAX_S 60
#define SHORTAGE_PAUSE_S 1 /* before a probe that this machine could not send is tried again */
#define SHORTAGE_ROUNDS 3U /* over all its addresses, then it is down */
#define PROBE_PAUSE_S 1 /* at least, between probes that refused requests set off */
#define PROBE_MESSAGE 128

static void probe_start(struct peer *p);

static void timer_probe(uv_timer_t *t)
{
	probe_start(t->data);
}

static void schedule(struct peer *p, uint64_t ms)
{
	p->next_try = uv_now(&p->sup->loop) + ms;
	uv_timer_start(&p->timer, timer_probe, ms, 0);
}

static void probe_closed(uv_handle_t *h)
{
	struct peer *p = h->data;

	close(p->fd);
	p->fd = -1;
}

static void set_state(struct peer *p, enum peer_state state, const char *why)
{
	if (p->state != state) {
		if (state == PEER_UP)
			log_info("peer %s is up", p->name);
		else if (state == PEER_DOWN)
			log_warn("peer %s is down: %s", p->name, why);
		datapath_set_peer(p->sup->dp, p->slot, state == PEER_UP);
	}
	p->state = state;
	snprintf(p->last_error, sizeof(p->last_error), "%s", why);
}

static void probe_close(struct peer *p)
{
	if (p->fd >= 0 && !uv_is_closing((uv_handle_t *)&p->poll))
		uv_close((uv_handle_t *)&p->poll, probe_closed);
}

/*
 * Ends the probe, if one is under way, and plans the next. why is empty for success. Addresses are tried in their
 * order; while only a later one answers, the first is asked again soon.
 */
static void probe_done(struct peer *p, const char *why)
{
	bool up = !why[0], first = up && p->attempt == 0;
	unsigned longest = up ? PROBE_PERIOD_S : BACKOFF_MAX_S;

	probe_close(p);
	if (!up && ++p->attempt < p->address_count) {
		schedule(p, 1); /* its next address */
		return;
	}
	if (up)
		p->sup->shm->peers[p->slot].address = p->attempt % p->address_count;
	p->attempt = 0;
	if (up && p->state != PEER_UP)
		p->backoff_s = 0;
	set_state(p, up ? PEER_UP : PEER_DOWN, why);
	p->backoff_s = first ? 0 : p->backoff_s ? p->backoff_s * 2 : 1;
	if (p->backoff_s > longest)
		p->backoff_s = longest;
	schedule(p, (first ? PROBE_PERIOD_S : p->backoff_s) * 1000ULL);
}

static void probe_timeout(uv_timer_t *t)
{
	probe_done(t->data, strerror(ETIMEDOUT));
}

/* An Info request with its cookie. Length or -errno. */
static int build_probe(const struct peer *p, uint8_t *buf, size_t cap)
{
	static const struct convert_bytes none;
	struct convert_cookie cookie;
	struct convert_writer w;
	uint8_t nonce[8];

	convert_begin(&w, buf, cap);
	convert_put_info(&w);
	if (p->keyed) {
		if (getrandom(nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
			return -errno;
		cookie_make(&p->send, (uint32_t)time(NULL), nonce, &none, &none, &cookie);
		convert_put_cookie(&w, &cookie, sizeof(cookie));
	}
	return convert_end(&w);
}

static void probe_answer(struct peer *p)
{
	struct convert_fault fault;
	struct convert_msg m;
	ssize_t n = recv(p->fd, p->answer + p->answer_len, sizeof(p->answer) - p->answer_len, MSG_DONTWAIT);
	char why[80];

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		probe_done(p, n < 0 ? strerror(errno) : "it ended the connection without an answer");
		return;
	}
	p->answer_len += (size_t)n;
	switch (convert_parse(CONVERT_CLIENT, p->private_tlvs, p->answer, p->answer_len, &m, &fault)) {
	case CONVERT_MORE: /* there is room for more: no message is longer than the buffer */
		return;
	case CONVERT_OK:
		break;
	default:
		probe_done(p, "its answer is no Convert message");
		return;
	}
	/* A converter that wants a cookie is alive; the workers will get one. */
	if ((m.has & CONVERT_HAS_ERROR) && m.error != CONVERT_E_NO_COOKIE) {
		snprintf(why, sizeof(why), "it says: %s", convert_error_name(m.error));
		probe_done(p, why);
		return;
	}
	if (p->syn_data) {
		bool taken = tcp_syn_data_acked(p->fd) && tcp_is_mptcp(p->fd);

		p->sup->shm->peers[p->slot].syn_data = taken ? SYN_DATA_YES : SYN_DATA_NO;
	}
	probe_done(p, "");
}

static void probe_event(uv_poll_t *poll, int status, int events)
{
	struct peer *p = poll->data;
	uint8_t msg[PROBE_MESSAGE];
	int err = tcp_error(p->fd), n;

	/* libuv has one error for all that poll reports as such. */
	if (!err && status < 0)
		err = -status;
	if (err) {
		probe_done(p, strerror(err));
		return;
	}
	if ((events & UV_WRITABLE) && !p->sent) {
		n = build_probe(p, msg, sizeof(msg));
		if (n < 0 || send(p->fd, msg, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) != n) {
			probe_done(p, strerror(n < 0 ? -n : errno));
			return;
		}
		p->sent = true;
	}
	uv_poll_start(poll, UV_READABLE, probe_event);
	probe_answer(p);
}

/* The probe could not be sent. When this machine lacks something, that says nothing about the peer. */
static void probe_failed(struct peer *p, int err)
{
	/* It may be the address's family that is lacking, and for good. */
	if (!tcp_is_shortage(err) || ++p->attempt >= SHORTAGE_ROUNDS * p->address_count) {
		probe_done(p, strerror(err));
		return;
	}
	set_state(p, p->state, strerror(err));
	schedule(p, SHORTAGE_PAUSE_S * 1000);
}

static void probe_start(struct peer *p)
{
	const struct mpgate_addr *a = &p->address[p->attempt % p->address_count];
	uint8_t msg[PROBE_MESSAGE];
	int n = build_probe(p, msg, sizeof(msg));
	ssize_t took;

	if (p->fd >= 0) { /* the last one is still being closed */
		schedule(p, 1);
		return;
	}
	p->fd = n < 0 ? n : tcp_socket(addr_is_v4(a) ? AF_INET : AF_INET6, true);
	if (p->fd < 0) {
		n = p->fd;
		p->fd = -1;
		probe_failed(p, -n);
		return;
	}
	p->answer_len = 0;
	p->syn_data = true;
	took = tcp_dial(p->fd, a, p->port, true, msg, (size_t)n);
	if (took == -EOPNOTSUPP) {
		p->syn_data = false;
		p->sup->shm->peers[p->slot].syn_data = SYN_DATA_NO;
		took = tcp_dial(p->fd, a, p->port, false, NULL, 0);
	}
	p->sent = took == n;
	if (took < 0 || uv_poll_init(&p->sup->loop, &p->poll, p->fd) < 0) {
		close(p->fd);
		p->fd = -1;
		probe_failed(p, took < 0 ? (int)-took : EIO);
		return;
	}
	p->poll.data = p;
	uv_poll_start(&p->poll, p->sent ? UV_READABLE : UV_WRITABLE, probe_event);
	uv_timer_start(&p->timer, probe_timeout, p->sup->cfg->timeouts.peer * 1000ULL, 0);
}

void peers_failed(struct supervisor *s, unsigned slot, int err)
{
	struct peer *p = slot < s->peer_slots ? &s->peers[slot] : NULL;

	/* Several connections fail together; only the first of them is news. */
	if (!p || !p->name || p->state != PEER_UP)
		return;
	set_state(p, PEER_DOWN, strerror(err));
	p->backoff_s = 0;
	p->attempt = 0;
	if (p->fd < 0)
		schedule(p, 1);
}

void peers_refused(struct supervisor *s, unsigned slot)
{
	struct peer *p = slot < s->peer_slots ? &s->peers[slot] : NULL;
	uint64_t soon = uv_now(&s->loop) + PROBE_PAUSE_S * 1000;

	/* It may have meant that one destination, or no longer take the key: an Info tells. */
	if (p && p->name && p->state == PEER_UP && p->fd < 0 && p->next_try > soon)
		schedule(p, PROBE_PAUSE_S * 1000);
}

/* The peer is another one now: what a probe under way finds out does not count. */
static void probe_restart(struct peer *p)
{
	probe_close(p);
	set_state(p, PEER_UNKNOWN, "");
	p->sup->shm->peers[p->slot].address = 0;
	p->sup->shm->peers[p->slot].syn_data = SYN_DATA_UNKNOWN;
	p->backoff_s = 0;
	p->attempt = 0;
	if (p->address_count)
		schedule(p, 1);
	else /* from now on it dials us */
		uv_timer_stop(&p->timer);
}

static struct peer *slot_of(struct supervisor *s, const char *name)
{
	struct peer *unused = NULL;

	for (unsigned i = 0; i < MPGATE_MAX_PEERS; i++) {
		struct peer *p = &s->peers[i];

		if (p->name && !strcmp(p->name, name))
			return p;
		if (!p->name && !p->handles && !unused)
			unused = p;
	}
	return unused;
}

static int load_key(const struct cfg_peer *c, struct subkey *send, struct cfg_error *err)
{
	struct key key;
	int ret = key_file_load(c->key_file, &key);

	if (ret) {
		snprintf(err->text, sizeof(err->text), "%s: %s", c->key_file, strerror(-ret));
		return ret;
	}
	key_derive(&key, c->as == CFG_AS_HUB ? KEY_HUB_TO_GATEWAY : KEY_GATEWAY_TO_HUB, send);
	key_wipe(&key, sizeof(key));
	return 0;
}

static struct peer *claim(struct supervisor *s, const char *name)
{
	struct peer *p = slot_of(s, name);
	unsigned slot = (unsigned)(p - s->peers);

	if (!p || p->name)
		return p;
	memset(p, 0, sizeof(*p));
	p->sup = s;
	p->fd = -1;
	p->slot = slot;
	s->shm->peers[slot] = (struct peer_shared){ 0 };
	p->name = strdup(name);
	if (p->name && slot >= s->peer_slots)
		s->peer_slots = slot + 1;
	return p->name ? p : NULL;
}

int peers_assign(struct supervisor *s, const struct config *cfg, uint16_t *slots, struct cfg_error *err)
{
	for (unsigned i = 0; i < cfg->peer_count; i++) {
		const struct cfg_peer *c = &cfg->peers[i];
		struct peer *p = claim(s, c->name);
		int ret;

		if (!p) {
			snprintf(err->text, sizeof(err->text), "no room for another peer of %d", MPGATE_MAX_PEERS);
			return -E2BIG;
		}
		slots[i] = (uint16_t)p->slot;
		key_wipe(&p->next_send, sizeof(p->next_send));
		ret = c->key_file ? load_key(c, &p->next_send, err) : 0;
		if (ret)
			return ret;
	}
	return 0;
}

static void commit(struct peer *p, const struct cfg_peer *c)
{
	bool moved = p->port != htons(c->port) || p->address_count != c->address_count ||
		     memcmp(p->address, c->address, c->address_count * sizeof(p->address[0])) != 0 ||
		     p->send.id != p->next_send.id || p->send.k0 != p->next_send.k0 || p->send.k1 != p->next_send.k1;

	p->send = p->next_send;
	p->keyed = c->key_file != NULL;
	p->private_tlvs = c->dialect == CFG_DIALECT_MPGATE;
	p->port = htons(c->port);
	p->address_count = c->address_count;
	memcpy(p->address, c->address, c->address_count * sizeof(p->address[0]));
	if (moved && p->handles)
		probe_restart(p);
}

static void timer_closed(uv_handle_t *h)
{
	struct peer *p = h->data;

	p->handles = false;
}

static void peer_free(struct peer *p)
{
	free(p->name);
	p->name = NULL;
	key_wipe(&p->send, sizeof(p->send));
	key_wipe(&p->next_send, sizeof(p->next_send));
	datapath_set_peer(p->sup->dp, p->slot, false);
	probe_close(p);
	if (p->handles && !uv_is_closing((uv_handle_t *)&p->timer))
		uv_close((uv_handle_t *)&p->timer, timer_closed);
}

void peers_commit(struct supervisor *s)
{
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		commit(&s->peers[s->peer_slot[i]], &s->cfg->peers[i]);
}

void peers_settle(struct supervisor *s)
{
	for (unsigned i = 0; i < s->peer_slots; i++) {
		struct peer *p = &s->peers[i];
		bool named = false;

		if (!p->name)
			continue;
		for (unsigned k = 0; k < s->cfg->peer_count; k++)
			named |= s->peer_slot[k] == i;
		if (!named) {
			peer_free(p);
		} else if (!p->handles && p->address_count) {
			uv_timer_init(&s->loop, &p->timer);
			p->timer.data = p;
			p->handles = true;
			schedule(p, 0);
		}
	}
}

void peers_close(struct supervisor *s)
{
	for (unsigned i = 0; i < s->peer_slots; i++)
		if (s->peers[i].name)
			peer_free(&s->peers[i]);
}
