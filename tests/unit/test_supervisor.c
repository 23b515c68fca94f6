// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/supervisor.c user/mpgated/ipc/shared.c tests/unit/supervisor_script.c
// SOURCES: tests/unit/supervisor_files_script.c
// LIBS: libuv
/*
 * Start and stop: what is done and in which order, that whatever fails undoes what was done before it and nothing else,
 * and what signals do at which time. A sanitizer's run (SAN=1) finds memory that is left.
 */
#include <dirent.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "config_test.h"
#include "supervisor_script.h"

#define FILE_NAME "supervisor.yaml"
#define SOCKET_NAME "notify"
#define GATEWAY "workers: 2\n" RULES "  - { name: web, to-port: [ \"80\" ]" VIA
#define HUB                                                                                                            \
	"workers: 2\nlinks: [ { name: net0, role: path } ]\nconvert: { listen: [ \"::\" ], accept: issued, "           \
	"allow-from: [ 10.0.0.0/8 ], allow-to: [ 10.0.0.0/8 ] }\n"
#define METRICS "metrics: { listen: 127.0.0.1, port: 9100 }\n"

/* The whole of a start: of a hub with metrics, whose kernel needs the window corrected. */
#define START                                                                                                          \
	"descriptors flows memory identity mptcp control datapath mark cgroup synack listen load sync links "          \
	"paths scrape serve served local features window unscale publish watchdog host workers clock-start settle "
#define STOP                                                                                                           \
	"unsteer unsteer workers-stop flows-close peers-close control-close scrape-close links-close host-close "      \
	"paths-close datapath-close timewait cgroup-remove keyring-free "

/* --- the service manager */

static int notify_fd = -1;

static void notify_open(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = SOCKET_NAME };

	unlink(SOCKET_NAME);
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	CU_ASSERT_EQUAL_FATAL(bind(notify_fd, (struct sockaddr *)&un, sizeof(un)), 0);
	setenv("NOTIFY_SOCKET", SOCKET_NAME, 1);
}

/* All that it was told, a word each. */
static const char *notified(void)
{
	static char text[4096];
	size_t len = 0;
	ssize_t n;

	while (len + 2 < sizeof(text) && (n = recv(notify_fd, text + len, sizeof(text) - len - 2, 0)) > 0) {
		len += (size_t)n;
		text[len++] = ' ';
	}
	text[len] = '\0';
	return text;
}

static void notify_close(void)
{
	close(notify_fd);
	unsetenv("NOTIFY_SOCKET");
}

/* --- runs */

static unsigned open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Some descriptors libuv opens with the first handle of their kind, and keeps. */
static void open_kept(void)
{
	uv_signal_t handle;
	uv_loop_t loop;

	uv_loop_init(&loop);
	uv_signal_init(&loop, &handle);
	uv_close((uv_handle_t *)&handle, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
}

/* Runs to its end, and checks that nothing is left of it. Signals that were held back are taken here. */
static int run(const char *text)
{
	const struct timespec now = { 0, 0 };
	sigset_t all, before;
	unsigned files;
	int code;

	CU_ASSERT_EQUAL_FATAL(write_file(FILE_NAME, text, 0644), 0);
	sigprocmask(SIG_SETMASK, NULL, &before);
	files = open_files();
	stage.loop_closed = false;
	code = supervisor_run(FILE_NAME, &stage_answers);
	sigemptyset(&all);
	sigaddset(&all, SIGTERM);
	sigaddset(&all, SIGINT);
	sigaddset(&all, SIGHUP);
	while (sigtimedwait(&all, NULL, &now) > 0)
		;
	sigprocmask(SIG_SETMASK, &before, NULL);
	CU_ASSERT_EQUAL(open_files(), files);
	CU_ASSERT_EQUAL(stage.opened, 0);
	CU_ASSERT_TRUE(stage.loop_closed);
	return code;
}

static bool has_step(const char *steps, const char *what)
{
	size_t len = strlen(what);

	for (const char *at = steps; (at = strstr(at, what)); at += len)
		if ((at == steps || at[-1] == ' ') && at[len] == ' ')
			return true;
	return false;
}

/* --- what is tested */

static void test_whole(void)
{
	stage_new();
	stage.window_wrong = true;
	stage.signals[0].step = "settle";
	stage.signals[0].number = SIGTERM;
	notify_open();
	CU_ASSERT_EQUAL(run(HUB METRICS), 0);
	CU_ASSERT_STRING_EQUAL(stage.steps, START STOP);
	CU_ASSERT_STRING_EQUAL(stage.errors, "");
	CU_ASSERT_STRING_EQUAL(notified(), "READY=1 STOPPING=1 ");
	notify_close();
}

/* It goes on without a service manager that does not read. */
static void test_deaf_manager(void)
{
	const struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = SOCKET_NAME };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	stage_new();
	stage.checks = 1;
	notify_open();
	while (sendto(fd, "x", 1, 0, (const struct sockaddr *)&un, sizeof(un)) == 1)
		;
	close(fd);
	CU_ASSERT_EQUAL(run(GATEWAY), 0);
	CU_ASSERT_PTR_NULL(strstr(notified(), "READY"));
	notify_close();
}

/* What only a hub needs, only metrics, only some kernels. */
static void test_least(void)
{
	stage_new();
	stage.signals[0].step = "settle";
	stage.signals[0].number = SIGINT;
	CU_ASSERT_EQUAL(run(GATEWAY), 0);
	CU_ASSERT_STRING_EQUAL(
		stage.steps,
		"descriptors flows memory identity mptcp control datapath mark cgroup listen load sync links paths "
		"serve served local features publish watchdog host workers clock-start settle "
		"unsteer unsteer workers-stop flows-close peers-close control-close links-close host-close paths-close "
		"datapath-close timewait cgroup-remove keyring-free ");
	stage_new();
	stage.signals[0].step = "settle";
	stage.signals[0].number = SIGINT;
	CU_ASSERT_EQUAL(run(HUB), 0);
	CU_ASSERT_TRUE(has_step(stage.steps, "window"));
	CU_ASSERT_FALSE(has_step(stage.steps, "unscale"));
}

/* Each step of the stop, and the one of the start without which there is nothing to stop. NULL: it is always done. */
static const struct {
	const char *stop, *start;
} undo[] = {
	{ "unsteer", "listen?" }, /* workers are known when their listeners are tried */
	{ "unsteer", "listen?" },	  { "workers-stop", NULL },	  { "flows-close", NULL },
	{ "peers-close", "datapath" },	  { "control-close", "control" }, { "scrape-close", "scrape" },
	{ "links-close", "links" },	  { "host-close", NULL },	  { "paths-close", "paths" },
	{ "datapath-close", "datapath" }, { "timewait", "datapath" },	  { "cgroup-remove", "cgroup" },
	{ "keyring-free", NULL },
};

/* Was that step done, and well? With '?': done. */
static bool was_done(const char *steps, const char *what)
{
	char name[32];
	size_t len = strcspn(what, "?");

	snprintf(name, sizeof(name), "%.*s", (int)len, what);
	return has_step(steps, name) && (what[len] || !stage.failing || strcmp(stage.failing, name) != 0);
}

static void expect(const char *failing, char *out, size_t size)
{
	const char *at = strstr(START, failing);
	size_t len = (size_t)(at - START) + strlen(failing) + 1;

	snprintf(out, size, "%.*s", (int)len, START);
	for (unsigned i = 0; i < COUNT(undo); i++) {
		if (undo[i].start && !was_done(out, undo[i].start))
			continue;
		strcat(out, undo[i].stop);
		strcat(out, " ");
	}
}

static void test_failing_steps(void)
{
	static const char *const fatal[] = { "memory",	 "identity", "mptcp",	"control", "scrape",
					     "datapath", "mark",     "listen",	"load",	   "sync",
					     "links",	 "paths",    "unscale", "publish", "workers" };
	char expected[STAGE_STEPS];

	for (unsigned i = 0; i < COUNT(fatal); i++) {
		stage_new();
		stage.window_wrong = true;
		stage.failing = fatal[i];
		notify_open();
		expect(fatal[i], expected, sizeof(expected));
		CU_ASSERT_EQUAL(run(HUB METRICS), 1);
		CU_ASSERT_STRING_EQUAL(stage.steps, expected);
		CU_ASSERT_PTR_NOT_NULL(strstr(stage.errors, "cannot start"));
		CU_ASSERT_STRING_EQUAL(notified(), "");
		notify_close();
	}
}

/* Without these a hub can do less, and says so. */
static void test_forgiven(void)
{
	static const char *const fails[] = { "cgroup", "synack", "served", "check" };

	for (unsigned i = 0; i < COUNT(fails); i++) {
		stage_new();
		stage.failing = fails[i];
		stage.checks = 1;
		CU_ASSERT_EQUAL(run(HUB), 0);
		CU_ASSERT_TRUE(has_step(stage.steps, "workers"));
		CU_ASSERT_EQUAL(has_step(stage.steps, "cgroup-remove"), i > 0);
		CU_ASSERT_EQUAL(has_step(stage.steps, "synack"), i > 0);
	}
}

/* Who opens connections of transparent mode needs another program, and gets along without. */
static void test_tags(void)
{
	static const char *const fails[] = { "", "cgroup", "tags" };

	for (unsigned i = 0; i < COUNT(fails); i++) {
		stage_new();
		stage.failing = fails[i];
		stage.checks = 1;
		CU_ASSERT_EQUAL(run("links: [ { name: wan0, role: path } ]\n"
				    "peers: [ { name: way, mode: transparent, key-file: a.key } ]\n"),
				0);
		CU_ASSERT_TRUE(has_step(stage.steps, "workers"));
		CU_ASSERT_EQUAL(has_step(stage.steps, "cgroup-remove"), i != 1);
		CU_ASSERT_EQUAL(has_step(stage.steps, "tags"), i != 1);
		CU_ASSERT_FALSE(has_step(stage.steps, "synack"));
	}
}

static void test_no_mptcp(void)
{
	stage_new();
	stage.no_mptcp = true;
	CU_ASSERT_EQUAL(run(HUB), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage.errors, "this kernel has no MPTCP"));
	CU_ASSERT_FALSE(has_step(stage.steps, "control"));
	stage_new();
	stage.mptcp_off = true;
	CU_ASSERT_EQUAL(run(HUB), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage.errors, "net.mptcp.enabled"));
	CU_ASSERT_FALSE(has_step(stage.steps, "control"));
}

/* A file that cannot be read, or is wrong: nothing is begun. */
static void test_bad_file(void)
{
	unsigned files = open_files();

	stage_new();
	CU_ASSERT_EQUAL(supervisor_run("absent.yaml", &stage_answers), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage.errors, "absent.yaml"));
	CU_ASSERT_EQUAL_FATAL(write_file(FILE_NAME, "links: [\n", 0644), 0);
	CU_ASSERT_EQUAL(supervisor_run(FILE_NAME, &stage_answers), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage.errors, FILE_NAME ":"));
	CU_ASSERT_STRING_EQUAL(stage.steps, "");
	CU_ASSERT_EQUAL(open_files(), files);
}

/* Told to stop while it starts, it does so when all is there that it has to undo; and not twice. */
static void test_stop_while_starting(void)
{
	static const char *const at[] = { "descriptors", "memory", "control", "paths", "publish", "workers" };

	for (unsigned i = 0; i < COUNT(at); i++) {
		stage_new();
		stage.window_wrong = true;
		stage.signals[0].step = at[i];
		stage.signals[0].number = i % 2 ? SIGTERM : SIGINT;
		notify_open();
		CU_ASSERT_EQUAL(run(HUB METRICS), 0);
		CU_ASSERT_STRING_EQUAL(stage.steps, START STOP);
		CU_ASSERT_STRING_EQUAL(notified(), "READY=1 STOPPING=1 ");
		notify_close();
	}
}

/* Told again, in whatever way, and while a start that has failed is undone. */
static void test_told_again(void)
{
	static const char *const at[] = { "workers-stop", "control-close", "datapath-close", "cgroup-remove" };
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGTERM };
	char expected[STAGE_STEPS];

	for (unsigned round = 0; round < 2; round++) {
		stage_new();
		stage.window_wrong = true;
		stage.failing = round ? "publish" : NULL;
		for (unsigned i = 0; i < COUNT(at); i++) {
			stage.signals[i].step = at[i];
			stage.signals[i].number = numbers[i];
		}
		if (round)
			expect("publish", expected, sizeof(expected));
		else
			stage.signals[0].step = "settle"; /* three are left for the stop */
		CU_ASSERT_EQUAL(run(HUB METRICS), (int)round);
		CU_ASSERT_STRING_EQUAL(stage.steps, round ? expected : START STOP);
	}
}

/* SIGHUP and SIGCHLD, also where they come before it is ready. */
static void test_other_signals(void)
{
	stage_new();
	stage.checks = 1;
	stage.signals[0].step = "memory";
	stage.signals[0].number = SIGHUP;
	stage.signals[1].step = "workers";
	stage.signals[1].number = SIGCHLD;
	notify_open();
	CU_ASSERT_EQUAL(run(HUB), 0);
	CU_ASSERT_TRUE(has_step(stage.steps, "reload"));
	CU_ASSERT_TRUE(has_step(stage.steps, "reap"));
	CU_ASSERT_TRUE(has_step(stage.steps, "reap-scrape"));
	CU_ASSERT_TRUE(strstr(stage.steps, "reload ") > strstr(stage.steps, "settle "));
	CU_ASSERT_STRING_EQUAL(notified(), "READY=1 RELOADING=1 READY=1 STOPPING=1 ");
	CU_ASSERT_STRING_EQUAL(stage.errors, "");
	notify_close();

	/* A file that is wrong by now: it goes on as it was. */
	stage_new();
	stage.checks = 1;
	stage.failing = "reload";
	stage.signals[0].step = "settle";
	stage.signals[0].number = SIGHUP;
	notify_open();
	CU_ASSERT_EQUAL(run(HUB), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage.errors, "line 7 is wrong"));
	CU_ASSERT_TRUE(has_step(stage.steps, "check"));
	CU_ASSERT_STRING_EQUAL(notified(), "READY=1 RELOADING=1 READY=1 STOPPING=1 ");
	notify_close();
}

/* What the clock does; workers hear only of what has changed, or has not reached them yet. */
static void test_clock(void)
{
	static const struct {
		bool change, due;
		const char *round;
	} cases[] = {
		{ false, false, "sync sweep watchdog check links-check host-check local " },
		{ true, false, "sync sweep watchdog check links-check host-check local publish " },
		{ false, true, "sync sweep watchdog check links-check host-check local publish " },
	};
	char expected[STAGE_STEPS];

	for (unsigned i = 0; i < COUNT(cases); i++) {
		const char *rounds;

		stage_new();
		stage.addresses_change = cases[i].change;
		stage.snapshot_due = cases[i].due;
		stage.checks = 2;
		CU_ASSERT_EQUAL(run(GATEWAY), 0);
		rounds = strstr(stage.steps, "settle ");
		CU_ASSERT_PTR_NOT_NULL_FATAL(rounds);
		snprintf(expected, sizeof(expected), "settle %s%s", cases[i].round, cases[i].round);
		CU_ASSERT_EQUAL(strncmp(rounds, expected, strlen(expected)), 0);
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "all of it, and in which order", test_whole },
		{ "what is not needed is not done", test_least },
		{ "a step that fails", test_failing_steps },
		{ "what may fail", test_forgiven },
		{ "without the program of transparent mode", test_tags },
		{ "a machine without MPTCP", test_no_mptcp },
		{ "a file that is wrong", test_bad_file },
		{ "told to stop while it starts", test_stop_while_starting },
		{ "told to stop again", test_told_again },
		{ "other signals", test_other_signals },
		{ "the clock", test_clock },
		{ "a service manager that does not read", test_deaf_manager },
		CU_TEST_INFO_NULL,
	};

	open_kept();
	return config_test_run("supervisor", tests);
}
