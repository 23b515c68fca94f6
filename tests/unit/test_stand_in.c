// SPDX-License-Identifier: GPL-2.0-or-later
/* A gateway's connection whose peer fails, is silent or has enough: another of the group has it. */
#include "gateway_script.h"

/* Rule 1 is for both peers, which are up. */
static void start_group(void)
{
	world_new();
	world.config.head.stand_ins = 1;
	world.config.rules[0].peer_count = 2;
	world.config.rules[0].peers[1] = 1;
	w = world_start();
	for (unsigned i = 0; i < 2; i++) {
		w->shm->peers[i].up = 1;
		w->shm->peers[i].patience_ms = 250;
	}
}

static bool is_to(const struct sock *s, unsigned peer)
{
	return s && (!memcmp(&s->to, &world.config.peers[peer].address[0], sizeof(s->to)) ||
		     !memcmp(&s->to, &world.config.peers[peer].address[1], sizeof(s->to)));
}

/* The nth dial is to the second peer, with a request that nobody had before, and carries the connection. */
static void check_moved(struct sock *c, unsigned nth)
{
	struct sock *p = world_dialed(nth);

	CU_ASSERT_TRUE_FATAL(is_to(p, 1));
	CU_ASSERT_EQUAL(w->stats->moved, 1);
	CU_ASSERT_EQUAL(w->stats->direct, 0);
	sock_connected(p);
	world_settle();
	check_begun(p, GET);
	CU_ASSERT_TRUE(!world_dialed(0)->out || memcmp(p->out, world_dialed(0)->out, p->out_len) != 0);
	sock_answer(p, -1);
	world_settle();
	check_request(p, GET);
	finish(c, p);
}

static void script_fails(void)
{
	struct sock *c;

	start_group();
	c = open_client(0, 1, GET);
	how = ECONNREFUSED;
	fail_dial(0);
	fail_dial(1);
	CU_ASSERT_TRUE(was_told(MSG_PEER_FAILED));
	check_moved(c, 2);
}

static void script_exceeded(void)
{
	struct sock *c, *p;

	start_group();
	w->shm->peers[0].syn_data = w->shm->peers[1].syn_data = SYN_DATA_YES;
	c = open_client(0, 1, GET);
	p = dialed_and_up(0);
	sock_answer(p, CONVERT_E_RESOURCE);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(was_told(MSG_PEER_REFUSED));
	check_moved(c, 1);
}

/* It is reported once it has been waited for, and left when the supervisor has found it silent. */
static void script_silent(void)
{
	struct sock *c;

	start_group();
	c = open_client(0, 1, GET);
	world_pass(249);
	CU_ASSERT_FALSE(was_told(MSG_PEER_SLOW));
	world_pass(SLOW_MS);
	CU_ASSERT_TRUE(was_told(MSG_PEER_SLOW));
	CU_ASSERT_EQUAL(world_dialed(0)->end, OPEN);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	w->shm->peers[0].up = 0;
	world_pass(SLOW_MS);
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_BY_RESET);
	check_moved(c, 1);
}

/* First bytes that may be with the server are not said to another for a silence: that takes the peer's whole time. */
static void script_sent(void)
{
	struct sock *c;

	start_group();
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	c = open_client(0, 1, GET);
	w->shm->peers[0].up = 0;
	world_pass(w->snap->peer_s * 1000ULL - SLOW_MS);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	world_pass(2 * SLOW_MS);
	CU_ASSERT_TRUE(is_to(world_dialed(1), 0)); /* its other address */
	how = ECONNREFUSED;
	fail_dial(1);
	check_moved(c, 2);
}

/* One that dials us and has parked a connection is not up, and not to be left for that. */
static void test_passive(void)
{
	start_group();
	w->shm->peers[0].up = 0;
	open_client(0, 1, GET);
	world_pass(w->snap->peer_s * 1000ULL - SLOW_MS);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	CU_ASSERT_EQUAL(w->stats->moved, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_first_fails(void)
{
	each_family(script_fails);
	each_family(script_exceeded);
	each_family(script_silent);
	each_family(script_sent);
	world_cuts(script_fails, CUTS);
}

/* No other is up: it is waited for as ever, and then the connection goes direct. */
static void test_none_is_up(void)
{
	struct sock *c;

	start_group();
	w->shm->peers[1].up = w->shm->peers[0].up = 0;
	c = open_client(0, 1, GET);
	how = 0;
	fail_dial(0);
	fail_dial(1);
	CU_ASSERT_EQUAL(w->stats->moved, 0);
	check_direct(c, 2, GET);
}

/* Each has its turn once. */
static void test_all_have_enough(void)
{
	struct sock *c;

	start_group();
	c = open_client(1, 1, GET);
	CU_ASSERT_TRUE(is_to(world_dialed(0), 1));
	for (unsigned i = 0; i < 2; i++) {
		sock_answer(dialed_and_up(i), CONVERT_E_RESOURCE);
		world_settle();
	}
	CU_ASSERT_TRUE(is_to(world_dialed(1), 0));
	check_direct(c, 2, GET);
}

/* A rule with that one peer has nobody else. */
static void test_no_group(void)
{
	struct sock *c;

	start_group();
	c = open_client(0, 2, GET);
	world_pass(1000);
	CU_ASSERT_FALSE(was_told(MSG_PEER_SLOW));
	sock_answer(dialed_and_up(0), CONVERT_E_RESOURCE);
	world_settle();
	check_direct(c, 1, GET);
}

int main(void)
{
	CU_TestInfo tests[] = { { "the first fails", test_first_fails },   { "a peer that dials us", test_passive },
				{ "no other is up", test_none_is_up },	   { "all have enough", test_all_have_enough },
				{ "a rule with one peer", test_no_group }, CU_TEST_INFO_NULL };

	return script_run("stand_in", tests);
}
