// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/ipc/start.h>

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set_up(posix_spawn_file_actions_t *files, posix_spawnattr_t *attr, int socket)
{
	sigset_t all;
	int ret;

	sigfillset(&all);
	/* A descriptor that stays the same number only loses its close-on-exec flag. */
	ret = posix_spawn_file_actions_adddup2(files, socket, START_SOCKET);
	if (!ret)
		ret = posix_spawnattr_setsigdefault(attr, &all);
	/* A signal must not find the new process before it has its handlers. */
	if (!ret)
		ret = posix_spawnattr_setsigmask(attr, &all);
	if (!ret)
		ret = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	return ret;
}

pid_t start_process(const char *name, unsigned number, int socket)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	char text[12];
	char *const argv[] = { (char *)(uintptr_t)name, text, NULL };
	pid_t pid = -1;
	int ret;

	snprintf(text, sizeof(text), "%u", number);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	ret = set_up(&files, &attr, socket);
	if (!ret)
		ret = posix_spawn(&pid, "/proc/self/exe", &files, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return ret ? -ret : pid;
}

int start_begin(void)
{
	if (syscall(SYS_close_range, START_SOCKET + 1, ~0U, 0) < 0 || prctl(PR_SET_NAME, "mpgated") < 0 ||
	    prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return 0;
}

void start_signals(void)
{
	sigset_t none;

	/* A terminal sends these to the whole group; the supervisor decides. */
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN); /* of the log */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}
