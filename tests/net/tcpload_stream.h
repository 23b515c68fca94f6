/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the actions of tcpload share: how they are asked for, dialing, and seeded streams. A part of tcpload.c. */
#ifndef NET_TCPLOAD_STREAM_H
#define NET_TCPLOAD_STREAM_H

#include <arpa/inet.h>
#include <pthread.h>

#include "stream.h"

#define CHUNK (64 * 1024)
#define FIRST_BYTES 100000 /* as in tcpserve.c */
#define SLOW_PAUSE_US 10000
static unsigned patience_s = 60; /* for a read or write */

struct job {
	pthread_t thread;
	uint64_t seed, count; /* count: what was done: bytes or connections */
	double connect_ms, first_ms, total_ms;
	const char *failed; /* NULL: well */
};

static struct sockaddr_storage server, from;
static socklen_t server_len, from_len;
static unsigned hosts = 1;
static bool mptcp;
static int urgent; /* MSG_OOB */
static int dscp;
static uint64_t bytes;
static double seconds = 3, start;
static const char *action;

static bool set_from(const char *text)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *ai;

	if (getaddrinfo(text, NULL, &hints, &ai))
		return false;
	memcpy(&from, ai->ai_addr, ai->ai_addrlen);
	from_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	return true;
}

/* Where the job connects from: with -h, each from one of so many addresses in a row. */
static int bind_from(int fd, const struct job *j)
{
	struct sockaddr_storage addr = from;
	uint8_t *last = addr.ss_family == AF_INET ? (uint8_t *)&((struct sockaddr_in *)&addr)->sin_addr + 3
						  : ((struct sockaddr_in6 *)&addr)->sin6_addr.s6_addr + 15;
	const int one = 1;

	*last = (uint8_t)(*last + j->seed % hosts);
	return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) ||
	       bind(fd, (struct sockaddr *)&addr, from_len);
}

static int dial(struct job *j)
{
	const struct timeval limit = { .tv_sec = patience_s };
	double begin = now_ms();
	int one = 1, fd = stream_socket(server.ss_family, mptcp);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (server.ss_family == AF_INET)
		setsockopt(fd, IPPROTO_IP, IP_TOS, &dscp, sizeof(dscp));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &dscp, sizeof(dscp));
	if (fd < 0 || (from_len && bind_from(fd, j)) || connect(fd, (struct sockaddr *)&server, server_len)) {
		j->failed = why();
		if (fd >= 0)
			close(fd);
		return -1;
	}
	j->connect_ms = now_ms() - begin;
	return fd;
}

/* Says where the first wrong byte is, and where in the stream the eight there stand: missing, doubled or moved bytes.
 */
static void tell_wrong(uint64_t seed, uint64_t done, uint64_t want, const uint8_t *got, const uint8_t *expect, size_t n)
{
	uint8_t all[8];
	size_t at = 0;

	while (got[at] == expect[at])
		at++;
	fprintf(stderr, "tcpload: seed %llu: the first wrong byte is at %llu", (unsigned long long)seed,
		(unsigned long long)(done - n + at));
	for (uint64_t first = 0; at + sizeof(all) <= n && first < want; first++) {
		stream_fill(seed, first, all, sizeof(all));
		if (!memcmp(all, got + at, sizeof(all)))
			fprintf(stderr, "; there stands what belongs to %llu", (unsigned long long)first);
	}
	fputs("\n", stderr);
}

/* Reads to the end and compares with the stream; returns what went wrong. */
static const char *read_stream(int fd, uint64_t seed, uint64_t want, bool slow, struct job *j, double begin)
{
	uint8_t *got = malloc(2 * CHUNK), *expect = got + CHUNK;
	const char *failed = NULL;
	uint64_t done = 0;

	for (;;) {
		ssize_t n = recv(fd, got, CHUNK, 0);

		if (n < 0)
			failed = why();
		if (n <= 0)
			break;
		if (!done && j)
			j->first_ms = now_ms() - begin;
		stream_fill(seed, done, expect, (size_t)n);
		done += (uint64_t)n;
		if (memcmp(got, expect, (size_t)n)) {
			failed = "other bytes than expected";
			tell_wrong(seed, done, want, got, expect, (size_t)n);
		}
		if (done > want)
			failed = "more bytes than expected";
		if (failed)
			break;
		if (slow)
			usleep(SLOW_PAUSE_US);
	}
	if (!failed && done != want)
		failed = "fewer bytes than expected";
	if (j)
		j->count = done;
	free(got);
	return failed;
}

/* Sends n bytes of the stream; *sum is their sum. */
static const char *write_bytes(int fd, uint64_t seed, uint64_t n, uint64_t *sum)
{
	uint8_t *out = malloc(CHUNK);
	const char *failed = NULL;
	uint64_t done = 0;

	*sum = FNV_START;
	while (done < n && !failed) {
		size_t len = n - done < CHUNK ? (size_t)(n - done) : CHUNK;
		ssize_t sent;

		stream_fill(seed, done, out, len);
		sent = send(fd, out, len, MSG_NOSIGNAL | urgent);
		if (sent < 0) {
			failed = why();
			break;
		}
		*sum = fnv(*sum, out, (size_t)sent);
		done += (uint64_t)sent;
	}
	free(out);
	return failed;
}

/* The same, and ends our side. */
static const char *write_stream(int fd, uint64_t seed, uint64_t n, uint64_t *sum)
{
	const char *failed = write_bytes(fd, seed, n, sum);

	return failed || !shutdown(fd, SHUT_WR) ? failed : why();
}

#endif
