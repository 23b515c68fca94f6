// SPDX-License-Identifier: GPL-2.0-or-later
/* Connections that are kept open for requests of a peer: when they are opened, and what becomes of them. */
#include <mpgated/ipc/message.h>
#include <mpgated/worker/ready.h>

#include "parking_script.h"

#define MOST_PAUSE 5 /* it doubles so often */

static void test_start(void)
{
	start_parking(PARK);
	for (unsigned i = 0; i < PARK; i++)
		is_parked(i);
	CU_ASSERT_EQUAL(w->stats->parked_opened, PARK);
	world_pass(w->snap->header_s * 2000ULL);
	CU_ASSERT_EQUAL(parking_count(), PARK);
	CU_ASSERT_EQUAL(parking_open(), PARK);
	CU_ASSERT_TRUE(world_end());

	/* Who has no address parks with us. */
	world_new();
	world.config.peers[0].park = PARK;
	world.config.peers[0].address_count = 0;
	w = world_start();
	world_settle();
	CU_ASSERT_EQUAL(world_dialed_count(), 0);
	CU_ASSERT_EQUAL(world.sleep, -1);
	CU_ASSERT_TRUE(world_end());
}

/* What cannot be opened is tried again. */
static void test_shortage(void)
{
	int *const fails[] = { &world.fail.socket, &world.fail.dial, &world.fail.watch };

	for (unsigned i = 0; i < sizeof(fails) / sizeof(fails[0]); i++) {
		world_new();
		world.config.peers[0].park = PARK;
		w = world_start();
		*fails[i] = ENOSPC;
		world_settle();
		CU_ASSERT_EQUAL(parking_open(), 0);
		CU_ASSERT_EQUAL(world.sleep, 1000);
		world_pass(1000);
		CU_ASSERT_EQUAL(parking_open(), PARK);
		CU_ASSERT_TRUE(world_end());
	}
	/* A worker that is full opens none. */
	world_new();
	world.config.peers[0].park = PARK;
	w = world_start();
	w->full = true;
	world_settle();
	CU_ASSERT_EQUAL(parking_count(), 0);
	w->full = false;
	world_pass(1000);
	CU_ASSERT_EQUAL(parking_count(), PARK);
	CU_ASSERT_TRUE(world_end());
}

static void test_reload(void)
{
	start_parking(PARK);
	is_parked(0);
	CU_ASSERT_EQUAL(parking(0)->keepalive, 15);
	/* Of something else. */
	world.config.head.idle_s++;
	world_reload();
	CU_ASSERT_EQUAL(parking_count(), PARK);
	/* What is in use lives on. */
	sock_say(parking(0), asks, request_by(0));
	world_settle();
	CU_ASSERT_EQUAL(parking_count(), PARK + 1);
	world.config.peers[0].park = PARK + 1;
	world_reload();
	CU_ASSERT_EQUAL(parking(0)->end, OPEN);
	CU_ASSERT_EQUAL(parking(1)->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parking(2)->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parking_count(), PARK + 1 + PARK + 1);
	CU_ASSERT_EQUAL(parking_open(), 1 + PARK + 1);
	world.config.peers[0].park = 0;
	world_reload();
	CU_ASSERT_EQUAL(parking_open(), 1);
	CU_ASSERT_TRUE(world_end());

	/* It may be another peer from then on: it is tried at once. */
	start_parking(1);
	for (unsigned i = 0; i < 3; i++) {
		sock_refuse(parking(i), ECONNREFUSED);
		world_settle();
		world_pass(1000U << i);
	}
	sock_refuse(parking(3), ECONNREFUSED);
	world_settle();
	CU_ASSERT_EQUAL(parking_count(), 4);
	world.config.peers[0].port[0] = htons(1);
	world_reload();
	CU_ASSERT_EQUAL(parking_count(), 5);
	CU_ASSERT_TRUE(world_end());
}

static void test_stop_accepting(void)
{
	start_parking(PARK);
	is_parked(0);
	world.message = (struct message){ .type = MSG_STOP_ACCEPTING };
	world.message_fd = -1;
	world.message_waits = true;
	world_settle();
	CU_ASSERT_EQUAL(parking_open(), 0);
	world_pass(60000);
	CU_ASSERT_EQUAL(parking_count(), PARK);
	CU_ASSERT_TRUE(world_end());
}

/* The end that was not used is opened anew. */
static void test_idle(void)
{
	start_parking(PARK);
	for (unsigned i = 0; i < PARK; i++)
		is_parked(i);
	world_pass(w->snap->idle_s * 1000ULL - 1);
	CU_ASSERT_EQUAL(parking_count(), PARK);
	world_pass(1);
	CU_ASSERT_EQUAL(parking(0)->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(parking_count(), 2 * PARK);
	CU_ASSERT_EQUAL(parking_open(), PARK);
	CU_ASSERT_TRUE(world_end());
}

/* --- the answer, whole or in parts; the message leaves in parts */
static void script_answer(void)
{
	struct sock *s;

	start_parking(1);
	s = is_parked(0);
	CU_ASSERT_EQUAL(w->stats->parked_opened, 1);
	CU_ASSERT_EQUAL(w->parkings[0].failed, 0);
	CU_ASSERT_EQUAL(s->out_len, check_park(s, world.wall));
	CU_ASSERT_TRUE(world_end());
}

static void test_answer(void)
{
	world_cuts(script_answer, CUTS);
}

/* --- what goes wrong */
enum way { REFUSED, SILENT, MUTE, ENDED, HALF, ERROR, GARBAGE, UNSENT, UNUSED, WAYS };

static void fails(struct sock *s, enum way way)
{
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	if (way == REFUSED)
		sock_refuse(s, ECONNREFUSED);
	if (way == UNSENT)
		world.fail.send = EPIPE;
	if (way != REFUSED && way != SILENT)
		sock_connected(s);
	if (way == HALF)
		sock_say(s, "\1\1", 2);
	if (way == ENDED || way == HALF)
		sock_fin(s);
	if (way == ERROR)
		sock_answer(s, CONVERT_E_RESOURCE);
	if (way == GARBAGE)
		sock_say(s, REPLY, strlen(REPLY));
	if (way == UNUSED) {
		sock_answer(s, -1);
		world_settle();
		sock_fin(s);
	}
	world_settle();
}

/* All that are open fail in that way, together. */
static void all_fail(enum way way)
{
	unsigned count = parking_count();

	for (unsigned i = count - PARK; i < count; i++)
		fails(parking(i), way);
	if (way == SILENT || way == MUTE) {
		CU_ASSERT_EQUAL(parking_open(), PARK);
		world_pass(w->snap->peer_s * 1000ULL - 1);
		CU_ASSERT_EQUAL(parking_open(), PARK);
		world_pass(1);
	}
	CU_ASSERT_EQUAL(parking_open(), 0);
}

/* The next are opened after so long, and not before. */
static void next_after(uint64_t ms)
{
	unsigned count = parking_count();

	CU_ASSERT_EQUAL(world.sleep, (int)ms);
	world_pass(ms - 1);
	CU_ASSERT_EQUAL(parking_count(), count);
	world_pass(1);
	CU_ASSERT_EQUAL(parking_count(), count + PARK);
}

static void test_failures(void)
{
	for (int way = 0; way < WAYS; way++) {
		start_parking(PARK);
		for (unsigned i = 0; i < MOST_PAUSE + 2; i++) {
			unsigned doubled = way == UNUSED ? 0 : i < MOST_PAUSE ? i : MOST_PAUSE;

			all_fail((enum way)way);
			next_after(1000U << doubled);
		}
		/* It is well again, and all is forgotten. */
		for (unsigned i = parking_count() - PARK; i < parking_count(); i++)
			is_parked(i);
		CU_ASSERT_EQUAL(parking_open(), PARK);
		for (unsigned i = parking_count() - PARK; i < parking_count(); i++)
			sock_fin(parking(i));
		world_settle();
		next_after(1000);
		CU_ASSERT_TRUE(world_end());
	}
}

/* One that fails does not cost those that are there. */
static void test_one_fails(void)
{
	struct sock *s;

	start_parking(PARK);
	s = is_parked(0);
	fails(parking(1), REFUSED);
	CU_ASSERT_EQUAL(s->end, OPEN);
	CU_ASSERT_EQUAL(parking_count(), PARK);
	world_pass(1000);
	CU_ASSERT_EQUAL(parking_count(), PARK + 1);
	is_parked(PARK);
	CU_ASSERT_EQUAL(parking_open(), PARK);
	CU_ASSERT_TRUE(world_end());
}

/* The peer's clock is ahead of ours, and it says so: the next goes by it. */
static void test_other_time(void)
{
	uint8_t clock[CONVERT_CLOCK_LEN], buf[CONVERT_MAX_LEN];
	const uint32_t ahead = 5000;
	struct convert_msg said;
	struct convert_writer wr;
	struct sock *s;
	int n;

	start_parking(1);
	s = says_park(0);
	CU_ASSERT_PTR_NOT_NULL(world_behind_request(s, &said));
	clock_make(&world.config.keys[0].key, &said.cookie, world.wall + ahead, clock);
	convert_begin(&wr, buf, sizeof(buf));
	convert_put_error(&wr, CONVERT_E_NOT_AUTHORIZED, "", 1);
	convert_put_clock(&wr, clock);
	n = convert_end(&wr);
	CU_ASSERT_TRUE_FATAL(n > 0);
	sock_say(s, buf, (size_t)n);
	world_settle();
	CU_ASSERT_EQUAL(s->end, CLOSED_BY_RESET);
	world_pass(1000);
	s = parking(1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	sock_connected(s);
	world_settle();
	check_park(s, world.wall + ahead);
	sock_answer(s, -1);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->parked_opened, 1);
	CU_ASSERT_TRUE(world_end());
}

/* --- how many */
/* Kept open, and not used yet. */
static unsigned kept(bool use)
{
	unsigned n = 0;

	for (unsigned i = 0; parking(i); i++) {
		struct sock *s = parking(i);

		if (s->end != OPEN || s->in_len > ANSWER_LEN)
			continue;
		n++;
		if (!use)
			continue;
		CU_ASSERT_TRUE(s->connected);
		sock_say(s, asks, request_by(0));
	}
	return n;
}

static void all_parked(void)
{
	for (unsigned i = 0; parking(i); i++)
		if (!parking(i)->connected)
			is_parked(i);
}

static void use_all(void)
{
	kept(true);
	world_settle();
	all_parked();
}

static void test_demand(void)
{
	start_parking(PARK);
	world.config.head.pending_per_client = 100;
	world_reload();
	all_parked();
	/* Now and then, as many are kept as the configuration says. */
	for (unsigned i = 0; i < 3; i++) {
		world_pass(1000);
		sock_say(parking(i), asks, request_by(0));
		world_settle();
		CU_ASSERT_EQUAL(kept(false), PARK);
		all_parked();
	}
	/* All at once, those that leave no more behind than the configuration says want one more each. */
	world_pass(1000);
	use_all(); /* the first comes after a rest */
	CU_ASSERT_EQUAL(kept(false), PARK + 1);
	use_all();
	CU_ASSERT_EQUAL(kept(false), 2 * (PARK + 1));
	use_all();
	CU_ASSERT_EQUAL(kept(false), 3 * (PARK + 1));
	CU_ASSERT_EQUAL(w->stats->back, 3 + PARK + 3 * (PARK + 1));
	/* Half of that is forgotten after a while, and all of it before those end that nobody used. */
	world_pass(30000);
	CU_ASSERT_EQUAL(kept(false), 3 * (PARK + 1));
	CU_ASSERT_EQUAL(demand_wanted(&w->parkings[0].demand, PARK, w->now), 3 * (PARK + 1) / 2);
	world_pass(w->snap->idle_s * 1000ULL);
	CU_ASSERT_EQUAL(kept(false), PARK);
	CU_ASSERT_TRUE(world_end());
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "at the start", test_start },
		{ "none can be opened now", test_shortage },
		{ "a reload", test_reload },
		{ "no more accepting", test_stop_accepting },
		{ "not used", test_idle },
		{ "the answer", test_answer },
		{ "it fails", test_failures },
		{ "one fails", test_one_fails },
		{ "the peer's time", test_other_time },
		{ "how many are kept", test_demand },
		CU_TEST_INFO_NULL,
	};

	return script_run("parking", tests);
}
