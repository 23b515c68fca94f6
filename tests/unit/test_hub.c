// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A hub's connections, in both families: those that go well, servers that fail, bad messages. Each line of the state
 * table in docs/architecture.md is here or in test_hub_access.c; what else is asked for is in test_hub_asked.c.
 */
#include <sys/epoll.h>

#include "hub_script.h"

/* --- the way that goes well */
static bool young;

static void script_relay(void)
{
	struct sock *p, *s;

	start();
	add_get();
	p = call(young);
	/* Room is waited for where there is none: with it comes an event for each acknowledgment. */
	CU_ASSERT_EQUAL(!(p->events & EPOLLOUT), !young);
	s = dialed();
	CU_ASSERT_EQUAL(w->stats->relayed, 0);
	sock_connected(s);
	world_settle();
	sock_say(s, REPLY, strlen(REPLY));
	world_settle();
	EQUAL_TEXT(s->out, GET);
	if (young) {
		/* Nothing would be sent: what the server says stays where it is. */
		CU_ASSERT_TRUE(p->out_len <= CONVERT_HEADER_LEN);
		sock_acks(p);
		world_settle();
	}
	check_answer(p, REPLY);
	sock_say(p, "more", 4);
	world_settle();
	EQUAL_TEXT(s->out, GET "more");
	CU_ASSERT_EQUAL(w->stats->bytes_up, strlen(GET) + 4);
	CU_ASSERT_EQUAL(w->stats->bytes_down, strlen(REPLY));
	CU_ASSERT_EQUAL(w->shm->relayed[0][0], 1);
	/* Each byte once, while it goes on and when it has ended. */
	CU_ASSERT_EQUAL(w->shm->peer_bytes[0][0][0], strlen(GET) + 4);
	CU_ASSERT_EQUAL(w->shm->peer_bytes[0][0][1], strlen(REPLY));
	sock_fin(s);
	world_settle();
	CU_ASSERT_TRUE(p->shut);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(s->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(w->stats->closed, 1);
	CU_ASSERT_EQUAL(w->shm->peer_bytes[0][0][0], strlen(GET) + 4);
	CU_ASSERT_EQUAL(w->shm->peer_bytes[0][0][1], strlen(REPLY));
	CU_ASSERT_TRUE(world_end());
}

static void relay_cut(void)
{
	world_cuts(script_relay, CUTS);
}

static void test_relay(void)
{
	young = false;
	each_family(relay_cut);
}

static void test_relay_young(void)
{
	young = true;
	each_family(relay_cut);
}

/* All that before the worker looks: it accepted, and what it said is not lost. Plain TCP gives the client both. */
static void resets(void)
{
	struct sock *p, *s;

	start();
	add_get();
	p = call(false);
	s = dialed();
	sock_connected(s);
	sock_say(s, REPLY, strlen(REPLY));
	sock_refuse(s, ECONNRESET);
	world_settle();
	check_answer(p, REPLY);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	CU_ASSERT_EQUAL(w->stats->refused, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_server_resets(void)
{
	each_family(resets);
}

static void test_server_fails(void)
{
	static const struct {
		const char *server;
		int error;
		uint8_t code, value;
		size_t counter;
	} cases[] = {
#define COUNTER(field) offsetof(struct worker_stats, field)
		{ "198.51.100.7", ECONNREFUSED, CONVERT_E_RESET, 0, COUNTER(refused) },
		{ "2001:db8:2::7", ECONNREFUSED, CONVERT_E_RESET, 0, COUNTER(refused) },
		{ "198.51.100.7", EHOSTUNREACH, CONVERT_E_UNREACHABLE, 1, COUNTER(unreachable) },
		{ "2001:db8:2::7", EHOSTUNREACH, CONVERT_E_UNREACHABLE, 3, COUNTER(unreachable) },
		{ "198.51.100.7", ENETUNREACH, CONVERT_E_UNREACHABLE, 0, COUNTER(unreachable) },
		{ "2001:db8:2::7", ENETUNREACH, CONVERT_E_UNREACHABLE, 0, COUNTER(unreachable) },
		{ "198.51.100.7", EACCES, CONVERT_E_UNREACHABLE, 13, COUNTER(unreachable) },
		{ "2001:db8:2::7", EPERM, CONVERT_E_UNREACHABLE, 1, COUNTER(unreachable) },
		{ "198.51.100.7", EADDRNOTAVAIL, CONVERT_E_RESOURCE, 30, COUNTER(resource) },
		{ "2001:db8:2::7", EADDRNOTAVAIL, CONVERT_E_UNREACHABLE, 0, COUNTER(unreachable) },
		{ "198.51.100.7", ENOBUFS, CONVERT_E_RESOURCE, 30, COUNTER(resource) },
		{ "198.51.100.7", ETIMEDOUT, CONVERT_E_NETWORK, 30, COUNTER(connect_timeout) },
		{ "2001:db8:2::7", 0, CONVERT_E_NETWORK, 30, COUNTER(connect_timeout) },
	};

	client = "10.0.0.5";
	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		typeof(&cases[0]) c = &cases[i / 2];
		bool at_once = i & 1;
		struct sock *p;

		if (at_once && !c->error)
			continue;
		server = c->server;
		start();
		add_get();
		world.fail.dial = at_once ? c->error : 0;
		p = call(false);
		if (!c->error) {
			world_pass(w->snap->connect_s * 1000ULL - 1);
			CU_ASSERT_EQUAL(p->out_len, 0);
			world_pass(1);
		} else if (!at_once) {
			sock_refuse(dialed(), c->error);
			world_settle();
		}
		CU_ASSERT_EQUAL(*(uint64_t *)(void *)((char *)w->stats + c->counter), 1);
		CU_ASSERT_NOT_EQUAL(world_dialed(0)->end, OPEN);
		check_error(p, c->code, c->value);
	}
}

static void script_refused(void)
{
	struct sock *p;

	start();
	add_get();
	p = call(true);
	sock_refuse(dialed(), ECONNREFUSED);
	world_settle();
	sock_acks(p);
	world_settle();
	check_error(p, CONVERT_E_RESET, 0);
}

static void test_refused_cut(void)
{
	world_cuts(script_refused, CUTS);
}

static void test_no_descriptor(void)
{
	struct sock *p;

	for (unsigned i = 0; i < 2; i++) {
		start();
		p = world_caller("192.0.2.77", false, NULL, 0);
		world_settle();
		*(i ? &world.fail.socket : &world.fail.watch) = i ? EMFILE : ENOSPC;
		sock_say(p, message, length);
		world_settle();
		CU_ASSERT_EQUAL(w->stats->resource, 1);
		check_error(p, CONVERT_E_RESOURCE, 30);
	}
}

static void test_no_room(void)
{
	struct sock *p;

	world_new();
	world.config.head.buffer_bytes = 8;
	w = world_start();
	length = world_request(message, sizeof(message), client, server, true);
	add_get();
	p = call(false);
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	check_error(p, CONVERT_E_RESOURCE, 30);

	/* Nor for a message in parts. */
	world_new();
	world.config.head.buffer_bytes = 8;
	w = world_start();
	length = 9;
	p = call(false);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

static void test_too_many_of_a_client(void)
{
	struct sock *p;

	world_new();
	world.config.head.pending_per_client = 2;
	w = world_start();
	for (unsigned i = 0; i < 3; i++) {
		length = world_request(message, sizeof(message), client, server, false);
		/* One client has a /64. */
		p = world_caller(i & 1 ? "2001:db8:9::1" : "2001:db8:9::2", false, message, length);
		world_settle();
		CU_ASSERT_EQUAL(p->out_len > 0, i == 2);
	}
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	/* Another client has its own; and one that is served makes place. */
	length = world_request(message, sizeof(message), client, server, false);
	p = world_caller("2001:db8:a::1", false, message, length);
	world_settle();
	CU_ASSERT_EQUAL(p->out_len, 0);
	sock_connected(world_dialed(0));
	world_settle();
	length = world_request(message, sizeof(message), client, server, false);
	p = world_caller("2001:db8:9::1", false, message, length);
	world_settle();
	CU_ASSERT_EQUAL(p->out_len, 0);
	CU_ASSERT_TRUE(world_end());
}

/* --- bad messages, and none */
static void script_malformed(void)
{
	static const uint8_t bad[] = { 1, 2, 0x22, 0x63, CONVERT_CONNECT, 0, 0, 0 };
	struct sock *p;

	start();
	p = world_caller("192.0.2.77", false, bad, sizeof(bad));
	world_settle();
	CU_ASSERT_EQUAL(w->stats->malformed, 1);
	check_error(p, CONVERT_E_MALFORMED, -1);
}

static void script_no_convert(void)
{
	struct sock *p;

	start();
	p = world_caller("192.0.2.77", false, GET, strlen(GET));
	world_settle();
	CU_ASSERT_EQUAL(w->stats->malformed, 1);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(p->out_len, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_bad_messages(void)
{
	world_cuts(script_malformed, CUTS);
	world_cuts(script_no_convert, CUTS);
}

static void test_no_message(void)
{
	for (unsigned i = 0; i < 6; i++) {
		struct sock *p;

		start();
		p = world_caller("192.0.2.77", true, message, i & 1 ? 7 : 0);
		world_settle();
		if (i / 2 == 0)
			world_pass(w->snap->header_s * 1000ULL);
		else if (i / 2 == 1)
			sock_fin(p);
		else
			sock_refuse(p, ECONNRESET);
		world_settle();
		CU_ASSERT_EQUAL(p->end, i / 2 == 1 ? CLOSED_IN_ORDER : CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(i / 2 == 0 ? w->stats->header_timeout
				: i & 1	   ? w->stats->client_gone
					   : w->stats->no_message,
				1);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_peer_gone_while_dialing(void)
{
	struct sock *p;

	start();
	p = call(false);
	sock_refuse(p, ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(dialed()->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->client_gone, 1);
	CU_ASSERT_TRUE(world_end());
}

/* --- an Error is on its way */
static struct sock *lingering(void)
{
	struct sock *p;

	start();
	p = call(false);
	sock_refuse(dialed(), ECONNREFUSED);
	world_settle();
	CU_ASSERT_TRUE(p->shut);
	return p;
}

static void test_linger(void)
{
	static uint8_t much[RELAY_BUF];
	struct sock *p = lingering();

	/* More than is reasonable. */
	for (unsigned i = 0; i < 40; i++)
		sock_say(p, much, sizeof(much));
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());

	p = lingering();
	world_pass(w->snap->header_s * 1000ULL - 1);
	CU_ASSERT_EQUAL(p->end, OPEN);
	world_pass(1);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());

	/* The Error does not go out. */
	start();
	p = call(false);
	world.fail.send = EPIPE;
	sock_refuse(dialed(), ECONNREFUSED);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

static void test_errors_a_second(void)
{
	unsigned resets = 0;

	world_new();
	w = world_start();
	w->error_second = (uint32_t)(w->now / 1000);
	w->errors = 1000 - 3;
	for (unsigned i = 0; i < 5; i++) {
		struct sock *p = world_caller("192.0.2.77", false, "\1\2\x22\x63\12\0\0\0", 8);

		world_settle();
		resets += p->end == CLOSED_BY_RESET;
	}
	CU_ASSERT_EQUAL(resets, 2);
	world_pass(1000);
	CU_ASSERT_EQUAL(world_caller("192.0.2.77", false, "\1\2\x22\x63\12\0\0\0", 8)->end, OPEN);
	world_settle();
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "relayed", test_relay },
		{ "relayed before the third packet of the handshake", test_relay_young },
		{ "the server fails", test_server_fails },
		{ "the server accepts, answers and resets", test_server_resets },
		{ "an Error in pieces", test_refused_cut },
		{ "no descriptor", test_no_descriptor },
		{ "no room for bytes", test_no_room },
		{ "too many requests of one client", test_too_many_of_a_client },
		{ "bad messages", test_bad_messages },
		{ "no message", test_no_message },
		{ "the peer goes away while the server is dialed", test_peer_gone_while_dialing },
		{ "the time after an Error", test_linger },
		{ "Errors a second", test_errors_a_second },
		CU_TEST_INFO_NULL,
	};

	return script_run("hub", tests);
}
