/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is in TIME_WAIT when the daemon ends. */
#ifndef MPGATED_TIMEWAIT_H
#define MPGATED_TIMEWAIT_H

#include <mpgate/abi.h>

/*
 * Ends what is in TIME_WAIT, or in FIN_WAIT2 without a process, and has an address that is none of these, which are all
 * of this machine; and what has the port that joins came to, 0: none did. To be called when steer and the endpoints are
 * gone. Takes 2 s at most, or longer by what the kernel needs for a list of its sockets; what is left then ends by
 * itself within a minute.
 */
void timewait_end(const struct mpgate_addr *local, unsigned count, __be16 joins);

#endif
