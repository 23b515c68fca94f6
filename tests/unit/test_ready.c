// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections opened ahead: when they are opened, used, and given up. */
#include <sys/epoll.h>

#include <mpgated/worker/ready.h>

#include "world_script.h"

/* A worker with one connection to peer 0 opened ahead: its socket. */
static struct sock *start(void)
{
	world_new();
	world.config.peers[0].ready = 1;
	w = world_start();
	ready_fill(w, 0, 0);
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 1);
	CU_ASSERT_EQUAL(w->stats->ready_opened, 1);
	sock_connected(world_dialed(0));
	world_settle();
	CU_ASSERT_EQUAL(world_dialed(0)->out_len, 0);
	return world_dialed(0);
}

static struct sock *open_client(const char *says)
{
	struct sock *c = world_client("10.0.0.5", "198.51.100.7", 0, 1, says);

	world_settle();
	return c;
}

static void check_request(const struct sock *s)
{
	struct convert_msg m;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	EQUAL_TEXT(world_behind_request(s, &m), GET);
}

static void answered(struct sock *c, struct sock *p)
{
	sock_answer(p, -1);
	sock_say(p, REPLY, strlen(REPLY));
	sock_fin(p);
	world_settle();
	check_request(p);
	EQUAL_TEXT(c->out, REPLY);
	sock_fin(c);
	world_settle();
	CU_ASSERT_EQUAL(c->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
}

static void script_used(void)
{
	struct sock *p = start(), *c = open_client(GET);

	CU_ASSERT_EQUAL(w->stats->ready_used, 1);
	/* Where there is room for all there is no event for each acknowledgment. */
	CU_ASSERT(world.cut_sock >= 0 || !(p->events & EPOLLOUT));
	/* Another is opened for what comes next. */
	CU_ASSERT_EQUAL(w->stats->ready_opened, 2);
	answered(c, p);
	CU_ASSERT_TRUE(world_end());
}

static void test_used(void)
{
	world_cuts(script_used, CUTS);
}

/* Its first segment fits any path, see FIRST_SEGMENT. */
static void test_first_segment(void)
{
	static char first[FIRST_BYTES + 1];
	struct sock *p = start(), *c;
	struct convert_msg m;

	memset(first, 'x', FIRST_BYTES);
	c = open_client(first);
	EQUAL_TEXT(world_behind_request(p, &m), first);
	CU_ASSERT_TRUE(p->first_write > 0 && p->first_write <= 1100);
	CU_ASSERT_EQUAL(c->end, OPEN);
	CU_ASSERT_TRUE(world_end());
}

/* As many as a burst missed; half of that after a while; none of it where none are to be opened. */
static void test_demand(void)
{
	enum { BURST = 12, HALF = BURST / 2 };
	struct sock *c[BURST];

	for (unsigned ready = 0; ready < 2; ready++) {
		world_new();
		world.config.peers[0].ready = (uint8_t)ready;
		w = world_start();
		for (unsigned i = 0; i < BURST; i++) {
			c[i] = world_client("10.0.0.5", "198.51.100.7", 0, 1, GET);
			c[i]->tuple.sport = htons((uint16_t)(5000 + i));
		}
		world_settle();
		CU_ASSERT_EQUAL(world_dialed_count(), BURST);
		CU_ASSERT_EQUAL(w->stats->ready_opened, 0);
		sock_connected(world_dialed(0));
		world_settle();
		CU_ASSERT_EQUAL(w->stats->ready_opened, ready * BURST);
		/* They live half as long as a hub waits; then what the next connection finds is by what was. */
		world_pass(w->snap->header_s * 1000ULL);
		world_pass(30000);
		ready_wanted(w, 0, false);
		ready_fill(w, 0, 0);
		CU_ASSERT_EQUAL(w->stats->ready_opened, ready * (BURST + HALF));
		CU_ASSERT_TRUE(world_end());
	}
}

/* A peer that ends what waits has no room for so many. */
static void test_ended_by_peer(void)
{
	enum { MISSED = 8 };
	struct sock *p;

	world_new();
	world.config.peers[0].ready = 1;
	w = world_start();
	/* The first may have come after a rest. */
	for (unsigned i = 0; i < MISSED; i++)
		ready_wanted(w, 0, false);
	/* Who finds one has not missed it. */
	ready_wanted(w, 0, true);
	ready_fill(w, 0, 0);
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), MISSED);
	p = world_dialed(0);
	sock_connected(p);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	for (unsigned i = 1; i < MISSED; i++)
		sock_connected(world_dialed(i));
	world_pass(w->snap->header_s * 1000ULL);
	ready_fill(w, 0, 0);
	CU_ASSERT_EQUAL(world_dialed_count(), MISSED + MISSED / 2);
	CU_ASSERT_TRUE(world_end());
}

static void test_not_there_yet(void)
{
	struct sock *c;

	world_new();
	world.config.peers[0].ready = 1;
	w = world_start();
	ready_fill(w, 0, 0);
	c = open_client(GET);
	CU_ASSERT_EQUAL(w->stats->ready_used, 0);
	sock_connected(world_dialed(1));
	world_settle();
	answered(c, world_dialed(1));
	CU_ASSERT_TRUE(world_end());
}

/* The peer took nothing: the request is said again over a new connection, and others of the kind are closed. */
static int how; /* errno; 0: its FIN; -1: silence, not acknowledged */

static void script_dead(void)
{
	struct sock *p = start(), *c = open_client(GET);

	p->unacked = true;
	if (how > 0)
		sock_refuse(p, how);
	else if (!how)
		sock_fin(p);
	world_settle();
	if (how < 0)
		world_pass(w->snap->peer_s * 1000ULL);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(world_dialed(1)->end, CLOSED_BY_RESET);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world_dialed(2));
	CU_ASSERT_FALSE(world_dialed(2)->syn_data);
	sock_connected(world_dialed(2));
	world_settle();
	answered(c, world_dialed(2));
	CU_ASSERT_TRUE(world_end());
}

static void test_dead(void)
{
	static const int ways[] = { ECONNRESET, 0, -1 };

	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		how = ways[i];
		world_cuts(script_dead, CUTS);
	}
}

/* Writing to it fails at once. */
static void test_cannot_be_written(void)
{
	struct sock *c;

	start();
	world.fail.send = EPIPE;
	c = open_client(GET);
	CU_ASSERT_EQUAL(w->stats->ready_used, 0);
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_BY_RESET);
	sock_connected(world_dialed(1));
	world_settle();
	answered(c, world_dialed(1));
	CU_ASSERT_TRUE(world_end());
}

/* Acknowledged, and no answer yet: the peer is at it. */
static void test_slow_server(void)
{
	struct sock *p = start(), *c = open_client(GET);

	world_pass(w->snap->peer_s * 1000ULL);
	CU_ASSERT_EQUAL(p->end, OPEN);
	answered(c, p);
	CU_ASSERT_TRUE(world_end());

	start();
	c = open_client(GET);
	world_pass(w->snap->peer_s * 1000ULL);
	world_pass(w->snap->connect_s * 1000ULL);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->connect_timeout, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_unused(void)
{
	struct sock *p = start();

	world_pass(w->snap->header_s * 500ULL - 1);
	CU_ASSERT_EQUAL(p->end, OPEN);
	world_pass(1);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());

	for (unsigned i = 0; i < 2; i++) {
		p = start();
		if (i)
			sock_refuse(p, ECONNRESET);
		else
			sock_fin(p);
		world_settle();
		CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_reload(void)
{
	struct sock *p = start();

	/* Of something else. */
	world.config.head.idle_s++;
	world_reload();
	CU_ASSERT_EQUAL(p->end, OPEN);
	world.config.peers[1].port[0] = htons(1);
	world_reload();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

static void test_bounds(void)
{
	world_new();
	world.config.peers[0].ready = 5;
	world.config.head.connections = 3;
	w = world_start();
	ready_fill(w, 0, 1);
	CU_ASSERT_EQUAL(w->connections, 3);
	ready_fill(w, 0, 1);
	CU_ASSERT_EQUAL(w->connections, 3);
	ready_fill(w, 1, 0);
	ready_fill(w, 77, 0);
	CU_ASSERT_EQUAL(w->connections, 3);
	ready_drop(w, 1);
	CU_ASSERT_EQUAL(w->connections, 3);
	ready_drop(w, 0);
	CU_ASSERT_EQUAL(w->connections, 0);
	/* What fails is tried at the next occasion. */
	world.fail.watch = ENOSPC;
	ready_fill(w, 0, 1);
	CU_ASSERT_EQUAL(w->connections, 0);
	world.fail.socket = EMFILE;
	ready_fill(w, 0, 1);
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "used", test_used },
		{ "a small first segment", test_first_segment },
		{ "as many as were missed", test_demand },
		{ "a peer that ends them", test_ended_by_peer },
		{ "not there yet", test_not_there_yet },
		{ "dead when it is used", test_dead },
		{ "cannot be written to", test_cannot_be_written },
		{ "a server that takes its time", test_slow_server },
		{ "unused", test_unused },
		{ "a reload", test_reload },
		{ "how many", test_bounds },
		CU_TEST_INFO_NULL,
	};

	return script_run("ready", tests);
}
