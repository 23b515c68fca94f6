// SPDX-License-Identifier: GPL-2.0-or-later
/* A hub whose peer's requests come in copies: one server connection, carried over the copy whose handshake is over
 * first. */
#include "hub_script.h"

#include <mpgated/worker/copy.h>
#include <mpgated/worker/request.h>

#include "world_inside.h"

static struct sock *first, *copy;

/* A request that may come in copies, from a peer of the world's. */
static void start_copies(void)
{
	struct conn c = { 0 };
	int n;

	start();
	c.request.tuple.saddr = world_addr(client);
	c.request.tuple.sport = htons(4000);
	c.request.tuple.daddr = world_addr(server);
	c.request.tuple.dport = htons(80);
	c.request.twice = true;
	n = request_build(w, &c, &world.config.peers[0], true, message, sizeof(message));
	CU_ASSERT_TRUE_FATAL(n > 0);
	length = (size_t)n;
	add_get();
}

static struct sock *call_from(const char *from, bool young)
{
	struct sock *s = world_caller(from, young, message, length);

	world_settle();
	return s;
}

/* Both have arrived, and one server is dialed. */
static void two_copies(void)
{
	start_copies();
	first = call_from("192.0.2.77", true);
	copy = call_from("192.0.2.78", true);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	CU_ASSERT_EQUAL(w->stats->copies, 1);
	CU_ASSERT_EQUAL(w->stats->replayed, 0);
}

/* The server has what was said, once, and the answer goes to that one; the other is reset. */
static void carried(struct sock *winner, struct sock *loser)
{
	struct sock *s = dialed();

	check_answer(winner, "");
	CU_ASSERT_EQUAL(loser->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(loser->out_len, 0);
	EQUAL_TEXT(s->out, GET);
	sock_say(s, REPLY, strlen(REPLY));
	world_settle();
	check_answer(winner, REPLY);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	sock_fin(s);
	sock_fin(winner);
	world_settle();
	CU_ASSERT_TRUE(world_end());
}

static void script_first(void)
{
	two_copies();
	sock_acks(first);
	world_settle();
	sock_connected(dialed());
	world_settle();
	sock_acks(copy);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->copies_taken, 0);
	carried(first, copy);
}

/* Before the server has answered, or after. */
static bool server_first;

static void script_copy(void)
{
	two_copies();
	if (server_first) {
		sock_connected(dialed());
		world_settle();
		CU_ASSERT_EQUAL(first->out_len, 0);
	}
	sock_acks(copy);
	world_settle();
	CU_ASSERT_EQUAL(first->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->copies_taken, 1);
	if (!server_first) {
		sock_connected(dialed());
		world_settle();
	}
	carried(copy, first);
}

/* A copy whose request came behind its handshake. */
static void script_behind(void)
{
	start_copies();
	first = call_from("192.0.2.77", true);
	copy = call_from("192.0.2.78", false);
	sock_connected(dialed());
	world_settle();
	carried(copy, first);
}

static void test_one_wins(void)
{
	each_family(script_first);
	each_family(script_behind);
	for (unsigned i = 0; i < 2; i++) {
		server_first = i;
		each_family(script_copy);
	}
}

/* The first one's path has a middlebox that resets it; the copy is there, or comes later. */
static void script_reset(void)
{
	start_copies();
	first = call_from("192.0.2.77", true);
	if (!server_first)
		copy = call_from("192.0.2.78", true);
	sock_refuse(first, ECONNRESET);
	world_settle();
	CU_ASSERT_EQUAL(dialed()->end, OPEN);
	if (server_first) {
		sock_connected(dialed());
		world_settle();
		copy = call_from("192.0.2.78", true);
	}
	CU_ASSERT_EQUAL(copy->end, OPEN);
	sock_acks(copy);
	world_settle();
	CU_ASSERT_EQUAL(w->stats->copies_taken, 1);
	if (!server_first) {
		sock_connected(dialed());
		world_settle();
	}
	CU_ASSERT_EQUAL(w->stats->client_gone, 0);
	carried(copy, first);
}

/* Nobody comes: the server is let go, and the client was gone. */
static void script_reset_alone(void)
{
	start_copies();
	first = call_from("192.0.2.77", true);
	sock_refuse(first, ECONNRESET);
	if (server_first)
		sock_connected(dialed());
	world_settle();
	CU_ASSERT_EQUAL(dialed()->end, OPEN);
	world_pass(2 * w->snap->header_s * 1000ULL);
	CU_ASSERT_EQUAL(dialed()->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->client_gone, 1);
	CU_ASSERT_TRUE(world_end());
}

static void test_reset(void)
{
	for (unsigned i = 0; i < 2; i++) {
		server_first = i;
		each_family(script_reset);
		each_family(script_reset_alone);
	}
}

/* What a server's refusal means is said over the copy, too. */
static void script_refused(void)
{
	two_copies();
	sock_refuse(dialed(), ECONNREFUSED);
	world_settle();
	CU_ASSERT_EQUAL(first->out_len, 0);
	sock_acks(copy);
	world_settle();
	CU_ASSERT_EQUAL(first->end, CLOSED_BY_RESET);
	check_error(copy, CONVERT_E_RESET, 0);
}

static void test_refused(void)
{
	each_family(script_refused);
}

/* Nobody's handshake is ever over: all of it ends. */
static void test_none_wins(void)
{
	two_copies();
	sock_connected(dialed());
	world_settle();
	world_pass(w->snap->connect_s * 1000ULL + w->snap->header_s * 1000ULL);
	CU_ASSERT_EQUAL(first->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(copy->end, CLOSED_BY_RESET);
	CU_ASSERT_TRUE(world_end());
}

/* Late: the first is settled, or the request long over; another nonce is used once, as ever. */
static void test_late(void)
{
	start_copies();
	first = call_from("192.0.2.77", false);
	copy = call_from("192.0.2.78", false);
	CU_ASSERT_EQUAL(copy->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->replayed, 0);
	world_pass((CONVERT_COPY_SECONDS + 1) * 1000);
	copy = call_from("192.0.2.79", false);
	CU_ASSERT_EQUAL(copy->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->replayed, 1);
	CU_ASSERT_EQUAL(world_dialed_count(), 1);
	CU_ASSERT_TRUE(world_end());

	start();
	first = call_from("192.0.2.77", true);
	copy = call_from("192.0.2.78", true);
	CU_ASSERT_EQUAL(copy->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(w->stats->replayed, 1);
	CU_ASSERT_TRUE(world_end());
}

/* Of a copy that brought more or less than the first, what comes next is not known. */
static void test_other_bytes(void)
{
	start_copies();
	first = call_from("192.0.2.77", true);
	length--;
	copy = call_from("192.0.2.78", false);
	CU_ASSERT_EQUAL(copy->end, CLOSED_BY_RESET);
	CU_ASSERT_EQUAL(first->end, OPEN);
	sock_acks(first);
	sock_connected(dialed());
	world_settle();
	carried(first, copy);
}

/* A copy of what another worker has goes there, when its handshake is over. */
static void test_other_worker(void)
{
	struct message m = { 0 };

	start_copies();
	w->index = 3;
	first = call_from("192.0.2.77", true);
	w->index = 0;
	copy = call_from("192.0.2.78", true);
	CU_ASSERT_FALSE(was_told(MSG_COPY));
	sock_acks(copy);
	world_settle();
	CU_ASSERT_TRUE_FATAL(was_told(MSG_COPY));
	m = world.told[(world.told_count - 1) % WORLD_MESSAGES];
	CU_ASSERT_EQUAL(m.slot, 3);
	CU_ASSERT_EQUAL(m.value, strlen(GET));
	CU_ASSERT_EQUAL(copy->end, CLOSED_IN_ORDER); /* here */
	/* There. */
	sock_connected(dialed());
	for (unsigned i = 0; i < 2; i++) {
		int fd = sock_new(false);

		sock_live(fd)->mptcp = sock_live(fd)->connected = true;
		CU_ASSERT_EQUAL(copy_arrives(w, &m, fd), -1);
		world_settle();
		if (i) {
			CU_ASSERT_EQUAL(sock_of(fd)->end, CLOSED_BY_RESET);
			break;
		}
		check_answer(sock_live(fd), "");
		CU_ASSERT_EQUAL(first->end, CLOSED_BY_RESET);
	}
	CU_ASSERT_EQUAL(w->stats->copies_taken, 1);
	CU_ASSERT_TRUE(world_end());
}

/* Where the supervisor's socket takes none, the first goes on. */
static void test_not_told(void)
{
	start_copies();
	w->index = 3;
	first = call_from("192.0.2.77", true);
	w->index = 0;
	copy = call_from("192.0.2.78", true);
	world.fail.tell = EAGAIN;
	sock_acks(copy);
	world_settle();
	CU_ASSERT_EQUAL(copy->end, CLOSED_BY_RESET);
	sock_acks(first);
	sock_connected(dialed());
	world_settle();
	carried(first, copy);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "one wins", test_one_wins },
		{ "the server refuses", test_refused },
		{ "none wins", test_none_wins },
		{ "late", test_late },
		{ "other bytes", test_other_bytes },
		{ "another worker's", test_other_worker },
		{ "not told", test_not_told },
		{ "the first is reset", test_reset },
		CU_TEST_INFO_NULL,
	};

	return script_run("copy", tests);
}
