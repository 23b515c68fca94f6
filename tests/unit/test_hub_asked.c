// SPDX-License-Identifier: GPL-2.0-or-later
/* What a hub is asked for besides a connection: Info, TCP options, a source of the client's own. And when it declines.
 */
#include "hub_script.h"

static void script_info(void)
{
	struct convert_writer wr;
	struct convert_msg m;
	struct sock *p;
	int n;

	world_new();
	world.config.head.accept = CFG_ACCEPT_OPEN;
	w = world_start();
	convert_begin(&wr, message, sizeof(message));
	convert_put_info(&wr);
	n = convert_end(&wr);
	CU_ASSERT_TRUE_FATAL(n > 0);
	length = (size_t)n;
	p = call(false);
	CU_ASSERT_EQUAL(w->stats->info, 1);
	if (p->end == CLOSED_BY_RESET && !world_behind_answer(p, &m)) {
		CU_ASSERT_TRUE(world_end());
		return;
	}
	EQUAL_TEXT(world_behind_answer(p, &m), "");
	CU_ASSERT_EQUAL(m.has, CONVERT_HAS_EXTENSIONS);
	CU_ASSERT_TRUE(p->shut);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
	CU_ASSERT_TRUE(world_end());
}

static void test_info(void)
{
	world_cuts(script_info, CUTS);
}

/* Of our dialect, a peer that came to an address which others may have is told that joins go elsewhere. */
static void test_joins(void)
{
	static const struct {
		const char *join; /* NULL: none */
		bool private_tlvs, told;
	} cases[] = { { "203.0.113.1", true, true },
		      { "203.0.113.1", false, false },
		      { "198.51.100.1", true, false }, /* where it came to */
		      { NULL, true, false } };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		static const struct convert_bytes none;
		struct convert_cookie cookie;
		struct convert_writer wr;
		struct convert_msg m;
		struct sock *p;

		world_new();
		if (cases[i].join) {
			world.config.local[0] = world_addr(cases[i].join);
			world.config.head.join_to = world.config.head.local;
		}
		world.config.keys[0].private_tlvs = cases[i].private_tlvs;
		w = world_start();
		cookie_make(&world.config.peers[0].send, (uint32_t)world.wall, (const uint8_t *)"01234567", &none,
			    &none, &cookie);
		convert_begin(&wr, message, sizeof(message));
		convert_put_info(&wr);
		convert_put_cookie(&wr, &cookie, sizeof(cookie));
		length = (size_t)convert_end(&wr);
		p = call(false);
		EQUAL_TEXT(world_behind_answer(p, &m), "");
		CU_ASSERT_EQUAL(m.has, CONVERT_HAS_EXTENSIONS | (cases[i].told ? CONVERT_HAS_JOINS : 0));
		sock_fin(p);
		world_settle();
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_options(void)
{
	static const uint8_t wanted[] = { 30, 2, 8, 2 }, unknown[] = { 30, 2, 253, 2 };
	struct convert_bytes options = { wanted, sizeof(wanted) };
	struct convert_msg m;
	struct sock *p;

	world_new();
	world.config.head.accept = CFG_ACCEPT_OPEN;
	w = world_start();
	length = plain_request(NULL, &options);
	p = call(false);
	CU_ASSERT_TRUE(dialed()->mptcp);
	world.synack = (struct mpgate_synack){ .len = 4, .options = { 4, 2, 1, 1 } };
	sock_connected(dialed());
	world_settle();
	EQUAL_TEXT(world_behind_answer(p, &m), "");
	CU_ASSERT_EQUAL(m.has, CONVERT_HAS_EXT_TCP_HEADER);
	CU_ASSERT_EQUAL(m.ext_tcp_header.data[0], 4);

	options.data = unknown;
	length = plain_request(NULL, &options);
	p = call(false);
	check_error(p, CONVERT_E_TCP_OPTION, 253);
}

/* Drained, or with as many connections as it may have: requests are told so, and an Info only in the first case. */
static void has_enough(bool draining, bool info)
{
	struct convert_writer wr;
	struct convert_msg m;
	struct sock *p;

	world_new();
	world.config.head.accept = CFG_ACCEPT_OPEN;
	world.config.head.connections = 1;
	w = world_start();
	length = plain_request(NULL, NULL);
	call(false);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	w->shm->draining = draining;
	if (!draining)
		CU_ASSERT_EQUAL(worker_load(w), 1);
	if (info) {
		convert_begin(&wr, message, sizeof(message));
		convert_put_info(&wr);
		length = (size_t)convert_end(&wr);
	}
	p = call(false);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	CU_ASSERT_EQUAL(w->stats->drained, draining);
	if (draining || !info) {
		check_error(p, CONVERT_E_RESOURCE, 30);
		return;
	}
	EQUAL_TEXT(world_behind_answer(p, &m), "");
	CU_ASSERT_FALSE(m.has & CONVERT_HAS_ERROR);
	CU_ASSERT_EQUAL(w->stats->info, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_has_enough(void)
{
	for (unsigned i = 0; i < 4; i++)
		has_enough(i & 1, i & 2);
}

static void test_source_preserved(void)
{
	struct mpgate_addr from;
	struct sock *p;

	for (unsigned i = 0; i < 3; i++) {
		world_new();
		world.config.head.preserve = i > 0;
		w = world_start();
		length = world_request(message, sizeof(message), client, server, false);
		world.fail.bind = i == 2 ? EADDRINUSE : 0;
		p = call(false);
		from = world_addr(client);
		if (i == 2) {
			check_error(p, CONVERT_E_RESOURCE, -1);
			continue;
		}
		CU_ASSERT_EQUAL(dialed()->bound, i);
		CU_ASSERT_EQUAL(!memcmp(&dialed()->tuple.saddr, &from, sizeof(from)), i);
		CU_ASSERT_TRUE(world_end());
	}
	/* From one family to the other there is no such address. */
	world_new();
	world.config.head.preserve = 1;
	w = world_start();
	length = world_request(message, sizeof(message), "10.0.0.5", "2001:db8:2::7", false);
	p = call(false);
	check_error(p, CONVERT_E_UNREACHABLE, 0);
}

static void preserved(void)
{
	test_source_preserved();
}

static void test_preserve(void)
{
	each_family(preserved);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "Info", test_info },
		{ "where joins go", test_joins },
		{ "TCP options", test_options },
		{ "has enough", test_has_enough },
		{ "source preserved", test_preserve },
		CU_TEST_INFO_NULL,
	};

	return script_run("hub_asked", tests);
}
