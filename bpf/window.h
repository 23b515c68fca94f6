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
#define TCPOPT_SCALE_LEN 3
#define TCP_MAX_SCALE 14 /* RFC 7323, 2.3 */

struct window_walk {
	const struct tcp_options *options;
	__u32 len, next, scale;
};

static long window_step(__u32 i, void *arg)
{
	struct window_walk *walk = arg;
	__u8 kind, size;

	if (i >= PARSE_TCP_OPTIONS || i + TCPOPT_SCALE_LEN > walk->len)
		return 1;
	if (i < walk->next)
		return 0;
	kind = walk->options->bytes[i];
	if (kind == 0)
		return 1;
	if (kind == 1)
		return 0;
	size = walk->options->bytes[i + 1];
	if (size < 2)
		return 1;
	if (kind == TCPOPT_KIND_SCALE) {
		walk->scale = walk->options->bytes[i + 2];
		return 1;
	}
	walk->next = i + size;
	return 0;
}

/* The window that a SYN's window should be written as; the same when there is nothing to correct. Network order. */
static __always_inline __be16 window_unscaled(const struct tcp_options *options, __u32 len, __be16 window)
{
	struct window_walk walk = { .options = options, .len = len };
	__u32 value;

	bpf_loop(PARSE_TCP_OPTIONS, window_step, &walk, 0);
	if (!walk.scale || walk.scale > TCP_MAX_SCALE)
		return window;
	value = bpf_ntohs(window) >> (walk.scale & 0xf);
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
