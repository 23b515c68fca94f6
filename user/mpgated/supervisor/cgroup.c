// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/cgroup.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where cgroup2 is mounted. First of all: of what the unit leaves writable there may be further mounts inside. */
static int root_path(char *out, size_t size)
{
	struct mntent *m;
	FILE *f = setmntent("/proc/self/mounts", "re");
	int n = -1;

	if (!f)
		return -errno;
	while (n < 0 && (m = getmntent(f)))
		if (!strcmp(m->mnt_type, "cgroup2"))
			n = snprintf(out, size, "%s", m->mnt_dir);
	endmntent(f);
	return n < 0 ? -ENOENT : (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* Our own group ("0::/path" in /proc/self/cgroup): the parent of the workers'. */
static int parent_path(char *out, size_t size)
{
	char line[PATH_MAX], mount[PATH_MAX];
	int ret = root_path(mount, sizeof(mount)), n = -1;
	FILE *f;

	if (ret)
		return ret;
	f = fopen("/proc/self/cgroup", "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "0::", 3))
			n = snprintf(out, size, "%s%s", mount, strcmp(line + 3, "/") ? line + 3 : "");
	}
	fclose(f);
	return n < 0 ? -ENOENT : (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int cgroup_path(enum cgroup_name which, const char *instance, char *out, size_t size)
{
	static const char *const ends[] = { [CGROUP_WORKERS] = "", [CGROUP_RUN] = ".run" };
	char parent[PATH_MAX];
	bool own = which == CGROUP_WORKERS || which == CGROUP_OWN;
	int ret = own ? parent_path(parent, sizeof(parent)) : root_path(parent, sizeof(parent)), n;

	if (ret)
		return ret;
	if (which == CGROUP_ROOT || which == CGROUP_OWN)
		n = snprintf(out, size, "%s", parent);
	else
		n = snprintf(out, size, "%s/mpgate-%s%s", parent, instance, ends[which]);
	return (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int cgroup_open(enum cgroup_name which, const char *instance, bool make)
{
	char path[PATH_MAX + 64];
	int ret = cgroup_path(which, instance, path, sizeof(path)), fd;

	if (ret)
		return ret;
	if (make && mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int cgroup_add(int fd, pid_t pid)
{
	int procs = openat(fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (procs < 0)
		return -errno;
	if (dprintf(procs, "%d\n", pid) < 0)
		ret = -errno;
	close(procs);
	return ret;
}

bool cgroup_has_processes(int fd)
{
	int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	char text[128] = "";
	bool yes = events >= 0 && read(events, text, sizeof(text) - 1) > 0 && strstr(text, "populated 1");

	if (events >= 0)
		close(events);
	return yes;
}

void cgroup_remove(int fd, enum cgroup_name which, const char *instance)
{
	char path[PATH_MAX + 64];

	if (fd >= 0)
		close(fd);
	if (cgroup_path(which, instance, path, sizeof(path)) == 0)
		rmdir(path);
}
