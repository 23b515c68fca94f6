/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets between the supervisor and the processes it starts, with descriptors. Neither side trusts the other's. */
#ifndef MPGATED_MESSAGE_H
#define MPGATED_MESSAGE_H

#include <stddef.h>

#include <mpgated/ipc/shared.h>

#define PACKET_FDS 20U /* at most, in one packet */

/* Sends len bytes and n descriptors, which stay the caller's. Never waits. 0 or -errno. */
int packet_send(int socket, const void *data, size_t len, const int *fds, unsigned n);
/*
 * Takes a packet of exactly len bytes and at most max descriptors (fds, *n), which the caller closes. 1; 0: the other
 * side is gone; -EAGAIN: none waits; -EPROTO: another length, or more descriptors, which are closed; -EMFILE: the bytes
 * are there, but this process had no room for all descriptors, and none is given; another -errno.
 * flags: MSG_DONTWAIT or 0.
 */
int packet_receive(int socket, void *data, size_t len, int *fds, unsigned max, unsigned *n, int flags);

/* The same for a message with at most one descriptor, -1: none. Neither waits. */
int message_send(int socket, const struct message *m, int fd);
int message_receive(int socket, struct message *m, int *fd);

#endif
