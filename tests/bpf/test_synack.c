/* SPDX-License-Identifier: GPL-2.0-or-later */
/* read_synack in a cgroup of this test: a plain connection leaves the options of its SYN+ACK, an MPTCP one nothing. */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "harness.h"

#define TCPOPT_MSS 2

static struct mpgate_bpf *skel;
static char cgroup[128];

/* Connects over loopback; returns the number of bytes of options kept for it, -1: no entry. */
static int connect_once(int family, int proto, struct mpgate_synack *entry)
{
	struct sockaddr_in6 a = { .sin6_family = family, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(a);
	int l = socket(family, SOCK_STREAM, proto), c = socket(family, SOCK_STREAM, proto);
	__u64 cookie;

	if (family == AF_INET)
		((struct sockaddr_in *)&a)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(l, (void *)&a, len) || listen(l, 1) || getsockname(l, (void *)&a, &len) || connect(c, (void *)&a, len))
		err(1, "connection");
	len = sizeof(cookie);
	if (getsockopt(c, SOL_SOCKET, SO_COOKIE, &cookie, &len))
		err(1, "SO_COOKIE");
	close(c);
	close(l);
	if (bpf_map_lookup_elem(bpf_map__fd(skel->maps.synack), &cookie, entry))
		return -1;
	return entry->len;
}

static unsigned entries(void)
{
	__u64 key, next;
	unsigned n = 0;
	void *at = NULL;

	while (!bpf_map_get_next_key(bpf_map__fd(skel->maps.synack), at, &next)) {
		key = next;
		at = &key;
		n++;
	}
	return n;
}

static void options_of_a_plain_connection_are_kept(void)
{
	static const int families[] = { AF_INET, AF_INET6 };

	for (int i = 0; i < 2; i++) {
		struct mpgate_synack e = {};

		CU_ASSERT(connect_once(families[i], 0, &e) >= 4);
		CU_ASSERT_EQUAL(e.len % 4, 0);
		CU_ASSERT_EQUAL(e.options[0], TCPOPT_MSS); /* Linux writes it first */
		CU_ASSERT_EQUAL(e.options[1], 4);
		for (int j = e.len; j < 40; j++)
			CU_ASSERT_EQUAL(e.options[j], 0);
	}
}

static void an_mptcp_connection_leaves_nothing(void)
{
	static const int families[] = { AF_INET, AF_INET6 };
	unsigned before = entries();

	for (int i = 0; i < 2; i++) {
		struct mpgate_synack e;

		CU_ASSERT_EQUAL(connect_once(families[i], IPPROTO_MPTCP, &e), -1);
	}
	CU_ASSERT_EQUAL(entries(), before);
	CU_ASSERT(before > 0);
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
	sh("ip link set lo up");
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
	CU_pSuite suite;
	unsigned failed;

	setup();
	CU_initialize_registry();
	suite = CU_add_suite("synack", NULL, NULL);
	CU_ADD_TEST(suite, options_of_a_plain_connection_are_kept);
	CU_ADD_TEST(suite, an_mptcp_connection_leaves_nothing);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures();
	CU_cleanup_registry();
	mpgate_bpf__destroy(skel);
	return failed != 0;
}
