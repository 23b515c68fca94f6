// SPDX-License-Identifier: GPL-2.0-or-later
/* What is asked of each leg's socket: probes while it is silent, and whether it is MPTCP still. */
#include "world_script.h"

static void start(void)
{
	world_new();
	w = world_start();
}

static struct sock *call(void)
{
	uint8_t message[CONVERT_MAX_LEN];
	struct sock *s = world_caller("192.0.2.77", false, message,
				      world_request(message, sizeof(message), client, server, false));

	world_settle();
	return s;
}

/*
 * --- keep-alives: on each leg that is dialed, after a second; the others have them of their listener. What is over
 * soon, and what is opened ahead, is spared them.
 */
static void grows_up(struct sock *dialed)
{
	const unsigned seconds = 15;

	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	world_pass(900);
	sock_say(dialed, "x", 1);
	world_settle();
	CU_ASSERT_EQUAL(dialed->keepalive, 0);
	world_pass(100);
	CU_ASSERT_EQUAL(dialed->keepalive, seconds);
	CU_ASSERT_EQUAL(dialed->end, OPEN);
}

static void keepalive(void)
{
	/* To the peer, and one opened ahead. */
	world_new();
	world.config.peers[0].ready = 1;
	w = world_start();
	world_client(client, server, 0, 1, GET);
	world_settle();
	sock_connected(world_dialed(0));
	world_settle();
	sock_answer(world_dialed(0), -1);
	world_settle();
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 2);
	grows_up(world_dialed(0));
	CU_ASSERT_EQUAL(world_dialed(1)->keepalive, 0);
	CU_ASSERT_TRUE(world_end());
	/* To the server, without the peer. */
	start();
	world_client(client, server, -1, 0, GET);
	world_settle();
	sock_connected(world_dialed(0));
	world_settle();
	grows_up(world_dialed(0));
	CU_ASSERT_TRUE(world_end());
	/* To the server, for a peer; half closed as well. */
	start();
	sock_fin(call());
	world_settle();
	sock_connected(world_dialed(0));
	world_settle();
	grows_up(world_dialed(0));
	world_pass(w->snap->half_closed_s * 2000ULL);
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

/* Both sides have ended, the server's socket is closed, and the peer has not acknowledged all. */
static void ended(void)
{
	struct sock *peer;

	start();
	peer = call();
	peer->unacked = true;
	sock_connected(world_dialed(0));
	sock_fin(peer);
	sock_fin(world_dialed(0));
	world_settle();
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_IN_ORDER);
	world_pass(2000);
	CU_ASSERT_EQUAL(peer->end, OPEN);
	sock_acks(peer);
	world_settle();
	world_pass(w->snap->half_closed_s * 1000ULL);
	CU_ASSERT_EQUAL(peer->end, CLOSED_IN_ORDER);
	CU_ASSERT_TRUE(world_end());
}

static void test_keepalive(void)
{
	each_family(keepalive);
	each_family(ended);
}

/* --- fallbacks to plain TCP, at whatever time: counted once, by peer */
enum when { IN_HANDSHAKE, MEANWHILE, NEVER };

static void fallback(bool hub, enum when when, bool reset)
{
	struct sock *opener, *peer;

	start();
	opener = hub ? call() : world_client(client, server, 0, 1, GET);
	world_settle();
	peer = hub ? opener : world_dialed(0);
	peer->is_mptcp = when != IN_HANDSHAKE;
	sock_connected(world_dialed(0));
	world_settle();
	if (!hub)
		sock_answer(peer, -1);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	peer->is_mptcp = when == NEVER;
	if (reset) {
		sock_refuse(opener, ECONNRESET);
	} else {
		sock_fin(opener);
		sock_fin(world_dialed(0));
	}
	world_settle();
	CU_ASSERT_NOT_EQUAL(peer->end, OPEN);
	CU_ASSERT_EQUAL(w->stats->not_mptcp, when != NEVER);
	CU_ASSERT_EQUAL(w->shm->peers[0].fallbacks, when != NEVER);
	CU_ASSERT_EQUAL(w->shm->peers[1].fallbacks, 0);
	CU_ASSERT_TRUE(world_end());
}

static void fallbacks(void)
{
	for (unsigned i = 0; i < 4; i++)
		for (enum when when = IN_HANDSHAKE; when <= NEVER; when++)
			fallback(i & 1, when, i & 2);
}

static void test_fallbacks(void)
{
	each_family(fallbacks);
}

/* Who dials the server without the peer, and strangers who prove nothing, have no MPTCP to lose. */
static void not_a_fallback(void)
{
	struct sock *c, *s;

	start();
	c = world_client(client, server, -1, 0, GET);
	world_settle();
	sock_connected(world_dialed(0));
	s = world_caller("192.0.2.77", false, "no message", 10);
	s->is_mptcp = false;
	world_settle();
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	CU_ASSERT_EQUAL(s->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->malformed, 1);
	sock_refuse(c, ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_EQUAL(w->stats->not_mptcp, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_not_a_fallback(void)
{
	each_family(not_a_fallback);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "keep-alives", test_keepalive },
		{ "fallbacks to plain TCP", test_fallbacks },
		{ "what is no fallback", test_not_a_fallback },
		CU_TEST_INFO_NULL,
	};

	return script_run("legs", tests);
}
