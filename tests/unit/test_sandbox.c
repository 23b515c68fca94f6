// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/worker/sandbox.c user/mpgated/ipc/confine.c user/mpgated/net/tcp.c
// LIBS: libseccomp libbpf
/* What a confined worker may do, and what ends it: each case in a child of its own, which enters the sandbox first. */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/worker.h>

#include "cunit.h"

#define STREAM (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
#define HIGH (1UL << 32) /* a bit that the kernel does not see of an int */
#if defined(__SANITIZE_ADDRESS__) || defined(COVERAGE)
#define FILTERED false
#else
#define FILTERED true
#endif

/* Made before the sandbox is entered: a map, a connected pair of unix sockets, a TCP socket. */
static int map_fd, pair[2], tcp_fd;

struct
try {
	const char *name;
	long call, arg[6];
};

static long value = 1;
static struct sock_fprog no_filter;
static union bpf_attr no_attr;
static char *const no_args[] = { NULL };
static struct stat out;

/* Wait status of a child that does one of them in the sandbox, and exits with 0 when the call itself worked. */
static int attempt(const struct try *t)
{
	int status = -1;
	pid_t pid = fork();

	if (!pid) {
		if (sandbox_enter() < 0)
			_exit(99);
		_exit(syscall(t->call, t->arg[0], t->arg[1], t->arg[2], t->arg[3], t->arg[4], t->arg[5]) < 0);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_refused(void)
{
	const struct try tries[] = {
		{ "packet socket", SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
		{ "packet socket without headers", SYS_socket, { AF_PACKET, SOCK_DGRAM, 0 } },
		{ "netlink socket", SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_ROUTE } },
		{ "unix socket", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 } },
		{ "vsock", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
		{ "raw socket", SYS_socket, { AF_INET, SOCK_RAW, IPPROTO_TCP } },
		{ "raw socket, IPv6", SYS_socket, { AF_INET6, SOCK_RAW, IPPROTO_TCP } },
		{ "UDP", SYS_socket, { AF_INET, SOCK_DGRAM, IPPROTO_UDP } },
		{ "UDP, IPv6", SYS_socket, { AF_INET6, SOCK_DGRAM, IPPROTO_UDP } },
		{ "SCTP", SYS_socket, { AF_INET, STREAM, IPPROTO_SCTP } },
		{ "any protocol", SYS_socket, { AF_INET6, STREAM, 0 } },
		{ "packet socket in disguise", SYS_socket, { AF_PACKET | (long)HIGH, STREAM, IPPROTO_TCP } },
		{ "a family with more to it", SYS_socket, { AF_INET | (long)HIGH, STREAM, IPPROTO_TCP } },
		{ "a type with more to it", SYS_socket, { AF_INET, STREAM | (long)HIGH, IPPROTO_TCP } },
		{ "pair of sockets", SYS_socketpair, { AF_UNIX, SOCK_STREAM, 0, (long)pair } },
		{ "load a program", SYS_bpf, { BPF_PROG_LOAD, (long)&no_attr, sizeof(no_attr) } },
		{ "make a map", SYS_bpf, { BPF_MAP_CREATE, (long)&no_attr, sizeof(no_attr) } },
		{ "open a pin", SYS_bpf, { BPF_OBJ_GET, (long)&no_attr, sizeof(no_attr) } },
		{ "open a map by id", SYS_bpf, { BPF_MAP_GET_FD_BY_ID, (long)&no_attr, sizeof(no_attr) } },
		{ "attach a program", SYS_bpf, { BPF_PROG_ATTACH, (long)&no_attr, sizeof(no_attr) } },
		{ "bpf() in disguise",
		  SYS_bpf,
		  { BPF_MAP_LOOKUP_AND_DELETE_ELEM | (long)HIGH, (long)&no_attr, sizeof(no_attr) } },
		{ "filter on a socket",
		  SYS_setsockopt,
		  { tcp_fd, SOL_SOCKET, SO_ATTACH_FILTER, (long)&no_filter, sizeof(no_filter) } },
		{ "program on a socket",
		  SYS_setsockopt,
		  { tcp_fd, SOL_SOCKET, SO_ATTACH_BPF, (long)&value, sizeof(int) } },
		{ "socket at a device", SYS_setsockopt, { tcp_fd, SOL_SOCKET, SO_BINDTODEVICE, (long)"lo", 3 } },
		{ "packet option",
		  SYS_setsockopt,
		  { tcp_fd, SOL_PACKET, PACKET_STATISTICS, (long)&value, sizeof(int) } },
		{ "flags of a descriptor", SYS_fcntl, { tcp_fd, F_SETFL, 0 } },
		{ "owner of a descriptor", SYS_fcntl, { tcp_fd, F_SETOWN, 1 } },
		{ "second descriptor", SYS_dup3, { tcp_fd, 200, 0 } },
		{ "memory to execute",
		  SYS_mmap,
		  { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
		{ "memory to write and execute",
		  SYS_mmap,
		  { 0, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
		{ "other rights on memory", SYS_mprotect, { 0, 4096, PROT_EXEC } },
		{ "file", SYS_openat, { AT_FDCWD, (long)"/etc/passwd", O_RDONLY, 0 } },
		{ "look at a file", SYS_newfstatat, { AT_FDCWD, (long)"/etc/passwd", (long)&out, 0 } },
		{ "start a program", SYS_execve, { (long)"/bin/true", (long)no_args, (long)no_args } },
		{ "child", SYS_clone, { SIGCHLD, 0, 0, 0, 0 } },
		{ "signal to another process", SYS_kill, { getpid(), 0 } },
		{ "signal to a thread of another process", SYS_tgkill, { getpid(), getpid(), 0 } },
		{ "look into a process", SYS_ptrace, { PTRACE_ATTACH, getpid(), 0, 0 } },
		{ "cut a file", SYS_ftruncate, { tcp_fd, 0 } },
		{ "ioctl()", SYS_ioctl, { tcp_fd, 0x8927, (long)&out } },
		{ "namespace", SYS_unshare, { 0x40000000 } },
		{ "more rights", SYS_setuid, { 0 } },
		{ "io_uring", SYS_io_uring_setup, { 1, (long)&out } },
	};

	if (!FILTERED) {
		cunit_skip("sanitizers and coverage need calls of their own: no filter in this build");
		return;
	}
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		int status = attempt(&tries[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS) {
			printf("\n    %s: wait status %#x ", tries[i].name, (unsigned)status);
			CU_FAIL("it is not refused");
		}
	}
}

static void test_left(void)
{
	const struct try tries[] = {
		{ "TCP", SYS_socket, { AF_INET, STREAM, IPPROTO_TCP } },
		{ "TCP, IPv6", SYS_socket, { AF_INET6, STREAM, IPPROTO_TCP } },
		{ "MPTCP", SYS_socket, { AF_INET, STREAM, IPPROTO_MPTCP } },
		{ "MPTCP, IPv6", SYS_socket, { AF_INET6, STREAM, IPPROTO_MPTCP } },
		{ "TCP that waits", SYS_socket, { AF_INET, SOCK_STREAM, IPPROTO_TCP } },
		{ "TCP option", SYS_setsockopt, { tcp_fd, IPPROTO_TCP, 1, (long)&value, sizeof(int) } },
		{ "transparent", SYS_setsockopt, { tcp_fd, IPPROTO_IP, 19, (long)&value, sizeof(int) } },
		{ "urgent data", SYS_setsockopt, { tcp_fd, SOL_SOCKET, SO_OOBINLINE, (long)&value, sizeof(int) } },
		{ "spare descriptor", SYS_fcntl, { tcp_fd, F_DUPFD_CLOEXEC, 0 } },
		{ "memory", SYS_mmap, { 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
		{ "memfd", SYS_memfd_create, { (long)"flows", MFD_CLOEXEC } },
		{ "size of a descriptor", SYS_newfstatat, { tcp_fd, (long)"", (long)&out, AT_EMPTY_PATH } },
		{ "message", SYS_sendto, { pair[0], (long)"x", 1, 0, 0, 0 } },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		int status = attempt(&tries[i]);

		if (status) {
			printf("\n    %s: wait status %#x ", tries[i].name, (unsigned)status);
			CU_FAIL("it is refused, or failed");
		}
	}
}

/* As gateway.c and hub.c do: what is found is taken out, what is not there is told. */
static void test_map(void)
{
	const uint32_t key = 5;
	uint32_t found = 0;
	int status = -1;
	pid_t pid;

	if (map_fd < 0) {
		cunit_skip("no map can be made here");
		return;
	}
	CU_ASSERT_EQUAL(bpf_map_update_elem(map_fd, &key, &key, BPF_ANY), 0);
	pid = fork();
	if (!pid)
		_exit(sandbox_enter() < 0 || bpf_map_lookup_and_delete_elem(map_fd, &key, &found) < 0 || found != key ||
		      bpf_map_lookup_and_delete_elem(map_fd, &key, &found) != -ENOENT);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

/* All that net/tcp.c does with sockets that are dialed. */
static void test_dial(void)
{
	static const char *const loopback[] = { "127.0.0.1", "::1" };
	static const struct listen_options opt = { .backlog = 4 };

	for (unsigned i = 0; i < 2; i++) {
		struct mpgate_addr addr, bound, other;
		int listener, status = -1;
		__be16 port, theirs;
		pid_t pid;

		addr_parse(loopback[i], &addr);
		listener = tcp_listen(&addr, 0, &opt);
		CU_ASSERT_FATAL(listener >= 0);
		CU_ASSERT_EQUAL(tcp_local(listener, &bound, &port), 0);
		pid = fork();
		if (!pid) {
			int fd, near;

			if (sandbox_enter() < 0)
				_exit(99);
			fd = tcp_socket(i ? AF_INET6 : AF_INET, true);
			tcp_set_dscp(fd, &addr, 10);
			addr_parse(i ? "fd00::1" : "10.9.8.7", &other);
			near = tcp_socket(i ? AF_INET6 : AF_INET, false);
			if (tcp_bind_foreign(near, &other, 0) < 0)
				_exit(2);
			tcp_reset(near, false);
			if (tcp_dial(fd, &addr, port, false, NULL, 0) < 0 || tcp_local(fd, &other, &theirs) < 0)
				_exit(3);
			near = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			if (near < 0 && errno != EAGAIN)
				_exit(4);
			(void)tcp_error(fd);
			(void)tcp_writable(fd);
			(void)tcp_subflows(fd, NULL);
			(void)tcp_multipath(fd, &(struct tcp_multipath){ 0 }, &theirs);
			(void)tcp_all_acked(fd);
			(void)tcp_is_closed(fd);
			(void)tcp_may_close(fd);
			(void)tcp_is_mptcp(fd);
			(void)tcp_in_handshake(fd);
			(void)tcp_syn_data_acked(fd);
			tcp_reset(fd, true);
			_exit(0);
		}
		CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
		CU_ASSERT_EQUAL(status, 0);
		close(listener);
	}
}

/* In a child that sees `users` as /etc/passwd: are these the user and group of what it makes in the sandbox? */
static bool runs_as(const char *users, uid_t uid, gid_t gid)
{
	char path[] = "/tmp/mpgate-passwd.XXXXXX";
	int fd = mkstemp(path), status = -1;
	struct stat made;
	pid_t pid;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, users, strlen(users)), (ssize_t)strlen(users));
	close(fd);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(path, "/etc/passwd", NULL, MS_BIND, NULL) < 0 || sandbox_enter() < 0)
			_exit(99);
		fd = memfd_create("owned", MFD_CLOEXEC);
		_exit(fd < 0 || fstat(fd, &made) < 0 || made.st_uid != uid || made.st_gid != gid);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	unlink(path);
	return status == 0;
}

static void test_user(void)
{
	CU_ASSERT(runs_as("root:x:0:0::/:/bin/sh\nmpgate:x:471:472::/:/bin/false\n", 471, 472));
	CU_ASSERT(runs_as("root:x:0:0::/:/bin/sh\nmpgate2:x:471:472::/:/bin/false\n", 65534, 65534));
	CU_ASSERT(runs_as("mpgate:x:0:0::/:/bin/sh\n", 65534, 65534));
	CU_ASSERT(runs_as("", 65534, 65534));
}

int main(void)
{
	CU_TestInfo tests[] = { { "what is refused", test_refused },
				{ "what is left", test_left },
				{ "maps", test_map },
				{ "sockets", test_dial },
				{ "user", test_user },
				CU_TEST_INFO_NULL };

	map_fd = bpf_map_create(BPF_MAP_TYPE_HASH, "test", sizeof(uint32_t), sizeof(uint32_t), 4, NULL);
	tcp_fd = tcp_socket(AF_INET, false);
	if (tcp_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return EXIT_FAILURE;
	return cunit_run("the sandbox", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
