// SPDX-License-Identifier: GPL-2.0-or-later
/* A receive buffer that is full of what came out of order is made larger: what is missing is read, and a young
 * connection does not wait for its slow path. */
#include <string.h>

#include <mpgated/worker/jam.h>

#include "gateway_script.h"

#define LOOKS_MS 600 /* until it is looked at again */

static uint8_t pattern[JAM_LEAST];

/* Bytes come, and nobody is told. */
static void say_unheard(struct sock *s, const char *text)
{
	sock_say(s, text, strlen(text));
	s->changed = false;
}

/* A connection whose peer has said so much. */
static struct sock *relayed(struct sock **client_end, size_t len)
{
	struct sock *peer;

	start();
	*client_end = open_client(0, 1, GET);
	peer = dialed_and_up(0);
	sock_answer(peer, -1);
	world_settle();
	CU_ASSERT_EQUAL_FATAL(w->stats->relayed, 1);
	sock_say(peer, pattern, len);
	world_settle();
	CU_ASSERT_EQUAL((*client_end)->out_len, len);
	return peer;
}

static void jam(struct sock *peer, uint32_t bytes)
{
	peer->jam = bytes;
	peer->limit = bytes / 2;
	say_unheard(peer, "missing");
}

static void freed(void)
{
	struct sock *c, *peer = relayed(&c, JAM_LEAST);

	jam(peer, 100000);
	world_pass(LOOKS_MS);
	CU_ASSERT_TRUE(peer->limit > 100000);
	CU_ASSERT_EQUAL(c->out_len, JAM_LEAST + strlen("missing"));
	CU_ASSERT_EQUAL(w->stats->unjammed, 1);
	/* Once it rests it is looked at no more. */
	peer->jam = 0;
	world_pass(LOOKS_MS);
	world_pass(LOOKS_MS);
	CU_ASSERT_TRUE(list_empty(&w->moving));
	CU_ASSERT_TRUE(world_end());
}

/* Who has sent little has no buffer that is worth it, nor has who never fills a gap. */
static void bounded(void)
{
	struct sock *c, *peer = relayed(&c, 1000);

	jam(peer, 100000);
	world_pass(LOOKS_MS);
	CU_ASSERT_EQUAL(w->stats->unjammed, 0);
	CU_ASSERT_TRUE(world_end());
	peer = relayed(&c, JAM_LEAST);
	jam(peer, 2 * JAM_LEAST);
	world_pass(LOOKS_MS);
	CU_ASSERT_EQUAL(w->stats->unjammed, 0);
	CU_ASSERT_EQUAL(peer->limit, JAM_LEAST);
	CU_ASSERT_TRUE(world_end());
}

/* A reader that stands still is why nothing is read. */
static void still(void)
{
	struct sock *c, *peer = relayed(&c, JAM_LEAST);

	sock_take(c, 0);
	sock_say(peer, pattern, 1000);
	world_settle();
	jam(peer, 100000);
	world_pass(LOOKS_MS);
	CU_ASSERT_EQUAL(w->stats->unjammed, 0);
	sock_take(c, SIZE_MAX);
	world_settle();
	world_pass(LOOKS_MS);
	CU_ASSERT_EQUAL(w->stats->unjammed, 1);
	CU_ASSERT_EQUAL(c->out_len, JAM_LEAST + 1000 + strlen("missing"));
	CU_ASSERT_TRUE(world_end());
}

/* What comes behind the window is dropped: it is made wider, as far as was sent in order before. */
static void behind(void)
{
	struct sock *c, *peer = relayed(&c, JAM_LEAST);

	peer->limit = JAM_LEAST / 2;
	peer->dropped = 3;
	sock_say(peer, "more", strlen("more"));
	world_settle();
	world_pass(LOOKS_MS);
	CU_ASSERT_EQUAL(w->stats->widened, 1);
	CU_ASSERT_TRUE(peer->limit > JAM_LEAST);
	world_pass(LOOKS_MS);
	CU_ASSERT_EQUAL(w->stats->widened, 1);
	CU_ASSERT_TRUE(world_end());
	peer = relayed(&c, JAM_LEAST);
	peer->limit = 2 * JAM_LEAST;
	peer->dropped = 3;
	world_pass(LOOKS_MS);
	CU_ASSERT_EQUAL(w->stats->widened, 0);
	CU_ASSERT_EQUAL(peer->limit, 2 * JAM_LEAST);
	CU_ASSERT_TRUE(world_end());
}

/* What a young one holds out of order is much of its buffer: it is made larger, as often as it has brought a little
 * more.
 */
static void young(void)
{
	struct sock *c, *peer = relayed(&c, 1000);
	size_t brought = 1000, step = JAM_FIRST - brought;
	uint32_t limit = JAM_LEAST;

	peer->limit = limit;
	for (int i = 0; i < 3; i++) {
		peer->jam = limit / 4;
		sock_say(peer, pattern, step - 1);
		world_settle();
		CU_ASSERT_EQUAL(peer->limit, limit);
		sock_say(peer, pattern, 1);
		world_settle();
		CU_ASSERT_TRUE(peer->limit > limit);
		limit = peer->limit;
		brought += step;
		step = brought / JAM_STEP;
		/* It fits. */
		peer->jam = limit / 8;
		sock_say(peer, pattern, step);
		world_settle();
		CU_ASSERT_EQUAL(peer->limit, limit);
		brought += step;
		step = brought / JAM_STEP;
	}
	/* Its reader stands still. */
	sock_take(c, 0);
	peer->jam = limit / 2;
	sock_say(peer, pattern, JAM_LEAST);
	world_settle();
	CU_ASSERT_EQUAL(peer->limit, limit);
	CU_ASSERT_TRUE(world_end());
}

/* The kernel knows better what has brought much. */
static void grown_up(void)
{
	struct sock *c, *peer = relayed(&c, 1000);

	for (size_t n = 0; n < JAM_YOUNG; n += JAM_LEAST) {
		sock_say(peer, pattern, JAM_LEAST);
		world_settle();
	}
	peer->limit = JAM_LEAST;
	peer->jam = JAM_LEAST / 2;
	sock_say(peer, pattern, JAM_LEAST);
	world_settle();
	CU_ASSERT_EQUAL(peer->limit, JAM_LEAST);
	CU_ASSERT_TRUE(world_end());
}

static void test_young(void)
{
	each_family(young);
}

static void test_grown_up(void)
{
	each_family(grown_up);
}

static void test_behind(void)
{
	each_family(behind);
}

static void test_freed(void)
{
	each_family(freed);
}

static void test_bounded(void)
{
	each_family(bounded);
}

static void test_still(void)
{
	each_family(still);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "what is missing is read", test_freed },
		{ "within bounds", test_bounded },
		{ "not for readers that stand still", test_still },
		{ "what comes behind the window", test_behind },
		{ "out of order, when young", test_young },
		{ "and not later", test_grown_up },
		CU_TEST_INFO_NULL,
	};

	return script_run("jam", tests);
}
