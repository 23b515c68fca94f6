/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of a gateway's connections share: clients that steer gives us, and what must have become of them. */
#ifndef TESTS_GATEWAY_SCRIPT_H
#define TESTS_GATEWAY_SCRIPT_H

#include "world_script.h"

SCRIPT struct sock *open_client(int peer, uint32_t rule, const char *says)
{
	struct sock *s = world_client(client, server, peer, rule, says);

	world_settle();
	return s;
}

SCRIPT void start(void)
{
	world_new();
	w = world_start();
}

/* Rule 2 says reject. */
SCRIPT void start_rejecting(void)
{
	world_new();
	world.config.rules[1].reject = 1;
	w = world_start();
}

/* Request and first bytes are with the peer. */
SCRIPT void check_request(const struct sock *s, const char *first)
{
	struct mpgate_addr to = world_addr(server);
	struct convert_msg m;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	EQUAL_TEXT(world_behind_request(s, &m), first);
	CU_ASSERT_EQUAL(memcmp(&m.dst, &to, sizeof(to)), 0);
	CU_ASSERT_EQUAL(m.dst_port, htons(80));
}

/* The same while the answer is due: of what the client said, no more may be there than its first bytes. */
SCRIPT void check_begun(const struct sock *s, const char *first)
{
	struct convert_msg m;
	const char *got;

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	got = world_behind_request(s, &m);
	CU_ASSERT_PTR_NOT_NULL_FATAL(got);
	CU_ASSERT_TRUE(*got && !strncmp(got, first, strlen(got)));
}

/* Both end, and nothing is left of it. */
SCRIPT void finish(struct sock *a, struct sock *b)
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
SCRIPT void check_direct(struct sock *c, unsigned nth, const char *first)
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

/* As many first bytes as are kept. */
SCRIPT char long_first[FIRST_BYTES + 1];

/* The nth dial, whose handshake is over. */
SCRIPT struct sock *dialed_and_up(unsigned nth)
{
	struct sock *s = world_dialed(nth);

	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	sock_connected(s);
	world_settle();
	return s;
}

/* The nth dial towards a peer fails. */
SCRIPT int how; /* an errno, or 0: silence */

SCRIPT void fail_dial(unsigned nth)
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

#endif
