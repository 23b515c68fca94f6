// SPDX-License-Identifier: GPL-2.0-or-later
/* Requests of a peer over connections that we keep open for it: whom they lead where, and who is refused. */
#include <lib/config/config.h>

#include "parking_script.h"

/* What the peer may have. */
static const char *to = "0.0.0.0/0", *to6 = "::/0";
static const char *from = "0.0.0.0/0", *from6 = "::/0";

static void accepts(void)
{
	struct snapshot *s = &world.config.head;

	CU_ASSERT_EQUAL(prefix_parse(to, &world.config.to[0]) || prefix_parse(to6, &world.config.to[1]), 0);
	CU_ASSERT_EQUAL(prefix_parse(from, &world.config.sources[0]) || prefix_parse(from6, &world.config.sources[1]),
			0);
	s->accept_to = s->allow_to;
	s->allow_to.count = 0;
	world.config.keys[0].to_count = 2;
	world_reload();
}

/* One is parked. */
static struct sock *start(void)
{
	start_parking(1);
	accepts();
	return is_parked(0);
}

/* --- the server is dialed as the one who came from there, and each hears the other to the end */
static void script_used(void)
{
	struct mpgate_addr who = world_addr(client);
	struct sock *p = start(), *s;
	struct convert_msg m;

	sock_say(p, asks, request_by(0));
	world_settle();
	CU_ASSERT_EQUAL(w->stats->back, 1);
	/* Another is opened at once. */
	CU_ASSERT_EQUAL(parking_count(), 2);
	CU_ASSERT_EQUAL(parking_open(), 2);
	s = server_dialed();
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(s->to_port, htons(80));
	CU_ASSERT_TRUE(s->bound);
	CU_ASSERT_EQUAL(memcmp(&s->tuple.saddr, &who, sizeof(who)), 0);
	CU_ASSERT_EQUAL(s->tuple.sport, htons(4000));
	CU_ASSERT_PTR_NULL(behind_park(p, &m));
	sock_connected(s);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	EQUAL_TEXT(s->out, GET);
	sock_say(s, REPLY, strlen(REPLY));
	world_settle();
	EQUAL_TEXT(behind_park(p, &m), REPLY);
	CU_ASSERT_EQUAL(m.has, 0);
	/* One direction has ended, the other goes on. */
	sock_fin(p);
	world_settle();
	CU_ASSERT_TRUE(s->shut);
	CU_ASSERT_FALSE(p->shut);
	sock_say(s, REPLY, strlen(REPLY));
	sock_fin(s);
	world_settle();
	EQUAL_TEXT(behind_park(p, &m), REPLY REPLY);
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(s->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(w->stats->closed, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_used(void)
{
	each_family(script_used);
	world_cuts(script_used, CUTS);
}

/* The request stands right behind the peer's answer: it waited for this one. */
static void script_at_once(void)
{
	struct sock *p;

	start_parking(1);
	p = says_park(0);
	sock_answer(p, -1);
	sock_say(p, asks, request_by(0));
	world_settle();
	CU_ASSERT_EQUAL(w->stats->parked_opened, 1);
	CU_ASSERT_EQUAL(w->stats->back, 1);
	CU_ASSERT_PTR_NOT_NULL(server_dialed());
	CU_ASSERT_EQUAL(parking_open(), 2);
	CU_ASSERT_TRUE(world_end());
}

static void test_at_once(void)
{
	each_family(script_at_once);
	world_cuts(script_at_once, CUTS);
}

/* The peer hears an Error, and the connection ends behind it. */
static struct convert_msg check_refused(struct sock *p, uint8_t code)
{
	struct convert_msg m = { 0 };

	EQUAL_TEXT(behind_park(p, &m), "");
	CU_ASSERT_EQUAL(m.has, CONVERT_HAS_ERROR);
	CU_ASSERT_EQUAL(m.error, code);
	CU_ASSERT_TRUE(p->shut);
	CU_ASSERT_PTR_NULL(server_dialed());
	/* It was used up, whatever came of it. */
	CU_ASSERT_EQUAL(parking_count(), 2);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
	return m;
}

static void script_server_fails(void)
{
	struct sock *p = start(), *s;
	struct convert_msg m = { 0 };

	sock_say(p, asks, request_by(0));
	world_settle();
	s = server_dialed();
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	sock_refuse(s, ECONNREFUSED);
	world_settle();
	EQUAL_TEXT(behind_park(p, &m), "");
	CU_ASSERT_EQUAL(m.error, CONVERT_E_RESET);
	CU_ASSERT_EQUAL(w->stats->refused, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_server_fails(void)
{
	each_family(script_server_fails);
}

/* --- who has not the key of that peer */
static uint32_t accepted;

static void script_key(void)
{
	for (int who = 0; who < 2; who++) {
		struct sock *p = start();
		size_t len;

		/* What is accepted from others at our own port does not matter. */
		world.config.head.accept = accepted;
		world.config.head.allow_to = world.config.head.accept_to;
		world_reload();
		len = who ? request_by(1) : request_plain(NULL);
		sock_say(p, asks, len);
		world_settle();
		check_refused(p,
			      !who && accepted == CFG_ACCEPT_ISSUED ? CONVERT_E_NO_COOKIE : CONVERT_E_NOT_AUTHORIZED);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_key(void)
{
	static const uint32_t all[] = { CFG_ACCEPT_KEYED, CFG_ACCEPT_ISSUED, CFG_ACCEPT_OPEN };

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		accepted = all[i];
		each_family(script_key);
	}
}

/* Neither with a cookie that we issued for its address. */
static void script_issued(void)
{
	uint8_t cookie[ISSUED_LEN];
	const struct convert_bytes value = { cookie, sizeof(cookie) };
	const struct mpgate_addr peer = world_addr(KEEPER);
	struct sock *p = start();

	world.config.head.accept = CFG_ACCEPT_ISSUED;
	world.config.head.allow_to = world.config.head.accept_to;
	world_reload();
	issued_make(&world.config.head.issuing, world.wall, &peer, cookie);
	sock_say(p, asks, request_plain(&value));
	world_settle();
	check_refused(p, CONVERT_E_NOT_AUTHORIZED);
	CU_ASSERT_TRUE(world_end());
}

static void test_issued(void)
{
	each_family(script_issued);
}

/* The same request over another one. */
static void test_replayed(void)
{
	struct sock *p;
	size_t len;

	start_parking(2);
	is_parked(0);
	p = is_parked(1);
	len = request_by(0);
	sock_say(parking(0), asks, len);
	world_settle();
	CU_ASSERT_PTR_NOT_NULL(server_dialed());
	sock_say(p, asks, len);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->replayed, 1);
	CU_ASSERT_TRUE(world_end());
}

/* --- where, and as whom */
static void script_denied(void)
{
	struct sock *p = start();

	sock_say(p, asks, request_by(0));
	world_settle();
	check_refused(p, CONVERT_E_NOT_AUTHORIZED);
	CU_ASSERT_EQUAL(w->stats->not_authorized, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_destination(void)
{
	const char *was = server;

	to = "10.60.1.0/24";
	to6 = "fd60:1::/64";
	each_family(script_denied);
	to = "0.0.0.0/0";
	to6 = "::/0";
	/* Services of our own. */
	server = "203.0.113.1";
	script_denied();
	server = was;
}

static void test_source(void)
{
	const char *was = client;

	from = "192.0.2.0/24";
	from6 = "2001:db8:ffff::/48";
	each_family(script_denied);
	from = "0.0.0.0/0";
	from6 = "::/0";
	client = "203.0.113.1";
	script_denied();
	client = was;
}

/* --- it says something else, or half of it */
static void test_no_request(void)
{
	struct sock *p = start();

	sock_say(p, GET, strlen(GET));
	world_settle();
	CU_ASSERT_NOT_EQUAL(p->end, OPEN);
	CU_ASSERT_EQUAL(parking_count(), 2);
	CU_ASSERT_TRUE(world_end());

	p = start();
	request_by(0);
	sock_say(p, asks, 7);
	world_settle();
	world_pass(w->snap->header_s * 1000ULL - 1);
	CU_ASSERT_EQUAL(p->end, OPEN);
	world_pass(1);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->header_timeout, 1);
	CU_ASSERT_TRUE(world_end());

	p = start();
	request_by(0);
	sock_say(p, asks, 7);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(w->stats->client_gone, 1);
	CU_ASSERT_TRUE(world_end());
}

/* --- it ends without a word: the next one is opened after a while */
static void test_ended(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sock *p = start();

		if (i)
			sock_refuse(p, ECONNRESET);
		else
			sock_fin(p);
		world_settle();
		CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(w->stats->back, 0);
		CU_ASSERT_EQUAL(parking_count(), 1);
		world_pass(1000);
		CU_ASSERT_EQUAL(parking_count(), 2);
		CU_ASSERT_TRUE(world_end());
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "used", test_used },
		{ "used at once", test_at_once },
		{ "the server refuses", test_server_fails },
		{ "another's key, or none", test_key },
		{ "a cookie that we issued", test_issued },
		{ "said twice", test_replayed },
		{ "a destination that the peer may not have", test_destination },
		{ "a source that it may not speak for", test_source },
		{ "no request", test_no_request },
		{ "ended", test_ended },
		CU_TEST_INFO_NULL,
	};

	return script_run("parking-use", tests);
}
