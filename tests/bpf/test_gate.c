/* SPDX-License-Identifier: GPL-2.0-or-later */
/* steer with real packets: assignment, established flows, a reset that the client takes; then gate before it. */
#include <CUnit/Basic.h>

#include "live.h"

static struct mpgate_bpf *skel;
static struct test_policy policy, reject;
static struct mpgate_settings settings = { .loaded = 1, .workers = 1, .backlog = 64 };
static __u32 link_id;
static int listener[2];

static __u64 counted(enum mpgate_reason reason)
{
	__u64 c[MPGATE_REASON_COUNT];

	dp_counters(skel, c);
	return c[reason];
}

/* A connection of the client is accepted here under the server's address, and bytes go both ways. */
static void transfer(int family)
{
	struct pollfd wait = { .fd = listener[family == 6], .events = POLLIN };
	__u64 steered = counted(MPGATE_R_STEERED), flow = counted(MPGATE_R_ESTABLISHED);
	struct sockaddr_in6 local = {}, want, peer = {};
	struct mpgate_pending entry = {};
	struct mpgate_tuple key = {};
	socklen_t len, want_len;
	char buf[8] = "";
	int client = live_connect(family, 80), server;

	CU_ASSERT_FATAL(client >= 0);
	CU_ASSERT_EQUAL_FATAL(poll(&wait, 1, LIVE_DEADLINE_MS), 1);
	len = sizeof(peer);
	server = accept(wait.fd, (void *)&peer, &len);
	CU_ASSERT_FATAL(server >= 0);
	live_address(family, 80, &want, &want_len);
	len = sizeof(local);
	getsockname(server, (void *)&local, &len);
	CU_ASSERT_EQUAL(local.sin6_port, want.sin6_port);
	if (family == 4) {
		memset(key.saddr.b + 10, 0xff, 2);
		memset(key.daddr.b + 10, 0xff, 2);
		memcpy(key.saddr.b + 12, &((struct sockaddr_in *)&peer)->sin_addr, 4);
		memcpy(key.daddr.b + 12, &((struct sockaddr_in *)&want)->sin_addr, 4);
		CU_ASSERT_EQUAL(memcmp(&((struct sockaddr_in *)&local)->sin_addr, key.daddr.b + 12, 4), 0);
	} else {
		memcpy(key.saddr.b, &peer.sin6_addr, 16);
		memcpy(key.daddr.b, &want.sin6_addr, 16);
		CU_ASSERT_EQUAL(memcmp(&local.sin6_addr, key.daddr.b, 16), 0);
	}
	key.sport = peer.sin6_port;
	key.dport = want.sin6_port;
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(bpf_map__fd(skel->maps.pending), &key, &entry), 0);
	CU_ASSERT_EQUAL(entry.rule_id, 1009);
	CU_ASSERT_EQUAL(entry.peer, 4);
	CU_ASSERT_EQUAL(entry.ifindex, link_id);
	CU_ASSERT_EQUAL(write(client, "ping", 4), 4);
	wait.fd = server;
	CU_ASSERT_EQUAL(poll(&wait, 1, LIVE_DEADLINE_MS), 1);
	CU_ASSERT_EQUAL(read(server, buf, sizeof(buf)), 4);
	CU_ASSERT_EQUAL(write(server, "pong", 4), 4);
	wait.fd = client;
	CU_ASSERT_EQUAL(poll(&wait, 1, LIVE_DEADLINE_MS), 1);
	CU_ASSERT_EQUAL(read(client, buf, sizeof(buf)), 4);
	CU_ASSERT_EQUAL(counted(MPGATE_R_STEERED), steered + 1);
	CU_ASSERT(counted(MPGATE_R_ESTABLISHED) > flow);
	close(client);
	close(server);
}

static void a_connection_is_steered_and_flows(void)
{
	transfer(4);
	transfer(6);
	CU_ASSERT_EQUAL(counted(MPGATE_R_GATE_HIT), 0);
}

static void a_reject_reaches_the_client(void)
{
	settings.generation = 1;
	dp_settings(skel, &settings);
	dp_peer(skel, 4, 0);
	for (int family = 4; family <= 6; family += 2) {
		CU_ASSERT_EQUAL(live_connect(family, 80), -ECONNREFUSED);
	}
	CU_ASSERT_EQUAL(counted(MPGATE_R_PEER_DOWN_REJECT), 2);
	dp_peer(skel, 4, 1);
	settings.generation = 0;
	dp_settings(skel, &settings);
}

static void gate_classifies_first(void)
{
	__u64 hits = counted(MPGATE_R_GATE_HIT);

	if (bpf_xdp_attach(link_id, bpf_program__fd(skel->progs.gate), 0, NULL))
		err(1, "attach gate");
	transfer(4);
	transfer(6);
	CU_ASSERT_EQUAL(counted(MPGATE_R_GATE_HIT), hits + 2);
	bpf_xdp_detach(link_id, 0, NULL);
}

/* The kernel takes SYN cookies for all here; the third packet then finds no socket but the pending entry. */
static void syn_cookies_do_not_cut_connections(void)
{
	__u64 before = counted(MPGATE_R_STEERED_ACK);

	sh("echo 2 >/proc/sys/net/ipv4/tcp_syncookies");
	settings.backlog = 0;
	dp_settings(skel, &settings);
	transfer(4);
	transfer(6);
	CU_ASSERT_EQUAL(counted(MPGATE_R_STEERED_ACK), before + 2);
	settings.backlog = 64;
	dp_settings(skel, &settings);
	sh("echo 1 >/proc/sys/net/ipv4/tcp_syncookies");
}

static void setup(void)
{
	struct mpgate_listener worker = { .alive = 1 };
	__u32 zero = 0;

	link_id = live_open();
	skel = dp_open();
	policy_make(skel, &policy, 0, 10, link_id, 0);
	policy_make(skel, &reject, 1, 10, link_id, MPGATE_RULE_REJECT);
	dp_settings(skel, &settings);
	dp_peer(skel, 4, 1);
	worker.port = listen_both(listener);
	map_set(skel->maps.listeners, &zero, &worker);
	live_attach(skel->progs.steer, link_id);
}

int main(void)
{
	CU_pSuite suite;
	unsigned failed;

	setup();
	CU_initialize_registry();
	suite = CU_add_suite("gate", NULL, NULL);
	CU_ADD_TEST(suite, a_connection_is_steered_and_flows);
	CU_ADD_TEST(suite, a_reject_reaches_the_client);
	CU_ADD_TEST(suite, gate_classifies_first);
	CU_ADD_TEST(suite, syn_cookies_do_not_cut_connections);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	mpgate_bpf__destroy(skel);
	return failed != 0;
}
