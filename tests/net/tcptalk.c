// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcptalk dial ADDRESS PORT "STEP..." | listen PORT="STEP..."...: two ends of a TCP connection, each of which does what
 * its steps say and prints what it saw, one line. `listen` prints "listening", then the port and such a line at the end
 * of each connection. Bytes are those of one stream (stream.h) from the start of each connection, and are compared.
 *   port:N       dial from that port, from now on
 *   dial         connect
 *   syn:N        connect with N bytes in the SYN, whatever the server can; says whether they were taken there
 *   send:N[/W]   send N bytes, W a write
 *   flood        send until that fails; says why
 *   urgent:N     send N bytes, the last of them urgent
 *   inline       leave urgent bytes in their place
 *   mark         says whether there is an urgent byte
 *   read:N       read N bytes
 *   all[:W/MS]   read to the end, W a read, MS between reads; says how many came and how that ended
 *   rest         the same without the number
 *   end          end this side
 *   rst          close with a linger time of 0
 *   close        close
 *   pause:MS     do nothing
 *   appoint:MS   tell the other side a time so far ahead, 8 bytes of the clock that both have, and wait for it
 *   meet         read that time and wait for it
 *   await        listen on a free port, send its number (2 bytes), and read from who dials it; says the same as all
 *   back:N       read that number, dial there to the address of the other side, send N bytes; says how that went
 * What fails is said, and the next steps are still done.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>

#include "stream.h"

#define CHUNK (64 * 1024)
#define WAIT_S 60
#define BACKLOG 1024
#define SEED 1

#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif

struct talk {
	int fd;
	struct sockaddr_storage to; /* of who dials */
	socklen_t to_len;
	uint16_t from_port;
	uint64_t sent, got; /* places in the streams */
	char said[512];
};

struct numbers {
	uint64_t a, b; /* 0: not given */
};

__attribute__((format(printf, 2, 3))) static void say(struct talk *t, const char *format, ...)
{
	size_t len = strlen(t->said);
	va_list args;

	if (len && len + 2 < sizeof(t->said))
		t->said[len++] = ' ';
	va_start(args, format);
	vsnprintf(t->said + len, sizeof(t->said) - len, format, args);
	va_end(args);
}

static void set_int(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

static void close_it(struct talk *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

static void set_times(int fd)
{
	const struct timeval limit = { .tv_sec = WAIT_S };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

static void set_port(struct sockaddr_storage *ss, uint16_t port)
{
	if (ss->ss_family == AF_INET)
		((struct sockaddr_in *)ss)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)ss)->sin6_port = htons(port);
}

/* A new connection; data: bytes for its SYN. */
static void dial(struct talk *t, size_t syn_bytes)
{
	struct sockaddr_storage from = { .ss_family = t->to.ss_family };
	uint8_t data[2048];
	ssize_t n;

	close_it(t);
	t->sent = t->got = 0;
	t->fd = stream_socket(t->to.ss_family, false);
	set_times(t->fd);
	set_int(t->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_port(&from, t->from_port);
	if (t->from_port && bind(t->fd, (struct sockaddr *)&from, t->to_len))
		say(t, "bind: %s", why());
	if (!syn_bytes) {
		if (connect(t->fd, (struct sockaddr *)&t->to, t->to_len)) {
			say(t, "%s", why());
			close_it(t);
		}
		return;
	}
	syn_bytes = syn_bytes < sizeof(data) ? syn_bytes : sizeof(data);
	stream_fill(SEED, 0, data, syn_bytes);
	set_int(t->fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	n = sendto(t->fd, data, syn_bytes, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&t->to, t->to_len);
	if (n < 0) {
		say(t, "%s", why());
		close_it(t);
		return;
	}
	t->sent = (uint64_t)n;
}

/* Asked when an answer has come. */
static void tell_syn(struct talk *t)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
	say(t, info.tcpi_options & TCPI_OPT_SYN_DATA ? "taken" : "declined");
}

/* NULL: all is sent. */
static const char *send_some(struct talk *t, uint64_t count, size_t each, int flags)
{
	size_t size = each ? each : CHUNK;
	uint8_t *out = malloc(size);
	const char *failed = NULL;

	while (count && !failed) {
		size_t len = count < size ? (size_t)count : size;
		ssize_t n;

		stream_fill(SEED, t->sent, out, len);
		n = send(t->fd, out, len, MSG_NOSIGNAL | flags);
		if (n < 0) {
			failed = why();
			break;
		}
		t->sent += (uint64_t)n;
		count -= (uint64_t)n;
	}
	free(out);
	return failed;
}

/* Reads at most `most` bytes; returns how that ended: NULL (so many came), "eof", or what went wrong. */
static const char *receive(struct talk *t, int fd, uint64_t most, struct numbers pace)
{
	size_t size = pace.a && pace.a < CHUNK ? (size_t)pace.a : CHUNK;
	uint8_t *got = malloc(2 * CHUNK), *expect = got + CHUNK;
	const char *ended = NULL;

	while (most && !ended) {
		ssize_t n = recv(fd, got, most < size ? (size_t)most : size, 0);

		if (n <= 0) {
			ended = n ? why() : "eof";
			break;
		}
		stream_fill(SEED, t->got, expect, (size_t)n);
		if (memcmp(got, expect, (size_t)n))
			ended = "other bytes";
		t->got += (uint64_t)n;
		most -= (uint64_t)n;
		usleep((useconds_t)pace.b * 1000);
	}
	free(got);
	return ended;
}

/* --- steps */

static void do_port(struct talk *t, struct numbers n)
{
	t->from_port = (uint16_t)n.a;
}

static void do_dial(struct talk *t, struct numbers n)
{
	(void)n;
	dial(t, 0);
}

static void do_syn(struct talk *t, struct numbers n)
{
	struct pollfd p = { .events = POLLIN };

	dial(t, n.a);
	p.fd = t->fd;
	if (t->fd >= 0 && poll(&p, 1, WAIT_S * 1000) == 1)
		tell_syn(t);
}

static void do_send(struct talk *t, struct numbers n)
{
	const char *failed = send_some(t, n.a, n.b, 0);

	if (failed)
		say(t, "%s", failed);
}

static void do_flood(struct talk *t, struct numbers n)
{
	(void)n;
	say(t, "%s", send_some(t, UINT64_MAX, 0, 0));
}

static void do_urgent(struct talk *t, struct numbers n)
{
	const char *failed = send_some(t, n.a, n.a, MSG_OOB);

	if (failed)
		say(t, "%s", failed);
}

static void do_inline(struct talk *t, struct numbers n)
{
	(void)n;
	set_int(t->fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

static void do_mark(struct talk *t, struct numbers n)
{
	uint8_t byte;

	(void)n;
	say(t, recv(t->fd, &byte, 1, MSG_OOB) == 1 ? "urgent" : "none");
}

static void do_read(struct talk *t, struct numbers n)
{
	const char *ended = receive(t, t->fd, n.a, (struct numbers){ 0 });

	if (ended)
		say(t, "%s", ended);
}

static void do_all(struct talk *t, struct numbers n)
{
	uint64_t before = t->got;
	const char *ended = receive(t, t->fd, UINT64_MAX, n);

	say(t, "%llu %s", (unsigned long long)(t->got - before), ended);
}

static void do_rest(struct talk *t, struct numbers n)
{
	say(t, "%s", receive(t, t->fd, UINT64_MAX, n));
}

static void do_end(struct talk *t, struct numbers n)
{
	(void)n;
	if (shutdown(t->fd, SHUT_WR))
		say(t, "%s", why());
}

static void do_rst(struct talk *t, struct numbers n)
{
	static const struct linger reset = { .l_onoff = 1 };

	(void)n;
	setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close_it(t);
}

static void do_close(struct talk *t, struct numbers n)
{
	(void)n;
	close_it(t);
}

static void do_pause(struct talk *t, struct numbers n)
{
	(void)t;
	usleep((useconds_t)n.a * 1000);
}

static void wait_until(uint64_t ms)
{
	double left = (double)ms - now_ms();

	if (left > 0)
		usleep((useconds_t)(left * 1000));
}

static void do_appoint(struct talk *t, struct numbers n)
{
	uint64_t when = (uint64_t)now_ms() + n.a;

	if (send(t->fd, &when, sizeof(when), MSG_NOSIGNAL) != sizeof(when))
		say(t, "%s", why());
	wait_until(when);
}

static void do_meet(struct talk *t, struct numbers n)
{
	uint64_t when;

	(void)n;
	if (recv(t->fd, &when, sizeof(when), MSG_WAITALL) != sizeof(when))
		say(t, "%s", why());
	else
		wait_until(when);
}

static void do_await(struct talk *t, struct numbers n)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	int listener = stream_socket(AF_INET6, false), fd;
	struct pollfd p[2] = { { .fd = listener, .events = POLLIN }, { .fd = t->fd, .events = POLLIN } };
	socklen_t len = sizeof(any);

	(void)n;
	if (bind(listener, (struct sockaddr *)&any, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&any, &len) || send(t->fd, &any.sin6_port, 2, MSG_NOSIGNAL) != 2)
		say(t, "%s", why());
	/* The other side ends its connection when it could not. */
	if (poll(p, 2, WAIT_S * 1000) > 0 && p[0].revents && (fd = accept(listener, NULL, NULL)) >= 0) {
		const char *ended = receive(t, fd, UINT64_MAX, (struct numbers){ 0 });

		say(t, "%llu %s", (unsigned long long)t->got, ended);
		close(fd);
	} else {
		say(t, "nobody");
	}
	close(listener);
}

static void do_back(struct talk *t, struct numbers n)
{
	struct talk data = { .fd = -1, .to_len = sizeof(data.to) };
	const char *failed;
	uint16_t port;

	if (recv(t->fd, &port, 2, MSG_WAITALL) != 2 || getpeername(t->fd, (struct sockaddr *)&data.to, &data.to_len)) {
		say(t, "%s", why());
		return;
	}
	set_port(&data.to, ntohs(port));
	dial(&data, 0);
	failed = data.fd < 0 ? data.said : send_some(&data, n.a, 0, 0);
	close_it(&data);
	say(t, "%s", failed ? failed : "sent");
}

static const struct {
	const char *name;
	void (*run)(struct talk *t, struct numbers n);
	bool without; /* a connection */
} steps[] = {
	{ "port", do_port, true },	  { "dial", do_dial, true },	{ "syn", do_syn, true },
	{ "send", do_send, false },	  { "flood", do_flood, false }, { "urgent", do_urgent, false },
	{ "inline", do_inline, false },	  { "mark", do_mark, false },	{ "read", do_read, false },
	{ "all", do_all, false },	  { "rest", do_rest, false },	{ "end", do_end, false },
	{ "rst", do_rst, false },	  { "close", do_close, false }, { "pause", do_pause, true },
	{ "appoint", do_appoint, false }, { "meet", do_meet, false },	{ "await", do_await, false },
	{ "back", do_back, false },
};

static void step(struct talk *t, const char *word)
{
	size_t len = strcspn(word, ":");
	struct numbers n = { 0 };

	if (word[len])
		sscanf(word + len, ":%lu/%lu", &n.a, &n.b);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (strlen(steps[i].name) == len && !strncmp(word, steps[i].name, len)) {
			if (steps[i].without || t->fd >= 0)
				steps[i].run(t, n);
			return;
		}
	fprintf(stderr, "tcptalk: no step is called %s\n", word);
	exit(2);
}

static void talk(struct talk *t, const char *script)
{
	char *words = strdup(script), *at = NULL;

	for (char *word = strtok_r(words, " ", &at); word; word = strtok_r(NULL, " ", &at))
		step(t, word);
	close_it(t);
	free(words);
}

/* --- a listener a port, a thread a connection */

struct port {
	unsigned number;
	int fd;
	const char *script;
};

struct served {
	const struct port *port;
	struct talk talk;
};

static void *serve(void *arg)
{
	struct served *s = arg;

	talk(&s->talk, s->port->script);
	flockfile(stdout);
	printf("%u %s\n", s->port->number, s->talk.said);
	fflush(stdout);
	funlockfile(stdout);
	free(s);
	return NULL;
}

static void *accept_all(void *arg)
{
	const struct port *p = arg;
	int fd;

	while ((fd = accept(p->fd, NULL, NULL)) >= 0) {
		struct served *s = calloc(1, sizeof(*s));
		pthread_t thread;

		*s = (struct served){ .port = p, .talk = { .fd = fd } };
		set_times(fd);
		pthread_create(&thread, NULL, serve, s);
		pthread_detach(thread);
	}
	return NULL;
}

static void listen_on(char *arg)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	struct port *p = calloc(1, sizeof(*p));
	char *script = strchr(arg, '=');
	pthread_t thread;

	p->number = (unsigned)atoi(arg);
	p->script = script ? script + 1 : "";
	p->fd = stream_socket(AF_INET6, false);
	any.sin6_port = htons((uint16_t)p->number);
	set_int(p->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(p->fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
	set_int(p->fd, IPPROTO_TCP, TCP_FASTOPEN, BACKLOG);
	if (bind(p->fd, (struct sockaddr *)&any, sizeof(any)) || listen(p->fd, BACKLOG)) {
		fprintf(stderr, "tcptalk: %u: %s\n", p->number, strerror(errno));
		exit(1);
	}
	pthread_create(&thread, NULL, accept_all, p);
}

int main(int argc, char **argv)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM }, *ai;
	struct talk t = { .fd = -1 };

	if (argc > 2 && !strcmp(argv[1], "listen")) {
		for (int i = 2; i < argc; i++)
			listen_on(argv[i]);
		puts("listening");
		fflush(stdout);
		for (;;)
			pause();
	}
	if (argc != 5 || strcmp(argv[1], "dial") || getaddrinfo(argv[2], argv[3], &hints, &ai)) {
		fprintf(stderr, "usage: tcptalk dial ADDRESS PORT \"STEP...\" | listen PORT=\"STEP...\"...\n");
		return 2;
	}
	memcpy(&t.to, ai->ai_addr, ai->ai_addrlen);
	t.to_len = ai->ai_addrlen;
	freeaddrinfo(ai);
	talk(&t, argv[4]);
	puts(t.said);
	return 0;
}
