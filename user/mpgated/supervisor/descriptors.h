/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many descriptors this process and its workers may have open, and need. */
#ifndef MPGATED_DESCRIPTORS_H
#define MPGATED_DESCRIPTORS_H

#include <lib/config/config.h>

/* What one worker of `workers` needs for limits.connections, or the supervisor for its probes, whichever is more. */
unsigned long descriptors_needed(const struct config *cfg, unsigned workers);
/* Raises our limit, which workers inherit, as far as it goes; says so when limits.connections needs more. */
void descriptors_raise(const struct config *cfg, unsigned workers);

#endif
