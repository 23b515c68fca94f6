// SPDX-License-Identifier: GPL-2.0-or-later
/* The datapath's maps: the policy and its generations, keys, settings, counters; and explain, which reads them all. */
#include <fcntl.h>

#include <lib/policy.h>

#include "datapath_test.h"

/* --- maps */

static int pinned_map(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), ABI_DIR "/%s", name);
	fd = bpf_obj_get(path);
	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static struct mpgate_settings settings_now(void)
{
	struct mpgate_settings s = { 0 };
	int fd = pinned_map("settings");
	uint32_t key = 0;

	CU_ASSERT_EQUAL(bpf_map_lookup_elem(fd, &key, &s), 0);
	close(fd);
	return s;
}

/* The inner map of the generation in force. */
static int inner_map(const char *name)
{
	uint32_t slot = settings_now().generation, id = 0;
	int outer = pinned_map(name), fd;

	CU_ASSERT_EQUAL_FATAL(bpf_map_lookup_elem(outer, &slot, &id), 0);
	close(outer);
	fd = bpf_map_get_fd_by_id(id);
	CU_ASSERT_FATAL(fd >= 0);
	return fd;
}

static unsigned count_keys(int fd, size_t key_size)
{
	char *key = calloc(1, key_size);
	unsigned n = 0;

	for (int err = bpf_map_get_next_key(fd, NULL, key); !err; err = bpf_map_get_next_key(fd, key, key))
		n++;
	free(key);
	return n;
}

#define LPM_PREFIXES 3000U /* more than one batch */

/* One proxy rule for everything on dev, to group 0, that is peer slot 5; 192.0.2.66 and 2001:db8:2::66 excepted. */
struct sample {
	struct cfg_link link;
	struct config cfg;
	struct policy_image img;
	struct mpgate_rule rule;
	struct mpgate_bitmap bitmaps[2];
	struct mpgate_group group;
	struct policy_prefix exact[2];
	struct policy_prefix lpm[LPM_PREFIXES];
	uint32_t ports[MPGATE_PORTS];
};

#define SAMPLE_PEER 5

static void sample_exact(struct policy_prefix *p, const char *addr)
{
	struct mpgate_addr a;
	bool v4;

	CU_ASSERT_EQUAL(addr_parse(addr, &a), 0);
	v4 = addr_is_v4(&a);
	p->key.key.side = MPGATE_DST;
	p->key.key.family = v4 ? 4 : 6;
	p->key.prefixlen = MPGATE_LPM_FIXED_BITS + (v4 ? 32 : 128);
	memcpy(p->key.key.addr, v4 ? a.b + 12 : a.b, v4 ? 4 : 16);
}

static struct sample *sample_new(void)
{
	struct sample *s = calloc(1, sizeof(*s));

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	s->link = link_of(CFG_LAN);
	s->cfg.links = &s->link;
	s->cfg.link_count = 1;
	s->rule = (struct mpgate_rule){ .action = MPGATE_PROXY, .id = 77, .name = "all" };
	s->bitmaps[1].rules[0] = 1;
	s->group = (struct mpgate_group){ .count = 1, .peers = { SAMPLE_PEER } };
	sample_exact(&s->exact[0], "192.0.2.66");
	sample_exact(&s->exact[1], "2001:db8:2::66");
	for (unsigned i = 0; i < LPM_PREFIXES; i++) {
		s->lpm[i].key.prefixlen = MPGATE_LPM_FIXED_BITS + 24;
		s->lpm[i].key.key.side = MPGATE_SRC;
		s->lpm[i].key.key.family = 4;
		s->lpm[i].key.key.addr[0] = 10;
		s->lpm[i].key.key.addr[1] = (uint8_t)(i >> 8);
		s->lpm[i].key.key.addr[2] = (uint8_t)i;
		s->lpm[i].bitmap = 1;
	}
	for (unsigned i = 0; i < MPGATE_PORTS; i++)
		s->ports[i] = 1;
	s->img = (struct policy_image){
		.policy = { .rules = 1, .words = 1, .any = { { 1, 1 }, { 1, 1 } }, .exact = { 0, 1 }, .lpm = { 1, 0 } },
		.rules = &s->rule,
		.bitmaps = s->bitmaps,
		.bitmap_count = 2,
		.ports = s->ports,
		.lpm = s->lpm,
		.lpm_count = LPM_PREFIXES,
		.exact = s->exact,
		.exact_count = 2,
		.groups = &s->group,
		.group_count = 1,
		.link_bitmap = { 1 },
	};
	for (unsigned i = 0; i < 64; i++)
		s->img.policy.dscp[i] = 1;
	return s;
}

static void test_policy_flips_generation(void)
{
	struct datapath *dp = open_or_die();
	struct sample *s = sample_new();
	bool l3 = false;
	uint32_t first;
	int fd;

	CU_ASSERT_EQUAL(settings_now().loaded, 0);
	CU_ASSERT_EQUAL(datapath_link_up(dp, dev, &s->link, false, 1), 0); /* nothing in force yet */
	CU_ASSERT_EQUAL(datapath_set_policy(dp, &s->cfg, &s->img, &dev, &l3), 0);
	CU_ASSERT_EQUAL(settings_now().loaded, 1);
	first = settings_now().generation;
	fd = inner_map("gen_lpm");
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(struct mpgate_lpm_key)), LPM_PREFIXES);
	close(fd);
	fd = inner_map("gen_exact");
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(struct mpgate_exact_key)), 2);
	close(fd);

	s->img.lpm_count = s->img.exact_count = 0;
	CU_ASSERT_EQUAL(datapath_set_policy(dp, &s->cfg, &s->img, &dev, &l3), 0);
	CU_ASSERT_EQUAL(settings_now().generation, 1 - first);
	fd = inner_map("gen_lpm");
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(struct mpgate_lpm_key)), 0);
	close(fd);
	CU_ASSERT_EQUAL(datapath_set_policy(dp, &s->cfg, &s->img, &dev, &l3), 0);
	CU_ASSERT_EQUAL(settings_now().generation, first);
	free(s);
	datapath_close(dp);
}

static void test_failing_policy_changes_nothing(void)
{
	struct datapath *dp = open_or_die();
	struct sample *s = sample_new();
	struct mpgate_settings before, after;
	bool l3 = false;
	uint64_t hits = 1;
	int fd;

	CU_ASSERT_EQUAL(datapath_set_policy(dp, &s->cfg, &s->img, &dev, &l3), 0);
	before = settings_now();
	s->img.bitmap_count = 0xffffffffU; /* no such map can be made */
	CU_ASSERT(datapath_set_policy(dp, &s->cfg, &s->img, &dev, &l3) < 0);
	after = settings_now();
	CU_ASSERT_EQUAL(memcmp(&before, &after, sizeof(before)), 0);
	fd = inner_map("gen_lpm");
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(struct mpgate_lpm_key)), LPM_PREFIXES);
	close(fd);
	CU_ASSERT_EQUAL(datapath_rule_hits(dp, &hits, 1), 0);
	CU_ASSERT_EQUAL(hits, 0);
	free(s);
	datapath_close(dp);
}

static void test_inner_maps_have_types(void)
{
	struct datapath *dp = open_or_die();
	struct sample *s = sample_new();
	static const char *const names[] = { "gen_links", "gen_policy", "gen_rules",  "gen_bitmaps", "gen_ports",
					     "gen_lpm",	  "gen_exact",	"gen_groups", "gen_hits" };
	bool l3 = false;

	CU_ASSERT_EQUAL(datapath_set_policy(dp, &s->cfg, &s->img, &dev, &l3), 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct bpf_map_info info = { 0 };
		uint32_t len = sizeof(info);
		int fd = inner_map(names[i]);

		CU_ASSERT_EQUAL(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
		CU_ASSERT_STRING_EQUAL(info.name, names[i]);
		CU_ASSERT(info.btf_id && info.btf_key_type_id && info.btf_value_type_id);
		close(fd);
	}
	free(s);
	datapath_close(dp);
}

static void test_links_come_and_go(void)
{
	struct datapath *dp = open_or_die();
	struct sample *s = sample_new();
	struct mpgate_link l;
	unsigned none = 0;
	bool l3 = false;
	int fd;

	CU_ASSERT_EQUAL(datapath_set_policy(dp, &s->cfg, &s->img, &none, &l3), 0);
	fd = inner_map("gen_links");
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(uint32_t)), 1);
	CU_ASSERT_EQUAL(datapath_link_up(dp, dev, &s->link, true, 1), 0);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(fd, &dev, &l), 0);
	CU_ASSERT_EQUAL(l.flags, MPGATE_LINK_CLASSIFY | MPGATE_LINK_L3);
	CU_ASSERT_EQUAL(l.bitmap, 1);
	CU_ASSERT_STRING_EQUAL(l.name, DEV);
	CU_ASSERT_EQUAL(datapath_link_gone(dp, dev), 0);
	CU_ASSERT_EQUAL(datapath_link_gone(dp, dev), 0);
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(uint32_t)), 1);
	close(fd);
	free(s);
	datapath_close(dp);
}

static void test_single_values(void)
{
	struct datapath *dp = open_or_die();
	struct mpgate_listener l = { 0 };
	const struct mpgate_peer set = { .up = 1, .parks = 1, .parked = 5 };
	struct mpgate_peer p = { 0 };
	struct mpgate_settings s;
	uint32_t key = 3;
	int listeners = pinned_map("listeners"), peers = pinned_map("peers");

	CU_ASSERT_EQUAL(datapath_set_listener(dp, 3, htons(4242), true, false), 0);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(listeners, &key, &l), 0);
	CU_ASSERT(l.port == htons(4242) && l.alive == 1);
	CU_ASSERT_EQUAL(datapath_set_listener(dp, 3, htons(4242), false, false), 0);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(listeners, &key, &l), 0);
	CU_ASSERT_EQUAL(l.alive, 0);
	CU_ASSERT(datapath_set_listener(dp, MPGATE_MAX_WORKERS, 0, true, false) < 0);
	CU_ASSERT_EQUAL(datapath_set_peer(dp, 3, &set), 0);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(peers, &key, &p), 0);
	CU_ASSERT_EQUAL(memcmp(&p, &set, sizeof(p)), 0);
	CU_ASSERT_EQUAL(datapath_set_backlog(dp, 128 * (unsigned)libbpf_num_possible_cpus()), 0);
	CU_ASSERT_EQUAL(datapath_sync_clock(dp), 0);
	s = settings_now();
	CU_ASSERT(s.backlog == 128 && s.wall_offset != 0 && s.client_seed != 0);
	close(listeners);
	close(peers);
	datapath_close(dp);
}

static void test_convert_settings(void)
{
	struct prefix prefixes[] = { { 4, 8, { 10 } }, { 6, 32, { 0x20, 0x01, 0x0d, 0xb8 } }, { 4, 16, { 192, 168 } } };
	struct config cfg = { .convert = { .listening = true,
					   .port = 8803,
					   .accept = CFG_ACCEPT_OPEN,
					   .window = 30,
					   .unchecked_rate = 50,
					   .allow_from = { prefixes, 2 } } };
	struct datapath *dp = open_or_die();
	int fd = pinned_map("guard_allow");
	struct mpgate_lpm_key key = { .prefixlen = MPGATE_LPM_FIXED_BITS + 128,
				      .key = { .side = MPGATE_SRC, .family = 6, .addr = { 0x20, 0x01, 0x0d, 0xb8 } } };
	struct mpgate_settings s;
	uint32_t value;

	CU_ASSERT_EQUAL(datapath_set_convert(dp, &cfg), 0);
	s = settings_now();
	CU_ASSERT(s.accept == MPGATE_ACCEPT_OPEN && s.convert_port[0] == htons(8803) && s.cookie_window == 30);
	CU_ASSERT(s.unchecked_rate == 50 && s.unchecked_burst >= 50 && s.allow_from);
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(key)), 2);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(fd, &key, &value), 0);
	/* One stays, one goes, one comes. */
	cfg.convert.allow_from.p = prefixes + 1;
	CU_ASSERT_EQUAL(datapath_set_convert(dp, &cfg), 0);
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(key)), 2);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(fd, &key, &value), 0);
	key.key = (struct mpgate_exact_key){ .side = MPGATE_SRC, .family = 4, .addr = { 10, 1, 2, 3 } };
	key.prefixlen = MPGATE_LPM_FIXED_BITS + 32;
	CU_ASSERT(bpf_map_lookup_elem(fd, &key, &value) < 0);
	cfg.convert.allow_from.count = 0;
	cfg.convert.listening = false;
	CU_ASSERT_EQUAL(datapath_set_convert(dp, &cfg), 0);
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(key)), 0);
	CU_ASSERT(settings_now().accept == MPGATE_ACCEPT_NONE && !settings_now().allow_from);
	close(fd);
	datapath_close(dp);
}

static void test_keys_are_a_set(void)
{
	struct datapath_key keys[] = { { { 1, 2, 0x100001, 0 }, 0 },
				       { { 3, 4, 0x100002, 0 }, 1 },
				       { { 5, 6, 0x100003, 0 }, 2 } };
	struct datapath *dp = open_or_die();
	struct mpgate_guard_key value;
	int fd = pinned_map("guard_keys");
	uint32_t id = 0x100002;

	CU_ASSERT_EQUAL(datapath_set_keys(dp, keys, 2), 0);
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(id)), 2);
	CU_ASSERT_EQUAL(datapath_set_keys(dp, keys + 1, 2), 0);
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(id)), 2);
	CU_ASSERT_EQUAL(bpf_map_lookup_elem(fd, &id, &value), 0);
	CU_ASSERT(value.k0 == 3 && value.k1 == 4 && value.peer == 1);
	id = 0x100001;
	CU_ASSERT(bpf_map_lookup_elem(fd, &id, &value) < 0);
	CU_ASSERT_EQUAL(datapath_set_keys(dp, NULL, 0), 0);
	CU_ASSERT_EQUAL(count_keys(fd, sizeof(id)), 0);
	close(fd);
	datapath_close(dp);
}

static void test_counters_are_sums(void)
{
	struct datapath *dp = open_or_die();
	int cpus = libbpf_num_possible_cpus(), fd = pinned_map("reasons");
	uint64_t *values = calloc((size_t)cpus, sizeof(*values)), counters[MPGATE_REASON_COUNT], expected = 0;
	uint32_t key = MPGATE_R_GUARD_STALE;

	for (int i = 0; i < cpus; i++)
		expected += values[i] = 1000U + (unsigned)i;
	CU_ASSERT_EQUAL(bpf_map_update_elem(fd, &key, values, BPF_ANY), 0);
	CU_ASSERT_EQUAL(datapath_counters(dp, counters), 0);
	CU_ASSERT_EQUAL(counters[MPGATE_R_GUARD_STALE], expected);
	CU_ASSERT_EQUAL(counters[MPGATE_R_GUARD_REPLAY], 0);
	free(values);
	close(fd);
	datapath_close(dp);
}

/* --- asking */

static struct mpgate_tuple tuple_of(const char *saddr, const char *daddr)
{
	struct mpgate_tuple t = { .sport = htons(40000), .dport = htons(443) };

	CU_ASSERT_EQUAL(addr_parse(saddr, &t.saddr), 0);
	CU_ASSERT_EQUAL(addr_parse(daddr, &t.daddr), 0);
	return t;
}

static int listen_loopback(int family, __be16 *port)
{
	struct sockaddr_storage ss;
	struct mpgate_addr a;
	socklen_t len;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CU_ASSERT_EQUAL(addr_parse(family == AF_INET ? "127.0.0.1" : "::1", &a), 0);
	len = addr_to_sockaddr(&a, *port, &ss);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&ss, len), 0);
	CU_ASSERT_EQUAL(listen(fd, 1), 0);
	CU_ASSERT_EQUAL(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	CU_ASSERT_EQUAL(addr_from_sockaddr((struct sockaddr *)&ss, &a, port), 0);
	return fd;
}

static void expect(struct datapath *dp, const struct mpgate_tuple *t, enum mpgate_reason reason, int rule, int peer)
{
	struct datapath_explanation e = { MPGATE_REASON_COUNT, -2, -2 };

	CU_ASSERT_EQUAL(datapath_explain(dp, dev, t, 0, false, &e), 0);
	CU_ASSERT_EQUAL(e.reason, reason);
	CU_ASSERT_EQUAL(e.rule, rule);
	CU_ASSERT_EQUAL(e.peer, peer);
}

static void explain_family(struct datapath *dp, struct sample *s, int family)
{
	bool v4 = family == AF_INET, l3 = false;
	struct mpgate_tuple t = v4 ? tuple_of("10.1.2.3", "192.0.2.1") : tuple_of("2001:db8:1::3", "2001:db8:2::1");
	struct mpgate_tuple excepted =
		v4 ? tuple_of("10.1.2.3", "192.0.2.66") : tuple_of("2001:db8:1::3", "2001:db8:2::66");
	const struct mpgate_peer down = { 0 }, up = { .up = 1 };
	__be16 port = 0;
	int fd = listen_loopback(family, &port);

	CU_ASSERT_EQUAL(datapath_set_policy(dp, &s->cfg, &s->img, &dev, &l3), 0);
	CU_ASSERT_EQUAL(datapath_set_listener(dp, 0, port, true, false), 0);
	CU_ASSERT_EQUAL(datapath_set_peer(dp, SAMPLE_PEER, &down), 0);
	expect(dp, &t, MPGATE_R_PEER_DOWN, 0, -1);
	CU_ASSERT_EQUAL(datapath_set_peer(dp, SAMPLE_PEER, &up), 0);
	expect(dp, &t, MPGATE_R_STEERED, 0, SAMPLE_PEER);
	expect(dp, &excepted, MPGATE_R_NO_RULE, -1, -1);
	CU_ASSERT_EQUAL(datapath_set_listener(dp, 0, port, false, false), 0);
	expect(dp, &t, MPGATE_R_NO_LISTENER, 0, SAMPLE_PEER);
	CU_ASSERT_EQUAL(datapath_link_gone(dp, dev), 0);
	expect(dp, &t, MPGATE_R_NO_LINK, -1, -1);
	close(fd);
}

static void test_explain(void)
{
	struct mpgate_tuple t4 = tuple_of("10.1.2.3", "192.0.2.1"), t6 = tuple_of("2001:db8:1::3", "2001:db8:2::1");
	struct datapath_explanation e;
	struct datapath *dp = open_or_die();
	struct sample *s = sample_new();
	uint64_t counters[MPGATE_REASON_COUNT], hits;

	expect(dp, &t4, MPGATE_R_NO_POLICY, -1, -1);
	expect(dp, &t6, MPGATE_R_NO_POLICY, -1, -1);
	explain_family(dp, s, AF_INET);
	explain_family(dp, s, AF_INET6);
	t4.saddr = t6.saddr;
	CU_ASSERT_EQUAL(datapath_explain(dp, dev, &t4, 0, false, &e), -EINVAL);
	/* Asking leaves no trace. */
	CU_ASSERT_EQUAL(datapath_counters(dp, counters), 0);
	for (unsigned i = 0; i < MPGATE_REASON_COUNT; i++)
		CU_ASSERT_EQUAL(counters[i], 0);
	CU_ASSERT_EQUAL(datapath_rule_hits(dp, &hits, 1), 0);
	CU_ASSERT_EQUAL(hits, 0);
	CU_ASSERT_EQUAL(count_keys(datapath_flows_fd(dp), sizeof(struct mpgate_tuple)), 0);
	free(s);
	datapath_close(dp);
}

/* The way from a configuration to a verdict: two rules, the second with a prefix of each family. */
static void test_compiled_policy(void)
{
	static const char text[] = "instance: t\n"
				   "links: [ { name: " DEV ", role: lan } ]\n"
				   "policy:\n"
				   "  rules:\n"
				   "  - { name: ssh, to-port: [ 22 ], action: direct }\n"
				   "  - { name: sites, link: " DEV ", to: [ 192.0.2.0/24, \"2001:db8:2::/64\" ],"
				   " to-port: [ \"443-8000\" ], action: direct }\n";
	struct mpgate_tuple t4 = tuple_of("10.1.2.3", "192.0.2.1"), t6 = tuple_of("2001:db8:1::3", "2001:db8:2::1");
	struct datapath *dp = open_or_die();
	const uint16_t slot = 0;
	const uint32_t ids[] = { 1, 2 };
	struct policy_image img;
	struct config *cfg = NULL;
	struct cfg_error err = { "" };
	bool l3 = false;

	CU_ASSERT_EQUAL_FATAL(config_parse(text, strlen(text), "test.yaml", ".", &cfg, &err), 0);
	CU_ASSERT_EQUAL_FATAL(policy_compile(cfg, &slot, ids, (const uint64_t[2]){ 0 }, &img), 0);
	CU_ASSERT_EQUAL(datapath_set_policy(dp, cfg, &img, &dev, &l3), 0);
	expect(dp, &t4, MPGATE_R_RULE_DIRECT, 1, -1);
	expect(dp, &t6, MPGATE_R_RULE_DIRECT, 1, -1);
	t4.dport = t6.dport = htons(22);
	expect(dp, &t4, MPGATE_R_RULE_DIRECT, 0, -1);
	expect(dp, &t6, MPGATE_R_RULE_DIRECT, 0, -1);
	t4.dport = t6.dport = htons(8001);
	expect(dp, &t4, MPGATE_R_NO_RULE, -1, -1);
	expect(dp, &t6, MPGATE_R_NO_RULE, -1, -1);
	policy_free(&img);
	config_free(cfg);
	datapath_close(dp);
}

static void test_synack(void)
{
	struct datapath *dp = open_or_die();
	int cgroup;

	CU_ASSERT_EQUAL_FATAL(run("mkdir -p /tmp/mpg-dp-cgroup && mount -t cgroup2 none /tmp/mpg-dp-cgroup && "
				  "mkdir -p /tmp/mpg-dp-cgroup/mpg-dp-test"),
			      0);
	cgroup = open("/tmp/mpg-dp-cgroup/mpg-dp-test", O_DIRECTORY | O_CLOEXEC);
	CU_ASSERT_FATAL(cgroup >= 0);
	CU_ASSERT_EQUAL(datapath_synack_fd(dp), -1);
	CU_ASSERT_EQUAL(datapath_attach_synack(dp, cgroup), 0);
	CU_ASSERT(datapath_synack_fd(dp) >= 0);
	CU_ASSERT(datapath_attach_synack(dp, datapath_flows_fd(dp)) < 0); /* no cgroup */
	CU_ASSERT(datapath_synack_fd(dp) >= 0);
	datapath_close(dp);
	close(cgroup);
	run("rmdir /tmp/mpg-dp-cgroup/mpg-dp-test; umount /tmp/mpg-dp-cgroup; rmdir /tmp/mpg-dp-cgroup");
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "a policy flips the generation", test_policy_flips_generation },
		{ "a failing policy changes nothing", test_failing_policy_changes_nothing },
		{ "inner maps have types", test_inner_maps_have_types },
		{ "links come and go", test_links_come_and_go },
		{ "listeners, peers, backlog, clock", test_single_values },
		{ "convert settings and allow-from", test_convert_settings },
		{ "keys are a set", test_keys_are_a_set },
		{ "counters are sums over CPUs", test_counters_are_sums },
		{ "explain", test_explain },
		{ "a compiled policy is what the program does", test_compiled_policy },
		{ "synack on a cgroup", test_synack },
		CU_TEST_INFO_NULL,
	};

	return run_tests("datapath maps", tests);
}
