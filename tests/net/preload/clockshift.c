// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD: a wall clock of one's own. The file named by CLOCKSHIFT has the seconds by which it is ahead, as an
 * int32_t; whoever writes them there sets the clock. It is mapped at the start, since a daemon may shut itself in.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const volatile int32_t *shift;

__attribute__((constructor)) static void clockshift_open(void)
{
	const char *path = getenv("CLOCKSHIFT");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd >= 0 ? mmap(NULL, sizeof(*shift), PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (map == MAP_FAILED)
		abort();
	shift = map;
	close(fd);
}

/* Libraries that start earlier ask as well. */
int clock_gettime(clockid_t id, struct timespec *ts)
{
	static int (*real)(clockid_t, struct timespec *);
	int ret;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	ret = real(id, ts);
	if (ret == 0 && id == CLOCK_REALTIME && shift)
		ts->tv_sec += *shift;
	return ret;
}

time_t time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
