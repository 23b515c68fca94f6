// SPDX-License-Identifier: GPL-2.0-or-later
#define CARES_NO_DEPRECATED /* ares_process_fd(): newer versions have another beside it */
#include <mpgated/resolver/resolver.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/confine.h>
#include <mpgated/ipc/message.h>
#include <mpgated/ipc/start.h>
#include <mpgated/resolver/lookup.h>

#define SOCKETS 64U /* of c-ares: one for UDP and one for TCP, a name server */
#define QUERY_MS 2000 /* that a name server has for its answer, the first time; then twice that */
#define QUERY_TRIES 2 /* of each: the supervisor asks again later */

struct resolver {
	ares_channel channel;
	uint64_t seed;
	struct pollfd fd[1 + SOCKETS]; /* the supervisor's first; then c-ares', -1: free */
};

/* Which sockets c-ares waits for. One that there is no room for is not read: its query times out. */
static void on_socket(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct pollfd *free_one = NULL;

	for (unsigned i = 1; i <= SOCKETS; i++) {
		if (r->fd[i].fd == fd) {
			free_one = &r->fd[i];
			break;
		}
		if (r->fd[i].fd < 0 && !free_one)
			free_one = &r->fd[i];
	}
	if (!free_one)
		return;
	free_one->fd = readable || writable ? fd : -1;
	free_one->events = (short)((readable ? POLLIN : 0) | (writable ? POLLOUT : 0));
}

/* The socket has room for more answers than there are questions. */
static void on_done(const struct resolve_answer *answer)
{
	int ret = packet_send(START_SOCKET, answer, sizeof(*answer), NULL, 0);

	if (ret) {
		log_error("an answer: %s", strerror(-ret));
		_exit(1);
	}
}

static void take_questions(struct resolver *r)
{
	struct resolve_question q;
	unsigned n;
	int ret;

	while ((ret = packet_receive(START_SOCKET, &q, sizeof(q), NULL, 0, &n, MSG_DONTWAIT)) == 1) {
		if (q.len > sizeof(q.data) || (!q.enterprise && !memchr(q.domain, 0, sizeof(q.domain))))
			_exit(1);
		if (lookup_start(r->channel, r->seed, &q, on_done) < 0)
			_exit(1);
	}
	if (ret != -EAGAIN && ret != -EINTR)
		_exit(0);
}

static int patience(struct resolver *r)
{
	struct timeval tv, *until = ares_timeout(r->channel, NULL, &tv);

	return until ? (int)(until->tv_sec * 1000 + until->tv_usec / 1000 + 1) : -1;
}

static void serve(struct resolver *r)
{
	struct pollfd ready[1 + SOCKETS];

	for (;;) {
		int n = poll(r->fd, 1 + SOCKETS, patience(r));

		/* c-ares changes the list while it is gone through. */
		memcpy(ready, r->fd, sizeof(ready));
		for (unsigned i = 1; n > 0 && i <= SOCKETS; i++)
			if (ready[i].fd >= 0 && ready[i].revents)
				ares_process_fd(r->channel, ready[i].revents & ~POLLOUT ? ready[i].fd : ARES_SOCKET_BAD,
						ready[i].revents & POLLOUT ? ready[i].fd : ARES_SOCKET_BAD);
		ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD); /* what has taken too long */
		if (n > 0 && ready[0].revents)
			take_questions(r);
	}
}

/* It can open no file: what c-ares reads, it has read. */
static const struct confine_call calls[] = {
	CONFINE_CALL(bind),
	CONFINE_CALL(brk),
	CONFINE_CALL(clock_gettime),
	CONFINE_CALL(close),
	CONFINE_CALL(connect),
	CONFINE_CALL(fcntl),
	CONFINE_CALL(getpeername),
	CONFINE_CALL(getrandom),
	CONFINE_CALL(getsockname),
	CONFINE_CALL(getsockopt),
	CONFINE_CALL(gettimeofday),
	CONFINE_CALL(madvise),
	{ .call = SCMP_SYS(mmap), .args = 1, .arg = { { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } } },
	CONFINE_CALL(mremap),
	CONFINE_CALL(munmap),
	CONFINE_CALL(poll),
	CONFINE_CALL(ppoll),
	CONFINE_CALL(read),
	CONFINE_CALL(recvfrom),
	CONFINE_CALL(recvmsg),
	CONFINE_CALL(sendmsg),
	CONFINE_CALL(sendto),
	{ .call = SCMP_SYS(setsockopt), .args = 1, .arg = { { 1, SCMP_CMP_EQ, IPPROTO_TCP, 0 } } },
	CONFINE_SOCKET(AF_INET, SOCK_DGRAM),
	CONFINE_SOCKET(AF_INET, SOCK_STREAM),
	CONFINE_SOCKET(AF_INET6, SOCK_DGRAM),
	CONFINE_SOCKET(AF_INET6, SOCK_STREAM),
	CONFINE_CALL(time),
};

static int take_start(struct resolver *r)
{
	struct resolve_start start;
	unsigned n;
	int ret = packet_receive(START_SOCKET, &start, sizeof(start), NULL, 0, &n, 0);

	if (ret == 0)
		_exit(0);
	if (ret < 0)
		return ret;
	r->seed = start.seed;
	return 0;
}

/* Reads /etc/resolv.conf. 0 or -errno. */
static int open_channel(struct resolver *r)
{
	struct ares_options options = {
		.timeout = QUERY_MS, .tries = QUERY_TRIES, .sock_state_cb = on_socket, .sock_state_cb_data = r
	};
	int status = ares_library_init(ARES_LIB_INIT_ALL);

	r->fd[0] = (struct pollfd){ .fd = START_SOCKET, .events = POLLIN };
	for (unsigned i = 1; i <= SOCKETS; i++)
		r->fd[i].fd = -1;
	if (!status)
		status = ares_init_options(&r->channel, &options,
					   ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (status)
		log_error("c-ares: %s", ares_strerror(status));
	return status ? -EIO : 0;
}

void resolver_main(void)
{
	static struct resolver r;
	int ret = start_begin();

	log_setup("resolver", LOG_LEVEL_INFO);
	if (!ret)
		ret = take_start(&r);
	if (!ret)
		ret = open_channel(&r);
	if (!ret) {
		tzset(); /* for dates, while files can be opened */
		start_signals();
		ret = confine(0, calls, sizeof(calls) / sizeof(calls[0]));
	}
	if (ret) {
		log_error("cannot start: %s", strerror(-ret));
		_exit(1);
	}
	serve(&r);
	_exit(0);
}
