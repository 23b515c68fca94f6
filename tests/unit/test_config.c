// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration reader: every fault with its line, the defaults, and the
 * way from print back to an equal configuration. Runs in a directory of its
 * own, with key files and prefix sets made for it.
 */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lib/config.h>
#include <lib/keys.h>

#include "cunit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DEADLINE 300 /* seconds: far above what any correct run takes, also under a sanitizer */

static char directory[] = "/tmp/mpg-test-config-XXXXXX";

static int parse(const char *text, struct config **cfg, struct cfg_error *err)
{
	return config_parse(text, strlen(text), "test.yaml", ".", cfg, err);
}

/* What many cases start with: four lines. */
#define LINKS "links:\n- { name: lan0, role: lan }\n- { name: wan0, role: path }\n"
#define PEER "peers: [ { name: hub1, address: [ 192.0.2.1 ], key-file: a.key } ]\n"
#define RULES LINKS PEER "policy:\n  rules:\n" /* the first rule is in line 7 */
#define VIA ", action: proxy, via: hub1 }\n"

static const struct {
	const char *text, *error; /* the error without "test.yaml:", unless it begins with '/' for "as it is" */
} faults[] = {
	/* the document */
	{ "", "1: the file says nothing" },
	{ "# nothing\n", "1: the file says nothing" },
	{ "instance: [ a\n", "2: did not find expected ',' or ']'" },
	{ "instance: a\n\tworkers: 1\n", "2: found a tab character that violates indentation" },
	{ "a: 1\nb: \xff\n", "2: invalid leading UTF-8 octet" },
	{ "instance: a\n---\ninstance: b\n", "3: more than one document" },
	{ "- a\n", "1: Expecting MAPPING, got event: SEQUENCE_START" },
	{ "[ 1, 2 ]: 3\n", "1: a key must be a word" },
	{ "workers: 1\ninstance: a\nworkers: 2\n", "3: 'workers' is given twice (first in line 1)" },
	{ "links:\n- { name: a,\n    name: b }\n", "3: 'name' is given twice (first in line 2)" },
	{ "instance: &x a\nlinks:\n- { name: *x, role: lan }\n", "3: aliases ('*name') are not taken here" },
	/* keys and types */
	{ "instance: a\nlinkz: []\n", "2: Unexpected key: linkz" },
	{ "links:\n- { name: lan0, role: lan }\n- { name: wan0, role: path, speed: 3 }\n", "3: Unexpected key: speed" },
	{ "policy:\n  rules:\n  - { name: r, action: direct, to-prot: [ 1 ] }\n", "3: Unexpected key: to-prot" },
	{ "links: 7\n", "1: Expecting SEQUENCE, got event: SCALAR" },
	{ "links:\n- lan0\n", "2: Expecting MAPPING, got event: SCALAR" },
	{ "links:\n- { role: lan }\n", "2: Missing required mapping field: name" },
	{ "links:\n- { name: lan0 }\n", "2: Missing required mapping field: role" },
	{ "links:\n- { name: lan0, role: wan }\n", "2: Invalid ENUM value: wan" },
	{ "links:\n- { name: lan0, role: lan, early-classify: maybe }\n", "2: Invalid ENUM value: maybe" },
	{ "workers: many\n", "1: Invalid uint64_t value: 'many'" },
	{ "workers: -1\n", "1: Invalid UINT value: '-1'" },
	{ "workers: 4294967296\n", "1: Invalid UINT value: '4294967296'" },
	{ "workers: [ 1 ]\n", "1: Expecting UINT, got event: SEQUENCE_START" },
	{ "instance: \"\"\n", "1: STRING length < 1: " },
	{ "policy: { default: block }\n", "1: Invalid ENUM value: block" },
	{ "convert:\n  accept: all\n", "2: Invalid ENUM value: all" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5 "
	  "]\n",
	  "4: more than 4 addresses" },
	{ "convert: { accept: open, allow-from: [ 192.0.2.0/24 ], listen: [ 1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4, "
	  "1.1.1.5, 1.1.1.6, 1.1.1.7, 1.1.1.8, 1.1.1.9 ] }\n",
	  "1: more than 8 addresses" },
	/* not in this version */
	{ "\npublish: [ { address: 192.0.2.1 } ]\n", "2: publish is not available in this version" },
	{ "\npublish: yes\n", "2: publish is not available in this version" },
	{ "policy:\n  default: proxy\n", "2: default: proxy is not available in this version" },
	{ "peers:\n- name: a\n  mode: transparent\n", "3: mode: transparent is not available in this version" },
	{ RULES "  - name: r\n    action: proxy\n    via: hub1\n    connect: honest\n",
	  "10: connect: honest is not available in this version" },
	/* numbers and names */
	{ "instance: a/b\n", "1: instance 'a/b': a name is made of letters, digits, '-', '_' and '.'" },
	{ "instance: a.b\n", "1: instance 'a.b': '.' is not allowed here" },
	{ "instance: abcdefghijabcdefghijabcdefghijab\n",
	  "1: instance 'abcdefghijabcdefghijabcdefghijab': a name has 31 letters at most" },
	{ "workers: 65\n", "1: workers: 65 is not between 0 and 64" },
	{ "timeouts:\n  idle: 0\n", "2: idle: 0 is not between 1 and 2592000" },
	{ "timeouts: { peer: 0 }\n", "1: peer: 0 is not between 1 and 2592000" },
	{ "timeouts: { connect: 0 }\n", "1: connect: 0 is not between 1 and 2592000" },
	{ "timeouts: { header: 0 }\n", "1: header: 0 is not between 1 and 2592000" },
	{ "timeouts: { half-closed: 0 }\n", "1: half-closed: 0 is not between 1 and 2592000" },
	{ "timeouts: { first-bytes-ms: 1001 }\n", "1: first-bytes-ms: 1001 is not between 0 and 1000" },
	{ "limits:\n  buffer-mib: 0\n", "2: buffer-mib: 0 is not between 1 and 65536" },
	{ "limits: { connections: 1000001 }\n", "1: connections: 1000001 is not between 0 and 1000000" },
	{ "metrics: { port: 1 }\n", "1: metrics: a port needs a listen address" },
	{ "metrics:\n  listen: localhost\n", "2: 'localhost' is no address" },
	{ "metrics:\n  listen: \"::1\"\n  port: 0\n", "3: port: 0 is not between 1 and 65535" },
	/* links */
	{ "links:\n- { name: lan0, role: lan }\n- { name: lan0, role: path }\n", "3: link 'lan0' is there twice" },
	{ "links:\n- { name: interface-of-16, role: lan }\n- { name: interface-of-16b, role: lan }\n",
	  "3: link 'interface-of-16b': an interface name has 15 letters at most" },
	{ "links:\n- { name: a/b, role: lan }\n", "2: link 'a/b' is no interface name" },
	{ "links:\n- { name: \"a\\tb\", role: lan }\n", "2: link 'a?b' is no interface name" },
	{ "links:\n- { name: .., role: lan }\n", "2: link '..' is no interface name" },
	{ "links:\n- name: lan0\n  role: lan\n  path: x\n", "4: link 'lan0': only a link with role path has a path" },
	{ "links:\n- name: net0\n  role: net\n  use: backup\n",
	  "4: link 'net0': only a link with role path has a use" },
	{ "links:\n- name: wan0\n  role: path\n  early-classify: true\n",
	  "4: link 'wan0': only a link with role lan classifies" },
	{ "links:\n- name: wan0\n  role: path\n  path: a b\n",
	  "4: path 'a b': a name is made of letters, digits, '-', '_' and '.'" },
	/* convert */
	{ "convert:\n  listen: []\n", "2: listen: the list is empty" },
	{ "convert:\n  port: 1\n  listen: [ \"::\" ]\n", "1: accept: keyed needs a peer with a key-file" },
	{ "convert:\n  listen: [ \"::\" ]\n  accept: open\n",
	  "3: accept: open needs allow-from, or anyone could use this relay" },
	{ "convert:\n  accept: issued\n  listen:\n  - 192.0.2.1\n  - 192.0.2\n", "5: '192.0.2' is no address" },
	{ "convert:\n  accept: issued\n  listen:\n  - \"::\"\n  - \"::\"\n", "5: address '::' is there twice" },
	{ "convert:\n  port: 0\n", "2: port: 0 is not between 1 and 65535" },
	{ "convert:\n  port: 65536\n", "2: port: 65536 is not between 1 and 65535" },
	{ "convert:\n  window: 0\n", "2: window: 0 is not between 1 and 3600" },
	{ "convert:\n  unchecked-syn-rate: 0\n", "2: unchecked-syn-rate: 0 is not between 1 and 1000000" },
	{ "convert:\n  pending-per-client: 0\n", "2: pending-per-client: 0 is not between 1 and 1000000" },
	{ "convert:\n  allow-from: [ 10.0.0.0/8,\n    10.0.0.1/8 ]\n", "3: '10.0.0.1/8' has bits set past its length" },
	{ "convert:\n  allow-from: []\n", "2: allow-from: the list is empty" },
	{ "convert:\n  allow-to: []\n", "2: allow-to: the list is empty" },
	{ "convert:\n  allow-to: [ 2001:db8::/129 ]\n", "2: '2001:db8::/129' is no prefix" },
	/* peers and keys */
	{ "peers:\n- { name: a, dialect: rfc8803 }\n- { name: a, dialect: rfc8803 }\n", "3: peer 'a' is there twice" },
	{ "peers:\n- { name: a b, dialect: rfc8803 }\n",
	  "2: peer 'a b': a name is made of letters, digits, '-', '_' and '.'" },
	{ "peers:\n- name: a\n", "2: peer 'a' needs a key-file (only dialect rfc8803 does without)" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  previous-key-file: a.key\n",
	  "4: peer 'a': a previous-key-file needs a key-file" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: []\n", "4: address: the list is empty" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  as: gateway\n",
	  "4: peer 'a': as: gateway needs the peer's address" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1,\n hub ]\n",
	  "5: 'hub' is no unicast address" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 224.0.0.1 ]\n", "4: '224.0.0.1' is no unicast address" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ \"::\" ]\n", "4: '::' is no unicast address" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  port: 0\n", "4: port: 0 is not between 1 and 65535" },
	{ "peers:\n- name: a\n  key-file: none.key\n", "3: key file 'none.key': No such file or directory" },
	{ "peers:\n- name: a\n  key-file: open.key\n",
	  "3: key file 'open.key' can be read by others: its mode must be 0600" },
	{ "peers:\n- name: a\n  key-file: group.key\n",
	  "3: key file 'group.key' can be read by others: its mode must be 0600" },
	{ "peers:\n- name: a\n  key-file: junk.key\n", "3: 'junk.key' holds no key" },
	{ "peers:\n- name: a\n  key-file: a.key\n  previous-key-file: junk.key\n", "4: 'junk.key' holds no key" },
	{ "peers:\n- { name: x, key-file: a.key }\n- name: y\n  key-file: copy.key\n",
	  "4: the key of peer 'y' has the id of another key, of peer 'x'" },
	{ "peers:\n- { name: x, key-file: b.key, previous-key-file: a.key }\n- { name: y, key-file: copy.key }\n",
	  "3: the key of peer 'y' has the id of another key, of peer 'x'" },
	{ "peers:\n- name: x\n  key-file: a.key\n  previous-key-file: copy.key\n",
	  "4: the key of peer 'x' has the id of another key, of peer 'x'" },
	/* groups */
	{ PEER "groups:\n- { name: g, peers: [ hub1 ] }\n- { name: g, peers: [ hub1 ] }\n",
	  "4: group 'g' is there twice" },
	{ PEER "groups:\n- { name: hub1, peers: [ hub1 ] }\n", "3: group 'hub1' has the name of a peer" },
	{ PEER "groups:\n- name: g\n  peers: []\n", "4: group 'g' has no peers" },
	{ PEER "groups:\n- name: g\n", "3: group 'g' has no peers" },
	{ PEER "groups:\n- name: g\n  peers: [ hub1, hub2 ]\n", "4: group 'g': there is no peer 'hub2'" },
	{ PEER "groups:\n- name: g\n  peers:\n  - hub1\n  - hub1\n", "6: group 'g': peer 'hub1' is there twice" },
	{ PEER "groups:\n- name: g\n  peers: [ a, a, a, a, a, a, a, a, a ]\n",
	  "4: group 'g': 9 peers are more than 8" },
	/* prefix sets */
	{ "prefix-sets:\n- { name: s, prefixes: [ 10.0.0.0/8 ] }\n- { name: s, prefixes: [ 10.0.0.0/8 ] }\n",
	  "3: prefix set 's' is there twice" },
	{ "prefix-sets:\n- name: s\n", "2: prefix set 's' is empty" },
	{ "prefix-sets:\n- { name: s, file: empty.txt }\n", "2: prefix set 's' is empty" },
	{ "prefix-sets:\n- name: s\n  prefixes:\n  - 10.0.0.0/8\n  - 10.0.0.0/40\n", "5: '10.0.0.0/40' is no prefix" },
	{ "prefix-sets:\n- name: s\n  file: none.txt\n", "3: prefix set file 'none.txt': No such file or directory" },
	{ "prefix-sets:\n- name: s\n  file: /dev/null\n", "3: prefix set file '/dev/null': not a regular file" },
	{ "prefix-sets:\n- name: s\n  file: .\n", "3: prefix set file '.': Is a directory" },
	{ "prefix-sets:\n- { name: s, file: bad.txt }\n", "/bad.txt:4: '10.0.0.300' is no prefix" },
	{ "prefix-sets:\n- { name: s, file: host.txt }\n",
	  "/host.txt:1: '2001:db8::1/32' has bits set past its length" },
	/* rules */
	{ RULES "  - { name: r, link: lan1" VIA, "7: there is no link 'lan1'" },
	{ RULES "  - name: r\n    link: wan0\n    action: direct\n",
	  "8: rule 'r' can never match: link 'wan0' has not role lan" },
	{ RULES "  - name: r\n    action: proxy\n    via: hub2\n", "9: there is no group or peer 'hub2'" },
	{ RULES "  - name: r\n    action: direct\n    via: hub1\n", "9: rule 'r': via needs action: proxy" },
	{ RULES "  - name: r\n    action: proxy\n", "7: rule 'r': action: proxy needs via" },
	{ RULES "  - name: r\n", "7: Missing required mapping field: action" },
	{ RULES "  - { name: r, from-set: s" VIA, "7: there is no prefix set 's'" },
	{ RULES "  - { name: r, to-set: s" VIA, "7: there is no prefix set 's'" },
	{ RULES "  - { name: r, from: []" VIA, "7: from: the list is empty" },
	{ RULES "  - { name: r, to: []" VIA, "7: to: the list is empty" },
	{ RULES "  - name: r\n    from:\n    - 10.0.0.0/8\n    - 10.0.0.1/8\n    action: direct\n",
	  "10: '10.0.0.1/8' has bits set past its length" },
	{ RULES "  - name: r\n    to: [ 10.0.0.0/8,\n      x ]\n    action: direct\n", "9: 'x' is no prefix" },
	{ RULES "  - { name: r, to-port: []" VIA, "7: to-port: the list is empty" },
	{ RULES "  - { name: r, to-port: [ 0 ]" VIA, "7: '0' is no port or range of ports (1 to 65535)" },
	{ RULES "  - { name: r, to-port: [ 65536 ]" VIA, "7: '65536' is no port or range of ports (1 to 65535)" },
	{ RULES "  - { name: r, to-port: [ http ]" VIA, "7: 'http' is no port or range of ports (1 to 65535)" },
	{ RULES "  - { name: r, to-port: [ 80- ]" VIA, "7: '80-' is no port or range of ports (1 to 65535)" },
	{ RULES "  - { name: r, to-port: [ 80-90x ]" VIA, "7: '80-90x' is no port or range of ports (1 to 65535)" },
	{ RULES "  - { name: r, to-port: [ 90-80 ]" VIA, "7: '90-80' is an empty range" },
	{ RULES "  - { name: r, dscp: []" VIA, "7: dscp: the list is empty" },
	{ RULES "  - { name: r, dscp: [ ef, 64 ]" VIA,
	  "7: '64' is no DSCP (0 to 63, or a name such as ef, af41, cs1)" },
	{ RULES "  - { name: r, dscp: [ af14 ]" VIA,
	  "7: 'af14' is no DSCP (0 to 63, or a name such as ef, af41, cs1)" },
	{ RULES "  - { name: r, to-port: [ 1 ]" VIA "  - { name: r, to-port: [ 2 ]" VIA, "8: rule 'r' is there twice" },
	{ RULES "  - { name: abcdefghijabcdefghijabcdefghijab" VIA,
	  "7: rule 'abcdefghijabcdefghijabcdefghijab': a name has 31 letters at most" },
	{ RULES "  - { name: r, from: [ 10.0.0.0/8 ], to: [ \"2001:db8::/32\" ]" VIA,
	  "7: rule 'r' can never match: source and destination are never of one IP version" },
	{ "links: [ { name: wan0, role: path } ]\n" PEER "policy:\n  rules:\n  - { name: r" VIA,
	  "5: rule 'r' can never match: no link has role lan" },
	{ LINKS "peers: [ { name: hub1, key-file: a.key } ]\npolicy:\n  rules:\n  - { name: r" VIA,
	  "7: rule 'r': peer 'hub1' has no address to send connections to" },
	/* rules that others cover */
	{ RULES "  - { name: x" VIA "  - { name: y" VIA, "8: rule 'y' can never match: rule 'x' (line 7) covers it" },
	{ RULES "  - { name: x" VIA "  - { name: y, link: lan0, to-port: [ 1 ], dscp: [ 1 ], to: [ 10.0.0.0/8 ]" VIA,
	  "8: rule 'y' can never match: rule 'x' (line 7) covers it" },
	{ RULES "  - { name: x, link: lan0" VIA "  - { name: y" VIA,
	  "8: rule 'y' can never match: rule 'x' (line 7) covers it" },
	{ RULES "  - { name: x, to-port: [ 1-10, 11-20 ]" VIA "  - { name: y, to-port: [ 5-15 ]" VIA,
	  "8: rule 'y' can never match: rule 'x' (line 7) covers it" },
	{ RULES "  - { name: x, to-port: [ 1-65535 ]" VIA "  - { name: y" VIA,
	  "8: rule 'y' can never match: rule 'x' (line 7) covers it" },
	{ RULES "  - { name: x, to: [ 10.0.0.0/8, \"2001:db8::/32\" ]" VIA
		"  - { name: y, to: [ \"2001:db8:1::/48\", 10.1.0.0/16 ]" VIA,
	  "8: rule 'y' can never match: rule 'x' (line 7) covers it" },
	{ RULES "  - { name: x, from: [ 0.0.0.0/0, \"::/0\" ]" VIA "  - { name: y" VIA,
	  "8: rule 'y' can never match: rule 'x' (line 7) covers it" },
	{ RULES "  - { name: x, dscp: [ 1, 2, 3 ]" VIA "  - { name: y, dscp: [ 2 ]" VIA,
	  "8: rule 'y' can never match: rule 'x' (line 7) covers it" },
	{ "prefix-sets: [ { name: s, prefixes: [ 10.0.0.0/8 ] } ]\n" RULES "  - { name: x, to-set: s" VIA
	  "  - { name: z, to-port: [ 80 ]" VIA
	  "  - { name: y, to-set: s, to: [ 10.9.0.0/16 ], from: [ 10.0.0.0/8 ]" VIA,
	  "10: rule 'y' can never match: rule 'x' (line 8) covers it" },
};

static void test_faults(void)
{
	for (unsigned i = 0; i < COUNT(faults); i++) {
		struct config *cfg = (struct config *)&faults, *before = cfg;
		struct cfg_error err;
		char want[600];
		int r;

		if (faults[i].error[0] == '/')
			snprintf(want, sizeof(want), "%s", faults[i].error + 1);
		else
			snprintf(want, sizeof(want), "test.yaml:%s", faults[i].error);
		r = parse(faults[i].text, &cfg, &err);
		CU_ASSERT_EQUAL(r, -EINVAL);
		CU_ASSERT_PTR_EQUAL(cfg, before);
		if (r != -EINVAL || strcmp(err.text, want) != 0) {
			printf("\n%s\n  want: %s\n  got:  %s\n", faults[i].text, want, r ? err.text : "no error");
			CU_FAIL("wrong error");
		}
		if (!r)
			config_free(cfg);
	}
}

/* Rules that look alike, but each has something of its own. */
static const char *const reachable[] = {
	RULES "  - { name: x, to-port: [ 80 ]" VIA "  - { name: y" VIA,
	RULES "  - { name: x, to: [ 0.0.0.0/0 ]" VIA "  - { name: y" VIA,
	RULES "  - { name: x, to-port: [ 1-10, 12-20 ]" VIA "  - { name: y, to-port: [ 5-15 ]" VIA,
	RULES "  - { name: x, to: [ 10.1.0.0/16 ]" VIA "  - { name: y, to: [ 10.0.0.0/8 ]" VIA,
	RULES "  - { name: x, to: [ 10.0.0.0/8 ]" VIA "  - { name: y, to: [ 10.0.0.0/8, 11.0.0.0/8 ]" VIA,
	RULES "  - { name: x, dscp: [ 1 ]" VIA "  - { name: y, dscp: [ 1, 2 ]" VIA,
	"links: [ { name: lan0, role: lan }, { name: lan1, role: lan } ]\n" PEER
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
	CU_ASSERT_EQUAL(cfg->convert.pending_per_client, 64);
	CU_ASSERT_EQUAL(cfg->peers[0].port, 8803);
	CU_ASSERT_EQUAL(cfg->peers[0].dialect, CFG_DIALECT_MPGATE);
	CU_ASSERT_EQUAL(cfg->peers[0].as, CFG_AS_GATEWAY);
	CU_ASSERT_EQUAL(cfg->group_count, 1);
	CU_ASSERT_TRUE(cfg->groups[0].implied);
	CU_ASSERT_STRING_EQUAL(cfg->groups[0].name, "hub1");
	CU_ASSERT_EQUAL(cfg->rules[0].link, -1);
	CU_ASSERT_EQUAL(cfg->rules[0].group, 0);
	CU_ASSERT_EQUAL(cfg->rules[0].connect, CFG_EARLY);
	CU_ASSERT_EQUAL(cfg->rules[0].if_down, CFG_IF_DOWN_DIRECT);
	CU_ASSERT_EQUAL(cfg->rules[0].line, 7);
	CU_ASSERT_FALSE(cfg->rules[0].take_mptcp);
	CU_ASSERT_FALSE(cfg->rules[0].from_given);
	CU_ASSERT_FALSE(cfg->default_proxy);
	CU_ASSERT_EQUAL(cfg->timeouts.first_bytes_ms, 1);
	CU_ASSERT_EQUAL(cfg->timeouts.peer, 5);
	CU_ASSERT_EQUAL(cfg->timeouts.connect, 15);
	CU_ASSERT_EQUAL(cfg->timeouts.header, 5);
	CU_ASSERT_EQUAL(cfg->timeouts.idle, 7200);
	CU_ASSERT_EQUAL(cfg->timeouts.half_closed, 300);
	CU_ASSERT_EQUAL(cfg->limits.connections, 8192);
	CU_ASSERT_EQUAL(cfg->limits.buffer_mib, 64);
	CU_ASSERT_PTR_NULL(cfg->metrics_listen);
	config_free(cfg);
}

/* Everything at once, nothing at its default. */
static const char full[] =
	"instance: cpe-1\nworkers: 3\n"
	"links:\n"
	"- { name: lan0, role: lan, early-classify: yes, guard: tc }\n"
	"- { name: wan0, role: path, path: dsl, guard: xdp }\n"
	"- { name: wwan0, role: path, path: lte, use: overflow, guard: xdp-generic }\n"
	"- { name: net0, role: net }\n"
	"convert:\n"
	"  listen: [ 0.0.0.0, \"::\" ]\n  port: 9000\n  accept: issued\n  source: preserve\n"
	"  allow-from: [ 10.0.0.0/8, \"fd00::/8\" ]\n  allow-to: [ 192.0.2.0/24, \"2001:db8::/32\" ]\n"
	"  window: 20\n  unchecked-syn-rate: 7\n  pending-per-client: 8\n"
	"peers:\n"
	"- { name: hub1, address: [ 192.0.2.10, \"2001:db8::10\" ], port: 99, key-file: a.key, previous-key-file: "
	"b.key }\n"
	"- { name: hub2, address: [ 192.0.2.11 ], dialect: rfc8803, mode: explicit }\n"
	"- { name: cpe2, key-file: \"odd: name #1\\u00e9.key\", as: hub }\n"
	"groups:\n- { name: hubs, peers: [ hub2, hub1 ] }\n"
	"prefix-sets:\n"
	"- { name: cloud, file: good.txt, prefixes: [ 198.51.100.0/24 ] }\n"
	"policy:\n  default: direct\n  rules:\n"
	"  - { name: r1, to-port: [ 8080-8090, 22, \"23\" ], action: direct }\n"
	"  - { name: r2, link: lan0, from: [ 10.1.0.0/16, \"fd01::/16\" ], from-set: cloud, to-set: cloud,\n"
	"      dscp: [ ef, AF41, cs1, 3, df ], action: proxy, via: hubs, if-down: reject, mptcp: proxy }\n"
	"  - { name: r3, to: [ 203.0.113.1 ], action: proxy, via: hub1, connect: early }\n"
	"publish: []\n"
	"timeouts: { first-bytes-ms: 0, peer: 6, connect: 2, header: 3, idle: 4, half-closed: 5 }\n"
	"limits: { connections: 100, buffer-mib: 2 }\n"
	"metrics: { listen: \"::1\", port: 1234 }\n";

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
	CU_ASSERT_TRUE(cfg->links[0].early_classify);
	CU_ASSERT_EQUAL(cfg->links[0].guard, CFG_GUARD_TC);
	CU_ASSERT_STRING_EQUAL(cfg->links[2].path, "lte");
	CU_ASSERT_EQUAL(cfg->links[2].use, CFG_OVERFLOW);
	CU_ASSERT_EQUAL(cfg->links[3].role, CFG_NET);
	CU_ASSERT_TRUE(cfg->convert.listening);
	CU_ASSERT_EQUAL(cfg->convert.listen_count, 2);
	CU_ASSERT_EQUAL(cfg->convert.accept, CFG_ACCEPT_ISSUED);
	CU_ASSERT_EQUAL(cfg->convert.source, CFG_PRESERVE);
	CU_ASSERT_EQUAL(cfg->peers[0].address_count, 2);
	CU_ASSERT_STRING_EQUAL(cfg->peers[0].previous_key_file, "b.key");
	CU_ASSERT_PTR_NULL(cfg->peers[1].key_file);
	CU_ASSERT_EQUAL(cfg->peers[2].as, CFG_AS_HUB);
	CU_ASSERT_EQUAL(cfg->group_count, 2);
	CU_ASSERT_EQUAL(cfg->groups[0].peers[0], 1);
	CU_ASSERT_EQUAL(cfg->sets[0].prefixes.count, 4);
	CU_ASSERT_EQUAL(cfg->rules[0].port_count, 2);
	CU_ASSERT_EQUAL(cfg->rules[0].ports[0].from, 22);
	CU_ASSERT_EQUAL(cfg->rules[0].ports[0].to, 23);
	CU_ASSERT_EQUAL(cfg->rules[1].dscp_count, COUNT(dscp));
	CU_ASSERT_EQUAL(memcmp(cfg->rules[1].dscp, dscp, sizeof(dscp)), 0);
	CU_ASSERT_EQUAL(cfg->rules[1].if_down, CFG_IF_DOWN_REJECT);
	CU_ASSERT_TRUE(cfg->rules[1].take_mptcp);
	CU_ASSERT_EQUAL(cfg->rules[1].to_set, 0);
	CU_ASSERT_EQUAL(cfg->rules[2].group, 1);
	CU_ASSERT_EQUAL(cfg->timeouts.first_bytes_ms, 0);
	CU_ASSERT_EQUAL(cfg->metrics_port, 1234);
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
	       a->connect == b->connect && a->if_down == b->if_down && a->take_mptcp == b->take_mptcp;
}

static bool same_convert(const struct cfg_convert *a, const struct cfg_convert *b)
{
	return a->listening == b->listening && SAME_BYTES(a, b, listen, listen_count) && a->port == b->port &&
	       a->accept == b->accept && a->source == b->source && same_prefixes(&a->allow_from, &b->allow_from) &&
	       same_prefixes(&a->allow_to, &b->allow_to) && a->window == b->window &&
	       a->unchecked_rate == b->unchecked_rate && a->pending_per_client == b->pending_per_client;
}

static bool same_peer(const struct cfg_peer *a, const struct cfg_peer *b)
{
	return same_text(a->name, b->name) && SAME_BYTES(a, b, address, address_count) && a->port == b->port &&
	       same_text(a->key_file, b->key_file) && same_text(a->previous_key_file, b->previous_key_file) &&
	       a->dialect == b->dialect && a->as == b->as;
}

static bool same_link(const struct cfg_link *a, const struct cfg_link *b)
{
	return same_text(a->name, b->name) && a->role == b->role && same_text(a->path, b->path) && a->use == b->use &&
	       a->guard == b->guard && a->early_classify == b->early_classify;
}

static bool same_lists(const struct config *a, const struct config *b)
{
	bool same = a->link_count == b->link_count && a->peer_count == b->peer_count &&
		    a->group_count == b->group_count && a->set_count == b->set_count && a->rule_count == b->rule_count;
	unsigned i;

	for (i = 0; same && i < a->link_count; i++)
		same = same_link(&a->links[i], &b->links[i]);
	for (i = 0; same && i < a->peer_count; i++)
		same = same_peer(&a->peers[i], &b->peers[i]);
	for (i = 0; same && i < a->group_count; i++)
		same = same_text(a->groups[i].name, b->groups[i].name) &&
		       SAME_BYTES(&a->groups[i], &b->groups[i], peers, peer_count) &&
		       a->groups[i].implied == b->groups[i].implied;
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
	       same_convert(&a->convert, &b->convert) && a->default_proxy == b->default_proxy &&
	       memcmp(&a->timeouts, &b->timeouts, sizeof(a->timeouts)) == 0 &&
	       memcmp(&a->limits, &b->limits, sizeof(a->limits)) == 0 &&
	       same_text(a->metrics_listen, b->metrics_listen) && a->metrics_port == b->metrics_port;
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
	round_trip("{}");
	round_trip(RULES "  - { name: r" VIA);
	for (i = 0; i < COUNT(reachable); i++)
		round_trip(reachable[i]);
}

/* A text of `count` items made from a format with one number. */
static char *repeat(const char *head, const char *format, unsigned count)
{
	char *out = NULL;
	size_t len;
	FILE *file = open_memstream(&out, &len);

	fputs(head, file);
	for (unsigned i = 0; i < count; i++) {
		char item[256];

		/* The formats are those of this file. */
		for (const char *c = format; *c; c++)
			if (*c == '%') {
				snprintf(item, sizeof(item), "%u", i + 1);
				fputs(item, file);
			} else {
				fputc(*c, file);
			}
	}
	fclose(file);
	return out;
}

static void test_limits(void)
{
	static const struct {
		const char *head, *format;
		unsigned max;
		const char *error;
	} cases[] = {
		{ "links:\n", "- { name: l%, role: lan }\n", MPGATE_MAX_LINKS, "1: 65 links are more than 64" },
		{ "peers:\n", "- { name: p%, dialect: rfc8803 }\n", MPGATE_MAX_PEERS,
		  "1: 4097 peers are more than 4096" },
		{ PEER "groups:\n", "- { name: g%, peers: [ hub1 ] }\n", MPGATE_MAX_GROUPS,
		  "2: 257 groups are more than 256" },
		{ "prefix-sets:\n", "- { name: s%, prefixes: [ 10.0.0.0/8 ] }\n", 2 * MPGATE_MAX_RULES,
		  "1: 2049 prefix sets are more than 2048" },
		{ RULES, "  - { name: r%, to-port: [ % ]" VIA, MPGATE_MAX_RULES, "6: 1025 rules are more than 1024" },
		{ "convert:\n  allow-from:\n", "  - 2001:db8:%::/48\n", MPGATE_MAX_ALLOW,
		  "2: allow-from: 4097 prefixes are more than 4096" },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		char *most = repeat(cases[i].head, cases[i].format, cases[i].max);
		char *more = repeat(cases[i].head, cases[i].format, cases[i].max + 1);
		struct cfg_error err;
		struct config *cfg;
		char want[256];
		int r = parse(most, &cfg, &err);

		CU_ASSERT_EQUAL(r, 0);
		if (r)
			printf("\n%s\n", err.text);
		else
			config_free(cfg);
		snprintf(want, sizeof(want), "test.yaml:%s", cases[i].error);
		CU_ASSERT_EQUAL_FATAL(parse(more, &cfg, &err), -EINVAL);
		CU_ASSERT_STRING_EQUAL(err.text, want);
		free(most);
		free(more);
	}
}

static void test_longest_instance(void)
{
	static const char name[] = "Abcdefghij-bcdefghij_bcdefghij1"; /* 31 letters */
	struct cfg_error err;
	struct config *cfg;
	char text[64];

	snprintf(text, sizeof(text), "instance: %s\n", name);
	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
	CU_ASSERT_STRING_EQUAL(cfg->instance, name);
	config_free(cfg);
}

/* Peers that rules name count as groups. */
static void test_implied_groups_are_limited(void)
{
	char *peers = repeat(LINKS "peers:\n", "- { name: p%, address: [ 192.0.2.1 ], dialect: rfc8803 }\n",
			     MPGATE_MAX_GROUPS + 1);
	char *rules = repeat("policy:\n  rules:\n", "  - { name: r%, to-port: [ % ], action: proxy, via: p% }\n",
			     MPGATE_MAX_GROUPS + 1);
	struct cfg_error err;
	struct config *cfg;
	char *text;

	CU_ASSERT_FATAL(asprintf(&text, "%s%s", peers, rules) > 0);
	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "test.yaml:520: more than 256 groups, peers that rules name included");
	free(text);
	free(rules);
	free(peers);
}

static void test_million_prefixes(void)
{
	static const char text[] = "prefix-sets: [ { name: s, file: million.txt } ]\n";
	FILE *file = fopen("million.txt", "w");
	struct cfg_error err;
	struct config *cfg;
	unsigned i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	for (i = 0; i < CFG_MAX_PREFIXES; i++)
		fprintf(file, i % 2 ? "10.%u.%u.%u\n" : "2001:db8:%x:%x%02x::/64\n", i >> 16, i >> 8 & 255, i & 255);
	fclose(file);
	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
	CU_ASSERT_EQUAL(cfg->sets[0].prefixes.count, CFG_MAX_PREFIXES);
	config_free(cfg);
	file = fopen("million.txt", "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("192.0.2.1\n", file);
	fclose(file);
	CU_ASSERT_EQUAL(parse(text, &cfg, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "million.txt:1048577: more than 1048576 prefixes");
}

/* Paths are relative to the file's directory, and a missing file is told. */
static void test_load(void)
{
	struct cfg_error err;
	struct config *cfg;
	FILE *file;

	CU_ASSERT_EQUAL_FATAL(mkdir("sub", 0700), 0);
	file = fopen("sub/c.yaml", "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("peers: [ { name: a, key-file: ../a.key } ]\n", file);
	fclose(file);
	CU_ASSERT_EQUAL_FATAL(config_load("sub/c.yaml", &cfg, &err), 0);
	CU_ASSERT_STRING_EQUAL(cfg->peers[0].key_file, "sub/../a.key");
	CU_ASSERT_STRING_EQUAL(cfg->path, "sub/c.yaml");
	config_free(cfg);
	CU_ASSERT_EQUAL(config_load("none.yaml", &cfg, &err), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err.text, "none.yaml: cannot be read: No such file or directory");
	CU_ASSERT_EQUAL(config_load("sub", &cfg, &err), -EISDIR);
	CU_ASSERT_STRING_EQUAL(err.text, "sub: cannot be read: Is a directory");
}

/* --- the directory */

static int write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(name, "w");

	if (!file)
		return -1;
	fputs(text, file);
	fclose(file);
	return chmod(name, mode);
}

static int set_up(void)
{
	char line[KEY_LINE];
	struct key key;

	if (!mkdtemp(directory) || chdir(directory) || keys_init())
		return -1;
	key_new(&key, line);
	if (write_file("a.key", line, 0600) || write_file("copy.key", line, 0600))
		return -1;
	if (write_file("open.key", line, 0604) || write_file("group.key", line, 0640))
		return -1;
	if (key_file_create("b.key") || key_file_create("odd: name #1\xc3\xa9.key"))
		return -1;
	return write_file("junk.key", "no key\n", 0600) || write_file("empty.txt", "# none\n\n", 0644) ||
	       write_file("bad.txt", "# a comment\n10.0.0.0/8 # one\n\n10.0.0.300\n", 0644) ||
	       write_file("host.txt", "2001:db8::1/32\n", 0644) ||
	       write_file("good.txt",
			  "# two\r\n  10.0.0.0/8\t# and one inside it\r\n10.1.0.0/16\n\n2001:db8::/32\n192.0.2.1",
			  0644);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void)
{
	return chdir("/") || nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "every fault, with its line", test_faults },
		{ "rules that can match are taken", test_reachable },
		{ "defaults", test_defaults },
		{ "everything given", test_everything },
		{ "print and read again", test_round_trip },
		{ "limits", test_limits },
		{ "the longest instance name", test_longest_instance },
		{ "implied groups are limited", test_implied_groups_are_limited },
		{ "a million prefixes", test_million_prefixes },
		{ "load from a file", test_load },
		CU_TEST_INFO_NULL,
	};

	alarm(DEADLINE);
	return cunit_run("config", tests, set_up, tear_down) ? EXIT_SUCCESS : EXIT_FAILURE;
}
