/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYNs that steer holds: what the worker gets of them, what each verdict does to the next, and the way back. In test
 * runs the kernel refuses every assignment: what would be given to a listener is counted so.
 */
#include "program_test.h"
#include "variants.h"

#define WORKER 0
#define RING_BYTES (128 << 10)

static struct test_policy policy;
static struct mpgate_settings settings = { .loaded = 1, .backlog = 64, .holds = 1, .client_seed = 42 };
static __u32 link_id;
static int listener[2];
static __be16 port;
static struct ring_buffer *ring;
static struct mpgate_held got;
static unsigned got_count;

static int take(void *arg, void *data, size_t size)
{
	(void)arg;
	CU_ASSERT_EQUAL_FATAL(size, sizeof(got));
	memcpy(&got, data, sizeof(got));
	got_count++;
	return 0;
}

/* What came since the last time. */
static unsigned taken(void)
{
	got_count = 0;
	ring_buffer__consume(ring);
	return got_count;
}

static void new_ring(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "test", 0, 0, RING_BYTES, NULL);
	__u32 worker = WORKER;

	if (fd < 0)
		err(1, "ring");
	map_set(skel->maps.held_rings, &worker, &fd);
	ring_buffer__free(ring);
	ring = ring_buffer__new(fd, take, NULL, NULL);
	if (!ring)
		err(1, "ring");
	close(fd);
}

static void listen_since(bool alive, __u64 since)
{
	struct mpgate_listener l = { .port = port, .alive = alive, .since = since };
	__u32 worker = WORKER;

	map_set(skel->maps.listeners, &worker, &l);
}

static void clear(void)
{
	int fd = bpf_map__fd(skel->maps.flows);
	struct mpgate_tuple t;
	__u64 none = 0;

	while (!bpf_map_get_next_key(fd, NULL, &t))
		bpf_map_delete_elem(fd, &t);
	for (__u32 i = 0; i < MPGATE_CLIENT_COUNTERS; i++)
		map_set(skel->maps.flow_clients, &i, &none);
	taken();
}

static __u64 used(const struct mpgate_flow *f)
{
	__u64 n = 0;

	bpf_map_lookup_elem(bpf_map__fd(skel->maps.flow_clients), &f->client, &n);
	return n;
}

static struct run send_packet(const struct packet *p, struct frame *f)
{
	struct run r;

	build(f, p);
	dp_run(skel, skel->progs.steer, f, link_id, false, &r);
	return r;
}

/* A SYN that is held now; `got` is what the worker has of it. */
static struct packet hold(int family, struct frame *f)
{
	struct packet p = { .name = "SYN", .family = family };
	struct run r;

	clear();
	r = send_packet(&p, f);
	CU_ASSERT_EQUAL(r.reason, MPGATE_R_HELD);
	CU_ASSERT_EQUAL(r.retval, TC_SHOT);
	CU_ASSERT_EQUAL_FATAL(taken(), 1);
	return p;
}

static struct mpgate_flow entry(void)
{
	struct mpgate_flow f = {};

	bpf_map_lookup_elem(bpf_map__fd(skel->maps.flows), &got.tuple, &f);
	return f;
}

static void set_state(enum mpgate_flow_state state)
{
	got.flow.state = state;
	map_set(skel->maps.flows, &got.tuple, &got.flow);
}

static void a_worker_gets_all_of_it(void)
{
	EACH_FAMILY(family)
	{
		for (size_t i = 0; i < VARIANTS; i++) {
			struct packet p = variants[i];
			struct frame f;
			struct run r;
			__u32 len;

			clear();
			p.family = family;
			r = send_packet(&p, &f);
			len = f.len - f.ip;
			CU_ASSERT_EQUAL(r.reason, MPGATE_R_HELD);
			CU_ASSERT_EQUAL(r.retval, TC_SHOT);
			CU_ASSERT_EQUAL_FATAL(taken(), 1);
			CU_ASSERT_EQUAL(got.flow.state, MPGATE_FLOW_HELD);
			CU_ASSERT_EQUAL(got.flow.worker, WORKER);
			CU_ASSERT_EQUAL(got.flow.ifindex, link_id);
			CU_ASSERT_EQUAL(got.flow.peer, 4);
			CU_ASSERT_EQUAL(got.flow.rule_id, 1009);
			CU_ASSERT_EQUAL(used(&got.flow), 1);
			CU_ASSERT_EQUAL(got.tcp_off, f.tcp - f.ip);
			CU_ASSERT_EQUAL(memcmp(got.macs, f.bytes, sizeof(got.macs)), 0);
			CU_ASSERT_EQUAL(got.len, len <= sizeof(got.packet) ? len : 0);
			CU_ASSERT_EQUAL(memcmp(got.packet, f.bytes + f.ip, got.len), 0);
		}
	}
}

static void data_does_not_fit(void)
{
	static const char data[1000];

	EACH_FAMILY(family)
	{
		struct packet p = { .name = "SYN with data", .family = family, .data = data, .data_len = sizeof(data) };
		struct frame f;
		struct run r;

		clear();
		r = send_packet(&p, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_HELD);
		CU_ASSERT_EQUAL_FATAL(taken(), 1);
		CU_ASSERT_EQUAL(got.len, 0);
	}
}

static void said_again_it_is_dropped(void)
{
	EACH_FAMILY(family)
	{
		struct frame f;
		struct packet p = hold(family, &f);
		struct mpgate_flow before = entry();
		struct run r = send_packet(&p, &f);

		CU_ASSERT_EQUAL(r.reason, MPGATE_R_HELD_AGAIN);
		CU_ASSERT_EQUAL(r.retval, TC_SHOT);
		CU_ASSERT_EQUAL(taken(), 0);
		CU_ASSERT_EQUAL(entry().time, before.time);
		CU_ASSERT_EQUAL(used(&before), 1);
	}
}

static void a_worker_that_began_since_gets_it_anew(void)
{
	EACH_FAMILY(family)
	{
		struct frame f;
		struct packet p = hold(family, &f);
		struct mpgate_flow before = entry();
		struct run r;

		listen_since(true, before.time + 1);
		r = send_packet(&p, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_HELD);
		CU_ASSERT_EQUAL(r.retval, TC_SHOT);
		CU_ASSERT_EQUAL(taken(), 1);
		CU_ASSERT_TRUE(entry().time > before.time);
		CU_ASSERT_EQUAL(entry().state, MPGATE_FLOW_HELD);
		CU_ASSERT_EQUAL(used(&before), 1);
		listen_since(false, 0);
		r = send_packet(&p, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_NO_LISTENER);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		CU_ASSERT_EQUAL(entry().state, 0);
		CU_ASSERT_EQUAL(used(&before), 0);
		listen_since(true, 0);
	}
}

/* The maps say that it lives, and there is no socket: its daemon was killed as a whole. */
static void a_worker_without_a_socket_gets_nothing(void)
{
	__be16 real = port;

	EACH_FAMILY(family)
	{
		struct packet p = { .name = "SYN", .family = family };
		struct frame f;
		struct run r;

		clear();
		port = htons(1);
		listen_since(true, 0);
		r = send_packet(&p, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_NO_LISTENER);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		port = real;
		listen_since(true, 0);
		hold(family, &f);
		port = htons(1);
		listen_since(true, 0);
		r = send_packet(&p, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_NO_LISTENER);
		CU_ASSERT_EQUAL(used(&got.flow), 0);
		port = real;
		listen_since(true, 0);
	}
}

static void verdicts(void)
{
	EACH_FAMILY(family)
	{
		struct frame f;
		struct packet p = hold(family, &f);
		struct run r;

		/* In a test run it cannot be assigned. */
		set_state(MPGATE_FLOW_APPROVED);
		r = send_packet(&p, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_ASSIGN_FAILED);
		CU_ASSERT_EQUAL(entry().state, MPGATE_FLOW_STEERED);

		set_state(MPGATE_FLOW_RELEASED);
		for (int i = 0; i < 2; i++) {
			r = send_packet(&p, &f);
			CU_ASSERT_EQUAL(r.reason, MPGATE_R_RELEASED);
			CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
			CU_ASSERT_EQUAL(r.mark, 0x5678);
		}
		CU_ASSERT_EQUAL(used(&got.flow), 1);

		set_state(MPGATE_FLOW_REFUSED);
		r = send_packet(&p, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_REFUSED);
		CU_ASSERT_TRUE(r.reset);
		CU_ASSERT_EQUAL(r.retval, TC_REDIRECT);
		CU_ASSERT_EQUAL(r.out.bytes[f.tcp + 13], FLAG_RST | FLAG_ACK);
		CU_ASSERT_EQUAL(entry().state, 0);
		CU_ASSERT_EQUAL(used(&got.flow), 0);
		CU_ASSERT_EQUAL(taken(), 0);
		/* The next one is another connection. */
		r = send_packet(&p, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_HELD);
	}
}

/* Before the verdict nothing of it may reach a listener, whatever a client sends. */
static void only_a_syn_counts(void)
{
	EACH_FAMILY(family)
	{
		struct frame f;
		struct packet p = hold(family, &f);
		__u32 zero = 0, busy = ~0U;
		struct run r;

		map_set(skel->maps.syn_busy, &zero, &busy);
		p.flags = FLAG_ACK;
		r = send_packet(&p, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_OTHER);
		CU_ASSERT_EQUAL(entry().state, MPGATE_FLOW_HELD);
		map_set(skel->maps.syn_busy, &zero, &zero);
	}
}

static void a_full_ring_lets_go(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "SYN", .family = family };
		unsigned held = 0;
		struct frame f;
		struct run r;

		clear();
		for (__u16 sport = 1; sport < 2000; sport++) {
			p.sport = sport;
			r = send_packet(&p, &f);
			if (r.reason != MPGATE_R_HELD)
				break;
			held++;
		}
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_HELD_FULL);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		CU_ASSERT_EQUAL(taken(), held);
		CU_ASSERT_EQUAL(used(&got.flow), held);
	}
}

static void without_a_way_back_nothing_is_held(void)
{
	settings.holds = 0;
	dp_settings(skel, &settings);
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "SYN", .family = family };
		struct frame f;

		clear();
		CU_ASSERT_EQUAL(send_packet(&p, &f).reason, MPGATE_R_ASSIGN_FAILED);
		CU_ASSERT_EQUAL(taken(), 0);
	}
	settings.holds = 1;
	dp_settings(skel, &settings);
}

/* --- the way back */
static struct run back(const struct frame *f)
{
	struct run r;

	dp_run(skel, skel->progs.put_back, f, if_nametoindex("lo"), false, &r);
	return r;
}

static void what_is_a_flow_of_ours_goes_back(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "SYN", .family = family };
		struct frame f;
		struct run r;

		hold(family, &f);
		r = back(&f);
		CU_ASSERT_EQUAL(r.retval, TC_REDIRECT);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_PUT_BACK);
		CU_ASSERT_EQUAL(r.out.len, f.len);
		p.sport = CLIENT_PORT + 1;
		build(&f, &p);
		r = back(&f);
		CU_ASSERT_EQUAL(r.retval, TC_SHOT);
		CU_ASSERT_EQUAL(r.reason, -1);
		p.proto = IPPROTO_UDP;
		build(&f, &p);
		CU_ASSERT_EQUAL(back(&f).retval, TC_SHOT);
	}
}

static void setup(void)
{
	link_id = net_open();
	skel = dp_open();
	port = listen_both(listener);
	policy_make(skel, &policy, 0, 10, link_id, MPGATE_RULE_HONEST);
	dp_settings(skel, &settings);
	dp_peer(skel, 4, 1);
	dp_clients(skel, WORKER);
	listen_since(true, 0);
	new_ring();
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "a worker gets all of it", a_worker_gets_all_of_it },
		{ "data does not fit", data_does_not_fit },
		{ "said again it is dropped", said_again_it_is_dropped },
		{ "a worker that began since gets it anew", a_worker_that_began_since_gets_it_anew },
		{ "a worker without a socket gets nothing", a_worker_without_a_socket_gets_nothing },
		{ "verdicts", verdicts },
		{ "only a SYN counts", only_a_syn_counts },
		{ "a full ring lets go", a_full_ring_lets_go },
		{ "without a way back nothing is held", without_a_way_back_nothing_is_held },
		{ "what is a flow of ours goes back", what_is_a_flow_of_ours_goes_back },
		CU_TEST_INFO_NULL,
	};
	int status;

	setup();
	status = run_tests("held", tests);
	ring_buffer__free(ring);
	return status;
}
