/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process of the supervisor: started (ipc/start.h), watched, and started again when it ends. */
#ifndef MPGATED_CHILD_H
#define MPGATED_CHILD_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include <mpgated/supervisor/watch.h>

struct child;

struct child_kind {
	const char *name; /* as START_WORKER */
	/* Sends it what it starts with, and makes it ready to be used. 0 or -errno: it is killed. */
	int (*begin)(struct child *c);
	/* Its socket has something to read. */
	void (*readable)(struct child *c);
	/* It has ended, in `status` as from waitpid(); the next start is in `delay` ms. */
	void (*ended)(struct child *c, int status, unsigned delay);
};

struct child {
	const struct child_kind *kind;
	uv_loop_t *loop;
	unsigned index;
	pid_t pid; /* 0: not running */
	int socket; /* our end, -1: none */
	unsigned restarts, killed; /* times; killed: by us, since it hung or lied */
	struct watch watch;
	uv_poll_t poll;
	uv_timer_t restart;
	bool polling;
	bool ending; /* it was told to end, since it hung, or killed */
	bool stopping; /* it is not to be started again */
};

/* Nothing runs yet. c must stay where it is until the loop has ended. */
void child_init(struct child *c, uv_loop_t *loop, const struct child_kind *kind, unsigned index);
/* 0, or -errno: it could not be started, and will not be tried again. */
int child_start(struct child *c);
/* Kills it: why is logged. It will be started again. */
void child_kill(struct child *c, const char *why);
/*
 * Once a period of the watch: `answered` is the number of the last ping that it answered. One that is hung is told to
 * end, then killed. True: it answers, or has time left to; then the next ping has the number c->watch.asked.
 */
bool child_tick(struct child *c, uint32_t answered);
/* Takes note if it has ended: after SIGCHLD. */
void child_reap(struct child *c);
/* It is not started again from here on, and its handles are closed; a process that runs still has to end. */
void child_stop(struct child *c);
/* Reads its socket, or does not, until further notice. */
void child_listen(struct child *c, bool on);

#endif
