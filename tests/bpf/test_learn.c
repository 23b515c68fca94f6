/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steer and servers that do not take MPTCP: SYNs with MP_CAPABLE go on until their answers have said enough, and only
 * what answers them says anything.
 */
#include "program_test.h"

#include <time.h>

#define RING_BYTES (128 << 10)
#define RULES 3
#define CARRIED 0x80 /* for an answer: it has MP_CAPABLE */

static struct test_policy policy;
static struct mpgate_settings settings = { .loaded = 1, .backlog = 64, .holds = 1, .learns = 1, .client_seed = 42 };
static __u32 link_id;
static int listener[2];
static const __u8 capable[4] = { 30, 4, 1, 1 };
static const char *const servers[] = { SERVER4, SERVER6 };
static const char *const clients[] = { CLIENT4, CLIENT6 };
static int family;

/* Of the clock that the programs go by. */
static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

static void rule_is(__u16 action, __u32 flags)
{
	struct mpgate_rule rule = { .action = action, .flags = flags | MPGATE_RULE_HONEST, .id = 1 };
	__u32 last = RULES - 1;

	if (action == MPGATE_TERMINATE)
		rule.flags |= MPGATE_RULE_TERMINATE;
	fd_set_elem(policy.rules, &last, &rule);
}

static void forget(void)
{
	struct mpgate_server server;
	struct mpgate_flow flow;
	struct mpgate_tuple t;
	__u64 none = 0;

	while (!bpf_map_get_next_key(bpf_map__fd(skel->maps.learned), NULL, &server))
		bpf_map_delete_elem(bpf_map__fd(skel->maps.learned), &server);
	while (!bpf_map_get_next_key(bpf_map__fd(skel->maps.asked), NULL, &t))
		bpf_map_delete_elem(bpf_map__fd(skel->maps.asked), &t);
	while (!bpf_map_get_next_key(bpf_map__fd(skel->maps.flows), NULL, &t)) {
		bpf_map_lookup_elem(bpf_map__fd(skel->maps.flows), &t, &flow);
		map_set(skel->maps.flow_clients, &flow.client, &none);
		bpf_map_delete_elem(bpf_map__fd(skel->maps.flows), &t);
	}
}

/* The only server of which something is known. */
static bool known(struct mpgate_learned *l)
{
	struct mpgate_server server;
	int fd = bpf_map__fd(skel->maps.learned);

	return !bpf_map_get_next_key(fd, NULL, &server) && !bpf_map_lookup_elem(fd, &server, l);
}

/* That was so long ago. */
static void age(__u64 ns)
{
	int fd = bpf_map__fd(skel->maps.learned);
	struct mpgate_server server;
	struct mpgate_learned l;

	if (bpf_map_get_next_key(fd, NULL, &server) || bpf_map_lookup_elem(fd, &server, &l))
		return;
	l.time -= ns;
	bpf_map_update_elem(fd, &server, &l, BPF_ANY);
}

static int run(const struct packet *p, __u32 seq, __u32 ack)
{
	const __be32 words[] = { htonl(seq), htonl(ack) };
	struct frame f;
	struct run r;

	build(&f, p);
	memcpy(f.bytes + f.tcp + 4, words, sizeof(words));
	dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
	return r.reason;
}

/* The client's SYN, with MP_CAPABLE or without. */
static int syn(__u16 sport, bool with)
{
	return run(&(struct packet){ .family = family,
				     .sport = sport,
				     .options = capable,
				     .options_len = with ? sizeof(capable) : 0 },
		   sport, 0);
}

/* A server's, which goes on its way. */
static void answer(__u16 sport, unsigned flags)
{
	const struct packet p = { .family = family,
				  .src = servers[family == 6],
				  .dst = clients[family == 6],
				  .sport = 80,
				  .dport = sport,
				  .flags = flags & ~CARRIED,
				  .options = capable,
				  .options_len = flags & CARRIED ? sizeof(capable) : 0 };
	__u64 passed = counted(MPGATE_R_OTHER);

	run(&p, 7, sport + 1U);
	CU_ASSERT_EQUAL(counted(MPGATE_R_OTHER), passed + 1);
}

#define ACCEPTS (FLAG_SYN | FLAG_ACK)
#define REFUSES (FLAG_RST | FLAG_ACK)

static void each(__u16 action, void (*script)(void))
{
	rule_is(action, MPGATE_RULE_LEARNED);
	for (family = 4; family <= 6; family += 2) {
		forget();
		script();
	}
	forget();
}

/* What a SYN without MPTCP is to a rule for it alone, and to one that carries by a peer. */
static void each_action(void (*script)(void))
{
	each(MPGATE_TERMINATE, script);
	each(MPGATE_PROXY, script);
}

static void who_answers_without_is_plain(void)
{
	struct mpgate_learned l;
	__u64 plain = counted(MPGATE_R_SERVER_PLAIN);

	CU_ASSERT_EQUAL(syn(100, true), MPGATE_R_MPTCP);
	CU_ASSERT_FALSE(known(&l));
	answer(100, ACCEPTS);
	CU_ASSERT_EQUAL(counted(MPGATE_R_SERVER_PLAIN), plain + 1);
	CU_ASSERT_TRUE_FATAL(known(&l));
	CU_ASSERT_EQUAL(l.state, MPGATE_LEARNED_PLAIN);
	CU_ASSERT_EQUAL(syn(101, true), MPGATE_R_HELD);
	/* Said again it is known, at last without MPTCP. */
	CU_ASSERT_EQUAL(syn(101, true), MPGATE_R_HELD_AGAIN);
	CU_ASSERT_EQUAL(syn(101, false), MPGATE_R_HELD_AGAIN);
}

static void it_is_taken(void)
{
	each_action(who_answers_without_is_plain);
}

static void who_answers_with_is_not(void)
{
	struct mpgate_learned l;

	syn(100, true);
	answer(100, ACCEPTS | CARRIED);
	CU_ASSERT_FALSE(known(&l));
	CU_ASSERT_EQUAL(syn(101, true), MPGATE_R_MPTCP);
	answer(101, ACCEPTS);
	CU_ASSERT_TRUE(known(&l));
	/* It has learned to. */
	settings.holds = 0;
	rule_is(MPGATE_TERMINATE, MPGATE_RULE_LEARNED);
	dp_settings(skel, &settings);
	CU_ASSERT_EQUAL(syn(102, true), MPGATE_R_MPTCP);
	settings.holds = 1;
	dp_settings(skel, &settings);
	rule_is(MPGATE_PROXY, MPGATE_RULE_LEARNED);
	forget();
}

static void it_is_left_alone(void)
{
	each(MPGATE_PROXY, who_answers_with_is_not);
}

static void only_the_right_answer_counts(void)
{
	struct mpgate_learned l;

	answer(100, ACCEPTS);
	CU_ASSERT_FALSE(known(&l));
	syn(100, true);
	answer(101, ACCEPTS);
	run(&(struct packet){ .family = family,
			      .src = servers[family == 6],
			      .dst = clients[family == 6],
			      .sport = 80,
			      .dport = 100,
			      .flags = ACCEPTS },
	    7, 100);
	CU_ASSERT_FALSE(known(&l));
	/* Another port of the server is another server. */
	answer(100, ACCEPTS);
	CU_ASSERT_TRUE(known(&l));
	CU_ASSERT_EQUAL(run(&(struct packet){ .family = family,
					      .dport = 81,
					      .options = capable,
					      .options_len = sizeof(capable) },
			    1, 0),
			MPGATE_R_MPTCP);
	/* Nothing is asked again by what is answered already. */
	forget();
	syn(100, true);
	answer(100, ACCEPTS | CARRIED);
	answer(100, ACCEPTS);
	CU_ASSERT_FALSE(known(&l));
	settings.learns = 0;
	dp_settings(skel, &settings);
	syn(102, true);
	answer(102, ACCEPTS);
	CU_ASSERT_FALSE(known(&l));
	settings.learns = 1;
	dp_settings(skel, &settings);
}

static void strangers_say_nothing(void)
{
	each(MPGATE_TERMINATE, only_the_right_answer_counts);
}

/* So many SYNs with MP_CAPABLE, then one without that is answered. */
static void falls_back(__u16 sport, unsigned with)
{
	for (unsigned i = 0; i < with; i++)
		CU_ASSERT_EQUAL(syn(sport, true), MPGATE_R_MPTCP);
	CU_ASSERT_EQUAL(syn(sport, false), MPGATE_R_PLAIN);
	answer(sport, ACCEPTS);
}

static void who_drops_breaks(void)
{
	struct mpgate_learned l;
	__u64 breaks = counted(MPGATE_R_SERVER_BREAKS);

	/* One may have been lost. */
	for (unsigned i = 0; i < 5; i++)
		falls_back(100, 1);
	CU_ASSERT_EQUAL(counted(MPGATE_R_SERVER_BREAKS), breaks);
	falls_back(200, 2);
	CU_ASSERT_EQUAL(counted(MPGATE_R_SERVER_BREAKS), breaks + 1);
	CU_ASSERT_TRUE_FATAL(known(&l));
	CU_ASSERT_EQUAL(l.state, MPGATE_LEARNED_NOTHING);
	CU_ASSERT_EQUAL(l.doubts, 1);
	/* Who speaks it meanwhile is above doubt. */
	syn(201, true);
	answer(201, ACCEPTS | CARRIED);
	CU_ASSERT_FALSE(known(&l));
	/* One outage is one doubt. */
	for (unsigned i = 0; i < 10; i++)
		falls_back(210 + i, 2);
	CU_ASSERT_TRUE_FATAL(known(&l) && l.doubts == 1);
	age(MPGATE_DOUBTS_APART_NS);
	falls_back(203, 2);
	CU_ASSERT_TRUE_FATAL(known(&l));
	CU_ASSERT_EQUAL(l.state, MPGATE_LEARNED_BREAKS);
	CU_ASSERT_EQUAL(syn(204, true), MPGATE_R_HELD);
}

static void it_is_taken_after_two_doubts(void)
{
	each(MPGATE_TERMINATE, who_drops_breaks);
}

/* A port that is closed, and a server that starts anew, refuse as well. */
static void who_resets_breaks(void)
{
	struct mpgate_learned l;

	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(syn(100, true), MPGATE_R_MPTCP);
		answer(100, REFUSES);
		CU_ASSERT_TRUE_FATAL(known(&l));
		CU_ASSERT_TRUE(l.reset);
		CU_ASSERT_EQUAL(l.doubts, i);
		/* Closed for all. */
		CU_ASSERT_EQUAL(syn(101, false), MPGATE_R_PLAIN);
		answer(101, REFUSES);
		CU_ASSERT_TRUE(known(&l) && !l.reset && l.doubts == i);
		CU_ASSERT_EQUAL(syn(102, false), MPGATE_R_PLAIN);
		answer(102, ACCEPTS);
		CU_ASSERT_TRUE(known(&l) && l.doubts == i);
		/* Open for those without. */
		syn(103, true);
		answer(103, REFUSES);
		syn(104, false);
		answer(104, ACCEPTS);
		CU_ASSERT_TRUE(known(&l) && !l.reset && l.doubts == i + 1);
		age(MPGATE_DOUBTS_APART_NS);
	}
	CU_ASSERT_EQUAL(l.state, MPGATE_LEARNED_BREAKS);
	CU_ASSERT_EQUAL(syn(105, true), MPGATE_R_HELD);
}

static void so_is_one_that_resets(void)
{
	each(MPGATE_TERMINATE, who_resets_breaks);
}

static void a_day_later(void)
{
	struct mpgate_learned l;

	for (unsigned old = 0; old < 2; old++) {
		forget();
		syn(100, true);
		answer(100, ACCEPTS);
		CU_ASSERT_TRUE_FATAL(known(&l));
		age(MPGATE_LEARNED_NS - (old ? 0 : 3600000000000ULL));
		CU_ASSERT_EQUAL(syn(101, true), old ? MPGATE_R_MPTCP : MPGATE_R_HELD);
	}
}

static void it_is_asked_again_after_a_day(void)
{
	each(MPGATE_TERMINATE, a_day_later);
}

/* A worker has found out, and dials without. */
static void flows_say_that_it_breaks(void)
{
	struct mpgate_learned l = { .state = MPGATE_LEARNED_BREAKS }, doubts = { .doubts = 1 };
	struct mpgate_flow flow;
	struct mpgate_tuple t;
	struct mpgate_server server;

	rule_is(MPGATE_PROXY, 0);
	for (family = 4; family <= 6; family += 2) {
		forget();
		CU_ASSERT_EQUAL(syn(100, false), MPGATE_R_HELD);
		bpf_map_get_next_key(bpf_map__fd(skel->maps.flows), NULL, &t);
		bpf_map_lookup_elem(bpf_map__fd(skel->maps.flows), &t, &flow);
		CU_ASSERT_FALSE(flow.rule_flags & MPGATE_FLOW_BREAKS);
		memset(&server, 0, sizeof(server));
		server.addr = t.daddr;
		server.port = t.dport;
		forget();
		l.time = now();
		map_set(skel->maps.learned, &server, &l);
		syn(101, false);
		bpf_map_get_next_key(bpf_map__fd(skel->maps.flows), NULL, &t);
		bpf_map_lookup_elem(bpf_map__fd(skel->maps.flows), &t, &flow);
		CU_ASSERT_TRUE(flow.rule_flags & MPGATE_FLOW_BREAKS);
		forget();
		doubts.time = now();
		map_set(skel->maps.learned, &server, &doubts);
		syn(102, false);
		bpf_map_get_next_key(bpf_map__fd(skel->maps.flows), NULL, &t);
		bpf_map_lookup_elem(bpf_map__fd(skel->maps.flows), &t, &flow);
		CU_ASSERT_EQUAL(flow.rule_flags & (MPGATE_FLOW_BREAKS | MPGATE_FLOW_DOUBTED), MPGATE_FLOW_DOUBTED);
	}
	forget();
}

static void terminate_takes_mptcp_alone(void)
{
	static const __u8 join[12] = { 30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8 };

	rule_is(MPGATE_TERMINATE, MPGATE_RULE_TAKE_MPTCP);
	for (family = 4; family <= 6; family += 2) {
		struct packet p = { .family = family, .options = join, .options_len = sizeof(join) };

		forget();
		CU_ASSERT_EQUAL(syn(100, false), MPGATE_R_PLAIN);
		CU_ASSERT_EQUAL(run(&p, 1, 0), MPGATE_R_MPTCP);
		CU_ASSERT_EQUAL(syn(101, true), MPGATE_R_HELD);
		CU_ASSERT_EQUAL(explain(&(struct packet){ .family = family }, link_id).reason, MPGATE_R_PLAIN);
		p.options = capable;
		p.options_len = sizeof(capable);
		p.sport = 102;
		CU_ASSERT_EQUAL(explain(&p, link_id).reason, MPGATE_R_HELD);
	}
	/* Not where SYNs cannot be held. */
	settings.holds = 0;
	dp_settings(skel, &settings);
	CU_ASSERT_EQUAL(syn(103, true), MPGATE_R_MPTCP);
	settings.holds = 1;
	dp_settings(skel, &settings);
	forget();
}

/* Questions leave no trace. */
static void explain_learns_nothing(void)
{
	struct packet p = { .family = 4, .options = capable, .options_len = sizeof(capable) };
	struct mpgate_tuple t;

	rule_is(MPGATE_TERMINATE, MPGATE_RULE_LEARNED);
	forget();
	CU_ASSERT_EQUAL(explain(&p, link_id).reason, MPGATE_R_MPTCP);
	CU_ASSERT_NOT_EQUAL(bpf_map_get_next_key(bpf_map__fd(skel->maps.asked), NULL, &t), 0);
}

static void setup(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "test", 0, 0, RING_BYTES, NULL);
	struct mpgate_listener l = { .alive = 1 };
	__u32 zero = 0;

	if (fd < 0)
		err(1, "ring");
	link_id = net_open();
	skel = dp_open();
	policy_make(skel, &policy, 0, RULES, link_id, 0);
	dp_settings(skel, &settings);
	l.port = listen_both(listener);
	map_set(skel->maps.listeners, &zero, &l);
	map_set(skel->maps.held_rings, &zero, &fd);
	dp_clients(skel, 0);
	dp_peer(skel, 3, 1);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "a server that answers without MPTCP is taken", it_is_taken },
		{ "one that speaks it is left alone", it_is_left_alone },
		{ "only an answer counts", strangers_say_nothing },
		{ "one that drops it is taken after two doubts", it_is_taken_after_two_doubts },
		{ "so is one that resets", so_is_one_that_resets },
		{ "after a day it is asked again", it_is_asked_again_after_a_day },
		{ "flows say that their server breaks", flows_say_that_it_breaks },
		{ "terminate takes MPTCP alone", terminate_takes_mptcp_alone },
		{ "explain learns nothing", explain_learns_nothing },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("learn", tests);
}
