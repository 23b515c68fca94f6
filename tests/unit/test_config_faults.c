// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration reader: every fault is told, with its line. */
#include "config_test.h"

#define TERMINATE "policy:\n  rules:\n  - { name: r, action: terminate" /* the rule is in line 6 */
#define HOST "is a host name: only addresses are taken here, which `getent ahosts` tells of a name"
#define JOIN "transparent: { join: [ 192.0.2.1 ] }\n"
#define CONVERT                                                                                                        \
	"peers: [ { name: gw, key-file: a.key } ]\nconvert:\n  listen: [ 1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4, "         \
	"1.1.1.5, "                                                                                                    \
	"1.1.1.6, 1.1.1.7 ]\n"
#define ISSUED "convert:\n  accept: issued\n  allow-from: [ 192.0.2.0/24 ]\n  listen:\n"

static const struct {
	const char *text, *error; /* the error without "test.yaml:", unless it begins with '/' for "as it is" */
} faults[] = {
	/* the document */
	{ "", "1: the file says nothing" },
	{ "# nothing\n", "1: the file says nothing" },
	{ "instance: [ a\n", "1: a list that is not closed: ',' or ']' is missing" },
	{ "instance: a\n\tworkers: 1\n", "2: a tab at the beginning of a line: indent with spaces" },
	{ "a: 1\nb: \xff\n", "2: a byte that is no UTF-8" },
	{ "instance: a\n---\ninstance: b\n", "3: more than one document" },
	{ "- a\n", "1: the configuration must be keys with values, as in { instance: ... }" },
	{ "[ 1, 2 ]: 3\n", "1: a key must be a word" },
	{ "workers: 1\ninstance: a\nworkers: 2\n", "3: 'workers' is given twice (first in line 1)" },
	{ "links:\n- { name: a,\n    name: b }\n", "3: 'name' is given twice (first in line 2)" },
	{ "instance: &x a\nlinks:\n- { name: *x, role: lan }\n", "3: aliases ('*name') are not taken here" },
	/* keys and types */
	{ "instance: a\nlinkz: []\n",
	  "2: 'linkz' is not known here; did you mean 'links'?; known: instance, workers, host, links, convert, "
	  "transparent, peers, "
	  "groups, prefix-sets, policy, publish, dhcp, subflows, timeouts, limits, metrics, mark, mapping-log" },
	{ "links:\n- { name: lan0, role: lan }\n- { name: wan0, role: path, speed: 3 }\n",
	  "3: 'speed' is not known here; known: name, role, path, use, guard, early-classify, detour, "
	  "up-mbit, down-mbit, quota-mib, quota-reset-day, congestion, mark, gateway" },
	{ "policy:\n  rules:\n  - { name: r, action: direct, to-prot: [ 1 ] }\n",
	  "3: 'to-prot' is not known here; did you mean 'to-port'?; known: name, link, from, from-set, to, to-set, "
	  "to-port, dscp, action, via, "
	  "connect, if-down, mptcp, join, setup, paths, steer, weights" },
	{ "policy:\n  rules:\n  - { name: r, action: direct, join: late }\n", "3: rule 'r': join needs action: proxy" },
	{ "policy:\n  rules:\n  - { name: r, action: direct, setup: stagger }\n",
	  "3: rule 'r': setup needs action: proxy" },
	{ "subflows: { after-ms: 99 }\n", "1: after-ms: 99 is not between 100 and 60000" },
	{ "subflows: { after-kib: 0 }\n", "1: after-kib: 0 is not between 1 and 1048576" },
	{ "links: 7\n", "1: links must be a list, as in [ { name: ..., role: ... } ]" },
	{ "links:\n- lan0\n", "2: an entry of links must be keys with values, as in { name: ..., role: ... }" },
	{ "links:\n- { role: lan }\n", "2: 'name' is missing" },
	{ "links:\n- { name: lan0 }\n", "2: 'role' is missing" },
	{ "links:\n- { name: lan0, role: wan }\n", "2: role: 'wan' is not one of lan, path, net" },
	{ "links:\n- { name: lan0, role: lan, early-classify: maybe }\n",
	  "2: early-classify: 'maybe' is not one of false, true, no, yes, off, on" },
	{ "workers: many\n", "1: workers: 'many' is no number" },
	{ "workers: ''\n", "1: workers: '' is no number" },
	{ "workers: 2.5\n", "1: workers: '2.5' is no number" },
	{ "workers: 0x\n", "1: workers: '0x' is no number" },
	{ "workers: 0x2g\n", "1: workers: '0x2g' is no number" },
	{ "mark: { value: 0x100000000 }\n", "1: value: '0x100000000' is no number" },
	{ "workers: 010\n", "1: workers: '010' is no number" },
	{ "instance: a\ntimeouts: { peer: 3,\n  idle: 2h }\n", "3: idle: '2h' is no number" },
	{ "workers: -1\n", "1: workers: '-1' is no number" },
	{ "workers: 4294967296\n", "1: workers: 4294967296 is too large" },
	{ "workers: [ 1 ]\n", "1: workers must be a number, not a list" },
	{ "instance: \"\"\n", "1: instance: the text is empty" },
	{ "policy: { default: block }\n", "1: default: 'block' is not one of direct, proxy" },
	{ "convert:\n  accept: all\n", "2: accept: 'all' is not one of keyed, issued, open" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1, 192.0.2.2, 192.0.2.3, 192.0.2.4, 192.0.2.5 "
	  "]\n",
	  "4: more than 4 addresses" },
	{ "convert: { accept: open, allow-from: [ 192.0.2.0/24 ], listen: [ 1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4, "
	  "1.1.1.5, 1.1.1.6, 1.1.1.7, 1.1.1.8, 1.1.1.9 ] }\n",
	  "1: more than 8 addresses" },
	/* further ports */
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1 ]\n  ports: [ 1, 2, 3, 4 ]\n",
	  "5: ports: 4 are more than 3" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1 ]\n  ports: []\n",
	  "5: ports: the list is empty" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1 ]\n  ports: [ 0 ]\n",
	  "5: ports: 0 is not a port: 1 to 65535" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1 ]\n  ports: [ 65536 ]\n",
	  "5: ports: 65536 is not a port: 1 to 65535" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1 ]\n  ports: [ 443, 443 ]\n",
	  "5: ports: 443 is there twice" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1 ]\n  ports: [ 8803 ]\n",
	  "5: ports: 8803 is there twice" },
	{ "peers:\n- name: a\n  key-file: a.key\n  ports: [ 443 ]\n", "4: peer 'a': ports need an address" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1, 192.0.2.2, 192.0.2.3 ]\n  ports: [ 1, 2 ]\n",
	  "5: peer 'a': 3 addresses at 3 ports each are more than 8" },
	{ "peers: [ { name: gw, key-file: a.key } ]\nconvert:\n  ports: [ 443 ]\n", "3: convert: ports need listen" },
	{ CONVERT "  ports: [ 443 ]\n", "4: convert: 7 addresses at 2 ports each are more than 8" },
	{ "peers: [ { name: gw, key-file: a.key } ]\nconvert:\n  listen: [ 192.0.2.1, 192.0.2.2 ]\n  ports: [ 1, 2, 3 "
	  "]\n"
	  "  join: [ 192.0.2.3 ]\n",
	  "5: listen and join have more than 8 addresses together, each at all ports" },
	/* not in this version */
	{ "policy:\n  default: proxy\n", "2: default: proxy is not available in this version" },
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
	{ "timeouts: { keepalive: 3601 }\n", "1: keepalive: 3601 is not between 0 and 3600" },
	{ "timeouts: { half-closed: 0 }\n", "1: half-closed: 0 is not between 1 and 2592000" },
	{ "timeouts: { first-bytes-ms: 1001 }\n", "1: first-bytes-ms: 1001 is not between 0 and 1000" },
	{ "limits:\n  buffer-mib: 0\n", "2: buffer-mib: 0 is not between 1 and 65536" },
	{ "limits: { connections: 1000001 }\n", "1: connections: 1000001 is not between 0 and 1000000" },
	{ "mark: { value: 0 }\n", "1: value: 0 is not between 1 and 4294967295" },
	{ "mark:\n  value: 0x10000\n  mask: 0xffff\n",
	  "2: mark: the value 0x10000 has bits that are not in the mask 0xffff" },
	{ "mark: { mask: 1 }\n", "1: mark: the value 0x6d700000 has bits that are not in the mask 0x1" },
	{ "metrics: { port: 1 }\n", "1: metrics: a port needs a listen address" },
	{ "metrics: { token-file: a.key }\n", "1: metrics: a token-file needs a listen address" },
	{ "metrics:\n  listen: localhost\n", "2: 'localhost' " HOST },
	{ "metrics:\n  listen: 127.0.0\n", "2: '127.0.0' is no address" },
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
	{ "links:\n- name: lan0\n  role: lan\n  detour: no\n",
	  "4: link 'lan0': only a link with role path has a detour" },
	{ "links:\n- name: lan0\n  role: lan\n  congestion: bbr\n",
	  "4: link 'lan0': only a link with role path has a congestion control" },
	{ "links:\n- name: lan0\n  role: lan\n  mark: 1\n", "4: link 'lan0': only a link with role path has a mark" },
	{ "links:\n- name: w\n  role: path\n  mark: 0x10001\n",
	  "4: link 'w': mark 0x10001 has bits of mark.mask 0xffff0000" },
	{ "links:\n- name: w\n  role: path\n  congestion: BBR 3\n",
	  "4: 'BBR 3' is no name of a congestion control, such as cubic or bbr" },
	{ "links:\n- name: w\n  role: path\n  congestion: seventeen-letters\n",
	  "4: 'seventeen-letters' is no name of a congestion control, such as cubic or bbr" },
	{ "links:\n- name: lan0\n  role: lan\n  gateway: [ 192.0.2.1 ]\n",
	  "4: link 'lan0': only a link with role path has a gateway" },
	{ "links:\n- name: wan0\n  role: path\n  gateway: []\n", "4: gateway: the list is empty" },
	{ "links:\n- name: wan0\n  role: path\n  gateway: [ 192.0.2.1, 192.0.2.2 ]\n",
	  "4: link 'wan0': one gateway of an IP version is all there can be" },
	{ "links:\n- name: wan0\n  role: path\n  gateway: [ \"fe80::1\", \"fe80::2\" ]\n",
	  "4: link 'wan0': one gateway of an IP version is all there can be" },
	{ "links:\n- name: wan0\n  role: path\n  gateway: [ link, 192.0.2.2 ]\n",
	  "4: link 'wan0': with gateway 'link' there is no other" },
	{ "links:\n- name: wan0\n  role: path\n  gateway: [ router ]\n", "4: 'router' " HOST },
	{ "links:\n- name: wan0\n  role: path\n  gateway: [ 224.0.0.1 ]\n",
	  "4: '224.0.0.1' is no unicast address, nor 'link'" },
	{ "links:\n- name: wan0\n  role: path\n  early-classify: true\n",
	  "4: link 'wan0': only a link with role lan classifies" },
	{ "links:\n- name: wan0\n  role: path\n  path: a b\n",
	  "4: path 'a b': a name is made of letters, digits, '-', '_' and '.'" },
	/* convert */
	{ "convert:\n  listen: []\n", "2: listen: the list is empty" },
	{ "convert:\n  port: 1\n  listen: [ \"::\" ]\n", "1: accept: keyed needs a peer with a key-file" },
	{ "convert:\n  listen: [ \"::\" ]\n  accept: open\n",
	  "3: accept: open needs allow-from, or anyone could use this relay" },
	{ "convert:\n  listen: [ 192.0.2.1 ]\n  accept: issued\n",
	  "3: accept: issued needs allow-from, or anyone could use this relay" },
	{ ISSUED "  - 192.0.2.1\n  - 192.0.2\n", "6: '192.0.2' is no address" },
	{ ISSUED "  - \"::\"\n  - \"::\"\n", "6: address '::' is there twice" },
	{ "convert:\n  port: 0\n", "2: port: 0 is not between 1 and 65535" },
	{ "convert:\n  port: 65536\n", "2: port: 65536 is not between 1 and 65535" },
	{ "convert:\n  window: 0\n", "2: window: 0 is not between 1 and 3600" },
	{ "convert:\n  unchecked-syn-rate: 0\n", "2: unchecked-syn-rate: 0 is not between 1 and 1000000" },
	{ "convert:\n  pending-per-client: 0\n", "2: pending-per-client: 0 is not between 1 and 65535" },
	/* the pool, and the log of mappings */
	{ "convert:\n  pool: []\n", "2: pool: the list is empty" },
	{ "convert:\n  pool: [ 198.18.0.1/28 ]\n",
	  "2: '198.18.0.1/28' has bits set past its length; did you mean 198.18.0.0/28?" },
	{ "convert:\n  pool: [ 198.18.0.0/28 ]\n  source: preserve\n", "2: pool needs source: share" },
	{ "convert:\n  pool-ports: 1-2\n", "2: pool-ports needs a pool" },
	{ "convert:\n  pool: [ 198.18.0.0/28 ]\n  pool-ports: 0-2\n",
	  "3: '0-2' is no port or range of ports (1 to 65535)" },
	{ "convert:\n  pool: [ 198.18.0.0/28, 127.0.0.0/24 ]\n",
	  "2: pool: not all of '127.0.0.0/24' are addresses of hosts" },
	{ "convert:\n  pool: [ \"fe80::/64\" ]\n", "2: pool: not all of 'fe80::/64' are addresses of hosts" },
	{ "convert:\n  pool: [ \"2000::/3\" ]\n", "2: pool: not all of '2000::/3' are addresses of hosts" },
	{ "convert:\n  connections-per-subscriber: 32768\n",
	  "2: connections-per-subscriber: 32768 is not between 0 and 32767" },
	{ ISSUED "  - 198.18.0.1\n  pool: [ 198.18.0.0/28 ]\n",
	  "6: pool: 198.18.0.1 is where Convert is accepted: choose addresses that nothing else has" },
	{ "convert:\n  pool: [ \"2001:db8::/64\" ]\npeers:\n- { name: a, dialect: rfc8803, address: [ \"2001:db8::1\" "
	  "] }\n",
	  "2: pool: 2001:db8::1 is an address of a peer: choose addresses that nothing else has" },
	{ "mapping-log: { log: false }\n", "1: mapping-log needs log: true, a file or a collector" },
	{ "mapping-log: { log: true, domain: 4 }\n", "1: mapping-log: port, transport and domain need a collector" },
	{ "mapping-log:\n  collector: log.example\n", "2: 'log.example' " HOST },
	{ "mapping-log:\n  collector: 192.0.2\n", "2: '192.0.2' is no address of a collector" },
	{ "mapping-log:\n  collector: 192.0.2.1\n  transport: sctp\n", "3: transport: 'sctp' is not one of udp, tcp" },
	{ "convert:\n  pool: [ 198.18.0.0/28 ]\nmapping-log: { collector: 198.18.0.2 }\n",
	  "2: pool: 198.18.0.2 is the collector: choose addresses that nothing else has" },
	{ "convert:\n  allow-from: [ 10.0.0.0/8,\n    10.0.0.1/8 ]\n",
	  "3: '10.0.0.1/8' has bits set past its length; did you mean 10.0.0.0/8?" },
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
	{ "convert: { listen: [ \"::\" ], source: preserve }\npeers:\n- name: a\n  key-file: a.key\n",
	  "3: peer 'a' needs allow-source, since convert.source is preserve: the prefixes of its hosts" },
	{ "peers:\n- name: a\n  key-file: a.key\n  allow-source: [ 10.0.0.1/8 ]\n",
	  "4: '10.0.0.1/8' has bits set past its length; did you mean 10.0.0.0/8?" },
	{ "peers:\n- name: a\n  key-file: a.key\n  allow-source: []\n", "4: allow-source: the list is empty" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 192.0.2.1,\n hub ]\n",
	  "5: peer 'a': 'hub' is a host name: write its addresses, which `getent ahosts` tells of it, or `domain` "
	  "instead, "
	  "if DNS has SRV records for it" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 224.0.0.1 ]\n", "4: '224.0.0.1' is no unicast address" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ \"::\" ]\n", "4: '::' is no unicast address" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ 127.0.0.1 ]\n",
	  "4: '127.0.0.1' is a loopback address: a peer is another machine" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ \"::1\" ]\n",
	  "4: '::1' is a loopback address: a peer is another machine" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  address: [ \"fe80::1\" ]\n",
	  "4: 'fe80::1' is link-local: such addresses are not taken here" },
	{ ISSUED "  - 192.0.2.1\n  - febf::1\n", "6: 'febf::1' is link-local: such addresses are not taken here" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  port: 0\n", "4: port: 0 is not between 1 and 65535" },
	{ "peers:\n- name: a\n  dialect: rfc8803\n  ready: 9\n", "4: ready: 9 is not between 0 and 8" },
	{ "peers:\n- name: a\n  key-file: none.key\n", "3: key file 'none.key': No such file or directory" },
	{ "peers:\n- name: a\n  key-file: open.key\n",
	  "3: key file 'open.key' can be read by others: its mode must be 0600" },
	{ "peers:\n- name: a\n  key-file: group.key\n",
	  "3: key file 'group.key' can be read by others: its mode must be 0600" },
	{ "peers:\n- name: a\n  key-file: junk.key\n", "3: 'junk.key' holds no key" },
	{ "metrics:\n  listen: 0.0.0.0\n  token-file: none.key\n",
	  "3: key file 'none.key': No such file or directory" },
	{ "metrics:\n  listen: 0.0.0.0\n  token-file: group.key\n",
	  "3: key file 'group.key' can be read by others: its mode must be 0600" },
	{ "metrics:\n  listen: 0.0.0.0\n  token-file: junk.key\n", "3: 'junk.key' holds no key" },
	{ "peers:\n- name: a\n  key-file: a.key\n  previous-key-file: junk.key\n", "4: 'junk.key' holds no key" },
	/* groups */
	{ PEER "groups:\n- { name: g, peers: [ hub1 ] }\n- { name: g, peers: [ hub1 ] }\n",
	  "4: group 'g' is there twice" },
	{ PEER "groups:\n- { name: hub1, peers: [ hub1 ] }\n", "3: group 'hub1' has the name of a peer" },
	{ PEER "groups:\n- name: g\n  peers: []\n", "4: group 'g' has no peers" },
	{ PEER "groups:\n- name: g\n", "3: group 'g' has no peers" },
	{ PEER "groups:\n- name: g\n  peers: [ hub1, hub2 ]\n", "4: group 'g': there is no peer 'hub2'" },
	{ PEER "groups:\n- name: g\n  peers:\n  - hub1\n  - hub1\n", "6: group 'g': peer 'hub1' is there twice" },
	{ PEER "groups:\n- name: g\n  peers: [ hub1 ]\n  weights: [ 1 ]\n",
	  "5: group 'g': weights are for choose: client" },
	{ PEER "groups:\n- name: g\n  peers: [ hub1 ]\n  choose: client\n  weights: [ 1, 2 ]\n",
	  "6: group 'g': 2 weights for 1 peers" },
	{ PEER "groups:\n- name: g\n  peers: [ hub1 ]\n  choose: client\n  weights: [ 0 ]\n",
	  "6: group 'g': 0 is not a weight: 1 to 256" },
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
	  "/host.txt:1: '2001:db8::1/32' has bits set past its length; did you mean 2001:db8::/32?" },
	/* rules */
	{ RULES "  - { name: r, link: lan1" VIA, "7: there is no link 'lan1'" },
	{ RULES "  - name: r\n    link: wan0\n    action: direct\n",
	  "8: rule 'r' can never match: link 'wan0' has not role lan" },
	{ RULES "  - name: r\n    action: proxy\n    via: hub2\n", "9: there is no group or peer 'hub2'" },
	{ RULES "  - name: r\n    action: direct\n    via: hub1\n", "9: rule 'r': via needs action: proxy" },
	{ RULES "  - name: r\n    action: proxy\n", "7: rule 'r': action: proxy needs via" },
	{ RULES "  - name: r\n", "7: 'action' is missing" },
	{ RULES "  - { name: r, from-set: s" VIA, "7: there is no prefix set 's'" },
	{ RULES "  - { name: r, to-set: s" VIA, "7: there is no prefix set 's'" },
	{ RULES "  - { name: r, from: []" VIA, "7: from: the list is empty" },
	{ RULES "  - { name: r, to: []" VIA, "7: to: the list is empty" },
	{ RULES "  - name: r\n    from:\n    - 10.0.0.0/8\n    - 10.0.0.1/8\n    action: direct\n",
	  "10: '10.0.0.1/8' has bits set past its length; did you mean 10.0.0.0/8?" },
	{ RULES "  - name: r\n    to: [ 10.0.0.0/8,\n      www.example.org ]\n    action: direct\n",
	  "9: 'www.example.org' " HOST },
	{ RULES "  - { name: r, from: [ 10.0.0.0/33 ]" VIA, "7: '10.0.0.0/33' is no prefix" },
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
	{ "links: [ { name: lan0, role: lan } ]\nhost: true\n" PEER "policy:\n  rules:\n  - { name: r" VIA,
	  "6: rule 'r' has nothing to bond: no link has role path" },
	{ "host: all\n", "1: host: 'all' is not one of false, true, no, yes, off, on" },
	{ "links: [ { name: host, role: path } ]\n", "1: link 'host': in rules that word is for this machine itself" },
	{ "links: [ { name: lan0, role: lan } ]\n" PEER "policy:\n  rules:\n  - { name: r" VIA,
	  "5: rule 'r' has nothing to bond: no link has role path" },
	{ LINKS "peers: [ { name: hub1, key-file: a.key } ]\npolicy:\n  rules:\n  - { name: r" VIA,
	  "7: rule 'r': peer 'hub1' has no address to send connections to" },
	/* transparent mode */
	{ "peers:\n- name: a\n  mode: hidden\n", "3: mode: 'hidden' is not one of explicit, transparent" },
	{ "peers:\n- name: a\n  mode: transparent\n",
	  "2: peer 'a' needs a key-file (only dialect rfc8803 does without)" },
	{ "peers:\n- name: a\n  mode: transparent\n  dialect: rfc8803\n",
	  "4: peer 'a': mode: transparent needs dialect mpgate" },
	{ "peers:\n- name: a\n  key-file: a.key\n  mode: transparent\n  address: [ 192.0.2.1 ]\n",
	  "5: peer 'a': mode: transparent has no address: routing puts the peer on the path" },
	{ "peers:\n- name: a\n  key-file: a.key\n  mode: transparent\n  park: 1\n  accept-to: [ 10.0.0.0/8 ]\n",
	  "5: peer 'a': mode: transparent parks nothing" },
	{ LINKS "peers: [ { name: hub1, key-file: a.key, mode: transparent } ]\npolicy:\n  rules:\n"
		"  - { name: r, connect: early" VIA,
	  "7: rule 'r': connect: early is not for peer 'hub1' of mode transparent" },
	{ LINKS "peers: [ { name: hub1, key-file: a.key, mode: transparent } ]\npublish:\n"
		"- { name: p, address: [ 192.0.2.9 ], port: [ 80 ], to: 10.0.0.1, via: hub1 }\n",
	  "6: publish 'p': peer 'hub1' has mode transparent; a rule does without addresses of its own" },
	{ LINKS "peers: [ { name: gw, key-file: a.key } ]\ntransparent: {}\n",
	  "5: transparent needs join: addresses of this machine that peers' further subflows come to" },
	{ LINKS "peers: [ { name: gw, key-file: a.key } ]\ntransparent: { join: [ 127.0.0.1 ] }\n",
	  "5: '127.0.0.1' is a loopback address: peers cannot reach that" },
	{ LINKS "peers: [ { name: gw, key-file: a.key } ]\nconvert: { listen: [ \"::\" ] }\n"
		"transparent: { join: [ 192.0.2.1 ], port: 8803 }\n",
	  "6: port 8803 is that of Convert" },
	{ LINKS "peers: [ { name: gw, key-file: a.key } ]\nconvert: { listen: [ \"::\" ], ports: [ 443, 444 ] }\n"
		"transparent: { join: [ 192.0.2.1 ], port: 444 }\n",
	  "6: port 444 is that of Convert" },
	{ LINKS "peers: [ { name: gw, key-file: a.key } ]\nconvert: { source: preserve }\n"
		"transparent: { join: [ 192.0.2.1 ] }\n",
	  "4: peer 'gw' needs allow-source, since convert.source is preserve: the prefixes of its hosts" },
	{ LINKS "transparent: { join: [ 192.0.2.1 ] }\n",
	  "4: transparent needs a peer with a key-file, or a rule with action: terminate" },
	{ LINKS TERMINATE "}\n", "6: rule 'r': action: terminate needs mptcp: learned, or terminate" },
	{ LINKS TERMINATE ", mptcp: pass }\n", "6: rule 'r': action: terminate needs mptcp: learned, or terminate" },
	{ LINKS TERMINATE ", mptcp: learned }\n",
	  "6: rule 'r': action: terminate needs the section transparent: where further subflows come to" },
	{ LINKS TERMINATE ", mptcp: learned, via: r }\n" JOIN, "6: rule 'r': via needs action: proxy" },
	{ LINKS TERMINATE ", mptcp: learned, connect: early }\n" JOIN,
	  "6: rule 'r': connect: early needs action: proxy" },
	{ LINKS TERMINATE ", mptcp: learned, if-down: reject }\n" JOIN,
	  "6: rule 'r': if-down: reject needs action: proxy" },
	{ LINKS TERMINATE ", mptcp: learned, link: host }\n" JOIN,
	  "6: rule 'r': action: terminate is for what comes in on a link" },
	{ "links: [ { name: lan0, role: lan } ]\npeers: [ { name: gw, key-file: a.key } ]\n"
	  "transparent: { join: [ 192.0.2.1 ] }\n",
	  "3: transparent needs a link with role path, where connections arrive" },
	/* where joins come to */
	{ "convert: { join: [ 192.0.2.1 ] }\n", "1: join needs listen" },
	{ CONVERT "  join: []\n", "4: join: the list is empty" },
	{ CONVERT "  join: [ 127.0.0.1 ]\n", "4: '127.0.0.1' is a loopback address: peers cannot reach that" },
	{ CONVERT "  join: [ 1.1.2.1, 1.1.2.2, 1.1.2.3, 1.1.2.4, 1.1.2.5 ]\n", "4: more than 4 addresses" },
	{ CONVERT "  join: [ 1.1.2.1, 1.1.2.2 ]\n", "4: listen and join have more than 8 addresses together" },
	{ LINKS CONVERT "  join: [ 1.1.2.1, 1.1.2.2 ]\n" JOIN,
	  "7: join: the addresses of transparent.join are announced on all connections; give the same, or none" },
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
	{ RULES "  - { name: x, link: lan0" VIA "  - { name: z, link: host" VIA
		"  - { name: y, link: host, to-port: [ 1 ]" VIA,
	  "9: rule 'y' can never match: rule 'z' (line 8) covers it" },
	{ "host: true\n" RULES "  - { name: x, link: lan0" VIA "  - { name: z" VIA "  - { name: y, link: host" VIA,
	  "10: rule 'y' can never match: rule 'z' (line 9) covers it" },
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

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "every fault, with its line", test_faults },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("config faults", tests);
}
