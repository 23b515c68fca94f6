/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MPGATED_DATAPATH_SPREAD_H
#define MPGATED_DATAPATH_SPREAD_H

#include <stdbool.h>
#include <stdint.h>

#include <mpgate/abi.h>

/*
 * Gives each slot of clients to one of the workers that are alive, or to MPGATE_NO_WORKER. A worker that dies moves its
 * own slots only, and gets the same ones back.
 */
void spread_clients(const bool alive[MPGATE_MAX_WORKERS], uint32_t slots[MPGATE_CLIENT_SLOTS]);

#endif
