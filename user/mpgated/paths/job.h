/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread beside a libuv loop for what may block: one job at a time. A netlink request cannot be made without
 * blocking: the kernel carries it out while it is sent, and waits there for its lock (rtnl), whatever the socket is
 * told.
 */
#ifndef MPGATED_JOB_H
#define MPGATED_JOB_H

#include <uv.h>

#include <stdbool.h>

struct job {
	void (*work)(void *arg); /* in the thread, from job_start() on; whatever it touches is its own until done */
	void (*done)(void *arg); /* in the loop, after that; may start the next one */
	void *arg;
	bool running; /* for the loop: started, and done not called yet */
	/* The rest is of job.c. */
	uv_thread_t thread;
	uv_async_t finished;
	uv_mutex_t lock; /* of state */
	uv_cond_t changed;
	enum { JOB_NONE, JOB_READY, JOB_OVER, JOB_QUIT } state;
};

/* Starts the thread; work, done and arg are filled in. 0, or -errno: nothing is there. */
int job_open(struct job *j, uv_loop_t *loop);
/* Not while one is running. */
void job_start(struct job *j);
/*
 * Waits up to ms for the job that is running and calls done, in place of the loop. False: it is running still. A true
 * answer says nothing of a job that done has started.
 */
bool job_wait(struct job *j, unsigned ms);
/*
 * Ends the thread. Waits for the job that is running, however long; done is not called for it. on_closed gets a handle
 * whose data is arg, and j must stay until then.
 */
void job_close(struct job *j, uv_close_cb on_closed);

#endif
