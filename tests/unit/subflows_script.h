/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel as subflows.c sees it: its list of sockets and endpoints, and what it is told. */
#ifndef TESTS_SUBFLOWS_SCRIPT_H
#define TESTS_SUBFLOWS_SCRIPT_H

#include <lib/nl_parse.h>

#define KERNEL_TEXT 1024

struct kernel {
	struct nl_subflow listed[16];
	unsigned count;
	struct nl_endpoint endpoints[4];
	unsigned endpoint_count;
	/*
	 * What it was told, one word each: "+TOKEN:ADDRESS>ADDRESS:PORT" (a backup: "~"), "-TOKEN:ADDRESS" or untold
	 * "=TOKEN:ADDRESS", "!TOKEN:ADDRESS"; becomes a backup "_TOKEN:ADDRESS", or none "^TOKEN:ADDRESS"
	 */
	char did[KERNEL_TEXT];
	int join_error; /* what a join gives */
};
extern struct kernel kernel;

#endif
