// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/child.c user/mpgated/supervisor/watch.c
// SOURCES: user/mpgated/ipc/start.c user/mpgated/ipc/message.c
// LIBS: libuv
/*
 * Processes that the supervisor starts: this program, executed again, is the child, and does what its first packet
 * says. What it is born with, how it ends, and that it comes back.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>
#include <mpgated/supervisor/child.h>

#include "cunit.h"

#define CHILD "mpgated: child"
#define INDEX 5U
#define DEADLINE_MS 20000
#define SIGNALS 31

enum order { END, CRASH, TELL, HANG };

/* What a child tells of itself. */
struct told {
	uint64_t code; /* where a function of the program is */
	uint32_t index, descriptors, blocked, ignored;
	char name[16];
};

static uv_loop_t loop;
static uv_signal_t sigchld;
static struct child child;
static enum order order;
static unsigned ended;
static int end_status;
static unsigned end_delay;

/* --- the child */

static uint32_t count_descriptors(void)
{
	uint32_t n = 0;

	for (int fd = STDERR_FILENO + 1; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void tell(const char *number)
{
	struct told t = { .code = (uintptr_t)&tell, .index = (uint32_t)atoi(number) };
	struct sigaction act;
	sigset_t mask;

	start_begin();
	t.descriptors = count_descriptors();
	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig <= SIGNALS; sig++) {
		t.blocked += sigismember(&mask, sig) == 1;
		t.ignored += sigaction(sig, NULL, &act) == 0 && act.sa_handler == SIG_IGN;
	}
	prctl(PR_GET_NAME, t.name);
	packet_send(START_SOCKET, &t, sizeof(t), NULL, 0);
}

static int child_main(const char *number)
{
	enum order what;
	int fd;
	unsigned n;

	if (packet_receive(START_SOCKET, &what, sizeof(what), &fd, 1, &n, 0) != 1)
		return 2;
	if (what == CRASH)
		raise(SIGKILL);
	if (what == TELL)
		tell(number);
	while (what != END)
		pause();
	return 3;
}

/* --- the supervisor */

static int begin(struct child *c)
{
	return packet_send(c->socket, &order, sizeof(order), NULL, 0);
}

static void readable(struct child *c)
{
	child_listen(c, false);
}

static void on_end(struct child *c, int status, unsigned delay)
{
	(void)c;
	ended++;
	end_status = status;
	end_delay = delay;
}

static const struct child_kind kind = { .name = CHILD, .begin = begin, .readable = readable, .ended = on_end };

static void reap(uv_signal_t *h, int signum)
{
	(void)h;
	(void)signum;
	child_reap(&child);
}

/* Runs the loop until the child has ended n times, or is running when n is 0. */
static void until(unsigned n)
{
	for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ULL; uv_hrtime() < end;) {
		if (n ? ended >= n : child.pid != 0)
			break;
		uv_run(&loop, UV_RUN_NOWAIT);
		poll(NULL, 0, 1);
	}
	CU_ASSERT_FATAL(n ? ended >= n : child.pid != 0);
}

static void begin_child(enum order what)
{
	order = what;
	ended = 0;
	child_init(&child, &loop, &kind, INDEX);
	CU_ASSERT_EQUAL_FATAL(child_start(&child), 0);
}

static void end_child(void)
{
	unsigned n = ended;

	child_stop(&child);
	if (child.pid) {
		kill(child.pid, SIGKILL);
		until(n + 1);
	}
	uv_run(&loop, UV_RUN_NOWAIT);
	CU_ASSERT_EQUAL(child.socket, -1);
}

static struct told ask(void)
{
	struct pollfd p = { .fd = child.socket, .events = POLLIN };
	struct told t = { 0 };
	unsigned n;
	int fd;

	CU_ASSERT_EQUAL(poll(&p, 1, DEADLINE_MS), 1);
	CU_ASSERT_EQUAL(packet_receive(child.socket, &t, sizeof(t), &fd, 0, &n, 0), 1);
	return t;
}

/* It has one descriptor and no signal of ours; which ones are open or ignored here does not matter. */
static void test_birth(void)
{
	int left = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */
	struct told t;

	signal(SIGUSR1, SIG_IGN);
	begin_child(TELL);
	t = ask();
	CU_ASSERT_EQUAL(t.index, INDEX);
	CU_ASSERT_EQUAL(t.descriptors, 1);
	CU_ASSERT_EQUAL(t.blocked, SIGNALS - 2); /* SIGKILL and SIGSTOP cannot be */
	CU_ASSERT_EQUAL(t.ignored, 0);
	CU_ASSERT_STRING_EQUAL(t.name, "mpgated");
	end_child();
	signal(SIGUSR1, SIG_DFL);
	close(left);
}

/* Each start has an address layout of its own: two in 20 may be the same by chance, hardly all. */
static void test_layout(void)
{
	int fd = open("/proc/sys/kernel/randomize_va_space", O_RDONLY | O_CLOEXEC);
	uint64_t first = 0;
	bool differs = false;
	char on = '0';

	if (fd >= 0 && read(fd, &on, 1) != 1)
		on = '0';
	close(fd);
	if (on == '0') {
		cunit_skip("this kernel does not randomise addresses");
		return;
	}
	for (unsigned i = 0; i < 20 && !differs; i++) {
		uint64_t code;

		begin_child(TELL);
		code = ask().code;
		differs = i && code != first;
		first = code;
		end_child();
	}
	CU_ASSERT_TRUE(differs);
}

static void test_restart(void)
{
	pid_t first;

	begin_child(CRASH);
	first = child.pid;
	until(1);
	CU_ASSERT(WIFSIGNALED(end_status) && WTERMSIG(end_status) == SIGKILL);
	CU_ASSERT_EQUAL(end_delay, 0);
	until(2);
	CU_ASSERT_EQUAL(end_delay, WATCH_DELAY_MS);
	order = END;
	until(3);
	CU_ASSERT(WIFEXITED(end_status) && WEXITSTATUS(end_status) == 3);
	CU_ASSERT_EQUAL(end_delay, 2 * WATCH_DELAY_MS);
	order = HANG;
	until(0);
	CU_ASSERT_EQUAL(child.restarts, 3);
	CU_ASSERT_EQUAL(child.killed, 0);
	CU_ASSERT(child.pid != first);
	end_child();
}

static void test_kill(void)
{
	begin_child(HANG);
	child_kill(&child, "a test");
	until(1);
	CU_ASSERT_EQUAL(child.killed, 1);
	until(0);
	end_child();
}

/* Ticks go by as if in time; the child answers nothing and does not react to signals. */
static void hang(bool stopped)
{
	uint64_t now = uv_now(&loop);
	unsigned n = 0;

	begin_child(HANG);
	if (stopped)
		kill(child.pid, SIGSTOP);
	while (!ended && n < 100) {
		child.watch.ticked = now - WATCH_PERIOD_MS;
		child_tick(&child, 0);
		uv_run(&loop, UV_RUN_NOWAIT);
		now = uv_now(&loop);
		n++;
	}
	until(1);
	CU_ASSERT(WIFSIGNALED(end_status) && WTERMSIG(end_status) == SIGKILL);
	CU_ASSERT_EQUAL(child.killed, 1);
	end_child();
}

/* Signals are blocked in this child, so nothing but SIGKILL ends it. */
static void test_hung(void)
{
	hang(false);
	hang(true);
}

int main(int argc, char **argv)
{
	static CU_TestInfo tests[] = { { "what it is born with", test_birth },
				       { "an address layout of its own", test_layout },
				       { "restarts, slower each time", test_restart },
				       { "killed", test_kill },
				       { "hung", test_hung },
				       CU_TEST_INFO_NULL };
	bool passed;

	if (argc == 2 && !strcmp(argv[0], CHILD))
		return child_main(argv[1]);
	uv_loop_init(&loop);
	uv_signal_init(&loop, &sigchld);
	uv_signal_start(&sigchld, reap, SIGCHLD);
	passed = cunit_run("child", tests, NULL, NULL);
	uv_close((uv_handle_t *)&sigchld, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return passed && uv_loop_close(&loop) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
