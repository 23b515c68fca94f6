// SPDX-License-Identifier: GPL-2.0-or-later
/* What happens around a worker: its start and end, its clients, peers, servers. See world.h. */
#include <errno.h>
#include <limits.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lib/packet.h>
#include <lib/convert.h>
#include <mpgated/net/io.h>
#include <mpgated/worker/held.h>
#include <mpgated/worker/request.h>

#include "../fuzz/check.h"
#include "world_inside.h"

#define TURNS 100000 /* far more than any script needs: a worker that never rests */
#define REPLAY 16U /* buckets of the table of used cookies */
#define STEER_PORT 7007

/* The last world's streams, for world_cuts(). */
static struct {
	unsigned socks;
	size_t in[WORLD_SOCKETS], out[WORLD_SOCKETS];
} last;
static int next_cut = -1;
static bool next_out;
static size_t next_at;

struct mpgate_addr world_addr(const char *text)
{
	struct mpgate_addr a = { 0 };

	CHECK(addr_parse(text, &a) == 0);
	return a;
}

static void append(uint8_t **buf, size_t *have, const void *data, size_t len)
{
	*buf = realloc(*buf, *have + len + 1);
	CHECK(*buf);
	if (len)
		memcpy(*buf + *have, data, len);
	*have += len;
	(*buf)[*have] = '\0';
}

ssize_t sock_put(struct sock *s, const void *data, size_t len)
{
	append(&s->out, &s->out_len, data, len);
	if (!s->first_write)
		s->first_write = len;
	if (s->room != SIZE_MAX)
		s->room -= len;
	return (ssize_t)len;
}

bool sock_release(void)
{
	for (unsigned i = 0; i < world.sock_count; i++) {
		struct sock *s = &world.socks[i];

		if (s->end != OPEN || s->queue >= 0)
			continue;
		if (s->late_len || s->late_fin) {
			append(&s->in, &s->in_len, s->late, s->late_len);
			s->late_len = 0;
			s->fin |= s->late_fin;
			s->late_fin = false;
			s->changed = true;
			return true;
		}
		if (!s->room && world.cut_out && world.cut_sock == (int)i && (s->connected || s->young)) {
			s->room = world.room;
			s->changed = true;
			world.cut_out = false;
			return true;
		}
	}
	return false;
}

/* --- what other sides do */
void sock_connected(struct sock *s)
{
	s->connected = s->changed = true;
	s->syn_data_acked = s->syn_data;
}

void sock_refuse(struct sock *s, int err)
{
	s->dead = s->changed = true;
	s->error = err;
}

void sock_say(struct sock *s, const void *data, size_t len)
{
	size_t before = s->arrived, now = len;

	CHECK(!s->fin && !s->late_fin);
	s->arrived += len;
	if (world.cut_sock == (int)(s - world.socks) && !world.cut_out && s->arrived > world.cut_at)
		now = before < world.cut_at ? world.cut_at - before : 0;
	if (now) {
		append(&s->in, &s->in_len, data, now);
		s->changed = true;
	}
	if (now < len)
		append(&s->late, &s->late_len, (const uint8_t *)data + now, len - now);
}

void sock_fin(struct sock *s)
{
	if (s->late_len) {
		s->late_fin = true;
		return;
	}
	s->fin = s->changed = true;
}

void sock_take(struct sock *s, size_t room)
{
	s->room = room;
	s->changed = true;
}

void sock_acks(struct sock *s)
{
	s->young = s->unacked = false;
	s->unsent &= s->stuck;
	s->connected = s->changed = true;
}

void sock_event(struct sock *s)
{
	s->changed = true;
}

/* --- the world */
static struct snapshot_array array(size_t offset, unsigned count)
{
	return (struct snapshot_array){ .offset = (uint32_t)offset, .count = count };
}

#define ARRAY(field)                                                                                                   \
	array(offsetof(typeof(world.config), field), sizeof(world.config.field) / sizeof(world.config.field[0]))

static void configure(void)
{
	static const char *const addresses[WORLD_PEERS][2] = { { "192.0.2.1", "2001:db8::1" },
							       { "2001:db8::2", "192.0.2.2" } };
	struct snapshot *s = &world.config.head;

	*s = (struct snapshot){ .size = sizeof(world.config),
				.window = 30,
				.replay_buckets = REPLAY,
				.pending_per_client = 8,
				.first_bytes_ms = 20,
				.peer_s = 3,
				.connect_s = 30,
				.header_s = 10,
				.idle_s = 3600,
				.half_closed_s = 60,
				.keepalive_s = 15,
				.join_ms = 1000,
				.join_bytes = UINT64_MAX,
				.join = CFG_JOIN_LATE,
				.connections = 32,
				.buffer_bytes = 16U << 20,
				.kernel_bytes = 64U << 20,
				.issuing = { .k0 = 7, .k1 = 8 },
				.peers = ARRAY(peers),
				.keys = ARRAY(keys),
				.rules = ARRAY(rules),
				.allow_to = ARRAY(to),
				.allow_source = ARRAY(sources),
				.workers = 1,
				.families = SNAPSHOT_IPV4 | SNAPSHOT_IPV6,
				.pool_key = { 5, 6 },
				.pool = ARRAY(pool),
				.local = ARRAY(local) };
	s->pool.count = 0;
	for (unsigned i = 0; i < WORLD_PEERS; i++) {
		struct snapshot_peer *p = &world.config.peers[i];

		*p = (struct snapshot_peer){ .slot = (uint16_t)i,
					     .flags = SNAPSHOT_PEER_PRIVATE | SNAPSHOT_PEER_KEYED,
					     .port = { htons(CONVERT_DEFAULT_PORT), htons(CONVERT_DEFAULT_PORT) },
					     .address_count = 2,
					     .send = { .k0 = i, .k1 = 99, .id = 100 + i } };
		for (unsigned j = 0; j < 2; j++)
			p->address[j] = world_addr(addresses[i][j]);
		/* The worker is gateway and hub: it takes what it sends, by another end id. */
		world.config.keys[i] = (struct snapshot_key){ .key = p->send, .slot = i, .private_tlvs = 1 };
		world.config.keys[i].key.end = 1;
		world.config.keys[i].source_count = 2;
		world.config.keys[i].peer = i + 1;
		snprintf(p->name, sizeof(p->name), "peer%u", i);
	}
	world.config.rules[0] = (struct snapshot_rule){ .id = 1 };
	world.config.rules[1] = (struct snapshot_rule){ .id = 2 };
	CHECK(prefix_parse("0.0.0.0/0", &world.config.to[0]) == 0 && prefix_parse("::/0", &world.config.to[1]) == 0);
	memcpy(world.config.sources, world.config.to, sizeof(world.config.to));
	world.config.local[0] = world_addr("203.0.113.1");
}

void world_new(void)
{
	memset(&world, 0, sizeof(world));
	world.clock = 1000000;
	world.wall = 1700000000;
	world.room = SIZE_MAX;
	world.syn_room = 1400;
	world.reserve_size = RESERVE_MIN;
	world.cut_sock = next_cut;
	world.cut_out = next_out;
	world.cut_at = next_at;
	configure();
}

struct worker *world_start(void)
{
	struct worker *w = world.worker = calloc(1, sizeof(*w));
	struct snapshot *snap =
		mmap(NULL, sizeof(world.config), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(w && snap != MAP_FAILED);
	memcpy(snap, &world.config, sizeof(world.config));
	w->snap = snap;
	w->epoll = EPOLL_FD;
	w->control = CONTROL_FD;
	w->flows_fd = FLOWS_MAP;
	w->flow_clients = calloc(MPGATE_CLIENT_COUNTERS, sizeof(*w->flow_clients));
	CHECK(w->flow_clients);
	w->synack_fd = SYNACK_MAP;
	w->hold_fd = HOLD_FD;
	w->shm = mmap(NULL, shared_size(REPLAY), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(w->shm != MAP_FAILED);
	w->shm->wall_offset = world.wall * 1000000000ULL - world.clock * 1000000;
	w->stats = &w->shm->workers[0];
	w->steer_port[0] = w->steer_port[1] = htons(STEER_PORT);
	w->accepting = true;
	w->buf = malloc(RELAY_HEADROOM + RELAY_BUF);
	CHECK(w->buf);
	w->reserve_size = world.reserve_size;
	w->early = INT_MAX;
	CHECK(reserve_fill(w) == 0);
	conn_init(w);
	for (unsigned i = 0; i < 2; i++) {
		w->listeners[i] = (struct listener){ .fd = sock_new(true), .convert = i };
		io_watch(EPOLL_FD, w->listeners[i].fd, EPOLLIN, (uint64_t)(uintptr_t)&w->listeners[i]);
	}
	w->listener_count = 2;
	return w;
}

static bool clean(const struct worker *w)
{
	bool ok = !w->connections && !w->stats->connections && !w->parked_bytes && list_empty(&w->runnable) &&
		  list_empty(&w->parking) && list_empty(&w->waiting) && list_empty(&w->blocked) && !w->still_bytes &&
		  world.reserved == w->reserve_count && !w->held;

	ok &= !w->strangers[0].count && !w->strangers[1].count;
	for (unsigned i = 0; i < PENDING_SLOTS; i++)
		ok &= !w->pending[i] && !w->still_clients[i];
	for (unsigned i = 0; i < CONN_CHAINS; i++)
		ok &= !w->table[i];
	for (unsigned i = 0; i < READY_LISTS; i++)
		ok &= list_empty(&w->ready[i]);
	for (unsigned i = 0; w->snap->per_subscriber && i < SUBSCRIBER_BUCKETS; i++)
		for (unsigned k = 0; k < SUBSCRIBER_WAYS; k++)
			ok &= !(w->shm->subscribers[0][i][k] & UINT16_MAX);
	for (unsigned i = 0; i < WORLD_PEERS; i++)
		ok &= !w->shm->relayed[0][i] && !w->shm->parked[0][i];
	for (unsigned i = 0; i < world.sock_count; i++)
		ok &= world.socks[i].listener || world.socks[i].queue >= 0 || world.socks[i].end != OPEN;
	return ok;
}

bool world_end(void)
{
	struct worker *w = world.worker;
	bool ok;

	for (unsigned class = 0; class < TIMER_CLASSES; class ++)
		while (!list_empty(&w->timers[class]))
			conn_close(w, list_entry(w->timers[class].next, struct conn, timer), true);
	conn_reap(w);
	ok = clean(w);
	last.socks = world.sock_count;
	for (unsigned i = 0; i < world.sock_count; i++) {
		struct sock *s = &world.socks[i];

		last.in[i] = s->arrived;
		last.out[i] = s->out_len;
		free(s->in);
		free(s->out);
		free(s->late);
	}
	while (w->free) {
		struct list *l = w->free;

		w->free = l->next;
		free(list_entry(l, struct conn, timer));
	}
	munmap((void *)(uintptr_t)w->snap, w->snap->size);
	munmap(w->shm, shared_size(REPLAY));
	free(w->buf);
	free(w->cookies);
	free(w->flow_clients);
	free(w);
	return ok;
}

void world_reload(void)
{
	world.message_fd = memfd_create("snapshot", MFD_CLOEXEC);
	CHECK(world.message_fd >= 0 &&
	      write(world.message_fd, &world.config, sizeof(world.config)) == sizeof(world.config));
	world.message = (struct message){ .type = MSG_SNAPSHOT };
	world.message_waits = true;
	world_settle();
}

void world_settle(void)
{
	unsigned quiet = 0;

	/* The clock is read at the end of a turn, timers run at the start of the next. */
	for (unsigned i = 0; quiet < 2; i++) {
		CHECK(i < TURNS);
		if (!loop_turn(world.worker))
			return;
		quiet = world.busy ? 0 : quiet + 1;
	}
}

void world_pass(uint64_t ms)
{
	world.clock += ms;
	world.wall = 1700000000 + (uint32_t)((world.clock - 1000000) / 1000);
	world_settle();
}

static struct sock *arrive(unsigned listener, const char *from, const char *to)
{
	struct sock *s = sock_of(sock_new(false));

	s->tuple.saddr = world_addr(from);
	s->tuple.sport = htons(4000);
	s->tuple.daddr = world_addr(to);
	s->tuple.dport = htons(listener ? CONVERT_DEFAULT_PORT : 80);
	s->queue = (int)listener + WORLD_FIRST_FD;
	return s;
}

struct sock *world_client(const char *from, const char *to, int peer, uint32_t rule, const char *says)
{
	struct sock *s = arrive(0, from, to);

	s->connected = true;
	s->is_mptcp = false;
	s->announced = peer >= 0;
	s->flow = (struct mpgate_flow){ .rule_id = rule, .peer = (uint16_t)peer, .rule_flags = world.rule_flags };
	if (says)
		sock_say(s, says, strlen(says));
	return s;
}

struct syn *world_syn(const char *from, const char *to, unsigned peer, uint32_t rule)
{
	struct syn *s = &world.syns[world.syn_count++];
	struct mpgate_held h = { .macs = "\1\2\3\4\5\6\7\10\11\12\13" };
	struct tcphdr tcp = { .th_off = sizeof(tcp) / 4, .th_flags = TH_SYN };
	struct ip6_hdr ip6 = { .ip6_flow = htonl(6U << 28), .ip6_nxt = IPPROTO_TCP, .ip6_plen = htons(sizeof(tcp)) };
	struct iphdr ip4 = { .version = 4, .ihl = 5, .protocol = IPPROTO_TCP };
	bool v4;

	CHECK(world.syn_count <= WORLD_SYNS);
	*s = (struct syn){ .entry = true };
	s->tuple.saddr = world_addr(from);
	s->tuple.daddr = world_addr(to);
	s->tuple.sport = tcp.th_sport = htons(4000);
	s->tuple.dport = tcp.th_dport = htons(80);
	s->flow = (struct mpgate_flow){
		.rule_id = rule, .peer = (uint16_t)peer, .rule_flags = world.rule_flags, .state = MPGATE_FLOW_HELD
	};
	world.worker->flow_clients[0]++;
	v4 = addr_is_v4(&s->tuple.daddr);
	h.tuple = s->tuple;
	h.flow = s->flow;
	h.tcp_off = v4 ? sizeof(ip4) : sizeof(ip6);
	h.len = (uint16_t)(h.tcp_off + sizeof(tcp));
	ip4.tot_len = htons(h.len);
	/* As virtual links leave it. */
	tcp.th_sum = checksum_fold(checksum_pseudo(&s->tuple.saddr, &s->tuple.daddr, IPPROTO_TCP, sizeof(tcp)));
	if (v4)
		memcpy(h.packet, &ip4, sizeof(ip4));
	else
		memcpy(h.packet, &ip6, sizeof(ip6));
	memcpy(h.packet + h.tcp_off, &tcp, sizeof(tcp));
	held_open(world.worker, &h);
	return s;
}

struct sock *world_accepted(const struct syn *syn)
{
	struct sock *s = sock_of(sock_new(false));

	s->tuple = syn->tuple;
	s->queue = WORLD_FIRST_FD;
	s->connected = true;
	s->is_mptcp = false;
	return s;
}

struct sock *world_caller(const char *from, bool young, const void *data, size_t len)
{
	struct sock *s = arrive(1, from, "198.51.100.1");

	s->mptcp = true;
	s->young = young;
	s->connected = !young;
	if (len)
		sock_say(s, data, len);
	return s;
}

struct sock *world_dialed(unsigned n)
{
	for (unsigned i = 0; i < world.sock_count; i++)
		if (world.socks[i].dialed && n-- == 0)
			return &world.socks[i];
	return NULL;
}

unsigned world_dialed_count(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < world.sock_count; i++)
		n += world.socks[i].dialed;
	return n;
}

void world_cut(int sock, bool out, size_t at)
{
	next_cut = sock;
	next_out = out;
	next_at = at;
}

static void cut_stream(void (*script)(void), int sock, bool out, size_t len, size_t most)
{
	size_t step = len / most + 1;

	for (size_t at = out ? 0 : 1; at < len; at += step) {
		world_cut(sock, out, at);
		script();
	}
}

void world_cuts(void (*script)(void), size_t most)
{
	typeof(last) whole;

	world_cut(-1, false, 0);
	script();
	whole = last;
	for (unsigned i = 0; i < whole.socks; i++) {
		cut_stream(script, (int)i, false, whole.in[i], most);
		cut_stream(script, (int)i, true, whole.out[i], most);
	}
	world_cut(-1, false, 0);
}

static const char *behind(enum convert_side side, const struct sock *s, struct convert_msg *m)
{
	struct convert_fault fault;

	if (!s->out_len || convert_parse(side, true, s->out, s->out_len, m, &fault) != CONVERT_OK)
		return NULL;
	return (const char *)s->out + m->len;
}

const char *world_behind_request(const struct sock *s, struct convert_msg *m)
{
	return behind(CONVERT_CONVERTER, s, m);
}

const char *world_behind_answer(const struct sock *s, struct convert_msg *m)
{
	return behind(CONVERT_CLIENT, s, m);
}

void sock_answer(struct sock *s, int error)
{
	uint8_t buf[CONVERT_MAX_LEN];
	struct convert_writer wr;
	int n;

	convert_begin(&wr, buf, sizeof(buf));
	if (error >= 0)
		convert_put_error(&wr, (uint8_t)error, "", 1);
	n = convert_end(&wr);
	CHECK(n > 0);
	sock_say(s, buf, (size_t)n);
}

size_t world_request(uint8_t *buf, size_t cap, const char *from, const char *to, bool early)
{
	struct conn c = { 0 };
	int n;

	c.request.tuple.saddr = world_addr(from);
	c.request.tuple.sport = htons(4000);
	c.request.tuple.daddr = world_addr(to);
	c.request.tuple.dport = htons(80);
	n = request_build(world.worker, &c, &world.config.peers[0], early, buf, cap);
	CHECK(n > 0);
	return (size_t)n;
}
