// SPDX-License-Identifier: GPL-2.0-or-later
/* A gateway's connections: the handshake with the peer, each way in which it fails, and what then happens. */
#include "gateway_script.h"

/* --- the handshake with the peer */
static void script_next_address(void)
{
	struct sock *c, *p;

	start();
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	c = open_client(0, 1, GET);
	fail_dial(0);
	p = world_dialed(1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(memcmp(&p->to, &world.config.peers[0].address[1], sizeof(p->to)), 0);
	/* guard drops a SYN that repeats a request */
	CU_ASSERT_FALSE(p->syn_data);
	sock_connected(p);
	world_settle();
	check_begun(p, GET);
	/* Said again it is the same request, which a hub takes once. */
	CU_ASSERT_EQUAL(memcmp(p->out, world_dialed(0)->out, world_dialed(0)->out_len), 0);
	sock_answer(p, -1);
	world_settle();
	check_request(p, GET);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	finish(c, p);
}

static void script_peer_fails(void)
{
	struct sock *c;

	start();
	c = open_client(0, 1, GET);
	fail_dial(0);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	fail_dial(1);
	CU_ASSERT_TRUE(was_told(MSG_PEER_FAILED));
	CU_ASSERT_EQUAL(w->stats->peer_failed, 1);
	check_direct(c, 2, GET);
}

static void test_handshake_fails(void)
{
	static const int errors[] = { 0, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH };

	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		how = errors[i];
		each_family(script_next_address);
		each_family(script_peer_fails);
	}
	world_cuts(script_next_address, CUTS);
	world_cuts(script_peer_fails, CUTS);
}

/* Over a slow way the handshake may take longer, while the peer is up. */
static void test_slow_way(void)
{
	for (unsigned up = 0; up < 2; up++) {
		start();
		w->shm->peers[0].slow_ms = w->snap->peer_s * 2500U;
		w->shm->peers[0].up = up;
		open_client(0, 1, GET);
		world_pass(w->snap->peer_s * 2000ULL);
		CU_ASSERT_EQUAL(world_dialed_count(), up ? 1 : 2); /* the next address */
		world_pass(w->snap->peer_s * 1000ULL);
		CU_ASSERT_EQUAL(world_dialed_count(), up ? 2 : 3);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_rule_says_reject(void)
{
	struct sock *c;

	start_rejecting();
	how = ECONNREFUSED;
	c = open_client(0, 2, GET);
	fail_dial(0);
	fail_dial(1);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	CU_ASSERT_EQUAL(w->stats->direct, 0);
	CU_ASSERT_TRUE(world_end());
}

/* The entry says what its rule said when the SYN came; the rule may be gone by now. */
static void test_flow_says_reject(void)
{
	struct sock *c;

	start();
	how = ECONNREFUSED;
	c = world_client(client, server, 0, 9, GET);
	c->flow.rule_flags = MPGATE_RULE_REJECT;
	c->flow.client = 5;
	w->flow_clients[5] = 3;
	world_settle();
	CU_ASSERT_EQUAL(w->flow_clients[5], 2);
	fail_dial(0);
	fail_dial(1);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->direct, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_no_way_to_dial(void)
{
	struct sock *c;

	/* No way to the first address at once, none to the second later. */
	start();
	world.fail.dial = ENETUNREACH;
	c = open_client(0, 1, GET);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	how = ECONNREFUSED;
	fail_dial(1);
	CU_ASSERT_TRUE(was_told(MSG_PEER_FAILED));
	check_direct(c, 2, GET);
}

static void test_shortage_blames_nobody(void)
{
	struct sock *c;

	start();
	world.config.peers[0].address_count = 1;
	world_reload();
	world.fail.socket = EMFILE;
	c = open_client(0, 1, GET);
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	check_direct(c, 0, GET);
}

static void test_reload_between_tries(void)
{
	struct sock *c;

	start();
	c = open_client(0, 1, GET);
	world.config.peers[0].port[0] = htons(1);
	world_reload();
	CU_ASSERT_EQUAL(world_dialed(0)->end, OPEN);
	how = ECONNREFUSED;
	fail_dial(0);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	check_direct(c, 1, GET);
}

static void test_too_old_to_say_again(void)
{
	struct sock *c;

	world_new();
	world.config.head.peer_s = 40;
	w = world_start();
	c = open_client(0, 1, GET);
	how = 0;
	fail_dial(0);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	check_direct(c, 1, GET);
}

static void test_syn_data_lost(void)
{
	start();
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	for (unsigned i = 0; i < 3; i++) {
		struct sock *p;

		open_client(0, 1, GET);
		p = world_dialed(i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT_TRUE(p->syn_data);
		sock_connected(p);
		p->syn_data_acked = false;
		world_settle();
		CU_ASSERT_EQUAL(w->shm->peers[0].syn_data, i == 2 ? SYN_DATA_NO : SYN_DATA_YES);
	}
	CU_ASSERT_EQUAL(w->stats->syn_data_lost, 3);
	open_client(0, 1, GET);
	CU_ASSERT_FALSE(world_dialed(3)->syn_data);
	CU_ASSERT_TRUE(world_end());
}

static bool syn_data_arrives;

/* What the client says flows before the answer. Its end does not: the peer may fall back until then. */
static void script_end_waits(void)
{
	struct convert_msg m;
	struct sock *c, *p;

	start();
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	c = open_client(0, 1, long_first);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	p->syn_data_acked = syn_data_arrives;
	world_settle();
	sock_say(c, "more", 4);
	sock_fin(c);
	world_settle();
	CU_ASSERT_EQUAL(strlen(world_behind_request(p, &m)), FIRST_BYTES + 4);
	CU_ASSERT_FALSE(p->shut);
	sock_answer(p, -1);
	world_settle();
	CU_ASSERT_TRUE(p->shut);
	sock_fin(p);
	world_settle();
	CU_ASSERT_TRUE(world_end());
}

static void test_end_waits(void)
{
	memset(long_first, 'x', FIRST_BYTES);
	for (unsigned i = 0; i < 2; i++) {
		syn_data_arrives = i;
		each_family(script_end_waits);
	}
}

static void test_kernel_without_syn_data(void)
{
	struct sock *c, *p;

	start();
	world.syn_room = 0;
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	c = open_client(0, 1, GET);
	p = world_dialed(0);
	sock_connected(p);
	world_settle();
	check_request(p, GET);
	CU_ASSERT_EQUAL(w->stats->after_handshake, 1);
	sock_answer(p, -1);
	world_settle();
	finish(c, p);
}

static void test_fallback_goes_on(void)
{
	struct sock *c, *p;

	start();
	c = open_client(0, 1, GET);
	p = world_dialed(0);
	p->is_mptcp = false;
	sock_connected(p);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->not_mptcp, 1);
	sock_answer(p, -1);
	world_settle();
	finish(c, p);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the handshake with the peer fails", test_handshake_fails },
		{ "a slow way is given time", test_slow_way },
		{ "the rule says reject", test_rule_says_reject },
		{ "what steer wrote down says reject", test_flow_says_reject },
		{ "no way to dial the peer", test_no_way_to_dial },
		{ "a shortage blames nobody", test_shortage_blames_nobody },
		{ "a reload between two tries", test_reload_between_tries },
		{ "a request too old to be said again", test_too_old_to_say_again },
		{ "data of SYNs is lost", test_syn_data_lost },
		{ "the client's end waits for the answer", test_end_waits },
		{ "a kernel without data in SYNs", test_kernel_without_syn_data },
		{ "a fallback goes on", test_fallback_goes_on },
		CU_TEST_INFO_NULL,
	};

	return script_run("gateway dial", tests);
}
