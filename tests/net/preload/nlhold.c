// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For LD_PRELOAD: a kernel that does not carry netlink requests out. The file named by NLHOLD has two int32_t: what
 * becomes of requests from now on (enum fate), which whoever runs the test writes, and how many met it. Only requests
 * of libmnl are seen, since it names the address at each. BPF links are held as well: they take the same lock.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS 10000000

enum fate {
	PASS,
	HOLD, /* in the call, until it is something else: somebody has the kernel's lock */
	LOSE, /* taken, and never answered */
};

static struct {
	int32_t fate, met;
} * shared;

__attribute__((constructor)) static void nlhold_open(void)
{
	const char *path = getenv("NLHOLD");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd >= 0 ? mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (map == MAP_FAILED)
		abort();
	shared = map;
	close(fd);
}

static int32_t fate(void)
{
	return __atomic_load_n(&shared->fate, __ATOMIC_ACQUIRE);
}

/* Waits while requests are held, and returns what becomes of this one. */
static int32_t meet(void)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };

	if (fate() == PASS)
		return PASS;
	__atomic_add_fetch(&shared->met, 1, __ATOMIC_RELEASE);
	while (fate() == HOLD)
		nanosleep(&pause, NULL);
	return fate();
}

/* What libbpf makes its calls with. */
long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long arg[6];
	va_list ap;

	va_start(ap, number);
	for (unsigned i = 0; i < sizeof(arg) / sizeof(arg[0]); i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	if (number == SYS_bpf && arg[0] == BPF_LINK_CREATE)
		meet();
	return real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

ssize_t sendto(int fd, const void *data, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
	static ssize_t (*real)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "sendto");
	if (to && to->sa_family == AF_NETLINK && meet() == LOSE)
		return (ssize_t)len;
	return real(fd, data, len, flags, to, to_len);
}
