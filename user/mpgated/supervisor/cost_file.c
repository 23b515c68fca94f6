// SPDX-License-Identifier: GPL-2.0-or-later
/* The file in which usage is kept. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mpgated/supervisor/cost.h>

#define STATE_DIR "/var/lib/mpgate" /* where the service manager gives none */
#define FILE_MOST (8U << 20) /* more than usage_print() writes */

void cost_file_path(char out[COST_FILE], const char *instance)
{
	const char *dir = getenv("STATE_DIRECTORY");
	int len = dir ? (int)strcspn(dir, ":") : 0;

	snprintf(out, COST_FILE, "%.*s/%s.usage", len ? len : (int)strlen(STATE_DIR), len ? dir : STATE_DIR, instance);
}

int cost_file_read(const char *path, struct usage *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), ret = fd < 0 ? -errno : 0;
	char *text = NULL;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return ret;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MOST)
		ret = -EPROTO;
	else
		text = calloc(1, (size_t)st.st_size + 1);
	if (!ret && !text)
		ret = -ENOMEM;
	if (!ret)
		n = pread(fd, text, (size_t)st.st_size, 0);
	if (!ret && n != st.st_size)
		ret = n < 0 ? -errno : -EPROTO;
	close(fd);
	if (!ret)
		ret = usage_parse(out, text);
	free(text);
	return ret;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int cost_file_write(const char *path, const char *text, size_t len)
{
	char dir[COST_FILE], new[COST_FILE + 4], *slash;
	int fd, ret;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash) {
		*slash = '\0';
		mkdir(dir, 0755);
	}
	snprintf(new, sizeof(new), "%s.new", path);
	fd = open(new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, text, len);
	if (close(fd) < 0 && !ret)
		ret = -errno;
	if (!ret && rename(new, path) < 0)
		ret = -errno;
	if (ret)
		unlink(new);
	return ret;
}
