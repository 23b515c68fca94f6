/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What workers report, checked field by field. A worker parses what strangers send, so it may have been taken over:
 * nothing that it says may cost the supervisor more than a message does. Who breaks a rule is to be killed.
 */
#ifndef MPGATED_REPORTS_H
#define MPGATED_REPORTS_H

#include <stdbool.h>

#include <mpgated/ipc/shared.h>

/* Messages of one worker in a period of the watch; the rest waits in its socket, where it fills up the worker's own
 * side. */
#define REPORTS_MAX 1000U

struct report_bounds {
	unsigned peers; /* slots in use are below */
	unsigned rules; /* ids are 1 to this, 0: none */
	unsigned workers;
	uint32_t question; /* number of the last MSG_FLOWS that it was sent */
};

/*
 * Takes the messages that wait at a socket, while *left lasts, and gives each that report_check() passes to take(),
 * whose descriptor (-1: none) stays the caller's. True: there may be more later. False, with *wrong: it lies, else: it
 * has ended. Neither take() nor bounds may end the socket's life.
 */
bool reports_read(int socket, const struct report_bounds *b, unsigned *left,
		  void (*take)(void *arg, const struct message *m, int fd), void *arg, const char **wrong);
/* NULL, or what is wrong with m, which came with a descriptor or without. */
const char *report_check(const struct message *m, bool descriptor, const struct report_bounds *b);
/*
 * Reads the flows that came with m, a message that report_check() passed, from fd, which stays the caller's: *n records
 * in *out, malloc'ed, NULL for none. 0; -EPROTO with *wrong; another -errno. It never waits.
 */
int report_flows(const struct message *m, int fd, const struct report_bounds *b, struct flow_record **out, unsigned *n,
		 const char **wrong);

#endif
