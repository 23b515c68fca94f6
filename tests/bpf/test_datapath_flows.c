/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of flows as the supervisor keeps it: what no worker takes goes when its time is over, and is uncounted.
 * Then what else steer asks before it takes a connection: the workers of clients, the peers' addresses.
 */
#include <time.h>

#include "datapath_test.h"

#define SECOND 1000000000ULL
#define YOUNG (0 - 600 * SECOND) /* on an emulated CPU, too, which may take a minute */
#define WAITING (30 * SECOND) /* too old only while the table is in distress */
#define OLD (90 * SECOND)

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * SECOND + (uint64_t)ts.tv_nsec;
}

static struct mpgate_tuple tuple_of(unsigned i)
{
	return (struct mpgate_tuple){ .sport = (__be16)i, .dport = (__be16)(i >> 16) };
}

/* Flows from..to - 1 of that age, of the client with that counter, as steer writes them. */
static void put(struct datapath *dp, unsigned from, unsigned to, uint64_t age, uint32_t client)
{
	struct mpgate_flow f = { .state = MPGATE_FLOW_STEERED, .client = client, .time = now() - age };

	for (unsigned i = from; i < to; i++) {
		struct mpgate_tuple t = tuple_of(i);

		CU_ASSERT_EQUAL_FATAL(bpf_map_update_elem(datapath_flows_fd(dp), &t, &f, BPF_NOEXIST), 0);
		if (client < MPGATE_CLIENT_COUNTERS)
			dp->flow_clients[client]++;
	}
}

static unsigned left(struct datapath *dp, unsigned from, unsigned to)
{
	unsigned n = 0;

	for (unsigned i = from; i < to; i++) {
		struct mpgate_tuple t = tuple_of(i);
		struct mpgate_flow f;

		n += !bpf_map_lookup_elem(datapath_flows_fd(dp), &t, &f);
	}
	return n;
}

static uint64_t counted(struct datapath *dp, uint32_t client)
{
	uint64_t n = 0;

	CU_ASSERT_EQUAL(bpf_map_lookup_elem(datapath_flow_clients_fd(dp), &client, &n), 0);
	return n;
}

static void test_old_flows_go(void)
{
	struct datapath *dp = open_or_die();

	CU_ASSERT_EQUAL(datapath_sweep_flows(dp), 0);
	put(dp, 0, 100, OLD, 7);
	put(dp, 100, 200, WAITING, 7);
	put(dp, 200, 210, OLD, 8);
	put(dp, 210, 211, OLD, MPGATE_CLIENT_COUNTERS); /* as no program writes it */
	CU_ASSERT_EQUAL(datapath_sweep_flows(dp), 0);
	CU_ASSERT_EQUAL(left(dp, 0, 100), 0);
	CU_ASSERT_EQUAL(left(dp, 100, 200), 100);
	CU_ASSERT_EQUAL(left(dp, 200, 211), 0);
	CU_ASSERT_EQUAL(counted(dp, 7), 100);
	CU_ASSERT_EQUAL(counted(dp, 8), 0);
	datapath_close(dp);
}

/* A full table is gone through in a few calls, none of which does all; and then entries have less time. */
static void test_a_full_table_has_less_patience(void)
{
	struct datapath *dp = open_or_die();
	unsigned calls = 0;

	put(dp, 0, MPGATE_MAX_FLOWS - 100, WAITING, 7);
	put(dp, MPGATE_MAX_FLOWS - 100, MPGATE_MAX_FLOWS, YOUNG, 8);
	CU_ASSERT_EQUAL(datapath_sweep_flows(dp), 0);
	CU_ASSERT(dp->sweep.under_way);
	CU_ASSERT_EQUAL(left(dp, 0, MPGATE_MAX_FLOWS), MPGATE_MAX_FLOWS);
	for (calls = 1; calls < 10 && left(dp, 0, MPGATE_MAX_FLOWS) > 100; calls++)
		CU_ASSERT_EQUAL(datapath_sweep_flows(dp), 0);
	CU_ASSERT(calls < 10);
	CU_ASSERT_EQUAL(left(dp, MPGATE_MAX_FLOWS - 100, MPGATE_MAX_FLOWS), 100);
	CU_ASSERT_EQUAL(counted(dp, 7), 0);
	CU_ASSERT_EQUAL(counted(dp, 8), 100);
	datapath_close(dp);
}

static uint32_t worker_of(struct datapath *dp, uint32_t slot)
{
	uint32_t worker = 0;

	CU_ASSERT_EQUAL(bpf_map_lookup_elem(dp->map[DP_MAP_client_workers], &slot, &worker), 0);
	return worker;
}

static void test_clients_follow_the_workers(void)
{
	struct datapath *dp = open_or_die();
	struct mpgate_listener l = { 0 };
	const uint32_t one = 1;
	unsigned n[3] = { 0 };

	for (unsigned w = 0; w < 3; w++)
		CU_ASSERT_EQUAL(datapath_set_listener(dp, w, htons(4242), true, false), 0);
	for (uint32_t slot = 0; slot < MPGATE_CLIENT_SLOTS; slot++) {
		CU_ASSERT_FATAL(worker_of(dp, slot) < 3);
		n[worker_of(dp, slot)]++;
	}
	CU_ASSERT(n[0] && n[1] && n[2]);
	/* A full one gets no clients any more, and what it is at work on finds it. */
	CU_ASSERT_EQUAL(datapath_set_listener(dp, 1, htons(4242), true, true), 0);
	for (uint32_t slot = 0; slot < MPGATE_CLIENT_SLOTS; slot++)
		CU_ASSERT_NOT_EQUAL(worker_of(dp, slot), 1);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(dp->map[DP_MAP_listeners], &one, &l), 0);
	CU_ASSERT_EQUAL(l.alive, 1);
	CU_ASSERT_EQUAL(datapath_set_listener(dp, 1, htons(4242), false, true), 0);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(dp->map[DP_MAP_listeners], &one, &l), 0);
	CU_ASSERT_EQUAL(l.alive, 0);
	CU_ASSERT_EQUAL(datapath_set_listener(dp, 0, htons(4242), false, false), 0);
	CU_ASSERT_EQUAL(datapath_set_listener(dp, 2, htons(4242), false, false), 0);
	CU_ASSERT_EQUAL(worker_of(dp, 0), MPGATE_NO_WORKER);
	datapath_close(dp);
}

static bool is_peer(struct datapath *dp, const struct mpgate_addr *a)
{
	uint32_t number;

	return !bpf_map_lookup_elem(dp->map[DP_MAP_peer_addrs], a, &number);
}

static void test_peer_addresses_are_replaced(void)
{
	struct mpgate_addr a[3] = { { { 1 } }, { { 2 } }, { { 3 } } };
	struct cfg_peer p[2] = { { .address = &a[0], .address_count = 1 }, { .address = &a[1], .address_count = 1 } };
	struct config cfg = { .peers = p, .peer_count = 2 };
	struct datapath *dp = open_or_die();

	CU_ASSERT_EQUAL(datapath_set_peer_addrs(dp, &cfg), 0);
	CU_ASSERT(is_peer(dp, &a[0]) && is_peer(dp, &a[1]) && !is_peer(dp, &a[2]));
	p[0].address = &a[1];
	p[0].address_count = 2;
	cfg.peer_count = 1;
	CU_ASSERT_EQUAL(datapath_set_peer_addrs(dp, &cfg), 0);
	CU_ASSERT(!is_peer(dp, &a[0]) && is_peer(dp, &a[1]) && is_peer(dp, &a[2]));
	cfg.peer_count = 0;
	CU_ASSERT_EQUAL(datapath_set_peer_addrs(dp, &cfg), 0);
	CU_ASSERT(!is_peer(dp, &a[0]) && !is_peer(dp, &a[1]) && !is_peer(dp, &a[2]));
	datapath_close(dp);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "old flows go", test_old_flows_go },
		{ "a full table has less patience", test_a_full_table_has_less_patience },
		{ "peers' addresses are replaced", test_peer_addresses_are_replaced },
		{ "clients follow the workers", test_clients_follow_the_workers },
		CU_TEST_INFO_NULL,
	};

	return run_tests("datapath flows", tests);
}
