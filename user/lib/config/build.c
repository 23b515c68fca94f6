// SPDX-License-Identifier: GPL-2.0-or-later
/* What the builders of the parts share: errors with their place, names, numbers, paths, whole files. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lib/config/build.h>

#define MAX_FILE (64U << 20) /* bytes of a configuration: room for a million prefixes in it */

const char *cfg_at(struct build *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->place, sizeof(b->place), fmt, ap);
	va_end(ap);
	return b->place;
}

int cfg_fail(struct build *b, const char *place, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = where_vfail(b->err, b->where.name, where_line(&b->where, place), fmt, ap);
	va_end(ap);
	return r;
}

int cfg_copy_text(char **out, const char *text)
{
	*out = strdup(text);
	return *out ? 0 : -ENOMEM;
}

int cfg_copy_path(struct build *b, char **out, const char *path)
{
	char *p;

	if (*path == '/' || strcmp(b->dir, ".") == 0)
		return cfg_copy_text(out, path);
	if (asprintf(&p, "%s/%s", b->dir, path) < 0)
		return -ENOMEM;
	*out = p;
	return 0;
}

int cfg_check_name(struct build *b, const char *place, const char *what, const char *name, size_t max)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

	if (strlen(name) > max)
		return cfg_fail(b, place, "%s '%.64s': a name has %zu letters at most", what, name, max);
	if (name[strspn(name, letters)])
		return cfg_fail(b, place, "%s '%s': a name is made of letters, digits, '-', '_' and '.'", what, name);
	return 0;
}

int cfg_take_number(struct build *b, const char *place, const uint32_t *given, unsigned fallback, unsigned min,
		    unsigned max, unsigned *out)
{
	if (given && (*given < min || *given > max)) {
		const char *key = strrchr(place, '.');

		return cfg_fail(b, place, "%s: %u is not between %u and %u", key ? key + 1 : place, *given, min, max);
	}
	*out = given ? *given : fallback;
	return 0;
}

int cfg_check_list(struct build *b, const char *place)
{
	const char *key = strrchr(place, '.');

	if (where_is_empty(&b->where, place))
		return cfg_fail(b, place, "%s: the list is empty", key ? key + 1 : place);
	return 0;
}

int cfg_read_file(const char *path, bool regular, char **out, size_t *len)
{
	/* O_NONBLOCK: opening a named pipe must not wait for a writer that never comes. */
	int r = 0, fd = open(path, O_RDONLY | O_CLOEXEC | (regular ? O_NONBLOCK : 0));
	struct stat st;
	char *text = NULL;
	size_t n = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (regular && !S_ISREG(st.st_mode))
		r = -EINVAL;
	else if (st.st_size > MAX_FILE)
		r = -EFBIG;
	/* A size of 0 is what pipes and /proc say: read until the end in any case. */
	for (size_t cap = 0; !r;) {
		ssize_t got;

		if (n + 1 >= cap) {
			char *more;

			cap = cap ? cap * 2 : (size_t)st.st_size + 4096;
			more = cap > 2 * (size_t)MAX_FILE ? NULL : realloc(text, cap);
			if (!more) {
				r = -ENOMEM;
				break;
			}
			text = more;
		}
		got = read(fd, text + n, cap - n - 1);
		if (got < 0)
			r = -errno;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	if (r) {
		free(text);
		return r;
	}
	text[n] = '\0';
	*out = text;
	*len = n;
	return 0;
}
