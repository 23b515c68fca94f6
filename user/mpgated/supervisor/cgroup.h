/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A cgroup of the workers' own, so that a sockops program sees their connections and no others. */
#ifndef MPGATED_CGROUP_H
#define MPGATED_CGROUP_H

#include <sys/types.h>

/* Makes (or finds) mpgate-<instance> below our own cgroup2 and opens it. A descriptor, or -errno: no cgroup2 here. */
int cgroup_open(const char *instance);
int cgroup_add(int fd, pid_t pid); /* 0 or -errno */
/* Removes it, if it is empty; closes fd. */
void cgroup_remove(int fd, const char *instance);

#endif
