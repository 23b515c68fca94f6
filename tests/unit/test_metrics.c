/* SPDX-License-Identifier: GPL-2.0-or-later */
// SOURCES: user/mpgated/control/metrics.c
// LIBS: libuv libmicrohttpd
/* The metrics endpoint, asked over both families, and the text it gives. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mpgated/control/metrics.h>

#include "cunit.h"

#define DEADLINE_MS 10000
#define TICK_MS 1
#define ANSWER_MAX 4096

static uv_loop_t loop;

static char *render(void *arg, size_t *len)
{
	static const struct metrics_label labels[] = { { "link", "a\"b\\c\n" }, { "way", "up" }, { NULL, NULL } };
	struct metrics_text t = { 0 };

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

static void metrics_are_served(int family, const char *addr)
{
	static const char body[] = "# TYPE mpgate_bytes counter\n# HELP mpgate_bytes Bytes.\n"
				   "mpgate_bytes_total{link=\"a\\\"b\\\\c\\n\",way=\"up\"} 18446744073709551615\n"
				   "# TYPE mpgate_peers gauge\n# HELP mpgate_peers Peers.\nmpgate_peers 3\n# EOF\n";
	int fails = 0;
	struct {
		const char *request, *status, *body;
		int fails;
	} cases[] = {
		{ "GET /metrics HTTP/1.0\r\n\r\n", " 200 ", body, 0 },
		{ "HEAD /metrics HTTP/1.0\r\n\r\n", " 200 ", "", 0 },
		{ "GET / HTTP/1.0\r\n\r\n", " 404 ", "only /metrics is here\n", 0 },
		{ "POST /metrics HTTP/1.0\r\nContent-Length: 2\r\n\r\nxx", " 405 ", "only GET and HEAD\n", 0 },
		{ "GET /metrics HTTP/1.0\r\n\r\n", " 500 ", "out of memory\n", 1 },
	};
	struct metrics *m = NULL, *second = NULL;

	CU_ASSERT_EQUAL_FATAL(metrics_open(&loop, addr, 0, render, &fails, &m), 0);
	CU_ASSERT_EQUAL(metrics_open(&loop, addr, metrics_port(m), render, &fails, &second), -EADDRINUSE);
	CU_ASSERT_PTR_NULL(second);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text, *end;

		fails = cases[i].fails;
		text = http(family, metrics_port(m), cases[i].request);
		CU_ASSERT_PTR_EQUAL(strstr(text, cases[i].status), text + strlen("HTTP/1.x"));
		end = strstr(text, "\r\n\r\n");
		CU_ASSERT_PTR_NOT_NULL_FATAL(end);
		CU_ASSERT_STRING_EQUAL(end + 4, cases[i].body);
		free(text);
	}
	metrics_close(m);
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
	struct metrics *m = NULL;

	CU_ASSERT_EQUAL(metrics_open(&loop, "localhost", 0, render, NULL, &m), -EINVAL);
	CU_ASSERT_PTR_NULL(m);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "metrics_are_served_over_ipv4", metrics_are_served_over_ipv4 },
		{ "metrics_are_served_over_ipv6", metrics_are_served_over_ipv6 },
		{ "metrics_refuse_what_is_no_address", metrics_refuse_what_is_no_address },
		CU_TEST_INFO_NULL,
	};
	bool passed;

	uv_loop_init(&loop);
	passed = cunit_run("metrics", tests, NULL, NULL);
	if (uv_loop_close(&loop))
		passed = false;
	return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
