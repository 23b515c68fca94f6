/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that reload.c and links.c call, played for their tests, but for the reader of the file and the compiler of the
 * policy. */
#ifndef TESTS_UNIT_RELOAD_SCRIPT_H
#define TESTS_UNIT_RELOAD_SCRIPT_H

#include <mpgated/supervisor/supervisor.h>

#define STAGE_LINKS 4U
#define STAGE_STEPS 2048

struct stage {
	struct supervisor s;
	/* The interfaces of this machine, as the paths know them; found by the name that the configuration has. */
	struct paths_link link[STAGE_LINKS];
	struct mpgate_addr address; /* of this machine */
	/* What was done, a word each: "attach-11" is of interface 11. */
	char steps[STAGE_STEPS];
	const char *failing; /* the step that fails, with EIO; NULL: none */
	unsigned keyrings; /* that exist */
	bool clsact; /* there is no tcx */
	struct paths_rule rule; /* the first of those that say something of paths, as the paths were told */
	unsigned rules; /* how many */
	bool held; /* the kernel's lock: jobs that are started stay under way */
};

extern struct stage stage;

void stage_let_go(void); /* of the job that is under way */

#endif
