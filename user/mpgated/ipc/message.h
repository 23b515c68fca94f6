/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages between the supervisor and a worker: one packet each, with at most one descriptor. */
#ifndef MPGATED_MESSAGE_H
#define MPGATED_MESSAGE_H

#include <mpgated/ipc/shared.h>

/* Sends m, and fd with it unless that is -1 (it stays the caller's). Never waits. 0 or -errno. */
int message_send(int socket, const struct message *m, int fd);
/*
 * Takes the next message. 1, with *fd a descriptor that the caller closes or -1; 0: the other side is gone; -EAGAIN:
 * none waits; another -errno. A packet that is no message is a -EPROTO.
 */
int message_receive(int socket, struct message *m, int *fd);

#endif
