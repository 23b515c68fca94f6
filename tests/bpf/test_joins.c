/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hold_joins at both ends of a link, with real MPTCP connections: the first ACK of a join is held back while the kernel
 * cannot finish it, and nothing else is.
 */
#include <pthread.h>

#include <linux/mptcp.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "live.h"
#include "program_test.h"

#define PAGE 4096
#define PORT 9000
#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif

static int listener[2], tap; /* tap: sees what passes the client's end of the link */
static int faults = -1; /* userfaultfd */
static char *page; /* is not there at first: who writes to it stands still */

/* The gateway's addresses, and those from which the client joins. */
static const char *const hub[2] = { "10.77.0.1", "fd77::1" }, *const second[2] = { "10.77.0.3", "fd77::3" };

static struct sockaddr_in6 address_of(int family, const char *text, __u16 port, socklen_t *len)
{
	struct sockaddr_in6 a = {};

	live_address(family, port, &a, len);
	inet_pton(a.sin6_family, text, family == 4 ? (void *)&((struct sockaddr_in *)&a)->sin_addr : &a.sin6_addr);
	return a;
}

static void connect_pair(int family, int proto, int *client, int *server)
{
	socklen_t len;
	struct sockaddr_in6 a = address_of(family, hub[family == 6], PORT, &len);
	struct sockaddr_in6 from = address_of(family, family == 4 ? CLIENT4 : CLIENT6, 0, &len);

	live_enter(live_client_ns);
	*client = socket(a.sin6_family, SOCK_STREAM, proto);
	live_enter(live_gateway_ns);
	if (*client < 0 || bind(*client, (void *)&from, len) || connect(*client, (void *)&a, len))
		err(1, "connection");
	*server = accept(listener[family == 6], NULL, NULL);
	if (*server < 0)
		err(1, "accept");
}

static bool readable(int fd, int ms)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return poll(&wait, 1, ms) == 1;
}

/* Waits until a packet goes to the client's second address that is none of a SYN, or comes from there (out). */
static bool join_ack(int family, bool out, int ms)
{
	__u32 ip = ETH_HLEN, off = family == 4 ? (out ? 12 : 16) : (out ? 8 : 24);
	__u8 frame[2048], want[16];

	inet_pton(family == 4 ? AF_INET : AF_INET6, second[family == 6], want);
	while (readable(tap, ms)) {
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(tap, frame, sizeof(frame), 0, (void *)&from, &len);
		__u32 tcp = ip + (family == 4 ? 20 : 40);

		if (n >= (ssize_t)tcp + 20 && ntohs(from.sll_protocol) == (family == 4 ? ETH_P_IP : ETH_P_IPV6) &&
		    frame[ip + (family == 4 ? 9 : 6)] == IPPROTO_TCP &&
		    !memcmp(frame + ip + off, want, family == 4 ? 4 : 16) &&
		    (frame[tcp + 13] & (FLAG_ACK | FLAG_SYN)) == FLAG_ACK)
			return true;
	}
	return false;
}

/* What was dropped at the gateway's end. */
static unsigned held(void)
{
	FILE *f = popen("tc -s qdisc show dev " TEST_LINK " clsact", "r");
	unsigned n = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, " Sent %*u bytes %*u pkt (dropped %u", &n);
	if (!f || pclose(f))
		err(1, "tc");
	return n;
}

/* From then on the client's connections have a second path. */
static void path_add(int family)
{
	live_enter(live_client_ns);
	sh("ip mptcp endpoint add %s subflow", second[family == 6]);
	live_enter(live_gateway_ns);
}

static void path_remove(void)
{
	live_enter(live_client_ns);
	sh("ip mptcp endpoint flush");
	live_enter(live_gateway_ns);
}

static void *receive(void *fd)
{
	return (void *)recv(*(int *)fd, page, PAGE, 0);
}

/* The server's process stands still in a call on the socket while the second path joins. */
static void an_ack_waits_until_the_join_is_finished(void)
{
	EACH_FAMILY(family)
	{
		struct uffdio_zeropage there = { .range = { .start = (uintptr_t)page, .len = PAGE } };
		int client, server, left = LIVE_DEADLINE_MS;
		unsigned before = held();
		struct uffd_msg fault;
		pthread_t thread;
		void *got;

		connect_pair(family, IPPROTO_MPTCP, &client, &server);
		pthread_create(&thread, NULL, receive, &server);
		CU_ASSERT_EQUAL(write(client, "x", 1), 1);
		CU_ASSERT_FATAL(readable(faults, LIVE_DEADLINE_MS));
		CU_ASSERT_EQUAL(read(faults, &fault, sizeof(fault)), sizeof(fault));
		path_add(family);
		CU_ASSERT(join_ack(family, true, LIVE_DEADLINE_MS)); /* the third packet of the join */
		for (; held() == before && left > 0; left -= 10)
			poll(NULL, 0, 10);
		CU_ASSERT(left > 0);
		CU_ASSERT_FALSE(join_ack(family, false, 0));
		CU_ASSERT_EQUAL(ioctl(faults, UFFDIO_ZEROPAGE, &there), 0);
		pthread_join(thread, &got);
		CU_ASSERT_PTR_EQUAL(got, (void *)1);
		CU_ASSERT_EQUAL(page[0], 'x');
		CU_ASSERT(join_ack(family, false, LIVE_DEADLINE_MS));
		madvise(page, PAGE, MADV_DONTNEED);
		path_remove();
		close(client);
		close(server);
	}
}

/* The kernel has joined a second subflow. */
static bool joined(int fd)
{
	struct mptcp_info info = {};
	socklen_t len = sizeof(info);

	return !getsockopt(fd, SOL_MPTCP, MPTCP_INFO, &info, &len) && info.mptcpi_subflows == 1;
}

/* The server speaks first, in small packets; and a join that meets nobody in a call is finished at once. */
static void nothing_else_is_held(void)
{
	static const int protos[] = { IPPROTO_TCP, IPPROTO_MPTCP };

	for (int i = 0; i < 4; i++) {
		int family = i & 1 ? 6 : 4, client, server, left = LIVE_DEADLINE_MS;
		unsigned before = held();
		char c;

		connect_pair(family, protos[i >> 1], &client, &server);
		CU_ASSERT_EQUAL(write(server, "a", 1), 1);
		CU_ASSERT(readable(client, LIVE_DEADLINE_MS) && read(client, &c, 1) == 1 && c == 'a');
		CU_ASSERT_EQUAL(write(client, "b", 1), 1);
		CU_ASSERT(readable(server, LIVE_DEADLINE_MS) && read(server, &c, 1) == 1 && c == 'b');
		path_add(family);
		while (i >> 1 && !(joined(client) && joined(server)) && --left)
			poll(NULL, 0, 1);
		CU_ASSERT(left > 0);
		if (i >> 1)
			CU_ASSERT(join_ack(family, false, LIVE_DEADLINE_MS));
		CU_ASSERT_EQUAL(held(), before);
		path_remove();
		close(client);
		close(server);
	}
}

static void faults_open(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { .len = PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };

	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	reg.range.start = (uintptr_t)page;
	if (page == MAP_FAILED || faults < 0 || ioctl(faults, UFFDIO_API, &api) || ioctl(faults, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd");
}

static void setup(void)
{
	__u32 link_id = live_open(), far;
	int one = 1;

	skel = dp_open();
	faults_open();
	live_attach_at(skel->progs.hold_joins, link_id, BPF_TC_EGRESS);
	sh("ip mptcp limits set subflows 1 add_addr_accepted 0");
	EACH_FAMILY(family)
	{
		socklen_t len;
		struct sockaddr_in6 a = address_of(family, hub[family == 6], PORT, &len);
		int fd = socket(a.sin6_family, SOCK_STREAM, IPPROTO_MPTCP);

		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		    bind(fd, (void *)&a, len) || listen(fd, 4))
			err(1, "listener");
		listener[family == 6] = fd;
	}
	live_enter(live_client_ns);
	far = if_nametoindex("mpg-far");
	live_attach_at(skel->progs.hold_joins, far, BPF_TC_EGRESS);
	sh("ip mptcp limits set subflows 1 add_addr_accepted 0");
	for (int i = 0; i < 2; i++)
		sh("ip addr add %s/%d dev mpg-far %s", second[i], i ? 64 : 24, i ? "nodad" : "");
	tap = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	if (tap < 0)
		err(1, "packet socket");
	live_enter(live_gateway_ns);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "an ACK waits until the join is finished", an_ack_waits_until_the_join_is_finished },
		{ "nothing else is held", nothing_else_is_held },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("joins", tests);
}
