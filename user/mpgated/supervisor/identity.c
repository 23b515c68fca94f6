// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/identity.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define MACHINE_ID_LEN 32 /* hexadecimal digits, machine-id(5) */

/* The digits in out; false: there is no such file, or "uninitialized" in it. */
static bool read_machine_id(const char *path, char out[MACHINE_ID_LEN])
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, out, MACHINE_ID_LEN);
	close(fd);
	return n == MACHINE_ID_LEN && strspn(out, "0123456789abcdef") >= MACHINE_ID_LEN;
}

int identity_read(const char *machine_id, const char *instance, char out[IDENTITY_MAX])
{
	char id[MACHINE_ID_LEN + 1] = { 0 };
	int len;

	if (!read_machine_id(machine_id, id) && getrandom(id, MACHINE_ID_LEN, 0) != MACHINE_ID_LEN)
		return -errno;
	memcpy(out, id, MACHINE_ID_LEN);
	len = snprintf(out + MACHINE_ID_LEN, IDENTITY_MAX - MACHINE_ID_LEN, "%s", instance);
	return len < 0 || len >= IDENTITY_MAX - MACHINE_ID_LEN ? -ENAMETOOLONG : MACHINE_ID_LEN + len;
}
