// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <lib/convert.h>
#include <lib/log.h>
#include <mpgated/net/io.h>
#include <mpgated/net/tcp.h>
#include <mpgated/supervisor/probe.h>

#define PROBE_MESSAGE 128
#define HELD_UP_MS 100U /* a timer that is so late says that the loop did not turn */
#define FULL_TRIPS (2 * HEALTH_TRIPS) /* round trips over a path that is full */
#define FULL_MOST_MS 120000U

struct probe {
	struct peer *peer; /* not to be used once ended */
	struct supervisor *sup;
	struct probe *next;
	probe_done done;
	unsigned address;
	struct health_path path;
	int fd;
	uv_poll_t poll;
	uv_timer_t timer;
	uint64_t patience, due, began; /* ms; the latter two of the loop's clock */
	uint64_t carried; /* bytes: what its way had, when that was asked last */
	unsigned handles; /* still to be closed */
	bool tries_syn_data; /* the message was to go in the SYN */
	bool syn_data; /* it did */
	bool sent; /* the message is sent */
	uint32_t stamp; /* of its cookie, as the nonce */
	uint64_t nonce;
	size_t answer_len;
	uint8_t answer[CONVERT_MAX_LEN]; /* as far as it has come */
};

static void on_closed(uv_handle_t *h)
{
	struct probe *b = h->data;

	if (h == (uv_handle_t *)&b->poll)
		tcp_close(b->fd);
	if (--b->handles)
		return;
	b->sup->probes--;
	free(b);
}

/* Takes it off its peer; what is left is to be closed. */
static void detach(struct probe *b)
{
	struct probe **at = &b->peer->probes;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	uv_close((uv_handle_t *)&b->poll, on_closed);
	uv_close((uv_handle_t *)&b->timer, on_closed);
}

static void end(struct probe *b, const struct health_result *r)
{
	struct peer *p = b->peer;

	detach(b);
	b->done(p, b->address, &b->path, r);
}

static bool is_of_peer(const struct peer *p, const struct mpgate_addr *a)
{
	unsigned i = 0;

	while (i < p->address_count && memcmp(&p->address[i], a, sizeof(*a)) != 0)
		i++;
	return i < p->address_count;
}

/* What the peer's subflows have carried over the probe's path, in either family, as they were seen last; bytes. */
static uint64_t carried(const struct probe *b)
{
	unsigned count = 0, total;
	const struct paths_subflow *f = b->sup->paths ? paths_subflows(b->sup->paths, &count, &total) : NULL;
	uint64_t sum = 0;

	for (unsigned i = 0; i < count; i++)
		if (f[i].link < b->sup->cfg->link_count &&
		    strcmp(b->sup->cfg->links[f[i].link].name, b->path.name) == 0 && is_of_peer(b->peer, &f[i].remote))
			sum += f[i].sent + f[i].received;
	return sum;
}

/* Its path still carries something, and has a queue in which the probe has to wait: that is not dead. */
static bool waits_in_queue(struct probe *b, uint64_t now)
{
	unsigned n = b->sup->paths ? paths_count(b->sup->paths) : 0;
	uint64_t most = 0, before = b->carried;

	for (unsigned i = 0; i < n && i < b->sup->cfg->link_count; i++)
		if (strcmp(b->sup->cfg->links[i].name, b->path.name) == 0)
			most = FULL_TRIPS * (uint64_t)paths_get_sample(b->sup->paths, i)->rtt_us / 1000;
	b->carried = carried(b);
	return b->carried > before && now - b->began < (most < FULL_MOST_MS ? most : FULL_MOST_MS);
}

/* It said something, or ended, in a way that no converter does. */
static void fail(struct probe *b, const char *why)
{
	const struct health_result r = { .error = why, .trouble = TROUBLE_NO_CONVERTER };

	end(b, &r);
}

/* The same, by an errno. A peer that was there and gave up may just not have had what waits in a queue. */
static void fail_by(struct probe *b, int err)
{
	const struct health_result r = { .error = strerror(err),
					 .trouble = trouble_of_errno(err),
					 .waited = err == ECONNRESET && waits_in_queue(b, uv_now(&b->sup->loop)) };

	end(b, &r);
}

/* An Info request with its cookie. Length or -errno. */
static int build(struct probe *b, uint8_t *buf, size_t cap)
{
	const struct peer *p = b->peer;
	static const struct convert_bytes none;
	struct convert_cookie cookie;
	struct convert_writer w;

	convert_begin(&w, buf, cap);
	convert_put_info(&w);
	if (p->keyed) {
		b->nonce = io_random();
		b->stamp = peer_time(&p->sup->shm->peers[p->slot], io_wall_clock());
		cookie_make(&p->send, b->stamp, (const uint8_t *)&b->nonce, &none, &none, &cookie);
		convert_put_cookie(&w, &cookie, sizeof(cookie));
	}
	return convert_end(&w);
}

static void succeed(struct probe *b, const struct convert_msg *m)
{
	bool mptcp = tcp_is_mptcp(b->fd), acked = b->syn_data && tcp_syn_data_acked(b->fd);
	struct health_result r = { .plain = !mptcp, .rtt_us = tcp_rtt_us(b->fd) };

	r.joins = m->has & CONVERT_HAS_JOINS;
	r.joins_known = !(m->has & CONVERT_HAS_ERROR) || m->error == CONVERT_E_NO_COOKIE;
	/*
	 * Data that the SYN+ACK does not acknowledge is sent again: that is no loss. Where it does, and something was
	 * sent twice, a SYN+ACK was lost: after the second SYN, which has no data, the kernel falls back.
	 */
	r.unsure = (!acked || r.plain) && tcp_retransmissions(b->fd) > (b->syn_data && !acked ? 1U : 0U);
	r.plain_known = acked || !b->syn_data;
	if (b->tries_syn_data && !(r.unsure && acked)) /* a kernel that cannot is a no */
		r.syn_data = acked && mptcp ? SYN_DATA_YES : SYN_DATA_NO;
	end(b, &r);
}

/* Was it refused for its time alone? Only who has our key can say so: way, daemon and key are good. */
static bool is_stale(struct probe *b, const struct convert_msg *m)
{
	struct peer *p = b->peer;
	char text[CLOCK_TEXT];
	int32_t differs;

	if (!p->keyed || !peer_told_time(&b->sup->shm->peers[p->slot], &p->send, b->stamp, (const uint8_t *)&b->nonce,
					 m, io_wall_clock(), &differs))
		return false;
	log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PEER, p->name }), "peer %s: its clock is %s; our cookies go by it",
		 p->name, clock_print(differs, text));
	return true;
}

/* Reads what has come of the answer. False: nothing, or not all; else the probe has ended. */
static bool take_answer(struct probe *b)
{
	struct convert_fault fault;
	struct convert_msg m;
	ssize_t n = tcp_recv(b->fd, b->answer + b->answer_len, sizeof(b->answer) - b->answer_len);
	char why[HEALTH_ERROR];

	if (n == -EAGAIN)
		return false;
	if (n < 0) {
		fail_by(b, (int)-n);
		return true;
	}
	if (n == 0) {
		fail(b, "it ended the connection without an answer");
		return true;
	}
	b->answer_len += (size_t)n;
	switch (convert_parse(CONVERT_CLIENT, b->peer->private_tlvs, b->answer, b->answer_len, &m, &fault)) {
	case CONVERT_MORE: /* there is room for more: no message is longer than the buffer */
		return false;
	case CONVERT_OK:
		break;
	default:
		fail(b, "its answer is no Convert message");
		return true;
	}
	/* A converter that wants a cookie is alive; the workers will get one. */
	if ((m.has & CONVERT_HAS_ERROR) && m.error != CONVERT_E_NO_COOKIE && !is_stale(b, &m)) {
		uint8_t detail = convert_error_detail(&m);

		snprintf(why, sizeof(why), "it says: %s", convert_error_text(m.error, detail));
		end(b, &(struct health_result){
			       .error = why, .trouble = trouble_of_refusal(m.error, detail), .answers = true });
		return true;
	}
	succeed(b, &m);
	return true;
}

static void on_timeout(uv_timer_t *t)
{
	struct probe *b = t->data;
	uint64_t now = uv_now(&b->sup->loop);

	/* Where this process was held up, the answer may have come in time. */
	if (b->sent && take_answer(b))
		return;
	/* Or it was held up in the middle, and the peer waits for us: that time does not count. */
	if (now - b->due >= HELD_UP_MS || waits_in_queue(b, now)) {
		b->due = now + b->patience;
		uv_timer_start(t, on_timeout, b->patience, 0);
		return;
	}
	if (b->sent && (!b->syn_data || tcp_syn_data_acked(b->fd)))
		fail(b, "it took the connection, and does not answer");
	else
		fail_by(b, ETIMEDOUT);
}

/* Sends the message over a connection that stands now. 0 or -errno. */
static int say(struct probe *b)
{
	uint8_t msg[PROBE_MESSAGE];
	int n = build(b, msg, sizeof(msg));
	ssize_t took = n < 0 ? n : tcp_send(b->fd, msg, (size_t)n);

	if (took < 0)
		return (int)took;
	b->sent = took == n;
	return b->sent ? 0 : -ENOBUFS;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct probe *b = poll->data;
	int err = tcp_error(b->fd);

	/* libuv has one error for all that poll reports as such. */
	if (!err && status < 0)
		err = -status;
	if (!err && (events & UV_WRITABLE) && !b->sent)
		err = -say(b);
	if (err) {
		fail_by(b, err);
		return;
	}
	uv_poll_start(poll, UV_READABLE, on_event);
	take_answer(b);
}

/* A socket on its way to the peer, with the message in its SYN if that is asked for and can be. Descriptor or -errno.
 */
static int dial(struct probe *b)
{
	const struct mpgate_addr *a = &b->peer->address[b->address];
	uint8_t msg[PROBE_MESSAGE];
	int n = build(b, msg, sizeof(msg)), fd, err;
	ssize_t took;

	if (n < 0)
		return n;
	fd = tcp_socket(addr_is_v4(a) ? AF_INET : AF_INET6, true);
	if (fd < 0)
		return fd;
	err = tcp_leave_from(fd, &b->path.from);
	took = err ? err : b->syn_data ? tcp_dial(fd, a, b->peer->port[b->address], true, msg, (size_t)n) : -EOPNOTSUPP;
	if (took == -EOPNOTSUPP) {
		b->syn_data = false;
		took = tcp_dial(fd, a, b->peer->port[b->address], false, NULL, 0);
	}
	b->sent = took == n;
	if (took < 0) {
		tcp_close(fd);
		return (int)took;
	}
	return fd;
}

int probe_start(struct peer *p, unsigned way, uint64_t patience_ms, probe_done done)
{
	struct probe *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->peer = p;
	b->sup = p->sup;
	b->done = done;
	b->address = p->health.way[way].address;
	b->path = p->health.way[way].path;
	b->tries_syn_data = b->syn_data = health_tries_syn_data(&p->health, way);
	b->fd = dial(b);
	err = b->fd < 0 ? b->fd : uv_poll_init(&p->sup->loop, &b->poll, b->fd);
	if (err) {
		if (b->fd >= 0)
			tcp_close(b->fd);
		free(b);
		return err;
	}
	uv_timer_init(&p->sup->loop, &b->timer);
	b->poll.data = b->timer.data = b;
	b->handles = 2;
	b->next = p->probes;
	p->probes = b;
	p->sup->probes++;
	uv_poll_start(&b->poll, b->sent ? UV_READABLE : UV_WRITABLE, on_event);
	b->patience = patience_ms;
	b->began = uv_now(&p->sup->loop);
	b->due = b->began + patience_ms;
	b->carried = carried(b);
	uv_timer_start(&b->timer, on_timeout, patience_ms, 0);
	return 0;
}

void probe_cancel(struct peer *p)
{
	while (p->probes)
		detach(p->probes);
}
