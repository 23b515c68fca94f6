// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/originals.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mpgated/paths/namespace.h>

#define MOST_BYTES 16384 /* of the file: 64 links and a few more */
#define END "end\n" /* behind the last line: what follows the next one is of a longer version */
#define INSTANCE "instance " /* behind that, whose they are */
#define TEXT_BYTES (MOST_BYTES + sizeof(END) + sizeof(INSTANCE) + ORIGINAL_INSTANCE)

/* The file at path, locked; one that its last owner removed meanwhile is no lock, and is opened anew. */
static int open_locked(const char *path)
{
	for (;;) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600), err;
		struct stat mine, there;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			err = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
			close(fd);
			return err;
		}
		if (!fstat(fd, &mine) && !stat(path, &there) && mine.st_ino == there.st_ino)
			return fd;
		close(fd);
	}
}

static bool parse_number(const char *text, int *out)
{
	char *end;
	long v;

	if (!text)
		return false;
	errno = 0;
	v = strtol(text, &end, 10);
	if (end == text || *end || errno || v < INT_MIN || v > INT_MAX)
		return false;
	*out = (int)v;
	return true;
}

static bool parse_line(char *line, struct original *e)
{
	char *save = NULL, *name = strtok_r(line, " ", &save);

	if (!name || strlen(name) >= sizeof(e->name) || strstr(name, "../"))
		return false;
	memcpy(e->name, name, strlen(name) + 1);
	return parse_number(strtok_r(NULL, " ", &save), &e->before) &&
	       parse_number(strtok_r(NULL, " ", &save), &e->set);
}

/* Lines of "NAME BEFORE SET". What is no such line ends it, and the instance may follow. */
static int parse(char *text, struct nl_list *out, char instance[ORIGINAL_INSTANCE])
{
	char *save = NULL, *line;
	int err = 0;

	for (line = strtok_r(text, "\n", &save); line && !err; line = strtok_r(NULL, "\n", &save)) {
		struct original e = { 0 };

		if (!parse_line(line, &e))
			break;
		err = nl_list_add(out, &e, sizeof(e));
	}
	line = line && !err ? strtok_r(NULL, "\n", &save) : NULL;
	if (line && !strncmp(line, INSTANCE, strlen(INSTANCE)) && strlen(line) < strlen(INSTANCE) + ORIGINAL_INSTANCE)
		strcpy(instance, line + strlen(INSTANCE));
	return err;
}

static int load(int fd, struct nl_list *out, char instance[ORIGINAL_INSTANCE])
{
	char text[TEXT_BYTES + 1];
	ssize_t n = pread(fd, text, TEXT_BYTES, 0);

	if (n < 0)
		return -errno;
	text[n] = '\0';
	instance[0] = '\0';
	return parse(text, out, instance);
}

static size_t print(const struct nl_list *l, char *text, size_t at)
{
	const struct original *v = l->v;

	for (unsigned i = 0; i < l->n && at < MOST_BYTES; i++)
		at += (size_t)snprintf(text + at, MOST_BYTES - at, "%s %d %d\n", v[i].name, v[i].before, v[i].set);
	return at;
}

/* In one write: who is killed leaves the old text or the new one. */
static int save(const struct originals *o)
{
	char text[TEXT_BYTES];
	size_t len = print(&o->left, text, print(&o->ours, text, 0));

	if (len >= MOST_BYTES)
		return -ENOSPC;
	len += (size_t)snprintf(text + len, sizeof(text) - len, END INSTANCE "%s\n", o->instance);
	if (pwrite(o->fd, text, len, 0) != (ssize_t)len)
		return errno ? -errno : -EIO;
	return ftruncate(o->fd, (off_t)len) < 0 ? -errno : 0;
}

int originals_open(const char *instance, struct originals *out)
{
	struct originals o = { .fd = -1 };
	uint64_t cookie;
	int err = namespace_cookie(&cookie);

	snprintf(o.instance, sizeof(o.instance), "%s", instance);
	*out = o;
	if (err)
		return err;
	snprintf(o.path, sizeof(o.path), ORIGINALS_NET "%" PRIu64, cookie);
	if (mkdir(ORIGINALS_DIR, 0755) < 0 && errno != EEXIST)
		err = -errno;
	if (!err) {
		o.fd = open_locked(o.path);
		err = o.fd < 0 ? o.fd : load(o.fd, &o.left, o.left_by);
	}
	*out = o;
	if (err)
		originals_close(out, false);
	return err;
}

bool originals_elsewhere(const struct originals *o, const char *instance, char path[ORIGINAL_PATH])
{
	bool found = false;
	glob_t all;

	if (glob(ORIGINALS_NET "*", GLOB_NOSORT, NULL, &all))
		return false;
	for (size_t i = 0; i < all.gl_pathc && !found; i++) {
		char by[ORIGINAL_INSTANCE] = "";
		struct nl_list left = { 0 };
		int fd = open(all.gl_pathv[i], O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

		if (fd < 0)
			continue;
		found = load(fd, &left, by) == 0 && !strcmp(by, instance) && strcmp(all.gl_pathv[i], o->path) != 0 &&
			strlen(all.gl_pathv[i]) < ORIGINAL_PATH;
		if (found)
			strcpy(path, all.gl_pathv[i]);
		nl_list_free(&left);
		close(fd);
	}
	globfree(&all);
	return found;
}

void originals_close(struct originals *o, bool done)
{
	if (o->fd >= 0) {
		if (done)
			unlink(o->path);
		close(o->fd);
	}
	o->fd = -1;
	nl_list_free(&o->ours);
	nl_list_free(&o->left);
}

static struct original *find(const struct nl_list *l, const char *name)
{
	struct original *v = l->v;

	for (unsigned i = 0; i < l->n; i++)
		if (!strcmp(v[i].name, name))
			return &v[i];
	return NULL;
}

static void drop(struct nl_list *l, const char *name)
{
	struct original *v = l->v, *e = find(l, name);

	if (e)
		*e = v[--l->n];
}

int originals_value(const struct originals *o, const char *name, int now)
{
	const struct original *e = find(&o->ours, name);

	if (!e)
		e = find(&o->left, name);
	/* Somebody else has set it since. */
	return e && e->set == now ? e->before : now;
}

int originals_note(struct originals *o, const char *name, int before, int set)
{
	struct original e = { .before = before, .set = set }, *known = find(&o->ours, name);
	int err = 0;

	snprintf(e.name, sizeof(e.name), "%s", name);
	if (known && known->before == before && known->set == set)
		return 0;
	if (known)
		*known = e;
	else
		err = nl_list_add(&o->ours, &e, sizeof(e));
	if (err)
		return err;
	drop(&o->left, name);
	return save(o);
}

const struct original *originals_find(const struct originals *o, const char *name)
{
	return find(&o->ours, name);
}

void originals_forget(struct originals *o, const char *name)
{
	drop(&o->ours, name);
	drop(&o->left, name);
	save(o);
}
