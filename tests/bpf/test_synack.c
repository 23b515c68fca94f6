/* SPDX-License-Identifier: GPL-2.0-or-later */
/* read_synack in a cgroup of this test: a connection leaves the options of its SYN+ACK, a join nothing. */
#include <fcntl.h>
#include <linux/mptcp.h>
#include <poll.h>
#include <sys/stat.h>

#include "program_test.h"

#include <lib/addr.h>

#define LISTENER4 "127.0.1.1"
#define LISTENER6 "fd77:1:2:3:4:5:6:7"
#define CLIENT_OWN4 "127.0.8.9"
#define CLIENT_OWN6 "fd77:8:9:a:b:c:d:e"
#define TCPOPT_MSS 2
#define TCPOPT_SCALE 3
#define TCPOPT_MPTCP 30
#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif

static int listener; /* of the last connection */
static char cgroup[128];

static unsigned entries(void)
{
	struct mpgate_tuple next;
	unsigned n = 0;
	void *at = NULL;

	for (; !bpf_map_get_next_key(bpf_map__fd(skel->maps.synack), at, &next); at = &next)
		n++;
	return n;
}

static struct sockaddr_in6 address_of(int family, const char *text)
{
	struct sockaddr_in6 a = { .sin6_family = family };

	inet_pton(family, text, family == AF_INET ? (void *)&((struct sockaddr_in *)&a)->sin_addr : &a.sin6_addr);
	return a;
}

/* Connects over loopback; returns the client, and in *len the number of bytes of options kept for it, -1: no entry. */
static int connect_once(int family, int proto, struct mpgate_synack *entry, int *len)
{
	struct sockaddr_in6 to = address_of(family, family == AF_INET ? LISTENER4 : LISTENER6);
	struct sockaddr_in6 from = address_of(family, family == AF_INET ? CLIENT_OWN4 : CLIENT_OWN6);
	socklen_t alen = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int l = socket(family, SOCK_STREAM, proto), c = socket(family, SOCK_STREAM, proto);
	struct mpgate_tuple tuple = {};

	if (bind(l, (void *)&to, alen) || listen(l, 1) || getsockname(l, (void *)&to, &alen) ||
	    bind(c, (void *)&from, alen) || connect(c, (void *)&to, alen) || getsockname(c, (void *)&from, &alen))
		err(1, "connection");
	addr_from_sockaddr((void *)&to, &tuple.daddr, &tuple.dport);
	addr_from_sockaddr((void *)&from, &tuple.saddr, &tuple.sport);
	*len = bpf_map_lookup_elem(bpf_map__fd(skel->maps.synack), &tuple, entry) ? -1 : entry->len;
	listener = l;
	return c;
}

/* One option behind the other, up to the end. */
static bool well_formed(const struct mpgate_synack *e)
{
	int i = 0;

	while (i < e->len && e->options[i])
		i += e->options[i] == 1 ? 1 : e->options[i + 1] < 2 ? e->len + 1 : e->options[i + 1];
	return i == e->len;
}

static bool has_option(const struct mpgate_synack *e, uint8_t kind)
{
	for (int i = 0; i < e->len && e->options[i];) {
		if (e->options[i] == kind)
			return true;
		i += e->options[i] == 1 || e->options[i + 1] < 2 ? 1 : e->options[i + 1];
	}
	return false;
}

static void options_of_a_connection_are_kept(void)
{
	static const int families[] = { AF_INET, AF_INET6 }, protos[] = { 0, IPPROTO_MPTCP };

	for (int i = 0; i < 4; i++) {
		struct mpgate_synack e = {};
		int len, c = connect_once(families[i & 1], protos[i >> 1], &e, &len);

		CU_ASSERT_FATAL(len >= 4);
		CU_ASSERT_EQUAL(len % 4, 0);
		CU_ASSERT(well_formed(&e));
		CU_ASSERT(has_option(&e, TCPOPT_MSS));
		CU_ASSERT(has_option(&e, TCPOPT_SCALE));
		CU_ASSERT_EQUAL(has_option(&e, TCPOPT_MPTCP), protos[i >> 1] != 0);
		for (int j = len; j < 40; j++)
			CU_ASSERT_EQUAL(e.options[j], 0);
		close(c);
		close(listener);
	}
}

/* The kernel has joined a second subflow. */
static bool joined(int c)
{
	struct mptcp_info info = {};
	socklen_t len = sizeof(info);

	return !getsockopt(c, SOL_MPTCP, MPTCP_INFO, &info, &len) && info.mptcpi_subflows == 1;
}

static void a_join_leaves_nothing(void)
{
	struct mpgate_synack e;
	unsigned before;
	int len, c;

	sh("ip mptcp limits set subflows 1 add_addr_accepted 1");
	sh("ip mptcp endpoint add 127.0.0.2 subflow");
	before = entries();
	c = connect_once(AF_INET, IPPROTO_MPTCP, &e, &len);
	/* It joins once the first data is acknowledged. */
	CU_ASSERT_EQUAL(write(c, "", 1), 1);
	for (int i = 0; i < 500 && !joined(c); i++)
		poll(NULL, 0, 10);
	CU_ASSERT(joined(c));
	CU_ASSERT_EQUAL(entries(), before + 1);
	close(c);
	close(listener);
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
	int fd;

	if (unshare(CLONE_NEWNET))
		err(1, "unshare");
	sh("ip link set lo up && ip addr add " LISTENER6 " dev lo nodad && ip addr add " CLIENT_OWN6 " dev lo nodad");
	skel = dp_open();
	snprintf(cgroup, sizeof(cgroup), "%s/mpg-synack-%d", root, getpid());
	if (mkdir(cgroup, 0755))
		err(1, "%s", cgroup);
	atexit(leave);
	fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	sh("echo %d >%s/cgroup.procs", getpid(), cgroup);
	if (bpf_prog_attach(bpf_program__fd(skel->progs.read_synack), fd, BPF_CGROUP_SOCK_OPS, 0))
		err(1, "attach read_synack");
	close(fd);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "options of a connection are kept", options_of_a_connection_are_kept },
		{ "a join leaves nothing", a_join_leaves_nothing },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("synack", tests);
}
