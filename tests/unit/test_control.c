/* SPDX-License-Identifier: GPL-2.0-or-later */
// SOURCES: user/mpgated/control/control.c user/mpgatectl/client.c
// LIBS: libuv jansson
/* The control socket: framing, calls, limits. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <lib/frame.h>
#include <mpgatectl/client.h>
#include <mpgated/control/control.h>

#include "cunit.h"
#include "io.mpgate.varlink.h"

#define DEADLINE_MS 10000
#define TICK_MS 1
#define SHORT_MS 50 /* limits that a test waits for */
#define BIG (4U * 1024U * 1024U) /* bytes of a reply that no socket buffer takes */

/* --- framing */

static void feed(struct frame *f, const char *data, size_t len)
{
	while (len) {
		size_t size = 0;
		char *room = frame_room(f, &size);

		CU_ASSERT_PTR_NOT_NULL_FATAL(room);
		size = size < len ? size : len;
		memcpy(room, data, size);
		frame_filled(f, size);
		data += size;
		len -= size;
	}
}

static void frame_splits_messages_however_they_arrive(void)
{
	static const char stream[] = "one\0two\0\0four";
	static const char *const want[] = { "one", "two", "", "four" };

	for (size_t piece = 1; piece <= sizeof(stream); piece++) {
		struct frame f = { .max = sizeof(stream) };
		size_t got = 0;

		for (size_t at = 0; at < sizeof(stream); at += piece) {
			size_t len, n = sizeof(stream) - at < piece ? sizeof(stream) - at : piece;
			char *message;

			feed(&f, stream + at, n);
			while ((message = frame_next(&f, &len))) {
				CU_ASSERT_FATAL(got < 4);
				CU_ASSERT_STRING_EQUAL(message, want[got]);
				CU_ASSERT_EQUAL(len, strlen(want[got]));
				got++;
			}
		}
		CU_ASSERT_EQUAL(got, 4);
		frame_free(&f);
	}
}

static void frame_refuses_what_is_too_long(void)
{
	struct frame f = { .max = 4 };
	size_t size, len;

	feed(&f, "abc", 4);
	CU_ASSERT_PTR_NOT_NULL(frame_next(&f, &len));
	feed(&f, "abcd", 4);
	CU_ASSERT_PTR_NULL(frame_next(&f, &len));
	CU_ASSERT_PTR_NULL(frame_room(&f, &size));
	frame_free(&f);
}

/* --- a loop with a control socket in a directory of its own */

static uv_loop_t loop;
static char dir[] = "/tmp/mpg-test-control-XXXXXX";
static char path[sizeof(dir) + 8];
static int called;

static json_t *echo(void *arg, const json_t *parameters, const char **error, char **why)
{
	(void)error;
	(void)why;
	called++;
	return json_pack("{s:s, s:O*}", "arg", arg, "got", parameters);
}

static json_t *refuse(void *arg, const json_t *parameters, const char **error, char **why)
{
	(void)arg;
	*error = parameters ? CONTROL_INVALID_PARAMETER : CONTROL_FAILED;
	*why = strdup("because");
	return NULL;
}

static json_t *big(void *arg, const json_t *parameters, const char **error, char **why)
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

static struct control_call *waiting;

/* Answers when the test says so; with parameters it fails at once. */
static int later(void *arg, const json_t *parameters, struct control_call *call)
{
	(void)arg;
	if (parameters)
		return -EBUSY;
	waiting = call;
	return 0;
}

static const struct control_method methods[] = {
	{ "io.mpgate.Later", .start = later },
	{ "io.mpgate.Echo", .call = echo },
	{ "io.mpgate.Refuse", .call = refuse },
	{ "io.mpgate.Big", .call = big },
	{ 0 },
};

static const struct control_limits roomy = { .clients = 4, .idle_ms = DEADLINE_MS * 2, .reply_ms = DEADLINE_MS * 2 };

static struct control *open_socket(const struct control_limits *limits)
{
	struct control *c = NULL;

	CU_ASSERT_EQUAL_FATAL(control_open_at(&loop, path, limits, methods, "hello", &c), 0);
	return c;
}

static void close_socket(struct control *c)
{
	control_close(c);
	uv_run(&loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(access(path, F_OK), -1);
}

static int dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

/* One turn of the loop, then a moment for the other side. */
static void turn(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
	poll(NULL, 0, TICK_MS);
}

/* Sends data while the loop runs. */
static void send_bytes(int fd, const char *data, size_t len)
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
static char *receive_message(int fd, bool *ended)
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

static json_t *ask(int fd, const char *call)
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

static void expect(int fd, const char *call, const char *want_text)
{
	json_t *reply = ask(fd, call);
	json_t *want = json_loads(want_text, 0, NULL);

	CU_ASSERT_PTR_NOT_NULL_FATAL(want);
	CU_ASSERT_TRUE(json_equal(reply, want));
	json_decref(reply);
	json_decref(want);
}

#define LATER "{\"method\":\"io.mpgate.Later\"}"
#define LATER_ONEWAY "{\"method\":\"io.mpgate.Later\",\"oneway\":true}"
#define ECHO_CALL "{\"method\":\"io.mpgate.Echo\"}"
#define ECHO_REPLY "{\"parameters\":{\"arg\":\"hello\"}}"

static void expect_text(int fd, const char *want)
{
	bool ended;
	char *text = receive_message(fd, &ended);

	CU_ASSERT_FALSE(ended);
	CU_ASSERT_STRING_EQUAL(text, want);
	free(text);
}

/* Sends a call of Later until it waits. */
static void begin_later(int fd, const char *call, size_t len)
{
	waiting = NULL;
	send_bytes(fd, call, len);
	for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ULL; !waiting && uv_hrtime() < end;)
		turn();
	CU_ASSERT_PTR_NOT_NULL_FATAL(waiting);
}

static void an_answer_may_come_later(void)
{
	/* The second call of the same client waits, another client does not. */
	static const char two[] = LATER "\0" ECHO_CALL;
	struct control *c = open_socket(&roomy);
	int fd = dial(), other = dial();
	char byte;

	begin_later(fd, two, sizeof(two));
	expect(other, ECHO_CALL, ECHO_REPLY);
	CU_ASSERT_EQUAL(recv(fd, &byte, 1, 0), -1);
	control_reply(waiting, json_pack("{s:i}", "n", 5), NULL, NULL);
	expect_text(fd, "{\"parameters\":{\"n\":5}}");
	expect_text(fd, ECHO_REPLY);

	begin_later(fd, LATER, sizeof(LATER));
	control_reply(waiting, NULL, CONTROL_FAILED, strdup("late"));
	expect_text(fd, "{\"error\":\"io.mpgate.Failed\",\"parameters\":{\"reason\":\"late\"}}");

	begin_later(fd, LATER_ONEWAY, sizeof(LATER_ONEWAY));
	control_reply(waiting, json_object(), NULL, NULL);
	expect(fd, ECHO_CALL, ECHO_REPLY);
	expect(fd, "{\"method\":\"io.mpgate.Later\",\"parameters\":{}}",
	       "{\"error\":\"io.mpgate.Failed\",\"parameters\":{\"reason\":\"Device or resource busy\"}}");
	close(fd);
	close(other);
	close_socket(c);
}

static void who_left_gets_no_answer(void)
{
	struct control *c = open_socket(&roomy);
	int fd = dial();

	begin_later(fd, LATER, sizeof(LATER));
	close(fd);
	turn();
	control_reply(waiting, json_object(), NULL, NULL);
	turn();
	/* Nor when the socket has been closed meanwhile. */
	fd = dial();
	begin_later(fd, LATER, sizeof(LATER));
	close_socket(c);
	control_reply(waiting, json_object(), NULL, NULL);
	close(fd);
}

static void expect_hang_up(int fd)
{
	bool ended;

	free(receive_message(fd, &ended));
	CU_ASSERT_TRUE(ended);
}

static void methods_answer_and_fail_by_name(void)
{
	static const struct {
		const char *call, *reply;
	} cases[] = {
		{ "{\"method\":\"io.mpgate.Echo\"}", "{\"parameters\":{\"arg\":\"hello\"}}" },
		{ "{\"method\":\"io.mpgate.Echo\",\"parameters\":{\"a\":[1]},\"more\":true}",
		  "{\"parameters\":{\"arg\":\"hello\",\"got\":{\"a\":[1]}}}" },
		{ "{\"method\":\"io.mpgate.Refuse\"}",
		  "{\"error\":\"io.mpgate.Failed\",\"parameters\":{\"reason\":\"because\"}}" },
		{ "{\"method\":\"io.mpgate.Refuse\",\"parameters\":{}}",
		  "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"because\"}}" },
		{ "{\"method\":\"io.mpgate.Nothing\"}", "{\"error\":\"org.varlink.service.MethodNotFound\","
							"\"parameters\":{\"method\":\"io.mpgate.Nothing\"}}" },
		{ "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"a.b\"}}",
		  "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"a.b\"}}" },
		{ "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
		  "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"interface\"}}" },
	};
	struct control *c = open_socket(&roomy);
	int fd = dial();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(fd, cases[i].call, cases[i].reply);
	close(fd);
	close_socket(c);
}

static void service_describes_itself(void)
{
	struct control *c = open_socket(&roomy);
	int fd = dial();
	json_t *reply = ask(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	const json_t *info = json_object_get(reply, "parameters");

	CU_ASSERT_EQUAL(json_array_size(json_object_get(info, "interfaces")), 2);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(info, "product")), "mpgated");
	json_decref(reply);
	reply = ask(fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
			"\"parameters\":{\"interface\":\"io.mpgate\"}}");
	info = json_object_get(reply, "parameters");
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(info, "description")), io_mpgate);
	json_decref(reply);
	close(fd);
	close_socket(c);
}

static void malformed_calls_hang_up(void)
{
	static const char *const cases[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"method\":1}",
		"{\"method\":\"io.mpgate.Echo\",\"parameters\":[]}",
		"{\"method\":\"io.mpgate.Echo\",\"oneway\":1}",
		"{\"method\":\"io.mpgate.Echo\",\"method\":\"io.mpgate.Echo\"}",
		"{\"method\":\"io.mpgate.Echo\"} x",
	};
	struct control *c = open_socket(&roomy);

	called = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int fd = dial();

		send_bytes(fd, cases[i], strlen(cases[i]) + 1);
		expect_hang_up(fd);
		close(fd);
	}
	CU_ASSERT_EQUAL(called, 0);
	close_socket(c);
}

static void pipelined_calls_are_answered_in_order(void)
{
	static const char calls[] = "{\"method\":\"io.mpgate.Echo\",\"oneway\":true}\0"
				    "{\"method\":\"io.mpgate.Echo\",\"parameters\":{\"n\":1}}\0"
				    "{\"method\":\"io.mpgate.Echo\",\"parameters\":{\"n\":2}}";
	static const char want[] = "{\"parameters\":{\"arg\":\"hello\",\"got\":{\"n\":1}}}\0"
				   "{\"parameters\":{\"arg\":\"hello\",\"got\":{\"n\":2}}}";
	struct control *c = open_socket(&roomy);
	int fd = dial();
	char got[sizeof(want)] = "";
	size_t len = 0;

	called = 0;
	send_bytes(fd, calls, sizeof(calls));
	for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ULL; len < sizeof(want) && uv_hrtime() < end; turn()) {
		ssize_t n = recv(fd, got + len, sizeof(got) - len, 0);

		len += n > 0 ? n : 0;
	}
	CU_ASSERT_EQUAL(called, 3);
	CU_ASSERT_EQUAL(len, sizeof(want));
	CU_ASSERT_EQUAL(memcmp(got, want, sizeof(want)), 0);
	close(fd);
	close_socket(c);
}

static void a_long_call_hangs_up_and_one_below_the_limit_does_not(void)
{
	static const size_t limit = 64 * 1024;
	static const char call[] = "{\"method\":\"io.mpgate.Echo\"}";
	struct control *c = open_socket(&roomy);
	char *text = malloc(limit + 1);
	bool ended;
	int fd;

	memset(text, ' ', limit);
	memcpy(text, call, strlen(call));
	text[limit - 1] = 0;
	fd = dial();
	send_bytes(fd, text, limit);
	free(receive_message(fd, &ended));
	CU_ASSERT_FALSE(ended);
	close(fd);

	text[limit - 1] = ' ';
	text[limit] = 0;
	fd = dial();
	send_bytes(fd, text, limit + 1);
	expect_hang_up(fd);
	close(fd);
	free(text);
	close_socket(c);
}

static void one_client_too_many_hangs_up(void)
{
	struct control *c = open_socket(&roomy);
	int fds[5];

	for (unsigned i = 0; i < roomy.clients; i++) {
		fds[i] = dial();
		expect(fds[i], "{\"method\":\"io.mpgate.Echo\"}", "{\"parameters\":{\"arg\":\"hello\"}}");
	}
	fds[4] = dial();
	expect_hang_up(fds[4]);
	/* The others are still served, and a place that becomes free is given again. */
	expect(fds[0], "{\"method\":\"io.mpgate.Echo\"}", "{\"parameters\":{\"arg\":\"hello\"}}");
	close(fds[4]);
	close(fds[1]);
	turn();
	turn();
	fds[1] = dial();
	expect(fds[1], "{\"method\":\"io.mpgate.Echo\"}", "{\"parameters\":{\"arg\":\"hello\"}}");
	for (unsigned i = 0; i < roomy.clients; i++)
		close(fds[i]);
	close_socket(c);
}

static void silent_clients_hang_up(void)
{
	struct control_limits limits = roomy;
	struct control *c;
	int fd, half;

	limits.idle_ms = SHORT_MS;
	c = open_socket(&limits);
	fd = dial();
	half = dial();
	send_bytes(half, "{", 1);
	expect_hang_up(fd);
	expect_hang_up(half);
	close(fd);
	close(half);
	close_socket(c);
}

static void slow_readers_hang_up(void)
{
	struct control_limits limits = roomy;
	static const char call[] = "{\"method\":\"io.mpgate.Big\"}";
	struct control *c;
	struct pollfd p;

	limits.reply_ms = SHORT_MS;
	c = open_socket(&limits);
	p = (struct pollfd){ .fd = dial(), .events = POLLRDHUP };
	send_bytes(p.fd, call, sizeof(call));
	for (uint64_t end = uv_hrtime() + DEADLINE_MS * 1000000ULL; uv_hrtime() < end && !poll(&p, 1, 0); turn())
		;
	CU_ASSERT_TRUE(p.revents & (POLLRDHUP | POLLHUP));
	close(p.fd);
	close_socket(c);
}

static void a_big_reply_arrives_whole(void)
{
	struct control *c = open_socket(&roomy);
	int fd = dial();
	json_t *reply = ask(fd, "{\"method\":\"io.mpgate.Big\"}");

	CU_ASSERT_EQUAL(json_string_length(json_object_get(json_object_get(reply, "parameters"), "text")), BIG);
	json_decref(reply);
	close(fd);
	close_socket(c);
}

static void the_socket_is_private_and_taken_over_only_from_the_dead(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct control *c, *second = NULL;
	struct stat st;
	int fd;

	/* What a killed daemon leaves: bound, and nobody listens. */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(sun.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	c = open_socket(&roomy);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_mode & 0777, 0600);

	CU_ASSERT_EQUAL(control_open_at(&loop, path, &roomy, methods, NULL, &second), -EADDRINUSE);
	CU_ASSERT_PTR_NULL(second);
	fd = dial();
	expect(fd, "{\"method\":\"io.mpgate.Echo\"}", "{\"parameters\":{\"arg\":\"hello\"}}");
	close(fd);
	close_socket(c);
}

/* --- mpgatectl's client against the real path */

struct call {
	const char *instance, *method;
	json_t *value;
	char *error;
	atomic_bool done;
};

static void *call_thread(void *arg)
{
	struct call *call = arg;

	call->value = client_call(call->instance, call->method, NULL, &call->error);
	call->done = true;
	return NULL;
}

static void run_call(struct call *call)
{
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, call_thread, call), 0);
	while (!call->done)
		turn();
	pthread_join(thread, NULL);
}

static void the_tool_calls_the_daemon(void)
{
	char instance[32];
	struct control *c = NULL;
	struct call good = { .instance = instance, .method = "Echo" };
	struct call bad = { .instance = instance, .method = "Refuse" };
	struct call none = { .instance = instance, .method = "Echo" };

	snprintf(instance, sizeof(instance), "test-%d", (int)getpid());
	CU_ASSERT_EQUAL_FATAL(control_open(&loop, instance, methods, "hello", &c), 0);
	run_call(&good);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(good.value, "arg")), "hello");
	json_decref(good.value);
	run_call(&bad);
	CU_ASSERT_PTR_NULL(bad.value);
	CU_ASSERT_STRING_EQUAL(bad.error, "because");
	free(bad.error);
	control_close(c);
	uv_run(&loop, UV_RUN_DEFAULT);
	run_call(&none);
	CU_ASSERT_PTR_NULL(none.value);
	CU_ASSERT_PTR_NOT_NULL(strstr(none.error, instance));
	free(none.error);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "frame_splits_messages_however_they_arrive", frame_splits_messages_however_they_arrive },
		{ "frame_refuses_what_is_too_long", frame_refuses_what_is_too_long },
		{ "an_answer_may_come_later", an_answer_may_come_later },
		{ "who_left_gets_no_answer", who_left_gets_no_answer },
		{ "methods_answer_and_fail_by_name", methods_answer_and_fail_by_name },
		{ "service_describes_itself", service_describes_itself },
		{ "malformed_calls_hang_up", malformed_calls_hang_up },
		{ "pipelined_calls_are_answered_in_order", pipelined_calls_are_answered_in_order },
		{ "a_long_call_hangs_up_and_one_below_the_limit_does_not",
		  a_long_call_hangs_up_and_one_below_the_limit_does_not },
		{ "one_client_too_many_hangs_up", one_client_too_many_hangs_up },
		{ "silent_clients_hang_up", silent_clients_hang_up },
		{ "slow_readers_hang_up", slow_readers_hang_up },
		{ "a_big_reply_arrives_whole", a_big_reply_arrives_whole },
		{ "the_socket_is_private_and_taken_over_only_from_the_dead",
		  the_socket_is_private_and_taken_over_only_from_the_dead },
		{ "the_tool_calls_the_daemon", the_tool_calls_the_daemon },
		CU_TEST_INFO_NULL,
	};
	bool passed;

	if (!mkdtemp(dir))
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/socket", dir);
	uv_loop_init(&loop);
	passed = cunit_run("control", tests, NULL, NULL);
	if (uv_loop_close(&loop))
		passed = false;
	unlink(path);
	rmdir(dir);
	return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
