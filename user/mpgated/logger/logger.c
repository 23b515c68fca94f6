// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/logger/logger.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/confine.h>
#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>
#include <mpgated/logger/export.h>

#define LOOK_MS 100 /* a ring that is full in that time has had 40,000 mappings a second */
#define LINES 65536 /* bytes of lines that are written at once */
#define LAST_MS 2000 /* for a collector that does not take what is left at the end */

struct logger {
	struct logger_start start;
	struct shared_memory *shm;
	int file; /* -1: none */
	bool told; /* that it cannot be written to */
	char lines[LINES];
	size_t len;
	unsigned line_count; /* in lines */
	struct export export;
};

static volatile sig_atomic_t ending;

static void on_term(int sig)
{
	(void)sig;
	ending = 1;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void flush_lines(struct logger *g)
{
	ssize_t n = g->len ? write(g->file, g->lines, g->len) : 0;
	bool whole = n == (ssize_t)g->len;

	__atomic_add_fetch(whole ? &g->shm->logger.lines : &g->shm->logger.lines_lost, g->line_count, __ATOMIC_RELAXED);
	if (!whole && !g->told)
		log_error("mapping-log: the file: %s; what is lost is counted", strerror(n < 0 ? errno : ENOSPC));
	if (g->len)
		g->told = !whole;
	g->len = 0;
	g->line_count = 0;
}

static void put_line(struct logger *g, const struct mapping *m)
{
	char line[MAPPING_LINE];
	size_t n;

	if (!g->start.log && g->file < 0)
		return;
	n = mapping_print(m, line);
	if (g->start.log)
		log_info("%.*s", (int)n - 1, line);
	if (g->file < 0)
		return;
	if (g->len + n > sizeof(g->lines))
		flush_lines(g);
	memcpy(g->lines + g->len, line, n);
	g->len += n;
	g->line_count++;
}

/* A copy of what a worker wrote, of which nothing is believed. */
static struct mapping take(const struct mapping *from)
{
	struct mapping m = *from;

	m.end &= 1;
	m.peer[sizeof(m.peer) - 1] = '\0';
	for (char *c = m.peer; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f)
			*c = '?';
	return m;
}

static void empty_ring(struct logger *g, struct mapping_ring *r)
{
	uint64_t written = __atomic_load_n(&r->written, __ATOMIC_ACQUIRE), at = r->taken;

	if (written - at > MAPPING_RING)
		at = written;
	while (at != written && !export_is_busy(&g->export)) {
		struct mapping m = take(&r->mapping[at % MAPPING_RING]);

		if (!export_put(&g->export, &m))
			break;
		put_line(g, &m);
		at++;
	}
	__atomic_store_n(&r->taken, at, __ATOMIC_RELEASE);
}

static bool is_empty(const struct logger *g)
{
	for (unsigned i = 0; i < g->start.workers; i++)
		if (__atomic_load_n(&g->shm->mappings[i].written, __ATOMIC_ACQUIRE) != g->shm->mappings[i].taken)
			return false;
	return !g->export.waits;
}

static void turn(struct logger *g, uint64_t now)
{
	export_turn(&g->export, now);
	for (unsigned i = 0; i < g->start.workers; i++)
		empty_ring(g, &g->shm->mappings[i]);
	if (g->file >= 0)
		flush_lines(g);
	export_flush(&g->export);
}

/* The supervisor's end of the socket is closed when that one is gone: then all is. */
static bool supervisor_is_gone(const struct pollfd *p)
{
	return p->revents & (POLLHUP | POLLERR | POLLIN);
}

static void serve(struct logger *g)
{
	struct pollfd p[] = { { .fd = START_SOCKET, .events = POLLIN }, { .events = POLLOUT } };
	bool nothing = !g->start.log && g->file < 0 && !g->start.exports;
	uint64_t end = 0;

	for (;;) {
		uint64_t now = now_ms();

		turn(g, now);
		if ((ending || supervisor_is_gone(&p[0])) && !end)
			end = now + LAST_MS;
		if (end && (is_empty(g) || now >= end))
			return;
		p[1].fd = export_is_busy(&g->export) ? g->export.fd : -1;
		p[0].fd = end ? -1 : START_SOCKET;
		poll(p, 2, nothing && !end ? -1 : LOOK_MS);
	}
}

static const struct confine_call calls[] = {
	CONFINE_CALL(brk),
	CONFINE_CALL(clock_gettime),
	CONFINE_CALL(close),
	CONFINE_CALL(connect),
	CONFINE_CALL(getpeername),
	CONFINE_CALL(getsockopt),
	CONFINE_CALL(gettimeofday),
	CONFINE_CALL(madvise),
	CONFINE_CALL(munmap),
	CONFINE_CALL(poll),
	CONFINE_CALL(ppoll),
	CONFINE_CALL(sendto),
	CONFINE_SOCKET(AF_INET, SOCK_DGRAM),
	CONFINE_SOCKET(AF_INET, SOCK_STREAM),
	CONFINE_SOCKET(AF_INET6, SOCK_DGRAM),
	CONFINE_SOCKET(AF_INET6, SOCK_STREAM),
	CONFINE_CALL(time),
};

static int take_start(struct logger *g)
{
	int fds[2], ret;
	struct stat st;
	unsigned n;
	void *map;

	ret = packet_receive(START_SOCKET, &g->start, sizeof(g->start), fds, 2, &n, 0);
	if (ret == 0)
		_exit(0);
	if (ret < 0)
		return ret;
	if (g->start.workers > MPGATE_MAX_WORKERS || n != 1U + g->start.file)
		return -EPROTO;
	g->file = g->start.file ? fds[1] : -1;
	if (fstat(fds[0], &st) < 0 || st.st_size < (off_t)sizeof(struct shared_memory))
		return -EPROTO;
	map = mmap(NULL, sizeof(struct shared_memory), PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
	if (map == MAP_FAILED)
		return -errno;
	close(fds[0]);
	g->shm = map;
	return 0;
}

void logger_main(void)
{
	static struct logger g;
	const struct sigaction act = { .sa_handler = on_term };
	int ret = start_begin();

	log_setup("mapping-log", LOG_LEVEL_INFO);
	if (!ret)
		ret = take_start(&g);
	if (!ret) {
		sigaction(SIGTERM, &act, NULL);
		start_signals();
		tzset(); /* for dates, while files can be opened */
		export_open(&g.export, &g.start, &g.shm->logger);
		ret = confine(0, calls, sizeof(calls) / sizeof(calls[0]));
	}
	if (ret) {
		log_error("cannot start: %s", strerror(-ret));
		_exit(1);
	}
	serve(&g);
	_exit(0);
}
