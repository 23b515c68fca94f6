// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/workers.c user/mpgated/supervisor/child.c user/mpgated/supervisor/watch.c
// SOURCES: user/mpgated/supervisor/reports.c user/mpgated/supervisor/flows.c user/mpgated/supervisor/listen.c
// SOURCES: user/mpgated/ipc/message.c user/mpgated/ipc/shared.c tests/unit/workers_script.c tests/unit/loop.c
/* The workers' listeners: where, with which options, what cannot be opened, and what is opened later. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <mpgated/supervisor/listen.h>
#include <mpgated/supervisor/reports.h>

#include "cunit.h"
#include "loop.h"
#include "workers_script.h"

#define PORT_TRIES 16

/* Worker i has a message that brings the listener that was opened as the nth. */
static void hears_listener(unsigned i, int32_t number, unsigned n)
{
	struct message m;
	off_t size;

	while (crew_hears(i, &m, &size) && m.type == MSG_PING)
		;
	CU_ASSERT_EQUAL(m.type, MSG_LISTEN);
	CU_ASSERT_EQUAL(m.value, number);
	CU_ASSERT_EQUAL(size, SIZE_LISTENERS + n);
}

static void hears_no_listener(unsigned i)
{
	struct message m;
	off_t size;

	while (crew_hears(i, &m, &size))
		CU_ASSERT_EQUAL(m.type, MSG_PING);
}

static void test_listeners(void)
{
	crew_new();
	crew.cfg.convert.listening = true;
	CU_ASSERT_EQUAL(listen_open(&crew.s), 0);
	CU_ASSERT_EQUAL(crew.listeners, 4 * CREW);
	for (unsigned i = 0; i < CREW; i++) {
		CU_ASSERT_EQUAL(crew_worker(i)->listener_count, 4);
		CU_ASSERT_EQUAL(crew_worker(i)->port, crew.listener[4 * i].port);
		CU_ASSERT_EQUAL(crew_worker(i)->port, crew.listener[4 * i + 1].port);
		for (unsigned k = 0; k < 4; k++) {
			unsigned n = 4 * i + k;
			bool convert = k >= 2;

			CU_ASSERT_EQUAL(crew_worker(i)->listeners[k].convert, convert);
			CU_ASSERT_EQUAL(crew.listener[n].opt.transparent, !convert);
			CU_ASSERT_EQUAL(crew.listener[n].opt.reuseport, convert);
			CU_ASSERT_EQUAL(crew.listener[n].opt.fastopen, convert);
			/* Clients are asked less often: a phone is not to be woken for that. */
			CU_ASSERT_EQUAL(crew.listener[n].keepalive, convert ? 60 : 240);
			CU_ASSERT_EQUAL(addr_is_v4(&crew.listener[n].addr), k % 2 == 0);
			CU_ASSERT_EQUAL(addr_is_special(&crew.listener[n].addr), !convert); /* loopback */
		}
		CU_ASSERT_EQUAL(crew.listener[4 * i + 2].port, htons(8803));
	}
	crew.cfg.timeouts.keepalive = 10;
	workers_update(&crew.s);
	CU_ASSERT_EQUAL(crew.listener[0].keepalive, 40);
	CU_ASSERT_EQUAL(crew.listener[7].keepalive, 10);
	CU_ASSERT_TRUE(crew_end());
}

/* All addresses at each port. */
static void test_listeners_at_ports(void)
{
	static const uint16_t ports[] = { 8803, 443, 80 };

	crew_new();
	crew.cfg.convert.listening = true;
	crew.cfg.convert.ports = (struct cfg_ports){ .port = { 443, 80 }, .count = 2 };
	CU_ASSERT_EQUAL(listen_open(&crew.s), 0);
	CU_ASSERT_EQUAL(crew_worker(0)->listener_count, 8);
	for (unsigned k = 2; k < 8; k++) {
		CU_ASSERT_TRUE(crew_worker(0)->listeners[k].convert);
		CU_ASSERT_EQUAL(crew.listener[k].port, htons(ports[k / 2 - 1]));
		CU_ASSERT_EQUAL(addr_is_v4(&crew.listener[k].addr), k % 2 == 0);
	}
	CU_ASSERT_TRUE(crew_end());
}

/* An address that no interface has is waited for, by those who have it not yet; all others are listened on. */
static void test_listeners_that_come(void)
{
	struct worker_start m;
	off_t sizes[PACKET_FDS];
	char text[128], want[128];

	crew_new();
	crew.cfg.convert.listening = true;
	crew.listen_error[2] = crew.listen_error[6] = crew.listen_error[9] = crew.listen_error[10] = EADDRNOTAVAIL;
	crew.listen_error[11] = EADDRINUSE;
	CU_ASSERT_EQUAL(crew_start(), 0);
	CU_ASSERT_EQUAL(crew_worker(0)->listener_count, 3);
	CU_ASSERT_FALSE(addr_is_v4(&crew.listener[3].addr));
	CU_ASSERT_STRING_EQUAL(listen_waits(&crew.s, 0, text, sizeof(text)),
			       "192.0.2.1:8803 (no interface has that address)");
	CU_ASSERT_PTR_NULL(listen_waits(&crew.s, 1, text, sizeof(text)));
	CU_ASSERT_PTR_NULL(listen_waits(&crew.s, 2, text, sizeof(text)));
	for (unsigned i = 0; i < CREW; i++)
		crew_take_start(i, &m, sizes);
	/* It is there for the first, and gone again for the second; then somebody else has the port. */
	for (unsigned i = 0; i < 3; i++)
		workers_listen(&crew.s);
	CU_ASSERT_EQUAL(crew.listeners, 12);
	CU_ASSERT_EQUAL(crew_worker(0)->listener_count, 4);
	CU_ASSERT_EQUAL(crew_worker(1)->listener_count, 3);
	snprintf(want, sizeof(want), "192.0.2.1:8803 (%s)", strerror(EADDRINUSE));
	CU_ASSERT_STRING_EQUAL(listen_waits(&crew.s, 0, text, sizeof(text)), want);
	hears_no_listener(0);
	workers_listen(&crew.s);
	CU_ASSERT_EQUAL(crew.listeners, 13);
	CU_ASSERT_PTR_NULL(listen_waits(&crew.s, 0, text, sizeof(text)));
	CU_ASSERT_EQUAL(crew.listener[12].keepalive, 60);
	hears_listener(0, 3, 8);
	hears_listener(1, 3, 12);
	crew.s.shm->workers[1].listeners = 4;
	/* Who could not take it gets it again, and a new process all at once. */
	loop_pass(WATCH_PERIOD_MS);
	hears_listener(0, 3, 8);
	hears_no_listener(1);
	crew_ends(1, SIGKILL);
	loop_pass(0);
	crew_take_start(1, &m, sizes);
	CU_ASSERT_EQUAL(m.listeners, 4);
	CU_ASSERT_EQUAL(m.convert, 0xc);
	workers_listen(&crew.s);
	CU_ASSERT_EQUAL(crew.listeners, 13);
	CU_ASSERT_TRUE(crew_end());
}

/* The port of the first may be in use on the second: another one, a bounded number of times. */
static void test_listeners_that_fail(void)
{
	crew_new();
	crew.listen_error[1] = EADDRINUSE;
	crew.listen_error[5] = EAFNOSUPPORT;
	CU_ASSERT_EQUAL(listen_open(&crew.s), 0);
	CU_ASSERT_EQUAL(crew_worker(0)->listener_count, 2);
	CU_ASSERT_EQUAL(crew_worker(0)->port, crew.listener[2].port);
	CU_ASSERT_EQUAL(crew_worker(1)->listener_count, 1); /* IPv4 only */
	CU_ASSERT_TRUE(crew_end());

	crew_new();
	for (unsigned i = 0; i < PORT_TRIES; i++)
		crew.listen_error[2 * i + 1] = EADDRINUSE;
	CU_ASSERT_EQUAL(listen_open(&crew.s), -EADDRINUSE);
	CU_ASSERT_EQUAL(crew.listeners, 2 * PORT_TRIES);
	CU_ASSERT_TRUE(crew_end());

	for (unsigned i = 0; i < 3; i++) {
		crew_new();
		crew.cfg.convert.listening = true;
		crew.cfg.convert.listen_count = 1;
		crew.listen_error[i] = EMFILE;
		CU_ASSERT_EQUAL(listen_open(&crew.s), -EMFILE);
		CU_ASSERT_TRUE(crew_end());
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "where, and with which options", test_listeners },
		{ "at several ports", test_listeners_at_ports },
		{ "that cannot be opened", test_listeners_that_fail },
		{ "whose address comes later", test_listeners_that_come },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("listeners", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
