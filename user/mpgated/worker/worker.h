/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A worker process: accepts, dials and relays (conn.h has the inside). */
#ifndef MPGATED_WORKER_H
#define MPGATED_WORKER_H

#include <mpgated/worker/conn.h>

struct worker_args {
	unsigned index;
	int control; /* SEQPACKET to the supervisor */
	int flows_fd, synack_fd; /* maps; -1: none */
	int ring_fd, hold_fd; /* of held SYNs: a map that brings them, a device that puts them back; -1: none */
	uint64_t *flow_clients; /* another, mapped */
	const struct listener *listeners;
	unsigned listener_count;
	__be16 steer_port[2];
	struct shared_memory *shm;
	int snapshot_fd;
};

/* start.c: a process started as START_WORKER, with its number as text. Never returns. */
void worker_main(const char *number) __attribute__((noreturn));

/* worker.c: never returns. Privileges are dropped before the first connection is accepted. */
void worker_run(const struct worker_args *args) __attribute__((noreturn));

/* loop.c: one turn of it, which waits for something to happen. False: there is nothing more to do. */
bool loop_turn(struct worker *w);

/* control.c */
/* Maps the snapshot in fd (which stays the caller's) in place of the one in force. 0 or -errno. */
int worker_snapshot(struct worker *w, int fd);
/* Takes all messages that wait. False: the supervisor is gone. */
bool worker_message(struct worker *w);
void worker_stop_accepting(struct worker *w);

/* sandbox.c: keeps two capabilities (transparent sockets) and the system calls of the worker. 0 or -errno. */
int sandbox_enter(void);

/* fault.c: from now on what ends this process, SIGKILL excepted, resets its connections first. 0 or -errno. */
int fault_handlers(void);

#endif
