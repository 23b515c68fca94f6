/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is published: SYNs to this machine itself, for a peer that only workers with a parked connection can reach. All
 * workers are one listener here; which of them a SYN is for is what its flow says.
 */
#include "program_test.h"

#define PEER 4
#define OTHER 3 /* stands before it in the group */
#define WORKERS MPGATE_MAX_WORKERS
#define RING_BYTES (128 << 10)

static struct test_policy published, usual;
static struct mpgate_settings settings = { .loaded = 1, .backlog = 64, .holds = 1, .client_seed = 42 };
static __u32 link_id;
static int listener[2];
static __be16 port;
static struct ring_buffer *ring;

static const __u8 opt_capable[] = { 2, 4, 5, 0xb4, 30, 4, 1, 0 };
static const __u8 opt_join[] = { 1, 1, 1, 1, 30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8 };

static void peer_set(__u32 slot, __u32 up, __u64 parked)
{
	const struct mpgate_peer peer = { .up = up, .parks = parked != 0, .parked = parked };

	map_set(skel->maps.peers, &slot, &peer);
}

static void worker_set(__u32 worker, __u16 alive)
{
	struct mpgate_listener l = { .port = port, .alive = alive };

	map_set(skel->maps.listeners, &worker, &l);
}

static void policy_use(__u32 generation)
{
	settings.generation = generation;
	dp_settings(skel, &settings);
}

static int take(void *arg, void *data, size_t size)
{
	(void)arg;
	(void)data;
	(void)size;
	return 0;
}

static void clear(void)
{
	int fd = bpf_map__fd(skel->maps.flows);
	struct mpgate_flow flow = {};
	struct mpgate_tuple t;
	__u64 none = 0;

	while (!bpf_map_get_next_key(fd, NULL, &t)) {
		bpf_map_lookup_elem(fd, &t, &flow);
		map_set(skel->maps.flow_clients, &flow.client, &none);
		bpf_map_delete_elem(fd, &t);
	}
	ring_buffer__consume(ring);
}

/* The only flow that there is; peer MPGATE_MAX_PEERS: there is none. */
static struct mpgate_flow only_flow(void)
{
	struct mpgate_flow flow = { .peer = MPGATE_MAX_PEERS };
	struct mpgate_tuple t;

	if (!bpf_map_get_next_key(bpf_map__fd(skel->maps.flows), NULL, &t))
		bpf_map_lookup_elem(bpf_map__fd(skel->maps.flows), &t, &flow);
	return flow;
}

static struct packet to_us(int family)
{
	return (struct packet){ .name = "to us", .family = family, .dst = family == 4 ? "10.77.0.1" : "fd77::1" };
}

static int steered(const struct packet *p)
{
	struct frame f;
	struct run r;

	build(&f, p);
	dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
	return r.reason;
}

/* steer and explain say the same. */
static void expect(const struct packet *p, int want)
{
	struct mpgate_explained answer = explain(p, link_id);
	int reason;

	clear();
	reason = steered(p);
	if (reason != want || answer.reason != (__u32)want)
		printf("\n    %s: %s, explained %s, not %s", p->name, reason_name(reason), reason_name(answer.reason),
		       reason_name(want));
	CU_ASSERT_EQUAL(answer.reason, (__u32)want);
	CU_ASSERT_EQUAL(reason, want);
	CU_ASSERT_EQUAL(only_flow().peer, want == MPGATE_R_HELD ? PEER : MPGATE_MAX_PEERS);
}

static void only_what_is_published_is_taken_from_ourselves(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = to_us(family), through = { .name = "through us", .family = family };

		policy_use(1);
		expect(&p, MPGATE_R_LOCAL);
		expect(&through, MPGATE_R_HELD);
		policy_use(0);
		expect(&p, MPGATE_R_HELD);
		CU_ASSERT_EQUAL(only_flow().rule_flags & MPGATE_RULE_PUBLISHED, MPGATE_RULE_PUBLISHED);
		p.dport = 1;
		expect(&p, MPGATE_R_RULE_DIRECT);
	}
}

static void who_speaks_mptcp_is_taken(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = to_us(family);

		p.options = opt_capable;
		p.options_len = sizeof(opt_capable);
		expect(&p, MPGATE_R_HELD);
		/* It belongs to a connection that is there. */
		p.options = opt_join;
		p.options_len = sizeof(opt_join);
		expect(&p, MPGATE_R_MPTCP);
	}
}

/* The first that has one from the client's own worker on. */
static __u32 next_of(__u64 parked, __u32 worker)
{
	while (!(parked >> worker % WORKERS & 1))
		worker++;
	return worker % WORKERS;
}

static void a_worker_with_a_parked_connection_has_it(void)
{
	static const __u64 masks[] = { 1, 2, 1ULL << 63, 0x8000000000000001, 0x0000800000010000, ~0ULL };

	for (__u32 worker = 0; worker < WORKERS; worker += 3) {
		dp_clients(skel, worker);
		for (size_t i = 0; i < sizeof(masks) / sizeof(*masks); i++) {
			peer_set(PEER, 0, masks[i]);
			EACH_FAMILY(family)
			{
				struct packet p = to_us(family);

				clear();
				CU_ASSERT_EQUAL(steered(&p), MPGATE_R_HELD);
				CU_ASSERT_EQUAL(only_flow().worker, next_of(masks[i], worker));
			}
		}
	}
	dp_clients(skel, 0);
	peer_set(PEER, 0, 1);
}

/* explain asks the same worker: where no other listens, it says that this one does. */
static void explain_asks_that_worker(void)
{
	const __u32 has = 7;

	peer_set(PEER, 0, 1ULL << has);
	for (__u32 i = 0; i < WORKERS; i++)
		worker_set(i, i == has);
	for (__u32 worker = 0; worker < WORKERS; worker += 21) {
		dp_clients(skel, worker);
		EACH_FAMILY(family)
		{
			struct packet p = to_us(family);

			expect(&p, MPGATE_R_HELD);
			worker_set(has, 0);
			expect(&p, MPGATE_R_NO_LISTENER);
			worker_set(has, 1);
		}
	}
	for (__u32 i = 0; i < WORKERS; i++)
		worker_set(i, 1);
	dp_clients(skel, 0);
	peer_set(PEER, 0, 1);
}

/* One that can be dialed is reached by each worker. */
static void a_peer_that_is_up_is_for_all_workers(void)
{
	peer_set(PEER, 1, 1ULL << 7);
	for (__u32 worker = 0; worker < WORKERS; worker += 21) {
		dp_clients(skel, worker);
		EACH_FAMILY(family)
		{
			struct packet p = to_us(family);

			expect(&p, MPGATE_R_HELD);
			CU_ASSERT_EQUAL(only_flow().worker, worker);
		}
	}
	dp_clients(skel, 0);
	peer_set(PEER, 0, 1);
}

static void without_any_the_peer_is_down(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = to_us(family);

		peer_set(PEER, 0, 0);
		expect(&p, MPGATE_R_PEER_DOWN);
		/* Either will do, and the first of the group that can be reached is the one. */
		peer_set(OTHER, 0, 1ULL << 5);
		CU_ASSERT_EQUAL(explain(&p, link_id).peer, OTHER);
		peer_set(PEER, 1, 0);
		CU_ASSERT_EQUAL(explain(&p, link_id).peer, OTHER);
		peer_set(OTHER, 0, 0);
		CU_ASSERT_EQUAL(explain(&p, link_id).peer, PEER);
		peer_set(PEER, 0, 1);
		expect(&p, MPGATE_R_HELD);
	}
}

/* Its worker is gone, and what was parked there: another one that has some takes its SYN when that comes again. */
static void a_worker_that_is_gone_leaves_it_to_another(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = to_us(family);

		peer_set(PEER, 0, 1ULL << 2 | 1ULL << 40);
		expect(&p, MPGATE_R_HELD);
		CU_ASSERT_EQUAL(only_flow().worker, 2);
		CU_ASSERT_EQUAL(steered(&p), MPGATE_R_HELD_AGAIN);
		worker_set(2, 0);
		peer_set(PEER, 0, 1ULL << 40);
		CU_ASSERT_EQUAL(steered(&p), MPGATE_R_HELD);
		CU_ASSERT_EQUAL(only_flow().worker, 40);
		worker_set(2, 1);
	}
	peer_set(PEER, 0, 1);
}

static void setup(void)
{
	static const __u32 flags = MPGATE_RULE_HONEST | MPGATE_RULE_TAKE_MPTCP;
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "test", 0, 0, RING_BYTES, NULL);

	ring = fd < 0 ? NULL : ring_buffer__new(fd, take, NULL, NULL);
	if (!ring)
		err(1, "ring");
	link_id = net_open();
	skel = dp_open();
	policy_make(skel, &published, 0, 10, link_id, flags | MPGATE_RULE_PUBLISHED);
	policy_make(skel, &usual, 1, 10, link_id, flags);
	policy_use(0);
	peer_set(PEER, 0, 1);
	port = listen_both(listener);
	for (__u32 i = 0; i < WORKERS; i++) {
		worker_set(i, 1);
		map_set(skel->maps.held_rings, &i, &fd);
	}
	dp_clients(skel, 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "only what is published is taken from ourselves", only_what_is_published_is_taken_from_ourselves },
		{ "who speaks MPTCP is taken", who_speaks_mptcp_is_taken },
		{ "a worker with a parked connection has it", a_worker_with_a_parked_connection_has_it },
		{ "explain asks that worker", explain_asks_that_worker },
		{ "a peer that is up is for all workers", a_peer_that_is_up_is_for_all_workers },
		{ "without any the peer is down", without_any_the_peer_is_down },
		{ "a worker that is gone leaves it to another", a_worker_that_is_gone_leaves_it_to_another },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("published", tests);
}
