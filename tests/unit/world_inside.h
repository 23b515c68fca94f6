/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What world.c (the kernel's part) and world_play.c (the others') share. */
#ifndef TESTS_WORLD_INSIDE_H
#define TESTS_WORLD_INSIDE_H

#include "world.h"

enum { EPOLL_FD = 3, CONTROL_FD, FLOWS_MAP, SYNACK_MAP, RESERVE_FD, HOLD_FD };

struct sock *sock_of(int fd);
int sock_new(bool listener); /* its descriptor */
ssize_t sock_put(struct sock *s, const void *data, size_t len); /* len, behind what was sent */
bool sock_release(void); /* what a cut held back; false: nothing */

#endif
