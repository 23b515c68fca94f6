/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard's view of a Convert message: where the TLVs lie that a keyed cookie covers. The same code runs in user space
 * (the fuzzer), beside the parser of the workers.
 */
#ifndef MPGATE_TLVS_H
#define MPGATE_TLVS_H

#include <mpgate/abi.h>
#include <mpgate/convert.h>

#include "parse.h"

#define GUARD_TLVS 8 /* TLVs walked; a longer message is dropped with its SYN: see guard-unusual */

/* Where guard_walk found each TLV: the word at which it begins, 0: there is none. */
#define GUARD_CONNECT(found) ((found)&0xff)
#define GUARD_SOURCE(found) ((found) >> 8 & 0xff)
#define GUARD_COOKIE(found) ((found) >> 16 & 0xff)
#define GUARD_UNUSUAL (1U << 24) /* right as far as it was read, but nothing that can be checked here */
#define GUARD_BAD (1U << 25) /* no Convert message */

/*
 * Walks the TLVs of a message of `total` words. A function of its own, so that the verifier walks it once and not once
 * a way that leads to it.
 */
PARSE_OWN_FUNCTION __u32 guard_walk(const struct mpgate_guard_scratch *msg, __u32 total)
{
	__u32 at = 1, connect = 0, source = 0, cookie = 0, unusual = 0;

	if (!msg || total > CONVERT_MAX_LEN / 4)
		return GUARD_BAD;
	for (int i = 0; i < GUARD_TLVS && at < total; i++) {
		const __u8 *tlv = (const __u8 *)&msg->words[at & 0xff];
		__u8 type = tlv[0], words = tlv[1];

		if (!words || at + words > total || type == 0)
			return GUARD_BAD;
		if (type == CONVERT_CONNECT) {
			if (connect || words < CONVERT_CONNECT_WORDS)
				return GUARD_BAD;
			if (words > CONVERT_CONNECT_WORDS)
				unusual = GUARD_UNUSUAL;
			connect = at;
		} else if (type == CONVERT_ORIG_SOURCE) {
			if (source || words != CONVERT_CONNECT_WORDS)
				return GUARD_BAD;
			source = at;
		} else if (type == CONVERT_COOKIE) {
			if (cookie || words != CONVERT_COOKIE_WORDS)
				return GUARD_BAD;
			cookie = at;
		}
		at += words;
	}
	if (at < total)
		unusual = GUARD_UNUSUAL;
	return (connect & 0xff) | (source & 0xff) << 8 | (cookie & 0xff) << 16 | unusual;
}

#endif
