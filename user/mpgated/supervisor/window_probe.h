/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Does this kernel mistake the first MPTCP-level window of connections with SYN data? bpf/window.h has the story. */
#ifndef MPGATED_WINDOW_PROBE_H
#define MPGATED_WINDOW_PROBE_H

#include <stdbool.h>

/* Tries it on loopback, a few ms. Also true when the trial does not come about: the correction does no lasting harm. */
bool window_probe(void);

#endif
