// SPDX-License-Identifier: GPL-2.0-or-later
/* What is asked of each leg's socket: probes while it is silent. */
#include <string.h>

#include <lib/log.h>

#include "cunit.h"
#include "world.h"

#define GET "GET / HTTP/1.1\r\n\r\n"

static struct worker *w;
static const char *client, *server;

static void each_family(void (*script)(void))
{
	client = "10.0.0.5";
	server = "198.51.100.7";
	script();
	client = "2001:db8:1::5";
	server = "2001:db8:2::7";
	script();
}

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

/* --- keep-alives: on each leg that is dialed; the others have them of their listener */
static void keepalive(void)
{
	const unsigned seconds = 15;

	/* To the peer, and those opened ahead. */
	world_new();
	world.config.peers[0].ready = 1;
	w = world_start();
	world_client(client, server, 0, 1, GET);
	world_settle();
	sock_connected(world_dialed(0));
	world_settle();
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 2);
	CU_ASSERT_EQUAL(world_dialed(0)->keepalive, seconds);
	CU_ASSERT_EQUAL(world_dialed(1)->keepalive, seconds);
	CU_ASSERT_TRUE(world_end());
	/* To the server, without the peer. */
	start();
	world_client(client, server, -1, 0, GET);
	world_settle();
	CU_ASSERT_EQUAL(world_dialed(0)->keepalive, seconds);
	CU_ASSERT_TRUE(world_end());
	/* To the server, for a peer. */
	start();
	call();
	CU_ASSERT_EQUAL(world_dialed(0)->keepalive, seconds);
	CU_ASSERT_TRUE(world_end());
}

static void test_keepalive(void)
{
	each_family(keepalive);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "keep-alives", test_keepalive },
		CU_TEST_INFO_NULL,
	};

	log_setup("test", LOG_LEVEL_ERROR);
	return cunit_run("legs", tests, NULL, NULL) ? 0 : 1;
}
