/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The classifier, asked by explain and by gate: each field of a SYN has its say, an address is looked up under its own
 * side and family and in full, and of the rules that are left the first one counts.
 */
#include "program_test.h"

#define RULES MPGATE_MAX_RULES
#define PORTS_BITMAP 2 /* of all ports but one, see policy_make() */
#define ALL_BITMAP 1

static struct test_policy policy;
static struct mpgate_settings settings = { .loaded = 1 };
static __u32 link_id, none; /* none: the bitmap without rules */

/* The rule of a SYN, or MPGATE_NO_RULE: then no rule matched, and nothing else is the reason. */
static __u32 rule_of(const struct packet *p)
{
	struct mpgate_explained answer = explain(p, link_id);

	if (answer.rule == MPGATE_NO_RULE)
		CU_ASSERT_EQUAL(answer.reason, MPGATE_R_NO_RULE);
	return answer.rule;
}

static void expect_rule(const char *what, int family, const struct packet *p, bool matches)
{
	bool got = rule_of(p) != MPGATE_NO_RULE;

	if (got != matches)
		printf("\n    %s, IPv%d: %s", what, family, got ? "matched" : "not matched");
	CU_ASSERT_EQUAL(got, matches);
}

static void bitmap_set(__u32 index, const struct mpgate_bitmap *b)
{
	fd_set_elem(policy.bitmaps, &index, b);
}

/* Alone, and with all behind it: the first one is found, whatever comes after. */
static void the_first_of_many_rules_is_found(void)
{
	struct mpgate_bitmap last = {}, set;

	last.rules[MPGATE_RULE_WORDS - 1] = 1ULL << 63;
	for (__u32 i = 0; i < RULES; i++) {
		struct packet p = { .family = i % 2 ? 6 : 4 };

		memset(&set, 0, sizeof(set));
		set.rules[i / 64] = 1ULL << i % 64;
		bitmap_set(PORTS_BITMAP, &set);
		CU_ASSERT_EQUAL(rule_of(&p), i);
		set.rules[i / 64] = ~0ULL << i % 64;
		for (__u32 w = i / 64 + 1; w < MPGATE_RULE_WORDS; w++)
			set.rules[w] = ~0ULL;
		bitmap_set(PORTS_BITMAP, &set);
		CU_ASSERT_EQUAL(rule_of(&p), i);
	}
	bitmap_set(PORTS_BITMAP, &last);
}

static void link_set(__u32 flags, __u32 bitmap)
{
	struct mpgate_link link = { .flags = flags, .bitmap = bitmap, .name = "test" };

	fd_set_elem(policy.links, &link_id, &link);
}

/* What one field rules out is out. */
static void each_field_has_its_say(void)
{
	EACH_FAMILY(family)
	{
		struct packet p = { .name = "SYN", .family = family, .dport = 443, .dscp = 63 };
		__u32 port = p.dport, all = ALL_BITMAP;

		expect_rule("all fields", family, &p, true);
		link_set(MPGATE_LINK_CLASSIFY, none);
		expect_rule("link", family, &p, false);
		link_set(0, ALL_BITMAP);
		CU_ASSERT_EQUAL(explain(&p, link_id).reason, MPGATE_R_NO_LINK);
		link_set(MPGATE_LINK_CLASSIFY, ALL_BITMAP);
		for (int side = 0; side < 4; side++) {
			policy.p.any[side / 2][side % 2] = none;
			policy_store(&policy);
			expect_rule("any address", family, &p, side % 2 != (family == 6));
			policy.p.any[side / 2][side % 2] = ALL_BITMAP;
		}
		for (int dscp = 0; dscp < 64; dscp++) {
			policy.p.dscp[dscp] = none;
			policy_store(&policy);
			expect_rule("code point", family, &p, dscp != 63);
			policy.p.dscp[dscp] = ALL_BITMAP;
		}
		policy_store(&policy);
		fd_set_elem(policy.ports, &port, &none);
		expect_rule("port", family, &p, false);
		p.sport = port;
		p.dport = 444;
		expect_rule("the port of the source", family, &p, true);
		p.dport = port << 8 | port >> 8;
		expect_rule("the port's bytes in the wrong order", family, &p, true);
		fd_set_elem(policy.ports, &port, &all);
	}
}

/* Sets what matches an address, as a prefix of that many bits, or exactly (0 bits). */
static void address_set(int family, int side, const char *text, int bits, __u32 bitmap)
{
	struct mpgate_lpm_key key = { .prefixlen = MPGATE_LPM_FIXED_BITS + bits, .key = { side, family, 0, {} } };

	inet_pton(family == 4 ? AF_INET : AF_INET6, text, key.key.addr);
	if (bits)
		fd_set_elem(policy.lpm, &key, &bitmap);
	else
		fd_set_elem(policy.exact, &key.key, &bitmap);
}

/* Of 10.77.0.x and fd77::x the hosts 2 and 8 on either side, in an inner map of their own. */
static const struct {
	const char *net, *host, *neighbour, *outside;
	int net_bits, host_bits;
} nets[] = {
	{ "10.77.0.0", "10.77.0.2", "10.77.0.3", "10.77.1.2", 24, 32 },
	{ "fd77::", "fd77::2", "fd77::3", "fd77:0:0:1::2", 64, 128 },
};

static void addresses_clear(void)
{
	close(policy.lpm);
	close(policy.exact);
	policy.lpm = dp_inner(skel->maps.gen_lpm, 0, 64);
	policy.exact = dp_inner(skel->maps.gen_exact, 0, 64);
}

/* The address under test on that side, one that nothing speaks of on the other. */
static void expect_address(const char *what, int family, int side, const char *address, bool matches)
{
	struct packet p = { .family = family };

	*(side == MPGATE_SRC ? &p.src : &p.dst) = address;
	*(side == MPGATE_SRC ? &p.dst : &p.src) = family == 4 ? "198.51.100.1" : "2001:db8:1::1";
	expect_rule(what, family, &p, matches);
}

static void an_address_is_looked_up_as_what_it_is(void)
{
	for (int i = 0; i < 8; i++) {
		int family = i & 1 ? 6 : 4, side = i >> 1 & 1, exact = i >> 2;
		const char *net = nets[family == 6].net, *host = nets[family == 6].host;
		const char *neighbour = nets[family == 6].neighbour, *outside = nets[family == 6].outside;

		addresses_clear();
		policy.p.exact[side] = exact;
		policy.p.lpm[side] = !exact;
		policy_store(&policy);
		address_set(family, side, host, exact ? 0 : nets[family == 6].host_bits, none);
		expect_address("a host", family, side, host, false);
		expect_address("its neighbour", family, side, neighbour, true);
		expect_address("on the other side", family, !side, host, true);
		/* Where the other side has entries, too, each has its own. */
		policy.p.exact[!side] = exact;
		policy.p.lpm[!side] = !exact;
		policy_store(&policy);
		expect_address("on the other side", family, !side, host, true);
		policy.p.exact[side] = policy.p.lpm[side] = 0;
		policy_store(&policy);
		expect_address("nothing of this side", family, side, host, true);
		policy.p.exact[!side] = policy.p.lpm[!side] = 0;
		/* Before the prefix comes the host. */
		policy.p.exact[side] = policy.p.lpm[side] = 1;
		policy_store(&policy);
		addresses_clear();
		address_set(family, side, net, nets[family == 6].net_bits, none);
		expect_address("in a net", family, side, host, false);
		expect_address("outside", family, side, outside, true);
		address_set(family, side, host, 0, ALL_BITMAP);
		expect_address("a host in it", family, side, host, true);
		expect_address("its neighbour", family, side, neighbour, false);
		policy.p.exact[side] = 0;
		policy_store(&policy);
		expect_address("no hosts", family, side, host, false);
		policy.p.lpm[side] = 0;
		policy_store(&policy);
	}
	addresses_clear();
}

/* The same bytes are another address in the other family. */
static void families_have_their_own_addresses(void)
{
	policy.p.lpm[MPGATE_SRC] = policy.p.lpm[MPGATE_DST] = 1;
	policy_store(&policy);
	for (int side = MPGATE_SRC; side <= MPGATE_DST; side++) {
		addresses_clear();
		address_set(4, side, "32.1.13.184", 32, none);
		expect_address("of IPv4", 6, side, "2001:db8::", true);
		expect_address("of IPv4", 4, side, "32.1.13.184", false);
		addresses_clear();
		address_set(6, side, "2001:db8::", 32, none);
		expect_address("of IPv6", 4, side, "32.1.13.184", true);
		expect_address("of IPv6", 6, side, "2001:db8::", false);
	}
	policy.p.lpm[MPGATE_SRC] = policy.p.lpm[MPGATE_DST] = 0;
	policy_store(&policy);
	addresses_clear();
}

/* What gate hands on for a SYN; false: nothing. */
static bool gate_finds(int family, __u32 ifindex, struct mpgate_meta *meta)
{
	struct frame f;
	struct run r;

	build(&f, &(struct packet){ .family = family });
	dp_run(skel, skel->progs.gate, &f, ifindex, true, &r);
	memcpy(meta, r.out.bytes, sizeof(*meta));
	return r.out.len != f.len;
}

/* That no rule matches is an answer, too; what gate cannot know is left to steer, by its reason. */
static void gate_hands_on_what_it_found(void)
{
	struct test_policy other;
	struct mpgate_meta meta;

	policy_make(skel, &other, 1, 10, link_id, 0);
	EACH_FAMILY(family)
	{
		CU_ASSERT(gate_finds(family, link_id, &meta));
		CU_ASSERT_EQUAL(meta.rule, RULES - 1);
		CU_ASSERT_EQUAL(meta.generation, 0);
		settings.generation = 1;
		dp_settings(skel, &settings);
		CU_ASSERT(gate_finds(family, link_id, &meta));
		CU_ASSERT_EQUAL(meta.rule, 9);
		CU_ASSERT_EQUAL(meta.generation, 1);
		settings.generation = MPGATE_GENERATIONS; /* there is none */
		dp_settings(skel, &settings);
		CU_ASSERT_FALSE(gate_finds(family, link_id, &meta));
		settings.generation = 0;
		settings.loaded = 0;
		dp_settings(skel, &settings);
		CU_ASSERT_FALSE(gate_finds(family, link_id, &meta));
		settings.loaded = 1;
		dp_settings(skel, &settings);
		link_set(MPGATE_LINK_CLASSIFY, none);
		CU_ASSERT(gate_finds(family, link_id, &meta));
		CU_ASSERT_EQUAL(meta.rule, MPGATE_NO_RULE);
		link_set(0, ALL_BITMAP);
		CU_ASSERT_FALSE(gate_finds(family, link_id, &meta));
		link_set(MPGATE_LINK_CLASSIFY, ALL_BITMAP);
		CU_ASSERT_FALSE(gate_finds(family, 1, &meta)); /* the loopback link is not in the policy */
	}
	policy_close(&other);
}

static void setup(void)
{
	link_id = net_open();
	skel = dp_open();
	policy_make(skel, &policy, 0, RULES, link_id, 0);
	none = policy_bitmap(&policy, &(struct mpgate_bitmap){});
	dp_settings(skel, &settings);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "the first of many rules is found", the_first_of_many_rules_is_found },
		{ "each field has its say", each_field_has_its_say },
		{ "an address is looked up as what it is", an_address_is_looked_up_as_what_it_is },
		{ "families have their own addresses", families_have_their_own_addresses },
		{ "gate hands on what it found", gate_hands_on_what_it_found },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("classify", tests);
}
