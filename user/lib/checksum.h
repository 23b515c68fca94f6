/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Internet checksum (RFC 1071). */
#ifndef LIB_CHECKSUM_H
#define LIB_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include <mpgate/abi.h>

/* Adds data, of which the last part alone may have an odd length, to a sum that began as 0. */
uint32_t checksum_add(uint32_t sum, const void *data, size_t len);
/* The pseudo-header of a packet with len bytes behind its IP header: of TCP over IPv4 or IPv6, or of ICMPv6. */
uint32_t checksum_pseudo(const struct mpgate_addr *from, const struct mpgate_addr *to, uint8_t protocol, size_t len);
/* What belongs into the header, in network order, is ~ of this. */
__be16 checksum_fold(uint32_t sum);

#endif
