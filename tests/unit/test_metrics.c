/* SPDX-License-Identifier: GPL-2.0-or-later */
// SOURCES: user/mpgated/control/metrics.c user/mpgated/control/http.c user/mpgated/control/page.c
// SOURCES: user/mpgated/supervisor/scrape.c
// SOURCES: user/mpgated/supervisor/child.c user/mpgated/supervisor/watch.c
// SOURCES: user/mpgated/ipc/start.c user/mpgated/ipc/message.c user/mpgated/ipc/confine.c
// LIBS: libuv libmicrohttpd libseccomp
/*
 * The metrics process, which is this program, executed again: asked over both families, the text it gives in either
 * format, who gets the status page, and what becomes of it when it dies.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lib/keys.h>
#include <mpgated/control/page.h>
#include <mpgated/ipc/start.h>
#include <mpgated/supervisor/scrape.h>

#include "cunit.h"

#define DEADLINE_MS 10000
#define TICK_MS 1
#define ANSWER_MAX 32768
#define LATER_MS 5

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

#define STATUS "{\"status\":1}"
#define HISTORY "{\"history\":1}"

/* What is asked for now is given later. */
static struct {
	uv_timer_t timer;
	http_done done;
	void *arg;
} later;

static void late(uv_timer_t *t)
{
	later.done(later.arg, strdup(STATUS), strlen(STATUS));
	uv_close((uv_handle_t *)t, NULL);
}

static void page(void *arg, enum http_text which, http_done done, void *done_arg)
{
	if (*(int *)arg) {
		done(done_arg, NULL, 0);
	} else if (which == HTTP_HISTORY) {
		done(done_arg, strdup(HISTORY), strlen(HISTORY));
	} else {
		CU_ASSERT_EQUAL(which, HTTP_STATUS);
		later.done = done;
		later.arg = done_arg;
		uv_timer_init(&loop, &later.timer);
		uv_timer_start(&later.timer, late, LATER_MS, 0);
	}
}

static const struct http_source source = { .metrics = render, .page = page };

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

/* A connection on which that was sent. */
static int send_request(int family, uint16_t port, const char *request)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	v6.sin6_addr = in6addr_loopback;
	CU_ASSERT_EQUAL_FATAL(family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
						: connect(fd, (struct sockaddr *)&v6, sizeof(v6)),
			      0);
	CU_ASSERT_EQUAL(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
	return fd;
}

/* The whole answer to one request, malloc'ed. */
static char *http(int family, uint16_t port, const char *request)
{
	int fd = send_request(family, port, request);
	char *text = read_all(fd);

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
		{ "GET /other HTTP/1.0\r\n\r\n", " 404 ", PLAIN,
		  "only /, /status.json, /history.json and /metrics are here\n", 0 },
		{ "GET /status.json HTTP/1.0\r\n\r\n", " 200 ", "application/json\r\n", STATUS, 0 },
		{ "GET /history.json HTTP/1.0\r\n\r\n", " 200 ", "application/json\r\n", HISTORY, 0 },
		{ "GET /history.json HTTP/1.0\r\n\r\n", " 500 ", PLAIN, FAILED, 1 },
		{ "POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nxx", " 405 ", PLAIN, "only GET and HEAD\n", 0 },
		{ "POST /metrics HTTP/1.0\r\nContent-Length: 2\r\n\r\nxx", " 405 ", PLAIN, "only GET and HEAD\n", 0 },
		{ "GET /metrics HTTP/1.0\r\n\r\n", " 500 ", PLAIN, FAILED, 1 },
		{ "GET /metrics HTTP/1.0\r\n\r\n", " 200 ", TEXT_TYPE, TEXT_BODY, 0 },
	};
	struct scrape s = { 0 }, second = { 0 };

	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, addr, 0, NULL, &source, &fails), 0);
	CU_ASSERT_EQUAL(scrape_open(&second, &loop, addr, port_of(&s), NULL, &source, &fails), -EADDRINUSE);
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

	CU_ASSERT_EQUAL(scrape_open(&s, &loop, "localhost", 0, NULL, &source, NULL), -EINVAL);
	CU_ASSERT_FALSE(s.open);
}

/* An address that nobody has here (RFC 5737, RFC 3849), then one that is there. */
static void metrics_wait_for_their_address(void)
{
	struct scrape s = { 0 }, given_up = { 0 };
	int fails = 0;
	char *text;

	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, "192.0.2.77", 9803, NULL, &source, &fails), 0);
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
	CU_ASSERT_EQUAL(scrape_open(&given_up, &loop, "2001:db8::77", 9803, NULL, &source, &fails), 0);
	scrape_reap(&given_up);
	scrape_close(&given_up);
	CU_ASSERT_PTR_NULL(scrape_waits(&given_up));
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* --- the page */

static bool has(const char *text, const char *what)
{
	if (strstr(text, what))
		return true;
	printf("\n%s\nhas no %s\n", text, what);
	return false;
}

/* One request for what is the page's, with these headers: the answer has all of `wanted`, a line each. */
static void ask_page(const struct scrape *s, const char *url, const char *head, const char *const *wanted)
{
	char request[1024], *text;

	snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n%s\r\n", url, head);
	text = http(AF_INET, port_of(s), request);
	for (; *wanted; wanted++)
		CU_ASSERT_TRUE(has(text, *wanted));
	free(text);
}

#define ASK(s, url, head, ...) ask_page(s, url, head, (const char *const[]){ __VA_ARGS__, NULL })

static void page_for_this_machine(void)
{
	struct scrape s = { 0 };
	int fails = 0;

	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, "127.0.0.1", 0, NULL, &source, &fails), 0);
	ASK(&s, "/", "Host: localhost:9803\r\n", " 200 ", "\r\nContent-Type: text/html; charset=utf-8\r\n",
	    "\r\nContent-Security-Policy: default-src 'none'; script-src 'self'; ", "\r\nCache-Control: no-store\r\n",
	    "\r\nReferrer-Policy: no-referrer\r\n", "\r\nX-Content-Type-Options: nosniff\r\n", "<h1>mpgate ");
	ASK(&s, "/page.css", "Host: 127.0.0.1:9803\r\n", " 200 ", "Content-Type: text/css; ", "prefers-color-scheme");
	ASK(&s, "/page.js", "Host: [::1]:9803\r\n", " 200 ", "Content-Type: text/javascript; ", "\nlook();\n");
	ASK(&s, "/", "Host: mpgate.example\r\n", " 403 ", "ask for it by address or as localhost");
	ASK(&s, "/status.json", "Host: 127.0.0.1.example:9803\r\n", " 403 ");
	ASK(&s, "/history.json", "Host: [::1\r\n", " 200 ");
	ASK(&s, "/metrics", "Host: mpgate.example\r\n", " 200 ", PEERS);
	scrape_close(&s);
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* Reached by others, it is for nobody until there is a token. Metrics are as they were. */
static void page_for_nobody(void)
{
	struct scrape s = { 0 };
	int fails = 0;

	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, "0.0.0.0", 0, NULL, &source, &fails), 0);
	ASK(&s, "/", "Host: 127.0.0.1\r\n", " 403 ",
	    "set metrics.token-file to a file that mpgatectl key new has made\n");
	ASK(&s, "/status.json", "", " 403 ");
	ASK(&s, "/page.js", "", " 403 ");
	ASK(&s, "/metrics", "", " 200 ", PEERS);
	scrape_close(&s);
	uv_run(&loop, UV_RUN_DEFAULT);
}

#define TOKEN "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* bytes 0 to 31 */
/* base64 of anybody:TOKEN, :TOKEN, anybody:wrong, and of the token without a colon */
#define BASIC "YW55Ym9keTpBQUVDQXdRRkJnY0lDUW9MREEwT0R4QVJFaE1VRlJZWEdCa2FHeHdkSGg4PQ=="
#define NO_NAME "OkFBRUNBd1FGQmdjSUNRb0xEQTBPRHhBUkVoTVVGUllYR0JrYUd4d2RIaDg9"
#define BASIC_WRONG "YW55Ym9keTp3cm9uZw=="
#define BASIC_TOKEN_AS_NAME "QUFFQ0F3UUZCZ2NJQ1FvTERBME9EeEFSRWhNVUZSWVhHQmthR3h3ZEhoOD0="

static void page_for_a_token(void)
{
	char file[] = "/tmp/mpgate-token.XXXXXX";
	FILE *f = fdopen(mkstemp(file), "w");
	struct scrape s = { 0 };
	int fails = 0;

	fputs(TOKEN "\n", f);
	fclose(f);
	chmod(file, 0640);
	CU_ASSERT_EQUAL(scrape_open(&s, &loop, "0.0.0.0", 0, file, &source, &fails), -EACCES);
	chmod(file, 0600);
	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, "0.0.0.0", 0, file, &source, &fails), 0);
	unlink(file);
	ASK(&s, "/", "Authorization: Bearer " TOKEN "\r\nHost: mpgate.example\r\n", " 200 ", "<h1>mpgate ");
	ASK(&s, "/", "authorization: bearer  " TOKEN "\r\n", " 200 ");
	ASK(&s, "/status.json", "Authorization: Basic " BASIC "\r\n", " 200 ", STATUS);
	ASK(&s, "/history.json", "Authorization: Basic " NO_NAME "\r\n", " 200 ", HISTORY);
	ASK(&s, "/", "", " 401 ", "\r\nWWW-Authenticate: Basic realm=\"mpgate\"\r\n", "this takes the token");
	for (size_t i = 0; i < 9; i++) {
		static const char *const wrong[] = { "Bearer",
						     "Bearer ",
						     "Bearer BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
						     "Bearer AAEC",
						     TOKEN,
						     "Basic " BASIC_WRONG,
						     "Basic " BASIC_TOKEN_AS_NAME,
						     "Basic ????",
						     "Digest " TOKEN };
		char head[256];

		snprintf(head, sizeof(head), "Authorization: %s\r\n", wrong[i]);
		ASK(&s, i % 2 ? "/" : "/status.json", head, " 401 ");
	}
	ASK(&s, "/metrics", "", " 200 ", PEERS);
	scrape_close(&s);
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* Who asked is gone when the answer comes: the next one gets his own. */
static void page_survives_its_process(void)
{
	struct scrape s = { 0 };
	int fails = 0, fd;
	char *text;

	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, "127.0.0.1", 0, NULL, &source, &fails), 0);
	fd = send_request(AF_INET, port_of(&s), "GET /status.json HTTP/1.0\r\n\r\n");
	for (unsigned i = 0; i < DEADLINE_MS && !s.due; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		poll(NULL, 0, TICK_MS);
	}
	CU_ASSERT_TRUE(s.due);
	reaped = &s;
	kill(s.child.pid, SIGKILL);
	free(read_all(fd));
	close(fd);
	text = http(AF_INET, port_of(&s), "GET /history.json HTTP/1.0\r\n\r\n");
	CU_ASSERT_TRUE(has(text, HISTORY));
	CU_ASSERT_EQUAL(s.child.restarts, 1);
	CU_ASSERT_EQUAL(s.child.killed, 0);
	free(text);
	reaped = NULL;
	scrape_close(&s);
	uv_run(&loop, UV_RUN_DEFAULT);
}

/* The listener stays: what came while there was no process waits for the next. */
static void metrics_survive_their_process(void)
{
	struct scrape s = { 0 };
	int fails = 0;
	char *text;

	CU_ASSERT_EQUAL_FATAL(scrape_open(&s, &loop, "::1", 0, NULL, &source, &fails), 0);
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
		{ "page_for_this_machine", page_for_this_machine },
		{ "page_for_nobody", page_for_nobody },
		{ "page_for_a_token", page_for_a_token },
		{ "page_survives_its_process", page_survives_its_process },
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
