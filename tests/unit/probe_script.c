// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe_script.h"

#include <errno.h>
#include <string.h>

#include <mpgated/net/io.h>
#include <mpgated/net/tcp.h>

#include "../fuzz/check.h"
#include "loop.h"

struct play play;

/* --- paths: one, with a subflow */

unsigned paths_count(const struct paths *p)
{
	CHECK(p);
	return 1;
}

const struct paths_sample *paths_get_sample(const struct paths *p, unsigned index)
{
	CHECK(p && index == 0);
	return &play.sample;
}

const struct paths_subflow *paths_subflows(const struct paths *p, unsigned *count, unsigned *total)
{
	CHECK(p);
	*count = *total = 1;
	return &play.subflow;
}

/* --- sockets */
static struct sock *sock_of(int fd)
{
	CHECK(fd >= FIRST_FD && fd < FIRST_FD + (int)play.sock_count && play.socks[fd - FIRST_FD].open);
	return &play.socks[fd - FIRST_FD];
}

static int fails(int *what)
{
	int err = *what;

	*what = 0;
	return -err;
}

int tcp_socket(int family, bool mptcp)
{
	int ret = fails(&play.fail.socket);

	if (ret)
		return ret;
	CHECK(play.sock_count < SOCKETS && mptcp);
	play.socks[play.sock_count] = (struct sock){ .open = true, .family = family };
	return FIRST_FD + (int)play.sock_count++;
}

int tcp_leave_from(int fd, const struct mpgate_addr *from)
{
	sock_of(fd)->from = *from;
	return fails(&play.fail.bind);
}

static ssize_t put(struct sock *k, const void *data, size_t len, size_t room)
{
	len = len < room ? len : room;
	CHECK(k->out_len + len <= sizeof(k->out));
	memcpy(k->out + k->out_len, data, len);
	k->out_len += len;
	return (ssize_t)len;
}

ssize_t tcp_dial(int fd, const struct mpgate_addr *addr, __be16 port, bool syn_data, const void *data, size_t len)
{
	struct sock *k = sock_of(fd);
	int ret = fails(&play.fail.dial);

	if (ret)
		return ret;
	if (syn_data && !play.syn_room)
		return -EOPNOTSUPP;
	k->to = *addr;
	k->port = port;
	k->syn_data = syn_data;
	CHECK(syn_data == (data != NULL));
	return data && play.syn_room > 1 ? put(k, data, len, play.syn_room) : 0;
}

ssize_t tcp_send(int fd, const void *data, size_t len)
{
	int ret = fails(&play.fail.send);

	return ret ? ret : put(sock_of(fd), data, len, play.send_room);
}

ssize_t tcp_recv(int fd, void *buf, size_t len)
{
	struct sock *k = sock_of(fd);
	size_t n = k->in_len - k->in_off;

	if (!n && k->broken)
		return fails(&k->broken);
	if (!n)
		return k->fin ? 0 : -EAGAIN;
	n = n < len ? n : len;
	memcpy(buf, k->in + k->in_off, n);
	k->in_off += n;
	return (ssize_t)n;
}

int tcp_error(int fd)
{
	return -fails(&sock_of(fd)->error);
}

bool tcp_is_mptcp(int fd)
{
	return !sock_of(fd)->plain;
}

bool tcp_syn_data_acked(int fd)
{
	return sock_of(fd)->acked;
}

uint32_t tcp_rtt_us(int fd)
{
	return sock_of(fd)->open ? 20000 : 0;
}

unsigned tcp_retransmissions(int fd)
{
	return sock_of(fd)->again;
}

void tcp_close(int fd)
{
	CHECK(!loop_watched(fd));
	sock_of(fd)->open = false;
}

uint32_t io_wall_clock(void)
{
	return play.wall;
}

uint64_t io_random(void)
{
	static uint64_t x;

	x += 0x9e3779b97f4a7c15ULL;
	return x ^ x >> 31;
}

/* --- the peer */
static void done(struct peer *peer, unsigned address, const struct health_path *path, const struct health_result *r)
{
	CHECK(peer == &play.p);
	play.ended.count++;
	play.ended.address = address;
	play.ended.path = *path;
	play.ended.r = *r;
	snprintf(play.ended.error, sizeof(play.ended.error), "%s", r->error ? r->error : "");
}

void play_new(void)
{
	static const bool v4[] = { true, false };
	static struct health_path paths[2] = { { .name = "wan0" }, { .name = "wan0", .v6 = true } };
	struct peer *p = &play.p;
	struct key key;

	loop_new();
	memset(&play, 0, sizeof(play));
	play.syn_room = play.send_room = SIZE_MAX;
	play.wall = NOW;
	play.s.shm = calloc(1, sizeof(*play.s.shm));
	CHECK(play.s.shm && keys_init() == 0);
	play.s.cfg = &play.cfg;
	play.s.paths = (struct paths *)&play; /* not to be looked into */
	play.cfg.links = &play.link;
	play.cfg.link_count = 1;
	play.link.name = paths[0].name;
	*p = (struct peer){
		.sup = &play.s, .slot = 1, .keyed = true, .private_tlvs = true, .port = { htons(8803), htons(8803) }
	};
	p->address_count = 2;
	addr_parse("192.0.2.1", &p->address[0]);
	addr_parse("2001:db8::1", &p->address[1]);
	addr_parse("10.0.0.1", &paths[0].from);
	addr_parse("2001:db8:1::1", &paths[1].from);
	memset(&key, 7, sizeof(key));
	key_derive(&key, "gateway", 7, &p->send);
	key_derive(&key, "hub", 3, &play.hub_key);
	health_set_ways(&p->health, v4, 2, paths, 2, uv_now(&play.s.loop));
}

bool play_end(void)
{
	bool clean;

	probe_cancel(&play.p);
	loop_pass(0);
	clean = !loop_handles() && !play.s.probes && !play.p.probes;
	for (unsigned i = 0; i < play.sock_count; i++)
		clean &= !play.socks[i].open;
	free(play.s.shm);
	return clean;
}

int play_probe(unsigned way)
{
	return probe_start(&play.p, way, PATIENCE, done);
}

struct sock *play_start(void)
{
	play_new();
	CHECK(play_probe(0) == 0);
	CHECK(play.socks[0].out_len);
	return &play.socks[0];
}

void sock_says(struct sock *k, const void *data, size_t len)
{
	CHECK(k->in_len + len <= sizeof(k->in));
	memcpy(k->in + k->in_len, data, len);
	k->in_len += len;
	CHECK(loop_ready(FIRST_FD + (int)(k - play.socks), 0, UV_READABLE));
}

bool sock_request(const struct sock *k, struct convert_cookie *cookie)
{
	static const struct convert_bytes none;
	struct convert_fault fault;
	struct convert_msg m;

	if (convert_parse(CONVERT_CONVERTER, true, k->out, k->out_len, &m, &fault) != CONVERT_OK ||
	    m.has != (CONVERT_HAS_INFO | CONVERT_HAS_COOKIE) || m.len != k->out_len || m.cookie.len != sizeof(*cookie))
		return false;
	memcpy(cookie, m.cookie.data, sizeof(*cookie));
	return cookie_check(&play.hub_key, ntohl(cookie->timestamp), 1, &m.cookie, &none, &none) == 0;
}

size_t sock_answer(const struct sock *k, enum answer a, uint8_t buf[CONVERT_MAX_LEN])
{
	static const uint8_t kinds[] = { 8, 30 }, code[] = { 0 };
	struct convert_cookie cookie = { 0 };
	const struct convert_bytes said = { (const uint8_t *)&cookie, sizeof(cookie) };
	uint8_t clock[CONVERT_CLOCK_LEN];
	struct convert_writer w;

	sock_request(k, &cookie);
	convert_begin(&w, buf, CONVERT_MAX_LEN);
	if (a == SUPPORTED || a == JOINS)
		convert_put_extensions(&w, kinds, sizeof(kinds));
	else if (a == WANTS_COOKIE)
		convert_put_error(&w, CONVERT_E_NO_COOKIE, "0123456789abcdef0123", 20);
	else if (a == FULL)
		convert_put_error(&w, CONVERT_E_RESOURCE, code, 1);
	else
		convert_put_error(&w, CONVERT_E_NOT_AUTHORIZED, code, 1);
	if (a == JOINS)
		convert_put_joins(&w);
	if (a == STALE || a == STALE_FORGED) {
		clock_make(&play.hub_key, &said, NOW + 500, clock);
		clock[CONVERT_CLOCK_LEN - 1] ^= a == STALE_FORGED;
		convert_put_clock(&w, clock);
	}
	return (size_t)convert_end(&w);
}
