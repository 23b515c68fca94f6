/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of the control socket share: a loop with a socket in a directory of its own, and a client. */
#ifndef TESTS_CONTROL_SCRIPT_H
#define TESTS_CONTROL_SCRIPT_H

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <mpgated/control/control.h>

#include "cunit.h"

#define SCRIPT __attribute__((unused)) static /* not every program uses all of this */
#define DEADLINE_MS 10000
#define TICK_MS 1
#define BIG (4U * 1024U * 1024U) /* bytes of a reply that no socket buffer takes */

static uv_loop_t loop;
static char dir[] = "/tmp/mpg-test-control-XXXXXX";
static char path[sizeof(dir) + 8];
SCRIPT int called;

SCRIPT json_t *echo(void *arg, const json_t *parameters, const char **error, char **why)
{
	(void)error;
	(void)why;
	called++;
	return json_pack("{s:s, s:O*}", "arg", arg, "got", parameters);
}

SCRIPT json_t *refuse(void *arg, const json_t *parameters, const char **error, char **why)
{
	(void)arg;
	*error = parameters ? CONTROL_INVALID_PARAMETER : CONTROL_FAILED;
	*why = strdup("because");
	return NULL;
}

SCRIPT json_t *big(void *arg, const json_t *parameters, const char **error, char **why)
{
	char *text = malloc(BIG + 1);
	json_t *value;

	(void)arg;
	(void)parameters;
	(void)error;
	(void)why;
	memset(text, 'x', BIG);
	text[BIG] = 0;
	value = json_pack("{s:s}", "text", text);
	free(text);
	return value;
}

SCRIPT struct control_call *waiting;

/* Answers when the test says so; with parameters it fails at once, and says that they are wrong if there are any. */
SCRIPT int later(void *arg, const json_t *parameters, struct control_call *call)
{
	(void)arg;
	if (parameters)
		return json_object_size(parameters) ? -EINVAL : -EBUSY;
	waiting = call;
	return 0;
}

/* Who asks, by the kernel's word. */
SCRIPT json_t *who(void *arg, pid_t caller, const char **error, char **why)
{
	(void)arg;
	(void)error;
	(void)why;
	return json_pack("{s:i}", "pid", (int)caller);
}

SCRIPT const struct control_method methods[] = {
	{ "io.mpgate.Who", .about = who },  { "io.mpgate.Later", .start = later },
	{ "io.mpgate.Echo", .call = echo }, { "io.mpgate.Refuse", .call = refuse },
	{ "io.mpgate.Big", .call = big },   { 0 },
};

SCRIPT const struct control_limits roomy = { .clients = 4, .idle_ms = DEADLINE_MS * 2, .reply_ms = DEADLINE_MS * 2 };

SCRIPT struct control *open_socket(const struct control_limits *limits)
{
	struct control *c = NULL;

	CU_ASSERT_EQUAL_FATAL(control_open_at(&loop, path, limits, methods, "hello", &c), 0);
	return c;
}

SCRIPT void close_socket(struct control *c)
{
	control_close(c);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
}

SCRIPT int dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* One turn of the loop, then a moment for the other side. */
SCRIPT void turn(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
	poll(NULL, 0, TICK_MS);
}

/* Sends data while the loop runs. */
SCRIPT void send_bytes(int fd, const char *data, size_t len)
{
	for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ULL; len && uv_hrtime() < end;) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EAGAIN)
			return;
		if (n > 0) {
			data += n;
			len -= n;
		}
		turn();
	}
}

/* Reads until a NUL or the end; malloc'ed text. *ended says the peer hung up. */
SCRIPT char *receive_message(int fd, bool *ended)
{
	char *text = calloc(1, BIG + 4096);
	size_t len = 0;

	*ended = false;
	for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ULL; uv_hrtime() < end; turn()) {
		ssize_t n = recv(fd, text + len, BIG + 4095 - len, 0);

		if (!n || (n < 0 && errno == ECONNRESET)) {
			*ended = true;
			break;
		}
		len += n > 0 ? n : 0;
		if (len && !text[len - 1])
			break;
	}
	return text;
}

SCRIPT json_t *ask(int fd, const char *call)
{
	bool ended;
	char *text;
	json_t *reply;

	send_bytes(fd, call, strlen(call) + 1);
	text = receive_message(fd, &ended);
	CU_ASSERT_FALSE(ended);
	reply = json_loads(text, 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(reply);
	free(text);
	return reply;
}

SCRIPT void expect(int fd, const char *call, const char *want_text)
{
	json_t *reply = ask(fd, call);
	json_t *want = json_loads(want_text, 0, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(want);
	CU_ASSERT_TRUE(json_equal(reply, want));
	json_decref(reply);
	json_decref(want);
}

#define ECHO_CALL "{\"method\":\"io.mpgate.Echo\"}"
#define ECHO_REPLY "{\"parameters\":{\"arg\":\"hello\"}}"

SCRIPT void expect_text(int fd, const char *want)
{
	bool ended;
	char *text = receive_message(fd, &ended);

	CU_ASSERT_FALSE(ended);
	CU_ASSERT_STRING_EQUAL(text, want);
	free(text);
}

SCRIPT void expect_hang_up(int fd)
{
	bool ended;

	free(receive_message(fd, &ended));
	CU_ASSERT_TRUE(ended);
}

/* The program's exit status. */
SCRIPT int script_run(const char *suite, CU_TestInfo *tests)
{
	bool passed;

	if (!mkdtemp(dir))
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/socket", dir);
	uv_loop_init(&loop);
	passed = cunit_run(suite, tests, NULL, NULL);
	if (uv_loop_close(&loop))
		passed = false;
	unlink(path);
	rmdir(dir);
	return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
