// SPDX-License-Identifier: GPL-2.0-or-later
/* Strangers at a hub's Convert port: a pool of their own, oldest out first, and who has a key is none of them. */
#include <stdio.h>
#include <string.h>

#include <lib/log.h>

#include "cunit.h"
#include "world.h"

#define CONNECTIONS 32U
#define POOL (CONNECTIONS / STRANGERS_SHARE + STRANGERS_MIN)
#define ONE_SOURCE (POOL / 8)
#define GATEWAY (v6 ? "2001:db8:77::1" : "192.0.2.77")

static struct worker *w;
static bool v6;
static uint8_t message[CONVERT_MAX_LEN]; /* what strangers say */
static size_t length;

static void start(void)
{
	world_new();
	world.config.head.connections = CONNECTIONS;
	w = world_start();
}

static void each_family(void (*script)(void))
{
	v6 = false;
	script();
	v6 = true;
	script();
}

/* The nth address of the nth source. */
static struct sock *stranger(unsigned source, unsigned address)
{
	char from[40];
	struct sock *s;

	if (v6)
		snprintf(from, sizeof(from), "2001:db8:%x::%x", source + 1, address + 1);
	else
		snprintf(from, sizeof(from), "10.0.%u.1", source);
	s = world_caller(from, false, message, length);
	world_settle();
	return s;
}

/* A request with a key; its server connection. */
static struct sock *gateway(void)
{
	uint8_t request[CONVERT_MAX_LEN];
	unsigned n = world_dialed_count();

	world_caller(GATEWAY, false, request,
		     world_request(request, sizeof(request), v6 ? "2001:db8:1::5" : "10.0.0.5",
				   v6 ? "2001:db8:2::7" : "198.51.100.7", false));
	world_settle();
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), n + 1);
	sock_connected(world_dialed(n));
	world_settle();
	return world_dialed(n);
}

static unsigned open_ones(struct sock *const *s, unsigned n)
{
	unsigned open = 0;

	for (unsigned i = 0; i < n; i++)
		open += s[i]->end == OPEN;
	return open;
}

/* What one source has more than its part costs its own oldest. They are silent, or say `message` and linger. */
static uint64_t refused;

static void one_source(void)
{
	struct sock *s[2 * ONE_SOURCE], *other;

	start();
	other = stranger(250, 0);
	for (unsigned i = 0; i < 2 * ONE_SOURCE; i++)
		s[i] = stranger(0, i);
	for (unsigned i = 0; i < 2 * ONE_SOURCE; i++)
		CU_ASSERT_EQUAL(s[i]->end, i < ONE_SOURCE ? CLOSED_BY_RESET : OPEN);
	CU_ASSERT_EQUAL(other->end, OPEN);
	CU_ASSERT_EQUAL(w->stats->pushed_out, ONE_SOURCE);
	refused += w->stats->not_authorized;
	CU_ASSERT_TRUE(world_end());
}

static void test_one_source(void)
{
	each_family(one_source);
}

static void test_refused(void)
{
	struct convert_writer wr;
	const struct mpgate_addr to = world_addr("198.51.100.7");
	int n;

	/* A Connect without a cookie. */
	convert_begin(&wr, message, sizeof(message));
	convert_put_connect(&wr, &to, htons(80), NULL);
	n = convert_end(&wr);
	CU_ASSERT_TRUE_FATAL(n > 0);
	length = (size_t)n;
	each_family(one_source);
	CU_ASSERT_EQUAL(refused, 2 * (2 * ONE_SOURCE + 1));
	length = 0;
}

/* From many sources: the oldest of all. Their ends make room. */
static void many_sources(void)
{
	struct sock *s[2 * POOL];

	start();
	for (unsigned i = 0; i < 2 * POOL; i++)
		s[i] = stranger(i, 0);
	for (unsigned i = 0; i < 2 * POOL; i++)
		CU_ASSERT_EQUAL(s[i]->end, i < POOL ? CLOSED_BY_RESET : OPEN);
	/* None of that makes the worker full. */
	CU_ASSERT_FALSE(w->full);
	sock_fin(s[2 * POOL - 1]);
	world_settle();
	stranger(200, 0);
	CU_ASSERT_EQUAL(open_ones(s, 2 * POOL), POOL - 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_many_sources(void)
{
	each_family(many_sources);
}

/* Who has proven to have a key is not pushed out, nor is what it opens ahead; some minutes later it is. */
static void proven(void)
{
	struct sock *relayed, *ahead;

	start();
	relayed = gateway();
	ahead = world_caller(GATEWAY, false, NULL, 0);
	world_settle();
	for (unsigned i = 0; i < POOL + 5; i++)
		stranger(i, 0);
	CU_ASSERT_EQUAL(relayed->end, OPEN);
	CU_ASSERT_EQUAL(ahead->end, OPEN);
	CU_ASSERT_EQUAL(w->strangers[1].count, 1);
	CU_ASSERT_TRUE(world_end());
	start();
	gateway();
	world_pass(179000);
	world_caller(GATEWAY, false, NULL, 0);
	world_settle();
	CU_ASSERT_EQUAL(w->strangers[1].count, 1);
	world_pass(2000);
	world_caller(GATEWAY, false, NULL, 0);
	world_settle();
	CU_ASSERT_EQUAL(w->strangers[1].count, 1);
	CU_ASSERT_EQUAL(w->strangers[0].count, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_proven(void)
{
	each_family(proven);
}

/* What stands at the address of a gateway has a bound as well. */
static void at_a_gateway(void)
{
	struct sock *s[POOL];

	start();
	gateway();
	for (unsigned i = 0; i < POOL; i++) {
		s[i] = world_caller(GATEWAY, false, NULL, 0);
		world_settle();
	}
	CU_ASSERT_EQUAL(open_ones(s, POOL), POOL / 2);
	CU_ASSERT_EQUAL(s[0]->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(s[POOL - 1]->end, OPEN);
	CU_ASSERT_TRUE(world_end());
}

static void test_at_a_gateway(void)
{
	each_family(at_a_gateway);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "one source", test_one_source },
		{ "those that get an Error", test_refused },
		{ "many sources", test_many_sources },
		{ "who has a key", test_proven },
		{ "at the address of who has a key", test_at_a_gateway },
		CU_TEST_INFO_NULL,
	};

	log_setup("test", LOG_LEVEL_ERROR);
	return cunit_run("strangers", tests, NULL, NULL) ? 0 : 1;
}
