// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Connections of transparent mode: the gateway's, which go to servers in their clients' name, and the hub's, whose SYNs
 * had the tag of a peer.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>

#include "gateway_script.h"

static bool hub; /* which of the two is looked at */
static uint32_t taken_by; /* at the hub: the tag, or a rule that terminates */

static bool alone(void)
{
	return taken_by == MPGATE_RULE_TERMINATE;
}

/* A SYN that is held; the socket that was dialed for it goes to *p. */
static struct syn *begin(struct sock **p)
{
	struct mpgate_addr to = world_addr(server);
	struct syn *s;

	world_new();
	world.config.peers[0].flags |= hub ? 0 : SNAPSHOT_PEER_TRANSPARENT;
	world.config.rules[1].reject = 1;
	w = world_start();
	world.rule_flags = MPGATE_RULE_HONEST | (hub ? taken_by : 0);
	s = world_syn(client, server, hub && alone() ? UINT16_MAX : 0,
		      hub && !alone() ? world.config.keys[0].key.id : 1);
	world_settle();
	*p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(*p);
	CU_ASSERT_EQUAL(memcmp(&(*p)->to, &to, sizeof(to)), 0);
	CU_ASSERT_EQUAL((*p)->to_port, htons(80));
	CU_ASSERT_EQUAL((*p)->mptcp, !hub);
	CU_ASSERT_EQUAL((*p)->bound, !hub);
	CU_ASSERT_EQUAL(w->stats->tagged, !hub);
	CU_ASSERT_EQUAL(w->stats->taken, hub && !alone());
	CU_ASSERT_EQUAL(w->stats->terminated, hub && alone());
	CU_ASSERT_EQUAL(s->put_count, 0);
	return s;
}

static void each(void (*script)(void))
{
	hub = false;
	each_family(script);
	hub = true;
	taken_by = MPGATE_RULE_TERMINATE;
	each_family(script);
	taken_by = MPGATE_RULE_TAGGED;
	each_family(script);
}

/* Nothing is said that is not the client's or the server's. */
static void accepted(void)
{
	struct sock *c, *p;
	struct syn *s = begin(&p);

	sock_connected(p);
	sock_say(p, "hello", 5);
	world_settle();
	CU_ASSERT_EQUAL(s->put_count, 1);
	CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_APPROVED);
	CU_ASSERT_EQUAL(w->stats->relayed, 0);
	c = world_accepted(s);
	sock_say(c, GET, strlen(GET));
	world_settle();
	CU_ASSERT_FALSE(s->entry);
	CU_ASSERT_EQUAL(w->stats->relayed, 1);
	CU_ASSERT_EQUAL_FATAL(c->out_len, 5);
	CU_ASSERT_EQUAL(memcmp(c->out, "hello", 5), 0);
	EQUAL_TEXT(p->out, GET);
	CU_ASSERT_EQUAL(w->stats->bytes_up, strlen(GET));
	CU_ASSERT_EQUAL(w->stats->bytes_down, 5);
	finish(c, p);
}

static void test_accepted(void)
{
	each(accepted);
	hub = false;
	world_cuts(accepted, 100);
	hub = true;
	world_cuts(accepted, 100);
}

/* What the server's place says is what who waits is told; for the want of something here its SYN goes on. */
static int error;

static void fails(void)
{
	struct sock *p;
	struct syn *s = begin(&p);

	if (error == ETIMEDOUT)
		world_pass(w->snap->connect_s * 1000ULL + 1);
	else
		sock_refuse(p, error);
	world_settle();
	CU_ASSERT_EQUAL(w->connections, 0);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	switch (error) {
	case ECONNREFUSED:
		CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_REFUSED);
		CU_ASSERT_EQUAL(s->put_count, 1);
		CU_ASSERT_EQUAL(w->stats->refused, 1);
		break;
	case ETIMEDOUT:
		CU_ASSERT_FALSE(s->entry);
		CU_ASSERT_EQUAL(s->put_count, 0);
		CU_ASSERT_EQUAL(w->stats->silent, 1);
		break;
	case EHOSTUNREACH: {
		bool v4 = addr_is_v4(&s->tuple.daddr);
		const uint8_t *icmp = s->put + ETH_HLEN + (v4 ? sizeof(struct iphdr) : sizeof(struct ip6_hdr));

		CU_ASSERT_FALSE(s->entry);
		CU_ASSERT_EQUAL_FATAL(s->put_count, 1);
		CU_ASSERT_EQUAL(icmp[0], v4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH);
		CU_ASSERT_EQUAL(icmp[1], v4 ? ICMP_HOST_UNREACH : ICMP6_DST_UNREACH_ADDR);
		CU_ASSERT_EQUAL(w->stats->unreachable, 1);
		break;
	}
	default:
		CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_RELEASED);
		CU_ASSERT_EQUAL(s->put_count, 1);
		CU_ASSERT_EQUAL(w->stats->resource, 1);
		CU_ASSERT_EQUAL(w->stats->released, 1);
	}
	CU_ASSERT_TRUE(world_end());
}

static void test_fails(void)
{
	static const int errors[] = { ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, EADDRINUSE, EADDRNOTAVAIL };

	for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		error = errors[i];
		each(fails);
	}
}

/* The server accepts, and then nobody comes: it is reset. */
static void nobody_comes(void)
{
	struct sock *p;
	struct syn *s = begin(&p);

	sock_connected(p);
	world_settle();
	CU_ASSERT_EQUAL(s->put_count, 1);
	world_pass(w->snap->connect_s * 1000ULL + 1);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_FALSE(s->entry);
	CU_ASSERT_TRUE(world_end());
}

static void test_nobody_comes(void)
{
	each(nobody_comes);
}

/* A server that resets what it has accepted does so to who comes then. */
static void reset_meanwhile(void)
{
	struct sock *c, *p;
	struct syn *s = begin(&p);

	sock_connected(p);
	world_settle();
	sock_refuse(p, ECONNRESET);
	world_settle();
	CU_ASSERT_TRUE_FATAL(s->entry);
	c = world_accepted(s);
	world_settle();
	world_pass(2000);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

/* The same before the worker looks, and behind an answer: it was accepted, and what was said arrives. */
static void reset_at_once(void)
{
	struct sock *c, *p;
	struct syn *s = begin(&p);

	sock_connected(p);
	sock_say(p, REPLY, strlen(REPLY));
	sock_refuse(p, ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->refused, 0);
	CU_ASSERT_TRUE_FATAL(s->entry);
	CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_APPROVED);
	c = world_accepted(s);
	world_settle();
	world_pass(2000);
	EQUAL_TEXT(c->out, REPLY);
	CU_ASSERT_EQUAL(c->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

static void test_reset_meanwhile(void)
{
	each(reset_meanwhile);
	each(reset_at_once);
}

/* What a peer may not have goes on as if it had no tag, also where a rule of ours says reject. */
static void not_allowed(bool preserve, unsigned key, const char *to, const char *source)
{
	struct syn *s;

	world_new();
	world.config.head.preserve = preserve;
	world.config.rules[1].reject = 1;
	if (to)
		CU_ASSERT_EQUAL(prefix_parse(to, &world.config.to[0]), 0);
	if (to)
		world.config.to[1] = world.config.to[0];
	if (source) {
		CU_ASSERT_EQUAL(prefix_parse(source, &world.config.sources[0]), 0);
		world.config.keys[0].source_count = 1;
	}
	w = world_start();
	world.rule_flags = MPGATE_RULE_TAGGED | MPGATE_RULE_HONEST;
	s = world_syn(client, server, 0, world.config.keys[0].key.id + key);
	world_settle();
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_EQUAL(s->flow.state, MPGATE_FLOW_RELEASED);
	CU_ASSERT_EQUAL(s->put_count, 1);
	CU_ASSERT_EQUAL(w->stats->not_authorized, 1);
	CU_ASSERT_EQUAL(w->stats->taken, 0);
	CU_ASSERT_TRUE(world_end());
}

static void destination(void)
{
	not_allowed(false, 0, "203.0.113.250/32", NULL);
}

static void source(void)
{
	not_allowed(true, 0, NULL, "203.0.113.250/32");
}

/* A reload has taken it. */
static void key_gone(void)
{
	not_allowed(false, 77, NULL, NULL);
}

static void test_not_allowed(void)
{
	each_family(destination);
	each_family(source);
	each_family(key_gone);
}

/* Where SYNs cannot be held, the client has been accepted already, and has said something. */
static void early(void)
{
	struct sock *c, *p;

	world_new();
	world.config.peers[0].flags |= SNAPSHOT_PEER_TRANSPARENT;
	w = world_start();
	c = open_client(0, 1, GET);
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_TRUE(p->mptcp && p->bound);
	sock_connected(p);
	world_settle();
	EQUAL_TEXT(p->out, GET);
	sock_say(p, REPLY, strlen(REPLY));
	world_settle();
	EQUAL_TEXT(c->out, REPLY);
	finish(c, p);
}

static void test_early(void)
{
	each_family(early);
}

/* What the supervisor was told of servers that break on MPTCP. */
static unsigned told(uint32_t type)
{
	struct mpgate_addr to = world_addr(server);
	unsigned n = 0;

	for (unsigned i = 0; i < world.told_count && i < WORLD_MESSAGES; i++)
		n += world.told[i].type == type && world.told[i].value == 80 &&
		     !memcmp(&world.told[i].source, &to, sizeof(to));
	return n;
}

/* Without a hub: two SYNs with MPTCP had no answer, and then one without. One lost SYN says nothing, nor does a plain
 * server. */
static void breaks(void)
{
	for (unsigned again = 0; again < 3; again++) {
		for (unsigned plain = 0; plain < 2; plain++) {
			struct sock *p;

			begin(&p);
			p->is_mptcp = !plain;
			p->sent_again = again;
			sock_connected(p);
			world_settle();
			CU_ASSERT_EQUAL(told(MSG_BREAKS), again == 2 && plain);
			CU_ASSERT_TRUE(world_end());
		}
	}
}

/* Of one that is known to, that is not asked. */
static void known_to_break(void)
{
	struct sock *p;

	world_new();
	world.config.peers[0].flags |= SNAPSHOT_PEER_TRANSPARENT;
	w = world_start();
	world.rule_flags = MPGATE_RULE_HONEST | MPGATE_FLOW_BREAKS;
	world_syn(client, server, 0, 1);
	world_settle();
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_TRUE(!p->mptcp && p->bound);
	p->sent_again = 2;
	sock_connected(p);
	world_settle();
	CU_ASSERT_EQUAL(told(MSG_BREAKS), 0);
	CU_ASSERT_EQUAL(w->stats->not_mptcp, 0);
	CU_ASSERT_TRUE(world_end());
}

/* Of one that may, it is told when it does not. */
static void doubted(void)
{
	for (unsigned plain = 0; plain < 2; plain++) {
		struct sock *p;

		world_new();
		world.config.peers[0].flags |= SNAPSHOT_PEER_TRANSPARENT;
		w = world_start();
		world.rule_flags = MPGATE_RULE_HONEST | MPGATE_FLOW_DOUBTED;
		world_syn(client, server, 0, 1);
		world_settle();
		p = world_dialed(0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT_TRUE(p->mptcp);
		p->is_mptcp = !plain;
		sock_connected(p);
		world_settle();
		CU_ASSERT_EQUAL(told(MSG_SPEAKS), !plain);
		CU_ASSERT_TRUE(world_end());
	}
}

static void test_breaks(void)
{
	hub = false;
	each_family(breaks);
	each_family(known_to_break);
	each_family(doubted);
}

/* With an address of a pool, the hub takes from that, and logs it. */
static void pooled(void)
{
	const struct mpgate_addr to = world_addr(server);
	const char *range = addr_is_v4(&to) ? "198.18.0.0/28" : "2001:db8:900::/64";
	struct sock *p;

	world_new();
	CU_ASSERT_EQUAL_FATAL(prefix_parse(range, &world.config.pool[0]), 0);
	world.config.head.pool.count = 1;
	world.config.head.log_mappings = 1;
	w = world_start();
	world.rule_flags = MPGATE_RULE_HONEST | taken_by;
	world_syn(client, server, alone() ? UINT16_MAX : 0, alone() ? 1 : world.config.keys[0].key.id);
	world_settle();
	p = world_dialed(0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_TRUE(p->bound && prefix_contains(&world.config.pool[0], &p->tuple.saddr));
	CU_ASSERT_EQUAL(w->shm->mappings[0].written, 1);
	sock_refuse(p, ECONNREFUSED);
	world_settle();
	CU_ASSERT_EQUAL(w->shm->mappings[0].written, 2);
	CU_ASSERT_TRUE(world_end());
}

static void test_pooled(void)
{
	taken_by = MPGATE_RULE_TERMINATE;
	each_family(pooled);
	taken_by = MPGATE_RULE_TAGGED;
	each_family(pooled);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "the server accepts", test_accepted },
		{ "it does not", test_fails },
		{ "nobody comes", test_nobody_comes },
		{ "the server resets meanwhile", test_reset_meanwhile },
		{ "what a peer may not have goes on", test_not_allowed },
		{ "SYNs cannot be held", test_early },
		{ "the server breaks on MPTCP", test_breaks },
		{ "from a pool", test_pooled },
		CU_TEST_INFO_NULL,
	};

	return script_run("transparent", tests);
}
