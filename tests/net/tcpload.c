// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcpload [-mu] [-c THREADS] [-d DSCP] [-f FROM] [-n BYTES] [-s SEED] [-t SECONDS] [-w SECONDS] ACTION ADDRESS PORT
 * The client of tcpserve:
 *   get    HTTP GET of n seeded bytes, compared byte for byte
 *   echo   sends n seeded bytes while it reads them back, ends its side, reads to the end, compared
 *   sink   sends n seeded bytes, ends its side, compares the answer's count and sum
 *   first  reads to the end (the server ends first), compares, then sends n seeded bytes; prints what the server must
 *          say
 *   greet  says nothing, prints the line the server speaks first
 *   order  n times two connections, the second as soon as the first stands; prints how many pairs reached the
 *          server (order) the other way round
 *   conn   connects, sends one byte, reads: prints how that went (ok, refused, reset, timeout, eof, unreachable)
 *   slow   like get, but at about one read of 64 KiB in 10 ms, until the end (for changes under load)
 *   bulk   gets unseeded bytes for t seconds in c flows; prints bytes and seconds
 *   gap    the same; prints the longest time between two reads, too
 *   rr     requests of n bytes (to echo) one after the other for t seconds; prints percentiles in ms
 *   rate   connections with one byte each way, one after the other, c at a time for t seconds; prints how many
 *   times  n connections with one byte each way, one after the other; prints of each how long it took to connect, and
 *          until the byte was back
 *   late   like get, but ends its side behind the request, prints "waiting" and reads only when its input ends
 *   post   sends n seeded bytes, reads the answer of early meanwhile, compares; the server may reset behind it
 *   abort  sends n seeded bytes and resets the connection
 *   hold   opens n connections, a byte each way, prints "held n", keeps them until its input ends
 *   silent the same without a byte
 * -m: MPTCP from here. -u: what echo, sink and rr send is urgent, the last byte of each write. -c: that many at once.
 * -w: how long a read or write may wait (60).
 * -d: the code point of all packets. -f: the address to connect from; -h: the first of so many, which take turns.
 * Exit 0 when all went as it should.
 */
#include <pthread.h>

#include "tcpload_stream.h"

#define MAX_THREADS 1024

/* Reads nothing for as long as our input lasts. */
static void wait_input(void)
{
	char end;

	while (read(0, &end, 1) > 0)
		;
}

enum pace { FAST, SLOW, LATE };

static void get(struct job *j, enum pace pace)
{
	char head[512], request[64];
	double begin = now_ms();
	int fd = dial(j), n;
	size_t at = 0;

	if (fd < 0)
		return;
	n = snprintf(request, sizeof(request), "GET /%llu/%llu HTTP/1.0\r\n\r\n", (unsigned long long)bytes,
		     (unsigned long long)j->seed);
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		j->failed = why();
	if (!j->failed && pace == LATE) {
		shutdown(fd, SHUT_WR);
		puts("waiting");
		fflush(stdout);
		wait_input();
	}
	while (!j->failed && at < sizeof(head) - 1) {
		ssize_t got = recv(fd, head + at, 1, 0);

		if (got <= 0) {
			j->failed = got ? why() : "eof";
			break;
		}
		if (!at)
			j->first_ms = now_ms() - begin;
		at++;
		if (at >= 4 && !memcmp(head + at - 4, "\r\n\r\n", 4))
			break;
	}
	if (!j->failed)
		j->failed = read_stream(fd, j->seed, bytes, pace == SLOW, NULL, begin);
	j->total_ms = now_ms() - begin;
	j->count = bytes;
	close(fd);
}

struct sender {
	int fd;
	uint64_t seed, sum;
	const char *failed;
};

static void *sender_run(void *arg)
{
	struct sender *s = arg;

	s->failed = write_stream(s->fd, s->seed, bytes, &s->sum);
	return NULL;
}

/* Sends while it reads `want` bytes of that stream. A server that has answered early may reset. */
static void duplex(struct job *j, uint64_t seed, uint64_t want, bool early)
{
	double begin = now_ms();
	struct sender s = { .fd = dial(j), .seed = j->seed };
	pthread_t thread;

	if (s.fd < 0)
		return;
	pthread_create(&thread, NULL, sender_run, &s);
	j->failed = read_stream(s.fd, seed, want, false, j, begin);
	if (early && j->count == want && j->failed && !strcmp(j->failed, "reset"))
		j->failed = NULL;
	shutdown(s.fd, j->failed || early ? SHUT_RDWR : SHUT_RD);
	pthread_join(thread, NULL);
	if (!j->failed && !early)
		j->failed = s.failed;
	j->total_ms = now_ms() - begin;
	close(s.fd);
}

static void echo(struct job *j)
{
	duplex(j, j->seed, bytes, false);
}

static void post(struct job *j)
{
	duplex(j, 1, FIRST_BYTES, true);
}

static void sink(struct job *j)
{
	char want[64], got[64] = "";
	double begin = now_ms();
	int fd = dial(j);
	size_t at = 0;
	uint64_t sum;
	ssize_t n;

	if (fd < 0)
		return;
	j->failed = write_stream(fd, j->seed, bytes, &sum);
	snprintf(want, sizeof(want), "%llu %016llx\n", (unsigned long long)bytes, (unsigned long long)sum);
	while (!j->failed && at < sizeof(got) - 1 && (n = recv(fd, got + at, sizeof(got) - 1 - at, 0)) != 0) {
		if (n < 0)
			j->failed = why();
		else
			at += (size_t)n;
	}
	if (!j->failed && strcmp(want, got))
		j->failed = "the server got other bytes";
	j->total_ms = now_ms() - begin;
	j->count = bytes;
	close(fd);
}

static void first(struct job *j)
{
	double begin = now_ms();
	int fd = dial(j);
	uint64_t sum;

	if (fd < 0)
		return;
	j->failed = read_stream(fd, 1, FIRST_BYTES, false, j, begin);
	if (!j->failed)
		j->failed = write_stream(fd, j->seed, bytes, &sum);
	if (!j->failed)
		printf("%llu %016llx\n", (unsigned long long)bytes, (unsigned long long)sum);
	close(fd);
}

/* The last bytes are still in our kernel then. */
static void abort_it(struct job *j)
{
	static const struct linger reset = { .l_onoff = 1 };
	int fd = dial(j);
	uint64_t sum;

	if (fd < 0)
		return;
	j->failed = write_bytes(fd, j->seed, bytes, &sum);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
}

static void greet(struct job *j)
{
	double begin = now_ms();
	char line[128] = "";
	int fd = dial(j);
	ssize_t n;

	if (fd < 0)
		return;
	n = recv(fd, line, sizeof(line) - 1, 0);
	j->first_ms = j->total_ms = now_ms() - begin;
	if (n <= 0)
		j->failed = n ? why() : "eof";
	else
		fputs(line, stdout);
	j->count = n > 0 ? (uint64_t)n : 0;
	close(fd);
}

/* The number of the connection, which the server says first; -1: none came. */
static long number(int fd)
{
	char line[16] = "";
	size_t have = 0;

	while (have < sizeof(line) - 1 && !strchr(line, '\n')) {
		ssize_t n = recv(fd, line + have, sizeof(line) - 1 - have, 0);

		if (n <= 0)
			return -1;
		have += (size_t)n;
	}
	return atol(line);
}

static void order(struct job *j)
{
	for (uint64_t i = 0; i < bytes && !j->failed; i++) {
		int fd[2];
		long at[2];

		for (unsigned k = 0; k < 2; k++)
			if ((fd[k] = dial(j)) < 0)
				return;
		for (unsigned k = 0; k < 2; k++) {
			at[k] = number(fd[k]);
			if (at[k] < 0)
				j->failed = why();
			close(fd[k]);
		}
		j->count += at[0] > at[1];
	}
	printf("swapped %llu\n", (unsigned long long)j->count);
}

/* One byte each way on an open connection. */
static const char *ping(int fd)
{
	char byte = 'x';
	ssize_t n;

	if (send(fd, &byte, 1, MSG_NOSIGNAL) < 0)
		return why();
	n = recv(fd, &byte, 1, 0);
	return n < 0 ? why() : n ? NULL : "eof";
}

static void conn(struct job *j)
{
	int fd = dial(j);

	if (fd >= 0) {
		j->failed = ping(fd);
		close(fd);
	}
	puts(j->failed ? j->failed : "ok");
	j->failed = NULL;
}

#include "tcpload_rates.h"

/* Opens them, with a byte each way or silent. */
static void keep(struct job *j, bool silent)
{
	while (j->count < bytes) {
		int fd = dial(j);

		if (fd < 0)
			return;
		j->failed = silent ? NULL : ping(fd);
		if (j->failed)
			return;
		j->count++;
		j->seed++; /* the next host */
	}
	printf("held %llu\n", (unsigned long long)j->count);
	fflush(stdout);
	wait_input();
}

static void hold(struct job *j)
{
	keep(j, false);
}

static void silent(struct job *j)
{
	keep(j, true);
}

static void get_fast(struct job *j)
{
	get(j, FAST);
}

static void get_slow(struct job *j)
{
	get(j, SLOW);
}

static void get_late(struct job *j)
{
	get(j, LATE);
}

static const struct {
	const char *name;
	void (*run)(struct job *j);
} actions[] = {
	{ "get", get_fast },  { "slow", get_slow }, { "echo", echo },	   { "sink", sink }, { "first", first },
	{ "greet", greet },   { "conn", conn },	    { "bulk", bulk },	   { "rr", rr },     { "rate", rate },
	{ "late", get_late }, { "hold", hold },	    { "abort", abort_it }, { "post", post }, { "order", order },
	{ "silent", silent }, { "gap", gap },	    { "times", times },
};

static void *job_run(void *arg)
{
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (!strcmp(actions[i].name, action))
			actions[i].run(arg);
	return NULL;
}

static bool known(const char *name)
{
	for (size_t i = 0; name && i < sizeof(actions) / sizeof(actions[0]); i++)
		if (!strcmp(actions[i].name, name))
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV }, *ai;
	unsigned threads = 1, failures = 0;
	uint64_t seed = 1, total = 0;
	static struct job jobs[MAX_THREADS];
	int opt;

	while ((opt = getopt(argc, argv, "muc:d:f:h:n:s:t:w:")) != -1) {
		mptcp |= opt == 'm';
		if (opt == 'w')
			patience_s = (unsigned)atoi(optarg);
		if (opt == 'u')
			urgent = MSG_OOB;
		if (opt == 'c')
			threads = (unsigned)atoi(optarg);
		if (opt == 'd')
			dscp = atoi(optarg) << 2; /* in the TOS and traffic class byte */
		if (opt == 'f' && !set_from(optarg))
			return 2;
		if (opt == 'h')
			hosts = (unsigned)atoi(optarg);
		if (opt == 'n')
			bytes = strtoull(optarg, NULL, 10);
		if (opt == 's')
			seed = strtoull(optarg, NULL, 10);
		if (opt == 't')
			seconds = atof(optarg);
	}
	action = argv[optind];
	if (argc - optind != 3 || !known(action) || threads > MAX_THREADS || !hosts ||
	    getaddrinfo(argv[optind + 1], argv[optind + 2], &hints, &ai)) {
		fprintf(stderr, "usage: tcpload [-mu] [-c THREADS] [-d DSCP] [-f FROM] [-h HOSTS] [-n BYTES] [-s SEED] "
				"[-t SECONDS] ACTION ADDRESS PORT\n");
		return 2;
	}
	memcpy(&server, ai->ai_addr, ai->ai_addrlen);
	server_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	start = now_ms();
	for (unsigned i = 0; i < threads; i++) {
		jobs[i].seed = seed + i;
		pthread_create(&jobs[i].thread, NULL, job_run, &jobs[i]);
	}
	for (unsigned i = 0; i < threads; i++) {
		pthread_join(jobs[i].thread, NULL);
		total += jobs[i].count;
		if (jobs[i].failed) {
			fprintf(stderr, "tcpload: %s %u: %s\n", action, i, jobs[i].failed);
			failures++;
		}
	}
	if (strcmp(action, "first") && strcmp(action, "greet") && strcmp(action, "conn") && strcmp(action, "hold") &&
	    strcmp(action, "abort") && strcmp(action, "order") && strcmp(action, "silent"))
		printf("count=%llu seconds=%.3f connect_ms=%.3f first_ms=%.3f total_ms=%.3f failed=%u\n",
		       (unsigned long long)total, (now_ms() - start) / 1e3, jobs[0].connect_ms, jobs[0].first_ms,
		       jobs[0].total_ms, failures);
	return failures != 0;
}
