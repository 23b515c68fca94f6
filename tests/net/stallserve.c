// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stallserve [-m] PORT WAIT-MS HOLD-MS: an echo server, one connection after the other. It waits before its first read,
 * which then stands still in the middle of the system call, with the socket locked, as when the process is preempted
 * there: the page that it reads to is not there until HOLD-MS are over. -m: MPTCP.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "stream.h"

#define PAGE 4096

static unsigned wait_ms, hold_ms;

/* Gives each page that is waited for, late. */
static void *serve_pages(void *arg)
{
	int fd = *(int *)arg;
	struct uffd_msg msg;

	while (read(fd, &msg, sizeof(msg)) == sizeof(msg)) {
		struct uffdio_zeropage page = {
			.range = { .start = msg.arg.pagefault.address & ~(uint64_t)(PAGE - 1), .len = PAGE },
		};

		usleep(hold_ms * 1000);
		if (ioctl(fd, UFFDIO_ZEROPAGE, &page))
			err(1, "UFFDIO_ZEROPAGE");
	}
	return NULL;
}

static uint8_t *late_page(void)
{
	static int fd;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .range = { .len = PAGE }, .mode = UFFDIO_REGISTER_MODE_MISSING };
	uint8_t *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;

	fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	reg.range.start = (uintptr_t)page;
	if (page == MAP_FAILED || fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		err(1, "userfaultfd");
	pthread_create(&thread, NULL, serve_pages, &fd);
	return page;
}

static bool send_all(int fd, const uint8_t *data, ssize_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, (size_t)len, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		data += n;
		len -= n;
	}
	return true;
}

static void echo(int fd, uint8_t *page)
{
	static uint8_t buf[16 * PAGE];
	ssize_t n;

	usleep(wait_ms * 1000);
	n = recv(fd, page, PAGE, 0);
	if (n > 0 && !send_all(fd, page, n))
		n = -1;
	madvise(page, PAGE, MADV_DONTNEED);
	while (n > 0 && (n = recv(fd, buf, sizeof(buf), 0)) > 0 && send_all(fd, buf, n))
		;
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	bool mptcp = argc > 1 && !strcmp(argv[1], "-m");
	int listener, fd, one = 1;
	uint8_t *page;

	argv += mptcp;
	if (argc - mptcp != 4)
		errx(2, "usage: stallserve [-m] PORT WAIT-MS HOLD-MS");
	any.sin6_port = htons((uint16_t)atoi(argv[1]));
	wait_ms = (unsigned)atoi(argv[2]);
	hold_ms = (unsigned)atoi(argv[3]);
	page = late_page();
	listener = stream_socket(AF_INET6, mptcp);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof(any)) || listen(listener, 8))
		err(1, "listen");
	while ((fd = accept(listener, NULL, NULL)) >= 0)
		echo(fd, page);
	err(1, "accept");
}
