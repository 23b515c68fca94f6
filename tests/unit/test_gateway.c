// SPDX-License-Identifier: GPL-2.0-or-later
/* A gateway's connections: each line of the state table in docs/architecture.md, in both families, and each failure. */
#include <errno.h>
#include <string.h>

#include <lib/log.h>

#include "cunit.h"
#include "world.h"

#define CUTS 400 /* a stream */
#define GET "GET / HTTP/1.1\r\n\r\n"
#define REPLY "HTTP/1.1 200 OK\r\n\r\nhello"
#define EQUAL_TEXT(a, b) CU_ASSERT_STRING_EQUAL((a) ? (const char *)(a) : "nothing", b)

static struct worker *w;
static const char *client = "10.0.0.5", *server = "198.51.100.7";

static struct sock *open_client(int peer, uint32_t rule, const char *says)
{
	struct sock *s = world_client(client, server, peer, rule, says);

	world_settle();
	return s;
}

static void start(void)
{
	world_new();
	w = world_start();
}

/* Rule 2 says reject. */
static void start_rejecting(void)
{
	world_new();
	world.config.rules[1].reject = 1;
	w = world_start();
}

/* Request and first bytes are with the peer. */
static void check_request(const struct sock *s, const char *first)
{
	struct mpgate_addr to = world_addr(server);
	struct convert_msg m;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	EQUAL_TEXT(world_behind_request(s, &m), first);
	CU_ASSERT_EQUAL(memcmp(&m.dst, &to, sizeof(to)), 0);
	CU_ASSERT_EQUAL(m.dst_port, htons(80));
}

/* The same while the answer is due: of what the client said, no more may be there than its first bytes. */
static void check_begun(const struct sock *s, const char *first)
{
	struct convert_msg m;
	const char *got;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	got = world_behind_request(s, &m);
	CU_ASSERT_PTR_NOT_NULL_FATAL(got);
	CU_ASSERT_TRUE(*got && !strncmp(got, first, strlen(got)));
}

/* Both end, and nothing is left of it. */
static void finish(struct sock *a, struct sock *b)
{
	sock_fin(a);
	world_settle();
	CU_ASSERT_TRUE(b->shut);
	sock_fin(b);
	world_settle();
	CU_ASSERT_EQUAL(a->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(b->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(w->stats->closed, 1);
	CU_ASSERT_TRUE(world_end());
}

/* The server is reached directly, with the bytes that were kept. */
static void check_direct(struct sock *c, unsigned nth, const char *first)
{
	struct sock *s = world_dialed(nth);
	struct mpgate_addr to = world_addr(server);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_EQUAL(world_dialed_count(), nth + 1);
	CU_ASSERT_FALSE(s->mptcp);
	CU_ASSERT_EQUAL(memcmp(&s->to, &to, sizeof(to)), 0);
	CU_ASSERT_EQUAL(w->stats->direct, 1);
	sock_connected(s);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	sock_say(s, REPLY, strlen(REPLY));
	world_settle();
	EQUAL_TEXT(s->out, first);
	EQUAL_TEXT(c->out, REPLY);
	finish(c, s);
}

static bool was_told(uint32_t type)
{
	for (unsigned i = 0; i < world.told_count && i < WORLD_MESSAGES; i++)
		if (world.told[i].type == type)
			return true;
	return false;
}

/* --- the way that goes well */
static bool in_syn;

static void script_relay(void)
{
	struct sock *c, *p;

	start();
	w->shm->peers[0].syn_data = in_syn ? SYN_DATA_YES : SYN_DATA_NO;
	c = open_client(0, 1, GET);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(p->syn_data, in_syn);
	CU_ASSERT_EQUAL(in_syn ? w->stats->syn_data : w->stats->after_handshake, 1);
	sock_connected(p);
	world_settle();
	check_request(p, GET);
	sock_say(c, "more", 4);
	world_settle();
	check_request(p, GET "more");
	sock_answer(p, -1);
	sock_say(p, REPLY, strlen(REPLY));
	world_settle();
	EQUAL_TEXT(c->out, REPLY);
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	CU_ASSERT_EQUAL(w->shm->relayed[0][0], 1);
	CU_ASSERT_EQUAL(w->stats->bytes_up, strlen(GET) + 4);
	CU_ASSERT_EQUAL(w->stats->bytes_down, strlen(REPLY));
	finish(c, p);
}

static void each_family(void (*script)(void))
{
	client = "10.0.0.5";
	server = "198.51.100.7";
	script();
	client = "2001:db8:1::5";
	server = "2001:db8:2::7";
	script();
}

static void relay_cut(void)
{
	world_cuts(script_relay, CUTS);
}

static void test_relay_after_handshake(void)
{
	in_syn = false;
	each_family(relay_cut);
}

static void test_relay_in_syn(void)
{
	in_syn = true;
	each_family(relay_cut);
}

static void script_silent(void)
{
	struct sock *c, *p;

	start();
	c = open_client(0, 1, NULL);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	world_pass(19);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	world_pass(1);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	world_settle();
	check_request(p, "");
	sock_answer(p, -1);
	sock_say(p, "220 ", 4);
	world_settle();
	EQUAL_TEXT(c->out, "220 ");
	finish(p, c);
}

static void test_server_speaks_first(void)
{
	each_family(script_silent);
	world_cuts(script_silent, CUTS);
}

static void test_client_ends_at_once(void)
{
	struct sock *c, *p;

	start();
	c = world_client(client, server, 0, 1, NULL);
	sock_fin(c);
	world_settle();
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	world_settle();
	check_request(p, "");
	CU_ASSERT_TRUE(p->shut);
	sock_answer(p, -1);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(c->end, CLOSED_IN_ORDER);
	CU_ASSERT_TRUE(world_end());
}

/* What leaves first fits any path: another is joined then, should this one not carry what follows. */
static char long_first[FIRST_BYTES + 1];

static void script_first_segment(void)
{
	struct sock *c, *p;

	start();
	w->shm->peers[0].syn_data = in_syn ? SYN_DATA_YES : SYN_DATA_NO;
	c = open_client(0, 1, long_first);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	world_settle();
	check_request(p, long_first);
	CU_ASSERT_TRUE(p->first_write > 0 && p->first_write <= 1100);
	sock_answer(p, -1);
	world_settle();
	finish(c, p);
}

static void test_first_segment(void)
{
	memset(long_first, 'x', FIRST_BYTES);
	for (unsigned i = 0; i < 2; i++) {
		in_syn = i;
		each_family(script_first_segment);
		world_cuts(script_first_segment, 3000);
	}
}

/* --- steer wrote nothing down */
static void script_unknown(void)
{
	struct sock *c;

	start();
	c = open_client(-1, 0, GET);
	CU_ASSERT_EQUAL(w->stats->no_pending, 1);
	check_direct(c, 0, GET);
}

/* It may be of any rule. */
static void test_unknown_is_reset(void)
{
	struct sock *c;

	start_rejecting();
	c = open_client(-1, 0, GET);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->no_pending, 1);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_unknown_goes_direct(void)
{
	each_family(script_unknown);
	world_cuts(script_unknown, CUTS);
}

static void test_own_listener_dialed(void)
{
	struct sock *c;

	start();
	c = world_client(client, server, -1, 0, NULL);
	c->tuple.dport = w->steer_port[0];
	world_settle();
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_TRUE(world_end());
}

/* --- the handshake with the peer */
static int how; /* an errno, or 0: silence */

static void fail_dial(unsigned nth)
{
	struct sock *s = world_dialed(nth);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	if (how) {
		sock_refuse(s, how);
		world_settle();
	} else {
		world_pass(w->snap->peer_s * 1000ULL - 1);
		CU_ASSERT_EQUAL(s->end, OPEN);
		world_pass(1);
	}
	CU_ASSERT_EQUAL(s->end, CLOSED_BY_RESET);
}

static void script_next_address(void)
{
	struct sock *c, *p;

	start();
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	c = open_client(0, 1, GET);
	fail_dial(0);
	p = world_dialed(1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(memcmp(&p->to, &world.config.peers[0].address[1], sizeof(p->to)), 0);
	/* guard drops a SYN that repeats a request */
	CU_ASSERT_FALSE(p->syn_data);
	sock_connected(p);
	world_settle();
	check_begun(p, GET);
	/* Said again it is the same request, which a hub takes once. */
	CU_ASSERT_EQUAL(memcmp(p->out, world_dialed(0)->out, world_dialed(0)->out_len), 0);
	sock_answer(p, -1);
	world_settle();
	check_request(p, GET);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	finish(c, p);
}

static void script_peer_fails(void)
{
	struct sock *c;

	start();
	c = open_client(0, 1, GET);
	fail_dial(0);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	fail_dial(1);
	CU_ASSERT_TRUE(was_told(MSG_PEER_FAILED));
	CU_ASSERT_EQUAL(w->stats->peer_failed, 1);
	check_direct(c, 2, GET);
}

static void test_handshake_fails(void)
{
	static const int errors[] = { 0, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH };

	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		how = errors[i];
		each_family(script_next_address);
		each_family(script_peer_fails);
	}
	world_cuts(script_next_address, CUTS);
	world_cuts(script_peer_fails, CUTS);
}

static void test_rule_says_reject(void)
{
	struct sock *c;

	start_rejecting();
	how = ECONNREFUSED;
	c = open_client(0, 2, GET);
	fail_dial(0);
	fail_dial(1);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	CU_ASSERT_EQUAL(w->stats->direct, 0);
	CU_ASSERT_TRUE(world_end());
}

/* The entry says what its rule said when the SYN came; the rule may be gone by now. */
static void test_flow_says_reject(void)
{
	struct sock *c;

	start();
	how = ECONNREFUSED;
	c = world_client(client, server, 0, 9, GET);
	c->flow.rule_flags = MPGATE_RULE_REJECT;
	c->flow.client = 5;
	w->flow_clients[5] = 3;
	world_settle();
	CU_ASSERT_EQUAL(w->flow_clients[5], 2);
	fail_dial(0);
	fail_dial(1);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->direct, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_no_way_to_dial(void)
{
	struct sock *c;

	/* No way to the first address at once, none to the second later. */
	start();
	world.fail.dial = ENETUNREACH;
	c = open_client(0, 1, GET);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	how = ECONNREFUSED;
	fail_dial(1);
	CU_ASSERT_TRUE(was_told(MSG_PEER_FAILED));
	check_direct(c, 2, GET);
}

static void test_shortage_blames_nobody(void)
{
	struct sock *c;

	start();
	world.config.peers[0].address_count = 1;
	world_reload();
	world.fail.socket = EMFILE;
	c = open_client(0, 1, GET);
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	check_direct(c, 0, GET);
}

static void test_reload_between_tries(void)
{
	struct sock *c;

	start();
	c = open_client(0, 1, GET);
	world.config.peers[0].port = htons(1);
	world_reload();
	CU_ASSERT_EQUAL(world_dialed(0)->end, OPEN);
	how = ECONNREFUSED;
	fail_dial(0);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	check_direct(c, 1, GET);
}

static void test_too_old_to_say_again(void)
{
	struct sock *c;

	world_new();
	world.config.head.peer_s = 40;
	w = world_start();
	c = open_client(0, 1, GET);
	how = 0;
	fail_dial(0);
	CU_ASSERT_FALSE(was_told(MSG_PEER_FAILED));
	check_direct(c, 1, GET);
}

static void test_syn_data_lost(void)
{
	start();
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	for (unsigned i = 0; i < 2; i++) {
		struct sock *p;

		open_client(0, 1, GET);
		p = world_dialed(i);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT_TRUE(p->syn_data);
		sock_connected(p);
		p->syn_data_acked = false;
		world_settle();
		CU_ASSERT_EQUAL(w->shm->peers[0].syn_data, i ? SYN_DATA_NO : SYN_DATA_YES);
	}
	CU_ASSERT_EQUAL(w->stats->syn_data_lost, 2);
	open_client(0, 1, GET);
	CU_ASSERT_FALSE(world_dialed(2)->syn_data);
	CU_ASSERT_TRUE(world_end());
}

/* The connection is about to fall back: the rest follows the answer, by which it has. */
static void script_syn_data_lost_holds(void)
{
	struct convert_msg m;
	struct sock *c, *p;

	start();
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	c = open_client(0, 1, long_first);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	sock_connected(p);
	p->syn_data_acked = false;
	world_settle();
	sock_say(c, "more", 4);
	sock_fin(c);
	world_settle();
	check_begun(p, long_first);
	CU_ASSERT_TRUE(strlen(world_behind_request(p, &m)) < FIRST_BYTES);
	CU_ASSERT_FALSE(p->shut);
	sock_answer(p, -1);
	world_settle();
	CU_ASSERT_EQUAL(strlen(world_behind_request(p, &m)), FIRST_BYTES + 4);
	CU_ASSERT_TRUE(p->shut);
	sock_fin(p);
	world_settle();
	CU_ASSERT_TRUE(world_end());
}

static void test_syn_data_lost_holds(void)
{
	memset(long_first, 'x', FIRST_BYTES);
	each_family(script_syn_data_lost_holds);
}

static void test_kernel_without_syn_data(void)
{
	struct sock *c, *p;

	start();
	world.syn_room = 0;
	w->shm->peers[0].syn_data = SYN_DATA_YES;
	c = open_client(0, 1, GET);
	p = world_dialed(0);
	sock_connected(p);
	world_settle();
	check_request(p, GET);
	CU_ASSERT_EQUAL(w->stats->after_handshake, 1);
	sock_answer(p, -1);
	world_settle();
	finish(c, p);
}

static void test_fallback_goes_on(void)
{
	struct sock *c, *p;

	start();
	c = open_client(0, 1, GET);
	p = world_dialed(0);
	p->is_mptcp = false;
	sock_connected(p);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->not_mptcp, 1);
	sock_answer(p, -1);
	world_settle();
	finish(c, p);
}

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

static struct sock *dialed_and_up(unsigned nth)
{
	struct sock *s = world_dialed(nth);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	sock_connected(s);
	world_settle();
	return s;
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

/* --- directly */
static void test_direct_fails(void)
{
	static const struct {
		int dial, error; /* errno at once, later; neither: silence */
		size_t counter;
	} cases[] = {
		{ ENETUNREACH, 0, offsetof(struct worker_stats, unreachable) },
		{ 0, ECONNREFUSED, offsetof(struct worker_stats, refused) },
		{ 0, 0, offsetof(struct worker_stats, connect_timeout) },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sock *c;

		start();
		world.fail.dial = cases[i].dial;
		c = open_client(-1, 0, GET);
		if (cases[i].error)
			sock_refuse(world_dialed(0), cases[i].error);
		world_settle();
		if (!cases[i].dial && !cases[i].error)
			world_pass(w->snap->connect_s * 1000ULL);
		CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(*(uint64_t *)(void *)((char *)w->stats + cases[i].counter), 1);
		CU_ASSERT_TRUE(world_end());
	}
}

/* --- the client goes away meanwhile, or there is no room */
static void test_client_gone(void)
{
	for (unsigned state = 0; state < 4; state++) {
		struct sock *c;

		start();
		c = open_client(state == 3 ? -1 : 0, 1, state ? GET : NULL);
		if (state == 2)
			dialed_and_up(0);
		sock_refuse(c, ECONNRESET);
		world_settle();
		CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(w->stats->client_gone, 1);
		CU_ASSERT_TRUE(!world_dialed(0) || world_dialed(0)->end == CLOSED_BY_RESET);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_no_room_for_first_bytes(void)
{
	struct sock *c;

	world_new();
	world.config.head.buffer_bytes = strlen(GET) - 1;
	w = world_start();
	c = open_client(0, 1, GET);
	/* They stay in the kernel, until the server is reached directly. */
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	sock_connected(world_dialed(0));
	world_settle();
	EQUAL_TEXT(world_dialed(0)->out, GET);
	finish(c, world_dialed(0));
}

/* Accepting and watching fail. */
static void test_accept_fails(void)
{
	int *const faults[] = { &world.fail.watch, &world.fail.local };

	for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct sock *c;

		start();
		*faults[i] = ENOMEM;
		c = open_client(0, 1, GET);
		CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(w->stats->resource, 1);
		CU_ASSERT_EQUAL(w->connections, 0);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_too_many_connections(void)
{
	struct sock *c;

	world_new();
	world.config.head.connections = 1;
	w = world_start();
	CU_ASSERT_FALSE(was_told(MSG_FULL));
	open_client(0, 1, GET);
	CU_ASSERT_TRUE(was_told(MSG_FULL));
	/* What was on its way then is served, up to twice as many. */
	client = "10.0.0.6";
	CU_ASSERT_EQUAL(open_client(0, 1, GET)->end, OPEN);
	client = "10.0.0.7";
	c = open_client(0, 1, GET);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	CU_ASSERT_TRUE(world_end());
}

/* --- a leg that comes later */
static void test_accepted_joins_dialed(void)
{
	struct mpgate_tuple t = {
		.saddr = world_addr(client), .daddr = world_addr(server), .sport = htons(4000), .dport = htons(80)
	};
	struct conn *c;
	struct sock *s;

	start();
	c = conn_new(w, GW_DIAL, LEG_LOCAL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	c->request.tuple = t;
	conn_enter(w, c);
	conn_timer(w, c, TIMER_PEER);
	s = open_client(-1, 0, NULL);
	CU_ASSERT_EQUAL(w->connections, 1);
	CU_ASSERT_EQUAL(&world.socks[c->local.fd - WORLD_FIRST_FD], s);
	/* The same tuple again has nobody to join. */
	open_client(-1, 0, NULL);
	CU_ASSERT_EQUAL(w->connections, 2);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "relayed, the request behind the handshake", test_relay_after_handshake },
		{ "relayed, the request in the SYN", test_relay_in_syn },
		{ "a small first segment", test_first_segment },
		{ "a server that speaks first", test_server_speaks_first },
		{ "a client that ends at once", test_client_ends_at_once },
		{ "what steer did not announce goes direct", test_unknown_goes_direct },
		{ "or is reset when a rule says reject", test_unknown_is_reset },
		{ "our own listener dialed", test_own_listener_dialed },
		{ "the handshake with the peer fails", test_handshake_fails },
		{ "the rule says reject", test_rule_says_reject },
		{ "what steer wrote down says reject", test_flow_says_reject },
		{ "no way to dial the peer", test_no_way_to_dial },
		{ "a shortage blames nobody", test_shortage_blames_nobody },
		{ "a reload between two tries", test_reload_between_tries },
		{ "a request too old to be said again", test_too_old_to_say_again },
		{ "data of SYNs is lost", test_syn_data_lost },
		{ "what follows such data waits for the answer", test_syn_data_lost_holds },
		{ "a kernel without data in SYNs", test_kernel_without_syn_data },
		{ "a fallback goes on", test_fallback_goes_on },
		{ "each Error", test_errors },
		{ "an answer that is no Convert message", test_no_convert_message },
		{ "no answer", test_no_answer },
		{ "the second try is refused", test_second_try_refused },
		{ "a cookie is issued", test_cookie_issued },
		{ "a cookie is refused", test_cookie_refused },
		{ "the server fails directly", test_direct_fails },
		{ "the client goes away", test_client_gone },
		{ "no room for the first bytes", test_no_room_for_first_bytes },
		{ "accepting fails", test_accept_fails },
		{ "too many connections", test_too_many_connections },
		{ "what is accepted joins what was dialed", test_accepted_joins_dialed },
		CU_TEST_INFO_NULL,
	};

	log_setup("test", LOG_LEVEL_ERROR);
	return cunit_run("gateway", tests, NULL, NULL) ? 0 : 1;
}
