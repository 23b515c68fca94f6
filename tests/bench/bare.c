// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bare [-l] [-c] PORT ADDRESS TO-PORT: the least that carries TCP over MPTCP: connections to PORT go on to ADDRESS, two
 * threads each, blocking reads and writes of the daemon's size. -l: it listens with MPTCP, -c: it connects with MPTCP.
 * No choice of connections, no addresses kept, no errors told: what bulk costs with a proxy can hardly be less.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK (512 * 1024)

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

static const struct addrinfo *to;
static int connect_protocol = IPPROTO_TCP;

struct pair {
	int fd[2];
	unsigned users;
};

static void *way(struct pair *p, int from)
{
	char *buf = malloc(CHUNK);
	ssize_t n, put = 0, sent;

	while (buf && put >= 0 && (n = read(p->fd[from], buf, CHUNK)) > 0)
		for (sent = 0; sent < n && put >= 0; sent += put)
			put = write(p->fd[!from], buf + sent, (size_t)(n - sent));
	free(buf);
	shutdown(p->fd[!from], SHUT_WR);
	if (__atomic_sub_fetch(&p->users, 1, __ATOMIC_ACQ_REL))
		return NULL;
	close(p->fd[0]);
	close(p->fd[1]);
	free(p);
	return NULL;
}

static void *back(void *pair)
{
	return way(pair, 1);
}

static void *forth(void *pair)
{
	struct pair *p = pair;
	pthread_t thread;
	int on = 1;

	p->fd[1] = socket(to->ai_family, SOCK_STREAM, connect_protocol);
	if (p->fd[1] < 0 || connect(p->fd[1], to->ai_addr, to->ai_addrlen) || pthread_create(&thread, NULL, back, p)) {
		close(p->fd[0]);
		if (p->fd[1] >= 0)
			close(p->fd[1]);
		free(p);
		return NULL;
	}
	pthread_detach(thread);
	for (int i = 0; i < 2; i++)
		setsockopt(p->fd[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return way(p, 0);
}

static int listen_at(const char *port, int protocol)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET6, SOCK_STREAM, protocol), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 1024))
		return -1;
	return fd;
}

int main(int argc, char **argv)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	int opt, listener, protocol = IPPROTO_TCP;
	struct addrinfo *found;

	while ((opt = getopt(argc, argv, "lc")) != -1) {
		if (opt == '?')
			return 2;
		*(opt == 'l' ? &protocol : &connect_protocol) = IPPROTO_MPTCP;
	}
	if (argc - optind != 3 || getaddrinfo(argv[optind + 1], argv[optind + 2], &hints, &found)) {
		fprintf(stderr, "usage: bare [-l] [-c] PORT ADDRESS TO-PORT\n");
		return 2;
	}
	to = found;
	signal(SIGPIPE, SIG_IGN);
	listener = listen_at(argv[optind], protocol);
	if (listener < 0) {
		perror("bare");
		return 1;
	}
	for (;;) {
		struct pair *p = calloc(1, sizeof(*p));
		pthread_t thread;

		if (!p)
			return 1;
		p->users = 2;
		p->fd[0] = accept(listener, NULL, NULL);
		if (p->fd[0] < 0 || pthread_create(&thread, NULL, forth, p)) {
			if (p->fd[0] >= 0)
				close(p->fd[0]);
			free(p);
			continue;
		}
		pthread_detach(thread);
	}
}
