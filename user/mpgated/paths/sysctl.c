// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/sysctl.h>

#include <errno.h>
#include <fcntl.h>
#include <lib/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int sysctl_open(const char *name, int flags)
{
	char path[sizeof("/proc/sys/net/") + ORIGINAL_NAME];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int sysctl_read(const char *name, char text[32])
{
	int fd = sysctl_open(name, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, text, 31);
	close(fd);
	if (n <= 0)
		return -EIO;
	text[n] = '\0';
	return 0;
}

int sysctl_get_range(const char *name, int *from, int *to)
{
	char text[32], *end, *second;
	int ret = sysctl_read(name, text);
	long a, b;

	if (ret)
		return ret;
	a = strtol(text, &second, 10);
	b = strtol(second, &end, 10);
	if (second == text || end == second)
		return -EINVAL;
	*from = (int)a;
	*to = (int)b;
	return 0;
}

int sysctl_get(const char *name, int *value)
{
	char text[32], *end;
	int ret = sysctl_read(name, text);
	long v;

	if (ret < 0)
		return ret;
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

int sysctl_original(const struct originals *o, const char *name, int *value)
{
	int now, err = sysctl_get(name, &now);

	if (!err)
		*value = originals_value(o, name, now);
	return err;
}

int sysctl_set(struct originals *o, const char *name, int value)
{
	int now, before, err = sysctl_get(name, &now);

	if (!err) {
		before = originals_value(o, name, now);
		if (now == value && before == value)
			return 0;
		err = originals_note(o, name, before, value);
	}
	if (!err && now != value)
		err = sysctl_write(name, value);
	if (err)
		log_error("cannot set sysctl net/%s to %d: %s", name, value, strerror(-err));
	else if (now != value)
		log_info("sysctl net/%s: %d, was %d", name, value, now);
	return err;
}

void sysctl_hold(struct originals *o, const char *except)
{
	const struct original *v = o->ours.v;

	for (unsigned i = 0; i < o->ours.n; i++) {
		struct original e = v[i];
		int now;

		if (!strcmp(e.name, except) || sysctl_get(e.name, &now) < 0 || now == e.set)
			continue;
		log_warn("sysctl net/%s was changed by somebody", e.name);
		sysctl_set(o, e.name, e.set);
	}
}

static void put_back(const struct original *e)
{
	int now;

	/* Not readable: the link it belonged to is gone, and its value with it; or it is no sysctl. */
	if (sysctl_get(e->name, &now) < 0)
		return;
	if (now != e->set) {
		log_info("sysctl net/%s: left at %d, which is not ours", e->name, now);
		return;
	}
	if (sysctl_write(e->name, e->before) == 0)
		log_info("sysctl net/%s: back to %d", e->name, e->before);
}

void sysctl_restore(struct originals *o, const char *name)
{
	const struct original *v = o->ours.v;

	for (unsigned i = 0; i < o->ours.n; i++)
		if (!name || !strcmp(v[i].name, name))
			put_back(&v[i]);
	v = o->left.v;
	for (unsigned i = 0; i < o->left.n && name; i++)
		if (!strcmp(v[i].name, name))
			put_back(&v[i]);
	if (name)
		originals_forget(o, name);
}

void sysctl_restore_left(struct originals *o)
{
	const struct original *v = o->left.v;

	while (o->left.n) {
		struct original e = v[0];

		put_back(&e);
		originals_forget(o, e.name);
	}
}
