/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the supervisor starts a process of its own program: not forked but executed, so that each has an address layout
 * of its own and holds nothing of the supervisor's memory. The new process has the supervisor's standard error, one
 * socket as descriptor START_SOCKET, and nothing else; the first packet on that socket brings what it needs. Its name
 * and number are its arguments: "mpgated: worker", "1".
 */
#ifndef MPGATED_START_H
#define MPGATED_START_H

#include <sys/types.h>

#define START_SOCKET 3
#define START_WORKER "mpgated: worker"
#define START_METRICS "mpgated: metrics"
#define START_LOGGER "mpgated: mapping-log"
#define START_RESOLVER "mpgated: resolver"

/*
 * Supervisor: executes the running program (its file may have been replaced meanwhile) as `name number`, with `socket`
 * as its START_SOCKET. All signals are blocked in it, see start_signals(). The pid or -errno.
 */
pid_t start_process(const char *name, unsigned number, int socket);

/*
 * New process, first of all: no other descriptors, its own name again, which the kernel took from "/proc/self/exe", and
 * no dumps. 0 or -errno.
 */
int start_begin(void);
/* New process, when its handlers stand: takes signals, but for those that are the supervisor's. */
void start_signals(void);

#endif
