/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Seeded bytes that both ends of a test can make on their own, and small socket helpers. For test tools only. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

#define FNV_START 0xcbf29ce484222325ULL
#define FNV_PRIME 0x100000001b3ULL

/* The 8 bytes at word index i of stream `seed` (splitmix64). */
static inline uint64_t stream_word(uint64_t seed, uint64_t i)
{
	uint64_t z = seed + (i + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Fills buf with the bytes of stream `seed` that start at offset; word by word, little endian. */
static inline void stream_fill(uint64_t seed, uint64_t offset, uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		uint64_t word = stream_word(seed, (offset + done) / 8);
		size_t skip = (offset + done) % 8, n = 8 - skip;

		if (n > len - done)
			n = len - done;
		memcpy(buf + done, (uint8_t *)&word + skip, n);
		done += n;
	}
}

static inline uint64_t fnv(uint64_t sum, const uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum = (sum ^ buf[i]) * FNV_PRIME;
	return sum;
}

/* A socket; tests must not pass for lack of MPTCP, so there is no fallback to TCP. */
static inline int stream_socket(int family, bool mptcp)
{
	return socket(family, SOCK_STREAM | SOCK_CLOEXEC, mptcp ? IPPROTO_MPTCP : 0);
}

static inline double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* What went wrong, in a word that a script can compare. */
static inline const char *why(void)
{
	switch (errno) {
	case ECONNREFUSED:
		return "refused";
	case ECONNRESET:
	case EPIPE:
		return "reset";
	case ETIMEDOUT:
	case EAGAIN:
	case EINPROGRESS:
		return "timeout";
	case EHOSTUNREACH:
	case ENETUNREACH:
		return "unreachable";
	}
	return strerror(errno);
}

#endif
