/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests of a hub share that peers park connections with: peers without an address, and what they say. */
#ifndef TESTS_PARKED_SCRIPT_H
#define TESTS_PARKED_SCRIPT_H

#include <lib/config/config.h>
#include <lib/keys.h>
#include <mpgated/worker/request.h>

#include "world_script.h"

#define ANSWER_LEN 4U /* of a message without TLVs */

SCRIPT uint8_t message[CONVERT_MAX_LEN + 64];
SCRIPT size_t length;
SCRIPT const char *inside = "10.60.1.2";

/* Rule 1 publishes port 80, among others, as another port inside; rule 2 does so at the same port. */
SCRIPT void start_hub(void)
{
	world_new();
	for (unsigned i = 0; i < WORLD_PEERS; i++) {
		world.config.peers[i].address_count = 0;
		world.config.rules[i].published = 1;
		world.config.rules[i].target = world_addr(inside);
		world.config.rules[i].port = i ? 80 : 70;
		world.config.rules[i].target_port = i ? 80 : 8070;
	}
	world.config.head.connections = 100;
	world.rule_flags = MPGATE_RULE_PUBLISHED;
	w = world_start();
}

/* In both families, at a target of the same one. */
SCRIPT void each_target(void (*script)(void))
{
	inside = "fd60:1::2";
	client = "2001:db8:1::5";
	server = "2001:db8:2::7";
	script();
	inside = "10.60.1.2";
	client = "10.0.0.5";
	server = "198.51.100.7";
	script();
}

SCRIPT void park_message(unsigned peer)
{
	struct conn c = { 0 };
	int n = request_park(w, &c, &world.config.peers[peer], message, sizeof(message));

	CU_ASSERT_TRUE_FATAL(n > 0);
	length = (size_t)n;
}

/* The socket took no whole answer, though nothing was written to it before: it is closed. */
SCRIPT bool is_cut(const struct sock *p)
{
	if (p->out_len >= ANSWER_LEN || p->end != CLOSED_BY_RESET)
		return false;
	CU_ASSERT_TRUE(world_end());
	return true;
}

/* A peer parks one, and hears that it was taken in. */
SCRIPT struct sock *call_parked(unsigned peer)
{
	struct convert_msg m = { 0 };
	struct sock *p;

	park_message(peer);
	p = world_caller("192.0.2.77", false, message, length);
	world_settle();
	if (p->end == OPEN) {
		CU_ASSERT_PTR_NOT_NULL(world_behind_answer(p, &m));
		CU_ASSERT_EQUAL(m.has, 0);
		CU_ASSERT_EQUAL(m.len, ANSWER_LEN);
	}
	return p;
}

SCRIPT unsigned parked_now(unsigned peer)
{
	return w->shm->parked[w->index][peer];
}

/* How often the supervisor was told that the first one of a peer is there, or the last one gone. */
SCRIPT unsigned told_parked(unsigned peer)
{
	unsigned n = 0;

	for (unsigned i = 0; i < world.told_count && i < WORLD_MESSAGES; i++)
		n += world.told[i].type == MSG_PARKED && world.told[i].slot == peer;
	return n;
}

#endif
