/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attributes of netlink messages, for nl_parse.c and nl_mptcp.c. */
#ifndef LIB_NL_ATTRS_H
#define LIB_NL_ATTRS_H

#include <lib/nl_parse.h>
#include <libmnl/libmnl.h>

/* An attribute that a message may carry, and the lengths in bytes that are taken. */
struct nl_want {
	uint16_t type;
	uint16_t min, max;
};

/* Sets found[i] to the attribute of wants[i], NULL if absent. One with another length spoils the message: -EINVAL. */
int nl_collect(const void *attrs, size_t len, const struct nl_want *wants, unsigned n, const struct nlattr **found);
/* The same for what follows a message's fixed header of size bytes. */
int nl_collect_message(const struct nlmsghdr *nlh, size_t size, const struct nl_want *wants, unsigned n,
		       const struct nlattr **found);
unsigned nl_family_bytes(int family); /* of an address; 0: neither AF_INET nor AF_INET6 */
void nl_map_address(int family, const uint8_t *bytes, struct mpgate_addr *out);
uint32_t nl_get_u32(const struct nlattr *attr, uint32_t fallback);

#endif
