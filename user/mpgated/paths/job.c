// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/job.h>

#include <signal.h>
#include <stddef.h>

#define NS_PER_MS 1000000ULL

static void thread_main(void *arg)
{
	struct job *j = arg;

	uv_mutex_lock(&j->lock);
	while (j->state != JOB_QUIT) {
		if (j->state != JOB_READY) {
			uv_cond_wait(&j->changed, &j->lock);
			continue;
		}
		uv_mutex_unlock(&j->lock);
		j->work(j->arg);
		uv_mutex_lock(&j->lock);
		if (j->state == JOB_QUIT)
			break;
		j->state = JOB_OVER;
		uv_cond_broadcast(&j->changed);
		uv_async_send(&j->finished);
	}
	uv_mutex_unlock(&j->lock);
}

static bool finish(struct job *j)
{
	bool over;

	uv_mutex_lock(&j->lock);
	over = j->state == JOB_OVER;
	if (over)
		j->state = JOB_NONE;
	uv_mutex_unlock(&j->lock);
	if (!over)
		return false;
	j->running = false;
	j->done(j->arg);
	return true;
}

static void on_finished(uv_async_t *a)
{
	finish((struct job *)((char *)a - offsetof(struct job, finished)));
}

/* Signals are for the loop, and stop() blocks them there: none may find a thread that would take it. */
static int create_thread(struct job *j)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = uv_thread_create(&j->thread, thread_main, j);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

static void end_thread(struct job *j)
{
	uv_mutex_lock(&j->lock);
	j->state = JOB_QUIT;
	uv_cond_broadcast(&j->changed);
	uv_mutex_unlock(&j->lock);
	uv_thread_join(&j->thread);
	uv_cond_destroy(&j->changed);
	uv_mutex_destroy(&j->lock);
}

int job_open(struct job *j, uv_loop_t *loop)
{
	int err = uv_mutex_init(&j->lock);

	if (err)
		return err;
	err = uv_cond_init(&j->changed);
	if (err) {
		uv_mutex_destroy(&j->lock);
		return err;
	}
	j->running = false;
	j->state = JOB_NONE;
	err = create_thread(j);
	if (err) {
		uv_cond_destroy(&j->changed);
		uv_mutex_destroy(&j->lock);
		return err;
	}
	err = uv_async_init(loop, &j->finished, on_finished);
	if (err)
		end_thread(j);
	else
		j->finished.data = j->arg;
	return err;
}

void job_start(struct job *j)
{
	j->running = true;
	uv_mutex_lock(&j->lock);
	j->state = JOB_READY;
	uv_cond_broadcast(&j->changed);
	uv_mutex_unlock(&j->lock);
}

bool job_wait(struct job *j, unsigned ms)
{
	uint64_t now = uv_hrtime(), end = now + ms * NS_PER_MS;

	uv_mutex_lock(&j->lock);
	while (j->state == JOB_READY && now < end) {
		uv_cond_timedwait(&j->changed, &j->lock, end - now);
		now = uv_hrtime();
	}
	uv_mutex_unlock(&j->lock);
	return finish(j);
}

void job_close(struct job *j, uv_close_cb on_closed)
{
	end_thread(j);
	uv_close((uv_handle_t *)&j->finished, on_closed);
}
