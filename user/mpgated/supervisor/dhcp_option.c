// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/dhcp_option.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lib/log.h>

#define LINE_MAX_BYTES (SETUP_NAME_MAX + 2U * SETUP_OPTION_MAX + 2U)

void file_stat(const char *path, struct stat *out)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	if (stat(path, &st) < 0)
		return;
	out->st_dev = st.st_dev;
	out->st_ino = st.st_ino;
	out->st_size = st.st_size;
	out->st_mtim = st.st_mtim;
}

static int read_line(const char *path, char *line, size_t size)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), ret;
	ssize_t n = fd < 0 ? -1 : read(fd, line, size - 1);

	ret = n < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	if (!ret)
		line[n] = '\0';
	return ret;
}

bool dhcp_option_look(struct dhcp_option *o, const char *instance)
{
	char path[PATH_MAX], line[LINE_MAX_BYTES + 1];
	uint8_t data[SETUP_OPTION_MAX];
	struct stat file;
	bool v6, differs;
	int n;

	snprintf(path, sizeof(path), SETUP_FILE, instance);
	file_stat(path, &file);
	if (!memcmp(&file, &o->file, sizeof(file)))
		return false;
	o->file = file;
	if (!file.st_ino)
		return false;
	n = read_line(path, line, sizeof(line));
	if (!n)
		n = setup_info_line(line, &v6, data);
	if (n < 0) {
		log_warn("%s: %s", path, strerror(-n));
		return false;
	}
	differs = o->v6 != v6 || o->len != (unsigned)n || memcmp(o->data, data, (size_t)n) != 0;
	o->v6 = v6;
	o->len = (unsigned)n;
	memcpy(o->data, data, (size_t)n);
	return differs;
}
