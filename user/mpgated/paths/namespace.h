/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Network namespaces, by the number that the kernel gives each. */
#ifndef MPGATED_NAMESPACE_H
#define MPGATED_NAMESPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of this thread's: a number that no other network namespace has or will have until the next boot. 0 or -errno. */
int namespace_cookie(uint64_t *cookie);
/*
 * How to run a command in that one: "ip netns exec NAME" or "nsenter --net --target PID". False: no name below
 * /run/netns and no process here leads there. Enters one after the other, and comes back: this thread must not be
 * needed elsewhere.
 */
bool namespace_way(uint64_t cookie, char *text, size_t size);

#endif
