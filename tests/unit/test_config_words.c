// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration reader: what it says of common mistakes, in its own words. */
#include "config_test.h"

#define MEANS "has a meaning of its own at the beginning of a word: put the word in quotes"
#define COLON                                                                                                          \
	"a ':' that is not expected: a key above lacks its ': ', or this line is indented otherwise than its "         \
	"neighbours"
#define DASH "indented otherwise than the lines above, or a '-' is missing"
#define OTHERWISE "indented otherwise than the lines above, or a value that goes on behind its end"
#define EMPTY "a value is missing, or it needs quotes, as in \"::\""
#define MORE "more than the configuration, which ends above, or indented less than that"
#define RULE "policy:\n  rules:\n  - { name: r, action: direct, "
#define KNOWN_OF_RULES                                                                                                 \
	"; known: name, link, from, from-set, to, to-set, to-port, dscp, action, via, connect, if-down, mptcp, join, " \
	"setup, paths, steer, weights"
#define KNOWN_OF_PEERS                                                                                                 \
	"; known: name, address, port, ports, domain, from, mode, key-file, previous-key-file, dialect, ready, "       \
	"allow-source, park, accept-to"
#define KNOWN_OF_LINKS                                                                                                 \
	"; known: name, role, path, use, guard, early-classify, detour, up-mbit, down-mbit, quota-mib, "               \
	"quota-reset-day, congestion, mark, gateway"
#define KNOWN_AT_TOP                                                                                                   \
	"; known: instance, workers, host, links, convert, transparent, peers, groups, prefix-sets, policy, publish, " \
	"dhcp, subflows, timeouts, limits, metrics, mark, mapping-log"
#define PORT "is an address with a port: a port goes into `port`"
#define BRACKETS "is an address in brackets: leave them out"
#define NO_RANGE "is no port or range of ports (1 to 65535)"
#define BLANK "which is no blank here: use plain ones"
#define MISSING "a quote is missing, in this line or the next ones"
#define ACTIONS "is not one of direct, proxy, terminate"

struct fault {
	const char *text, *error; /* the error without "test.yaml:" */
};

static void expect(const struct fault *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct config *cfg = NULL;
		struct cfg_error err;
		char want[600];
		int r = parse(f[i].text, &cfg, &err);

		CU_ASSERT_EQUAL(r, -EINVAL);
		snprintf(want, sizeof(want), "test.yaml:%s", f[i].error);
		if (r != -EINVAL || strcmp(err.text, want) != 0) {
			printf("\n%s\n  want: %s\n  got:  %s\n", f[i].text, want, r ? err.text : "no error");
			CU_FAIL("wrong error");
		}
		config_free(cfg);
	}
}

/* What is no YAML. */
static void test_syntax(void)
{
	static const struct fault faults[] = {
		{ "links:\n\t- { name: a }\n", "2: a tab at the beginning of a line: indent with spaces" },
		{ "links:\n  - name: a\n\trole: lan\n", "3: a tab at the beginning of a line: indent with spaces" },
		{ "policy:\n  default: direct\n \trules:\n",
		  "3: a tab at the beginning of a line: indent with spaces" },
		{ "instance: a\x01\n", "1: a byte that is no text" },
		{ "# \xc3\xa9\ninstance: \xc3\x28\n", "2: a byte that is no UTF-8" },
		{ "links:\n- { name: a, role: lan\npeers: []\n", "2: a '{' that is not closed: ',' or '}' is missing" },
		{ "convert:\n  listen: [ 192.0.2.1\n  port: 1\n",
		  "2: a list that is not closed: ',' or ']' is missing" },
		{ RULE "to-port: [ \"80, \"443\" ] }\n", "3: " MISSING },
		{ "links:\n- { name: \"a, role: lan }\n- { name: \"b\", role: lan }\n", "2: " MISSING },
		{ "links:\n  - name: a\n  \xc2\xa0 role: lan\n", "3: no-break space U+00A0, " BLANK },
		{ "# '\xc2\xa0 b\nlinks:\n\xe3\x80\x80- name: a\n  role: lan\n",
		  "3: ideographic space U+3000, " BLANK },
		{ "# a\xc2\xa0"
		  "b\ninstance: 'c\xc2\xa0"
		  "d'\nworkers\n",
		  "3: a key without a ': ' behind it" },
		{ "instance a\nworkers: 1\n", "2: " COLON },
		{ "workers:1\ninstance: a\n", "2: " COLON },
		{ "instance: a: b\n", "1: " COLON },
		{ "instance: a\n  workers: 1\n", "2: " COLON },
		{ "workers: 1\ninstance\n", "2: a key without a ': ' behind it" },
		{ "convert: { listen: [ 10.0.0.1, :: ] }\n", "1: " EMPTY },
		{ "links: - name: a\n", "1: a '-' that is not expected: an entry of a list begins a line of its own, "
					"below the list's key" },
		{ "links:\n  - name: a\n   role: lan\n", "3: " DASH },
		{ "links:\n  - name: a\n    role: lan\n   path: x\n", "4: " DASH },
		{ "links:\n  - name: a\n  name: b\n", "3: " DASH },
		{ "policy:\n    default: direct\n  rules: []\n", "3: " OTHERWISE },
		{ "instance: \"a\" b\n", "1: " OTHERWISE },
		{ "instance: [ a, , b ]\n", "1: " EMPTY },
		{ "instance: a\npeers: \"x\nlinks: []\n", "2: a quote that is not closed" },
		{ "instance: 'a\n---\n", "1: a quote that is not closed" },
		{ "instance: \"a\\q\"\n", "1: a '\\' that means nothing here: in single quotes it stands for itself" },
		{ "instance: \"\\xzz\"\n", "1: a '\\' that means nothing here: in single quotes it stands for itself" },
		{ "instance: *\n", "1: '*' or '&' " MEANS },
		{ "instance: *a\n", "1: '*' " MEANS },
		{ "instance: !x!y a\n", "1: '!' " MEANS },
		{ "instance: @home\n", "1: this character " MEANS },
		{ "instance: `a`\n", "1: this character " MEANS },
		{ "instance: |x\n", "1: '|' or '>' " MEANS },
		{ "%instance: a\n", "1: '%' " MEANS },
		{ "instance: a\n...\nworkers: 1\n", "3: " MORE },
		{ "  instance: a\nworkers: 1\n", "2: " MORE },
	};

	expect(faults, COUNT(faults));
}

/* Keys and words: what may have been meant, and all that there are. */
static void test_near(void)
{
	static const struct fault faults[] = {
		{ RULE "to-ports: [ 1 ] }\n",
		  "3: 'to-ports' is not known here; did you mean 'to-port'?" KNOWN_OF_RULES },
		{ RULE "to_port: [ 1 ] }\n", "3: 'to_port' is not known here; did you mean 'to-port'?" KNOWN_OF_RULES },
		{ RULE "To-Port: [ 1 ] }\n", "3: 'To-Port' is not known here; did you mean 'to-port'?" KNOWN_OF_RULES },
		{ RULE "to-prot: [ 1 ] }\n", "3: 'to-prot' is not known here; did you mean 'to-port'?" KNOWN_OF_RULES },
		{ RULE "form: [ 10.0.0.0/8 ] }\n", "3: 'form' is not known here; did you mean 'from'?" KNOWN_OF_RULES },
		/* Of no key so much is the same. */
		{ RULE "protocol: tcp }\n", "3: 'protocol' is not known here" KNOWN_OF_RULES },
		{ RULE "tos: 1 }\n", "3: 'tos' is not known here" KNOWN_OF_RULES },
		{ RULE "\"\": 1 }\n", "3: '' is not known here" KNOWN_OF_RULES },
		{ RULE "to-port-or-ports-of-whatever-comes-in-here: 1 }\n",
		  "3: 'to-port-or-ports-of-whatever-comes-in-here' is not known here" KNOWN_OF_RULES },
		{ "peers:\n- name: a\n  addresses: [ 192.0.2.1 ]\n",
		  "3: 'addresses' is not known here; did you mean 'address'?" KNOWN_OF_PEERS },
		{ "peers:\n- name: a\n  keyfile: a.key\n",
		  "3: 'keyfile' is not known here; did you mean 'key-file'?" KNOWN_OF_PEERS },
		{ "peers:\n- name: a\n  previous_keyfile: a.key\n",
		  "3: 'previous_keyfile' is not known here; did you mean 'previous-key-file'?" KNOWN_OF_PEERS },
		{ "policy:\n  rules:\n  - name: r\n    action: drop\n", "4: action: 'drop' " ACTIONS },
		{ "policy:\n  rules:\n  - name: r\n    action: prxy\n",
		  "4: action: 'prxy' " ACTIONS "; did you mean 'proxy'?" },
		{ "policy:\n  rules:\n  - name: r\n    action: Direct\n",
		  "4: action: 'Direct' " ACTIONS "; did you mean 'direct'?" },
		{ "policy:\n  rules:\n  - name: r\n    action:\n", "4: action: '' " ACTIONS },
		{ "host: ture\n", "1: host: 'ture' is not one of false, true, no, yes, off, on; did you mean 'true'?" },
		/* One letter of three is too much: that would be the wrong one. */
		{ "links:\n- { name: wan0, role: wan }\n", "2: role: 'wan' is not one of lan, path, net" },
		{ "links:\n- { name: wan0, role: LAN }\n",
		  "2: role: 'LAN' is not one of lan, path, net; did you mean 'lan'?" },
	};

	expect(faults, COUNT(faults));
}

/* Keys of another level, and those without a blank behind their ':'. */
static void test_places(void)
{
	static const struct fault faults[] = {
		{ "rules: []\n", "1: 'rules' is not known here, but below policy" KNOWN_AT_TOP },
		{ "via: hub\n", "1: 'via' is not known here, but below policy.rules, below publish" KNOWN_AT_TOP },
		{ "links:\n- { name: a, role: lan, peers: [] }\n",
		  "2: 'peers' is not known here, but at the top level, below groups" KNOWN_OF_LINKS },
		{ "links:\n- { name: a, role: path, mbit: 10 }\n",
		  "2: 'mbit' is not known here; did you mean 'up-mbit' or 'down-mbit'?" KNOWN_OF_LINKS },
		{ RULE "port: [ 80 ] }\n", "3: 'port' is not known here; did you mean 'to-port'?" KNOWN_OF_RULES },
		{ "links:\n- { name:lan0, role: lan }\n", "2: 'name:lan0': a blank is missing behind 'name:'" },
		{ "links:\n- { name: a, role\xc2\xa0: lan }\n",
		  "2: 'role<no-break space U+00A0>' is not known here" KNOWN_OF_LINKS },
	};

	expect(faults, COUNT(faults));
}

/* Addresses, prefixes and ports: what was meant. */
static void test_meant(void)
{
	static const struct fault faults[] = {
		{ "peers:\n- { name: a, dialect: rfc8803, address: [ 192.0.2.1:88 ] }\n", "2: '192.0.2.1:88' " PORT },
		{ "peers:\n- { name: a, dialect: rfc8803, address: [ \"[2001:db8::1]:88\" ] }\n",
		  "2: '[2001:db8::1]:88' " PORT },
		{ "peers:\n- { name: a, dialect: rfc8803, address: [ \"[2001:db8::1]\" ] }\n",
		  "2: '[2001:db8::1]' " BRACKETS },
		{ "metrics: { listen: \"0.0.0.0:9\" }\n", "1: '0.0.0.0:9' " PORT },
		{ "metrics: { listen: \"[1]\" }\n", "1: '[1]' is no address" },
		{ RULE "to: [ \"[2001:db8::/32]\" ] }\n", "3: '[2001:db8::/32]' " BRACKETS },
		{ RULE "to: [ 10.0.0.1:80 ] }\n",
		  "3: '10.0.0.1:80' is an address with a port: in a rule a port goes into `to-port`" },
		{ RULE "to: [ any ] }\n",
		  "3: 'any' is no prefix: all are 0.0.0.0/0 and \"::/0\", and a rule without this "
		  "key takes all, too" },
		{ RULE "to: [ 10.1.2.3/15 ] }\n",
		  "3: '10.1.2.3/15' has bits set past its length; did you mean 10.0.0.0/15?" },
		{ RULE "to: [ \"2001:db8:ff::1/36\" ] }\n",
		  "3: '2001:db8:ff::1/36' has bits set past its length; did you mean 2001:db8::/36?" },
		{ RULE "to: [ 10.0.0.1/0 ] }\n",
		  "3: '10.0.0.1/0' has bits set past its length; did you mean 0.0.0.0/0?" },
		{ RULE "to-port: [ 80:90 ] }\n", "3: '80:90' " NO_RANGE "; did you mean 80-90?" },
		{ RULE "to-port: [ \"80 - 90\" ] }\n", "3: '80 - 90' " NO_RANGE "; did you mean 80-90?" },
		{ RULE "to-port: [ 80..90 ] }\n", "3: '80..90' " NO_RANGE "; did you mean 80-90?" },
		{ RULE "to-port: [ 90:80 ] }\n", "3: '90:80' " NO_RANGE },
		{ RULE "to-port: [ \"80,90\" ] }\n", "3: '80,90' " NO_RANGE },
		{ RULE "to-port: [ 123456:7 ] }\n", "3: '123456:7' " NO_RANGE },
	};

	expect(faults, COUNT(faults));
}

/* A value of another kind: what belongs there. */
static void test_kinds(void)
{
	static const struct fault faults[] = {
		{ RULE "to-port: 443 }\n", "3: to-port must be a list, as in [ 443 ]" },
		{ RULE "to: 10.0.0.0/8 }\n", "3: to must be a list, as in [ 10.0.0.0/8 ]" },
		{ RULE "to: \"::/0\" }\n", "3: to must be a list, as in [ \"::/0\" ]" },
		{ RULE "to: }\n", "3: to must be a list, as in [ a, b ]" },
		{ RULE "to: { a: b } }\n", "3: to must be a list, as in [ a, b ]" },
		{ RULE "to: [ [ 10.0.0.0/8 ] ] }\n", "3: to must be a word, not a list" },
		{ RULE "via: [ hub ] }\n", "3: via must be a word, not a list" },
		{ RULE "connect: { early: yes } }\n", "3: connect must be a word, not keys with values" },
		{ "peers:\n  name: hub\n  key-file: a.key\n", "2: peers must be a list, as in [ { name: ... } ]" },
		{ "links:\n  lan0: { role: lan }\n", "2: links must be a list, as in [ { name: ..., role: ... } ]" },
		{ "links: [ lan0 ]\n",
		  "1: an entry of links must be keys with values, as in { name: ..., role: ... }" },
		{ "convert: yes\n", "1: convert must be keys with values, as in { listen: ... }" },
		{ "policy:\n- name: r\n", "2: policy must be keys with values, as in { default: ... }" },
		{ "policy:\n", "1: policy must be keys with values, as in { default: ... }" },
		{ "just a text\n", "1: the configuration must be keys with values, as in { instance: ... }" },
	};

	expect(faults, COUNT(faults));
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "what is no YAML", test_syntax },	   { "a word that is nearly right", test_near },
		{ "a key at another place", test_places }, { "an address that is nearly one", test_meant },
		{ "a value of another kind", test_kinds }, CU_TEST_INFO_NULL,
	};

	return config_test_run("config words", tests);
}
