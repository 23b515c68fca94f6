/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the daemon uses of MPTCP where the kernel has it, and does without where not. */
#ifndef MPGATED_FEATURES_H
#define MPGATED_FEATURES_H

#include <stdbool.h>

/* One of them. Its probe tries it in this network namespace, in no time: 0 when the kernel has it, else -errno. */
struct feature {
	const char *name;
	int (*probe)(void);
	const char *degraded; /* what is done without it */
};

enum { FEATURE_NO_PORT = 4, FEATURE_COUNT = 6 };
extern const struct feature features[FEATURE_COUNT];
/* Tries all. To be called after sysctl net.ipv4.tcp_fastopen is set: where it is off, the kernel says that it cannot.
 */
void features_probe(bool works[FEATURE_COUNT]);

/* For probes: a new MPTCP socket that does not block, or -errno; what such a socket says to one option. */
int feature_socket(void);
int feature_set_option(int level, int option, int value);
int feature_get_option(int level, int option);

#endif
