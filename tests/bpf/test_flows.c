/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of flows as steer keeps it: its bounds, SYNs that come again, which worker a client has, SYN cookies; and
 * what becomes of a connection that cannot be carried. In test runs the kernel refuses every assignment, which is one
 * of these cases; the others are done with real packets.
 */
#include <time.h>

#include "live.h"
#include "program_test.h"

#define WORKERS 2
#define OTHER_CLIENT4 "10.77.0.3"
#define NEIGHBOUR6 "fd77::3" /* in the /64 of CLIENT6 */
#define OTHER_CLIENT6 "fd77:0:0:1::2" /* in the next one */
#define BACKLOG 64

static struct test_policy policy, reject;
static struct mpgate_settings settings = { .loaded = 1, .backlog = BACKLOG, .client_seed = 42 };
static __u32 link_id;
static int listener[WORKERS][2];

static int flows_fd(void)
{
	return bpf_map__fd(skel->maps.flows);
}

static void flows_clear(void)
{
	struct mpgate_tuple t;
	__u32 zero = 0;
	__u64 none = 0;

	while (!bpf_map_get_next_key(flows_fd(), NULL, &t))
		bpf_map_delete_elem(flows_fd(), &t);
	for (__u32 i = 0; i < MPGATE_CLIENT_COUNTERS; i++)
		map_set(skel->maps.flow_clients, &i, &none);
	map_set(skel->maps.syn_busy, &zero, &zero);
}

static unsigned flows_count(void)
{
	struct mpgate_tuple t;
	unsigned n = 0;

	for (void *at = NULL; !bpf_map_get_next_key(flows_fd(), at, &t); at = &t)
		n++;
	return n;
}

static __u64 used_by_all(void)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < MPGATE_CLIENT_COUNTERS; i++) {
		__u64 n = 0;

		bpf_map_lookup_elem(bpf_map__fd(skel->maps.flow_clients), &i, &n);
		sum += n;
	}
	return sum;
}

/* The key of the flow that a packet belongs to, by its frame. */
static struct mpgate_tuple key_of(const struct frame *f, int family)
{
	const __u8 *ip = f->bytes + f->ip;
	struct mpgate_tuple t = {};

	if (family == 4) {
		memset(t.saddr.b + 10, 0xff, 2);
		memset(t.daddr.b + 10, 0xff, 2);
		memcpy(t.saddr.b + 12, ip + 12, 4);
		memcpy(t.daddr.b + 12, ip + 16, 4);
	} else {
		memcpy(t.saddr.b, ip + 8, 16);
		memcpy(t.daddr.b, ip + 24, 16);
	}
	memcpy(&t.sport, f->bytes + f->tcp, 2);
	memcpy(&t.dport, f->bytes + f->tcp + 2, 2);
	return t;
}

/* Sends a SYN as it comes over the wire; the flow that is there then, or state 0. */
static struct mpgate_flow send_syn(int family, const char *src, __u16 sport)
{
	struct packet p = { .name = "SYN", .family = family, .src = src, .sport = sport };
	struct mpgate_flow flow = {};
	struct mpgate_tuple key;
	struct frame f;

	build(&f, &p);
	live_send(&f);
	key = key_of(&f, family);
	bpf_map_lookup_elem(flows_fd(), &key, &flow);
	return flow;
}

static const char *client(int family)
{
	return family == 4 ? CLIENT4 : CLIENT6;
}

static void policy_use(__u32 generation)
{
	settings.generation = generation;
	dp_settings(skel, &settings);
}

/* The client has no socket and resets what answers its SYN: no trace of it is left but the flow. */
static void a_syn_that_comes_again_is_the_same_flow(void)
{
	EACH_FAMILY(family)
	{
		__u64 steered = counted(MPGATE_R_STEERED), again = counted(MPGATE_R_STEERED_AGAIN);
		struct mpgate_flow first, second = { 0 };

		flows_clear();
		dp_clients(skel, 1);
		first = send_syn(family, client(family), 1000);
		CU_ASSERT_EQUAL(first.state, MPGATE_FLOW_STEERED);
		CU_ASSERT_EQUAL(first.worker, 1);
		CU_ASSERT_EQUAL(first.rule_id, 1009);
		CU_ASSERT_EQUAL(first.peer, 4);
		CU_ASSERT_EQUAL(first.ifindex, link_id);
		for (int left = LIVE_DEADLINE_MS; left && counted(MPGATE_R_STEERED_AGAIN) == again; left--) {
			dp_clients(skel, 0); /* its clients have another worker by now */
			second = send_syn(family, client(family), 1000);
		}
		CU_ASSERT_EQUAL(counted(MPGATE_R_STEERED_AGAIN), again + 1);
		CU_ASSERT_EQUAL(counted(MPGATE_R_STEERED), steered + 1);
		CU_ASSERT_EQUAL(second.worker, 1);
		CU_ASSERT(second.time > first.time);
		CU_ASSERT_EQUAL(flows_count(), 1);
		CU_ASSERT_EQUAL(used_by_all(), 1);
	}
}

static void worker_alive(__u32 worker, bool alive)
{
	struct mpgate_listener l;

	bpf_map_lookup_elem(bpf_map__fd(skel->maps.listeners), &worker, &l);
	l.alive = alive;
	map_set(skel->maps.listeners, &worker, &l);
}

static void a_known_flow_leaves_a_worker_that_takes_no_more(void)
{
	EACH_FAMILY(family)
	{
		__u64 again = counted(MPGATE_R_STEERED_AGAIN);
		struct mpgate_flow flow;

		flows_clear();
		dp_clients(skel, 1);
		send_syn(family, client(family), 1001);
		worker_alive(1, false);
		dp_clients(skel, 0);
		for (int left = LIVE_DEADLINE_MS; left && counted(MPGATE_R_STEERED_AGAIN) == again; left--)
			flow = send_syn(family, client(family), 1001);
		CU_ASSERT_EQUAL(counted(MPGATE_R_STEERED_AGAIN), again + 1);
		CU_ASSERT_EQUAL(flow.worker, 0);
		CU_ASSERT_EQUAL(flows_count(), 1);
		worker_alive(1, true);
	}
}

static void a_client_has_its_bound(void)
{
	static const char *const others[] = { OTHER_CLIENT4, OTHER_CLIENT6 };

	EACH_FAMILY(family)
	{
		__u64 full = counted(MPGATE_R_TABLE_FULL);

		flows_clear();
		for (__u16 i = 0; i < MPGATE_CLIENT_FLOWS; i++)
			send_syn(family, client(family), 2000 + i);
		CU_ASSERT_EQUAL(flows_count(), MPGATE_CLIENT_FLOWS);
		CU_ASSERT_EQUAL(used_by_all(), MPGATE_CLIENT_FLOWS);
		CU_ASSERT_EQUAL(counted(MPGATE_R_TABLE_FULL), full);
		CU_ASSERT_EQUAL(send_syn(family, client(family), 1).state, 0);
		if (family == 6)
			CU_ASSERT_EQUAL(send_syn(family, NEIGHBOUR6, 1).state, 0);
		CU_ASSERT_EQUAL(counted(MPGATE_R_TABLE_FULL), full + family / 3);
		CU_ASSERT_EQUAL(send_syn(family, others[family == 6], 1).state, MPGATE_FLOW_STEERED);
		CU_ASSERT_EQUAL(flows_count(), MPGATE_CLIENT_FLOWS + 1);
		CU_ASSERT_EQUAL(used_by_all(), MPGATE_CLIENT_FLOWS + 1);
	}
	flows_clear();
}

static void flows_fill(void)
{
	struct mpgate_flow flow = { .state = MPGATE_FLOW_STEERED };

	for (__u32 i = 0; i < MPGATE_MAX_FLOWS; i++) {
		struct mpgate_tuple t = { .sport = i, .dport = 1 };

		map_set(skel->maps.flows, &t, &flow);
	}
}

static void nobody_is_pushed_out_of_a_full_table(void)
{
	flows_clear();
	flows_fill();
	EACH_FAMILY(family)
	{
		__u64 full = counted(MPGATE_R_TABLE_FULL);

		for (__u16 i = 0; i < 500; i++)
			send_syn(family, client(family), 2000 + i);
		CU_ASSERT_EQUAL(counted(MPGATE_R_TABLE_FULL), full + 500);
		CU_ASSERT_EQUAL(flows_count(), MPGATE_MAX_FLOWS);
		CU_ASSERT_EQUAL(used_by_all(), 0);
	}
	flows_clear();
}

static void a_client_keeps_its_worker(void)
{
	__u32 workers[2] = { 0 }, moved = 0; /* moved: those that another seed gives to the other worker */

	flows_clear();
	for (__u32 slot = 0; slot < MPGATE_CLIENT_SLOTS; slot++) {
		__u32 worker = slot % WORKERS;

		map_set(skel->maps.client_workers, &slot, &worker);
	}
	for (int i = 2; i < 66; i++) {
		char v4[32], v6[32], neighbour[32];

		snprintf(v4, sizeof(v4), "10.77.0.%d", i);
		snprintf(v6, sizeof(v6), "fd77:0:0:%d::2", i);
		snprintf(neighbour, sizeof(neighbour), "fd77:0:0:%d:1:2:3:4", i);
		__u32 of4 = send_syn(4, v4, 1).worker, of6 = send_syn(6, v6, 1).worker;

		CU_ASSERT_EQUAL(send_syn(4, v4, 2).worker, of4);
		CU_ASSERT_EQUAL(send_syn(6, v6, 2).worker, of6);
		CU_ASSERT_EQUAL(send_syn(6, neighbour, 3).worker, of6);
		CU_ASSERT_FATAL(of4 < WORKERS && of6 < WORKERS);
		workers[of4]++;
		workers[of6]++;
		settings.client_seed++;
		dp_settings(skel, &settings);
		moved += send_syn(4, v4, 4).worker != of4;
		moved += send_syn(6, v6, 4).worker != of6;
		settings.client_seed--;
		dp_settings(skel, &settings);
	}
	CU_ASSERT(workers[0] > 32 && workers[1] > 32);
	CU_ASSERT(moved > 32 && moved < 96);
	dp_clients(skel, 0);
	flows_clear();
}

/* Runs steer on a packet under each policy: it passes, or is reset. */
static void direct_or_reset(const struct packet *p, enum mpgate_reason reason, enum mpgate_reason when_reset)
{
	struct frame f;
	struct run r;

	build(&f, p);
	policy_use(0);
	dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
	CU_ASSERT_EQUAL(r.reason, (int)reason);
	CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
	CU_ASSERT_FALSE(r.reset);
	CU_ASSERT_EQUAL(r.mark, 0x5678);
	policy_use(1);
	dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
	CU_ASSERT_EQUAL(r.reason, (int)when_reset);
	CU_ASSERT_EQUAL(r.retval, TC_REDIRECT);
	CU_ASSERT(r.reset);
	CU_ASSERT_EQUAL(r.out.bytes[r.out.tcp + 13], FLAG_RST | FLAG_ACK);
	CU_ASSERT_EQUAL(tcp_sum(&r.out, p->family), 0);
	policy_use(0);
}

static void what_cannot_be_carried_is_reset_where_the_rule_says_so(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "SYN", .family = family };
		__u64 most = MPGATE_CLIENT_FLOWS;

		flows_clear();
		direct_or_reset(&p, MPGATE_R_ASSIGN_FAILED, MPGATE_R_ASSIGN_FAILED);
		CU_ASSERT_EQUAL(flows_count(), 0);
		CU_ASSERT_EQUAL(used_by_all(), 0);
		dp_clients(skel, MPGATE_NO_WORKER);
		direct_or_reset(&p, MPGATE_R_NO_LISTENER, MPGATE_R_NO_LISTENER);
		CU_ASSERT_EQUAL(flows_count(), 0);
		dp_clients(skel, 0);
		for (__u32 i = 0; i < MPGATE_CLIENT_COUNTERS; i++)
			map_set(skel->maps.flow_clients, &i, &most);
		direct_or_reset(&p, MPGATE_R_TABLE_FULL, MPGATE_R_TABLE_FULL);
		flows_clear();
		flows_fill();
		direct_or_reset(&p, MPGATE_R_TABLE_FULL, MPGATE_R_TABLE_FULL);
		flows_clear();
		dp_peer(skel, 4, 0);
		direct_or_reset(&p, MPGATE_R_PEER_DOWN, MPGATE_R_PEER_DOWN_REJECT);
		dp_peer(skel, 4, 1);
		CU_ASSERT_EQUAL(used_by_all(), 0);
	}
}

static __u32 epoch_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((__u64)ts.tv_sec * 1000000000 + ts.tv_nsec) >> MPGATE_SYN_EPOCH_SHIFT;
}

static void busy_until(__u32 epoch)
{
	__u32 zero = 0;

	map_set(skel->maps.syn_busy, &zero, &epoch);
}

/* The third packet of a handshake: of a flow that its rule rejects, or not. */
static void third_packet(int family, __u32 rule_flags, struct frame *f, struct run *r)
{
	struct packet p = { .name = "ACK", .family = family, .flags = FLAG_ACK };
	struct mpgate_flow flow = { .state = MPGATE_FLOW_STEERED, .rule_flags = rule_flags };
	struct mpgate_tuple key;
	__u16 sum;

	build(f, &p);
	f->bytes[f->tcp + 11] = 77; /* what it acknowledges */
	memset(f->bytes + f->tcp + 16, 0, 2);
	sum = htons(tcp_sum(f, family));
	memcpy(f->bytes + f->tcp + 16, &sum, 2);
	key = key_of(f, family);
	map_set(skel->maps.flows, &key, &flow);
	dp_run(skel, skel->progs.steer, f, link_id, false, r);
}

/* A reset answers a segment with an acknowledgement by that one's number (RFC 9293, 3.10.7.1). */
static void a_third_packet_is_looked_for_while_cookies_may_be_in_use(void)
{
	struct frame f;
	struct run r;

	EACH_FAMILY(family)
	{
		flows_clear();
		third_packet(family, 0, &f, &r);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_OTHER);
		busy_until(epoch_now());
		third_packet(family, 0, &f, &r);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_OTHER);
		busy_until(epoch_now() + 2);
		third_packet(family, 0, &f, &r);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_ASSIGN_FAILED);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		third_packet(family, MPGATE_RULE_REJECT, &f, &r);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_ASSIGN_FAILED);
		CU_ASSERT_EQUAL(r.retval, TC_REDIRECT);
		CU_ASSERT_EQUAL(r.out.bytes[r.out.tcp + 7], 77);
		CU_ASSERT_EQUAL(r.out.bytes[r.out.tcp + 11], 9);
		CU_ASSERT_EQUAL(tcp_sum(&r.out, family), 0);
	}
	flows_clear();
}

static __u32 busy(void)
{
	__u32 zero = 0, until;

	CU_ASSERT_EQUAL(bpf_map_lookup_elem(bpf_map__fd(skel->maps.syn_busy), &zero, &until), 0);
	return until;
}

/* What each CPU counted: that many in an epoch, that many in the one before it. */
static void syn_epochs_set(__u32 epoch, __u32 steered, __u32 before)
{
	int cpus = libbpf_num_possible_cpus();
	struct {
		struct mpgate_syn_epoch e;
		__u32 zero; /* values of CPUs are padded to 8 bytes */
	} values[cpus];
	__u32 zero = 0;

	for (int i = 0; i < cpus; i++)
		values[i].e = (struct mpgate_syn_epoch){ epoch, steered, before };
	map_set(skel->maps.syn_epochs, &zero, values);
}

static void syns_of_two_epochs_are_counted(void)
{
	static const struct {
		const char *name;
		__u32 age, steered, before;
		bool busy;
	} cases[] = {
		{ "none", 0, 0, 0, false },
		{ "one less than the backlog", 0, BACKLOG - 1, 0, false },
		{ "the backlog", 0, BACKLOG, 0, true },
		{ "in both epochs", 0, BACKLOG / 2, BACKLOG / 2, true },
		{ "all in the one before", 1, BACKLOG, 0, true },
		{ "before the one before", 1, 0, BACKLOG, false },
		{ "long ago", 2, BACKLOG, BACKLOG, false },
	};

	EACH_FAMILY(family)
	{
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			__u32 now = epoch_now();

			flows_clear();
			syn_epochs_set(now - cases[i].age, cases[i].steered, cases[i].before);
			CU_ASSERT_EQUAL(send_syn(family, client(family), 3000 + i).state, MPGATE_FLOW_STEERED);
			if (now != epoch_now()) { /* it came to its end meanwhile */
				i--;
				continue;
			}
			if (busy() != (cases[i].busy ? now + MPGATE_SYN_EPOCHS : 0))
				printf("\n    %s: %u", cases[i].name, busy());
			CU_ASSERT_EQUAL(busy(), cases[i].busy ? now + MPGATE_SYN_EPOCHS : 0);
		}
	}
	syn_epochs_set(0, 0, 0);
	flows_clear();
}

/* The first SYN of an epoch begins a new count, the next ones are added to it. */
static void each_epoch_has_its_count(void)
{
	int cpus = libbpf_num_possible_cpus();
	struct {
		struct mpgate_syn_epoch e;
		__u32 zero;
	} values[cpus];
	__u32 zero = 0, now;

	EACH_FAMILY(family)
	{
		__u32 steered = 0;

		do {
			flows_clear();
			now = epoch_now();
			syn_epochs_set(now - 1, 5, 9);
			for (__u16 i = 0; i < 8; i++)
				send_syn(family, client(family), 4000 + i);
		} while (now != epoch_now());
		bpf_map_lookup_elem(bpf_map__fd(skel->maps.syn_epochs), &zero, values);
		for (int i = 0; i < cpus; i++) {
			if (values[i].e.epoch != now)
				continue; /* this one had none */
			CU_ASSERT_EQUAL(values[i].e.before, 5);
			steered += values[i].e.steered;
		}
		CU_ASSERT_EQUAL(steered, 8);
	}
	syn_epochs_set(0, 0, 0);
	flows_clear();
}

static void setup(void)
{
	link_id = live_open();
	skel = dp_open();
	policy_make(skel, &policy, 0, 10, link_id, 0);
	policy_make(skel, &reject, 1, 10, link_id, MPGATE_RULE_REJECT);
	dp_settings(skel, &settings);
	dp_peer(skel, 4, 1);
	for (__u32 i = 0; i < WORKERS; i++) {
		struct mpgate_listener worker = { .port = listen_both(listener[i]), .alive = 1 };

		map_set(skel->maps.listeners, &i, &worker);
	}
	live_attach(skel->progs.steer, link_id);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "a SYN that comes again is the same flow", a_syn_that_comes_again_is_the_same_flow },
		{ "a known flow leaves a worker that takes no more", a_known_flow_leaves_a_worker_that_takes_no_more },
		{ "a client has its bound", a_client_has_its_bound },
		{ "nobody is pushed out of a full table", nobody_is_pushed_out_of_a_full_table },
		{ "a client keeps its worker", a_client_keeps_its_worker },
		{ "what cannot be carried is reset where the rule says so",
		  what_cannot_be_carried_is_reset_where_the_rule_says_so },
		{ "a third packet is looked for while cookies may be in use",
		  a_third_packet_is_looked_for_while_cookies_may_be_in_use },
		{ "SYNs of two epochs are counted", syns_of_two_epochs_are_counted },
		{ "each epoch has its count", each_epoch_has_its_count },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("flows", tests);
}
