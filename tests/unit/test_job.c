// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/job.c
// LIBS: libuv
/* Work in a thread beside the loop: where it runs, what is waited for, and how it ends. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mpgated/paths/job.h>

#include "cunit.h"

#define DEADLINE 60 /* seconds: whatever waits for ever ends the test */
#define WAIT_MS 20U
#define LONG_MS 30000U

static struct {
	uv_loop_t loop;
	struct job job;
	uv_sem_t begun, gate; /* work has begun; it may end */
	bool held; /* work waits at the gate */
	unsigned works, dones, more; /* more: that done starts */
	unsigned closed;
	pthread_t thread; /* of the last work */
	bool takes_signals;
} play;

static void work(void *arg)
{
	sigset_t mask;

	CU_ASSERT_PTR_EQUAL(arg, &play);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	play.takes_signals = !sigismember(&mask, SIGTERM) || !sigismember(&mask, SIGCHLD);
	play.thread = pthread_self();
	play.works++;
	uv_sem_post(&play.begun);
	if (play.held)
		uv_sem_wait(&play.gate);
}

static void done(void *arg)
{
	CU_ASSERT_PTR_EQUAL(arg, &play);
	CU_ASSERT_FALSE(play.job.running);
	play.dones++;
	if (play.more) {
		play.more--;
		job_start(&play.job);
	}
}

static void on_closed(uv_handle_t *h)
{
	CU_ASSERT_PTR_EQUAL(h->data, &play);
	play.closed++;
}

static void begin(void)
{
	memset(&play, 0, sizeof(play));
	uv_loop_init(&play.loop);
	uv_sem_init(&play.begun, 0);
	uv_sem_init(&play.gate, 0);
	play.job.work = work;
	play.job.done = done;
	play.job.arg = &play;
	CU_ASSERT_EQUAL_FATAL(job_open(&play.job, &play.loop), 0);
}

static void end(void)
{
	job_close(&play.job, on_closed);
	uv_run(&play.loop, UV_RUN_DEFAULT);
	CU_ASSERT_EQUAL(play.closed, 1);
	CU_ASSERT_EQUAL(uv_loop_close(&play.loop), 0);
}

static void turn_until_done(unsigned n)
{
	while (play.dones < n)
		uv_run(&play.loop, UV_RUN_ONCE);
}

static void test_in_the_loop(void)
{
	begin();
	play.more = 2;
	job_start(&play.job);
	CU_ASSERT_TRUE(play.job.running);
	turn_until_done(3);
	CU_ASSERT_EQUAL(play.works, 3);
	CU_ASSERT_FALSE(play.job.running);
	CU_ASSERT_FALSE(pthread_equal(play.thread, pthread_self()));
	CU_ASSERT_FALSE(play.takes_signals);
	end();
	CU_ASSERT_EQUAL(play.dones, 3);
}

/* The loop goes on while the work is held up, and hears of it once. */
static void test_wait(void)
{
	begin();
	play.held = true;
	job_start(&play.job);
	uv_sem_wait(&play.begun);
	CU_ASSERT_FALSE(job_wait(&play.job, WAIT_MS));
	CU_ASSERT_FALSE(job_wait(&play.job, 0));
	uv_run(&play.loop, UV_RUN_NOWAIT);
	CU_ASSERT_EQUAL(play.dones, 0);
	uv_sem_post(&play.gate);
	CU_ASSERT_TRUE(job_wait(&play.job, LONG_MS));
	CU_ASSERT_EQUAL(play.dones, 1);
	uv_run(&play.loop, UV_RUN_NOWAIT);
	CU_ASSERT_EQUAL(play.dones, 1);

	/* What was waited for must not be taken for the end of the next one. */
	uv_sem_post(&play.gate);
	play.more = 1;
	job_start(&play.job);
	CU_ASSERT_TRUE(job_wait(&play.job, LONG_MS));
	CU_ASSERT_TRUE(play.job.running);
	uv_run(&play.loop, UV_RUN_NOWAIT);
	CU_ASSERT_EQUAL(play.dones, 2);
	uv_sem_post(&play.gate);
	turn_until_done(3);
	CU_ASSERT_EQUAL(play.works, 3);
	end();
}

static void open_gate(void *arg)
{
	(void)arg;
	uv_sem_wait(&play.begun);
	uv_sem_post(&play.gate);
}

/* The end waits for what runs; nobody is told of it any more. */
static void test_close(void)
{
	uv_thread_t other;

	begin();
	play.held = true;
	job_start(&play.job);
	/* It has begun: one that has not is never begun. */
	uv_sem_wait(&play.begun);
	uv_sem_post(&play.begun);
	uv_thread_create(&other, open_gate, NULL);
	end();
	uv_thread_join(&other);
	CU_ASSERT_EQUAL(play.works, 1);
	CU_ASSERT_EQUAL(play.dones, 0);
	/* Done, and not told yet. */
	begin();
	job_start(&play.job);
	uv_sem_wait(&play.begun);
	end();
	CU_ASSERT_EQUAL(play.dones, 0);
	begin();
	end();
	CU_ASSERT_EQUAL(play.works, 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "in the loop", test_in_the_loop },
		{ "waiting", test_wait },
		{ "the end", test_close },
		CU_TEST_INFO_NULL,
	};

	alarm(DEADLINE);
	return cunit_run("job", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
