/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups of cgroup2, so that programs can tell whose a connection is. */
#ifndef MPGATED_CGROUP_H
#define MPGATED_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

enum cgroup_name {
	CGROUP_WORKERS, /* mpgate-<instance> below our own */
	CGROUP_RUN, /* mpgate-<instance>.run below the root: what is in it does not end with our service */
	CGROUP_ROOT, /* everybody */
	CGROUP_OWN, /* ours, with all below it */
};

/* 0 and where it is, whether it is there or not; or -errno: no cgroup2 here. */
int cgroup_path(enum cgroup_name which, const char *instance, char *out, size_t size);
/* Opens it; make: makes it, if it is not there. A descriptor, or -errno: no cgroup2 here (make), or no such group. */
int cgroup_open(enum cgroup_name which, const char *instance, bool make);
int cgroup_add(int fd, pid_t pid); /* 0 or -errno */
bool cgroup_has_processes(int fd);
/* Removes it, if it is empty; closes fd, which may be negative. */
void cgroup_remove(int fd, enum cgroup_name which, const char *instance);

#endif
