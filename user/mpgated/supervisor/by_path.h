/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What subflows get by the path that they leave from: congestion control, mark, patience for SYNs (bpf/paths.bpf.c). */
#ifndef MPGATED_BY_PATH_H
#define MPGATED_BY_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include <mpgate/abi.h>

struct supervisor;

/* As the map has it. */
struct by_path_told {
	bool known;
	struct mpgate_addr addr;
	struct mpgate_path value;
};

struct by_path {
	uint64_t netns;
	uint64_t usable; /* links whose congestion control this kernel has */
	unsigned hz; /* jiffies a second */
	struct by_path_told told[2 * MPGATE_MAX_LINKS]; /* by link and family */
};

/* Attaches the program. The daemon works without. */
void by_path_start(struct supervisor *s);
/* A configuration came into force: loads what congestion control it names, and says what there is not. */
void by_path_renew(struct supervisor *s);
/* Addresses of paths or round trips may have changed. */
void by_path_tell(struct supervisor *s);

#endif
