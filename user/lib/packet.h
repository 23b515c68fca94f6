/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets that are made here: IP headers, and the Internet checksum (RFC 1071). */
#ifndef LIB_PACKET_H
#define LIB_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include <mpgate/abi.h>

#define PACKET_IP_MAX 40 /* bytes: an IPv6 header */

/* Adds data, of which the last part alone may have an odd length, to a sum that began as 0. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len);
/* The pseudo-header of a packet with len bytes behind its IP header: of TCP over IPv4 or IPv6, or of ICMPv6. */
uint32_t checksum_pseudo(const struct mpgate_addr *from, const struct mpgate_addr *to, uint8_t protocol, size_t len);
/* What belongs into the header, in network order, is ~ of this. */
__be16 checksum_fold(uint32_t sum);

/* An IP header, without options, in front of len bytes; of the family of `to`. Its length, at most PACKET_IP_MAX. */
size_t packet_put_ip(uint8_t *p, const struct mpgate_addr *from, const struct mpgate_addr *to, uint8_t protocol,
		     uint8_t ttl, size_t len);

#endif
