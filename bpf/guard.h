/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks SYNs to the Convert port before a socket exists. The same code runs at XDP and at tc: the hooks differ in how
 * bytes are copied out of the packet, which the entry file gives as GUARD_LOAD(ctx, offset, to, len).
 */
#ifndef MPGATE_GUARD_H
#define MPGATE_GUARD_H

#include <mpgate/convert.h>
#include <mpgate/siphash.h>

#include "maps.h"
#include "parse.h"
#include "stats.h"
#include "tlvs.h"

#define GUARD_SIGNED_WORDS 7 /* 64-bit words: 16 bytes of cookie, Connect, Original Source */
#define GUARD_NS 1000000000ULL
#define GUARD_TOKEN 1000ULL /* one SYN, in the unit of mpgate_bucket */
#define GUARD_NS_RATE 1000000ULL /* ns * SYNs a second / this = thousandths of a SYN */
#define GUARD_IDLE_NS (1ULL << 36) /* after this long without a SYN a bucket is full */

/* What is signed, in that order, then the tag. */
struct guard_message {
	union {
		__u32 half[GUARD_SIGNED_WORDS * 2];
		__u64 words[GUARD_SIGNED_WORDS];
		struct convert_cookie cookie; /* of which only what stands before the tag is signed */
	};
	__u32 tag[4];
};

#define GUARD_COOKIE_HALVES 4 /* 32-bit words of a cookie that are signed */
#define GUARD_LEN_COOKIE 16
#define GUARD_LEN_ONE (GUARD_LEN_COOKIE + CONVERT_CONNECT_LEN)
#define GUARD_LEN_BOTH (GUARD_LEN_ONE + CONVERT_CONNECT_LEN)

static __always_inline __u64 le64(__u64 word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap64(word);
#else
	return word;
#endif
}

static __always_inline __u32 le32(__u32 word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	return __builtin_bswap32(word);
#else
	return word;
#endif
}

static __always_inline bool guard_source_allowed(const struct segment *seg)
{
	struct mpgate_lpm_key key = { .prefixlen = MPGATE_LPM_FIXED_BITS + 128 };

	key.key.side = MPGATE_SRC;
	key.key.family = seg->family;
	if (seg->family == 4) {
		key.prefixlen = MPGATE_LPM_FIXED_BITS + 32;
		__builtin_memcpy(key.key.addr, &seg->tuple.ipv4.saddr, 4);
	} else {
		__builtin_memcpy(key.key.addr, seg->tuple.ipv6.saddr, 16);
	}
	return bpf_map_lookup_elem(&guard_allow, &key) != NULL;
}

/*
 * A token bucket a source (an IPv6 /64 is one source). Two CPUs may take the same token: the limit is a guard against
 * floods, not an account. A rate of 0 means no limit.
 */
static __always_inline enum mpgate_reason guard_rate_limit(const struct mpgate_settings *set, const struct segment *seg)
{
	__u64 full = set->unchecked_burst * GUARD_TOKEN, now, idle;
	struct mpgate_bucket fresh = {}, *bucket;
	struct mpgate_addr source;

	if (!set->unchecked_rate)
		return MPGATE_R_GUARD_UNCHECKED;
	segment_map_addr(&source, seg->family, &seg->tuple.ipv4.saddr, seg->tuple.ipv6.saddr);
	if (seg->family == 6)
		__builtin_memset(source.b + 8, 0, 8);
	if (full < GUARD_TOKEN)
		full = GUARD_TOKEN;
	now = bpf_ktime_get_ns();
	bucket = bpf_map_lookup_elem(&guard_rate, &source);
	if (!bucket) {
		fresh.tokens = full - GUARD_TOKEN;
		fresh.time = now;
		bpf_map_update_elem(&guard_rate, &source, &fresh, BPF_ANY);
		return MPGATE_R_GUARD_UNCHECKED;
	}
	idle = now - bucket->time;
	fresh.tokens = idle > GUARD_IDLE_NS ? full : bucket->tokens + idle * set->unchecked_rate / GUARD_NS_RATE;
	if (fresh.tokens > full)
		fresh.tokens = full;
	bucket->time = now;
	if (fresh.tokens < GUARD_TOKEN) {
		bucket->tokens = fresh.tokens;
		return MPGATE_R_GUARD_RATE;
	}
	bucket->tokens = fresh.tokens - GUARD_TOKEN;
	return MPGATE_R_GUARD_UNCHECKED;
}

/* Is the tag the one that the key gives over len bytes? Constant time in the tag. */
static __always_inline bool guard_tag_right(const struct mpgate_guard_key *key, const struct guard_message *msg,
					    __u32 len)
{
	struct siphash_tag tag;
	struct siphash hash;
	__u64 rest = 0, lo, hi;

	siphash_init(&hash, key->k0, key->k1);
	siphash_word(&hash, le64(msg->words[0]));
	siphash_word(&hash, le64(msg->words[1]));
	if (len > GUARD_LEN_COOKIE) {
		siphash_word(&hash, le64(msg->words[2]));
		siphash_word(&hash, le64(msg->words[3]));
	}
	if (len == GUARD_LEN_ONE)
		rest = le32(msg->half[8]);
	if (len == GUARD_LEN_BOTH) {
		siphash_word(&hash, le64(msg->words[4]));
		siphash_word(&hash, le64(msg->words[5]));
		siphash_word(&hash, le64(msg->words[6]));
	}
	siphash_final(&hash, rest, len, &tag);
	lo = le32(msg->tag[0]) | (__u64)le32(msg->tag[1]) << 32;
	hi = le32(msg->tag[2]) | (__u64)le32(msg->tag[3]) << 32;
	return ((lo ^ tag.lo) | (hi ^ tag.hi)) == 0;
}

static __always_inline bool tuple_equal(const struct mpgate_tuple *a, const struct mpgate_tuple *b)
{
	const __u32 *x = (const void *)a, *y = (const void *)b;
	__u32 diff = 0;

	for (__u32 i = 0; i < sizeof(*a) / sizeof(*x); i++)
		diff |= x[i] ^ y[i];
	return !diff;
}

/* A nonce opens one connection: the first 4-tuple that shows it owns it, and its retransmissions pass. */
static __always_inline enum mpgate_reason guard_first_use(const struct segment *seg, __u32 key_id, __u64 nonce)
{
	struct mpgate_replay_key key = { .nonce = nonce, .key_id = key_id };
	struct mpgate_replay entry = {}, *seen;

	segment_tuple(seg, &entry.from);
	entry.time = bpf_ktime_get_ns();
	if (!bpf_map_update_elem(&guard_replay, &key, &entry, BPF_NOEXIST))
		return MPGATE_R_GUARD_PASS;
	seen = bpf_map_lookup_elem(&guard_replay, &key);
	if (seen && !tuple_equal(&seen->from, &entry.from))
		return MPGATE_R_GUARD_REPLAY;
	return MPGATE_R_GUARD_PASS; /* the worker checks again in any case */
}

/* Puts together what is signed. Returns its length in bytes. */
static __always_inline __u32 guard_collect(const struct mpgate_guard_scratch *from, __u32 found,
					   struct guard_message *msg)
{
	const __u32 *tlv = &from->words[GUARD_COOKIE(found)];
	__u32 first = GUARD_CONNECT(found) ?: GUARD_SOURCE(found);
	__u32 i;

	for (i = 0; i < GUARD_COOKIE_HALVES; i++) {
		msg->half[i] = tlv[1 + i];
		msg->tag[i] = tlv[1 + GUARD_COOKIE_HALVES + i];
	}
	if (!first)
		return GUARD_LEN_COOKIE;
	tlv = &from->words[first];
	for (i = 0; i < CONVERT_CONNECT_WORDS; i++)
		msg->half[GUARD_LEN_COOKIE / 4 + i] = tlv[i];
	if (!GUARD_CONNECT(found) || !GUARD_SOURCE(found))
		return GUARD_LEN_ONE;
	tlv = &from->words[GUARD_SOURCE(found)];
	for (i = 0; i < CONVERT_CONNECT_WORDS; i++)
		msg->half[GUARD_LEN_ONE / 4 + i] = tlv[i];
	return GUARD_LEN_BOTH;
}

static __always_inline enum mpgate_reason guard_cookie(const struct mpgate_settings *set, const struct segment *seg,
						       const struct mpgate_guard_scratch *from, __u32 found)
{
	struct guard_message msg = {};
	const struct mpgate_guard_key *key;
	__u32 id, now, len;
	__u64 nonce;
	__s32 age;

	if (!GUARD_COOKIE(found))
		return MPGATE_R_GUARD_NO_COOKIE;
	len = guard_collect(from, found, &msg);
	id = (__u32)msg.cookie.key_id << 16 | bpf_ntohs(msg.cookie.key_hint);
	key = bpf_map_lookup_elem(&guard_keys, &id);
	if (!key || msg.cookie.version != CONVERT_COOKIE_VERSION)
		return MPGATE_R_GUARD_FORGED;
	now = (bpf_ktime_get_ns() + set->wall_offset) / GUARD_NS;
	age = now - bpf_ntohl(msg.cookie.timestamp);
	if (age > (__s32)set->cookie_window || age < -(__s32)set->cookie_window)
		return MPGATE_R_GUARD_STALE;
	if (!guard_tag_right(key, &msg, len))
		return MPGATE_R_GUARD_FORGED;
	nonce = msg.words[1];
	return guard_first_use(seg, id, nonce);
}

static __always_inline bool guard_drops(enum mpgate_reason reason)
{
	return reason >= MPGATE_R_GUARD_RATE && reason < MPGATE_REASON_COUNT;
}

/* Not a reason: the headers are not in the linear part of the packet, or the packet is cut short. */
#define GUARD_SHORT MPGATE_REASON_COUNT

/*
 * Defines name(ctx, l3, set), the whole check; `load` copies bytes of the packet. OTHER: not for the Convert port.
 * With keyed cookies SYN data must be a Convert message that proves where it comes from, else only its header counts.
 */
#define GUARD_DEFINE(name, ctx_type, load)                                                                             \
	static __always_inline enum mpgate_reason name(struct ctx_type *ctx, bool l3,                                  \
						       const struct mpgate_settings *set)                              \
	{                                                                                                              \
		struct mpgate_guard_scratch *msg;                                                                      \
		enum parse_result result;                                                                              \
		struct segment seg;                                                                                    \
		__u32 len, off, found, zero = 0;                                                                       \
		__u8 *head;                                                                                            \
                                                                                                                       \
		result = parse_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end, l3, &seg);                  \
		if (result == PARSE_SHORT)                                                                             \
			return GUARD_SHORT;                                                                            \
		if (result != PARSE_TCP || !segment_is_syn(&seg) ||                                                    \
		    (seg.family == 4 ? seg.tuple.ipv4.dport : seg.tuple.ipv6.dport) != set->convert_port)              \
			return MPGATE_R_OTHER;                                                                         \
		if (set->allow_from && !guard_source_allowed(&seg))                                                    \
			return MPGATE_R_GUARD_SOURCE;                                                                  \
		msg = bpf_map_lookup_elem(&guard_scratch, &zero);                                                      \
		if (!msg)                                                                                              \
			return GUARD_SHORT;                                                                            \
		if (!seg.payload) /* an MP_JOIN among them: it carries no data */                                      \
			return guard_rate_limit(set, &seg);                                                            \
		off = seg.tcp_off + seg.tcp_len;                                                                       \
		head = (__u8 *)msg->words;                                                                             \
		if (seg.payload < CONVERT_HEADER_LEN)                                                                  \
			return MPGATE_R_GUARD_MALFORMED;                                                               \
		if (load(ctx, off, head, CONVERT_HEADER_LEN))                                                          \
			return GUARD_SHORT;                                                                            \
		len = parse_length(head[1], CONVERT_MAX_LEN / 4) * 4;                                                  \
		if (head[2] != CONVERT_MAGIC >> 8 || head[3] != (CONVERT_MAGIC & 0xff) || !len)                        \
			return MPGATE_R_GUARD_MALFORMED;                                                               \
		if (set->accept != MPGATE_ACCEPT_KEYED)                                                                \
			return guard_rate_limit(set, &seg);                                                            \
		if (head[0] != CONVERT_VERSION || len > seg.payload)                                                   \
			return MPGATE_R_GUARD_MALFORMED;                                                               \
		if (load(ctx, off, head, len))                                                                         \
			return GUARD_SHORT;                                                                            \
		found = guard_walk(msg, len / 4);                                                                      \
		if (found & GUARD_BAD)                                                                                 \
			return MPGATE_R_GUARD_MALFORMED;                                                               \
		return found & GUARD_UNUSUAL ? MPGATE_R_GUARD_UNUSUAL : guard_cookie(set, &seg, msg, found);           \
	}

#endif
