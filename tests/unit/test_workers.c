// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/workers.c user/mpgated/supervisor/child.c user/mpgated/supervisor/watch.c
// SOURCES: user/mpgated/supervisor/reports.c user/mpgated/supervisor/flows.c user/mpgated/supervisor/listen.c
// SOURCES: user/mpgated/ipc/message.c user/mpgated/ipc/shared.c tests/unit/workers_script.c tests/unit/loop.c
/* The supervisor and its workers: listeners, what a worker starts with, messages both ways, its end, and the stop. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/supervisor/reports.h>

#include "cunit.h"
#include "loop.h"
#include "workers_script.h"

#define TERM_WAIT_MS 15000

static const struct message full = { .type = MSG_FULL, .value = 1 }, not_full = { .type = MSG_FULL };

/* Workers that run. */
static void start(void)
{
	struct worker_start m;
	off_t size[PACKET_FDS];

	crew_new();
	CU_ASSERT_EQUAL_FATAL(crew_start(), 0);
	/* A worker that could cut it short would end us with SIGBUS. */
	CU_ASSERT_EQUAL(fcntl(crew.s.shm_fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	for (unsigned i = 0; i < CREW; i++)
		crew_take_start(i, &m, size);
}

/* Seconds pass. Workers that are not told to be silent answer each ping. */
static void pass(unsigned seconds, int silent)
{
	for (unsigned k = 0; k < seconds; k++) {
		loop_pass(WATCH_PERIOD_MS);
		for (unsigned i = 0; i < CREW; i++) {
			struct message m;
			off_t size;

			while (crew.proc[i].socket >= 0 && crew_hears(i, &m, &size))
				if ((int)i != silent && m.type == MSG_PING)
					crew.s.shm->workers[i].beat = (uint32_t)m.value;
		}
	}
}

/* What a worker is given, in the order that worker/start.c takes it in. */
static void test_start(void)
{
	for (unsigned synack = 0; synack < 2; synack++) {
		struct worker_start m;
		off_t size[PACKET_FDS];
		unsigned at = 0;

		crew_new();
		crew.s.synack = synack;
		crew.cfg.convert.listening = true;
		crew.cfg.convert.listen_count = 1;
		crew.s.cgroup_fd = 99;
		CU_ASSERT_EQUAL_FATAL(crew_start(), 0);
		CU_ASSERT_EQUAL(crew.in_cgroup, FIRST_PID + 1);
		CU_ASSERT_TRUE(crew.steer[1].alive);
		CU_ASSERT_EQUAL(crew.steer[1].port, crew_worker(1)->port);
		CU_ASSERT_EQUAL(crew_take_start(1, &m, size), 7 + synack);
		CU_ASSERT_EQUAL(m.index, 1);
		CU_ASSERT_EQUAL(m.listeners, 3);
		CU_ASSERT_EQUAL(m.convert, 4);
		CU_ASSERT_EQUAL(m.synack, synack);
		CU_ASSERT_EQUAL(m.steer_port, crew_worker(1)->port);
		CU_ASSERT_EQUAL(size[at++], (off_t)shared_size(1));
		CU_ASSERT_EQUAL(size[at++], SIZE_SNAPSHOT);
		CU_ASSERT_EQUAL(size[at++], SIZE_FLOWS);
		CU_ASSERT_EQUAL(size[at++], SIZE_CLIENTS);
		if (synack)
			CU_ASSERT_EQUAL(size[at++], SIZE_SYNACK);
		for (unsigned i = 0; i < 3; i++)
			CU_ASSERT_EQUAL(size[at++], SIZE_LISTENERS + 3 + (off_t)i);
		CU_ASSERT_TRUE(crew_end());
		CU_ASSERT_FALSE(crew.steer[1].alive);
	}
	crew_new();
	crew.start_fails = EAGAIN;
	CU_ASSERT_EQUAL(crew_start(), -EAGAIN);
	CU_ASSERT_EQUAL(crew.started, 0);
	CU_ASSERT_TRUE(crew_end());
}

/* Where SYNs can be held each process has a ring of its own, or it does not start: nobody would read it. */
static void test_rings(void)
{
	struct worker_start m;
	off_t size[PACKET_FDS];

	crew_new();
	crew.holds = true;
	CU_ASSERT_EQUAL_FATAL(crew_start(), 0);
	for (unsigned i = 0; i < CREW; i++) {
		CU_ASSERT_EQUAL(crew_take_start(i, &m, size), 4 + 2 + crew_worker(i)->listener_count);
		CU_ASSERT_EQUAL(m.holds, 1);
		CU_ASSERT_EQUAL(size[4], SIZE_RING + (off_t)i);
		CU_ASSERT_EQUAL(size[5], SIZE_HOLD);
	}
	crew_ends(0, SIGKILL);
	loop_pass(1000);
	crew_take_start(0, &m, size);
	CU_ASSERT_EQUAL(size[4], SIZE_RING + (off_t)CREW);
	CU_ASSERT_TRUE(crew.steer[0].alive);
	crew.ring_fails = ENOMEM;
	crew_ends(0, SIGKILL);
	loop_pass(5000);
	CU_ASSERT_FALSE(crew.steer[0].alive);
	CU_ASSERT_TRUE(crew_end());
}

/* How many SYNs steer gives to a worker before SYN cookies may be in use. */
static void test_backlog(void)
{
	static const struct {
		int cookies, somaxconn;
		unsigned backlog;
	} cases[] = {
		{ 1, 128, 128 }, { 1, 4096, 4096 }, { 0, 70000, 4096 }, { 1, -1, 4096 }, { -1, 5, 5 }, { 2, 5, 0 }
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		crew_new();
		crew.syncookies = cases[i].cookies;
		crew.somaxconn = cases[i].somaxconn;
		CU_ASSERT_EQUAL(crew_start(), 0);
		CU_ASSERT_EQUAL(crew.backlog, cases[i].backlog);
		CU_ASSERT_TRUE(crew_end());
	}
}

static void test_reports(void)
{
	struct message m = { .type = MSG_PROVED };
	unsigned told;

	start();
	crew_says(0, &(struct message){ .type = MSG_PEER_FAILED, .slot = 2, .value = ETIMEDOUT }, -1);
	CU_ASSERT_STRING_EQUAL(crew.noted, strerror(ETIMEDOUT));
	CU_ASSERT_EQUAL(crew.trouble, TROUBLE_SILENT);
	crew_says(1,
		  &(struct message){ .type = MSG_PEER_REFUSED,
				     .slot = 3,
				     .value = CONVERT_E_NOT_AUTHORIZED | CONVERT_REFUSED_SOURCE << REFUSAL_SHIFT },
		  -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(crew.noted, "allow-source"));
	CU_ASSERT_EQUAL(crew.trouble, TROUBLE_SOURCE);
	CU_ASSERT_EQUAL(crew.suspected[2], 1);
	CU_ASSERT_EQUAL(crew.suspected[3], 1);
	CU_ASSERT_EQUAL(crew.slow, 0);
	crew_says(1, &(struct message){ .type = MSG_PEER_SLOW, .slot = 3 }, -1);
	CU_ASSERT_EQUAL(crew.suspected[3], 2);
	CU_ASSERT_EQUAL(crew.slow, 1);
	crew_says(0, &(struct message){ .type = MSG_PARKED, .slot = 1 }, -1);
	CU_ASSERT_EQUAL(crew.parked[1], 1);
	addr_parse("192.0.2.77", &m.source);
	crew_says(0, &m, -1);
	CU_ASSERT_EQUAL(crew.proved, 1);
	crew_says(
		0,
		&(struct message){
			.type = MSG_JOIN, .slot = 8803, .more = 1, .token = 99, .source = m.source, .other = m.source },
		-1);
	CU_ASSERT(crew.join.token == 99 && crew.join.port == 8803 && crew.join.announced && !crew.join.note);
	CU_ASSERT(!memcmp(&crew.join.local, &m.source, 16) && !memcmp(&crew.join.remote, &m.source, 16));
	m.type = MSG_BREAKS;
	m.value = 443;
	crew_says(0, &m, -1);
	CU_ASSERT_TRUE(crew.broken_port == 443 && crew.breaks);
	m.type = MSG_SPEAKS;
	crew_says(0, &m, -1);
	CU_ASSERT_FALSE(crew.breaks);
	CU_ASSERT_EQUAL(memcmp(&crew.broken, &m.source, sizeof(m.source)), 0);
	CU_ASSERT_EQUAL(memcmp(&crew.source, &m.source, sizeof(m.source)), 0);

	crew_says(1, &full, -1);
	CU_ASSERT_FALSE(crew.steer[1].alive);
	CU_ASSERT_TRUE(crew.steer[0].alive);
	told = crew.steer[1].told;
	crew_says(1, &full, -1);
	CU_ASSERT_EQUAL(crew.steer[1].told, told);
	crew_says(1, &not_full, -1);
	CU_ASSERT_TRUE(crew.steer[1].alive);
	CU_ASSERT_EQUAL(crew.proc[0].killed + crew.proc[1].killed, 0);

	/* Who lies is killed, and heard no more. */
	crew_says(0, &(struct message){ .type = MSG_PEER_FAILED, .slot = 4 }, -1);
	CU_ASSERT_EQUAL(crew.proc[0].killed, 1);
	CU_ASSERT_EQUAL(loop_watched(crew_worker(0)->child.socket), 0);
	CU_ASSERT_TRUE(crew_end());
}

/* So many in a second; the rest waits in the worker's own socket. */
static void test_flood(void)
{
	const struct message failed = { .type = MSG_PEER_FAILED, .slot = 0, .value = ETIMEDOUT };

	start();
	for (unsigned i = 0; i < 2 * REPORTS_MAX; i++) {
		CU_ASSERT_EQUAL(message_send(crew.proc[0].socket, &failed, -1), 0);
		loop_ready(crew_worker(0)->child.socket, 0, UV_READABLE);
		if (crew.suspected[0] == REPORTS_MAX)
			break;
	}
	CU_ASSERT_EQUAL(crew.suspected[0], REPORTS_MAX);
	crew_says(0, &failed, -1);
	CU_ASSERT_EQUAL(crew.suspected[0], REPORTS_MAX);
	CU_ASSERT_EQUAL(loop_watched(crew_worker(0)->child.socket), 0);
	CU_ASSERT_EQUAL(loop_watched(crew_worker(1)->child.socket), UV_READABLE);
	pass(1, -1);
	CU_ASSERT_TRUE(loop_ready(crew_worker(0)->child.socket, 0, UV_READABLE));
	CU_ASSERT_EQUAL(crew.suspected[0], REPORTS_MAX + 1);
	CU_ASSERT_EQUAL(crew.proc[0].killed, 0);
	CU_ASSERT_TRUE(crew_end());
}

static unsigned lists, flows_listed;

static void listed(void *arg)
{
	const struct supervisor *s = arg;

	lists++;
	flows_listed = 0;
	for (unsigned i = 0; i < s->worker_count; i++)
		flows_listed += s->workers[i].flow_count;
}

static void test_flows(void)
{
	static const struct flows_wanted wanted = { 0 };
	struct message question, answer = { .type = MSG_FLOWS, .value = 2 };
	int good, bad;
	off_t size;

	start();
	good = sized_fd(2 * sizeof(struct flow_record));
	bad = sized_fd(5);
	lists = 0;
	CU_ASSERT_EQUAL(flows_ask(&crew.s, &wanted, listed, &crew.s), 0);
	CU_ASSERT_TRUE(crew_hears(0, &question, &size));
	CU_ASSERT_EQUAL(question.type, MSG_FLOWS);
	answer.slot = question.slot;
	crew_says(0, &answer, good);
	CU_ASSERT_FALSE(crew_worker(0)->asked);
	crew_says(0, &(struct message){ .type = MSG_FLOWS, .slot = question.slot }, -1); /* nobody asked again */
	CU_ASSERT_EQUAL(crew_worker(0)->flow_count, 2);
	answer.slot = question.slot - 1; /* late */
	crew_says(1, &answer, good);
	CU_ASSERT_TRUE(crew_worker(1)->asked);
	CU_ASSERT_EQUAL(crew.proc[1].killed, 0);
	answer.slot = question.slot;
	crew_says(1, &answer, bad);
	CU_ASSERT_EQUAL(crew.proc[1].killed, 1);
	loop_pass(0);
	CU_ASSERT_EQUAL(lists, 1);
	CU_ASSERT_EQUAL(flows_listed, 2);
	/* One that ends is not waited for either. */
	CU_ASSERT_EQUAL(flows_ask(&crew.s, &wanted, listed, &crew.s), 0);
	workers_reap(&crew.s);
	crew_ends(0, SIGSEGV);
	loop_pass(0);
	CU_ASSERT_EQUAL(lists, 2);
	close(good);
	close(bad);
	CU_ASSERT_TRUE(crew_end());
}

static void test_silence(void)
{
	start();
	pass(5, -1);
	CU_ASSERT_TRUE(crew.steer[0].alive);
	pass(WATCH_SILENT, 0);
	CU_ASSERT_TRUE(crew.steer[0].alive);
	pass(1, 0);
	CU_ASSERT_FALSE(crew.steer[0].alive);
	CU_ASSERT_TRUE(crew.steer[1].alive);
	pass(2, -1);
	CU_ASSERT_TRUE(crew.steer[0].alive);
	/* Full is full, also when it answers. */
	crew_says(0, &full, -1);
	pass(WATCH_SILENT + 1, 0);
	pass(2, -1);
	CU_ASSERT_FALSE(crew.steer[0].alive);
	/* Silence ends with the process. */
	pass(WATCH_SILENT + 1, 1);
	CU_ASSERT_FALSE(crew.steer[1].alive);
	crew_ends(1, SIGKILL);
	loop_pass(0);
	CU_ASSERT_TRUE(crew.steer[1].alive);
	CU_ASSERT_TRUE(crew_end());
}

/* A worker whose socket is full gets the new configuration when it reads again. */
static void test_snapshot_behind(void)
{
	const struct message ping = { .type = MSG_PING };
	struct message m;
	off_t size;

	start();
	while (message_send(crew_worker(0)->child.socket, &ping, -1) == 0)
		;
	workers_update(&crew.s);
	CU_ASSERT_TRUE(crew_worker(0)->behind);
	CU_ASSERT_FALSE(crew_worker(1)->behind);
	CU_ASSERT_TRUE(crew_hears(1, &m, &size));
	CU_ASSERT_EQUAL(m.type, MSG_SNAPSHOT);
	CU_ASSERT_EQUAL(size, SIZE_SNAPSHOT);
	while (crew_hears(0, &m, &size))
		CU_ASSERT_EQUAL(m.type, MSG_PING);
	loop_pass(WATCH_PERIOD_MS);
	CU_ASSERT_FALSE(crew_worker(0)->behind);
	CU_ASSERT_TRUE(crew_hears(0, &m, &size));
	CU_ASSERT_EQUAL(m.type, MSG_PING);
	CU_ASSERT_TRUE(crew_hears(0, &m, &size));
	CU_ASSERT_EQUAL(m.type, MSG_SNAPSHOT);
	CU_ASSERT_EQUAL(size, SIZE_SNAPSHOT);
	loop_pass(WATCH_PERIOD_MS);
	CU_ASSERT_TRUE(crew_hears(0, &m, &size));
	CU_ASSERT_FALSE(crew_hears(0, &m, &size));
	/* The next process starts with it. */
	while (message_send(crew_worker(0)->child.socket, &ping, -1) == 0)
		;
	workers_update(&crew.s);
	CU_ASSERT_TRUE(crew_worker(0)->behind);
	crew_ends(0, SIGKILL);
	loop_pass(0);
	CU_ASSERT_FALSE(crew_worker(0)->behind);
	CU_ASSERT_TRUE(crew_end());
}

/* It ends: steer passes it by, what it had is gone, and the next one has its listeners. */
static void test_end(void)
{
	struct worker_start m;
	off_t size[PACKET_FDS];

	start();
	crew.s.shm->workers[1].connections = 7;
	crew.s.shm->workers[1].steered = 9;
	crew.s.shm->relayed[1][2] = 7;
	crew.s.shm->relayed[0][2] = 5;
	crew.s.shm->parked[1][2] = crew.s.shm->parked[0][2] = 3;
	crew_ends(1, SIGSEGV);
	CU_ASSERT_FALSE(crew.steer[1].alive);
	CU_ASSERT_EQUAL(crew.s.shm->workers[1].connections, 0);
	CU_ASSERT_EQUAL(crew.s.shm->workers[1].steered, 9);
	CU_ASSERT_EQUAL(crew.s.shm->relayed[1][2], 0);
	CU_ASSERT_EQUAL(crew.s.shm->relayed[0][2], 5);
	CU_ASSERT_TRUE(crew.s.shm->parked[1][2] == 0 && crew.s.shm->parked[0][2] == 3);
	CU_ASSERT_EQUAL(crew.gone, 1);
	workers_update(&crew.s); /* the next one starts with that */
	CU_ASSERT_FALSE(crew_worker(1)->behind);
	loop_pass(0);
	CU_ASSERT_EQUAL(crew.started, CREW + 1);
	CU_ASSERT_TRUE(crew.steer[1].alive);
	CU_ASSERT_EQUAL(crew_take_start(1, &m, size), 6);
	CU_ASSERT_EQUAL(m.index, 1);
	CU_ASSERT_EQUAL(size[4], SIZE_LISTENERS + 2);
	CU_ASSERT_EQUAL(size[5], SIZE_LISTENERS + 3);
	/* That one was full: the next is not. It died young, so there is a pause. */
	crew_says(1, &full, -1);
	crew_ends(1, SIGSEGV);
	loop_pass(WATCH_DELAY_MS - 1);
	CU_ASSERT_EQUAL(crew.started, CREW + 1);
	loop_pass(1);
	CU_ASSERT_EQUAL(crew.started, CREW + 2);
	CU_ASSERT_TRUE(crew.steer[1].alive);
	CU_ASSERT_TRUE(crew_end());
}

/* They are told to end; one that does not is killed when its time is over. */
static void test_stop(void)
{
	uint64_t begun;

	start();
	crew.proc[1].stubborn = true;
	crew.s.stopping = true;
	begun = uv_hrtime() / 1000000;
	workers_stop(&crew.s);
	CU_ASSERT_EQUAL(crew.proc[0].term, 1);
	CU_ASSERT_EQUAL(crew.proc[0].killed, 0);
	CU_ASSERT_EQUAL(crew.proc[1].term, 1);
	CU_ASSERT_EQUAL(crew.proc[1].cont, 1);
	CU_ASSERT_EQUAL(crew.proc[1].killed, 1);
	CU_ASSERT(uv_hrtime() / 1000000 - begun >= TERM_WAIT_MS);
	CU_ASSERT(uv_hrtime() / 1000000 - begun < TERM_WAIT_MS + 100);
	CU_ASSERT_EQUAL(crew_worker(0)->listener_count, 0);
	loop_pass(2 * TERM_WAIT_MS);
	CU_ASSERT_EQUAL(crew.started, CREW);
	CU_ASSERT_FALSE(crew.steer[0].alive);
	CU_ASSERT_TRUE(crew_end());
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "what a worker starts with", test_start },
		{ "a ring for each process", test_rings },
		{ "the backlog that steer goes by", test_backlog },
		{ "what workers report", test_reports },
		{ "a worker that floods", test_flood },
		{ "lists of flows", test_flows },
		{ "a worker that is silent", test_silence },
		{ "a worker that is behind", test_snapshot_behind },
		{ "a worker that ends", test_end },
		{ "stop", test_stop },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("workers", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
