/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Integer sysctls of the network namespace we are in, changed with memory:
 * what was there before is put back, unless somebody else changed it since.
 * Names are relative to /proc/sys/net, as "ipv4/tcp_fastopen".
 */
#ifndef MPGATED_SYSCTL_H
#define MPGATED_SYSCTL_H

#include <mpgated/paths/netlink.h>

struct sysctls {
	struct nl_list changed; /* of struct sysctl_change, in sysctl.c; zeroed is empty */
};

/* 0 or -errno; *value untouched on failure. */
int sysctl_get(const char *name, int *value);
/* Sets and logs, if it has another value now. 0 or -errno after a message. */
int sysctl_set(struct sysctls *s, const char *name, int value);
/* Puts one back, or all (name NULL). */
void sysctl_restore(struct sysctls *s, const char *name);

#endif
