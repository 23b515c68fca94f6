/* SPDX-License-Identifier: GPL-2.0-or-later */
// SOURCES: user/mpgated/control/metrics.c user/mpgated/control/http.c user/mpgated/supervisor/scrape.c
// SOURCES: user/mpgated/supervisor/child.c user/mpgated/supervisor/watch.c
// SOURCES: user/mpgated/ipc/start.c user/mpgated/ipc/message.c user/mpgated/ipc/confine.c
// LIBS: libuv libmicrohttpd libseccomp
/*
 * The metrics process, which is this program, executed again: asked over both families, the text it gives in either
 * format, and what becomes of it when it dies.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mpgated/control/http.h>
#include <mpgated/ipc/start.h>
#include <mpgated/supervisor/scrape.h>

#include "cunit.h"

#define DEADLINE_MS 10000
#define TICK_MS 1
#define ANSWER_MAX 4096

static uv_loop_t loop;
static struct scrape *reaped; /* in place of SIGCHLD */

static char *render(void *arg, bool openmetrics, size_t *len)
{
	static const struct metrics_label labels[] = { { "link", "a\"b\\c\n" }, { "way", "up" }, { NULL, NULL } };
	struct metrics_text t = { .openmetrics = openmetrics };

	if (*(int *)arg)
		return NULL;
	metrics_text_family(&t, "mpgate_bytes", "counter", "Bytes.");
	metrics_text_sample(&t, labels, UINT64_MAX);
	metrics_text_family(&t, "mpgate_peers", "gauge", "Peers.");
	metrics_text_sample(&t, NULL, 3);
	return metrics_text_end(&t, len);
}

/* What arrives until the end of the stream, malloc'ed, while the loop runs. */
static char *read_all(int fd)
{
	char *text = calloc(1, ANSWER_MAX);
	bool ended = false;
	size_t len = 0;

	for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ULL; !ended && uv_hrtime() < end;) {
		ssize_t n = recv(fd, text + len, ANSWER_MAX - 1 - len, MSG_DONTWAIT);

		ended = !n;
		len += n > 0 ? n : 0;
		uv_run(&loop, UV_RUN_NOWAIT);
		if (reaped)
			scrape_reap(reaped);
		poll(NULL, 0, TICK_MS);
	}
	CU_ASSERT_TRUE(ended);
	return text;
}

/* The whole answer to one request, malloc'ed. */
static char *http(int family, uint16_t port, const char *request)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char *text;

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v6.sin6_addr = in6addr_loopback;
	CU_ASSERT_EQUAL_FATAL(family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
						: connect(fd, (struct sockaddr *)&v6, sizeof(v6)),
			      0);
	CU_ASSERT_EQUAL(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	text = read_all(fd);
	close(fd);
	return text;
}

static uint16_t port_of(const struct scrape *s)
{
	struct sockaddr_in6 sin6;
	socklen_t len = sizeof(sin6);

	/* The port is in the same place in both families. */
	CU_ASSERT_EQUAL(getsockname(s->listener, (struct sockaddr *)&sin6, &len), 0);
	return ntohs(sin6.sin6_port);
}

#define SAMPLES "mpgate_bytes_total{link=\"a\\\"b\\\\c\\n\",way=\"up\"} 18446744073709551615\n"
#define PEERS "# HELP mpgate_peers Peers.\n# TYPE mpgate_peers gauge\nmpgate_peers 3\n"
#define OPEN_BODY "# HELP mpgate_bytes Bytes.\n# TYPE mpgate_bytes counter\n" SAMPLES PEERS "# EOF\n"
#define TEXT_BODY "# HELP mpgate_bytes_total Bytes.\n# TYPE mpgate_bytes_total counter\n" SAMPLES PEERS
#define OPEN_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"
#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8\r\n"
#define PLAIN "text/plain; charset=utf-8\r\n"
#define FAILED "the daemon does not answer\n"

static void metrics_are_served(int family, const char *addr)
{
	int fails = 0;
	struct {
		const char *request, *status, *type, *body;
		int fails;
	} cases[] = {
		{ "GET /metrics HTTP/1.0\r\n\r\n", " 200 ", TEXT_TYPE, TEXT_BODY, 0 },
		{ "GET /metrics HTTP/1.0\r\nAccept: text/plain\r\n\r\n", " 200 ", TEXT_TYPE, TEXT_BODY, 0 },
		{ "GET /metrics HTTP/1.0\r\nAccept: Application/OpenMetrics-Text;version=1.0.0,*/*;q=0.1\r\n\r\n",
		  " 200 ", OPEN_TYPE, OPEN_BODY, 0 },
		{ "HEAD /metrics HTTP/1.0\r\n\r\n", " 200 ", TEXT_TYPE, "", 0 },
		{ "GET / HTTP/1.0\r\n\r\n", " 404 ", PLAIN, "only /metrics is here\n", 0 },
		{ "POST /metrics HTTP/1.0\r\nContent-Length: 2\r\n\r\nxx", " 405 ", PLAIN, "only GET and HEAD\n", 0 },
		{ "GET /metrics HTTP/1.0\r\n\r\n", " 500 ", PLAIN, FAILED, 1 },
		{ "GET /metrics HTTP/1.0\r\n\r\n", " 200 ", TEXT_TYPE, TEXT_BODY, 0 },
	};
	struct scrape s = { 0 }, second = { 0 };

	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, addr, 0, render, &fails), 0);
	CU_ASSERT_EQUAL(scrape_open(&second, &loop, addr, port_of(&s), render, &fails), -EADDRINUSE);
	CU_ASSERT_FALSE(second.open);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text, *end;

		fails = cases[i].fails;
		text = http(family, port_of(&s), cases[i].request);
		CU_ASSERT_PTR_EQUAL(strstr(text, cases[i].status), text + strlen("HTTP/1.x"));
		CU_ASSERT_PTR_NOT_NULL(strstr(text, cases[i].type));
		end = strstr(text, "\r\n\r\n");
		CU_ASSERT_PTR_NOT_NULL_FATAL(end);
		CU_ASSERT_STRING_EQUAL(end + 4, cases[i].body);
		free(text);
	}
	CU_ASSERT_EQUAL(s.child.killed + s.child.restarts, 0);
	scrape_close(&s);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void metrics_are_served_over_ipv4(void)
{
	metrics_are_served(AF_INET, "127.0.0.1");
}

static void metrics_are_served_over_ipv6(void)
{
	metrics_are_served(AF_INET6, "::1");
}

static void metrics_refuse_what_is_no_address(void)
{
	struct scrape s = { 0 };

	CU_ASSERT_EQUAL(scrape_open(&s, &loop, "localhost", 0, render, NULL), -EINVAL);
	CU_ASSERT_FALSE(s.open);
}

/* An address that nobody has here (RFC 5737, RFC 3849), then one that is there. */
static void metrics_wait_for_their_address(void)
{
	struct scrape s = { 0 }, given_up = { 0 };
	int fails = 0;
	char *text;

	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, "192.0.2.77", 9803, render, &fails), 0);
	CU_ASSERT_STRING_EQUAL(scrape_waits(&s) ?: "", "no interface has that address");
	scrape_again(&s, "2001:db8::77", 9803);
	CU_ASSERT_PTR_NOT_NULL(scrape_waits(&s));
	CU_ASSERT_EQUAL(s.child.pid, 0);
	scrape_again(&s, "127.0.0.1", 0);
	CU_ASSERT_PTR_NULL_FATAL(scrape_waits(&s));
	text = http(AF_INET, port_of(&s), "GET /metrics HTTP/1.0\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " 200 "));
	free(text);
	scrape_close(&s);
	CU_ASSERT_EQUAL(scrape_open(&given_up, &loop, "2001:db8::77", 9803, render, &fails), 0);
	scrape_reap(&given_up);
	scrape_close(&given_up);
	CU_ASSERT_PTR_NULL(scrape_waits(&given_up));
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* The listener stays: what came while there was no process waits for the next. */
static void metrics_survive_their_process(void)
{
	struct scrape s = { 0 };
	int fails = 0;
	char *text;

	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, "::1", 0, render, &fails), 0);
	reaped = &s;
	kill(s.child.pid, SIGKILL);
	text = http(AF_INET6, port_of(&s), "GET /metrics HTTP/1.0\r\n\r\n");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, " 200 "));
	CU_ASSERT_EQUAL(s.child.restarts, 1);
	free(text);
	reaped = NULL;
	scrape_close(&s);
	uv_run(&loop, UV_RUN_DEFAULT);
}

int main(int argc, char **argv)
{
	static CU_TestInfo tests[] = {
		{ "metrics_are_served_over_ipv4", metrics_are_served_over_ipv4 },
		{ "metrics_are_served_over_ipv6", metrics_are_served_over_ipv6 },
		{ "metrics_refuse_what_is_no_address", metrics_refuse_what_is_no_address },
		{ "metrics_wait_for_their_address", metrics_wait_for_their_address },
		{ "metrics_survive_their_process", metrics_survive_their_process },
		CU_TEST_INFO_NULL,
	};
	bool passed;

	if (argc == 2 && !strcmp(argv[0], START_METRICS))
		http_main();
	uv_loop_init(&loop);
	passed = cunit_run("metrics", tests, NULL, NULL);
	if (uv_loop_close(&loop))
		passed = false;
	return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
