// SPDX-License-Identifier: GPL-2.0-or-later
/* A hub's connections: who may have one, and where to; what the others are told. */
#include "hub_script.h"

/* How often the supervisor was told that this source proved a key. */
static unsigned proved(const char *source)
{
	const struct mpgate_addr a = world_addr(source);
	unsigned n = 0;

	for (unsigned i = 0; i < world.told_count && i < WORLD_MESSAGES; i++)
		n += world.told[i].type == MSG_PROVED && !memcmp(&world.told[i].source, &a, sizeof(a));
	return n;
}

static void test_who_proved_a_key_is_told(void)
{
	static const char *const from[][3] = { /* two addresses of one client, as it is told */
					       { "192.0.2.77", "192.0.2.77", "192.0.2.77" },
					       { "2001:db8:9::1", "2001:db8:9::2:3", "2001:db8:9::" }
	};

	start();
	for (unsigned f = 0; f < 2; f++) {
		for (unsigned i = 0; i < 3; i++) {
			length = world_request(message, sizeof(message), client, server, true);
			world_caller(from[f][i % 2], i == 0, message, length);
			world_settle();
			CU_ASSERT_EQUAL(proved(from[f][2]), 1);
		}
		world_pass(60001);
		length = world_request(message, sizeof(message), client, server, true);
		world_caller(from[f][0], false, message, length);
		world_settle();
		CU_ASSERT_EQUAL(proved(from[f][2]), 2);
	}
	CU_ASSERT_TRUE(world_end());
	/* Without a right cookie nothing is proved. */
	start();
	world.config.keys[0].key.k0 ^= 1;
	world_reload();
	call(false);
	CU_ASSERT_EQUAL(w->stats->not_authorized, 1);
	CU_ASSERT_EQUAL(proved("192.0.2.77"), 0);
	CU_ASSERT_TRUE(world_end());
}

/* --- who may not */
static void test_no_cookie(void)
{
	struct sock *p;

	start();
	/* The key is another's. */
	world.config.keys[0].key.k0 ^= 1;
	world_reload();
	p = call(false);
	CU_ASSERT_EQUAL(w->stats->not_authorized, 1);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	/* A stranger is told no reason, and is known of. */
	CU_ASSERT_EQUAL(w->shm->unknown.count, 1);
	CU_ASSERT_EQUAL(w->shm->peers[0].refused, 0);
	check_error(p, CONVERT_E_NOT_AUTHORIZED, 0);
}

static void test_stale(void)
{
	struct sock *p;

	start();
	world_pass(31000);
	p = call(false);
	CU_ASSERT_EQUAL(w->shm->peers[world.config.keys[0].slot].refusal, CONVERT_REFUSED_CLOCK);
	CU_ASSERT_EQUAL(w->shm->peers[world.config.keys[0].slot].ahead, (uint32_t)-31);
	CU_ASSERT_EQUAL(w->shm->unknown.count, 0);
	told_time = true;
	check_error(p, CONVERT_E_NOT_AUTHORIZED, -1);
	told_time = false;
}

static void test_replayed(void)
{
	struct sock *p;

	start();
	call(false);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	p = call(false);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(p->out_len, 0);
	CU_ASSERT_EQUAL(w->stats->replayed, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_issued(void)
{
	struct convert_bytes cookie;
	struct convert_msg m;
	struct sock *p;

	world_new();
	world.config.head.accept = CFG_ACCEPT_ISSUED;
	w = world_start();
	length = plain_request(NULL, NULL);
	p = call(false);
	CU_ASSERT_PTR_NOT_NULL_FATAL(world_behind_answer(p, &m));
	CU_ASSERT_EQUAL(m.error, CONVERT_E_NO_COOKIE);
	CU_ASSERT_TRUE_FATAL(m.error_value.len > 1);
	cookie = (struct convert_bytes){ m.error_value.data + 1, m.error_value.len - 1 };
	length = plain_request(&cookie, NULL);
	call(false);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	CU_ASSERT_EQUAL(w->stats->cookie_issued, 1);
	/* It is for that address alone. */
	p = world_caller("192.0.2.78", false, message, length);
	world_settle();
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	sock_connected(world_dialed(0));
	world_settle();
	check_error(p, CONVERT_E_NOT_AUTHORIZED, -1);
}

static void test_destination_not_allowed(void)
{
	struct sock *p;

	server = "203.0.113.1";
	start();
	p = call(false);
	CU_ASSERT_EQUAL(w->stats->not_authorized, 1);
	CU_ASSERT_EQUAL(w->shm->peers[world.config.keys[0].slot].refusal, CONVERT_REFUSED_DESTINATION);
	CU_ASSERT_EQUAL(w->shm->peers[world.config.keys[0].slot].seen, (uint32_t)(w->now / 1000));
	/* Who has a key, and takes it. */
	check_error(p, CONVERT_E_NOT_AUTHORIZED, world.config.keys[0].private_tlvs ? CONVERT_REFUSED_DESTINATION : 0);
	server = "198.51.100.7";
}

static void test_source_not_allowed(void)
{
	struct sock *p;

	world_new();
	/* allow-from: IPv6 alone */
	world.config.head.allow_from =
		(struct snapshot_array){ .offset = offsetof(typeof(world.config), to) + sizeof(struct prefix),
					 .count = 1 };
	w = world_start();
	p = call(false);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(p->out_len, 0);
	CU_ASSERT_EQUAL(w->stats->not_authorized, 1);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "who proved a key is told", test_who_proved_a_key_is_told },
		{ "no valid cookie", test_no_cookie },
		{ "a stale cookie", test_stale },
		{ "a cookie used before", test_replayed },
		{ "cookies are issued", test_issued },
		{ "a destination that is not allowed", test_destination_not_allowed },
		{ "a source that is not allowed", test_source_not_allowed },
		CU_TEST_INFO_NULL,
	};

	return script_run("hub access", tests);
}
