/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TCP option by which a hub on the path knows that the SYN of a gateway is
 * for it (mode: transparent; docs/protocol.md). It is added to SYNs with
 * MP_CAPABLE only, and never answered. The tag is the first half of
 * SipHash-2-4-128 under the sub-key that cookies are made with, over
 * struct mpgate_tag_signed. 16 bytes are what such a SYN has left beside MSS,
 * SACK permitted, Timestamps, Window Scale and MP_CAPABLE.
 *
 * The time is signed and not sent: a receiver tries the present epoch and those
 * beside it, so that a SYN is good for two to three minutes, and clocks may
 * differ by one.
 */
#ifndef MPGATE_TAG_H
#define MPGATE_TAG_H

#include <mpgate/abi.h>
#include <mpgate/siphash.h>

#define TAG_KIND 254 /* an experiment's (RFC 4727) */
#define TAG_LEN 16
#define TAG_EXID 0x6d67 /* which experiment it is (RFC 6994) */
#define TAG_FORM 0x02020000U /* in the place of CONVERT_COOKIE_FORM: nothing signed here passes for a cookie */
#define TAG_EPOCH_SHIFT 6 /* an epoch is 64 seconds of the clock of cookies */

struct mpgate_tag_option {
	__u8 kind, len;
	__be16 exid;
	__be32 key_id;
	__u8 tag[8];
};

/* As it is signed: bytes in this order, no padding. */
struct mpgate_tag_signed {
	__be32 form;
	__be32 epoch;
	struct mpgate_tuple tuple; /* of the SYN */
	__be32 seq; /* its sequence number */
};
#define TAG_SIGNED_WORDS 6

SIPHASH_INLINE __u64 tag_le64(__u64 word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(word);
#else
	return word;
#endif
}

/* The tag as it lies in the option, read as a word of this machine. k0, k1: the sub-key, as SipHash takes it. */
SIPHASH_INLINE __u64 tag_make(__u64 k0, __u64 k1, const struct mpgate_tag_signed *m)
{
	struct siphash_tag tag;
	struct siphash s;
	__u64 word;

	siphash_init(&s, k0, k1);
	for (int i = 0; i < TAG_SIGNED_WORDS; i++) {
		__builtin_memcpy(&word, (const char *)m + i * sizeof(word), sizeof(word));
		siphash_word(&s, tag_le64(word));
	}
	siphash_final(&s, 0, TAG_SIGNED_WORDS * sizeof(word), &tag);
	return tag_le64(tag.lo);
}

#endif
