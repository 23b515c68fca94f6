// SPDX-License-Identifier: GPL-2.0-or-later
/* A gateway's request over two paths (setup: stagger, duplicate): who wins, what the others leave, who may not race. */
#include "gateway_script.h"

#define LATE 50 /* ms: then a handshake over the first path is late */

static enum cfg_setup setup;
static uint8_t syn_data;

static void start_racing(void)
{
	world_new();
	world.config.head.races = 1;
	world.config.rules[0].setup = setup;
	world.config.peers[0].address_count = 1;
	w = world_start();
	w->shm->peers[0].syn_data = syn_data;
	w->shm->peers[0].late_ms[0] = LATE;
	w->shm->peers[0].from[0] = world_addr("192.0.2.1");
	w->shm->peers[0].second[0] = world_addr("192.0.2.2");
}

static bool leaves_from(const struct sock *s, const char *from)
{
	const struct mpgate_addr a = world_addr(from);

	return s && !memcmp(&s->tuple.saddr, &a, sizeof(a));
}

/* The request has left over both, with one nonce that says so. */
static struct sock *both_sent(void)
{
	struct sock *c = open_client(0, 1, GET);
	const struct sock *a, *b;
	struct convert_msg m;

	if (setup == CFG_SETUP_STAGGER) {
		CU_ASSERT_EQUAL(world_dialed_count(), 1);
		world_pass(LATE - 6);
		CU_ASSERT_EQUAL(world_dialed_count(), 1);
		world_pass(11); /* it is not looked at each ms */
	}
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 2);
	CU_ASSERT_TRUE(leaves_from(world_dialed(0), "192.0.2.1"));
	CU_ASSERT_TRUE(leaves_from(world_dialed(1), "192.0.2.2"));
	/* A SYN may take less than the other. */
	a = world_dialed(0);
	b = world_dialed(1);
	if (a->out_len && b->out_len)
		CU_ASSERT_EQUAL(memcmp(a->out, b->out, a->out_len < b->out_len ? a->out_len : b->out_len), 0);
	if (world_behind_request(a, &m))
		CU_ASSERT_TRUE(convert_has_copies(((const struct convert_cookie *)m.cookie.data)->nonce));
	CU_ASSERT_EQUAL(w->stats->raced, 1);
	return c;
}

/* The winner carries the connection, and the loser is gone without blame. */
static void won(struct sock *c, unsigned nth)
{
	struct sock *p = world_dialed(nth), *other = world_dialed(!nth);

	sock_answer(p, -1);
	world_settle();
	CU_ASSERT_EQUAL(other->end, CLOSED_BY_RESET);
	check_request(p, GET);
	CU_ASSERT_EQUAL(w->stats->raced_second, nth);
	CU_ASSERT_EQUAL(w->stats->peer_failed, 0);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	finish(c, p);
}

/* Who answers has it, whoever's handshake was over first. */
static void script_second_answers(void)
{
	struct sock *c;

	start_racing();
	c = both_sent();
	dialed_and_up(0);
	CU_ASSERT_EQUAL(world_dialed(1)->end, OPEN);
	dialed_and_up(1);
	won(c, 1);
}

static void script_first_answers(void)
{
	struct sock *c;

	start_racing();
	c = both_sent();
	dialed_and_up(1);
	dialed_and_up(0);
	CU_ASSERT_EQUAL(world_dialed(1)->end, OPEN);
	won(c, 0);
}

/* One is silent; that is no failure of the peer. */
static void script_first_is_lost(void)
{
	struct sock *c;

	start_racing();
	c = both_sent();
	dialed_and_up(1);
	won(c, 1);
}

/* The hub resets what it does not use, before it answers or after. */
static void script_loser_is_reset(void)
{
	struct sock *c;

	start_racing();
	c = both_sent();
	dialed_and_up(0);
	dialed_and_up(1);
	sock_refuse(world_dialed(0), ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_BY_RESET);
	won(c, 1);
}

static void each(void (*script)(void))
{
	each_family(script);
	world_cuts(script, CUTS);
}

static void test_in_syns(void)
{
	syn_data = SYN_DATA_YES;
	for (setup = CFG_SETUP_STAGGER; setup <= CFG_SETUP_DUPLICATE; setup++) {
		each(script_first_answers);
		each(script_second_answers);
		each(script_first_is_lost);
		each(script_loser_is_reset);
	}
}

/* Said once: over the handshake that is over first. */
static void script_bare(void)
{
	struct sock *c, *p;

	start_racing();
	c = both_sent();
	p = dialed_and_up(1);
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(world_dialed(0)->out_len, 0);
	check_begun(p, GET);
	CU_ASSERT_EQUAL(w->stats->raced_second, 1);
	sock_answer(p, -1);
	world_settle();
	check_request(p, GET);
	finish(c, p);
}

static void test_bare(void)
{
	setup = CFG_SETUP_DUPLICATE;
	syn_data = SYN_DATA_NO;
	each(script_bare);
}

/* A peer that others may stand in for, or that knows no nonces: no data in SYNs. */
static void test_not_twice(void)
{
	syn_data = SYN_DATA_YES;
	setup = CFG_SETUP_DUPLICATE;
	for (unsigned i = 0; i < 3; i++) {
		start_racing();
		if (i == 0)
			w->shm->peers[0].others = 1;
		if (i == 1)
			world.config.peers[0].flags &= (uint16_t)~SNAPSHOT_PEER_PRIVATE;
		if (i == 2)
			world.config.peers[0].flags = 0;
		world_reload();
		open_client(0, 1, GET);
		CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 2);
		CU_ASSERT_FALSE(world_dialed(0)->syn_data || world_dialed(1)->syn_data);
		CU_ASSERT_TRUE(world_end());
	}
}

/* Without a second path, or with a rule that does not ask for it. */
static void test_single(void)
{
	syn_data = SYN_DATA_YES;
	for (unsigned i = 0; i < 2; i++) {
		setup = i ? CFG_SETUP_DUPLICATE : CFG_SETUP_SINGLE;
		start_racing();
		w->shm->peers[0].late_ms[0] = i ? 0 : LATE;
		open_client(0, 1, GET);
		world_pass(3 * LATE);
		CU_ASSERT_EQUAL(world_dialed_count(), 1);
		CU_ASSERT_TRUE(world_dialed(0)->syn_data);
		CU_ASSERT_EQUAL(w->stats->raced, 0);
		CU_ASSERT_TRUE(world_end());
	}
}

/* While nothing is heard another one leaves over the first path, and then no more; all of them end with the client. */
static void test_third(void)
{
	struct sock *c;

	syn_data = SYN_DATA_YES;
	setup = CFG_SETUP_DUPLICATE;
	start_racing();
	c = both_sent();
	world_pass(LATE + 5);
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 3);
	CU_ASSERT_TRUE(leaves_from(world_dialed(2), "192.0.2.1"));
	world_pass(5 * LATE);
	CU_ASSERT_EQUAL(world_dialed_count(), 3);
	sock_refuse(c, ECONNRESET);
	world_settle();
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(world_dialed(i)->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

/* All are refused, or silent: the peer has failed, once. */
static void test_all_fail(void)
{
	struct sock *c;

	syn_data = SYN_DATA_YES;
	setup = CFG_SETUP_DUPLICATE;
	start_racing();
	c = both_sent();
	sock_refuse(world_dialed(0), ECONNREFUSED);
	world_settle();
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	sock_refuse(world_dialed(1), ECONNREFUSED);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->peer_failed, 1);
	check_direct(c, 2, GET);

	start_racing();
	c = both_sent();
	world_pass(w->snap->peer_s * 1000ULL);
	CU_ASSERT_EQUAL(w->stats->peer_failed, 1);
	check_direct(c, 3, GET);
}

/* What a SYN does not take waits for the choice. */
static void test_rest(void)
{
	static char much[FIRST_BYTES - 1];
	struct sock *c, *p;
	size_t sent;

	memset(much, 'x', sizeof(much) - 1);
	syn_data = SYN_DATA_YES;
	setup = CFG_SETUP_DUPLICATE;
	start_racing();
	c = open_client(0, 1, much);
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 2);
	sent = world_dialed(1)->out_len;
	CU_ASSERT_EQUAL(sent, FIRST_SEGMENT);
	p = dialed_and_up(1);
	dialed_and_up(0);
	CU_ASSERT_EQUAL(p->out_len, sent);
	sock_answer(p, -1);
	world_settle();
	check_request(p, much);
	CU_ASSERT_EQUAL(world_dialed(0)->out_len, sent);
	finish(c, p);
}

/* Where no SYN takes the whole message, the peer has nothing to choose from: it goes on over the first handshake. */
static void test_cut_message(void)
{
	struct sock *c, *p;

	syn_data = SYN_DATA_YES;
	setup = CFG_SETUP_DUPLICATE;
	start_racing();
	world.syn_room = 20;
	c = open_client(0, 1, GET);
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 2);
	CU_ASSERT_EQUAL(world_dialed(0)->out_len, 20);
	p = dialed_and_up(1);
	check_request(p, GET);
	won(c, 1);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "in SYNs", test_in_syns },
		{ "handshakes alone", test_bare },
		{ "not twice", test_not_twice },
		{ "single", test_single },
		{ "a third", test_third },
		{ "all fail", test_all_fail },
		{ "more than a SYN takes", test_rest },
		{ "a message that no SYN takes", test_cut_message },
		CU_TEST_INFO_NULL,
	};

	return script_run("race", tests);
}
