/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host mode: what becomes of this machine's own SYNs where they leave, on the loopback device, and on their way back.
 * A test run has no socket that connects, so here a SYN is one that was put back: it is known by its mark. Which
 * sockets are chosen is for tests/net/host.t.
 */
#include "program_test.h"

#define WORKER 0
#define RING_BYTES (128 << 10)
#define OWN_MARK 0x5678
#define MARKED (MPGATE_MARK | OWN_MARK)

static struct test_policy policy;
static struct mpgate_settings settings = {
	.loaded = 1, .backlog = 64, .holds = 1, .hosts = MPGATE_HOSTS_ALL, .client_seed = 42
};
static __u32 link_id;
static int listener[2];
static __be16 port;
static int ring;

static void clear(void)
{
	int fd = bpf_map__fd(skel->maps.flows);
	struct mpgate_tuple t;

	while (!bpf_map_get_next_key(fd, NULL, &t))
		bpf_map_delete_elem(fd, &t);
}

/* The only flow that there is. */
static struct mpgate_flow flow(struct mpgate_tuple *t)
{
	int fd = bpf_map__fd(skel->maps.flows);
	struct mpgate_flow f = {};

	if (!bpf_map_get_next_key(fd, NULL, t))
		bpf_map_lookup_elem(fd, t, &f);
	return f;
}

static void set_state(enum mpgate_flow_state state, __u32 flags)
{
	struct mpgate_tuple t;
	struct mpgate_flow f = flow(&t);

	f.state = state;
	f.rule_flags = flags;
	map_set(skel->maps.flows, &t, &f);
}

static struct run run(struct bpf_program *prog, const struct packet *p, __u32 mark, struct frame *f)
{
	struct run r;

	build(f, p);
	run_mark = mark;
	dp_run(skel, prog, f, link_id, false, &r);
	run_mark = OWN_MARK;
	return r;
}

static struct packet held(int family, struct frame *f)
{
	struct packet p = { .name = "SYN", .family = family };
	struct run r;

	clear();
	r = run(skel->progs.host_out, &p, MARKED, f);
	CU_ASSERT_EQUAL(r.reason, MPGATE_R_HELD);
	return p;
}

static bool is_looped(const struct run *r, const struct frame *f, int family)
{
	static const __u8 macs[12];

	return r->retval == TC_REDIRECT && r->mark == MARKED && !memcmp(r->out.bytes, macs, sizeof(macs)) &&
	       r->out.bytes[12] << 8 == (family == 4 ? 0x0800 : 0x8600) && r->out.len == f->len &&
	       !memcmp(r->out.bytes + f->ip, f->bytes + f->ip, f->len - f->ip);
}

static void a_held_one_is_looped(void)
{
	EACH_FAMILY(family)
	{
		struct mpgate_tuple t;
		struct frame f;
		struct packet p = held(family, &f);
		struct run r;

		CU_ASSERT_EQUAL(flow(&t).state, MPGATE_FLOW_HELD);
		CU_ASSERT_EQUAL(flow(&t).ifindex, link_id);
		CU_ASSERT_EQUAL(flow(&t).rule_flags, MPGATE_RULE_HONEST | MPGATE_FLOW_HOST);
		r = run(skel->progs.host_out, &p, MARKED, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_HELD_AGAIN);
		CU_ASSERT_TRUE(is_looped(&r, &f, family));
		/* There it ends. */
		CU_ASSERT_EQUAL(run(skel->progs.host_in, &p, MARKED, &f).retval, TC_SHOT);
	}
}

static void verdicts(void)
{
	const __u32 flags = MPGATE_RULE_HONEST | MPGATE_FLOW_HOST;

	EACH_FAMILY(family)
	{
		struct mpgate_tuple t;
		struct frame f;
		struct packet p = held(family, &f);
		struct run r;

		set_state(MPGATE_FLOW_APPROVED, flags);
		r = run(skel->progs.host_out, &p, MARKED, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_APPROVED);
		CU_ASSERT_TRUE(is_looped(&r, &f, family));
		CU_ASSERT_EQUAL(flow(&t).state, MPGATE_FLOW_STEERED);

		set_state(MPGATE_FLOW_RELEASED, flags);
		r = run(skel->progs.host_out, &p, MARKED, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_RELEASED);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		CU_ASSERT_EQUAL(r.mark, OWN_MARK);
		CU_ASSERT_EQUAL(memcmp(r.out.bytes, f.bytes, f.len), 0);

		set_state(MPGATE_FLOW_REFUSED, flags);
		r = run(skel->progs.host_out, &p, MARKED, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_REFUSED);
		CU_ASSERT_EQUAL(r.retval, TC_REDIRECT);
		CU_ASSERT_EQUAL(r.out.bytes[f.tcp + 13], FLAG_RST | FLAG_ACK);
		CU_ASSERT_EQUAL(flow(&t).state, 0);
	}
}

/* Without a mark and without a socket it is forwarded: somebody else's. So is all while host mode is off. */
static void what_is_not_ours_leaves(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "SYN", .family = family };
		struct frame f;
		struct run r;

		clear();
		r = run(skel->progs.host_out, &p, OWN_MARK, &f);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		CU_ASSERT_EQUAL(r.reason, -1);
		CU_ASSERT_EQUAL(r.mark, OWN_MARK);
		p.flags = FLAG_ACK;
		r = run(skel->progs.host_out, &p, MARKED, &f);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		CU_ASSERT_EQUAL(r.reason, -1);
		p.flags = 0;
		settings.hosts = MPGATE_HOSTS_NONE;
		dp_settings(skel, &settings);
		r = run(skel->progs.host_out, &p, MARKED, &f);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		CU_ASSERT_EQUAL(r.reason, -1);
		settings.hosts = MPGATE_HOSTS_ALL;
		dp_settings(skel, &settings);
	}
}

/* Where workers listen no more, it goes on by itself. */
static void without_a_worker_it_leaves(void)
{
	struct mpgate_listener l = { .port = port };
	__u32 worker = WORKER;

	EACH_FAMILY(family)
	{
		struct mpgate_tuple t;
		struct frame f;
		struct packet p = held(family, &f);
		struct run r;

		map_set(skel->maps.listeners, &worker, &l);
		r = run(skel->progs.host_out, &p, MARKED, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_NO_LISTENER);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		CU_ASSERT_EQUAL(flow(&t).state, 0);
		l.alive = 1;
		map_set(skel->maps.listeners, &worker, &l);
		l.alive = 0;
	}
}

/* On the loopback device only what host_out sent there is looked at, and only a worker gets it. */
static void a_listener_gets_what_is_its_own(void)
{
	EACH_FAMILY(family)
	{
		struct frame f;
		struct packet p = held(family, &f);

		CU_ASSERT_EQUAL(run(skel->progs.host_in, &p, OWN_MARK, &f).retval, TC_UNSPEC);
		/* Steered: in a test run it cannot be assigned, and no other listener is to have it. */
		set_state(MPGATE_FLOW_STEERED, MPGATE_FLOW_HOST);
		CU_ASSERT_EQUAL(run(skel->progs.host_in, &p, MARKED, &f).retval, TC_SHOT);
		set_state(MPGATE_FLOW_STEERED, 0);
		CU_ASSERT_EQUAL(run(skel->progs.host_in, &p, MARKED, &f).retval, TC_SHOT);
		p.flags = FLAG_ACK;
		CU_ASSERT_EQUAL(run(skel->progs.host_in, &p, MARKED, &f).retval, TC_UNSPEC);
	}
}

/* What was steered, and is said again under SYN cookies, is the worker's as well. */
static void the_third_packet(void)
{
	__u32 zero = 0, busy = ~0U;

	EACH_FAMILY(family)
	{
		struct frame f;
		struct packet p = held(family, &f);
		struct run r;

		set_state(MPGATE_FLOW_STEERED, MPGATE_FLOW_HOST);
		p.flags = FLAG_ACK;
		map_set(skel->maps.syn_busy, &zero, &busy);
		r = run(skel->progs.host_in, &p, MARKED, &f);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_ASSIGN_FAILED);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		map_set(skel->maps.syn_busy, &zero, &zero);
	}
}

static void put_back_it_leaves_again(void)
{
	EACH_FAMILY(family)
	{
		struct frame f;
		struct packet p = held(family, &f);
		struct run r = run(skel->progs.put_back, &p, OWN_MARK, &f);

		CU_ASSERT_EQUAL(r.retval, TC_REDIRECT);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_PUT_BACK);
		CU_ASSERT_EQUAL(r.mark, MARKED);
		/* That of a LAN comes in, as ever. */
		set_state(MPGATE_FLOW_HELD, 0);
		CU_ASSERT_EQUAL(run(skel->progs.put_back, &p, OWN_MARK, &f).mark, OWN_MARK);
	}
}

static void explained(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "SYN", .family = family };
		struct mpgate_explained answer;

		clear();
		answer = explain(&p, MPGATE_HOST_IFINDEX);
		CU_ASSERT_EQUAL(answer.reason, MPGATE_R_HELD);
		CU_ASSERT_EQUAL(answer.peer, 4);
		CU_ASSERT_EQUAL(explain(&p, link_id).reason, MPGATE_R_NO_LINK);
	}
}

static void setup(void)
{
	struct mpgate_listener l = { .alive = 1 };
	__u32 worker = WORKER;

	link_id = net_open();
	skel = dp_open();
	port = l.port = listen_both(listener);
	policy_make(skel, &policy, 0, 10, MPGATE_HOST_IFINDEX, MPGATE_RULE_HONEST);
	dp_settings(skel, &settings);
	dp_peer(skel, 4, 1);
	dp_clients(skel, WORKER);
	map_set(skel->maps.listeners, &worker, &l);
	ring = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "test", 0, 0, RING_BYTES, NULL);
	if (ring < 0)
		err(1, "ring");
	map_set(skel->maps.held_rings, &worker, &ring);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "a held one is looped", a_held_one_is_looped },
		{ "verdicts", verdicts },
		{ "what is not ours leaves", what_is_not_ours_leaves },
		{ "without a worker it leaves", without_a_worker_it_leaves },
		{ "a listener gets what is its own", a_listener_gets_what_is_its_own },
		{ "the third packet", the_third_packet },
		{ "put back it leaves again", put_back_it_leaves_again },
		{ "explained", explained },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("host", tests);
}
