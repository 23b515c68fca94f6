// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors run out: the supervisor is told, and clients go directly as long as the reserve lasts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lib/log.h>

#include "cunit.h"
#include "world.h"

#define GET "GET / HTTP/1.1\r\n\r\n"
#define RESERVE 6U /* for three connections, or two and a half and one that stays */

static struct worker *w;
static bool v6;
static unsigned clients;

/* So many descriptors besides the reserve. */
static void start(unsigned more)
{
	world_new();
	world.reserve_size = RESERVE;
	world.descriptors = RESERVE + more;
	w = world_start();
	clients = 0;
}

static struct sock *open_client(uint32_t rule)
{
	char from[32];
	struct sock *s;

	snprintf(from, sizeof(from), v6 ? "2001:db8:1::%u" : "10.0.0.%u", ++clients);
	s = world_client(from, v6 ? "2001:db8:2::7" : "198.51.100.7", 0, rule, GET);
	world_settle();
	return s;
}

/* What the supervisor was told last; -1: nothing. */
static int told_full(void)
{
	for (unsigned i = world.told_count; i-- > 0;)
		if (world.told[i % WORLD_MESSAGES].type == MSG_FULL)
			return world.told[i % WORLD_MESSAGES].value;
	return -1;
}

static bool is_server(const struct sock *s)
{
	struct mpgate_addr to = world_addr(v6 ? "2001:db8:2::7" : "198.51.100.7");

	return s && !memcmp(&s->to, &to, sizeof(to));
}

static void each_family(void (*script)(void))
{
	v6 = false;
	script();
	v6 = true;
	script();
}

/* odd: the last descriptor goes to the client, and dialing is what fails; else accepting. */
static void runs_out(bool odd)
{
	struct sock *first, *last, *c, *s;

	start(odd ? 3 : 2);
	first = open_client(1);
	CU_ASSERT_EQUAL(told_full(), -1);
	CU_ASSERT_FALSE(is_server(world_dialed(0)));
	/* Three more have a place in the reserve. */
	for (unsigned i = 1; i < 4; i++) {
		c = open_client(1);
		s = world_dialed(i);
		CU_ASSERT_TRUE_FATAL(is_server(s));
		CU_ASSERT_EQUAL(told_full(), 1);
		CU_ASSERT_EQUAL(w->stats->resource, i);
		sock_connected(s);
		world_settle();
		CU_ASSERT_STRING_EQUAL((char *)s->out, GET);
		CU_ASSERT_EQUAL(c->end, OPEN);
	}
	/* What has none stays in the queue until one ends. */
	last = open_client(1);
	CU_ASSERT_TRUE(last->queue >= 0 && w->deaf);
	CU_ASSERT_EQUAL(w->reserve_count, odd);
	sock_refuse(odd ? c : first, ECONNRESET);
	world_settle();
	CU_ASSERT_TRUE(last->queue < 0);
	CU_ASSERT_EQUAL(last->end, OPEN);
	CU_ASSERT_TRUE(world_end());
}

static void runs_out_accepting(void)
{
	runs_out(false);
}

static void runs_out_dialing(void)
{
	runs_out(true);
}

static void test_accepting(void)
{
	each_family(runs_out_accepting);
}

static void test_dialing(void)
{
	each_family(runs_out_dialing);
}

/* What ends fills the reserve first. Then the worker takes connections again, until the same number is reached. */
static void again(void)
{
	struct sock *first, *second;

	start(2);
	first = open_client(1);
	second = open_client(1);
	CU_ASSERT_EQUAL(told_full(), 1);
	sock_refuse(first, ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(w->reserve_count, RESERVE);
	CU_ASSERT_EQUAL(told_full(), 1);
	sock_refuse(second, ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(told_full(), 0);
	open_client(1);
	CU_ASSERT_EQUAL(told_full(), 0);
	CU_ASSERT_FALSE(is_server(world_dialed(2)));
	open_client(1);
	CU_ASSERT_EQUAL(told_full(), 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_again(void)
{
	each_family(again);
}

/* Told before they run out; what comes meanwhile is carried as always. */
static void early(void)
{
	struct sock *c;

	start(0);
	world.descriptors = 0;
	w->early = WORLD_FIRST_FD + (int)world.sock_count + 2;
	open_client(1);
	CU_ASSERT_EQUAL(told_full(), -1);
	c = open_client(1);
	CU_ASSERT_EQUAL(told_full(), 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world_dialed(1));
	CU_ASSERT_FALSE(is_server(world_dialed(1)));
	CU_ASSERT_EQUAL(w->stats->resource, 0);
	w->early = WORLD_FIRST_FD + WORLD_SOCKETS;
	sock_refuse(c, ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(told_full(), 1);
	sock_refuse(&world.socks[2], ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(told_full(), 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_early(void)
{
	each_family(early);
}

static void rule_says_reject(void)
{
	struct sock *c;

	world_new();
	world.config.rules[1].reject = 1;
	world.reserve_size = RESERVE;
	world.descriptors = RESERVE + 2;
	w = world_start();
	clients = 0;
	open_client(1);
	c = open_client(2);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_PTR_NULL(world_dialed(1));
	CU_ASSERT_TRUE(world_end());
}

static void test_rule_says_reject(void)
{
	each_family(rule_says_reject);
}

static struct sock *open_caller(void)
{
	uint8_t message[CONVERT_MAX_LEN];

	return world_caller("192.0.2.77", false, message,
			    world_request(message, sizeof(message), v6 ? "2001:db8:1::5" : "10.0.0.5",
					  v6 ? "2001:db8:2::7" : "198.51.100.7", false));
}

/* A hub tells its peer, which then goes directly. */
static void hub(void)
{
	struct convert_msg m;
	struct sock *s;

	start(0);
	s = open_caller();
	world_settle();
	CU_ASSERT_PTR_NULL(world_dialed(0));
	CU_ASSERT_PTR_NOT_NULL_FATAL(world_behind_answer(s, &m));
	CU_ASSERT_EQUAL(m.error, CONVERT_E_RESOURCE);
	CU_ASSERT_EQUAL(told_full(), 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_hub(void)
{
	each_family(hub);
}

/* The last descriptors are for Errors. A peer that is slow to take one keeps others waiting, for no longer than a
 * header. */
static void hub_is_full(void)
{
	struct sock *s[RESERVE + 2];

	start(0);
	for (unsigned i = 0; i < RESERVE + 2; i++) {
		s[i] = open_caller();
		world_settle();
		CU_ASSERT_EQUAL(s[i]->queue < 0, i < RESERVE - 1);
	}
	CU_ASSERT_TRUE(w->deaf);
	sock_fin(s[0]);
	world_settle();
	CU_ASSERT_TRUE(s[RESERVE - 1]->queue < 0);
	CU_ASSERT_TRUE(w->deaf);
	world_pass(w->snap->header_s * 1000ULL);
	CU_ASSERT_TRUE(s[RESERVE]->queue < 0 && s[RESERVE + 1]->queue < 0);
	CU_ASSERT_FALSE(w->deaf);
	CU_ASSERT_TRUE(world_end());
}

static void test_hub_is_full(void)
{
	each_family(hub_is_full);
}

/* The client said no more than the first bytes: the server gets them directly. Else they are gone. */
static void peer_is_full(void)
{
	for (unsigned more = 0; more < 2; more++) {
		struct sock *c, *p;

		start(10);
		c = open_client(1);
		p = world_dialed(0);
		sock_connected(p);
		world_settle();
		if (more)
			sock_say(c, "more", 4);
		world_settle();
		sock_answer(p, CONVERT_E_RESOURCE);
		world_settle();
		CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(w->stats->convert_error, 1);
		CU_ASSERT_EQUAL(c->end, more ? CLOSED_BY_RESET : OPEN);
		if (!more) {
			CU_ASSERT_TRUE_FATAL(is_server(world_dialed(1)));
			sock_connected(world_dialed(1));
			world_settle();
			CU_ASSERT_STRING_EQUAL((char *)world_dialed(1)->out, GET);
		}
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_peer_is_full(void)
{
	each_family(peer_is_full);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "told early", test_early },
		{ "accepting fails", test_accepting },
		{ "dialing fails", test_dialing },
		{ "there are descriptors again", test_again },
		{ "the rule says reject", test_rule_says_reject },
		{ "a hub tells its peer", test_hub },
		{ "a hub waits for its peers to take that", test_hub_is_full },
		{ "the peer is full", test_peer_is_full },
		CU_TEST_INFO_NULL,
	};

	log_setup("test", LOG_LEVEL_ERROR);
	return cunit_run("scarce", tests, NULL, NULL) ? 0 : 1;
}
