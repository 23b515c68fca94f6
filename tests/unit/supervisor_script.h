/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that supervisor.c calls, played for its test (supervisor_files_script.c has what is of its own directory), but
 * for the reader of the file, libuv, signals and the socket of the service manager, which are real. Each call is a
 * step; what is opened is counted until it is closed.
 */
#ifndef TESTS_UNIT_SUPERVISOR_SCRIPT_H
#define TESTS_UNIT_SUPERVISOR_SCRIPT_H

#include <mpgated/supervisor/supervisor.h>

#define STAGE_STEPS 4096
#define STAGE_SIGNALS 4U
#define STAGE_WALL_OFFSET 77U

struct stage {
	/* What was done, a word each, and all messages of errors. */
	char steps[STAGE_STEPS], errors[STAGE_STEPS];
	const char *failing; /* the step that fails, with EIO; NULL: none */
	/* Signals that this process gets in the middle of a step, the first time. */
	struct {
		const char *step;
		int number;
	} signals[STAGE_SIGNALS];
	unsigned checks; /* rounds of the clock before it is told to stop; 0: not by them */
	int opened; /* parts that are not closed */
	bool loop_closed; /* with no handle left in it */
	bool mptcp_off, no_mptcp; /* the machine */
	bool window_wrong; /* as window_probe() finds it */
	bool addresses_change; /* whenever they are looked at */
	bool snapshot_due; /* after each try */
};

extern struct stage stage;
extern const struct supervisor_answers stage_answers;

void stage_new(void);
/* One step. 0, or -EIO where it is to fail. */
int stage_step(const char *what);
int stage_open(const char *what); /* the same, of what is to be closed */
void stage_close(const char *what);
void stage_check_dp(const struct datapath *dp); /* it is the one that was opened */

#endif
