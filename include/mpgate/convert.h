/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 8803 (0-RTT TCP Convert) on the wire: constants for the BPF programs and
 * for user space. Section numbers are the RFC's. All fields in network order.
 */
#ifndef MPGATE_CONVERT_H
#define MPGATE_CONVERT_H

#include <linux/types.h>

#define CONVERT_VERSION 1
#define CONVERT_MAGIC 0x2263
#define CONVERT_HEADER_LEN 4 /* bytes (6.1) */
#define CONVERT_MAX_LEN 1020 /* bytes: 255 words (6.1) */
#define CONVERT_DEFAULT_PORT 8803

/* TLV types (6.2.1; 192 and up are private, see docs/protocol.md). */
enum convert_type {
	CONVERT_INFO = 1,
	CONVERT_CONNECT = 10,
	CONVERT_EXT_TCP_HEADER = 20,
	CONVERT_EXTENSIONS = 21,
	CONVERT_COOKIE = 22,
	CONVERT_ERROR = 30,
	CONVERT_ORIG_SOURCE = 192,
	CONVERT_FLOW_ATTRS = 193,
};

#define CONVERT_CONNECT_WORDS 5 /* Connect and Original Source without options */
#define CONVERT_CONNECT_LEN 20

/* Errors (6.2.8). */
enum convert_error {
	CONVERT_E_VERSION = 0,
	CONVERT_E_MALFORMED = 1,
	CONVERT_E_UNSUPPORTED = 2,
	CONVERT_E_NO_COOKIE = 3,
	CONVERT_E_NOT_AUTHORIZED = 32,
	CONVERT_E_TCP_OPTION = 33,
	CONVERT_E_RESOURCE = 64,
	CONVERT_E_NETWORK = 65,
	CONVERT_E_RESET = 96,
	CONVERT_E_UNREACHABLE = 97,
};

/* Flow Attributes, flags. */
#define CONVERT_ATTR_EARLY_DATA 1U /* user data follows in the same SYN */

/*
 * The keyed cookie: the value of a Cookie TLV after its two reserved bytes.
 * The tag is SipHash-2-4-128 under the sub-key of the direction, over the
 * first 16 bytes of the cookie, then the whole Connect TLV if there is one,
 * then the whole Original Source TLV if there is one.
 *
 * key_id and key_hint together are a 24-bit name of the key, made from the key
 * (keys.h): eight bits are too few for a hub that has thousands of gateways.
 */
#define CONVERT_COOKIE_VERSION 1
#define CONVERT_COOKIE_LEN 32
#define CONVERT_COOKIE_WORDS 9 /* the Cookie TLV that carries it */

struct convert_cookie {
	__u8 key_id;
	__u8 version;
	__be16 key_hint;
	__be32 timestamp; /* seconds, CLOCK_REALTIME */
	__u8 nonce[8];
	__u8 tag[16];
};

#endif
