/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What world.c and world_io.c (the kernel's part) and world_play.c (the others') share. */
#ifndef TESTS_WORLD_INSIDE_H
#define TESTS_WORLD_INSIDE_H

#include "world.h"

enum { EPOLL_FD = 3, CONTROL_FD, FLOWS_MAP, SYNACK_MAP, RESERVE_FD, HOLD_FD };

struct sock *sock_of(int fd);
struct sock *sock_live(int fd); /* an open one: nothing is asked of a descriptor that was closed */
int world_fails(int *what); /* -errno of a fault that is due, once; 0: none */
bool world_no_descriptor(void); /* are all that there may be in use? */
int sock_new(bool listener); /* its descriptor */
ssize_t sock_put(struct sock *s, const void *data, size_t len); /* len, behind what was sent */
bool sock_release(void); /* what a cut held back; false: nothing */

#endif
