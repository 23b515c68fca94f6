// SPDX-License-Identifier: GPL-2.0-or-later
/* Subscribers of a hub: each has one address of the pool, and a bound of connections, whichever worker it meets. */
#include "hub_script.h"

#include <mpgated/worker/subscriber.h>

static const char *const pool[] = { "198.18.0.0/28", "198.18.1.7/32", "2001:db8:900::/64", "2001:db8:901::/120" };

/* A hub with a pool of both families. */
static void start_pool(void)
{
	world_new();
	for (unsigned i = 0; i < 4; i++)
		CU_ASSERT_EQUAL_FATAL(prefix_parse(pool[i], &world.config.pool[i]), 0);
	world.config.head.pool.count = 4;
	w = world_start();
}

/* A request for a server, of a client behind peer 0. */
static struct sock *ask(const char *from, const char *to)
{
	length = world_request(message, sizeof(message), from, to, false);
	return call(false);
}

/* The address that its server sees, as that many have been dialed. */
static struct mpgate_addr seen(const char *from, const char *to)
{
	unsigned n = world_dialed_count();

	ask(from, to);
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), n + 1);
	CU_ASSERT_TRUE(world_dialed(n)->bound);
	CU_ASSERT_EQUAL(world_dialed(n)->tuple.sport, 0);
	return world_dialed(n)->tuple.saddr;
}

static bool in_pool(const struct mpgate_addr *a)
{
	struct prefix p;

	for (unsigned i = 0; i < 4; i++)
		if (prefix_parse(pool[i], &p) == 0 && prefix_contains(&p, a))
			return true;
	return false;
}

static bool same(const struct mpgate_addr *a, const struct mpgate_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void script_paired(void)
{
	struct mpgate_addr first, again;

	start_pool();
	first = seen(client, server);
	CU_ASSERT_TRUE(in_pool(&first));
	for (unsigned i = 0; i < 5; i++) {
		again = seen(client, server);
		CU_ASSERT_TRUE(same(&first, &again));
	}
	CU_ASSERT_EQUAL(world_dialed(0)->ports[0], 0);
	CU_ASSERT_TRUE(world_end());
	/* By another worker, after a restart. */
	start_pool();
	again = seen(client, server);
	CU_ASSERT_TRUE(same(&first, &again));
	CU_ASSERT_TRUE(world_end());
}

static void test_paired(void)
{
	each_family(script_paired);
}

static void test_one_net_is_one_subscriber(void)
{
	struct mpgate_addr a, b;

	start_pool();
	a = seen("2001:db8:1::5", "2001:db8:2::7");
	b = seen("2001:db8:1:0:1234::99", "2001:db8:2::8");
	CU_ASSERT_TRUE(same(&a, &b));
	b = seen("2001:db8:1:1::5", "2001:db8:2::7");
	CU_ASSERT_FALSE(same(&a, &b));
	/* The address is of the server's version. */
	a = seen("2001:db8:1::5", "198.51.100.7");
	CU_ASSERT_TRUE(addr_is_v4(&a) && in_pool(&a));
	CU_ASSERT_TRUE(world_end());
}

/* All addresses get their part: 17 of IPv4, and 1,700 subscribers. */
static void test_spread(void)
{
	unsigned count[17] = { 0 };

	start_pool();
	for (unsigned i = 0; i < 1700; i++) {
		struct mpgate_addr client4 = world_addr("10.0.0.0"), a;
		struct subscriber s;

		client4.b[14] = (uint8_t)(i >> 8);
		client4.b[15] = (uint8_t)i;
		s = subscriber_of(w, 1, &client4);
		CU_ASSERT_TRUE(subscriber_address(w, &s, true, &a));
		CU_ASSERT_TRUE(in_pool(&a));
		count[a.b[14] ? 16 : a.b[15]]++;
		CU_ASSERT_TRUE(subscriber_address(w, &s, false, &a));
		CU_ASSERT_TRUE(in_pool(&a));
	}
	for (unsigned i = 0; i < 17; i++)
		CU_ASSERT_TRUE(count[i] > 50 && count[i] < 200);
	CU_ASSERT_TRUE(world_end());
}

static void test_two_peers(void)
{
	const struct mpgate_addr c = world_addr("192.168.1.10");
	struct subscriber a, b;

	start_pool();
	a = subscriber_of(w, 1, &c);
	b = subscriber_of(w, 2, &c);
	CU_ASSERT_NOT_EQUAL(a.lo, b.lo);
	CU_ASSERT_TRUE(world_end());
}

/* Without a prefix of the server's version the hub's own address is taken. */
static void test_no_prefix(void)
{
	start_pool();
	world.config.head.pool.count = 2;
	world_reload();
	ask(client, "2001:db8:2::7");
	CU_ASSERT_FALSE(world_dialed(0)->bound);
	CU_ASSERT_TRUE(world_end());
}

static void test_ports(void)
{
	start_pool();
	world.config.head.pool_from = 10000;
	world.config.head.pool_to = 19999;
	world_reload();
	seen(client, server);
	CU_ASSERT_EQUAL(world_dialed(0)->ports[0], 10000);
	CU_ASSERT_EQUAL(world_dialed(0)->ports[1], 19999);
	CU_ASSERT_TRUE(world_end());
}

/* An address of the pool without a port left is a lack of ports, in both families. */
static void script_no_port(void)
{
	struct sock *p;

	start_pool();
	world.fail.dial = EADDRNOTAVAIL;
	p = ask(client, server);
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	check_error(p, CONVERT_E_RESOURCE, 30);
}

static void test_no_port(void)
{
	each_family(script_no_port);
}

/* Nobody may connect to the pool, nor have an address of it preserved. */
static void test_pool_is_ours(void)
{
	struct sock *p;

	start_pool();
	p = ask(client, "198.18.0.3");
	check_error(p, CONVERT_E_NOT_AUTHORIZED, -1);
	start_pool();
	world.config.head.preserve = 1;
	world_reload();
	p = ask("2001:db8:900::1", "2001:db8:2::7");
	check_error(p, CONVERT_E_NOT_AUTHORIZED, -1);
}

static void script_limit(void)
{
	struct sock *p[4];
	const char *other = strchr(client, ':') ? "2001:db8:7::5" : "10.0.0.6";

	world_new();
	world.config.head.per_subscriber = 2;
	w = world_start();
	for (unsigned i = 0; i < 3; i++)
		p[i] = ask(client, server);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	CU_ASSERT_EQUAL(w->stats->subscriber_limit, 1);
	CU_ASSERT_EQUAL(p[0]->out_len + p[1]->out_len, 0);
	CU_ASSERT_TRUE(p[2]->out_len > 0);
	/* Not others. */
	ask(other, server);
	CU_ASSERT_EQUAL(world_dialed_count(), 3);
	/* One that the server refuses makes room, before the peer has read why. */
	sock_refuse(world_dialed(0), ECONNREFUSED);
	world_settle();
	p[3] = ask(client, server);
	CU_ASSERT_EQUAL(world_dialed_count(), 4);
	/* So does one that ends. */
	sock_refuse(p[3], ECONNRESET);
	world_settle();
	ask(client, server);
	CU_ASSERT_EQUAL(world_dialed_count(), 5);
	CU_ASSERT_EQUAL(w->stats->subscriber_limit, 1);
	check_error(p[2], CONVERT_E_RESOURCE, 30);
}

static void test_limit(void)
{
	each_family(script_limit);
}

/* What another worker has counted, counts; what it counted wrong harms nobody else. */
static void test_other_workers(void)
{
	struct sock *p;

	world_new();
	world.config.head.per_subscriber = 3;
	world.config.head.workers = 2;
	w = world_start();
	ask(client, server);
	memcpy(w->shm->subscribers[1], w->shm->subscribers[0], sizeof(w->shm->subscribers[0]));
	ask(client, server);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	p = ask(client, server);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	CU_ASSERT_TRUE(p->out_len > 0);
	/* That worker died. */
	memset(w->shm->subscribers[1], 0, sizeof(w->shm->subscribers[1]));
	ask(client, server);
	CU_ASSERT_EQUAL(world_dialed_count(), 3);
	CU_ASSERT_TRUE(world_end());
}

/* A table that is full of others refuses nobody. */
static void test_full(void)
{
	world_new();
	world.config.head.per_subscriber = 1;
	w = world_start();
	for (unsigned i = 0; i < SUBSCRIBER_BUCKETS; i++)
		for (unsigned k = 0; k < SUBSCRIBER_WAYS; k++)
			w->shm->subscribers[0][i][k] = (uint64_t)(k + 1) << 16 | 1;
	ask(client, server);
	ask(client, server);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	memset(w->shm->subscribers[0], 0, sizeof(w->shm->subscribers[0]));
	CU_ASSERT_TRUE(world_end());
}

/* A hub without an address of the server's version: the peer is told to go another way. */
static void script_no_family(void)
{
	unsigned family = strchr(server, ':') ? SNAPSHOT_IPV6 : SNAPSHOT_IPV4;
	struct sock *p;

	for (unsigned i = 0; i < 2; i++) {
		world_new();
		world.config.head.families = i ? family : SNAPSHOT_IPV4 ^ SNAPSHOT_IPV6 ^ family;
		w = world_start();
		p = ask(client, server);
		CU_ASSERT_EQUAL(w->stats->no_family, !i);
		CU_ASSERT_EQUAL(p->out_len > 0, !i);
		if (!i)
			check_error(p, CONVERT_E_RESOURCE, 30);
		else
			CU_ASSERT_TRUE(world_end());
	}
	/* One of the pool will do. */
	start_pool();
	world.config.head.families = 0;
	world_reload();
	seen(client, server);
	CU_ASSERT_TRUE(world_end());
}

static void test_no_family(void)
{
	each_family(script_no_family);
}

/* --- what is written down of it */
static const struct mapping *logged(unsigned n)
{
	return &w->shm->mappings[0].mapping[n % MAPPING_RING];
}

static void script_logged(void)
{
	struct mpgate_addr from = world_addr(client), to = world_addr(server);
	struct sock *p;

	world_new();
	world.config.head.log_mappings = 1;
	w = world_start();
	p = ask(client, server);
	CU_ASSERT_EQUAL_FATAL(w->shm->mappings[0].written, 1);
	CU_ASSERT_EQUAL(logged(0)->end, 0);
	CU_ASSERT_EQUAL(logged(0)->time, 1700000000000ULL);
	CU_ASSERT_TRUE(same(&logged(0)->source, &from) && same(&logged(0)->server, &to));
	CU_ASSERT_EQUAL(logged(0)->source_port, htons(4000));
	CU_ASSERT_EQUAL(logged(0)->server_port, htons(80));
	CU_ASSERT_STRING_EQUAL(logged(0)->peer, "peer0");
	sock_connected(dialed());
	world_settle();
	CU_ASSERT_EQUAL(w->shm->mappings[0].written, 1);
	world_pass(2000);
	sock_fin(p);
	sock_fin(dialed());
	world_settle();
	CU_ASSERT_EQUAL_FATAL(w->shm->mappings[0].written, 2);
	CU_ASSERT_EQUAL(logged(1)->end, 1);
	CU_ASSERT_EQUAL(logged(1)->time, 1700000002000ULL);
	CU_ASSERT_EQUAL(logged(1)->mapped_port, logged(0)->mapped_port);
	CU_ASSERT_TRUE(same(&logged(1)->mapped, &logged(0)->mapped));
	CU_ASSERT_STRING_EQUAL(logged(1)->peer, "peer0");
	/* One that the server refuses, or that cannot be dialed. */
	ask(client, server);
	sock_refuse(world_dialed(1), ECONNREFUSED);
	world_settle();
	CU_ASSERT_EQUAL(w->shm->mappings[0].written, 4);
	world.fail.dial = ENETUNREACH;
	ask(client, server);
	CU_ASSERT_EQUAL(w->shm->mappings[0].written, 4);
	CU_ASSERT_TRUE(world_end());
}

static void test_logged(void)
{
	each_family(script_logged);
}

static void test_log_is_behind(void)
{
	struct mapping_ring *r;

	world_new();
	world.config.head.log_mappings = 1;
	w = world_start();
	r = &w->shm->mappings[0];
	r->written = MAPPING_RING + 4;
	r->taken = 5;
	ask(client, server);
	CU_ASSERT_EQUAL(r->written, MAPPING_RING + 5);
	ask(client, server);
	CU_ASSERT_EQUAL(r->written, MAPPING_RING + 5);
	CU_ASSERT_EQUAL(w->stats->mappings, 1);
	CU_ASSERT_EQUAL(w->stats->mappings_lost, 1);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	CU_ASSERT_TRUE(world_end());
}

static void test_log_is_off(void)
{
	start();
	call(false);
	CU_ASSERT_EQUAL(w->shm->mappings[0].written, 0);
	/* What began is told to end. */
	world.config.head.log_mappings = 1;
	world_reload();
	ask(client, server);
	world.config.head.log_mappings = 0;
	world_reload();
	CU_ASSERT_TRUE(world_dialed_count() == 2);
	sock_refuse(world_dialed(1), ECONNREFUSED);
	sock_refuse(world_dialed(0), ECONNREFUSED);
	world_settle();
	CU_ASSERT_EQUAL(w->shm->mappings[0].written, 2);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "one subscriber has one address", test_paired },
		{ "an IPv6 /64 is one", test_one_net_is_one_subscriber },
		{ "all addresses are used", test_spread },
		{ "a client of two peers is two", test_two_peers },
		{ "a version without a prefix", test_no_prefix },
		{ "ports of the pool", test_ports },
		{ "no port is left", test_no_port },
		{ "the pool is the hub's own", test_pool_is_ours },
		{ "connections of a subscriber", test_limit },
		{ "as other workers count", test_other_workers },
		{ "a full table", test_full },
		{ "no address of that version", test_no_family },
		{ "mappings are written down", test_logged },
		{ "the log is behind", test_log_is_behind },
		{ "the log is off", test_log_is_off },
		CU_TEST_INFO_NULL,
	};

	return script_run("subscriber", tests);
}
