// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/control/control.c user/mpgatectl/client.c
// LIBS: libuv jansson
/* The control socket's clients: what they may take, who may connect, and mpgatectl as one of them. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>

#include <mpgatectl/client.h>

#include "control_script.h"

#define SHORT_MS 50 /* limits that a test waits for */

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

/* Whatever it says itself. */
static void a_method_is_told_who_calls(void)
{
	struct control *c = open_socket(&roomy);
	int fd = dial();
	json_t *reply = ask(fd, "{\"method\":\"io.mpgate.Who\",\"parameters\":{\"pid\":1}}");

	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_object_get(reply, "parameters"), "pid")), getpid());
	json_decref(reply);
	close(fd);
	close_socket(c);
}

/* What a daemon had: bound, and listening with so long a queue; -1: not any more. */
static int bound(int queue)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, path);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	if (queue >= 0)
		CU_ASSERT_EQUAL_FATAL(listen(fd, queue), 0);
	return fd;
}

static void *ends_soon(void *arg)
{
	const struct timespec moment = { .tv_nsec = 250000000 };

	nanosleep(&moment, NULL);
	close(*(int *)arg);
	return NULL;
}

/* The last thread of one that was killed still has its socket. Whose queue is full is not waited for. */
static void a_daemon_that_is_ending_is_waited_for(void)
{
	struct control *c = NULL;
	pthread_t thread;
	int fd = bound(0), waits = dial();

	CU_ASSERT_EQUAL(control_open_at(&loop, path, &roomy, methods, NULL, &c), -EADDRINUSE);
	close(waits);
	close(fd);
	unlink(path);
	fd = bound(1);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, ends_soon, &fd), 0);
	c = open_socket(&roomy);
	pthread_join(thread, NULL);
	close_socket(c);
}

static void the_socket_is_private_and_taken_over_only_from_the_dead(void)
{
	struct control *c, *second = NULL;
	struct stat st;
	int fd;

	close(bound(-1));
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
		{ "one_client_too_many_hangs_up", one_client_too_many_hangs_up },
		{ "silent_clients_hang_up", silent_clients_hang_up },
		{ "slow_readers_hang_up", slow_readers_hang_up },
		{ "a_big_reply_arrives_whole", a_big_reply_arrives_whole },
		{ "a_method_is_told_who_calls", a_method_is_told_who_calls },
		{ "the_socket_is_private_and_taken_over_only_from_the_dead",
		  the_socket_is_private_and_taken_over_only_from_the_dead },
		{ "a_daemon_that_is_ending_is_waited_for", a_daemon_that_is_ending_is_waited_for },
		{ "the_tool_calls_the_daemon", the_tool_calls_the_daemon },
		CU_TEST_INFO_NULL,
	};

	return script_run("control clients", tests);
}
