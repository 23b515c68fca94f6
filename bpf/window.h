/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A correction for listeners that take data in SYNs. The window of a SYN is never scaled (RFC 7323, 2.2), and TCP fast
 * open honours that; but Linux makes the MPTCP socket from the child before it does, and so takes the scaled value for
 * the peer's first MPTCP-level window: up to 64 MB instead of 64 KiB. It then sends far beyond what the peer offers,
 * which drops the rest. Whether this kernel does so is found out by trying (window_probe.c in user space). Where it
 * does, the window of such SYNs is shifted down by the scale, so that the product is what was meant; the first packet
 * after the SYN tells TCP the true value.
 */
#ifndef MPGATE_WINDOW_H
#define MPGATE_WINDOW_H

#include "parse.h"

#define TCPOPT_KIND_SCALE 3
#define TCP_MAX_SCALE 14 /* RFC 7323, 2.3 */

/* The window that a SYN's window should be written as; the same when there is nothing to correct. Network order. */
static __always_inline __be16 window_unscaled(const struct tcp_options *options, __u32 len, __be16 window)
{
	int scale = tcp_option_first(options, len, TCPOPT_KIND_SCALE);
	__u32 value;

	if (scale <= 0 || scale > TCP_MAX_SCALE)
		return window;
	value = bpf_ntohs(window) >> (scale & 0xf);
	return bpf_htons(value ? value : 1);
}

/* One's complement arithmetic (RFC 1624, eqn. 3): the checksum after a 16-bit word changed from old to new. */
static __always_inline __sum16 window_checksum(__sum16 check, __be16 old, __be16 new)
{
	__u32 sum = (__u16)~check + (__u16)~old + new;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__sum16)~sum;
}

#endif
