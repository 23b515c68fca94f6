// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/worker/fault.c user/mpgated/worker/sandbox.c user/mpgated/ipc/confine.c
// SOURCES: user/mpgated/net/tcp.c
// LIBS: libseccomp
/*
 * How a confined worker ends: a child with one connection is set up as a worker is, then does something that ends it.
 * Its connection has to end with a reset, and the child in the way that tells why.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mpgated/net/tcp.h>
#include <mpgated/worker/worker.h>

#include "cunit.h"

#define PAGE 4096
#if defined(__SANITIZE_ADDRESS__) || defined(COVERAGE)
#define FILTERED false
#else
#define FILTERED true
#endif

static int connection; /* in the child */

/* A connection to ourselves, its ends in end. */
static int connect_pair(const char *loopback, int end[2])
{
	static const struct listen_options opt = { .backlog = 1 };
	struct mpgate_addr addr, bound;
	__be16 port;
	int listener, ret;

	addr_parse(loopback, &addr);
	listener = tcp_listen(&addr, 0, &opt);
	if (listener < 0)
		return listener;
	ret = tcp_local(listener, &bound, &port);
	end[0] = tcp_socket(addr_is_v4(&addr) ? AF_INET : AF_INET6, true);
	if (!ret)
		ret = (int)tcp_dial(end[0], &addr, port, false, NULL, 0);
	fcntl(listener, F_SETFL, 0);
	end[1] = ret ? -1 : accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	fcntl(end[0], F_SETFL, 0);
	close(listener);
	return end[1] < 0 ? -EIO : 0;
}

static void open_file(void)
{
	_exit(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0);
}

static void touch_nothing(void)
{
	volatile char *page = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*page = 1;
}

static void wait_for_signal(void)
{
	for (;;) {
		char byte;

		recv(connection, &byte, 1, 0);
	}
}

/* Runs end_it() in a confined child; sig: sent to it. Returns its wait status. */
static int run_child(const char *loopback, void (*end_it)(void), int sig)
{
	int end[2] = { -1, -1 }, status = -1;
	char byte = 0;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(connect_pair(loopback, end), 0);
	pid = fork();
	if (!pid) {
		close(end[0]);
		connection = end[1];
		fault_covers(connection);
		if (fault_handlers() < 0 || sandbox_enter() < 0 || send(connection, &byte, 1, 0) != 1)
			_exit(1);
		end_it();
		_exit(0);
	}
	close(end[1]);
	CU_ASSERT_EQUAL(recv(end[0], &byte, 1, 0), 1);
	if (sig)
		kill(pid, sig);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	errno = 0;
	CU_ASSERT_EQUAL(recv(end[0], &byte, 1, 0), -1);
	CU_ASSERT_EQUAL(errno, ECONNRESET);
	close(end[0]);
	return status;
}

static const char *const loopbacks[] = { "127.0.0.1", "::1" };
#define EACH_FAMILY(i) for (unsigned i = 0; (i) < 2; (i)++)

static void test_fault(void)
{
	EACH_FAMILY(i)
	{
		int status = run_child(loopbacks[i], touch_nothing, 0);

		CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	}
}

static void test_abort(void)
{
	EACH_FAMILY(i)
	{
		int status = run_child(loopbacks[i], abort, 0);

		CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGABRT);
	}
}

static void test_sent(void)
{
	static const int sent[] = { SIGTERM, SIGABRT, SIGSEGV };

	EACH_FAMILY(i)
	for (unsigned k = 0; k < sizeof(sent) / sizeof(sent[0]); k++) {
		int status = run_child(loopbacks[i], wait_for_signal, sent[k]);

		CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 128 + sent[k]);
	}
}

static void test_refused_call(void)
{
	if (!FILTERED) {
		cunit_skip("sanitizers and coverage need calls of their own: no filter in this build");
		return;
	}
	EACH_FAMILY(i)
	{
		int status = run_child(loopbacks[i], open_file, 0);

		CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGSYS);
	}
}

int main(void)
{
	CU_TestInfo tests[] = { { "a fault", test_fault },
				{ "abort()", test_abort },
				{ "a signal that was sent", test_sent },
				{ "a system call that the sandbox refuses", test_refused_call },
				CU_TEST_INFO_NULL };

	return cunit_run("the end of a worker", tests, NULL, NULL) ? 0 : 1;
}
