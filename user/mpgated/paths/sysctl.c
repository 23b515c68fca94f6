// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/sysctl.h>

#include <errno.h>
#include <fcntl.h>
#include <lib/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSCTL_NAME 64 /* bytes: "ipv4/conf/<interface>/rp_filter" */

struct sysctl_change {
	char name[SYSCTL_NAME];
	int before, set;
};

static int sysctl_open(const char *name, int flags)
{
	char path[sizeof("/proc/sys/net/") + SYSCTL_NAME];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_get(const char *name, int *value)
{
	char text[32], *end;
	int fd = sysctl_open(name, O_RDONLY);
	ssize_t n;
	long v;

	if (fd < 0)
		return fd;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -EIO;
	text[n] = '\0';
	v = strtol(text, &end, 0);
	if (end == text)
		return -EINVAL;
	*value = (int)v;
	return 0;
}

static int sysctl_write(const char *name, int value)
{
	char text[16];
	int fd = sysctl_open(name, O_WRONLY), err = 0;
	int n = snprintf(text, sizeof(text), "%d\n", value);

	if (fd < 0)
		return fd;
	if (write(fd, text, (size_t)n) < 0)
		err = -errno;
	close(fd);
	return err;
}

static struct sysctl_change *find(struct sysctls *s, const char *name)
{
	struct sysctl_change *v = s->changed.v;

	for (unsigned i = 0; i < s->changed.n; i++)
		if (!strcmp(v[i].name, name))
			return &v[i];
	return NULL;
}

int sysctl_set(struct sysctls *s, const char *name, int value)
{
	struct sysctl_change c = { .set = value }, *known = find(s, name);
	int err = sysctl_get(name, &c.before);

	if (!err && c.before == value)
		return 0;
	if (!err)
		err = sysctl_write(name, value);
	if (err) {
		log_error("cannot set sysctl net/%s to %d: %s", name, value, strerror(-err));
		return err;
	}
	log_info("sysctl net/%s: %d, was %d", name, value, c.before);
	if (known) {
		known->set = value;
		return 0;
	}
	snprintf(c.name, sizeof(c.name), "%s", name);
	return nl_list_add(&s->changed, &c, sizeof(c));
}

static void put_back(const struct sysctl_change *c)
{
	int now;

	/* Not readable: the link it belonged to is gone, and its value with it. */
	if (sysctl_get(c->name, &now) < 0)
		return;
	if (now != c->set) {
		log_info("sysctl net/%s: left at %d, which is not ours", c->name, now);
		return;
	}
	if (sysctl_write(c->name, c->before) == 0)
		log_info("sysctl net/%s: back to %d", c->name, c->before);
}

void sysctl_restore(struct sysctls *s, const char *name)
{
	struct sysctl_change *v = s->changed.v;
	unsigned kept = 0;

	for (unsigned i = 0; i < s->changed.n; i++) {
		if (!name || !strcmp(v[i].name, name))
			put_back(&v[i]);
		else
			v[kept++] = v[i];
	}
	s->changed.n = kept;
	if (!kept)
		nl_list_free(&s->changed);
}
