/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The vendor option that a DHCP client has got last. `mpgatectl setup` writes it into a file, which is there whether
 * the daemon runs at that time or not; its bytes are a stranger's, and are read by the resolver.
 */
#ifndef MPGATED_DHCP_OPTION_H
#define MPGATED_DHCP_OPTION_H

#include <sys/stat.h>

#include <lib/setup_info.h>

struct dhcp_option {
	struct stat file; /* when it was read; all zero: there is none */
	bool v6;
	unsigned len; /* 0: none has come yet */
	uint8_t data[SETUP_OPTION_MAX];
};

/* Reads it, if it has changed. True: there is another option now. A file that is gone or wrong changes nothing. */
bool dhcp_option_look(struct dhcp_option *o, const char *instance);

/* What tells one file from the one that takes its place; all zero: there is none. */
void file_stat(const char *path, struct stat *out);

#endif
