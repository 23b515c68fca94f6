// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/leftovers.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <mpgated/ipc/start.h>
#include <mpgated/paths/netlink.h>

#define TERM_WAIT_MS 15000 /* as the supervisor waits for its workers */
#define KILL_WAIT_MS 1000

/* What it was started as is its first argument. */
static bool is_of_ours(const char *pid)
{
	static const char *const names[] = { START_WORKER, START_METRICS, START_LOGGER, START_RESOLVER };
	char path[sizeof("/proc//cmdline") + NAME_MAX], name[32];
	bool is = false;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, name, sizeof(name) - 1);
	close(fd);
	name[n > 0 ? n : 0] = '\0';
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]) && !is; i++)
		is = !strcmp(name, names[i]);
	return is;
}

static bool is_here(const char *pid, const struct stat *here)
{
	char path[sizeof("/proc//ns/net") + NAME_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/ns/net", pid);
	return stat(path, &st) == 0 && st.st_dev == here->st_dev && st.st_ino == here->st_ino;
}

/* A descriptor of each: a number may be another process's by the time it is used. 0 or -errno. */
static int find(struct nl_list *out)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	struct stat here;
	int err = 0;

	if (!proc || stat("/proc/self/ns/net", &here) < 0)
		err = -errno;
	while (!err && (d = readdir(proc))) {
		struct pollfd p = { .events = POLLIN };
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (pid <= 0 || !is_of_ours(d->d_name))
			continue;
		p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (p.fd < 0)
			continue;
		if (is_of_ours(d->d_name) && is_here(d->d_name, &here))
			err = nl_list_add(out, &p, sizeof(p));
		else
			close(p.fd);
	}
	if (proc)
		closedir(proc);
	return err;
}

static void tell(const struct nl_list *l, int signum)
{
	const struct pollfd *p = l->v;

	for (unsigned i = 0; i < l->n; i++)
		syscall(SYS_pidfd_send_signal, p[i].fd, signum, NULL, 0);
}

/* Until the last has ended. */
static bool wait_for(struct nl_list *l, int ms)
{
	struct pollfd *p = l->v;

	for (unsigned i = 0; i < l->n; i++)
		if (poll(&p[i], 1, ms) == 0)
			return false;
	return true;
}

int leftovers_end(void)
{
	struct nl_list all = { 0 };
	const struct pollfd *p;
	int ret = find(&all);

	if (!ret) {
		tell(&all, SIGTERM);
		/* One that was stopped could not take it. */
		tell(&all, SIGCONT);
		if (!wait_for(&all, TERM_WAIT_MS)) {
			tell(&all, SIGKILL);
			wait_for(&all, KILL_WAIT_MS);
		}
		ret = (int)all.n;
	}
	p = all.v;
	for (unsigned i = 0; i < all.n; i++)
		close(p[i].fd);
	nl_list_free(&all);
	return ret;
}
