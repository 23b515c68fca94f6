// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/flows.c tests/unit/loop.c
/* The list of all flows: who is asked, who is waited for and how long, and who gets what. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mpgated/ipc/message.h>
#include <mpgated/supervisor/supervisor.h>

#include "cunit.h"
#include "loop.h"

#define WORKERS 3U
#define FIRST_SOCKET 100
#define WAIT_MS 3000

static struct supervisor s;
static struct shared_memory shm;
static struct message sent[WORKERS]; /* the last one to each */
static unsigned sent_count;
static int send_fails[WORKERS]; /* errno */

/* What one who waits is given. */
struct asker {
	unsigned done;
	unsigned count[WORKERS];
	bool more[WORKERS];
	struct asker *then; /* asks when that has come */
	struct flows_wanted wanted;
};

int message_send(int socket, const struct message *m, int fd)
{
	unsigned i = (unsigned)(socket - FIRST_SOCKET);

	CU_ASSERT_FATAL(i < WORKERS && fd == -1);
	if (send_fails[i])
		return -send_fails[i];
	sent[i] = *m;
	sent_count++;
	return 0;
}

static void done(void *arg)
{
	struct asker *a = arg;

	a->done++;
	for (unsigned i = 0; i < WORKERS; i++) {
		a->count[i] = s.workers[i].flow_count;
		a->more[i] = s.workers[i].more_flows;
		CU_ASSERT_EQUAL(!s.workers[i].flows, !a->count[i]);
	}
	if (a->then)
		CU_ASSERT_EQUAL(flows_ask(&s, &a->then->wanted, done, a->then), 0);
}

static void new_supervisor(void)
{
	loop_new();
	memset(&s, 0, sizeof(s));
	memset(send_fails, 0, sizeof(send_fails));
	sent_count = 0;
	s.worker_count = WORKERS;
	s.shm = &shm;
	for (unsigned i = 0; i < WORKERS; i++)
		s.workers[i] = (struct worker_proc){
			.sup = &s,
			.child = { .index = i, .pid = 1, .socket = FIRST_SOCKET + (int)i },
		};
	flows_open(&s);
}

static void free_supervisor(void)
{
	flows_close(&s);
	CU_ASSERT_PTR_NULL(s.waiters);
	for (unsigned i = 0; i < WORKERS; i++)
		CU_ASSERT_PTR_NULL(s.workers[i].flows);
	CU_ASSERT_EQUAL(loop_timers(), 0);
}

static void ask(struct asker *a)
{
	*a = (struct asker){ .then = a->then, .wanted = a->wanted };
	CU_ASSERT_EQUAL(flows_ask(&s, &a->wanted, done, a), 0);
	CU_ASSERT_EQUAL(a->done, 0);
}

static void answers(unsigned worker, unsigned n, bool more)
{
	CU_ASSERT_TRUE(s.workers[worker].asked);
	flows_answered(&s.workers[worker], n ? calloc(n, sizeof(struct flow_record)) : NULL, n, more);
}

static void test_all_answer(void)
{
	struct asker a = { 0 };
	uint32_t question;

	new_supervisor();
	ask(&a);
	CU_ASSERT_EQUAL(sent_count, WORKERS);
	question = sent[0].slot;
	for (unsigned i = 0; i < WORKERS; i++) {
		CU_ASSERT_EQUAL(sent[i].type, MSG_FLOWS);
		CU_ASSERT_EQUAL(sent[i].slot, question);
	}
	CU_ASSERT_EQUAL(question, s.question);
	answers(1, 2, false);
	answers(0, 0, false);
	loop_pass(0);
	CU_ASSERT_EQUAL(a.done, 0);
	answers(2, 1, true);
	CU_ASSERT_EQUAL(a.done, 0); /* who brought the answer is still busy with it */
	loop_pass(0);
	CU_ASSERT_EQUAL(a.done, 1);
	CU_ASSERT_EQUAL(a.count[0], 0);
	CU_ASSERT_EQUAL(a.count[1], 2);
	CU_ASSERT_EQUAL(a.count[2], 1);
	CU_ASSERT_FALSE(a.more[1]);
	CU_ASSERT_TRUE(a.more[2]);
	CU_ASSERT_PTR_NULL(s.workers[1].flows);
	loop_pass(2 * WAIT_MS);
	CU_ASSERT_EQUAL(a.done, 1);

	ask(&a);
	CU_ASSERT_NOT_EQUAL(sent[0].slot, question);
	for (unsigned i = 0; i < WORKERS; i++)
		answers(i, 0, false);
	loop_pass(0);
	CU_ASSERT_EQUAL(a.done, 1);
	CU_ASSERT_EQUAL(a.count[1], 0);
	CU_ASSERT_FALSE(a.more[2]);
	free_supervisor();
}

/* Those that do not answer may have some. */
static void test_late(void)
{
	struct asker a = { 0 };

	new_supervisor();
	ask(&a);
	answers(0, 1, false);
	answers(1, 1, false);
	loop_pass(WAIT_MS - 1);
	CU_ASSERT_EQUAL(a.done, 0);
	loop_pass(1);
	CU_ASSERT_EQUAL(a.done, 1);
	CU_ASSERT_EQUAL(a.count[0], 1);
	CU_ASSERT_FALSE(a.more[0]);
	CU_ASSERT_TRUE(a.more[2]);
	/* Its answer is not waited for any more. */
	CU_ASSERT_FALSE(s.workers[2].asked);
	ask(&a);
	for (unsigned i = 0; i < WORKERS; i++)
		flows_lost(&s.workers[i]);
	loop_pass(0);
	CU_ASSERT_EQUAL(a.done, 1);
	CU_ASSERT_FALSE(a.more[2]);
	free_supervisor();
}

static void test_lost(void)
{
	struct asker a = { 0 };

	new_supervisor();
	flows_lost(&s.workers[0]); /* nobody asked it */
	CU_ASSERT_EQUAL(loop_timers(), 0);
	ask(&a);
	answers(0, 1, false);
	flows_lost(&s.workers[0]); /* it has answered */
	answers(1, 1, false);
	loop_pass(0);
	CU_ASSERT_EQUAL(a.done, 0);
	flows_lost(&s.workers[2]);
	loop_pass(0);
	CU_ASSERT_EQUAL(a.done, 1);
	CU_ASSERT_EQUAL(a.count[0], 1);
	CU_ASSERT_FALSE(a.more[2]); /* what it had is gone with it */
	free_supervisor();
}

static void test_nobody_to_ask(void)
{
	struct asker a = { 0 };

	new_supervisor();
	s.workers[0].child.pid = 0;
	s.workers[0].child.socket = -1;
	send_fails[1] = EAGAIN;
	ask(&a);
	CU_ASSERT_EQUAL(sent_count, 1);
	answers(2, 1, false);
	loop_pass(0);
	CU_ASSERT_EQUAL(a.done, 1);
	send_fails[2] = EPIPE;
	ask(&a);
	loop_pass(0);
	CU_ASSERT_EQUAL(a.done, 1);
	free_supervisor();
}

static void test_asked_meanwhile(void)
{
	struct asker a = { 0 }, b = { 0 }, c = { 0 };

	new_supervisor();
	ask(&a);
	answers(0, 1, false);
	ask(&b);
	answers(1, 1, false);
	answers(2, 1, false);
	ask(&c);
	CU_ASSERT_EQUAL(sent_count, WORKERS);
	loop_pass(0);
	CU_ASSERT_EQUAL(a.done, 1);
	CU_ASSERT_EQUAL(b.done, 1);
	CU_ASSERT_EQUAL(c.done, 1);
	CU_ASSERT_EQUAL(b.count[0], 1);
	CU_ASSERT_EQUAL(c.count[0], 1);
	free_supervisor();
}

/* Who wants other flows meanwhile has a question of its own behind that, which others may share. */
static void test_others_wanted(void)
{
	struct asker a = { 0 }, b = { .wanted = { .order = FLOWS_LARGEST } }, c = { 0 }, d = b;
	uint32_t question;

	new_supervisor();
	ask(&a);
	question = sent[0].slot;
	CU_ASSERT_EQUAL(shm.flows.order, FLOWS_OLDEST);
	ask(&b);
	ask(&c);
	ask(&d);
	CU_ASSERT_EQUAL(sent_count, WORKERS);
	CU_ASSERT_EQUAL(shm.flows.order, FLOWS_OLDEST);
	for (unsigned i = 0; i < WORKERS; i++)
		answers(i, 1, true);
	loop_pass(0);
	CU_ASSERT_TRUE(a.done == 1 && c.done == 1 && !b.done && !d.done);
	CU_ASSERT_EQUAL(sent_count, 2 * WORKERS);
	CU_ASSERT_NOT_EQUAL(sent[0].slot, question);
	CU_ASSERT_EQUAL(shm.flows.order, FLOWS_LARGEST);
	for (unsigned i = 0; i < WORKERS; i++)
		answers(i, 2, false);
	loop_pass(0);
	CU_ASSERT_TRUE(b.done == 1 && d.done == 1);
	CU_ASSERT_EQUAL(b.count[0], 2);
	CU_ASSERT_FALSE(d.more[0]);
	/* Nobody waits: what all want is asked at once again. */
	ask(&a);
	CU_ASSERT_EQUAL(sent_count, 3 * WORKERS);
	free_supervisor();
}

/* Who has the list asks again at once: that is a question of its own, with answers of its own. */
static void test_asked_by_the_answer(void)
{
	struct asker second = { 0 }, first = { .then = &second };

	new_supervisor();
	ask(&first);
	for (unsigned i = 0; i < WORKERS; i++)
		answers(i, 1, false);
	loop_pass(0);
	CU_ASSERT_EQUAL(first.done, 1);
	CU_ASSERT_EQUAL(second.done, 0);
	CU_ASSERT_EQUAL(sent_count, 2 * WORKERS);
	answers(0, 5, false);
	answers(1, 5, true);
	loop_pass(0);
	CU_ASSERT_EQUAL(second.done, 0);
	loop_pass(WAIT_MS);
	CU_ASSERT_EQUAL(second.done, 1);
	CU_ASSERT_EQUAL(second.count[0], 5);
	CU_ASSERT_TRUE(second.more[1]);
	CU_ASSERT_TRUE(second.more[2]);
	free_supervisor();
}

/* Nobody waits after that, and nothing is left. */
static void test_close(void)
{
	struct asker b = { 0 }, a = { .then = &b };

	new_supervisor();
	ask(&a);
	answers(0, 3, false);
	free_supervisor();
	CU_ASSERT_EQUAL(a.done, 1);
	CU_ASSERT_EQUAL(a.count[0], 3);
	CU_ASSERT_EQUAL(b.done, 1);
	CU_ASSERT_EQUAL(b.count[0], 0);
	/* Before it was opened. */
	memset(&s, 0, sizeof(s));
	loop_new();
	flows_close(&s);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "all answer", test_all_answer },
		{ "one does not", test_late },
		{ "one is lost", test_lost },
		{ "nobody to ask", test_nobody_to_ask },
		{ "asked meanwhile", test_asked_meanwhile },
		{ "other ones are wanted", test_others_wanted },
		{ "asked again by who has the answer", test_asked_by_the_answer },
		{ "closed", test_close },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("list of flows", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
