/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes that a killed supervisor has left in this network namespace: its workers, and those that ask or log for it.
 */
#ifndef MPGATED_LEFTOVERS_H
#define MPGATED_LEFTOVERS_H

/*
 * Tells them to end, and waits for that; who has not after 15 s is killed. Whose supervisor lives is told as well: to
 * be called with the lock of the network namespace (paths_left_open()), when there is none. How many there were, or
 * -errno.
 */
int leftovers_end(void);

#endif
