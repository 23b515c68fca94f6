// SPDX-License-Identifier: GPL-2.0-or-later
/* What the hub publishes: SYNs from the network, over connections that a peer has parked, to what a rule names. */
#include <netinet/tcp.h>

#include "parked_script.h"

/* The nth client; each has its own address, the server's is that of all. */
static struct syn *hold(unsigned n, uint32_t rule)
{
	char text[ADDR_TEXT];
	struct syn *s;

	snprintf(text, sizeof(text), "%.*s%u", (int)strlen(client) - 1, client, 5 + n);
	s = world_syn(text, server, 0, rule);
	world_settle();
	return s;
}

/* The one request over p, behind our answer to its Park: for the target of the rule, by that client. */
static const char *check_request(const struct sock *p, const struct syn *s, uint16_t port)
{
	struct mpgate_addr to = world_addr(inside);
	struct convert_msg m = { 0 };
	struct convert_fault fault;

	CU_ASSERT_FATAL(p->out_len > ANSWER_LEN);
	if (convert_parse(CONVERT_CONVERTER, true, p->out + ANSWER_LEN, p->out_len - ANSWER_LEN, &m, &fault) !=
	    CONVERT_OK) {
		CU_FAIL("no request");
		return NULL;
	}
	CU_ASSERT_EQUAL(memcmp(&m.dst, &to, sizeof(to)), 0);
	CU_ASSERT_EQUAL(m.dst_port, htons(port));
	CU_ASSERT_EQUAL(m.has & CONVERT_HAS_ORIG_SOURCE, CONVERT_HAS_ORIG_SOURCE);
	CU_ASSERT_EQUAL(memcmp(&m.src, &s->tuple.saddr, sizeof(m.src)), 0);
	CU_ASSERT_EQUAL(m.src_port, htons(4000));
	CU_ASSERT_EQUAL(cookie_check(&world.config.keys[0].key, world.wall, w->snap->window, &m.cookie, &m.connect_tlv,
				     &m.source_tlv),
			0);
	return (const char *)p->out + ANSWER_LEN + m.len;
}

static bool is_asked(const struct sock *p)
{
	return p->out_len > ANSWER_LEN;
}

/* The server accepts, then its client is; both talk to the end. */
static void finish(struct sock *p, struct syn *s, uint16_t port)
{
	struct sock *c;

	sock_answer(p, -1);
	sock_say(p, REPLY, strlen(REPLY));
	world_settle();
	CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_APPROVED);
	CU_ASSERT_EQUAL(w->stats->approved, 1);
	c = world_accepted(s);
	sock_say(c, GET, strlen(GET));
	world_settle();
	EQUAL_TEXT(c->out, REPLY);
	EQUAL_TEXT(check_request(p, s, port), GET);
	sock_fin(c);
	world_settle();
	CU_ASSERT_TRUE(p->shut);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(c->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
	CU_ASSERT_TRUE(world_end());
}

/* Nothing was dialed: there is no other way. */
static void check_silent(const struct syn *s)
{
	CU_ASSERT_FALSE(s->entry);
	CU_ASSERT_EQUAL(s->put_count, 0);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
}

/* --- one is parked */
static uint32_t rule = 1;
static uint16_t port = 8080;

static void script_served(void)
{
	struct sock *p;
	struct syn *s;

	start_hub();
	p = call_parked(0);
	if (is_cut(p))
		return;
	s = hold(0, rule);
	EQUAL_TEXT(check_request(p, s, port), "");
	CU_ASSERT_EQUAL(parked_now(0), 0);
	CU_ASSERT_EQUAL(told_parked(0), 2);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_EQUAL(w->stats->ready_used, 1);
	finish(p, s, port);
}

static void test_served(void)
{
	each_target(script_served);
	world_cuts(script_served, CUTS);
	rule = 2;
	port = 80;
	each_target(script_served);
	rule = 1;
	port = 8080;
}

/* What the server there says is what the client hears. */
static void script_verdict(void)
{
	static const struct {
		int error;
		unsigned put;
		enum mpgate_flow_state state;
	} cases[] = {
		{ CONVERT_E_RESET, 1, MPGATE_FLOW_REFUSED },
		{ CONVERT_E_UNREACHABLE, 1, MPGATE_FLOW_HELD }, /* an ICMP error is put */
		{ CONVERT_E_NETWORK, 0, MPGATE_FLOW_HELD },
		{ CONVERT_E_NOT_AUTHORIZED, 1, MPGATE_FLOW_RELEASED },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sock *p;
		struct syn *s;

		start_hub();
		p = call_parked(0);
		s = hold(0, 1);
		sock_answer(p, cases[i].error);
		world_settle();
		CU_ASSERT_EQUAL(s->put_count, cases[i].put);
		CU_ASSERT_EQUAL(s->flow.state, cases[i].state);
		CU_ASSERT_EQUAL(w->connections, 0);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_verdict(void)
{
	each_target(script_verdict);
}

/* --- none is */
static void script_waits(void)
{
	struct syn *s[3];
	struct sock *p[2];

	start_hub();
	for (unsigned i = 0; i < 3; i++)
		s[i] = hold(i, 1);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_EQUAL(w->connections, 3);
	/* Handed over again, it is the same. */
	hold(2, 1)->entry = false;
	CU_ASSERT_EQUAL(w->connections, 3);
	/* What another peer parks is for nobody here. */
	CU_ASSERT_FALSE(is_asked(call_parked(1)));
	for (unsigned i = 0; i < 2; i++) {
		p[i] = call_parked(0);
		if (is_cut(p[i]))
			return;
		EQUAL_TEXT(check_request(p[i], s[i], 8080), "");
		CU_ASSERT_EQUAL(parked_now(0), 0);
	}
	world_pass(w->snap->peer_s * 1000ULL - 1);
	CU_ASSERT_TRUE(s[2]->entry);
	world_pass(1);
	check_silent(s[2]);
	CU_ASSERT_EQUAL(w->stats->silent, 1);
	/* Its client says it again, and is served. */
	CU_ASSERT_FALSE(is_asked(call_parked(0)));
	finish(p[0], s[0], 8080);
}

static void test_waits(void)
{
	each_target(script_waits);
}

static void script_waited(void)
{
	struct sock *p;
	struct syn *s;

	start_hub();
	s = hold(0, 1);
	p = call_parked(0);
	if (is_cut(p))
		return;
	finish(p, s, 8080);
}

static void test_waited(void)
{
	world_cuts(script_waited, CUTS);
}

/* --- the rule is gone: what is there now is the hub's own */
static void script_vanished(void)
{
	struct syn *s, *other;
	struct sock *p;

	for (unsigned gone = 0; gone < 2; gone++) {
		start_hub();
		s = hold(0, 1);
		other = hold(1, 2);
		if (gone)
			world.config.rules[0].id = 77;
		else
			world.config.rules[0].published = 0;
		world_reload();
		CU_ASSERT_EQUAL(s->put_count, 0);
		p = call_parked(0);
		CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_RELEASED);
		CU_ASSERT_EQUAL(w->stats->released, 1);
		/* It was not used for that: who waits behind it has it. */
		EQUAL_TEXT(check_request(p, other, 80), "");
		p = call_parked(0);
		s = hold(2, 1);
		CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_RELEASED);
		CU_ASSERT_FALSE(is_asked(p));
		CU_ASSERT_EQUAL(parked_now(0), 1);
		CU_ASSERT_TRUE(world_end());
	}
	/* With the peer: it is not asked for what was another's. */
	start_hub();
	s = hold(0, 1);
	world.config.peers[0].ready++;
	world_reload();
	p = call_parked(0);
	CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_RELEASED);
	CU_ASSERT_FALSE(is_asked(p));
	CU_ASSERT_TRUE(world_end());
}

static void test_vanished(void)
{
	each_target(script_vanished);
}

/* --- the one that is used is dead: the same request waits for the next, and is lost where there is none */
static int how; /* errno; 0: its FIN; -1: silence, not acknowledged */

static void dies(struct sock *p)
{
	p->unacked = true;
	if (how > 0)
		sock_refuse(p, how);
	else if (!how)
		sock_fin(p);
	world_settle();
	if (how < 0)
		world_pass(w->snap->peer_s * 1000ULL);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
}

static void script_dead(void)
{
	struct sock *p, *next;
	struct syn *s;
	size_t len;

	start_hub();
	p = call_parked(0);
	if (is_cut(p))
		return;
	s = hold(0, 1);
	EQUAL_TEXT(check_request(p, s, 8080), "");
	dies(p);
	CU_ASSERT_TRUE(s->entry);
	CU_ASSERT_EQUAL(s->put_count, 0);
	next = call_parked(0);
	if (is_cut(next))
		return;
	len = next->out_len;
	CU_ASSERT_EQUAL(len, p->out_len);
	CU_ASSERT_EQUAL(memcmp(next->out, p->out, len), 0);
	finish(next, s, 8080);
}

static void script_lost(void)
{
	struct sock *p, *other;
	struct syn *s;

	start_hub();
	p = call_parked(0);
	other = call_parked(0);
	s = hold(0, 1);
	dies(p);
	/* The others are of the same kind. */
	CU_ASSERT_EQUAL(other->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parked_now(0), 0);
	world_pass(w->snap->peer_s * 1000ULL - 1);
	CU_ASSERT_TRUE(s->entry);
	world_pass(1);
	check_silent(s);
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_dead(void)
{
	static const int ways[] = { ECONNRESET, 0, -1 };

	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		how = ways[i];
		each_target(script_dead);
		each_target(script_lost);
		world_cuts(script_dead, CUTS);
	}
}

/* One that takes nothing costs nobody who could have another. */
static void test_cannot_be_written(void)
{
	struct sock *p, *next;
	struct syn *s;

	start_hub();
	p = call_parked(0);
	next = call_parked(0);
	world.fail.send = EPIPE;
	s = hold(0, 1);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parked_now(0), 0);
	finish(next, s, 8080);
}

/* A connection whose handshake is not over is used when it is. */
static void test_young(void)
{
	struct sock *p;
	struct syn *s;

	start_hub();
	park_message(0);
	p = world_caller("192.0.2.77", true, message, length);
	world_settle();
	CU_ASSERT_EQUAL(parked_now(0), 1);
	s = hold(0, 1);
	CU_ASSERT_FALSE(is_asked(p));
	sock_acks(p);
	world_settle();
	CU_ASSERT_FALSE(is_asked(p)); /* it is for the next */
	hold(1, 1);
	CU_ASSERT_TRUE(is_asked(p));
	CU_ASSERT_TRUE(s->entry);
	CU_ASSERT_TRUE(world_end());
}

/* --- by a rule that takes the client first */
static void script_early(void)
{
	struct sock *p, *c;
	struct syn asked;

	start_hub();
	p = call_parked(0);
	if (is_cut(p))
		return;
	c = world_client(client, server, 0, 1, GET);
	asked.tuple = c->tuple;
	world_settle();
	sock_answer(p, -1);
	sock_say(p, REPLY, strlen(REPLY));
	world_settle();
	EQUAL_TEXT(check_request(p, &asked, 8080), GET);
	EQUAL_TEXT(c->out, REPLY);
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_early(void)
{
	each_target(script_early);
	world_cuts(script_early, CUTS);
}

/* Without any it waits, and is reset when none comes: there is no other way to what is published. */
static void script_early_alone(void)
{
	struct sock *c, *p;

	start_hub();
	c = world_client(client, server, 0, 1, GET);
	world_settle();
	world_pass(w->snap->peer_s * 1000ULL - 1);
	CU_ASSERT_EQUAL(c->end, OPEN);
	world_pass(1);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	c = world_client(client, server, 0, 1, GET);
	world_settle();
	p = call_parked(0);
	CU_ASSERT_TRUE(is_asked(p));
	sock_answer(p, -1);
	world_settle();
	CU_ASSERT_EQUAL(c->end, OPEN);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_EQUAL(w->stats->direct, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_early_alone(void)
{
	each_target(script_early_alone);
}

/* --- another worker has some: the SYN is for it. Not one that may have been carried out. */
static void script_moved(void)
{
	struct syn *s;

	start_hub();
	w->shm->parked[3][0] = 1;
	s = hold(0, 1);
	CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_MOVED);
	CU_ASSERT_EQUAL(s->flow.worker, 3);
	CU_ASSERT_EQUAL(s->put_count, 1);
	CU_ASSERT_EQUAL(w->connections, 0);
	/* The same when it has waited for a while. */
	w->shm->parked[3][0] = 0;
	s = hold(1, 1);
	world_pass(100);
	CU_ASSERT_EQUAL(s->put_count, 0);
	w->shm->parked[2][0] = 1;
	world_pass(5);
	CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_MOVED);
	CU_ASSERT_EQUAL(s->flow.worker, 2);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	w->shm->parked[2][0] = 0;
	CU_ASSERT_TRUE(world_end());
}

static void test_moved(void)
{
	each_target(script_moved);
}

/* --- so many are held that whoever comes has to show first that it is there */
static void script_unasked(void)
{
	struct sock *p;
	struct syn *s;

	start_hub();
	p = call_parked(0);
	w->held = HELD_MOST / 2;
	s = hold(0, 1);
	CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_APPROVED);
	CU_ASSERT_EQUAL(s->put_count, 1);
	CU_ASSERT_EQUAL(w->stats->unasked, 1);
	CU_ASSERT_FALSE(is_asked(p));
	CU_ASSERT_EQUAL(w->held, HELD_MOST / 2);
	/* Not by a worker that takes no more. */
	w->full = true;
	s = hold(1, 1);
	CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_RELEASED);
	CU_ASSERT_EQUAL(w->stats->unasked, 1);
	w->full = false;
	w->held = 0;
	CU_ASSERT_TRUE(world_end());
}

static void test_unasked(void)
{
	each_target(script_unasked);
}

/* --- a peer that can be dialed as well: what it has parked costs no handshake */
static void test_address(void)
{
	struct sock *p;
	struct syn *s;

	start_hub();
	world.config.peers[0].address_count = 1;
	world_reload();
	p = call_parked(0);
	s = hold(0, 1);
	CU_ASSERT_TRUE(is_asked(p));
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	hold(1, 1);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	CU_ASSERT_TRUE(s->entry);
	/* Where that is dead, it is dialed. */
	how = ECONNRESET;
	dies(p);
	CU_ASSERT_EQUAL(world_dialed_count(), 2);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "served", test_served },
		{ "what the server says", test_verdict },
		{ "none is parked", test_waits },
		{ "one is parked meanwhile", test_waited },
		{ "the rule is gone", test_vanished },
		{ "it is dead", test_dead },
		{ "it cannot be written to", test_cannot_be_written },
		{ "its handshake is not over", test_young },
		{ "early", test_early },
		{ "early, and none is parked", test_early_alone },
		{ "another worker has some", test_moved },
		{ "too many held", test_unasked },
		{ "of a peer with an address", test_address },
		CU_TEST_INFO_NULL,
	};

	return script_run("published", tests);
}
