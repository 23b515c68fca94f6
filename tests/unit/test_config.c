// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration reader: what is taken, the defaults, and the way from print back to an equal configuration. */
#include "config_test.h"

/* Rules that look alike, but each has something of its own. */
static const char *const reachable[] = {
	RULES "  - { name: x, to-port: [ 80 ]" VIA "  - { name: y" VIA,
	RULES "  - { name: x, to: [ 0.0.0.0/0 ]" VIA "  - { name: y" VIA,
	RULES "  - { name: x, to-port: [ 1-10, 12-20 ]" VIA "  - { name: y, to-port: [ 5-15 ]" VIA,
	RULES "  - { name: x, to: [ 10.1.0.0/16 ]" VIA "  - { name: y, to: [ 10.0.0.0/8 ]" VIA,
	RULES "  - { name: x, to: [ 10.0.0.0/8 ]" VIA "  - { name: y, to: [ 10.0.0.0/8, 11.0.0.0/8 ]" VIA,
	RULES "  - { name: x, dscp: [ 1 ]" VIA "  - { name: y, dscp: [ 1, 2 ]" VIA,
	"links: [ { name: lan0, role: lan }, { name: lan1, role: lan }, { name: w, role: path } ]\n" PEER
	"policy:\n  rules:\n  - { name: x, link: lan0" VIA "  - { name: y" VIA,
	RULES "  - { name: x, from: [ 10.0.0.0/8 ]" VIA "  - { name: y, to: [ 10.0.0.0/8 ]" VIA,
};

static void test_reachable(void)
{
	for (unsigned i = 0; i < COUNT(reachable); i++) {
		struct cfg_error err;
		struct config *cfg;
		int r = parse(reachable[i], &cfg, &err);

		CU_ASSERT_EQUAL(r, 0);
		if (r)
			printf("\n%s\n  got:  %s\n", reachable[i], err.text);
		else
			config_free(cfg);
	}
}

static void test_defaults(void)
{
	struct cfg_error err;
	struct config *cfg;

	CU_ASSERT_EQUAL_FATAL(parse(RULES "  - { name: r" VIA, &cfg, &err), 0);
	CU_ASSERT_STRING_EQUAL(cfg->path, "test.yaml");
	CU_ASSERT_STRING_EQUAL(cfg->instance, "default");
	CU_ASSERT(cfg->workers >= 1 && cfg->workers <= MPGATE_MAX_WORKERS);
	CU_ASSERT_STRING_EQUAL(cfg->links[1].path, "wan0");
	CU_ASSERT_EQUAL(cfg->links[1].use, CFG_PRIMARY);
	CU_ASSERT_EQUAL(cfg->links[1].guard, CFG_GUARD_AUTO);
	CU_ASSERT_FALSE(cfg->links[0].early_classify);
	CU_ASSERT_FALSE(cfg->convert.listening);
	CU_ASSERT_EQUAL(cfg->convert.port, 8803);
	CU_ASSERT_EQUAL(cfg->convert.accept, CFG_ACCEPT_KEYED);
	CU_ASSERT_EQUAL(cfg->convert.source, CFG_SHARE);
	CU_ASSERT_EQUAL(cfg->convert.allow_from.count, 0);
	CU_ASSERT_EQUAL(cfg->convert.allow_to.count, 2);
	CU_ASSERT_EQUAL(cfg->convert.window, 30);
	CU_ASSERT_EQUAL(cfg->convert.unchecked_rate, 2000);
	CU_ASSERT_EQUAL(cfg->convert.pending_per_client, 512);
	CU_ASSERT_EQUAL(cfg->peers[0].port, 8803);
	CU_ASSERT_EQUAL(cfg->peers[0].dialect, CFG_DIALECT_MPGATE);
	CU_ASSERT_EQUAL(cfg->peers[0].ready, 2);
	CU_ASSERT_EQUAL(cfg->peers[0].park, 0);
	CU_ASSERT_EQUAL(cfg->peers[0].accept_to.count, 0);
	CU_ASSERT_EQUAL(cfg->published, 0);
	CU_ASSERT_EQUAL(cfg->group_count, 1);
	CU_ASSERT_TRUE(cfg->groups[0].implied);
	CU_ASSERT_STRING_EQUAL(cfg->groups[0].name, "hub1");
	CU_ASSERT_EQUAL(cfg->rules[0].link, -1);
	CU_ASSERT_EQUAL(cfg->rules[0].group, 0);
	CU_ASSERT_EQUAL(cfg->rules[0].connect, CFG_HONEST);
	CU_ASSERT_EQUAL(cfg->rules[0].if_down, CFG_IF_DOWN_DIRECT);
	CU_ASSERT_EQUAL(cfg->rules[0].line, 7);
	CU_ASSERT_EQUAL(cfg->rules[0].mptcp, CFG_MPTCP_PASS);
	CU_ASSERT_FALSE(cfg->rules[0].from_given);
	CU_ASSERT_FALSE(cfg->default_proxy);
	CU_ASSERT_EQUAL(cfg->timeouts.first_bytes_ms, 1);
	CU_ASSERT_EQUAL(cfg->timeouts.peer, 5);
	CU_ASSERT_EQUAL(cfg->timeouts.connect, 15);
	CU_ASSERT_EQUAL(cfg->timeouts.header, 5);
	CU_ASSERT_EQUAL(cfg->timeouts.idle, 7200);
	CU_ASSERT_EQUAL(cfg->timeouts.half_closed, 300);
	CU_ASSERT_EQUAL(cfg->timeouts.keepalive, 15);
	CU_ASSERT_EQUAL(cfg->limits.connections, 8192);
	CU_ASSERT_EQUAL(cfg->limits.request_rate, 4000);
	CU_ASSERT_EQUAL(cfg->limits.buffer_mib, 64);
	CU_ASSERT_EQUAL(cfg->limits.kernel_mib, 0);
	CU_ASSERT_EQUAL(cfg->mark.value, 0x6d700000);
	CU_ASSERT_EQUAL(cfg->mark.mask, 0xffff0000);
	CU_ASSERT_PTR_NULL(cfg->metrics_listen);
	config_free(cfg);
}

#define KEYED "links: [ { name: wan0, role: path } ]\npeers: [ { name: gw, key-file: a.key } ]\n"
#define SHARED                                                                                                         \
	KEYED "convert: { listen: [ 192.0.2.1 ], join: [ 192.0.2.10, 192.0.2.11 ] }\n"                                 \
	      "transparent: { join: [ 192.0.2.11, 192.0.2.10 ] }\n"

/* Everything at once, nothing at its default. */
static const char full[] =
	"instance: cpe-1\nworkers: 3\nhost: yes\n"
	"links:\n"
	"- { name: lan0, role: lan, early-classify: yes, guard: tc }\n"
	"- { name: wan0, role: path, path: dsl, guard: xdp, congestion: cubic, mark: 5, "
	"gateway: [ 192.0.2.1, \"fe80::1\" ] }\n"
	"- { name: wwan0, role: path, path: lte, use: overflow, guard: xdp-generic, gateway: [ link ] }\n"
	"- { name: net0, role: net }\n"
	"convert:\n"
	"  listen: [ 0.0.0.0, \"::\" ]\n  port: 9000\n  ports: [ 443, 81 ]\n  accept: issued\n  source: preserve\n"
	"  allow-from: [ 10.0.0.0/8, \"fd00::/8\" ]\n  allow-to: [ 192.0.2.0/24, \"2001:db8::/32\" ]\n"
	"  window: 20\n  unchecked-syn-rate: 7\n  pending-per-client: 8\n"
	"peers:\n"
	"- { name: hub1, address: [ 192.0.2.10, \"2001:db8::10\" ], port: 99, ports: [ 443 ], key-file: a.key, "
	"previous-key-file: "
	"b.key,\n"
	"    allow-source: [ 192.168.1.0/24, \"fd01::/64\" ], park: 4, accept-to: [ 192.168.7.0/24, \"fd07::/64\" ] }\n"
	"- { name: hub2, address: [ 192.0.2.11 ], dialect: rfc8803, mode: explicit, ready: 3 }\n"
	"- { name: cpe2, key-file: \"odd: name #1\\u00e9.key\", allow-source: [ 10.9.0.0/16 ] }\n"
	"- { name: way, key-file: way.key, mode: transparent, allow-source: [ 10.7.0.0/16 ] }\n"
	"transparent: { join: [ 192.0.2.1, \"2001:db8::1\" ], port: 8805 }\n"
	"groups:\n- { name: hubs, peers: [ hub2, hub1 ] }\n- { name: farm, peers: [ hub1, hub2 ], choose: client, "
	"weights: [ 3, 256 ] }\n"
	"prefix-sets:\n"
	"- { name: cloud, file: good.txt, prefixes: [ 198.51.100.0/24 ] }\n"
	"policy:\n  default: direct\n  rules:\n"
	"  - { name: r1, to-port: [ 8080-8090, 22, \"23\" ], action: direct }\n"
	"  - { name: r2, link: lan0, from: [ 10.1.0.0/16, \"fd01::/16\" ], from-set: cloud, to-set: cloud,\n"
	"      dscp: [ ef, AF41, cs1, 3, df ], action: proxy, via: hubs, if-down: reject, mptcp: terminate }\n"
	"  - { name: r3, to: [ 203.0.113.1 ], action: proxy, via: hub1, connect: early, join: never, setup: stagger }\n"
	"  - { name: r4, link: host, to: [ 203.0.113.2 ], action: proxy, via: hub1 }\n"
	"  - { name: r5, to: [ 203.0.113.2 ], action: proxy, via: way }\n"
	"  - { name: r6, from: [ 203.0.113.0/24 ], action: terminate, mptcp: learned }\n"
	"publish:\n"
	"- { name: p1, address: [ 198.51.100.25 ], port: [ 25, 587 ], to: 192.168.1.10, via: hub1 }\n"
	"- { name: p2, address: [ \"2001:db8::25\", 198.51.100.25 ], port: [ 8000-8099 ], to: \"fd00::10\",\n"
	"    to-port: 9000-9099, via: hub1, link: net0, from: [ 10.0.0.0/8, \"fd00::/8\" ], from-set: cloud,\n"
	"    dscp: [ ef ], connect: early, if-down: reject }\n"
	"- { name: p3, address: [ 198.51.100.25 ], port: [ 80 ], to: 192.168.1.10, to-port: 8080, via: hub1 }\n"
	"timeouts: { first-bytes-ms: 0, peer: 6, connect: 2, header: 3, idle: 4, half-closed: 5, keepalive: 0 }\n"
	"subflows: { join: at-once, setup: duplicate, demote: no, pace: no }\n"
	"limits: { connections: 100, request-rate: 70, buffer-mib: 2, kernel-mib: 3 }\n"
	"metrics: { listen: \"::1\", port: 1234, token-file: a.key }\n"
	"mark: { value: 0x100, mask: 0xff00 }\n"
	"mapping-log: { log: true, file: maps.log, collector: \"2001:db8::99\", port: 2055, transport: tcp, domain: 7 "
	"}\n";

static void test_everything(void)
{
	static const uint8_t dscp[] = { 0, 3, 8, 34, 46 };
	struct cfg_error err;
	struct config *cfg;
	int r = parse(full, &cfg, &err);

	if (r)
		printf("\n%s\n", err.text);
	CU_ASSERT_EQUAL_FATAL(r, 0);
	CU_ASSERT_EQUAL(cfg->workers, 3);
	CU_ASSERT_TRUE(cfg->host);
	CU_ASSERT_TRUE(cfg->links[0].early_classify);
	CU_ASSERT_EQUAL(cfg->links[0].guard, CFG_GUARD_TC);
	CU_ASSERT_STRING_EQUAL(cfg->links[2].path, "lte");
	CU_ASSERT_EQUAL(cfg->links[2].use, CFG_OVERFLOW);
	CU_ASSERT_EQUAL(cfg->links[3].role, CFG_NET);
	CU_ASSERT_TRUE(cfg->convert.listening);
	CU_ASSERT_EQUAL(cfg->convert.listen_count, 2);
	CU_ASSERT_EQUAL(cfg->convert.accept, CFG_ACCEPT_ISSUED);
	CU_ASSERT_EQUAL(cfg->peers[1].ready, 3);
	CU_ASSERT_EQUAL(cfg->convert.source, CFG_PRESERVE);
	CU_ASSERT_EQUAL(cfg->peers[0].address_count, 2);
	CU_ASSERT_STRING_EQUAL(cfg->peers[0].previous_key_file, "b.key");
	CU_ASSERT_PTR_NULL(cfg->peers[1].key_file);
	CU_ASSERT_EQUAL(cfg->peers[0].allow_source.count, 2);
	CU_ASSERT_EQUAL(cfg->peers[1].allow_source.count, 0);
	CU_ASSERT_EQUAL(cfg->peers[0].same_key, -1);
	CU_ASSERT_EQUAL(cfg->peers[0].park, 4);
	CU_ASSERT_EQUAL(cfg->peers[0].accept_to.count, 2);
	CU_ASSERT_EQUAL(cfg->limits.request_rate, 70);
	CU_ASSERT_EQUAL(cfg->peers[0].mode, CFG_EXPLICIT);
	CU_ASSERT_EQUAL(cfg->peers[3].mode, CFG_TRANSPARENT);
	CU_ASSERT_TRUE(config_has_transparent(cfg));
	CU_ASSERT_TRUE(cfg->transparent.accept);
	CU_ASSERT_EQUAL(cfg->transparent.join_count, 2);
	CU_ASSERT_EQUAL(cfg->transparent.port, 8805);
	CU_ASSERT_EQUAL(cfg->group_count, 4);
	CU_ASSERT_EQUAL(cfg->groups[0].choose, CFG_CHOOSE_ORDER);
	CU_ASSERT_PTR_NULL(cfg->groups[0].weights);
	CU_ASSERT_EQUAL(cfg->groups[1].choose, CFG_CHOOSE_CLIENT);
	CU_ASSERT_EQUAL(cfg->groups[1].weights[1], 256);
	CU_ASSERT_EQUAL(cfg->groups[0].peers[0], 1);
	CU_ASSERT_EQUAL(cfg->sets[0].prefixes.count, 4);
	CU_ASSERT_EQUAL(cfg->published, 3);
	CU_ASSERT_EQUAL(cfg->rules[3].port_count, 2);
	CU_ASSERT_EQUAL(cfg->rules[3].ports[0].from, 22);
	CU_ASSERT_EQUAL(cfg->rules[3].ports[0].to, 23);
	CU_ASSERT_EQUAL(cfg->rules[4].dscp_count, COUNT(dscp));
	CU_ASSERT_EQUAL(memcmp(cfg->rules[4].dscp, dscp, sizeof(dscp)), 0);
	CU_ASSERT_EQUAL(cfg->rules[4].if_down, CFG_IF_DOWN_REJECT);
	CU_ASSERT_EQUAL(cfg->rules[4].mptcp, CFG_MPTCP_TERMINATE);
	CU_ASSERT_EQUAL(cfg->rules[4].to_set, 0);
	CU_ASSERT_EQUAL(cfg->rules[5].group, 2);
	CU_ASSERT_EQUAL(cfg->rules[6].link, CFG_LINK_HOST);
	CU_ASSERT_TRUE(cfg->rules[8].terminate && !cfg->rules[8].proxy && cfg->rules[8].group < 0);
	CU_ASSERT_EQUAL(cfg->rules[8].mptcp, CFG_MPTCP_LEARNED);
	for (unsigned i = 0; i < cfg->link_count; i++)
		CU_ASSERT_TRUE(config_rule_takes(cfg, &cfg->rules[8], i));
	CU_ASSERT_FALSE(config_rule_takes_host(&cfg->rules[8]));
	CU_ASSERT_TRUE(config_learns(cfg));
	CU_ASSERT_EQUAL(cfg->timeouts.first_bytes_ms, 0);
	CU_ASSERT_EQUAL(cfg->limits.kernel_mib, 3);
	CU_ASSERT_EQUAL(cfg->metrics_port, 1234);
	CU_ASSERT_STRING_EQUAL(cfg->metrics_token_file, "a.key");
	CU_ASSERT_EQUAL(cfg->mark.value, 0x100);
	CU_ASSERT_EQUAL(cfg->mark.mask, 0xff00);
	config_free(cfg);
}

/* --- equal configurations, apart from lines */

static bool same_text(const char *a, const char *b)
{
	return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

#define SAME_BYTES(a, b, list, count)                                                                                  \
	((a)->count == (b)->count &&                                                                                   \
	 ((a)->count == 0 || memcmp((a)->list, (b)->list, (a)->count * sizeof(*(a)->list)) == 0))

static bool same_prefixes(const struct cfg_prefixes *a, const struct cfg_prefixes *b)
{
	return SAME_BYTES(a, b, p, count);
}

static bool same_rule(const struct cfg_rule *a, const struct cfg_rule *b)
{
	return same_text(a->name, b->name) && a->link == b->link && same_prefixes(&a->from, &b->from) &&
	       same_prefixes(&a->to, &b->to) && a->from_set == b->from_set && a->to_set == b->to_set &&
	       a->from_given == b->from_given && a->to_given == b->to_given && SAME_BYTES(a, b, ports, port_count) &&
	       SAME_BYTES(a, b, dscp, dscp_count) && a->proxy == b->proxy && a->group == b->group &&
	       a->connect == b->connect && a->if_down == b->if_down && a->mptcp == b->mptcp && a->join == b->join &&
	       a->setup == b->setup && a->terminate == b->terminate && a->published == b->published &&
	       SAME_BYTES(a, b, paths, path_count) && a->steer == b->steer &&
	       memcmp(&a->target, &b->target, sizeof(a->target)) == 0 && a->target_port == b->target_port;
}

static bool same_ports(const struct cfg_ports *a, const struct cfg_ports *b)
{
	return a->count == b->count && !memcmp(a->port, b->port, a->count * sizeof(a->port[0]));
}

static bool same_convert(const struct cfg_convert *a, const struct cfg_convert *b)
{
	return a->listening == b->listening && SAME_BYTES(a, b, listen, listen_count) &&
	       SAME_BYTES(a, b, join, join_count) && a->port == b->port && same_ports(&a->ports, &b->ports) &&
	       a->accept == b->accept && a->source == b->source && same_prefixes(&a->allow_from, &b->allow_from) &&
	       same_prefixes(&a->allow_to, &b->allow_to) && a->window == b->window &&
	       a->unchecked_rate == b->unchecked_rate && a->pending_per_client == b->pending_per_client &&
	       same_prefixes(&a->pool, &b->pool) && a->pool_ports.from == b->pool_ports.from &&
	       a->pool_ports.to == b->pool_ports.to && a->per_subscriber == b->per_subscriber;
}

static bool same_mapping_log(const struct cfg_mapping_log *a, const struct cfg_mapping_log *b)
{
	return a->log == b->log && same_text(a->file, b->file) && a->exports == b->exports &&
	       !memcmp(&a->collector, &b->collector, sizeof(a->collector)) && a->port == b->port &&
	       a->transport == b->transport && a->domain == b->domain;
}

static bool same_peer(const struct cfg_peer *a, const struct cfg_peer *b)
{
	return same_text(a->name, b->name) && SAME_BYTES(a, b, address, address_count) && a->port == b->port &&
	       same_ports(&a->ports, &b->ports) && a->mode == b->mode && same_text(a->key_file, b->key_file) &&
	       same_text(a->previous_key_file, b->previous_key_file) && a->dialect == b->dialect &&
	       a->ready == b->ready && same_prefixes(&a->allow_source, &b->allow_source) && a->park == b->park &&
	       same_prefixes(&a->accept_to, &b->accept_to);
}

static bool same_transparent(const struct cfg_transparent *a, const struct cfg_transparent *b)
{
	return a->accept == b->accept && SAME_BYTES(a, b, join, join_count) && a->port == b->port;
}

/* The second of two whose keys have one name pays for it, wherever the name stands, and nobody else. */
static void test_keys_of_one_name(void)
{
	static const struct {
		const char *peers;
		int same[3];
	} cases[] = {
		{ "- { name: x, key-file: a.key }\n- { name: y, key-file: copy.key }\n- { name: z, key-file: b.key }\n",
		  { -1, 0, -1 } },
		{ "- { name: x, key-file: b.key, previous-key-file: a.key }\n- { name: y, dialect: rfc8803 }\n"
		  "- { name: z, key-file: copy.key }\n",
		  { -1, -1, 0 } },
		{ "- { name: x, key-file: a.key }\n- { name: y, key-file: b.key, previous-key-file: copy.key }\n"
		  "- { name: z, key-file: a.key }\n",
		  { -1, 0, 1 } },
		{ "- { name: x, key-file: a.key, previous-key-file: copy.key }\n- { name: y, key-file: b.key }\n"
		  "- { name: z, dialect: rfc8803 }\n",
		  { -1, -1, -1 } },
	};
	char text[512], why[128];
	struct cfg_error err;
	struct config *cfg;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), "peers:\n%s", cases[i].peers);
		CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
		for (unsigned k = 0; k < 3; k++) {
			CU_ASSERT_EQUAL(cfg->peers[k].same_key, cases[i].same[k]);
			CU_ASSERT_EQUAL(config_left_out(cfg, k, why, sizeof(why)), cases[i].same[k] >= 0);
			CU_ASSERT(cases[i].same[k] < 0 || strstr(why, cfg->peers[cases[i].same[k]].name));
		}
		config_free(cfg);
	}
}

static bool same_link(const struct cfg_link *a, const struct cfg_link *b)
{
	return same_text(a->name, b->name) && a->role == b->role && same_text(a->path, b->path) && a->use == b->use &&
	       a->guard == b->guard && a->early_classify == b->early_classify && a->no_detour == b->no_detour &&
	       a->up_mbit == b->up_mbit && a->down_mbit == b->down_mbit && a->quota_mib == b->quota_mib &&
	       a->quota_day == b->quota_day && same_text(a->congestion, b->congestion) && a->mark == b->mark &&
	       !memcmp(a->gateway, b->gateway, sizeof(a->gateway)) && a->gateway_link == b->gateway_link;
}

static bool same_lists(const struct config *a, const struct config *b)
{
	bool same = a->link_count == b->link_count && a->peer_count == b->peer_count &&
		    a->group_count == b->group_count && a->set_count == b->set_count &&
		    a->rule_count == b->rule_count && a->published == b->published;
	unsigned i;

	for (i = 0; same && i < a->link_count; i++)
		same = same_link(&a->links[i], &b->links[i]);
	for (i = 0; same && i < a->peer_count; i++)
		same = same_peer(&a->peers[i], &b->peers[i]);
	for (i = 0; same && i < a->group_count; i++)
		same = same_text(a->groups[i].name, b->groups[i].name) &&
		       SAME_BYTES(&a->groups[i], &b->groups[i], peers, peer_count) &&
		       a->groups[i].implied == b->groups[i].implied && a->groups[i].choose == b->groups[i].choose &&
		       !a->groups[i].weights == !b->groups[i].weights &&
		       (!a->groups[i].weights || SAME_BYTES(&a->groups[i], &b->groups[i], weights, peer_count));
	for (i = 0; same && i < a->set_count; i++)
		same = same_text(a->sets[i].name, b->sets[i].name) &&
		       same_prefixes(&a->sets[i].prefixes, &b->sets[i].prefixes);
	for (i = 0; same && i < a->rule_count; i++)
		same = same_rule(&a->rules[i], &b->rules[i]);
	return same;
}

static bool same_config(const struct config *a, const struct config *b)
{
	return same_text(a->instance, b->instance) && a->workers == b->workers && same_lists(a, b) &&
	       same_convert(&a->convert, &b->convert) && same_mapping_log(&a->mapping_log, &b->mapping_log) &&
	       same_transparent(&a->transparent, &b->transparent) && a->default_proxy == b->default_proxy &&
	       memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)) == 0 &&
	       memcmp(&a->subflows, &b->subflows, sizeof(a->subflows)) == 0 &&
	       memcmp(&a->limits, &b->limits, sizeof(a->limits)) == 0 &&
	       same_text(a->metrics_listen, b->metrics_listen) && a->metrics_port == b->metrics_port &&
	       same_text(a->metrics_token_file, b->metrics_token_file) && a->mark.value == b->mark.value &&
	       a->mark.mask == b->mark.mask;
}

static void round_trip(const char *text)
{
	struct config *cfg, *again;
	struct cfg_error err;
	char *printed;
	int r;

	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
	printed = config_print(cfg);
	CU_ASSERT_PTR_NOT_NULL_FATAL(printed);
	r = parse(printed, &again, &err);
	if (r)
		printf("\n%s\n%s\n", printed, err.text);
	CU_ASSERT_EQUAL_FATAL(r, 0);
	CU_ASSERT_TRUE(same_config(cfg, again));
	config_free(again);
	config_free(cfg);
	free(printed);
}

static void test_round_trip(void)
{
	unsigned i;

	round_trip(full);
	/* With another source, and what needs it; and with half a log. */
	round_trip("convert:\n  pool: [ 198.18.0.0/28, \"2001:db8:9::/64\" ]\n  pool-ports: 20000-29999\n"
		   "  connections-per-subscriber: 100\nmapping-log: { log: true }\n");
	round_trip("mapping-log: { file: /var/log/maps }\n");
	round_trip(SHARED);
	round_trip("mapping-log: { collector: 192.0.2.1 }\n");
	round_trip("{}");
	round_trip(RULES "  - { name: r" VIA);
	for (i = 0; i < COUNT(reachable); i++)
		round_trip(reachable[i]);
}

/* Where a peer is dialed: all addresses at its own port, then at the others. */
static void test_ends(void)
{
	struct cfg_error err = { "" };
	struct config *cfg;
	struct cfg_end end[CFG_PEER_ENDS];
	struct cfg_peer *p;

	CU_ASSERT_EQUAL_FATAL(parse(full, &cfg, &err), 0);
	p = &cfg->peers[0];
	CU_ASSERT_EQUAL(config_ends(p, end), 4);
	for (unsigned i = 0; i < 4; i++) {
		CU_ASSERT_EQUAL(end[i].port, i < 2 ? 99 : 443);
		CU_ASSERT_EQUAL(memcmp(&end[i].addr, &p->address[i % 2], sizeof(end[i].addr)), 0);
	}
	p->port = 443; /* as DNS may say */
	CU_ASSERT_EQUAL(config_ends(p, end), 2);
	p->port = 8803;
	for (unsigned i = 1; i < CFG_PORTS - 1; i++)
		p->ports.port[p->ports.count++] = (uint16_t)i;
	p->ports.port[p->ports.count - 1] = 8803;
	CU_ASSERT_EQUAL(config_ends(p, end), 6);
	p->ports.port[p->ports.count - 1] = 7;
	CU_ASSERT_EQUAL(config_ends(p, end), CFG_PEER_ENDS);
	CU_ASSERT_EQUAL(config_ends(&cfg->peers[2], end), 0);
	CU_ASSERT_TRUE(cfg_has_port(&cfg->convert.ports, 81));
	CU_ASSERT_FALSE(cfg_has_port(&cfg->convert.ports, 9000));
	config_free(cfg);
}

/* Where joins come to the port of Convert, somebody listens. */
static void test_join(void)
{
	static const struct {
		const char *listen, *join;
		unsigned listens;
	} cases[] = { { "192.0.2.1, \"2001:db8::1\"", "192.0.2.10, \"2001:db8::10\"", 4 },
		      { "192.0.2.1, \"::\"", "192.0.2.10, \"2001:db8::10\"", 3 },
		      { "0.0.0.0", "192.0.2.10", 1 },
		      { "192.0.2.1, 192.0.2.10", "192.0.2.10", 2 } };
	char text[256];
	struct cfg_error err;
	struct config *cfg;

	for (unsigned i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), KEYED "convert: { listen: [ %s ], join: [ %s ] }\n", cases[i].listen,
			 cases[i].join);
		CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
		CU_ASSERT_EQUAL(cfg->convert.listen_count, cases[i].listens);
		config_free(cfg);
	}
	/* With transparent the kernel listens itself. */
	CU_ASSERT_EQUAL_FATAL(parse(SHARED, &cfg, &err), 0);
	CU_ASSERT(cfg->convert.listen_count == 1 && cfg->convert.join_count == 2);
	config_free(cfg);
}

static void test_hint(void)
{
	static const char text[] = "links:\n- { name: lan0, role: lan }\n- { name: dsl, role: path }\n"
				   "- { name: lte, role: path }\n- { name: sat, role: path, use: backup }\n" PEER
				   "policy:\n  rules:\n  - { name: r" VIA;
	static const struct {
		unsigned mbit[4];
		const char *slow; /* NULL: no hint */
	} cases[] = {
		{ { 10, 1000, 130, 0 }, NULL },
		{ { 1000, 1000, 1000, 1 }, NULL }, /* a backup is not bonded */
		{ { 1, 1000, 126, 0 }, NULL }, /* nor is the lan */
		{ { 0, 1000, 125, 0 }, "link lte has 125 Mbit/s and link dsl 1000" },
		{ { 0, 10, 1000, 0 }, "link dsl has 10 Mbit/s and link lte 1000" },
		{ { 0, 1000, 0, 0 }, NULL }, /* unknown */
		{ { 0 }, NULL },
	};
	struct cfg_error err;
	struct config *cfg;
	char hint[CFG_HINT];

	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		bool any = config_hint(cfg, cases[i].mbit, hint);

		CU_ASSERT_EQUAL(any, cases[i].slow != NULL);
		if (any && cases[i].slow)
			CU_ASSERT_PTR_NOT_NULL(strstr(hint, cases[i].slow));
	}
	config_free(cfg);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "rules that can match are taken", test_reachable },
		{ "defaults", test_defaults },
		{ "everything given", test_everything },
		{ "where a peer is dialed", test_ends },
		{ "print and read again", test_round_trip },
		{ "where joins come to", test_join },
		{ "a hint for unequal links", test_hint },
		{ "two keys of one name cost the second peer", test_keys_of_one_name },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("config", tests);
}
