// SPDX-License-Identifier: GPL-2.0-or-later
/* SYNs that steer holds: dialed for first, and answered as their servers answer. */
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>

#include <lib/packet.h>

#include "gateway_script.h"

static struct syn *hold(uint32_t rule)
{
	struct syn *s = world_syn(client, server, 0, rule);

	world_settle();
	return s;
}

/* The peer has the request, and answers it: an Error with a byte of value, -1: none. */
static void answered(int error)
{
	sock_connected(world_dialed(0));
	world_settle();
	sock_answer(world_dialed(0), error);
	world_settle();
}

static void check_put_back(const struct syn *s, enum mpgate_flow_state state)
{
	const uint8_t *ip = s->put + ETH_HLEN, *tcp;
	bool v4 = addr_is_v4(&s->tuple.daddr);
	size_t len = sizeof(struct tcphdr);

	CU_ASSERT_TRUE(s->entry);
	CU_ASSERT_EQUAL(s->flow.state, state);
	CU_ASSERT_EQUAL(s->put_count, 1);
	CU_ASSERT_EQUAL_FATAL(s->put_len, ETH_HLEN + (v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr)) + len);
	tcp = ip + (v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr));
	CU_ASSERT_EQUAL(memcmp(s->put, "\1\2\3\4\5\6\7\10\11\12\13", 11), 0);
	CU_ASSERT_EQUAL(tcp[offsetof(struct tcphdr, th_flags)], TH_SYN);
	/* The checksum is whole now. */
	CU_ASSERT_EQUAL(checksum_fold(checksum_add(checksum_pseudo(&s->tuple.saddr, &s->tuple.daddr, IPPROTO_TCP, len),
						   tcp, len)),
			0xffff);
}

static unsigned counted(void)
{
	return (unsigned)w->flow_clients[0];
}

/* --- the server accepts: then the client is */
static void accepted(void)
{
	struct sock *c, *p;
	struct syn *s;

	start();
	s = hold(1);
	CU_ASSERT_EQUAL(w->stats->held, 1);
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 1);
	p = world_dialed(0);
	sock_connected(p);
	world_settle();
	check_request(p, "");
	CU_ASSERT_EQUAL(s->put_count, 0);
	sock_answer(p, -1);
	sock_say(p, "hello", 5);
	world_settle();
	check_put_back(s, MPGATE_FLOW_APPROVED);
	CU_ASSERT_EQUAL(w->stats->approved, 1);
	CU_ASSERT_EQUAL(w->stats->relayed, 0);
	c = world_accepted(s);
	sock_say(c, GET, strlen(GET));
	world_settle();
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	CU_ASSERT_FALSE(s->entry);
	CU_ASSERT_EQUAL(counted(), 0);
	CU_ASSERT_EQUAL_FATAL(c->out_len, 5);
	CU_ASSERT_EQUAL(memcmp(c->out, "hello", 5), 0);
	check_request(p, GET);
	finish(c, p);
}

/* What the server says comes while the answer is taken. */
static void said_meanwhile(void)
{
	struct sock *c, *p;
	struct syn *s;

	start();
	s = hold(1);
	p = world_dialed(0);
	sock_connected(p);
	world_settle();
	sock_answer(p, -1);
	sock_say(p, "hello", 5);
	p->unheard = 5;
	world_settle();
	CU_ASSERT_EQUAL(w->stats->approved, 1);
	c = world_accepted(s);
	world_settle();
	CU_ASSERT_EQUAL(c->out_len, 5);
	finish(c, p);
}

static void test_said_meanwhile(void)
{
	each_family(said_meanwhile);
}

static void accepted_cut(void)
{
	each_family(accepted);
}

static void test_accepted(void)
{
	accepted_cut();
	world_cuts(accepted, 400);
}

/* --- it refuses, is unreachable, or says nothing */
static void refused(void)
{
	struct syn *s;

	start();
	s = hold(1);
	answered(CONVERT_E_RESET);
	check_put_back(s, MPGATE_FLOW_REFUSED);
	CU_ASSERT_EQUAL(w->stats->refused, 1);
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_refused(void)
{
	each_family(refused);
}

static void unreachable(void)
{
	const uint8_t *ip, *icmp;
	struct syn *s;
	size_t head;
	uint32_t sum;
	bool v4;

	start();
	s = hold(1);
	answered(CONVERT_E_UNREACHABLE);
	v4 = addr_is_v4(&s->tuple.daddr);
	head = v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr);
	ip = s->put + ETH_HLEN;
	icmp = ip + head;
	CU_ASSERT_FALSE(s->entry);
	CU_ASSERT_EQUAL(counted(), 0);
	CU_ASSERT_EQUAL_FATAL(s->put_len, ETH_HLEN + 2 * head + 8 + sizeof(struct tcphdr));
	/* Back to where it came from. */
	CU_ASSERT_EQUAL(memcmp(s->put, "\7\10\11\12\13\0\1\2\3\4\5\6", 12), 0);
	CU_ASSERT_EQUAL(icmp[0], v4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH);
	CU_ASSERT_EQUAL(icmp[1], 0);
	sum = v4 ? 0 : checksum_pseudo(&s->tuple.daddr, &s->tuple.saddr, IPPROTO_ICMPV6, s->put_len - ETH_HLEN - head);
	CU_ASSERT_EQUAL(checksum_fold(checksum_add(sum, icmp, s->put_len - ETH_HLEN - head)), 0xffff);
	if (v4)
		CU_ASSERT_EQUAL(checksum_fold(checksum_add(0, ip, head)), 0xffff);
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_unreachable(void)
{
	each_family(unreachable);
}

static void silent(void)
{
	struct syn *s;

	start();
	s = hold(1);
	answered(CONVERT_E_NETWORK);
	CU_ASSERT_FALSE(s->entry);
	CU_ASSERT_EQUAL(counted(), 0);
	CU_ASSERT_EQUAL(s->put_count, 0);
	CU_ASSERT_EQUAL(w->stats->silent, 1);
	/* The peer says nothing either. */
	s = hold(1);
	sock_connected(world_dialed(1));
	world_settle();
	world_pass(w->snap->connect_s * 1000ULL + 1);
	CU_ASSERT_FALSE(s->entry);
	CU_ASSERT_EQUAL(s->put_count, 0);
	CU_ASSERT_EQUAL(w->stats->silent, 2);
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_silent(void)
{
	each_family(silent);
}

/* --- the peer fails: the SYN goes on, or is reset where the rule says reject */
static void peer_fails(void)
{
	struct syn *s;

	start();
	s = hold(1);
	sock_refuse(world_dialed(0), ECONNREFUSED);
	world_settle();
	sock_refuse(world_dialed(1), ECONNREFUSED);
	world_settle();
	check_put_back(s, MPGATE_FLOW_RELEASED);
	CU_ASSERT_EQUAL(w->stats->released, 1);
	CU_ASSERT_EQUAL(w->stats->direct, 0);
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_TRUE(world_end());
	start_rejecting();
	s = hold(2);
	sock_refuse(world_dialed(0), ECONNREFUSED);
	world_settle();
	sock_refuse(world_dialed(1), ECONNREFUSED);
	world_settle();
	check_put_back(s, MPGATE_FLOW_REFUSED);
	CU_ASSERT_TRUE(world_end());
}

static void test_peer_fails(void)
{
	each_family(peer_fails);
}

/* Errors that are not the server's are the peer's. */
static void peer_says(void)
{
	static const int errors[] = { CONVERT_E_RESOURCE, CONVERT_E_NOT_AUTHORIZED, CONVERT_E_MALFORMED };

	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct syn *s;

		start();
		s = hold(1);
		answered(errors[i]);
		check_put_back(s, MPGATE_FLOW_RELEASED);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_peer_says(void)
{
	each_family(peer_says);
}

/* --- the client does not come: nothing stays */
static void client_gone(void)
{
	struct syn *s;

	start();
	s = hold(1);
	answered(-1);
	CU_ASSERT_TRUE(s->entry);
	world_pass(w->snap->connect_s * 1000ULL + 1);
	CU_ASSERT_FALSE(s->entry);
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->client_gone, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_client_gone(void)
{
	each_family(client_gone);
}

/* The server goes before the client comes: it hears that. */
static void server_gone(void)
{
	struct sock *c;
	struct syn *s;

	start();
	s = hold(1);
	answered(-1);
	sock_refuse(world_dialed(0), ECONNRESET);
	world_settle();
	c = world_accepted(s);
	world_settle();
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_server_gone(void)
{
	each_family(server_gone);
}

/* --- handed over twice, it is dialed for once */
static void twice(void)
{
	struct syn *s;

	start();
	hold(1);
	s = hold(1);
	s->entry = false;
	CU_ASSERT_EQUAL(w->connections, 1);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	CU_ASSERT_TRUE(world_end());
}

/* Its entry's time was over: before the verdict, the client begins anew; behind it, it hears that again. */
static void late(void)
{
	struct syn *s, *again;

	start();
	s = hold(1);
	s->entry = false;
	answered(-1);
	CU_ASSERT_EQUAL(s->put_count, 0);
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_TRUE(world_end());
	start();
	s = hold(1);
	answered(-1);
	s->entry = false;
	again = hold(1);
	check_put_back(again, MPGATE_FLOW_APPROVED);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	CU_ASSERT_EQUAL(w->connections, 1);
	CU_ASSERT_TRUE(world_end());
}

/* Its client was taken by a rule that is not honest any more: no peer's answer becomes what the server says. */
static void taken_early(void)
{
	struct sock *c, *p;
	struct syn *s;

	start();
	s = hold(1);
	sock_connected(world_dialed(0));
	world_settle();
	s->entry = false;
	c = open_client(0, 1, GET);
	CU_ASSERT_EQUAL(w->stats->relayed, 0);
	CU_ASSERT_EQUAL_FATAL(world_dialed_count(), 2);
	p = world_dialed(1);
	sock_connected(p);
	world_settle();
	sock_answer(p, -1);
	sock_say(p, REPLY, strlen(REPLY));
	world_settle();
	EQUAL_TEXT(c->out, REPLY);
	sock_answer(world_dialed(0), -1);
	world_settle();
	EQUAL_TEXT(c->out, REPLY);
	CU_ASSERT_EQUAL(world_dialed(0)->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->connections, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_taken_early(void)
{
	each_family(taken_early);
}

static void test_late(void)
{
	each_family(late);
}

static void test_twice(void)
{
	each_family(twice);
}

/* --- a worker that has no room lets it go on */
static void full(void)
{
	struct syn *s;

	world_new();
	world.config.head.connections = 0;
	w = world_start();
	s = hold(1);
	check_put_back(s, MPGATE_FLOW_RELEASED);
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_TRUE(world_end());
}

static void test_full(void)
{
	each_family(full);
}

/* A host that forges sources: for what it has beyond the bound no hub dials, and it is let go. */
static void spray(void)
{
	struct syn *s;

	start();
	w->held = HELD_MOST;
	s = hold(1);
	check_put_back(s, MPGATE_FLOW_RELEASED);
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	w->held--;
	s->entry = false;
	hold(1);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	w->held -= HELD_MOST - 1;
	CU_ASSERT_EQUAL(w->held, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_spray(void)
{
	each_family(spray);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the server accepts", test_accepted },
		{ "what is said while the answer is taken", test_said_meanwhile },
		{ "it refuses", test_refused },
		{ "it is unreachable", test_unreachable },
		{ "it says nothing", test_silent },
		{ "the peer fails", test_peer_fails },
		{ "the peer has an Error of its own", test_peer_says },
		{ "the client does not come", test_client_gone },
		{ "the server goes meanwhile", test_server_gone },
		{ "handed over twice", test_twice },
		{ "the entry's time was over", test_late },
		{ "its client was taken by another rule", test_taken_early },
		{ "no room", test_full },
		{ "too many held", test_spray },
		CU_TEST_INFO_NULL,
	};

	return script_run("held", tests);
}
