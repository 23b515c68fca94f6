// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections that a peer parks with us: which are taken in, and how long they stay. */
#include <mpgated/ipc/message.h>
#include <mpgated/worker/ready.h>

#include "parked_script.h"

static void script_taken(void)
{
	struct sock *p;

	start_hub();
	p = call_parked(0);
	if (is_cut(p))
		return;
	CU_ASSERT_EQUAL(p->end, OPEN);
	CU_ASSERT_EQUAL(w->stats->parked, 1);
	CU_ASSERT_EQUAL(parked_now(0), 1);
	CU_ASSERT_EQUAL(told_parked(0), 1);
	/* Others are no news. */
	p = call_parked(0);
	if (is_cut(p))
		return;
	CU_ASSERT_EQUAL(parked_now(0), 2);
	CU_ASSERT_EQUAL(told_parked(0), 1);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parked_now(0), 1);
	CU_ASSERT_EQUAL(told_parked(0), 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_taken(void)
{
	world_cuts(script_taken, CUTS);
}

/* Each peer has its own; how it comes does not matter. */
static void test_each_peer(void)
{
	struct sock *p, *other;

	start_hub();
	p = call_parked(0);
	other = call_parked(1);
	CU_ASSERT_TRUE(parked_now(0) == 1 && parked_now(1) == 1);
	CU_ASSERT_TRUE(told_parked(0) == 1 && told_parked(1) == 1);
	sock_refuse(p, ECONNRESET);
	world_settle();
	CU_ASSERT_TRUE(parked_now(0) == 0 && parked_now(1) == 1);
	CU_ASSERT_TRUE(told_parked(0) == 2 && told_parked(1) == 1);
	CU_ASSERT_EQUAL(other->end, OPEN);
	/* One whose handshake is not over may get nothing yet, but is there. */
	park_message(0);
	p = world_caller("192.0.2.77", true, message, length);
	world_settle();
	CU_ASSERT_EQUAL(parked_now(0), 1);
	CU_ASSERT_TRUE(world_end());
}

/* Its last bytes come when it is due for another look in any case, since a mark stood between the others: it is not
 * kept, and no other suffers. */
static void test_twice_due(void)
{
	struct sock *p, *other;

	start_hub();
	park_message(0);
	p = world_caller("192.0.2.77", false, message, 3);
	world_settle();
	p->mark = 8;
	sock_say(p, message + 3, 10);
	loop_turn(w);
	CU_ASSERT_EQUAL(p->in_off, 13);
	sock_say(p, message + 13, length - 13);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parked_now(0), 0);
	CU_ASSERT_EQUAL(told_parked(0), 2);
	other = call_parked(0);
	CU_ASSERT_EQUAL(other->end, OPEN);
	CU_ASSERT_EQUAL(parked_now(0), 1);
	CU_ASSERT_TRUE(world_end());
}

/* --- who is refused */
static void check_error(struct sock *p, uint8_t code)
{
	struct convert_msg m = { 0 };

	EQUAL_TEXT(world_behind_answer(p, &m), "");
	CU_ASSERT_EQUAL(m.has & ~CONVERT_HAS_CLOCK, CONVERT_HAS_ERROR);
	CU_ASSERT_EQUAL(m.error, code);
	CU_ASSERT_TRUE(p->shut);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
	CU_ASSERT_EQUAL(w->stats->parked, 0);
	CU_ASSERT_EQUAL(told_parked(0), 0);
	CU_ASSERT_TRUE(world_end());
}

static struct sock *say(const void *data, size_t len)
{
	struct sock *p = world_caller("192.0.2.77", false, data, len);

	world_settle();
	return p;
}

static size_t unkeyed(void)
{
	struct convert_writer wr;

	convert_begin(&wr, message, sizeof(message));
	convert_put_park(&wr);
	return (size_t)convert_end(&wr);
}

static void test_no_key(void)
{
	start_hub();
	check_error(say(message, unkeyed()), CONVERT_E_NOT_AUTHORIZED);
	start_hub();
	park_message(0);
	message[length - 1] ^= 1;
	check_error(say(message, length), CONVERT_E_NOT_AUTHORIZED);
	/* To others than peers of our dialect it is a message that we do not know. */
	start_hub();
	world.config.head.accept = CFG_ACCEPT_OPEN;
	world_reload();
	check_error(say(message, unkeyed()), CONVERT_E_UNSUPPORTED);
	start_hub();
	world.config.keys[0].private_tlvs = 0;
	world_reload();
	park_message(0);
	check_error(say(message, length), CONVERT_E_UNSUPPORTED);
	start_hub();
	world.config.head.accept = CFG_ACCEPT_ISSUED;
	world_reload();
	check_error(say(message, unkeyed()), CONVERT_E_NO_COOKIE);
}

/* Too old, or said twice. */
static void test_old(void)
{
	struct sock *p;

	start_hub();
	park_message(0);
	world_pass((w->snap->window + 1) * 1000ULL);
	p = say(message, length);
	CU_ASSERT_EQUAL(w->stats->stale, 1);
	check_error(p, CONVERT_E_NOT_AUTHORIZED);
	start_hub();
	park_message(0);
	say(message, length);
	p = say(message, length);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->replayed, 1);
	CU_ASSERT_EQUAL(parked_now(0), 1);
	CU_ASSERT_TRUE(world_end());
}

/* --- what else is said with it */
static void beside(void (*put)(struct convert_writer *wr))
{
	struct convert_bytes tlv = { message + CONVERT_HEADER_LEN, 4 }, none = { 0 };
	struct convert_cookie cookie;
	struct convert_writer wr;

	start_hub();
	convert_begin(&wr, message, sizeof(message));
	convert_put_park(&wr);
	cookie_make(&world.config.peers[0].send, world.wall, (const uint8_t *)"12345678", &tlv, &none, &cookie);
	put(&wr);
	convert_put_cookie(&wr, &cookie, sizeof(cookie));
	check_error(say(message, (size_t)convert_end(&wr)), CONVERT_E_MALFORMED);
}

static void put_connect(struct convert_writer *wr)
{
	const struct mpgate_addr to = world_addr(server);

	convert_put_connect(wr, &to, htons(80), NULL);
}

static void test_beside(void)
{
	beside(put_connect);
	beside(convert_put_info);
	beside(convert_put_park);
}

/* Nothing follows it: whatever that is meant to be, nobody would hear it. */
static void script_behind(void)
{
	struct sock *p;
	size_t part;

	start_hub();
	park_message(0);
	part = length;
	memcpy(message + length, GET, strlen(GET));
	p = say(message, length + strlen(GET));
	/* Where it comes later, the answer was there already. */
	if (w->stats->parked) {
		CU_ASSERT_EQUAL(p->arrived, part + strlen(GET));
		CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
		CU_ASSERT_EQUAL(parked_now(0), 0);
		CU_ASSERT_EQUAL(told_parked(0), 2);
		CU_ASSERT_TRUE(world_end());
		return;
	}
	CU_ASSERT_EQUAL(w->stats->malformed, 1);
	if (p->end == OPEN)
		check_error(p, CONVERT_E_MALFORMED);
	else
		CU_ASSERT_TRUE(world_end()); /* a socket that takes no whole Error */
}

static void test_behind(void)
{
	world_cuts(script_behind, CUTS);
}

/* Its end stands right behind it. */
static void test_end_behind(void)
{
	struct sock *p;

	for (unsigned late = 0; late < 2; late++) {
		start_hub();
		park_message(0);
		p = world_caller("192.0.2.77", false, message, late ? 5 : length);
		if (late) {
			world_settle();
			sock_say(p, message + 5, length - 5);
		}
		sock_fin(p);
		world_settle();
		CU_ASSERT_NOT_EQUAL(p->end, OPEN);
		CU_ASSERT_EQUAL(parked_now(0), 0);
		CU_ASSERT_EQUAL(told_parked(0) % 2, 0);
		CU_ASSERT_TRUE(world_end());
	}
}

/* --- how many */
static void test_most(void)
{
	struct convert_msg m = { 0 };
	struct sock *p;

	start_hub();
	for (unsigned i = 0; i < READY_MOST; i++)
		call_parked(0);
	CU_ASSERT_EQUAL(parked_now(0), READY_MOST);
	park_message(0);
	p = say(message, length);
	EQUAL_TEXT(world_behind_answer(p, &m), "");
	CU_ASSERT_EQUAL(m.error, CONVERT_E_RESOURCE);
	CU_ASSERT_EQUAL(parked_now(0), READY_MOST);
	CU_ASSERT_EQUAL(w->stats->parked, READY_MOST);
	CU_ASSERT_EQUAL(w->stats->resource, 1);
	sock_fin(p);
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_IN_ORDER);
	/* Another peer has as many. */
	call_parked(1);
	CU_ASSERT_EQUAL(parked_now(1), 1);
	CU_ASSERT_EQUAL(told_parked(0), 1);
	CU_ASSERT_TRUE(world_end());
}

/* --- how long */
static void test_unused(void)
{
	struct sock *p;

	start_hub();
	p = call_parked(0);
	world_pass(w->snap->header_s * 2000ULL);
	CU_ASSERT_EQUAL(p->end, OPEN);
	world_pass((w->snap->idle_s - w->snap->header_s * 2) * 1000ULL - 1);
	CU_ASSERT_EQUAL(p->end, OPEN);
	world_pass(1);
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parked_now(0), 0);
	CU_ASSERT_EQUAL(told_parked(0), 2);
	CU_ASSERT_TRUE(world_end());
}

static void test_reload(void)
{
	struct sock *p;

	start_hub();
	p = call_parked(0);
	world.config.head.peer_s++;
	world_reload();
	CU_ASSERT_EQUAL(p->end, OPEN);
	world.config.peers[0].ready++;
	world_reload();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parked_now(0), 0);
	CU_ASSERT_EQUAL(told_parked(0), 2);
	p = call_parked(0);
	world.message = (struct message){ .type = MSG_STOP_ACCEPTING };
	world.message_fd = -1;
	world.message_waits = true;
	world_settle();
	CU_ASSERT_EQUAL(p->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parked_now(0), 0);
	CU_ASSERT_EQUAL(told_parked(0), 4);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "taken in", test_taken },
		{ "of each peer", test_each_peer },
		{ "twice due", test_twice_due },
		{ "without a key", test_no_key },
		{ "too old, or said twice", test_old },
		{ "with something beside it", test_beside },
		{ "with something behind it", test_behind },
		{ "with its end behind it", test_end_behind },
		{ "too many", test_most },
		{ "not used", test_unused },
		{ "a reload", test_reload },
		CU_TEST_INFO_NULL,
	};

	return script_run("parked", tests);
}
