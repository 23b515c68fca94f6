/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The headers that a SYN can have on its way here, for every program that looks at SYNs. */
#ifndef TESTS_BPF_VARIANTS_H
#define TESTS_BPF_VARIANTS_H

#include "harness.h"

static const __u8 opt_broken[] = { 2, 4, 5, 0xb4, 30, 0, 0, 0 };
static const __u8 opt_hidden[] = { 8, 10, 30, 4, 0, 0, 30, 4, 0, 0, 1, 0 }; /* 30 inside a timestamp */

static const struct packet variants[] = {
	{ .name = "plain" },
	{ .name = "VLAN", .vlans = 1 },
	{ .name = "QinQ", .vlans = 2 },
	{ .name = "IP options or one extension header", .ip_options = 1 },
	{ .name = "many options or extension headers", .ip_options = 5 },
	{ .name = "QinQ and options", .vlans = 2, .ip_options = 3 },
	{ .name = "TCP options", .options = opt_hidden, .options_len = sizeof(opt_hidden) },
	{ .name = "broken TCP options", .options = opt_broken, .options_len = sizeof(opt_broken) },
	{ .name = "data", .data = "GET /", .data_len = 5 },
	{ .name = "DSCP", .dscp = 46 },
};

#define VARIANTS (sizeof(variants) / sizeof(*variants))

#endif
