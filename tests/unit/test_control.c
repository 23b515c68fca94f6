// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/control/control.c
// LIBS: libuv jansson
/* The control socket: calls and their answers. */
#include "control_script.h"
#include "io.mpgate.varlink.h"

#define LATER "{\"method\":\"io.mpgate.Later\"}"
#define LATER_ONEWAY "{\"method\":\"io.mpgate.Later\",\"oneway\":true}"
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
	char busy[128];
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
	snprintf(busy, sizeof(busy), "{\"error\":\"io.mpgate.Failed\",\"parameters\":{\"reason\":\"%s\"}}",
		 strerror(EBUSY));
	expect(fd, "{\"method\":\"io.mpgate.Later\",\"parameters\":{}}", busy);
	expect(fd, "{\"method\":\"io.mpgate.Later\",\"parameters\":{\"n\":1}}",
	       "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":\"\"}}");
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

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "an_answer_may_come_later", an_answer_may_come_later },
		{ "who_left_gets_no_answer", who_left_gets_no_answer },
		{ "methods_answer_and_fail_by_name", methods_answer_and_fail_by_name },
		{ "service_describes_itself", service_describes_itself },
		{ "malformed_calls_hang_up", malformed_calls_hang_up },
		{ "pipelined_calls_are_answered_in_order", pipelined_calls_are_answered_in_order },
		{ "a_long_call_hangs_up_and_one_below_the_limit_does_not",
		  a_long_call_hangs_up_and_one_below_the_limit_does_not },
		CU_TEST_INFO_NULL,
	};

	return script_run("control", tests);
}
