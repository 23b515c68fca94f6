/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses and prefixes: text, sockaddr and the layouts of abi.h. No I/O, no name service. */
#ifndef LIB_ADDR_H
#define LIB_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <mpgate/abi.h>

#define ADDR_TEXT 72 /* bytes that hold any "[addr]:port" or "prefix/len", NUL included */

struct prefix {
	uint8_t family; /* 4 or 6 */
	uint8_t len; /* bits */
	uint8_t addr[16]; /* IPv4: the first 4 bytes; bits past len are zero */
};

/* Text to address; IPv4 becomes v4-mapped. 0 or -EINVAL; *out untouched on failure. */
int addr_parse(const char *text, struct mpgate_addr *out);
bool addr_is_v4(const struct mpgate_addr *a);
bool addr_is_set(const struct mpgate_addr *a); /* not all zero */
/* Address to text in buf of ADDR_TEXT bytes; returns buf. addr_print_port gives "a.b.c.d:p" or "[v6]:p". */
const char *addr_print(const struct mpgate_addr *a, char *buf);
const char *addr_print_port(const struct mpgate_addr *a, __be16 port, char *buf);

/* To and from sockaddr_storage. addr_to_sockaddr gives AF_INET for v4-mapped addresses and returns the length. */
socklen_t addr_to_sockaddr(const struct mpgate_addr *a, __be16 port, struct sockaddr_storage *ss);
int addr_from_sockaddr(const struct sockaddr *sa, struct mpgate_addr *a, __be16 *port);

/* One client, as limits count them: an IPv4 address, or the /64 that an IPv6 one is in. */
struct mpgate_addr addr_client(const struct mpgate_addr *a);
uint32_t addr_client_hash(const struct mpgate_addr *client); /* of what that gave */

/* This machine alone can send to it. */
bool addr_is_loopback(const struct mpgate_addr *a);
/* Multicast, broadcast, loopback, unspecified: never a Connect destination (RFC 8803, 6.2.5). */
bool addr_is_special(const struct mpgate_addr *a);
/* An IPv6 address of one link alone (RFC 4291, 2.5.6). It names no link, so it can be neither dialed nor bound. */
bool addr_is_link_local(const struct mpgate_addr *a);

/* "10.0.0.0/8", "2001:db8::/32", or an address alone. 0, -EINVAL (no prefix), -ERANGE (host bits set). */
int prefix_parse(const char *text, struct prefix *out);
const char *prefix_print(const struct prefix *p, char *buf);
bool prefix_contains(const struct prefix *p, const struct mpgate_addr *a);
/* Whether every address of inner is in outer. */
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);

#endif
