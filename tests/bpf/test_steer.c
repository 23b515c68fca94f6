/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steer and explain on single packets. The kernel refuses bpf_sk_assign under BPF_PROG_TEST_RUN, so what would be given
 * to a socket is asked of explain here, and done for real in test_live.
 */
#include <bpf/bpf_endian.h>

#include "program_test.h"
#include "variants.h"

static struct test_policy policy;
static struct mpgate_settings settings = { .loaded = 1, .backlog = 64 };
static __u32 link_id;
static int listener[2];

static const __u8 opt_capable[] = { 2, 4, 5, 0xb4, 30, 4, 1, 0 };
static const __u8 opt_join[] = { 1, 1, 1, 1, 30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8 };
static void expect(const struct packet *p, int want)
{
	struct mpgate_explained answer = explain(p, link_id);

	if (answer.reason != (__u32)want)
		printf("\n    %s: %s, not %s", p->name, reason_name(answer.reason), reason_name(want));
	CU_ASSERT_EQUAL(answer.reason, (__u32)want);
}

static void every_header_variant_is_steered(void)
{
	EACH_FAMILY(family)
	{
		for (size_t i = 0; i < VARIANTS; i++) {
			struct packet p = variants[i];
			struct frame f;
			struct run r;

			p.family = family;
			expect(&p, MPGATE_R_STEERED);
			build(&f, &p);
			dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
			CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
			CU_ASSERT_EQUAL(r.reason, MPGATE_R_ASSIGN_FAILED); /* see above */
			CU_ASSERT_EQUAL(r.mark, 0x5678);
		}
	}
}

/* With a socket assigned the kernel would look up the route of every packet; that fails here, and would be seen. */
static void a_connection_is_marked_and_no_more(void)
{
	for (int i = 0; i < 2; i++) {
		const char *address = i ? "::1" : "127.0.0.1";
		struct packet p = { .family = i ? 6 : 4, .flags = FLAG_ACK, .src = address, .dst = address };
		struct sockaddr_in6 server, client; /* the ports of both families are in the same place */
		socklen_t len = sizeof(server);
		int fd = socket(i ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
		struct frame f;
		struct run r;

		CU_ASSERT_FATAL(!getsockname(listener[i], (void *)&server, &len));
		CU_ASSERT_FATAL(!connect(fd, (void *)&server, len));
		CU_ASSERT_FATAL(!getsockname(fd, (void *)&client, &len));
		p.sport = ntohs(client.sin6_port);
		p.dport = ntohs(server.sin6_port);
		build(&f, &p);
		dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_ESTABLISHED);
		CU_ASSERT_EQUAL(r.mark, MPGATE_MARK | 0x5678);
		close(fd);
		close(accept(listener[i], NULL, NULL));
	}
}

static void what_is_not_for_us_passes(void)
{
	static const struct {
		struct packet p;
		int reason;
	} cases[] = {
		{ { .name = "UDP", .proto = IPPROTO_UDP }, MPGATE_R_OTHER },
		{ { .name = "ACK", .flags = FLAG_ACK }, MPGATE_R_OTHER },
		{ { .name = "SYN+ACK", .flags = FLAG_SYN | FLAG_ACK }, MPGATE_R_OTHER },
		{ { .name = "RST", .flags = FLAG_RST }, MPGATE_R_OTHER },
		{ { .name = "SYN+RST", .flags = FLAG_SYN | FLAG_RST }, MPGATE_R_OTHER },
		{ { .name = "of a VLAN", .vlans = 1, .vlan = 20 }, MPGATE_R_NO_LINK },
		{ { .name = "of a VLAN, behind a priority", .vlans = 2, .vlan = 4095 }, MPGATE_R_NO_LINK },
		{ { .name = "three VLAN tags", .vlans = 3 }, MPGATE_R_OTHER },
		{ { .name = "fragment", .fragment = true }, MPGATE_R_FRAGMENT },
		{ { .name = "fragment, VLAN", .fragment = true, .vlans = 1 }, MPGATE_R_FRAGMENT },
		{ { .name = "later fragment", .offset = 5 }, MPGATE_R_FRAGMENT },
		{ { .name = "later fragment, options", .offset = 5, .ip_options = 2 }, MPGATE_R_FRAGMENT },
		{ { .name = "MP_CAPABLE", .options = opt_capable, .options_len = sizeof(opt_capable) },
		  MPGATE_R_MPTCP },
		{ { .name = "MP_JOIN", .options = opt_join, .options_len = sizeof(opt_join) }, MPGATE_R_MPTCP },
		{ { .name = "a direct rule", .dport = 1 }, MPGATE_R_RULE_DIRECT },
	};

	EACH_FAMILY(family)
	{
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			struct packet p = cases[i].p;
			struct frame f;
			struct run r;

			p.family = family;
			expect(&p, cases[i].reason);
			build(&f, &p);
			dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
			CU_ASSERT_EQUAL(r.reason, cases[i].reason);
			CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
			CU_ASSERT_EQUAL(r.mark, 0x5678);
		}
	}
}

static void extension_headers_have_their_limits(void)
{
	expect(&(struct packet){ .name = "routing", .family = 6, .ip_options = 1, .ext = IPPROTO_ROUTING },
	       MPGATE_R_STEERED);
	expect(&(struct packet){ .name = "six", .family = 6, .ip_options = 6 }, MPGATE_R_STEERED);
	expect(&(struct packet){ .name = "seven", .family = 6, .ip_options = 7 }, MPGATE_R_OTHER);
	expect(&(struct packet){ .name = "unknown", .family = 6, .ip_options = 1, .ext = 135 }, MPGATE_R_OTHER);
}

static void truncated_packets_pass(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "truncated", .family = family, .vlans = 1, .ip_options = 1 };
		struct frame f;

		build(&f, &p);
		for (unsigned len = ETH_HLEN; len < f.len; len++) {
			p.truncate = len;
			struct mpgate_explained answer = explain(&p, link_id);

			CU_ASSERT_EQUAL(answer.reason, MPGATE_R_MALFORMED);
		}
	}
}

static void headers_that_do_not_add_up_pass(void)
{
	static const struct {
		int offset; /* from the IP header; 100: from the TCP header */
		__u8 value;
	} cases[] = { { 0, 0x44 }, { 0, 0x65 }, { 3, 39 }, { 112, 0x40 }, { 112, 0xf0 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct frame f;
		struct run r;

		build(&f, &(struct packet){ .name = "" });
		f.bytes[cases[i].offset < 100 ? f.ip + cases[i].offset : f.tcp + cases[i].offset - 100] =
			cases[i].value;
		dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
		CU_ASSERT_EQUAL(r.reason, MPGATE_R_MALFORMED);
		CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
	}
}

static void routes_are_respected(void)
{
	expect(&(struct packet){ .name = "local", .dst = "10.77.0.1" }, MPGATE_R_LOCAL);
	expect(&(struct packet){ .name = "local", .family = 6, .dst = "fd77::1" }, MPGATE_R_LOCAL);
	expect(&(struct packet){ .name = "unreachable", .dst = "192.0.2.1" }, MPGATE_R_NO_ROUTE);
	expect(&(struct packet){ .name = "unreachable", .family = 6, .dst = "2001:db8:dead::1" }, MPGATE_R_NO_ROUTE);
}

/* No kind of route that forwards nothing, none that holds for a code point, and no link that does not forward. */
static void what_is_not_forwarded_passes(void)
{
	static const char *const kinds[] = { "blackhole", "prohibit" };
	static const char *const forwarding[] = { "ipv4", "ipv6" };

	EACH_FAMILY(family)
	{
		const char *to = family == 4 ? "203.0.113.5/32" : "2001:db8::5/128";
		const char *sysctl = forwarding[family == 6];
		struct packet p = { .name = "no forwarding", .family = family };

		for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
			p.name = kinds[i];
			expect(&p, MPGATE_R_STEERED);
			sh("ip -%d route add %s %s", family, kinds[i], to);
			expect(&p, MPGATE_R_NO_ROUTE);
			sh("ip -%d route del %s %s", family, kinds[i], to);
		}
		p.name = "code point";
		sh("ip -%d rule add tos 0x10 lookup 99 && ip -%d route add unreachable default table 99", family,
		   family);
		expect(&p, MPGATE_R_STEERED);
		p.dscp = 4;
		expect(&p, MPGATE_R_NO_ROUTE);
		p.dscp = 0;
		sh("ip -%d rule del tos 0x10 lookup 99", family);
		p.name = "no forwarding";
		sh("echo 0 >/proc/sys/net/%s/conf/" TEST_LINK "/forwarding", sysctl);
		expect(&p, MPGATE_R_NO_ROUTE);
		sh("echo 1 >/proc/sys/net/%s/conf/" TEST_LINK "/forwarding", sysctl);
		expect(&p, MPGATE_R_STEERED);
	}
}

/* The RST must be one that the client takes: addresses, ports, numbers and both checksums. */
static void check_rst(const struct frame *syn, const struct frame *rst, int family)
{
	struct tcphdr copies[2]; /* in the frames they need not be aligned */
	const struct tcphdr *a = &copies[0], *b = &copies[1];
	int off = family == 4 ? 12 : 8, len = family == 4 ? 4 : 16;
	const __u8 *ia = syn->bytes + syn->ip, *ib = rst->bytes + rst->ip;

	memcpy(&copies[0], syn->bytes + syn->tcp, sizeof(copies[0]));
	memcpy(&copies[1], rst->bytes + rst->tcp, sizeof(copies[1]));
	CU_ASSERT_EQUAL_FATAL(rst->len, syn->len);
	CU_ASSERT_EQUAL(memcmp(rst->bytes, syn->bytes + 6, 6) || memcmp(rst->bytes + 6, syn->bytes, 6), 0);
	CU_ASSERT_EQUAL(memcmp(ib + off, ia + off + len, len) || memcmp(ib + off + len, ia + off, len), 0);
	CU_ASSERT(b->source == a->dest && b->dest == a->source);
	CU_ASSERT(b->rst && b->ack && !b->syn && !b->fin && !b->psh);
	CU_ASSERT_EQUAL(ntohl(b->ack_seq), ntohl(a->seq) + 1 + (syn->len - syn->tcp - a->doff * 4));
	CU_ASSERT_EQUAL(b->seq, 0);
	CU_ASSERT(b->doff == a->doff && b->window == 0);
	CU_ASSERT_EQUAL(ib[family == 4 ? 8 : 7], 64); /* the TTL */
	CU_ASSERT_EQUAL(tcp_sum(rst, family), 0);
	if (family == 4)
		CU_ASSERT_EQUAL(checksum(ib, (ib[0] & 15) * 4, 0), 0);
	for (int i = 20; i < a->doff * 4; i++)
		CU_ASSERT_EQUAL(rst->bytes[rst->tcp + i], 1);
}

static void a_peer_that_is_down_opens_or_rejects(void)
{
	struct test_policy reject;

	CU_ASSERT_EQUAL(explain(&variants[0], link_id).peer, 4);
	dp_peer(skel, 3, 1);
	CU_ASSERT_EQUAL(explain(&variants[0], link_id).peer, 3);
	CU_ASSERT_EQUAL(explain(&variants[0], link_id).rule, 9);
	dp_peer(skel, 3, 0);
	dp_peer(skel, 4, 0);
	policy_make(skel, &reject, 1, 10, link_id, MPGATE_RULE_REJECT);
	EACH_FAMILY(family)
	{
		for (size_t i = 0; i < sizeof(variants) / sizeof(*variants); i++) {
			struct packet p = variants[i];
			struct frame f;
			struct run r;

			p.family = family;
			build(&f, &p);
			settings.generation = 0;
			dp_settings(skel, &settings);
			dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
			CU_ASSERT_EQUAL(r.reason, MPGATE_R_PEER_DOWN);
			CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
			settings.generation = 1; /* the flip is all it takes */
			dp_settings(skel, &settings);
			dp_run(skel, skel->progs.steer, &f, link_id, false, &r);
			CU_ASSERT_EQUAL(r.reason, MPGATE_R_PEER_DOWN_REJECT);
			CU_ASSERT_EQUAL(r.retval, TC_REDIRECT);
			check_rst(&f, &r.out, family);
		}
	}
	policy_close(&reject);
	settings.generation = 0;
	dp_settings(skel, &settings);
	dp_peer(skel, 4, 1);
}

/* Every other bucket of clients has the second peer first: each bit of an address counts, and the port does not. */
static void clients_are_shared_out(void)
{
	struct mpgate_group group = { .count = 2, .peers = { 3, 4 } };
	__u32 zero = 0, moved = 0, first = 0;

	dp_peer(skel, 3, 1);
	for (__u32 i = 0; i < MPGATE_GROUP_BUCKETS; i++)
		group.order[i] = i % 2 ? 0x01 : 0x10;
	fd_set_elem(policy.groups, &zero, &group);
	EACH_FAMILY(family)
	{
		int af = family == 4 ? AF_INET : AF_INET6, bits = family == 4 ? 32 : 128;

		for (int bit = -1; bit < bits; bit++) {
			char text[INET6_ADDRSTRLEN];
			struct packet p = { .name = "a client", .family = family, .src = text };
			__u8 addr[16];
			__u32 peer;

			inet_pton(af, family == 4 ? "10.1.2.3" : "2001:db8:1:2:3:4:5:6", addr);
			if (bit >= 0)
				addr[bit / 8] ^= (__u8)(1 << bit % 8);
			inet_ntop(af, addr, text, sizeof(text));
			peer = explain(&p, link_id).peer;
			CU_ASSERT(peer == 3 || peer == 4);
			if (bit < 0)
				first = peer;
			moved += peer != first;
			p.sport = 4711;
			CU_ASSERT_EQUAL(explain(&p, link_id).peer, peer);
		}
	}
	CU_ASSERT(moved > 40 && moved < 120); /* of 160 */
	/* Who is down is left out. */
	dp_peer(skel, 4, 0);
	CU_ASSERT_EQUAL(explain(&variants[0], link_id).peer, 3);
	dp_peer(skel, 3, 0);
	dp_peer(skel, 4, 1);
	for (__u32 i = 0; i < MPGATE_GROUP_BUCKETS; i++)
		group.order[i] = 0x10;
	fd_set_elem(policy.groups, &zero, &group);
}

static void worker_set(__u32 worker, __be16 port, __u16 alive)
{
	struct mpgate_listener l = { .port = port, .alive = alive };

	map_set(skel->maps.listeners, &worker, &l);
}

static void only_a_worker_that_is_alive_and_listens_gets_clients(void)
{
	__be16 port;
	int second[2];

	port = listen_both(second);
	dp_clients(skel, 1);
	expect(&variants[0], MPGATE_R_NO_LISTENER); /* nobody has said that it is there */
	worker_set(1, port, 0);
	expect(&variants[0], MPGATE_R_NO_LISTENER); /* it is full, or hangs */
	worker_set(1, port, 1);
	expect(&variants[0], MPGATE_R_STEERED);
	close(second[0]); /* dead, but nobody has said so yet */
	close(second[1]);
	expect(&variants[0], MPGATE_R_NO_LISTENER);
	dp_clients(skel, MPGATE_NO_WORKER);
	expect(&variants[0], MPGATE_R_NO_LISTENER);
	dp_clients(skel, 0);
	expect(&variants[0], MPGATE_R_STEERED);
}

/* With the policy of all SYNs: not even ours to port 80. */
static void a_peer_is_left_alone(void)
{
	static const char *const at[] = { "203.0.113.9", "2001:db8::9" };
	struct mpgate_addr v4 = { { [10] = 0xff, 0xff, 203, 0, 113, 9 } }, v6;
	__u32 number = 1;

	inet_pton(AF_INET6, at[1], v6.b);
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "to a peer", .family = family, .dst = at[family == 6] };
		struct mpgate_addr *a = family == 4 ? &v4 : &v6;

		expect(&p, MPGATE_R_STEERED);
		map_set(skel->maps.peer_addrs, a, &number);
		expect(&p, MPGATE_R_PEER_ADDRESS);
		p.src = p.dst; /* only who is asked for counts */
		p.dst = NULL;
		expect(&p, MPGATE_R_STEERED);
		bpf_map_delete_elem(bpf_map__fd(skel->maps.peer_addrs), a);
	}
}

static void without_policy_or_link_nothing_is_classified(void)
{
	__u32 id = link_id;

	settings.loaded = 0;
	dp_settings(skel, &settings);
	expect(&variants[0], MPGATE_R_NO_POLICY);
	settings.loaded = 1;
	dp_settings(skel, &settings);
	link_id = 1; /* the loopback link is not in the policy */
	expect(&variants[0], MPGATE_R_NO_LINK);
	link_id = id;
}

/* Rules 0 and 2 differ in what they match; exact comes before a prefix, and the first rule before a later one. */
static void prefixes_ports_and_code_points_select(void)
{
	struct mpgate_bitmap b = { { 1ULL << 9 } }, none = { { 0 } };
	struct mpgate_lpm_key net = { .prefixlen = MPGATE_LPM_FIXED_BITS + 24,
				      .key = { MPGATE_DST, 4, 0, { 203, 0, 113 } } };
	struct mpgate_exact_key host = { MPGATE_DST, 4, 0, { 203, 0, 113, 5 } };
	__u32 proxy = policy_bitmap(&policy, &b), empty = policy_bitmap(&policy, &none);

	policy.p.lpm[MPGATE_DST] = 1;
	policy_store(&policy);
	expect(&variants[0], MPGATE_R_STEERED); /* no prefix matches: any */
	fd_set_elem(policy.lpm, &net, &empty);
	expect(&variants[0], MPGATE_R_NO_RULE);
	policy.p.exact[MPGATE_DST] = 1;
	policy_store(&policy);
	expect(&variants[0], MPGATE_R_NO_RULE);
	fd_set_elem(policy.exact, &host, &proxy);
	expect(&variants[0], MPGATE_R_STEERED);
	expect(&(struct packet){ .name = "neighbour", .dst = "203.0.113.6" }, MPGATE_R_NO_RULE);
	expect(&(struct packet){ .name = "IPv6", .family = 6 }, MPGATE_R_STEERED);
	policy.p.dscp[46] = empty;
	policy_store(&policy);
	expect(&(struct packet){ .name = "DSCP", .dscp = 46 }, MPGATE_R_NO_RULE);
	expect(&(struct packet){ .name = "DSCP", .family = 6, .dscp = 46 }, MPGATE_R_NO_RULE);
}

static void the_last_of_1024_rules_is_found(void)
{
	struct test_policy big;

	policy_make(skel, &big, 1, MPGATE_MAX_RULES, link_id, MPGATE_RULE_TAKE_MPTCP);
	settings.generation = 1;
	dp_settings(skel, &settings);
	expect(&variants[0], MPGATE_R_STEERED);
	CU_ASSERT_EQUAL(explain(&variants[0], link_id).rule, MPGATE_MAX_RULES - 1);
	expect(&(struct packet){ .name = "taken", .options = opt_capable, .options_len = sizeof(opt_capable) },
	       MPGATE_R_STEERED);
	expect(&(struct packet){ .name = "never taken", .options = opt_join, .options_len = sizeof(opt_join) },
	       MPGATE_R_MPTCP);
	settings.generation = 0;
	dp_settings(skel, &settings);
	policy_close(&big);
}

static void setup(void)
{
	__be16 port;

	link_id = net_open();
	skel = dp_open();
	policy_make(skel, &policy, 0, 10, link_id, 0);
	dp_settings(skel, &settings);
	dp_peer(skel, 4, 1);
	port = listen_both(listener);
	worker_set(0, port, 1);
}

/* One line a program, for the record of sizes: name, instructions as loaded, instructions verified. */
static void print_insns(void)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, skel->obj)
	{
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			err(1, "program info");
		printf("insns %s %zu %u\n", bpf_program__name(prog), info.xlated_prog_len / sizeof(struct bpf_insn),
		       info.verified_insns);
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "every header variant is steered", every_header_variant_is_steered },
		{ "a connection is marked and no more", a_connection_is_marked_and_no_more },
		{ "what is not for us passes", what_is_not_for_us_passes },
		{ "extension headers have their limits", extension_headers_have_their_limits },
		{ "truncated packets pass", truncated_packets_pass },
		{ "headers that do not add up pass", headers_that_do_not_add_up_pass },
		{ "routes are respected", routes_are_respected },
		{ "what is not forwarded passes", what_is_not_forwarded_passes },
		{ "a peer that is down opens or rejects", a_peer_that_is_down_opens_or_rejects },
		{ "clients are shared out", clients_are_shared_out },
		{ "a peer is left alone", a_peer_is_left_alone },
		{ "without policy or link nothing is classified", without_policy_or_link_nothing_is_classified },
		{ "the last of 1024 rules is found", the_last_of_1024_rules_is_found },
		{ "prefixes ports and code points select", prefixes_ports_and_code_points_select },
		{ "only a worker that is alive and listens gets clients",
		  only_a_worker_that_is_alive_and_listens_gets_clients },
		CU_TEST_INFO_NULL,
	};

	setup();
	print_insns();
	return run_tests("steer", tests);
}
