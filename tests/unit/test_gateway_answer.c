// SPDX-License-Identifier: GPL-2.0-or-later
/* A gateway's connections: the peer's answer, each Error, none, and cookies that it issues. */
#include "gateway_script.h"

/* --- the answer */
static struct sock *asked(struct sock **c)
{
	struct sock *p;

	start();
	*c = open_client(0, 1, GET);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	world_settle();
	return p;
}

/* Its rule has all bytes, those that are read with the request and with the answer as well. */
static void script_counted(void)
{
	struct sock *c, *p = asked(&c);
	const uint64_t *rule = w->shm->rule_bytes[w->index][0];

	sock_answer(p, -1);
	sock_say(p, REPLY, strlen(REPLY));
	world_settle();
	EQUAL_TEXT(c->out, REPLY);
	CU_ASSERT_EQUAL(rule[0], strlen(GET));
	CU_ASSERT_EQUAL(rule[1], strlen(REPLY));
	finish(c, p);
}

static void test_counted(void)
{
	world_cuts(script_counted, CUTS);
}

static int code;

static void script_error(void)
{
	struct sock *c, *p = asked(&c);
	struct worker_stats *st = w->stats;

	sock_answer(p, code);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(code == CONVERT_E_RESET		? st->refused
			: code == CONVERT_E_UNREACHABLE ? st->unreachable
			: code == CONVERT_E_NETWORK	? st->connect_timeout
							: st->convert_error,
			1);
	CU_ASSERT_EQUAL(was_told(MSG_PEER_REFUSED), code == CONVERT_E_NOT_AUTHORIZED);
	CU_ASSERT_TRUE(world_end());
}

static void test_errors(void)
{
	/* With a lack of resources it is different, see test_scarce.c. */
	static const int codes[] = { CONVERT_E_RESET, CONVERT_E_UNREACHABLE, CONVERT_E_NETWORK,
				     CONVERT_E_NOT_AUTHORIZED, CONVERT_E_MALFORMED };

	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		code = codes[i];
		world_cuts(script_error, CUTS);
	}
}

static void script_no_convert(void)
{
	struct sock *c, *p = asked(&c);

	sock_say(p, "SSH-2.0-OpenSSH\r\n", 17);
	world_settle();
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->convert_bad, 1);
	CU_ASSERT_TRUE(was_told(MSG_PEER_FAILED));
	CU_ASSERT_TRUE(world_end());
}

static void test_no_convert_message(void)
{
	world_cuts(script_no_convert, CUTS);
}

static void test_no_answer(void)
{
	struct sock *c, *p = asked(&c);

	/* Silence. */
	world_pass(w->snap->connect_s * 1000ULL - 1);
	CU_ASSERT_EQUAL(c->end, OPEN);
	world_pass(1);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->connect_timeout, 1);
	CU_ASSERT_TRUE(world_end());

	/* As much more as its way takes, when that is known. */
	p = asked(&c);
	w->shm->peers[0].slow_ms = 6000;
	w->shm->peers[0].up = 1;
	world_pass(w->snap->connect_s * 1000ULL + 5999);
	CU_ASSERT_EQUAL(c->end, OPEN);
	world_pass(w->snap->connect_s * 1000ULL);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());

	/* The end, and a reset; also within a message. */
	for (unsigned i = 0; i < 4; i++) {
		p = asked(&c);
		if (i & 1)
			sock_say(p, "\1\1", 2);
		if (i & 2)
			sock_refuse(p, ECONNRESET);
		else
			sock_fin(p);
		world_settle();
		CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
		CU_ASSERT_TRUE(world_end());
	}
}

/* --- the peer answers for a server that answers and resets, all before the worker looks: nothing of it is lost */
static void answer_and_reset(struct sock *p)
{
	sock_answer(p, -1);
	sock_say(p, REPLY, strlen(REPLY));
	sock_refuse(p, ECONNRESET);
}

static void check_reply(const struct sock *c, unsigned dialed)
{
	EQUAL_TEXT(c->out, REPLY);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(world_dialed_count(), dialed);
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	CU_ASSERT_EQUAL(w->stats->direct, 0);
	CU_ASSERT_TRUE(world_end());
}

static void reset_behind_answer(void)
{
	struct sock *c, *p = asked(&c);

	/* The client goes on sending. */
	sock_say(c, GET, strlen(GET));
	answer_and_reset(p);
	world_settle();
	check_reply(c, 1);
}

static void reset_behind_handshake(void)
{
	struct sock *c, *p;

	start();
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	c = open_client(0, 1, GET);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	answer_and_reset(p);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->syn_data_lost, 0);
	check_reply(c, 1);
}

static void reset_behind_second_try(void)
{
	struct sock *c, *p;

	start();
	how = 0;
	c = open_client(0, 1, GET);
	fail_dial(0);
	p = world_dialed(1);
	sock_connected(p);
	answer_and_reset(p);
	world_settle();
	check_reply(c, 2);
}

/* The server was dialed directly. */
static void reset_direct(void)
{
	struct sock *c, *s;

	start();
	how = ECONNREFUSED;
	c = open_client(0, 1, GET);
	fail_dial(0);
	fail_dial(1);
	s = world_dialed(2);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	sock_connected(s);
	sock_say(s, REPLY, strlen(REPLY));
	sock_refuse(s, ECONNRESET);
	world_settle();
	EQUAL_TEXT(c->out, REPLY);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->refused, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_reset_behind_answer(void)
{
	each_family(reset_behind_answer);
	each_family(reset_behind_handshake);
	each_family(reset_behind_second_try);
	each_family(reset_direct);
}

static bool refuses; /* by an Error; else it ends the connection */

static void script_second_refused(void)
{
	struct sock *c, *p;

	start();
	how = 0;
	c = open_client(0, 1, GET);
	fail_dial(0);
	p = world_dialed(1);
	sock_connected(p);
	world_settle();
	if (refuses)
		sock_answer(p, CONVERT_E_NOT_AUTHORIZED);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	check_direct(c, 2, GET);
}

/* It may have been carried out the first time: the hub refuses it the second. */
static void test_second_try_refused(void)
{
	for (refuses = false;; refuses = true) {
		world_cuts(script_second_refused, CUTS);
		if (refuses)
			break;
	}
}

/* --- peers without a shared key, which issue cookies */
static void unkeyed(void)
{
	world_new();
	world.config.peers[0].flags = 0;
	w = world_start();
}

static void answer_cookie(struct sock *s, const char *cookie)
{
	uint8_t buf[64], value[32] = { 0 };
	struct convert_writer wr;
	int n;

	memcpy(value + 1, cookie, strlen(cookie));
	convert_begin(&wr, buf, sizeof(buf));
	convert_put_error(&wr, CONVERT_E_NO_COOKIE, value, 1 + strlen(cookie));
	n = convert_end(&wr);
	CU_ASSERT_TRUE_FATAL(n > 0);
	sock_say(s, buf, (size_t)n);
	sock_fin(s);
	world_settle();
}

static void check_cookie(const struct sock *s, const char *cookie)
{
	struct convert_msg m;

	check_begun(s, GET);
	world_behind_request(s, &m);
	CU_ASSERT_EQUAL(!!(m.has & CONVERT_HAS_COOKIE), !!cookie);
	CU_ASSERT_FALSE(m.has & CONVERT_HAS_ORIG_SOURCE);
	if (cookie)
		CU_ASSERT_EQUAL(memcmp(m.cookie.data, cookie, strlen(cookie)), 0);
}

static void script_cookie(void)
{
	struct sock *c, *p;

	unkeyed();
	c = open_client(0, 1, GET);
	check_cookie(dialed_and_up(0), NULL);
	answer_cookie(world_dialed(0), "0123456789abcdef");
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_BY_RESET);
	check_cookie(p = dialed_and_up(1), "0123456789abcdef");
	sock_answer(p, -1);
	world_settle();
	check_request(p, GET);
	finish(c, p);
}

static void test_cookie_issued(void)
{
	world_cuts(script_cookie, CUTS);
}

static void test_cookie_refused(void)
{
	struct sock *c;

	unkeyed();
	c = open_client(0, 1, GET);
	dialed_and_up(0);
	answer_cookie(world_dialed(0), "0123456789abcdef");
	sock_answer(dialed_and_up(1), -1);
	world_settle();
	finish(c, world_dialed(1));

	/* With that one known: refused, said without, given a new one, refused again. */
	unkeyed();
	open_client(0, 1, GET);
	dialed_and_up(0);
	answer_cookie(world_dialed(0), "first cookie is 1");
	sock_answer(dialed_and_up(1), -1);
	world_settle();
	c = world_client("10.0.0.6", server, 0, 1, GET);
	world_settle();
	check_cookie(dialed_and_up(2), "first cookie is 1");
	sock_answer(world_dialed(2), CONVERT_E_NOT_AUTHORIZED);
	world_settle();
	check_cookie(dialed_and_up(3), NULL);
	answer_cookie(world_dialed(3), "second cookie is 2");
	check_cookie(dialed_and_up(4), "second cookie is 2");
	answer_cookie(world_dialed(4), "third");
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(world_dialed_count(), 5);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "bytes of a rule", test_counted },
		{ "each Error", test_errors },
		{ "an answer that is no Convert message", test_no_convert_message },
		{ "no answer", test_no_answer },
		{ "an answer, and a reset behind it", test_reset_behind_answer },
		{ "the second try is refused", test_second_try_refused },
		{ "a cookie is issued", test_cookie_issued },
		{ "a cookie is refused", test_cookie_refused },
		CU_TEST_INFO_NULL,
	};

	return script_run("gateway answer", tests);
}
