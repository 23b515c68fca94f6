// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A gateway's connections, in both families: those that go well, and what fails at the gateway itself or on the
 * client's side. Each line of the state table in docs/architecture.md is here, in test_gateway_dial.c or
 * test_gateway_answer.c.
 */
#include "gateway_script.h"

/* --- the way that goes well */
static bool in_syn;

static void script_relay(void)
{
	struct sock *c, *p;

	start();
	w->shm->peers[0].syn_data = in_syn ? SYN_DATA_YES : SYN_DATA_NO;
	c = open_client(0, 1, GET);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(p->syn_data, in_syn);
	CU_ASSERT_EQUAL(in_syn ? w->stats->syn_data : w->stats->after_handshake, 1);
	sock_connected(p);
	world_settle();
	check_request(p, GET);
	sock_say(c, "more", 4);
	world_settle();
	check_request(p, GET "more");
	sock_answer(p, -1);
	sock_say(p, REPLY, strlen(REPLY));
	world_settle();
	EQUAL_TEXT(c->out, REPLY);
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	CU_ASSERT_EQUAL(w->shm->relayed[0][0], 1);
	CU_ASSERT_EQUAL(w->stats->bytes_up, strlen(GET) + 4);
	CU_ASSERT_EQUAL(w->stats->bytes_down, strlen(REPLY));
	/* Each byte once, also what was carried before the answer. */
	CU_ASSERT_EQUAL(w->shm->peer_bytes[0][0][0], strlen(GET) + 4);
	CU_ASSERT_EQUAL(w->shm->peer_bytes[0][0][1], strlen(REPLY));
	finish(c, p);
}

static void relay_cut(void)
{
	world_cuts(script_relay, CUTS);
}

static void test_relay_after_handshake(void)
{
	in_syn = false;
	each_family(relay_cut);
}

static void test_relay_in_syn(void)
{
	in_syn = true;
	each_family(relay_cut);
}

static void script_silent(void)
{
	struct sock *c, *p;

	start();
	c = open_client(0, 1, NULL);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	world_pass(19);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	world_pass(1);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	world_settle();
	check_request(p, "");
	sock_answer(p, -1);
	sock_say(p, "220 ", 4);
	world_settle();
	EQUAL_TEXT(c->out, "220 ");
	finish(p, c);
}

static void test_server_speaks_first(void)
{
	each_family(script_silent);
	world_cuts(script_silent, CUTS);
}

static void test_client_ends_at_once(void)
{
	struct sock *c, *p;

	start();
	c = world_client(client, server, 0, 1, NULL);
	sock_fin(c);
	world_settle();
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	world_settle();
	check_request(p, "");
	CU_ASSERT_FALSE(p->shut);
	sock_answer(p, -1);
	world_settle();
	CU_ASSERT_TRUE(p->shut);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(c->end, CLOSED_IN_ORDER);
	CU_ASSERT_TRUE(world_end());
}

/* What leaves first fits any path: another is joined then, should this one not carry what follows. */
static void script_first_segment(void)
{
	struct sock *c, *p;

	start();
	w->shm->peers[0].syn_data = in_syn ? SYN_DATA_YES : SYN_DATA_NO;
	c = open_client(0, 1, long_first);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	world_settle();
	check_request(p, long_first);
	CU_ASSERT_TRUE(p->first_write > 0 && p->first_write <= 1100);
	sock_answer(p, -1);
	world_settle();
	finish(c, p);
}

static void test_first_segment(void)
{
	memset(long_first, 'x', FIRST_BYTES);
	for (unsigned i = 0; i < 2; i++) {
		in_syn = i;
		each_family(script_first_segment);
		world_cuts(script_first_segment, 3000);
	}
}

/* --- steer wrote nothing down */
static void script_unknown(void)
{
	struct sock *c;

	start();
	c = open_client(-1, 0, GET);
	CU_ASSERT_EQUAL(w->stats->no_pending, 1);
	check_direct(c, 0, GET);
}

/* It may be of any rule. */
static void test_unknown_is_reset(void)
{
	struct sock *c;

	start_rejecting();
	c = open_client(-1, 0, GET);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->no_pending, 1);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_unknown_goes_direct(void)
{
	each_family(script_unknown);
	world_cuts(script_unknown, CUTS);
}

static void test_own_listener_dialed(void)
{
	struct sock *c;

	start();
	c = world_client(client, server, -1, 0, NULL);
	c->tuple.dport = w->steer_port[0];
	world_settle();
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_TRUE(world_end());
}

/* --- directly */
static void test_direct_fails(void)
{
	static const struct {
		int dial, error; /* errno at once, later; neither: silence */
		size_t counter;
	} cases[] = {
		{ ENETUNREACH, 0, offsetof(struct worker_stats, unreachable) },
		{ 0, ECONNREFUSED, offsetof(struct worker_stats, refused) },
		{ 0, 0, offsetof(struct worker_stats, connect_timeout) },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sock *c;

		start();
		world.fail.dial = cases[i].dial;
		c = open_client(-1, 0, GET);
		if (cases[i].error)
			sock_refuse(world_dialed(0), cases[i].error);
		world_settle();
		if (!cases[i].dial && !cases[i].error)
			world_pass(w->snap->connect_s * 1000ULL);
		CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(*(uint64_t *)(void *)((char *)w->stats + cases[i].counter), 1);
		CU_ASSERT_TRUE(world_end());
	}
}

/* --- the client goes away meanwhile, or there is no room */
static void test_client_gone(void)
{
	for (unsigned state = 0; state < 4; state++) {
		struct sock *c;

		start();
		c = open_client(state == 3 ? -1 : 0, 1, state ? GET : NULL);
		if (state == 2)
			dialed_and_up(0);
		sock_refuse(c, ECONNRESET);
		world_settle();
		CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(w->stats->client_gone, 1);
		CU_ASSERT_TRUE(!world_dialed(0) || world_dialed(0)->end == CLOSED_BY_RESET);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_no_room_for_first_bytes(void)
{
	struct sock *c;

	world_new();
	world.config.head.buffer_bytes = strlen(GET) - 1;
	w = world_start();
	c = open_client(0, 1, GET);
	/* They stay in the kernel, until the server is reached directly. */
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	sock_connected(world_dialed(0));
	world_settle();
	EQUAL_TEXT(world_dialed(0)->out, GET);
	finish(c, world_dialed(0));
}

/* Accepting and watching fail. */
static void test_accept_fails(void)
{
	int *const faults[] = { &world.fail.watch, &world.fail.local };

	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct sock *c;

		start();
		*faults[i] = ENOMEM;
		c = open_client(0, 1, GET);
		CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(w->stats->resource, 1);
		CU_ASSERT_EQUAL(w->connections, 0);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_too_many_connections(void)
{
	struct sock *c;

	world_new();
	world.config.head.connections = 1;
	w = world_start();
	CU_ASSERT_FALSE(was_told(MSG_FULL));
	open_client(0, 1, GET);
	CU_ASSERT_TRUE(was_told(MSG_FULL));
	/* What was on its way then is served, up to twice as many. */
	client = "10.0.0.6";
	CU_ASSERT_EQUAL(open_client(0, 1, GET)->end, OPEN);
	client = "10.0.0.7";
	c = open_client(0, 1, GET);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "relayed, the request behind the handshake", test_relay_after_handshake },
		{ "relayed, the request in the SYN", test_relay_in_syn },
		{ "a small first segment", test_first_segment },
		{ "a server that speaks first", test_server_speaks_first },
		{ "a client that ends at once", test_client_ends_at_once },
		{ "what steer did not announce goes direct", test_unknown_goes_direct },
		{ "or is reset when a rule says reject", test_unknown_is_reset },
		{ "our own listener dialed", test_own_listener_dialed },
		{ "the server fails directly", test_direct_fails },
		{ "the client goes away", test_client_gone },
		{ "no room for the first bytes", test_no_room_for_first_bytes },
		{ "accepting fails", test_accept_fails },
		{ "too many connections", test_too_many_connections },
		CU_TEST_INFO_NULL,
	};

	return script_run("gateway", tests);
}
