/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a log of mappings says of one: a line of text, or IPFIX (lib/ipfix.h). No I/O. */
#ifndef LIB_MAPPING_H
#define LIB_MAPPING_H

#include <lib/addr.h>

#define MAPPING_PEER 32 /* bytes of a peer's name, NUL included */
#define MAPPING_LINE 384 /* bytes that hold any line, NUL included */

/* A connection of `source` that servers see come from `mapped`: it begins, or it ends. TCP, all of them. */
struct mapping {
	uint64_t time; /* ms since 1970 */
	struct mpgate_addr source, mapped, server;
	__be16 source_port, mapped_port, server_port;
	uint8_t end; /* 1: it ends */
	uint8_t zero;
	char peer[MAPPING_PEER]; /* empty: a client without a shared key */
};

/*
 * "2026-01-31T12:00:00.123Z begin tcp peer=cpe1 source=10.0.1.5:40000 mapped=198.51.100.16:41000 server=...", with a
 * newline. Its length. UTC; call tzset() before files cannot be opened any more.
 */
size_t mapping_print(const struct mapping *m, char line[MAPPING_LINE]);

#endif
