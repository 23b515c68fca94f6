/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYNs that steer holds (connect: honest): who may have them, and what is done first. */
#ifndef MPGATED_HELD_H
#define MPGATED_HELD_H

#include <mpgated/worker/conn.h>

/* A SYN from the ring; arg is the worker. */
void held_open(void *arg, const struct mpgate_held *h);

#endif
