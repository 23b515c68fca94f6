/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which ends of connections are meant: those of an address or prefix, of a port, or of both. No I/O. */
#ifndef LIB_ADDR_MATCH_H
#define LIB_ADDR_MATCH_H

#include <lib/addr.h>

struct addr_match {
	struct prefix prefix; /* family 0: any address */
	uint16_t port; /* host order; 0: any */
};

/*
 * "192.0.2.0/24", "192.0.2.1:80", "2001:db8::/32", "[2001:db8::1]:80", ":80". 0 or -EINVAL; *out untouched on failure.
 */
int addr_match_parse(const char *text, struct addr_match *out);
/* Any bytes may stand in *m: what is no prefix has no address. */
bool addr_match_has(const struct addr_match *m, const struct mpgate_addr *a, __be16 port);

#endif
