/* SPDX-License-Identifier: GPL-2.0-or-later */
/* steer with real packets: assignment, established flows, a reset that the client takes; then gate before it. */

#include "live.h"
#include "program_test.h"
#include "variants.h"

#define REUSED_PORT 40001

static struct test_policy policy, reject;
static struct mpgate_settings settings = { .loaded = 1, .backlog = 64 };
static __u32 link_id;
static int listener[2];

/* A connection of the client is accepted here under the server's address, and bytes go both ways. */
static void transfer(int family)
{
	struct pollfd wait = { .fd = listener[family == 6], .events = POLLIN };
	__u64 steered = counted(MPGATE_R_STEERED), flow = counted(MPGATE_R_ESTABLISHED);
	struct sockaddr_in6 local = {}, want, peer = {};
	struct mpgate_flow entry = {};
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
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(bpf_map__fd(skel->maps.flows), &key, &entry), 0);
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

/* Accepts on the worker's listener; -1: nothing came. */
static int worker_accept(int family)
{
	struct pollfd wait = { .fd = listener[family == 6], .events = POLLIN };

	return poll(&wait, 1, LIVE_DEADLINE_MS) == 1 ? accept(wait.fd, NULL, NULL) : -1;
}

/* The worker's side ends first, and the client's next connection has the same 4-tuple. */
static void a_syn_in_time_wait_is_for_no_other_listener(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
	int own = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);

	CU_ASSERT_FATAL(own >= 0 && !bind(own, (void *)&any, sizeof(any)) && !listen(own, 1));
	EACH_FAMILY(family)
	{
		__u64 in_time_wait = counted(MPGATE_R_TIME_WAIT);
		int client = live_connect_from(REUSED_PORT, family, 80), server = worker_accept(family);
		struct pollfd wait = { .fd = client, .events = POLLIN };

		CU_ASSERT_FATAL(client >= 0 && server >= 0);
		close(server);
		CU_ASSERT_EQUAL(poll(&wait, 1, LIVE_DEADLINE_MS), 1);
		close(client);
		client = live_connect_from(REUSED_PORT, family, 80);
		CU_ASSERT(client >= 0);
		CU_ASSERT(counted(MPGATE_R_TIME_WAIT) > in_time_wait);
		CU_ASSERT_EQUAL(accept(own, NULL, NULL), -1);
		server = worker_accept(family);
		CU_ASSERT(server >= 0);
		close(client);
		close(server);
	}
	close(own);
}

static void a_reject_reaches_the_client(void)
{
	settings.generation = 1;
	dp_settings(skel, &settings);
	dp_peer(skel, 4, 0);
	EACH_FAMILY(family)
	{
		CU_ASSERT_EQUAL(live_connect(family, 80), -ECONNREFUSED);
	}
	CU_ASSERT_EQUAL(counted(MPGATE_R_PEER_DOWN_REJECT), 2);
	dp_peer(skel, 4, 1);
	settings.generation = 0;
	dp_settings(skel, &settings);
}

/* What gate hands on for a packet; false: nothing. The packet itself is never touched. */
static bool gate_finds(const struct packet *p, struct mpgate_meta *meta)
{
	struct frame f;
	struct run r;

	build(&f, p);
	dp_run(skel, skel->progs.gate, &f, link_id, true, &r);
	CU_ASSERT_EQUAL(r.retval, XDP_PASS);
	if (r.out.len == f.len) {
		CU_ASSERT_EQUAL(memcmp(r.out.bytes, f.bytes, f.len), 0);
		return false;
	}
	CU_ASSERT_EQUAL_FATAL(r.out.len, f.len + sizeof(*meta));
	CU_ASSERT_EQUAL(memcmp(r.out.bytes + sizeof(*meta), f.bytes, f.len), 0);
	memcpy(meta, r.out.bytes, sizeof(*meta));
	return true;
}

static void gate_sees_every_header_variant(void)
{
	static const struct packet others[] = {
		{ .name = "UDP", .proto = IPPROTO_UDP },   { .name = "ACK", .flags = FLAG_ACK },
		{ .name = "fragment", .fragment = true },  { .name = "later fragment", .offset = 5 },
		{ .name = "three VLAN tags", .vlans = 3 }, { .name = "truncated", .truncate = 40 },
	};
	struct mpgate_meta meta;

	EACH_FAMILY(family)
	{
		for (size_t i = 0; i < VARIANTS; i++) {
			struct packet p = variants[i];

			p.family = family;
			CU_ASSERT_FATAL(gate_finds(&p, &meta));
			CU_ASSERT_EQUAL(meta.magic, MPGATE_META_MAGIC);
			CU_ASSERT_EQUAL(meta.generation, settings.generation);
			CU_ASSERT_EQUAL(meta.ifindex, link_id);
			CU_ASSERT_NOT_EQUAL(meta.rule, MPGATE_NO_RULE);
		}
		for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
			struct packet p = others[i];

			p.family = family;
			CU_ASSERT_FALSE(gate_finds(&p, &meta));
		}
	}
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

/* The kernel takes the outer tag off before tc sees the frame. */
static void other_vlans_are_other_links(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "tagged SYN", .family = family, .flags = FLAG_SYN, .vlan = 20 };
		__u64 passed = counted(MPGATE_R_NO_LINK), steered = counted(MPGATE_R_STEERED);
		struct frame f;

		for (p.vlans = 1; p.vlans <= 2; p.vlans++) {
			build(&f, &p);
			live_send(&f);
			CU_ASSERT_EQUAL(counted(MPGATE_R_NO_LINK), passed + p.vlans);
			CU_ASSERT_EQUAL(counted(MPGATE_R_STEERED), steered);
		}
		p.vlans = 1;
		p.vlan = 0; /* a priority, no VLAN */
		build(&f, &p);
		live_send(&f);
		CU_ASSERT_EQUAL(counted(MPGATE_R_NO_LINK), passed + 2);
		CU_ASSERT_EQUAL(counted(MPGATE_R_STEERED), steered + 1);
	}
}

/*
 * The link becomes a port of a bridge, on which steer runs as well. What gate found for the port says nothing about the
 * bridge, for which no rule matches here.
 */
static void what_gate_found_is_for_its_own_link(void)
{
	struct mpgate_link none = { .flags = MPGATE_LINK_CLASSIFY, .name = "bridge" };
	__u32 bridge;

	sh("ip link add mpg-br type bridge && ip link set mpg-br address 02:00:00:00:00:01 up && ip link set " TEST_LINK
	   " master mpg-br && bridge link set dev " TEST_LINK " state 3");
	bridge = if_nametoindex("mpg-br");
	fd_set_elem(policy.links, &bridge, &none);
	bpf_tc_hook_destroy(&(struct bpf_tc_hook){
		.sz = sizeof(struct bpf_tc_hook), .ifindex = (int)link_id, .attach_point = BPF_TC_INGRESS });
	if (bpf_xdp_attach(link_id, bpf_program__fd(skel->progs.gate), 0, NULL))
		err(1, "attach gate");
	live_attach(skel->progs.steer, bridge);
	EACH_FAMILY(family)
	{
		__u64 unmatched = counted(MPGATE_R_NO_RULE), hits = counted(MPGATE_R_GATE_HIT);
		struct frame f;

		build(&f, &(struct packet){ .name = "SYN", .family = family });
		live_send(&f);
		CU_ASSERT_EQUAL(counted(MPGATE_R_NO_RULE), unmatched + 1);
		CU_ASSERT_EQUAL(counted(MPGATE_R_GATE_HIT), hits);
	}
	bpf_xdp_detach(link_id, 0, NULL);
	sh("ip link del mpg-br");
	live_attach(skel->progs.steer, link_id);
}

/* The kernel takes SYN cookies for all here; the third packet then finds no socket but its flow. */
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
	static CU_TestInfo tests[] = {
		{ "a connection is steered and flows", a_connection_is_steered_and_flows },
		{ "a SYN in TIME_WAIT is for no other listener", a_syn_in_time_wait_is_for_no_other_listener },
		{ "a reject reaches the client", a_reject_reaches_the_client },
		{ "gate sees every header variant", gate_sees_every_header_variant },
		{ "gate classifies first", gate_classifies_first },
		{ "other VLANs are other links", other_vlans_are_other_links },
		{ "syn cookies do not cut connections", syn_cookies_do_not_cut_connections },
		{ "what gate found is for its own link", what_gate_found_is_for_its_own_link },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("gate", tests);
}
