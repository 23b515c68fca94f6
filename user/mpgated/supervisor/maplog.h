/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The supervisor's side of the process that logs mappings (logger/logger.h): its start, restart and settings. */
#ifndef MPGATED_MAPLOG_H
#define MPGATED_MAPLOG_H

#include <mpgated/supervisor/child.h>

struct supervisor;
struct config;
struct cfg_error;

struct maplog {
	struct child child; /* keep it first */
	struct supervisor *sup;
	bool open; /* there is such a process, or there was */
};

/* Can its file be written to? 0, or -errno with err filled in. */
int maplog_check(const struct config *cfg, struct cfg_error *err);
/* Starts it where the configuration wants one. m starts as zero, and stays until the loop has ended. 0 or -errno. */
int maplog_open(struct maplog *m, struct supervisor *s);
/* After a reload: it takes the new settings, and opens its file anew. */
void maplog_renew(struct maplog *m);
void maplog_reap(struct maplog *m); /* after SIGCHLD */
/* Lets it write down what is left, and ends it. */
void maplog_close(struct maplog *m);

#endif
