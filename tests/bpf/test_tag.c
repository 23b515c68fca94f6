/* SPDX-License-Identifier: GPL-2.0-or-later */
/* add_tag in a cgroup of this test: the SYN of a held flow of transparent mode gets its tag, and no other anything. */
#include <fcntl.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

#include "program_test.h"

#include <lib/addr.h>
#include <mpgate/tag.h>

#define PEER 7
#define K0 0x0706050403020100ULL
#define K1 0x0f0e0d0c0b0a0908ULL
#define KEY_ID 0x27e69047U
#define TCPOPT_MPTCP 30
#define ANSWER_MS 2000

static const char *const listens[2] = { "127.0.1.1", "fd77:1:2:3:4:5:6:7" };
static const char *const leaves[2] = { "127.0.8.9", "fd77:8:9:a:b:c:d:e" };
static int tap; /* sees what loopback carries */
static char cgroup[128];

static struct sockaddr_in6 address_of(int family, const char *text, socklen_t *len)
{
	struct sockaddr_in6 a = { .sin6_family = family == 4 ? AF_INET : AF_INET6 };

	*len = family == 4 ? sizeof(struct sockaddr_in) : sizeof(a);
	inet_pton(a.sin6_family, text, family == 4 ? (void *)&((struct sockaddr_in *)&a)->sin_addr : &a.sin6_addr);
	return a;
}

/* The next SYN that loopback carries: its TCP header and options, of which there are *len bytes. */
static bool next_syn(int family, struct tcphdr *tcp, __u8 options[40], int *len)
{
	struct pollfd p = { .fd = tap, .events = POLLIN };
	__u8 frame[256];

	while (poll(&p, 1, ANSWER_MS) == 1) {
		size_t head = 14 + (family == 4 ? 20 : 40);
		struct sockaddr_ll from;
		socklen_t flen = sizeof(from);
		ssize_t n = recvfrom(tap, frame, sizeof(frame), MSG_TRUNC, (void *)&from, &flen);

		/* Loopback shows it going and coming. */
		if (from.sll_pkttype == PACKET_OUTGOING || n < (ssize_t)(head + sizeof(*tcp)) ||
		    frame[12] != (family == 4 ? 0x08 : 0x86))
			continue;
		memcpy(tcp, frame + head, sizeof(*tcp));
		if (!tcp->syn || tcp->ack)
			continue;
		*len = tcp->doff * 4 - (int)sizeof(*tcp);
		memcpy(options, frame + head + sizeof(*tcp), *len);
		return true;
	}
	return false;
}

static const __u8 *find(const __u8 *options, int len, __u8 kind)
{
	for (int i = 0; i < len && options[i]; i += options[i] == 1 ? 1 : options[i + 1])
		if (options[i] == kind)
			return options + i;
	return NULL;
}

static struct mpgate_flow the_flow;

/* Connects once; the SYN's tag as it is on the wire, and as it has to be. flow: it is held, in that state; 0: none. */
static const __u8 *tag_of(int family, int proto, __u32 flow, __u8 options[40], __u64 *want)
{
	socklen_t len;
	struct sockaddr_in6 to = address_of(family, listens[family == 6], &len);
	struct sockaddr_in6 from = address_of(family, leaves[family == 6], &len);
	int l = socket(to.sin6_family, SOCK_STREAM, proto), c = socket(to.sin6_family, SOCK_STREAM, proto), n;
	struct mpgate_tag_signed m = { .form = htonl(TAG_FORM) };
	struct timespec ts;
	struct tcphdr tcp;
	char byte;

	if (bind(l, (void *)&to, len) || listen(l, 1) || getsockname(l, (void *)&to, &len) ||
	    bind(c, (void *)&from, len) || getsockname(c, (void *)&from, &len))
		err(1, "sockets");
	addr_from_sockaddr((void *)&from, &m.tuple.saddr, &m.tuple.sport);
	addr_from_sockaddr((void *)&to, &m.tuple.daddr, &m.tuple.dport);
	the_flow.state = flow;
	if (flow)
		map_set(skel->maps.flows, &m.tuple, &the_flow);
	if (connect(c, (void *)&to, len) || !next_syn(family, &tcp, options, &n))
		err(1, "connection");
	/* It goes on as any other. */
	CU_ASSERT_EQUAL(write(c, "x", 1), 1);
	CU_ASSERT_EQUAL(read(accept(l, NULL, NULL), &byte, 1), 1);
	close(c);
	close(l);
	bpf_map_delete_elem(bpf_map__fd(skel->maps.flows), &m.tuple);
	clock_gettime(CLOCK_BOOTTIME, &ts);
	m.epoch = htonl((__u32)((__u64)ts.tv_sec >> TAG_EPOCH_SHIFT));
	m.seq = tcp.seq;
	*want = tag_make(K0, K1, &m);
	CU_ASSERT_EQUAL(find(options, n, TCPOPT_MPTCP) != NULL, proto == IPPROTO_MPTCP);
	return find(options, n, TAG_KIND);
}

static void a_held_flow_has_it(void)
{
	EACH_FAMILY(family)
	{
		const struct mpgate_tag_option *o;
		__u8 options[40];
		__u64 want;

		o = (const void *)tag_of(family, IPPROTO_MPTCP, MPGATE_FLOW_HELD, options, &want);
		CU_ASSERT_PTR_NOT_NULL_FATAL(o);
		CU_ASSERT_EQUAL(o->len, TAG_LEN);
		CU_ASSERT_EQUAL(o->exid, htons(TAG_EXID));
		CU_ASSERT_EQUAL(o->key_id, htonl(KEY_ID));
		CU_ASSERT_EQUAL(memcmp(o->tag, &want, sizeof(want)), 0);
	}
}

static void no_other_has_one(void)
{
	EACH_FAMILY(family)
	{
		static const struct {
			int proto;
			__u32 state, flags;
			__u16 peer;
		} cases[] = {
			{ IPPROTO_MPTCP, 0, 0, PEER }, /* no flow */
			{ IPPROTO_TCP, MPGATE_FLOW_HELD, 0, PEER }, /* no MP_CAPABLE */
			{ IPPROTO_MPTCP, MPGATE_FLOW_STEERED, 0, PEER },
			{ IPPROTO_MPTCP, MPGATE_FLOW_HELD, MPGATE_RULE_TAGGED, PEER }, /* it comes from the peer */
			{ IPPROTO_MPTCP, MPGATE_FLOW_HELD, 0, PEER + 1 }, /* a peer of explicit mode */
		};
		__u8 options[40];
		__u64 want;

		for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			the_flow = (struct mpgate_flow){ .peer = cases[i].peer, .rule_flags = cases[i].flags };
			CU_ASSERT_PTR_NULL(tag_of(family, cases[i].proto, cases[i].state, options, &want));
		}
		the_flow = (struct mpgate_flow){ .peer = PEER };
	}
}

static void leave(void)
{
	FILE *f = fopen("/sys/fs/cgroup/unified/cgroup.procs", "w");

	if (!f)
		f = fopen("/sys/fs/cgroup/cgroup.procs", "w");
	if (f) {
		fprintf(f, "%d", getpid());
		fclose(f);
	}
	rmdir(cgroup);
}

static void setup(void)
{
	const char *root =
		access("/sys/fs/cgroup/unified/cgroup.procs", F_OK) ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
	const struct mpgate_tag_key key = { .k0 = K0, .k1 = K1, .id = KEY_ID };
	struct sockaddr_ll lo = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	__u32 slot = PEER;
	int fd;

	if (unshare(CLONE_NEWNET))
		err(1, "unshare");
	sh("ip link set lo up && ip addr add %s dev lo nodad && ip addr add %s dev lo nodad", listens[1], leaves[1]);
	lo.sll_ifindex = (int)if_nametoindex("lo");
	tap = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (tap < 0 || bind(tap, (void *)&lo, sizeof(lo)))
		err(1, "packet socket");
	skel = dp_open();
	dp_settings(skel, &(struct mpgate_settings){ .loaded = 1 });
	map_set(skel->maps.tag_keys, &slot, &key);
	the_flow.peer = PEER;
	snprintf(cgroup, sizeof(cgroup), "%s/mpg-tag-%d", root, getpid());
	if (mkdir(cgroup, 0755))
		err(1, "%s", cgroup);
	atexit(leave);
	fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sh("echo %d >%s/cgroup.procs", getpid(), cgroup);
	if (bpf_prog_attach(bpf_program__fd(skel->progs.add_tag), fd, BPF_CGROUP_SOCK_OPS, 0))
		err(1, "attach add_tag");
	close(fd);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "the SYN of a held flow has it", a_held_flow_has_it },
		{ "no other has one", no_other_has_one },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("tag", tests);
}
