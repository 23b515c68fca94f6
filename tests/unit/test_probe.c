// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/probe.c user/mpgated/supervisor/health.c user/mpgated/ipc/clock.c tests/unit/loop.c
// SOURCES: tests/unit/probe_script.c
/* One probe of a peer, over sockets whose other side the test plays: what is said, what each answer means, how it ends.
 */
#include <errno.h>
#include <string.h>

#include <lib/log.h>

#include "cunit.h"
#include "loop.h"
#include "probe_script.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_request(void)
{
	struct convert_cookie first, second;

	play_new();
	CU_ASSERT_EQUAL_FATAL(play_probe(0), 0);
	CU_ASSERT_EQUAL_FATAL(play_probe(1), 0);
	CU_ASSERT_EQUAL(play.s.probes, 2);
	for (unsigned i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL(play.socks[i].family, i ? AF_INET6 : AF_INET);
		CU_ASSERT_EQUAL(memcmp(&play.socks[i].to, &play.p.address[i], sizeof(play.p.address[i])), 0);
		CU_ASSERT_EQUAL(
			memcmp(&play.socks[i].from, &play.p.health.way[i].path.from, sizeof(play.socks[i].from)), 0);
		CU_ASSERT_EQUAL(play.socks[i].port, htons(8803));
		CU_ASSERT_TRUE(play.socks[i].syn_data);
		CU_ASSERT_EQUAL(loop_watched(FIRST_FD + (int)i), UV_READABLE);
	}
	CU_ASSERT_TRUE(sock_request(&play.socks[0], &first));
	CU_ASSERT_TRUE(sock_request(&play.socks[1], &second));
	CU_ASSERT_EQUAL(ntohl(first.timestamp), NOW);
	CU_ASSERT_NOT_EQUAL(memcmp(first.nonce, second.nonce, sizeof(first.nonce)), 0);
	play.socks[1].fin = true;
	CU_ASSERT_TRUE(loop_ready(FIRST_FD + 1, 0, UV_READABLE));
	CU_ASSERT_EQUAL(play.ended.count, 1);
	CU_ASSERT_EQUAL(play.ended.address, 1);
	CU_ASSERT_TRUE(play.ended.path.v6);
	CU_ASSERT_STRING_EQUAL(play.ended.path.name, "wan0");
	CU_ASSERT_PTR_NOT_NULL(play.p.probes);
	CU_ASSERT_TRUE(play_end());
	CU_ASSERT_EQUAL(play.ended.count, 1);
}

/* Without a key there is nothing to sign with. */
static void test_request_without_key(void)
{
	struct convert_fault fault;
	struct convert_msg m;

	play_new();
	play.p.keyed = false;
	CU_ASSERT_EQUAL_FATAL(play_probe(0), 0);
	CU_ASSERT_EQUAL(convert_parse(CONVERT_CONVERTER, true, play.socks[0].out, play.socks[0].out_len, &m, &fault),
			CONVERT_OK);
	CU_ASSERT_EQUAL(m.has, CONVERT_HAS_INFO);
	CU_ASSERT_TRUE(play_end());
}

/* What an answer says, of SYN data and of MPTCP. */
static void test_findings(void)
{
	static const struct {
		size_t syn_room;
		bool has_no; /* the way took no SYN data before, so it is not tried */
		bool acked, plain;
		unsigned again;
		struct health_result found;
	} cases[] = {
		{ SIZE_MAX, false, true, false, 0, { .syn_data = SYN_DATA_YES, .plain_known = true } },
		{ SIZE_MAX, false, true, true, 0, { .syn_data = SYN_DATA_NO, .plain_known = true, .plain = true } },
		{ SIZE_MAX, false, true, true, 1, { .plain_known = true, .plain = true, .unsure = true } },
		{ SIZE_MAX, false, true, false, 3, { .syn_data = SYN_DATA_YES, .plain_known = true } },
		/* Not acknowledged it was sent again, in plain TCP; that the path has no MPTCP does not follow. */
		{ SIZE_MAX, false, false, true, 1, { .syn_data = SYN_DATA_NO, .plain = true } },
		{ SIZE_MAX, false, false, true, 2, { .syn_data = SYN_DATA_NO, .plain = true, .unsure = true } },
		{ 1, false, false, false, 0, { .syn_data = SYN_DATA_NO } }, /* the kernel took nothing of it */
		{ 0, false, false, false, 0, { .syn_data = SYN_DATA_NO, .plain_known = true } },
		{ 0, false, false, true, 0, { .syn_data = SYN_DATA_NO, .plain_known = true, .plain = true } },
		{ 0, false, false, false, 1, { .syn_data = SYN_DATA_NO, .plain_known = true, .unsure = true } },
		{ SIZE_MAX, true, true, false, 1, { .plain_known = true, .unsure = true } },
		{ SIZE_MAX, true, false, true, 0, { .plain_known = true, .plain = true } },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		const struct health_result *f = &cases[i].found;
		uint8_t buf[CONVERT_MAX_LEN];

		play_new();
		play.syn_room = cases[i].syn_room;
		play.p.health.way[0].syn_data = cases[i].has_no ? SYN_DATA_NO : SYN_DATA_UNKNOWN;
		play.p.health.way[0].probes = cases[i].has_no;
		CU_ASSERT_EQUAL_FATAL(play_probe(0), 0);
		CU_ASSERT_EQUAL(play.socks[0].syn_data, play.syn_room && !cases[i].has_no);
		if (!play.socks[0].out_len) {
			CU_ASSERT_EQUAL(loop_watched(FIRST_FD), UV_WRITABLE);
			CU_ASSERT_TRUE(loop_ready(FIRST_FD, 0, UV_WRITABLE));
			CU_ASSERT_EQUAL(loop_watched(FIRST_FD), UV_READABLE);
		}
		play.socks[0].acked = cases[i].acked;
		play.socks[0].plain = cases[i].plain;
		play.socks[0].again = cases[i].again;
		sock_says(&play.socks[0], buf, sock_answer(&play.socks[0], SUPPORTED, buf));
		CU_ASSERT_EQUAL(play.ended.count, 1);
		CU_ASSERT_PTR_NULL(play.ended.r.error);
		CU_ASSERT_EQUAL(play.ended.r.syn_data, f->syn_data);
		CU_ASSERT_EQUAL(play.ended.r.plain, f->plain);
		CU_ASSERT_EQUAL(play.ended.r.plain_known, f->plain_known);
		CU_ASSERT_EQUAL(play.ended.r.unsure, f->unsure);
		CU_ASSERT_EQUAL(play.ended.r.rtt_us, 20000);
		CU_ASSERT_TRUE(play_end());
	}
}

static void test_answers(void)
{
	static const struct {
		enum answer answer;
		const char *error;
		enum trouble trouble;
	} cases[] = {
		{ SUPPORTED, "", TROUBLE_OTHER },
		{ JOINS, "", TROUBLE_OTHER },
		{ WANTS_COOKIE, "", TROUBLE_OTHER },
		{ STALE, "", TROUBLE_OTHER },
		{ REFUSED, "it says: not authorized: it has another key", TROUBLE_KEY },
		{ STALE_FORGED, "it says: not authorized: it has another key", TROUBLE_KEY },
		{ FULL, "it says: resource exceeded", TROUBLE_OTHER },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		uint8_t buf[CONVERT_MAX_LEN];
		struct sock *k = play_start();

		sock_says(k, buf, sock_answer(k, cases[i].answer, buf));
		CU_ASSERT_EQUAL(play.ended.count, 1);
		CU_ASSERT_STRING_EQUAL(play.ended.error, cases[i].error);
		CU_ASSERT_EQUAL(play.ended.r.trouble, cases[i].trouble);
		CU_ASSERT_EQUAL(play.ended.r.joins, cases[i].answer == JOINS);
		CU_ASSERT_EQUAL(play.ended.r.joins_known, cases[i].answer <= JOINS);
		CU_ASSERT_EQUAL(play.s.shm->peers[1].clock, cases[i].answer == STALE ? 500 : 0);
		CU_ASSERT_TRUE(play_end());
	}
}

/* From then on cookies go by the peer's clock. */
static void test_time_of_the_peer(void)
{
	uint8_t buf[CONVERT_MAX_LEN];
	struct convert_cookie cookie;
	struct sock *k = play_start();

	sock_says(k, buf, sock_answer(k, STALE, buf));
	play.wall += 10;
	CU_ASSERT_EQUAL_FATAL(play_probe(0), 0);
	CU_ASSERT_TRUE(sock_request(&play.socks[1], &cookie));
	CU_ASSERT_EQUAL(ntohl(cookie.timestamp), NOW + 510);
	CU_ASSERT_TRUE(play_end());
	/* Who has no key with us tells no time. */
	k = play_start();
	play.p.keyed = false;
	sock_says(k, buf, sock_answer(k, STALE, buf));
	CU_ASSERT_EQUAL(play.s.shm->peers[1].clock, 0);
	CU_ASSERT_STRING_EQUAL(play.ended.error, "it says: not authorized: it has another key");
	CU_ASSERT_TRUE(play_end());
}

/* A peer of the RFC's dialect knows no Clock: a message with one is none. */
static void test_dialect(void)
{
	uint8_t buf[CONVERT_MAX_LEN];
	struct sock *k = play_start();

	play.p.private_tlvs = false;
	sock_says(k, buf, sock_answer(k, STALE, buf));
	CU_ASSERT_STRING_EQUAL(play.ended.error, "its answer is no Convert message");
	CU_ASSERT_TRUE(play_end());
}

static void test_no_answer(void)
{
	static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	struct sock *k = play_start();

	sock_says(k, http, sizeof(http) - 1);
	CU_ASSERT_STRING_EQUAL(play.ended.error, "its answer is no Convert message");
	CU_ASSERT_EQUAL(play.ended.r.trouble, TROUBLE_NO_CONVERTER);
	CU_ASSERT_TRUE(play_end());

	k = play_start();
	k->fin = true;
	CU_ASSERT_TRUE(loop_ready(FIRST_FD, 0, UV_READABLE));
	CU_ASSERT_STRING_EQUAL(play.ended.error, "it ended the connection without an answer");
	CU_ASSERT_TRUE(play_end());

	k = play_start();
	k->broken = ECONNRESET;
	CU_ASSERT_TRUE(loop_ready(FIRST_FD, 0, UV_READABLE));
	CU_ASSERT_STRING_EQUAL(play.ended.error, strerror(ECONNRESET));
	CU_ASSERT_TRUE(play_end());

	/* poll reports all errors as one; the socket knows which. */
	k = play_start();
	k->error = ECONNREFUSED;
	CU_ASSERT_TRUE(loop_ready(FIRST_FD, UV_EBADF, 0));
	CU_ASSERT_STRING_EQUAL(play.ended.error, strerror(ECONNREFUSED));
	CU_ASSERT_EQUAL(play.ended.r.trouble, TROUBLE_REFUSED);
	CU_ASSERT_TRUE(play_end());

	play_start();
	CU_ASSERT_TRUE(loop_ready(FIRST_FD, UV_EBADF, 0));
	CU_ASSERT_STRING_EQUAL(play.ended.error, strerror(EBADF));
	CU_ASSERT_EQUAL(play.ended.count, 1);
	CU_ASSERT_TRUE(play_end());
}

/* In two parts, at every byte: then the rest, the end, or nothing. */
static void test_cuts(void)
{
	static const enum answer answers[] = { SUPPORTED, WANTS_COOKIE, STALE, REFUSED };
	enum { REST, END, NOTHING, HOW_MANY };

	for (unsigned i = 0; i < COUNT(answers) * HOW_MANY; i++) {
		size_t len = 2;

		for (size_t at = 1; at < len; at++) {
			uint8_t buf[CONVERT_MAX_LEN];
			struct sock *k = play_start();
			bool good = answers[i / HOW_MANY] != REFUSED;

			len = sock_answer(k, answers[i / HOW_MANY], buf);
			sock_says(k, buf, at);
			CU_ASSERT_EQUAL(play.ended.count, 0);
			if (i % HOW_MANY == REST) {
				sock_says(k, buf + at, len - at);
				CU_ASSERT_EQUAL(!play.ended.r.error, good);
			} else if (i % HOW_MANY == END) {
				k->fin = true;
				loop_ready(FIRST_FD, 0, UV_READABLE);
				CU_ASSERT_STRING_EQUAL(play.ended.error, "it ended the connection without an answer");
			} else {
				loop_pass(PATIENCE);
				CU_ASSERT_STRING_EQUAL(play.ended.error, strerror(ETIMEDOUT));
			}
			CU_ASSERT_EQUAL(play.ended.count, 1);
			CU_ASSERT_TRUE(play_end());
		}
	}
}

static void test_time_out(void)
{
	uint8_t buf[CONVERT_MAX_LEN];
	struct sock *k = play_start();

	loop_pass(PATIENCE - 1);
	CU_ASSERT_EQUAL(play.ended.count, 0);
	loop_pass(1);
	CU_ASSERT_EQUAL(play.ended.count, 1);
	CU_ASSERT_STRING_EQUAL(play.ended.error, strerror(ETIMEDOUT));
	CU_ASSERT_TRUE(play_end());

	/* It came while this process was held up: timers are first in a turn of the loop. */
	k = play_start();
	k->in_len = sock_answer(k, SUPPORTED, k->in);
	loop_busy(2 * PATIENCE);
	loop_pass(0);
	CU_ASSERT_EQUAL(play.ended.count, 1);
	CU_ASSERT_STRING_EQUAL(play.ended.error, "");
	CU_ASSERT_TRUE(play_end());

	/* The connection stands meanwhile, and the peer waits for us: the time begins anew. */
	play_new();
	play.syn_room = 0;
	CU_ASSERT_EQUAL_FATAL(play_probe(0), 0);
	loop_busy(2 * PATIENCE);
	loop_pass(0);
	CU_ASSERT_EQUAL(play.ended.count, 0);
	CU_ASSERT_TRUE(loop_ready(FIRST_FD, 0, UV_WRITABLE));
	CU_ASSERT_TRUE(play.socks[0].out_len > 0);
	loop_pass(PATIENCE - 1);
	CU_ASSERT_EQUAL(play.ended.count, 0);
	loop_pass(1);
	CU_ASSERT_EQUAL(play.ended.count, 1);
	CU_ASSERT_STRING_EQUAL(play.ended.error, "it took the connection, and does not answer");
	CU_ASSERT_TRUE(play_end());

	k = play_start();
	k->in_len = sock_answer(k, REFUSED, buf);
	memcpy(k->in, buf, k->in_len);
	loop_pass(PATIENCE);
	CU_ASSERT_EQUAL(play.ended.count, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(play.ended.error, "not authorized"));
	CU_ASSERT_TRUE(play_end());

	/* The handshake is not over: nothing is asked of that socket. */
	play_new();
	play.syn_room = 0;
	CU_ASSERT_EQUAL_FATAL(play_probe(0), 0);
	play.socks[0].broken = ENOTCONN;
	loop_pass(PATIENCE);
	CU_ASSERT_EQUAL(play.ended.count, 1);
	CU_ASSERT_STRING_EQUAL(play.ended.error, strerror(ETIMEDOUT));
	CU_ASSERT_TRUE(play_end());
}

/* A queue on the path, whose round trip is 4 s, and what fills it: carries, of the peer's other address. */
static void fill_path(uint64_t carries)
{
	play.sample.rtt_us = 4000000;
	play.subflow.remote = play.p.address[1];
	play.subflow.received += carries;
}

static void test_full_path(void)
{
	play_start();
	for (unsigned i = 0; i < 4; i++) {
		fill_path(1000);
		loop_pass(PATIENCE);
		CU_ASSERT_EQUAL(play.ended.count, 0);
	}
	/* Nothing any more. */
	loop_pass(PATIENCE);
	CU_ASSERT_EQUAL(play.ended.count, 1);
	CU_ASSERT_STRING_EQUAL(play.ended.error, strerror(ETIMEDOUT));
	CU_ASSERT_TRUE(play_end());

	/* For 8 of its round trips, and no longer. */
	play_start();
	for (unsigned i = 0; i < 16; i++) {
		CU_ASSERT_EQUAL(play.ended.count, 0);
		fill_path(1000);
		loop_pass(PATIENCE);
	}
	CU_ASSERT_EQUAL(play.ended.count, 1);
	CU_ASSERT_TRUE(play_end());

	/* What is carried is another peer's; or there is no queue. */
	for (unsigned i = 0; i < 2; i++) {
		play_start();
		fill_path(1000);
		if (i)
			play.sample.rtt_us = 20000;
		else
			addr_parse("192.0.2.99", &play.subflow.remote);
		loop_pass(PATIENCE);
		CU_ASSERT_EQUAL(play.ended.count, 1);
		CU_ASSERT_TRUE(play_end());
	}

	/* The peer has no more patience. A refusal is one. */
	for (unsigned i = 0; i < 2; i++) {
		struct sock *k = play_start();

		fill_path(1000);
		k->error = k->broken = i ? ECONNREFUSED : ECONNRESET;
		loop_ready(FIRST_FD, 0, UV_READABLE);
		CU_ASSERT_EQUAL(play.ended.count, 1);
		CU_ASSERT_EQUAL(play.ended.r.waited, !i);
		CU_ASSERT_TRUE(play_end());
	}
}

/* The descriptor is closed when the loop has let go of it, and counts until then. */
static void test_cancel(void)
{
	struct sock *k = play_start();

	CU_ASSERT_EQUAL_FATAL(play_probe(1), 0);
	probe_cancel(&play.p);
	CU_ASSERT_PTR_NULL(play.p.probes);
	CU_ASSERT_TRUE(k->open);
	CU_ASSERT_EQUAL(play.s.probes, 2);
	CU_ASSERT_FALSE(loop_ready(FIRST_FD, 0, UV_READABLE));
	memset(&play.p, 0xff, sizeof(play.p)); /* the slot may be another one's by then */
	loop_pass(PATIENCE);
	CU_ASSERT_FALSE(k->open);
	CU_ASSERT_FALSE(play.socks[1].open);
	CU_ASSERT_EQUAL(play.s.probes, 0);
	CU_ASSERT_EQUAL(play.ended.count, 0);
	memset(&play.p, 0, sizeof(play.p));
	CU_ASSERT_TRUE(play_end());
}

static void test_failing_calls(void)
{
	static const int way_of[] = { EMFILE, EADDRNOTAVAIL, ENETUNREACH, ENOSPC };

	for (unsigned i = 0; i < COUNT(way_of); i++)
		for (unsigned syn = 0; syn < 2; syn++) {
			play_new();
			play.syn_room = syn ? SIZE_MAX : 0;
			play.fail.socket = i == 0 ? way_of[i] : 0;
			play.fail.bind = i == 1 ? way_of[i] : 0;
			play.fail.dial = i == 2 ? way_of[i] : 0;
			loop_refuse(i == 3 ? UV_ENOSPC : 0);
			CU_ASSERT_EQUAL(play_probe(0), -way_of[i]);
			CU_ASSERT_EQUAL(play.s.probes, 0);
			CU_ASSERT_EQUAL(loop_handles(), 0);
			CU_ASSERT_TRUE(play_end());
			CU_ASSERT_EQUAL(play.ended.count, 0);
		}
}

/* The connection stands, and does not take the message, or a part of it only. */
static void test_failing_send(void)
{
	for (unsigned i = 0; i < 2; i++) {
		play_new();
		play.syn_room = 0;
		CU_ASSERT_EQUAL_FATAL(play_probe(0), 0);
		play.fail.send = i ? EPIPE : 0;
		play.send_room = 10;
		CU_ASSERT_TRUE(loop_ready(FIRST_FD, 0, UV_WRITABLE));
		CU_ASSERT_EQUAL(play.ended.count, 1);
		CU_ASSERT_STRING_EQUAL(play.ended.error, strerror(i ? EPIPE : ENOBUFS));
		CU_ASSERT_TRUE(play_end());
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "what is said, and where to", test_request },
		{ "to a peer without a key", test_request_without_key },
		{ "SYN data and MPTCP", test_findings },
		{ "answers", test_answers },
		{ "the peer's time", test_time_of_the_peer },
		{ "a peer without private TLVs", test_dialect },
		{ "no answer", test_no_answer },
		{ "answers cut at every byte", test_cuts },
		{ "time-out", test_time_out },
		{ "a path that is full", test_full_path },
		{ "cancelled", test_cancel },
		{ "calls that fail", test_failing_calls },
		{ "a message that is not taken", test_failing_send },
		CU_TEST_INFO_NULL,
	};

	log_setup("test", LOG_LEVEL_ERROR);
	return cunit_run("probes", tests, NULL, NULL) ? 0 : 1;
}
