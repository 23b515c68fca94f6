/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The actions of tcpload that go on for a time and measure. A part of tcpload.c. */
#ifndef NET_TCPLOAD_RATES_H
#define NET_TCPLOAD_RATES_H

#define SAMPLES 1000000

/* The longest time without a byte, ms, after the first one. */
static double bulk_gap(struct job *j)
{
	static const char request[] = "GET /zero/1000000000000 HTTP/1.0\r\n\r\n";
	uint8_t *buf = malloc(4 * CHUNK);
	int fd = dial(j);
	double last = 0, longest = 0;

	if (fd >= 0 && send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0)
		j->failed = why();
	while (fd >= 0 && !j->failed && now_ms() < start + seconds * 1e3) {
		ssize_t n = recv(fd, buf, 4 * CHUNK, 0);
		double now = now_ms();

		if (n <= 0)
			j->failed = n ? why() : "eof";
		else
			j->count += (uint64_t)n;
		if (last > 0 && now - last > longest)
			longest = now - last;
		last = now;
	}
	j->total_ms = now_ms() - start;
	free(buf);
	if (fd >= 0)
		close(fd);
	return longest;
}

static void bulk(struct job *j)
{
	bulk_gap(j);
}

static void gap(struct job *j)
{
	printf("gap_ms=%.1f\n", bulk_gap(j));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void rr(struct job *j)
{
	double *took = malloc(SAMPLES * sizeof(*took));
	uint8_t *buf = calloc(1, bytes + 1);
	int fd = dial(j);
	size_t n = 0;

	while (fd >= 0 && !j->failed && n < SAMPLES && now_ms() < start + seconds * 1e3) {
		double begin = now_ms();

		if (send(fd, buf, bytes, MSG_NOSIGNAL | urgent) != (ssize_t)bytes ||
		    recv(fd, buf, bytes, MSG_WAITALL) != (ssize_t)bytes)
			j->failed = why();
		else
			took[n++] = now_ms() - begin;
	}
	if (fd >= 0)
		close(fd);
	if (n) {
		qsort(took, n, sizeof(*took), compare);
		printf("requests=%zu p50_ms=%.3f p99_ms=%.3f max_ms=%.3f\n", n, took[n / 2], took[n * 99 / 100],
		       took[n - 1]);
	}
	j->count = n;
	free(buf);
	free(took);
}

static void rate(struct job *j)
{
	while (!j->failed && now_ms() < start + seconds * 1e3) {
		int fd = dial(j);

		if (fd < 0)
			return;
		j->failed = ping(fd);
		close(fd);
		j->count += !j->failed;
	}
}

static void times(struct job *j)
{
	for (uint64_t i = 0; i < bytes && !j->failed; i++) {
		double begin = now_ms();
		int fd = dial(j);

		if (fd < 0)
			return;
		j->failed = ping(fd);
		if (!j->failed)
			printf("connect_ms=%.3f byte_ms=%.3f\n", j->connect_ms, now_ms() - begin);
		close(fd);
		j->count += !j->failed;
	}
}

#endif
