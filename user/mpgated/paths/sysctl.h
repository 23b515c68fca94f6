/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Integer sysctls of the network namespace we are in, changed with memory: what was there before is put back, unless
 * somebody else changed it since. Names are relative to /proc/sys/net, as "ipv4/tcp_fastopen".
 */
#ifndef MPGATED_SYSCTL_H
#define MPGATED_SYSCTL_H

#include <mpgated/paths/originals.h>

/* 0 or -errno; *value untouched on failure. */
int sysctl_get(const char *name, int *value);
int sysctl_get_range(const char *name, int *from, int *to); /* of one with two values */
/* The same, as it was before we, or a daemon that was killed, set it: what decisions are made from. */
int sysctl_original(const struct originals *o, const char *name, int *value);
/* Sets and logs, if it has another value now. 0 or -errno after a message. */
int sysctl_set(struct originals *o, const char *name, int value);
/* Puts one back, or all (name NULL). */
void sysctl_restore(struct originals *o, const char *name);
/* Puts back what a killed daemon left and we have not set. */
/* Sets again what somebody has changed since, but for one, and says so; what they have set is the original from then
 * on. */
void sysctl_hold(struct originals *o, const char *except);
void sysctl_restore_left(struct originals *o);

#endif
