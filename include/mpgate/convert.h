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
	CONVERT_CLOCK = 194,
	CONVERT_PARK = 195,
	CONVERT_JOINS = 196,
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

/*
 * The value of Not Authorized, for peers that have proven our key alone (docs/protocol.md); else it is 0, as the RFC
 * wants it.
 */
enum convert_refusal {
	CONVERT_REFUSED, /* no reason is told: the key, above all */
	CONVERT_REFUSED_DESTINATION,
	CONVERT_REFUSED_SOURCE,
	CONVERT_REFUSED_SELF, /* both have one end id */
	CONVERT_REFUSED_CLOCK, /* never sent: a Clock says more */
};

/* Flow Attributes, flags. */
#define CONVERT_ATTR_EARLY_DATA 1U /* user data follows in the same SYN */

/*
 * The keyed cookie: the value of a Cookie TLV after its two reserved bytes
 * (docs/protocol.md). The tag is SipHash-2-4-128 under the key's sub-key, over
 * all that stands before it, then the whole Connect TLV if there is one, then
 * the whole Original Source TLV if there is one. Every field is a word of its
 * own, so that a BPF program reads it where it lies.
 */
#define CONVERT_COOKIE_FORM 0x02000000U /* version 2, then what it is for: to ask */
#define CONVERT_CLOCK_FORM 0x02010000U /* the same of what a Clock TLV's tag covers: to tell the time */
#define CONVERT_COOKIE_LEN 40
#define CONVERT_COOKIE_SIGNED 24 /* bytes of it that stand before the tag */
#define CONVERT_COOKIE_WORDS 11 /* the Cookie TLV that carries it */

struct convert_cookie {
	__be32 form; /* CONVERT_COOKIE_FORM */
	__be32 key_id; /* the key's name, made from the key */
	__be32 end; /* who made it: a proxy refuses what it made itself */
	__be32 timestamp; /* seconds since 1970 */
	__u8 nonce[8];
	__u8 tag[16];
};

/*
 * A nonce that begins so says that its request may come in a few copies, over other paths: one connection is opened,
 * and goes over the first whose handshake is over. It is under the tag; to who does not know it, it is a nonce as any.
 */
#define CONVERT_NONCE_COPIES 0x6370
#define CONVERT_COPIES 2 /* so many besides the first */
#define CONVERT_COPY_SECONDS 3 /* and so long after it */

static inline __attribute__((always_inline, unused)) int convert_has_copies(const __u8 *nonce)
{
	return nonce[0] == CONVERT_NONCE_COPIES >> 8 && nonce[1] == (CONVERT_NONCE_COPIES & 0xff);
}

/*
 * Clock, behind Error 32 for a cookie that is right but for its time: two
 * reserved bytes, the converter's time in seconds since 1970, and a tag of 16
 * bytes over what was signed of the cookie with CONVERT_CLOCK_FORM in place of
 * its form, then that time.
 */
#define CONVERT_CLOCK_WORDS 6
#define CONVERT_CLOCK_LEN 20 /* after the reserved bytes */

#endif
