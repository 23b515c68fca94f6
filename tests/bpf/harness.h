/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the program tests and the BPF benchmark share: building packets, filling the maps of a policy, running a program
 * on a packet and seeing which reason it counted. Everything that fails while setting up ends the test.
 */
#ifndef TESTS_BPF_HARNESS_H
#define TESTS_BPF_HARNESS_H

#include <arpa/inet.h>
#include <err.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <mpgate/abi.h>
#include "mpgate.skel.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define TC_UNSPEC (-1)
#define TC_SHOT 2
#define TC_REDIRECT 7
#define FLAG_SYN 0x02
#define FLAG_RST 0x04
#define FLAG_ACK 0x10
#define VLAN_PRIORITY 0x6000 /* in every tag */
#define CLIENT_PORT 40000
#define CLIENT4 "10.77.0.2"
#define CLIENT6 "fd77::2"
#define SERVER4 "203.0.113.5"
#define SERVER6 "2001:db8::5"
#define HARNESS __attribute__((unused)) static

/* --- packets */
struct packet {
	const char *name;
	int family; /* 4 or 6; 4 when 0 */
	int vlans; /* tags */
	int vlan; /* the id in the last one; 0: a priority only, as in the others */
	int ip_options; /* words (IPv4), extension headers of 8 bytes (IPv6) */
	__u8 ext; /* type of the extension headers, 0: hop-by-hop, then destination options */
	bool fragment; /* the first one */
	int offset; /* where a later fragment begins, in units of 8 bytes */
	__u8 proto, flags, dscp; /* 0: TCP, SYN */
	__u16 sport, dport; /* 0: CLIENT_PORT, 80 */
	const char *src, *dst;
	const __u8 *options;
	int options_len;
	const void *data;
	int data_len;
	int truncate; /* bytes that arrive, 0: all */
};

struct frame {
	__u8 bytes[2048];
	__u32 len, ip, tcp;
};

HARNESS void put16(struct frame *f, __u16 v)
{
	f->bytes[f->len++] = v >> 8;
	f->bytes[f->len++] = v & 0xff;
}

HARNESS __u16 checksum(const void *data, unsigned len, __u32 sum)
{
	const __u8 *p = data;

	for (unsigned i = 0; i < len; i++)
		sum += i & 1 ? p[i] : p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The checksum over the TCP segment and its pseudo header; 0 when the one inside is right. */
HARNESS __u16 tcp_sum(const struct frame *f, int family)
{
	__u32 len = f->len - f->tcp, sum = IPPROTO_TCP + len;
	const __u8 *addr = f->bytes + f->ip + (family == 6 ? 8 : 12);

	sum += (__u16)~checksum(addr, family == 6 ? 32 : 8, 0);
	return checksum(f->bytes + f->tcp, len, sum);
}

HARNESS void build_ip(struct frame *f, const struct packet *p, int family, int l4_len)
{
	__u8 proto = p->proto ?: IPPROTO_TCP, *ip = f->bytes + f->len;

	f->ip = f->len;
	if (family == 4) {
		int len = 20 + 4 * p->ip_options;
		__u16 sum;

		memset(ip, 0, len);
		memset(ip + 20, 1, 4 * p->ip_options); /* no-operation */
		ip[0] = 0x40 | len / 4;
		ip[1] = p->dscp << 2;
		ip[2] = (len + l4_len) >> 8;
		ip[3] = len + l4_len;
		ip[6] = p->fragment ? 0x20 : 0;
		ip[7] = p->offset;
		ip[8] = 63;
		ip[9] = proto;
		inet_pton(AF_INET, p->src ?: CLIENT4, ip + 12);
		inet_pton(AF_INET, p->dst ?: SERVER4, ip + 16);
		sum = checksum(ip, len, 0);
		ip[10] = sum >> 8;
		ip[11] = sum;
		f->len += len;
		return;
	}
	int exts = p->ip_options + (p->fragment || p->offset);

	memset(ip, 0, 40 + 8 * exts);
	ip[0] = 0x60 | p->dscp >> 2;
	ip[1] = p->dscp << 6;
	ip[4] = (l4_len + 8 * exts) >> 8;
	ip[5] = l4_len + 8 * exts;
	ip[6] = proto;
	ip[7] = 63;
	inet_pton(AF_INET6, p->src ?: CLIENT6, ip + 8);
	inet_pton(AF_INET6, p->dst ?: SERVER6, ip + 24);
	f->len += 40;
	__u8 *next = ip + 6;

	for (int i = 0; i < exts; i++) {
		*next = i == p->ip_options ? IPPROTO_FRAGMENT : p->ext ?: i ? IPPROTO_DSTOPTS : IPPROTO_HOPOPTS;
		if (p->ext && i < p->ip_options)
			*next = p->ext;
		next = f->bytes + f->len;
		*next = proto;
		if (i == p->ip_options)
			next[3] = p->offset << 3 | p->fragment; /* and the mark that more follow */
		else
			next[2] = 1, next[3] = 4; /* PadN over the rest; of a routing header: type 1, see below */
		if (p->ext == IPPROTO_ROUTING)
			next[3] = 0; /* no segments left */
		f->len += 8;
	}
}

HARNESS void build(struct frame *f, const struct packet *p)
{
	static const __u8 macs[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	int family = p->family ?: 4;
	__u8 *tcp;
	__u16 sum;

	memset(f, 0, sizeof(*f));
	memcpy(f->bytes, macs, sizeof(macs));
	f->len = sizeof(macs);
	for (int i = 0; i < p->vlans; i++) {
		put16(f, i + 1 < p->vlans ? ETH_P_8021AD : ETH_P_8021Q);
		put16(f, VLAN_PRIORITY | (i + 1 < p->vlans ? 0 : p->vlan));
	}
	put16(f, family == 4 ? ETH_P_IP : ETH_P_IPV6);
	build_ip(f, p, family, 20 + p->options_len + p->data_len);
	f->tcp = f->len;
	put16(f, p->sport ?: CLIENT_PORT);
	put16(f, p->dport ?: 80);
	tcp = f->bytes + f->tcp;
	tcp[7] = 9; /* sequence number */
	tcp[8] = 0x55; /* of an acknowledgement: means nothing without its flag */
	tcp[12] = (5 + p->options_len / 4) << 4;
	tcp[13] = p->flags ?: FLAG_SYN;
	tcp[14] = 0xff; /* window */
	if (p->options_len)
		memcpy(tcp + 20, p->options, p->options_len);
	if (p->data_len)
		memcpy(tcp + 20 + p->options_len, p->data, p->data_len);
	f->len = f->tcp + 20 + p->options_len + p->data_len;
	sum = tcp_sum(f, family);
	tcp[16] = sum >> 8;
	tcp[17] = sum;
	if (p->truncate)
		f->len = p->truncate;
}

/* --- the data plane */
/* The templates of the inner maps: libbpf forgets them when it loads. */
static struct inner_template {
	struct bpf_map *outer;
	enum bpf_map_type type;
	__u32 key_size, value_size, flags, btf_key, btf_value;
} inner_templates[16];
static int inner_btf;

HARNESS struct mpgate_bpf *dp_open(void)
{
	struct inner_template *t = inner_templates;
	struct mpgate_bpf *skel;
	struct bpf_map *map;

	libbpf_set_print(NULL);
	skel = mpgate_bpf__open();
	if (!skel)
		err(1, "cannot open the BPF programs");
	bpf_object__for_each_map(map, skel->obj)
	{
		struct bpf_map *inner = bpf_map__inner_map(map);

		if (inner)
			*t++ = (struct inner_template){ map,
							bpf_map__type(inner),
							bpf_map__key_size(inner),
							bpf_map__value_size(inner),
							bpf_map__map_flags(inner),
							bpf_map__btf_key_type_id(inner),
							bpf_map__btf_value_type_id(inner) };
	}
	if (mpgate_bpf__load(skel))
		err(1, "cannot load the BPF programs (root is needed)");
	inner_btf = bpf_object__btf_fd(skel->obj);
	return skel;
}

HARNESS void map_set(struct bpf_map *map, const void *key, const void *value)
{
	if (bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY))
		err(1, "map %s", bpf_map__name(map));
}

HARNESS void dp_settings(struct mpgate_bpf *skel, const struct mpgate_settings *set)
{
	struct mpgate_settings s = *set;
	__u32 zero = 0;

	if (!s.mark_mask)
		s.mark = MPGATE_MARK, s.mark_mask = MPGATE_MARK_MASK;
	map_set(skel->maps.settings, &zero, &s);
}

/*
 * An inner map like the template, with its own number of entries, in this slot; returns its descriptor. Some kernels
 * take none without BTF where the template has it.
 */
HARNESS int dp_inner(struct bpf_map *outer, __u32 slot, __u32 entries)
{
	struct inner_template *t = inner_templates;

	while (t->outer != outer)
		t++;
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = t->flags, .btf_fd = (__u32)inner_btf,
		    .btf_key_type_id = t->btf_key, .btf_value_type_id = t->btf_value);
	int fd = bpf_map_create(t->type, "test", t->key_size, t->value_size, entries, &opts);

	if (fd < 0)
		err(1, "inner map of %s", bpf_map__name(outer));
	map_set(outer, &slot, &fd);
	return fd;
}

/* One policy under construction. */
struct test_policy {
	int links, policy, rules, bitmaps, ports, lpm, exact, groups, hits;
	struct mpgate_policy p;
	__u32 next_bitmap;
};

HARNESS void fd_set_elem(int fd, const void *key, const void *value)
{
	if (bpf_map_update_elem(fd, key, value, BPF_ANY))
		err(1, "map update");
}

HARNESS __u32 policy_bitmap(struct test_policy *t, const struct mpgate_bitmap *b)
{
	__u32 index = t->next_bitmap++;

	fd_set_elem(t->bitmaps, &index, b);
	return index;
}

/* `rules` rules, the last proxying to group 0, the others direct to port 1; all on this link; bitmap 0 is empty. */
HARNESS void policy_make(struct mpgate_bpf *skel, struct test_policy *t, __u32 slot, __u32 rules, __u32 ifindex,
			 __u32 flags)
{
	struct mpgate_group group = { .count = 2, .peers = { 3, 4 } };
	struct mpgate_link link = { .flags = MPGATE_LINK_CLASSIFY, .name = "test" };
	struct mpgate_bitmap all = {}, last = {}, empty = {};
	__u32 zero = 0, index_last, index_all;

	for (__u32 i = 0; i < MPGATE_GROUP_BUCKETS; i++)
		group.order[i] = 0x10;
	memset(t, 0, sizeof(*t));
	t->links = dp_inner(skel->maps.gen_links, slot, 8);
	t->policy = dp_inner(skel->maps.gen_policy, slot, 1);
	t->rules = dp_inner(skel->maps.gen_rules, slot, rules);
	t->bitmaps = dp_inner(skel->maps.gen_bitmaps, slot, 64);
	t->ports = dp_inner(skel->maps.gen_ports, slot, MPGATE_PORTS);
	t->lpm = dp_inner(skel->maps.gen_lpm, slot, 64);
	t->exact = dp_inner(skel->maps.gen_exact, slot, 64);
	t->groups = dp_inner(skel->maps.gen_groups, slot, 4);
	t->hits = dp_inner(skel->maps.gen_hits, slot, MPGATE_MAX_RULES); /* as the template: lookups are inlined */
	for (__u32 i = 0; i < rules; i++) {
		struct mpgate_rule rule = { .action = i + 1 == rules ? MPGATE_PROXY : MPGATE_DIRECT,
					    .flags = i + 1 == rules ? flags : 0,
					    .id = 1000 + i };

		all.rules[i / 64] |= 1ULL << (i % 64);
		fd_set_elem(t->rules, &i, &rule);
	}
	last.rules[(rules - 1) / 64] = 1ULL << ((rules - 1) % 64);
	policy_bitmap(t, &empty);
	index_all = policy_bitmap(t, &all);
	index_last = policy_bitmap(t, &last);
	for (__u32 port = 0; port < MPGATE_PORTS; port++)
		fd_set_elem(t->ports, &port, port == 1 ? &index_all : &index_last);
	t->p.rules = rules;
	t->p.words = (rules + 63) / 64;
	for (int i = 0; i < 4; i++)
		t->p.any[i / 2][i % 2] = index_all;
	for (int i = 0; i < 64; i++)
		t->p.dscp[i] = index_all;
	fd_set_elem(t->policy, &zero, &t->p);
	fd_set_elem(t->groups, &zero, &group);
	link.bitmap = index_all;
	fd_set_elem(t->links, &ifindex, &link);
}

HARNESS void policy_store(struct test_policy *t)
{
	__u32 zero = 0;

	fd_set_elem(t->policy, &zero, &t->p);
}

HARNESS void policy_close(struct test_policy *t)
{
	int fds[] = { t->links, t->policy, t->rules, t->bitmaps, t->ports, t->lpm, t->exact, t->groups, t->hits };

	for (unsigned i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		close(fds[i]);
}

HARNESS void dp_peer(struct mpgate_bpf *skel, __u32 slot, __u32 up)
{
	const struct mpgate_peer peer = { .up = up };

	map_set(skel->maps.peers, &slot, &peer);
}

/* All clients go to this worker. */
HARNESS void dp_clients(struct mpgate_bpf *skel, __u32 worker)
{
	for (__u32 slot = 0; slot < MPGATE_CLIENT_SLOTS; slot++)
		map_set(skel->maps.client_workers, &slot, &worker);
}

/* Guard looks after this address. */
HARNESS void dp_local(struct mpgate_bpf *skel, int family, const char *text)
{
	struct mpgate_addr a = { { [10] = 0xff, 0xff } };
	__u32 one = 1;

	inet_pton(family == 4 ? AF_INET : AF_INET6, text, family == 4 ? a.b + 12 : a.b);
	map_set(skel->maps.guard_local, &a, &one);
}

HARNESS void dp_counters(struct mpgate_bpf *skel, __u64 out[MPGATE_REASON_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	__u64 values[cpus];

	for (__u32 r = 0; r < MPGATE_REASON_COUNT; r++) {
		if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.reasons), &r, values))
			err(1, "reasons");
		out[r] = 0;
		for (int i = 0; i < cpus; i++)
			out[r] += values[i];
	}
}

HARNESS const char *reason_name(int reason)
{
	static const char *const names[] = {
#define X(id, name, text) name,
		MPGATE_REASONS(X)
#undef X
	};

	return reason >= 0 && reason < MPGATE_REASON_COUNT ? names[reason] : "none";
}

struct run {
	int retval, reason; /* reason: the one counted, -1: none; those counted beside others are left out */
	bool gate_hit, reset;
	__u32 mark;
	struct frame out;
};

/* Runs a tc program (ifindex: where the packet came in) or, with xdp, an XDP program. */
static __u32 run_mark __attribute__((unused)) = 0x5678; /* of the packets that follow */

HARNESS void dp_run(struct mpgate_bpf *skel, struct bpf_program *prog, const struct frame *f, __u32 ifindex, bool xdp,
		    struct run *r)
{
	struct __sk_buff in = { .ifindex = ifindex, .mark = run_mark }, out = {};
	struct xdp_md xin = { .data_end = f->len, .ingress_ifindex = ifindex };
	__u64 before[MPGATE_REASON_COUNT], after[MPGATE_REASON_COUNT];

	*r = (struct run){ 0 };
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f->bytes, .data_size_in = f->len, .data_out = r->out.bytes,
		    .data_size_out = sizeof(r->out.bytes), .ctx_in = xdp ? (void *)&xin : (void *)&in,
		    .ctx_size_in = xdp ? sizeof(xin) : sizeof(in), .ctx_out = xdp ? NULL : &out,
		    .ctx_size_out = xdp ? 0 : sizeof(out));

	if (xdp && ifindex == 0)
		o.ctx_in = NULL, o.ctx_size_in = 0;
	dp_counters(skel, before);
	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &o))
		err(1, "test run of %s", bpf_program__name(prog));
	dp_counters(skel, after);
	r->retval = o.retval;
	r->mark = out.mark;
	r->out.len = o.data_size_out;
	r->out.ip = f->ip;
	r->out.tcp = f->tcp;
	r->reason = -1;
	r->gate_hit = after[MPGATE_R_GATE_HIT] != before[MPGATE_R_GATE_HIT];
	r->reset = after[MPGATE_R_RESET] != before[MPGATE_R_RESET];
	for (int i = 0; i < MPGATE_REASON_COUNT; i++) {
		if (i != MPGATE_R_GATE_HIT && i != MPGATE_R_RESET && i != MPGATE_R_TAG_TAKEN &&
		    i != MPGATE_R_TAG_UNKNOWN && i != MPGATE_R_TAG_WRONG && after[i] != before[i])
			r->reason = i;
	}
}

/* --- network: this process in a namespace of its own, with a link and routes of both families */
HARNESS void sh(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	if (system(command))
		errx(1, "failed: %s", command);
}

#define TEST_LINK "mpg-lan"

HARNESS __u32 net_open(void)
{
	if (unshare(CLONE_NEWNET))
		err(1, "unshare");
	sh("ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding");
	sh("ip link add " TEST_LINK " type veth peer name mpg-far && ip link set " TEST_LINK
	   " up && ip link set mpg-far up");
	sh("ip addr add 10.77.0.1/24 dev " TEST_LINK " && ip addr add fd77::1/64 dev " TEST_LINK " nodad");
	sh("ip route add default via 10.77.0.254 && ip route add default via fd77::fe");
	sh("ip route add unreachable 192.0.2.0/24 && ip route add unreachable 2001:db8:dead::/48");
	return if_nametoindex(TEST_LINK);
}

/* MPTCP listeners on 127.0.0.1 and ::1 with one port, as a worker has; the port in network order. */
HARNESS __be16 listen_both(int fd[2])
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(a4);
	int one = 1;

	fd[0] = socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
	fd[1] = socket(AF_INET6, SOCK_STREAM, IPPROTO_MPTCP);
	if (fd[0] < 0 || fd[1] < 0 || setsockopt(fd[0], SOL_IP, IP_TRANSPARENT, &one, sizeof(one)) ||
	    setsockopt(fd[1], SOL_IPV6, IPV6_TRANSPARENT, &one, sizeof(one)) || bind(fd[0], (void *)&a4, sizeof(a4)) ||
	    getsockname(fd[0], (void *)&a4, &len))
		err(1, "listener");
	a6.sin6_port = a4.sin_port;
	if (bind(fd[1], (void *)&a6, sizeof(a6)) || listen(fd[0], 64) || listen(fd[1], 64))
		err(1, "listener");
	return a4.sin_port;
}

#endif
