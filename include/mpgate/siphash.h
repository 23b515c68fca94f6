/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SipHash-2-4 with 128 bits of output (Aumasson and Bernstein), for the BPF
 * programs and for user space. The message is given as 64-bit words, low byte
 * first, so that a program with a fixed-length message needs no loop:
 *
 *	struct siphash s;
 *
 *	siphash_init(&s, k0, k1);
 *	siphash_word(&s, w0);
 *	siphash_word(&s, w1);
 *	siphash_final(&s, 0, 16, &tag);
 *
 * Whoever takes words from bytes on a big-endian machine swaps them.
 */
#ifndef MPGATE_SIPHASH_H
#define MPGATE_SIPHASH_H

#include <linux/types.h>

#define SIPHASH_INLINE static inline __attribute__((always_inline, unused))

struct siphash {
	__u64 v0, v1, v2, v3;
};

struct siphash_tag {
	__u64 lo, hi; /* bytes 0 to 7 and 8 to 15, each low byte first */
};

SIPHASH_INLINE __u64 siphash_rotl(__u64 x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

SIPHASH_INLINE void siphash_round(struct siphash *s)
{
	s->v0 += s->v1;
	s->v1 = siphash_rotl(s->v1, 13) ^ s->v0;
	s->v0 = siphash_rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = siphash_rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = siphash_rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = siphash_rotl(s->v1, 17) ^ s->v2;
	s->v2 = siphash_rotl(s->v2, 32);
}

/* k0 and k1: bytes 0 to 7 and 8 to 15 of the key, each low byte first. */
SIPHASH_INLINE void siphash_init(struct siphash *s, __u64 k0, __u64 k1)
{
	/* "somepseudorandomlygeneratedbytes"; 0xee asks for the 128-bit output. */
	s->v0 = k0 ^ 0x736f6d6570736575ULL;
	s->v1 = k1 ^ 0x646f72616e646f6dULL ^ 0xee;
	s->v2 = k0 ^ 0x6c7967656e657261ULL;
	s->v3 = k1 ^ 0x7465646279746573ULL;
}

/* The next 8 bytes of the message. */
SIPHASH_INLINE void siphash_word(struct siphash *s, __u64 word)
{
	s->v3 ^= word;
	siphash_round(s);
	siphash_round(s);
	s->v0 ^= word;
}

SIPHASH_INLINE __u64 siphash_half(struct siphash *s)
{
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	siphash_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* rest: the last len % 8 bytes, zero above them; len: bytes of the whole message. */
SIPHASH_INLINE void siphash_final(struct siphash *s, __u64 rest, __u64 len, struct siphash_tag *out)
{
	siphash_word(s, rest | len << 56);
	s->v2 ^= 0xee;
	out->lo = siphash_half(s);
	s->v1 ^= 0xdd;
	out->hi = siphash_half(s);
}

#endif
