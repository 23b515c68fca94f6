// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration reader: what is published, and what a gateway keeps open for it. */
#include "config_test.h"

#include <lib/policy.h>

/* Entries begin in line 7. */
#define HUB                                                                                                            \
	"links:\n- { name: net0, role: net }\n- { name: wan0, role: path }\n"                                          \
	"convert: { listen: [ 192.0.2.1, \"::\" ] }\n"                                                                 \
	"peers: [ { name: home, key-file: a.key }, { name: other, dialect: rfc8803, address: [ 192.0.2.2 ] } ]\n"      \
	"publish:\n"
#define SAID(text) HUB "- { name: p, " text " }\n"
#define WHERE "address: [ 198.51.100.25 ], port: [ 25 ]"
#define THERE "to: 192.168.1.10, via: home"
#define ENTRY(name, more) "- { name: " name ", " THERE ", " more " }\n"

static const struct {
	const char *text, *error; /* the error without "test.yaml:" */
} faults[] = {
	{ "publish: yes\n",
	  "1: publish must be a list, as in [ { name: ..., address: ..., port: ..., to: ..., via: ... } ]" },
	{ SAID(WHERE ", " THERE ", mptcp: pass"),
	  "7: 'mptcp' is not known here, but below policy.rules; known: name, address, port, to, "
	  "to-port, via, link, from, from-set, dscp, connect, "
	  "if-down" },
	{ HUB "- { " WHERE ", " THERE " }\n", "7: 'name' is missing" },
	{ HUB "- { name: a b, " WHERE ", " THERE " }\n",
	  "7: publish 'a b': a name is made of letters, digits, '-', '_' and '.'" },
	{ HUB ENTRY("p", WHERE) ENTRY("p", "address: [ 198.51.100.26 ], port: [ 25 ]"),
	  "8: publish 'p' is there twice" },
	{ HUB ENTRY("p", WHERE) "policy:\n  rules:\n  - { name: p, action: direct }\n",
	  "10: rule 'p' has the name of a publish entry" },
	/* address and port */
	{ SAID("port: [ 25 ], " THERE), "7: 'address' is missing" },
	{ SAID("address: [], port: [ 25 ], " THERE), "7: address: the list is empty" },
	{ SAID("address: [ 198.51.100.0/24 ], port: [ 25 ], " THERE), "7: '198.51.100.0/24' is no unicast address" },
	{ SAID("address: [ 198.51.100.25,\n 0.0.0.0 ], port: [ 25 ], " THERE), "8: '0.0.0.0' is no unicast address" },
	{ SAID("address: [ \"::\" ], port: [ 25 ], " THERE), "7: '::' is no unicast address" },
	{ SAID("address: [ 127.0.0.1 ], port: [ 25 ], " THERE),
	  "7: '127.0.0.1' is a loopback address: no other machine reaches it" },
	{ SAID("address: [ \"fe80::1\" ], port: [ 25 ], " THERE),
	  "7: 'fe80::1' is link-local: such addresses are not taken here" },
	{ SAID("address: [ 198.51.100.25, 198.51.100.25 ], port: [ 25 ], " THERE),
	  "7: address '198.51.100.25' is there twice" },
	{ SAID("address: [ 198.51.100.25 ], " THERE), "7: 'port' is missing" },
	{ SAID("address: [ 198.51.100.25 ], port: [], " THERE), "7: port: the list is empty" },
	{ SAID("address: [ 198.51.100.25 ], port: [ 25,\n smtp ], " THERE),
	  "8: 'smtp' is no port or range of ports (1 to 65535)" },
	/* to and to-port */
	{ SAID(WHERE ", via: home"), "7: 'to' is missing" },
	{ SAID(WHERE ", via: home,\n to: 192.168.1.0/24"), "8: '192.168.1.0/24' is no unicast address" },
	{ SAID(WHERE ", via: home,\n to: [ 192.168.1.1 ]"), "8: to must be a word, not a list" },
	{ SAID(WHERE ", via: home,\n to: \"::1\""), "8: '::1' is a loopback address: no other machine reaches it" },
	{ SAID(WHERE ", via: home,\n to: \"ff02::1\""), "8: 'ff02::1' is no unicast address" },
	{ SAID(WHERE ", via: home,\n to: \"fe80::1\""),
	  "8: 'fe80::1' is link-local: such addresses are not taken here" },
	{ SAID("address: [ 198.51.100.25 ], port: [ 25, 26 ], " THERE ",\n to-port: 25-26"),
	  "8: publish 'p': to-port needs a single item in port" },
	{ SAID(WHERE ", " THERE ",\n to-port: 0"), "8: '0' is no port or range of ports (1 to 65535)" },
	{ SAID(WHERE ", " THERE ",\n to-port: 25-26"),
	  "8: publish 'p': the lengths of port and to-port differ: 1 and 2" },
	/* via */
	{ SAID(WHERE ", to: 192.168.1.10"), "7: 'via' is missing" },
	{ SAID(WHERE ", to: 192.168.1.10,\n via: hub"), "8: there is no group or peer 'hub'" },
	{ SAID(WHERE ", to: 192.168.1.10,\n via: other"), "8: publish 'p': peer 'other' has not dialect mpgate" },
	{ "groups: [ { name: g, peers: [ home, other ] } ]\n" SAID(WHERE ", to: 192.168.1.10,\n via: g"),
	  "9: publish 'p': peer 'other' has not dialect mpgate" },
	/* what it matches besides */
	{ SAID(WHERE ", " THERE ",\n link: lan0"), "8: there is no link 'lan0'" },
	{ SAID(WHERE ", " THERE ",\n from: []"), "8: from: the list is empty" },
	{ SAID(WHERE ", " THERE ",\n from-set: s"), "8: there is no prefix set 's'" },
	{ SAID(WHERE ", " THERE ",\n dscp: [ 64 ]"), "8: '64' is no DSCP (0 to 63, or a name such as ef, af41, cs1)" },
	{ SAID(WHERE ", " THERE ",\n from: [ \"fd00::/8\" ]"),
	  "7: publish 'p' can never match: source and destination are never of one IP version" },
	/* where peers reach us */
	{ SAID("address: [ 192.0.2.1 ],\n port: [ 8000-9000 ], " THERE),
	  "8: publish 'p': at port 8803 of its addresses Convert is accepted" },
	{ SAID("address: [ 198.51.100.25, \"2001:db8::25\" ],\n port: [ 25, 8803 ], " THERE),
	  "8: publish 'p': at port 8803 of its addresses Convert is accepted" },
	{ "peers: [ { name: home, key-file: a.key } ]\npublish: [ { name: p, " WHERE ", " THERE " } ]\n",
	  "2: publish needs a link that connections arrive on" },
	/* what others cover */
	{ HUB ENTRY("p", WHERE) ENTRY("q", WHERE ", link: net0"),
	  "8: publish 'q' can never match: publish 'p' (line 7) covers it" },
	{ HUB ENTRY(
		  "p",
		  WHERE) "policy:\n  rules:\n  - { name: r, to: [ 198.51.100.25 ], to-port: [ 25 ], action: direct }\n",
	  "10: rule 'r' can never match: publish 'p' (line 7) covers it" },
	/* a policy rule goes on to need an address of its peer */
	{ LINKS "peers: [ { name: home, key-file: a.key } ]\npublish: [ { name: p, " WHERE ", " THERE " } ]\n"
		"policy:\n  rules:\n  - { name: r, action: proxy, via: home }\n",
	  "8: rule 'r': peer 'home' has no address to send connections to" },
	/* the gateway */
	{ "peers:\n- name: a\n  address: [ 192.0.2.1 ]\n  dialect: rfc8803\n  key-file: a.key\n  park: 1\n",
	  "6: peer 'a': park needs dialect mpgate" },
	{ "peers:\n- name: a\n  park: 1\n", "2: peer 'a' needs a key-file (only dialect rfc8803 does without)" },
	{ "peers:\n- name: a\n  key-file: a.key\n  accept-to: [ 10.0.0.0/8 ]\n  park: 1\n",
	  "5: peer 'a': park needs an address" },
	{ "peers:\n- name: a\n  key-file: a.key\n  address: [ 192.0.2.1 ]\n  park: 1\n",
	  "5: peer 'a': park needs accept-to: the prefixes that it may connect to" },
	{ "peers:\n- name: a\n  key-file: a.key\n  address: [ 192.0.2.1 ]\n  accept-to: [ 10.0.0.0/8 ]\n  park: 33\n",
	  "6: park: 33 is not between 0 and 32" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  accept-to: [ 10.0.0.0/8 ]\n",
	  "4: peer 'a': accept-to needs a key-file" },
	{ "peers:\n- name: a\n  key-file: a.key\n  accept-to: [ 10.0.0.1/8 ]\n",
	  "4: '10.0.0.1/8' has bits set past its length; did you mean 10.0.0.0/8?" },
	{ "peers:\n- name: a\n  key-file: a.key\n  accept-to: []\n", "4: accept-to: the list is empty" },
	{ "convert: { listen: [ \"::\" ], source: preserve }\npeers:\n- name: a\n  key-file: a.key\n"
	  "  address: [ 192.0.2.1 ]\n  accept-to: [ 10.0.0.0/8 ]\n  park: 1\n",
	  "3: peer 'a' needs allow-source, since convert.source is preserve: the prefixes of its hosts" },
};

static void test_faults(void)
{
	for (unsigned i = 0; i < COUNT(faults); i++) {
		struct config *cfg = NULL;
		struct cfg_error err;
		char want[600];
		int r = parse(faults[i].text, &cfg, &err);

		snprintf(want, sizeof(want), "test.yaml:%s", faults[i].error);
		CU_ASSERT_EQUAL(r, -EINVAL);
		CU_ASSERT_PTR_NULL(cfg);
		if (r != -EINVAL || strcmp(err.text, want) != 0) {
			printf("\n%s\n  want: %s\n  got:  %s\n", faults[i].text, want, r ? err.text : "no error");
			CU_FAIL("wrong error");
		}
		config_free(cfg);
	}
}

/* Entries that look as if they were refused. */
static const char *const taken[] = {
	HUB ENTRY("p", "address: [ 198.51.100.25 ], port: [ 8803 ]"),
	HUB ENTRY("p", "address: [ 192.0.2.1, \"2001:db8::25\" ], port: [ 8802, 8804 ]"),
	HUB ENTRY("p", WHERE ", link: net0") ENTRY("q", WHERE),
	HUB ENTRY("p", WHERE ", link: net0") ENTRY("q", WHERE ", link: wan0"),
	HUB ENTRY("p", WHERE ", if-down: reject") "policy:\n  rules:\n  - { name: r, action: direct }\n",
	SAID("address: [ \"2001:db8::25\" ], port: [ 25-26 ], to: 192.168.1.10, to-port: 65534-65535, via: home"),
	/* no lan link, no address of the peer, and its group has a name of its own */
	"groups: [ { name: g, peers: [ home ] } ]\n" SAID(WHERE ", to: 192.168.1.10, via: g"),
	LINKS
	"peers: [ { name: hub, key-file: a.key, address: [ 192.0.2.1 ], park: 32, accept-to: [ 10.0.0.0/8 ] } ]\n",
	"peers: [ { name: a, dialect: rfc8803, park: 0 }, { name: b, key-file: a.key, accept-to: [ \"::/0\" ] } ]\n",
	"publish: []\n",
};

static void test_taken(void)
{
	for (unsigned i = 0; i < COUNT(taken); i++) {
		struct cfg_error err;
		struct config *cfg = NULL;
		int r = parse(taken[i], &cfg, &err);

		CU_ASSERT_EQUAL(r, 0);
		if (r)
			printf("\n%s\n  got:  %s\n", taken[i], err.text);
		config_free(cfg);
	}
}

static const char both[] =
	HUB "- { name: mail, " WHERE ", " THERE " }\n"
	    "- { name: web, address: [ 198.51.100.25, \"2001:db8::25\" ], port: [ 8000-8099 ], to: \"fd00::10\",\n"
	    "    to-port: 9000-9099, via: home, link: wan0, connect: early, if-down: reject }\n"
	    "policy:\n  rules:\n  - { name: ssh, to-port: [ 22 ], action: direct }\n";

static bool is_address(const struct mpgate_addr *a, const char *text)
{
	char buf[ADDR_TEXT];

	return !strcmp(addr_print(a, buf), text);
}

static void test_meaning(void)
{
	struct cfg_error err;
	struct config *cfg;

	CU_ASSERT_EQUAL_FATAL(parse(both, &cfg, &err), 0);
	CU_ASSERT_EQUAL(cfg->published, 2);
	CU_ASSERT_EQUAL_FATAL(cfg->rule_count, 3);
	CU_ASSERT_STRING_EQUAL(cfg->rules[0].name, "mail");
	CU_ASSERT_EQUAL(cfg->rules[0].line, 7);
	CU_ASSERT_EQUAL(cfg->rules[0].link, -1);
	CU_ASSERT_FALSE(cfg->rules[0].from_given);
	CU_ASSERT_TRUE(is_address(&cfg->rules[0].target, "192.168.1.10"));
	CU_ASSERT_EQUAL(cfg->rules[0].target_port, 0);
	CU_ASSERT_EQUAL(cfg->rules[0].connect, CFG_HONEST);
	CU_ASSERT_EQUAL(cfg->rules[0].if_down, CFG_IF_DOWN_DIRECT);
	CU_ASSERT_EQUAL_FATAL(cfg->rules[1].to.count, 2);
	CU_ASSERT_EQUAL(cfg->rules[1].to.p[0].len, 32);
	CU_ASSERT_EQUAL(cfg->rules[1].to.p[1].len, 128);
	CU_ASSERT_EQUAL(cfg->rules[1].link, 1);
	CU_ASSERT_TRUE(is_address(&cfg->rules[1].target, "fd00::10"));
	CU_ASSERT_EQUAL(cfg->rules[1].target_port, 9000);
	CU_ASSERT_EQUAL(cfg->rules[1].connect, CFG_EARLY);
	CU_ASSERT_EQUAL(cfg->rules[1].if_down, CFG_IF_DOWN_REJECT);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_TRUE(cfg->rules[i].published && cfg->rules[i].proxy &&
			       cfg->rules[i].mptcp == CFG_MPTCP_TERMINATE);
		CU_ASSERT_TRUE(cfg->rules[i].to_given);
		CU_ASSERT_EQUAL(cfg->rules[i].to_set, -1);
		CU_ASSERT_EQUAL(cfg->rules[i].group, 0);
	}
	CU_ASSERT_TRUE(cfg->groups[0].implied);
	CU_ASSERT_FALSE(cfg->rules[2].published);
	CU_ASSERT_EQUAL(cfg->rules[2].target_port, 0);
	config_free(cfg);
}

static void test_compiled(void)
{
	static const uint16_t slots[2] = { 3, 4 };
	static const uint32_t ids[3] = { 1, 2, 3 };
	struct policy_image img;
	struct cfg_error err;
	struct config *cfg;

	CU_ASSERT_EQUAL_FATAL(parse(both, &cfg, &err), 0);
	CU_ASSERT_EQUAL_FATAL(policy_compile(cfg, slots, ids, (const uint64_t[2]){ 0 }, &img), 0);
	CU_ASSERT_EQUAL(img.policy.rules, 3);
	CU_ASSERT_EQUAL(img.rules[0].action, MPGATE_PROXY);
	CU_ASSERT_EQUAL(img.rules[0].flags, MPGATE_RULE_TAKE_MPTCP | MPGATE_RULE_HONEST | MPGATE_RULE_PUBLISHED);
	CU_ASSERT_EQUAL(img.rules[1].flags, MPGATE_RULE_TAKE_MPTCP | MPGATE_RULE_REJECT | MPGATE_RULE_PUBLISHED);
	CU_ASSERT_EQUAL(img.rules[2].flags, MPGATE_RULE_HONEST);
	CU_ASSERT_EQUAL(img.groups[img.rules[0].group].peers[0], 3);
	/* A link of the network takes what is published there, and nothing of the policy. */
	CU_ASSERT_EQUAL(img.bitmaps[img.link_bitmap[0]].rules[0], 1);
	CU_ASSERT_EQUAL(img.bitmaps[img.link_bitmap[1]].rules[0], 3);
	CU_ASSERT_EQUAL(img.exact_count, 2);
	CU_ASSERT_EQUAL(img.policy.exact[MPGATE_DST], 1);
	policy_free(&img);
	config_free(cfg);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "every fault, with its line", test_faults },
		{ "entries that only look wrong are taken", test_taken },
		{ "what an entry means", test_meaning },
		{ "the compiled rules", test_compiled },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("publish", tests);
}
