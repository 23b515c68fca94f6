/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checks SYNs to the Convert port before a socket exists. The same code runs at XDP and at tc: the hooks differ in how
 * bytes are copied out of the packet, which the entry file gives as GUARD_LOAD(ctx, offset, to, len).
 */
#ifndef MPGATE_GUARD_H
#define MPGATE_GUARD_H

#include <mpgate/convert.h>
#include <mpgate/replay.h>
#include <mpgate/siphash.h>

#include "maps.h"
#include "parse.h"
#include "stats.h"
#include "tlvs.h"

#define GUARD_SIGNED_WORDS 8 /* 64-bit words: 24 bytes of cookie, Connect, Original Source */
#define GUARD_NS 1000000000ULL
#define GUARD_TOKEN 1000ULL /* one SYN, in the unit of mpgate_bucket */
#define GUARD_NS_RATE 1000000ULL /* ns * SYNs a second / this = thousandths of a SYN */
#define GUARD_IDLE_NS (1ULL << 36) /* after this long without a SYN a bucket is full */
#define GUARD_KNOWN_NS (1ULL << 37) /* 137 s; a source that proved a key is known that long: a few probes of a peer */
#define GUARD_KNOWN_STEP_NS (1ULL << 33) /* its time is written anew after 9 s: not for each of its SYNs */

/* An entry of guard_replay: from the top, the nonce's hash, the 4-tuple's, how many copies came, the second. */
#define GUARD_REPLAY_PRINT_SHIFT 32
#define GUARD_REPLAY_TUPLE 0xfffc0000ULL
#define GUARD_REPLAY_COPY (1ULL << 16) /* one copy that came from elsewhere; two bits of their number */

/* What is signed, in that order, then the tag. */
struct guard_message {
	union {
		__u32 half[GUARD_SIGNED_WORDS * 2];
		__u64 words[GUARD_SIGNED_WORDS];
		struct convert_cookie cookie; /* of which only what stands before the tag is signed */
	};
	__u32 tag[4];
};

#define GUARD_COOKIE_HALVES (CONVERT_COOKIE_SIGNED / 4) /* 32-bit words of a cookie that are signed */
#define GUARD_LEN_COOKIE CONVERT_COOKIE_SIGNED
#define GUARD_NONCE_WORD 2 /* 64-bit word of a cookie */
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

/* Is Convert accepted on the address that this packet goes to? */
static __noinline bool guard_is_ours(const struct segment *seg)
{
	struct mpgate_addr to;

	segment_map_addr(&to, seg->family, &seg->tuple.ipv4.daddr, seg->tuple.ipv6.daddr);
	return bpf_map_lookup_elem(&guard_local, &to) != NULL;
}

/* One subscriber: an IPv4 address, or an IPv6 /64. */
static __always_inline void guard_subscriber(const struct segment *seg, struct mpgate_addr *source)
{
	segment_map_addr(source, seg->family, &seg->tuple.ipv4.saddr, seg->tuple.ipv6.saddr);
	if (seg->family == 6)
		__builtin_memset(source->b + 8, 0, 8);
}

/* This source has just proved a key. */
static __always_inline void guard_know(const struct segment *seg)
{
	__u64 now = bpf_ktime_get_ns(), *seen;
	struct mpgate_addr source;

	guard_subscriber(seg, &source);
	seen = bpf_map_lookup_elem(&guard_known, &source);
	if (!seen || now - *seen > GUARD_KNOWN_STEP_NS)
		bpf_map_update_elem(&guard_known, &source, &now, BPF_ANY);
}

/*
 * A token bucket a source. Two CPUs may take the same token: the limit is a guard against floods, not an account. A
 * rate of 0 means no limit. There is none for a source that lately proved a key: a gateway's joins come as fast as its
 * clients connect.
 */
static __noinline enum mpgate_reason guard_rate_limit(const struct mpgate_settings *set, const struct segment *seg)
{
	__u64 full = set->unchecked_burst * GUARD_TOKEN, now, idle, *known;
	struct mpgate_bucket fresh = {}, *bucket;
	struct mpgate_addr source;

	if (!set->unchecked_rate)
		return MPGATE_R_GUARD_UNCHECKED;
	guard_subscriber(seg, &source);
	now = bpf_ktime_get_ns();
	known = bpf_map_lookup_elem(&guard_known, &source);
	if (known && now - *known < GUARD_KNOWN_NS)
		return MPGATE_R_GUARD_UNCHECKED;
	if (full < GUARD_TOKEN)
		full = GUARD_TOKEN;
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
	siphash_word(&hash, le64(msg->words[2]));
	if (len > GUARD_LEN_COOKIE) {
		siphash_word(&hash, le64(msg->words[3]));
		siphash_word(&hash, le64(msg->words[4]));
	}
	if (len == GUARD_LEN_ONE)
		rest = le32(msg->half[10]);
	if (len == GUARD_LEN_BOTH) {
		siphash_word(&hash, le64(msg->words[5]));
		siphash_word(&hash, le64(msg->words[6]));
		siphash_word(&hash, le64(msg->words[7]));
	}
	siphash_final(&hash, rest, len, &tag);
	lo = le32(msg->tag[0]) | (__u64)le32(msg->tag[1]) << 32;
	hi = le32(msg->tag[2]) | (__u64)le32(msg->tag[3]) << 32;
	return ((lo ^ tag.lo) | (hi ^ tag.hi)) == 0;
}

/* 14 bits of a hash of the 4-tuple that nobody can steer who lacks the key. */
static __noinline __u64 guard_tuple_hash(const struct mpgate_guard_key *key, const struct segment *seg)
{
	union {
		struct mpgate_tuple tuple;
		__u32 half[9];
	} from;
	struct siphash_tag tag;
	struct siphash hash;

	segment_tuple(seg, &from.tuple);
	siphash_init(&hash, key->k0, key->k1);
	for (int i = 0; i < 8; i += 2)
		siphash_word(&hash, from.half[i] | (__u64)from.half[i + 1] << 32);
	siphash_final(&hash, from.half[8], sizeof(from), &tag);
	return tag.lo & GUARD_REPLAY_TUPLE;
}

/* One more of the copies that a request may come in, over other paths: a few, and soon after the first. */
static __always_inline bool guard_copy(__u64 *entry, __u32 age, const __u8 *nonce)
{
	if (!convert_has_copies(nonce) || age > CONVERT_COPY_SECONDS ||
	    (*entry / GUARD_REPLAY_COPY & 3) >= CONVERT_COPIES)
		return false;
	*entry += GUARD_REPLAY_COPY;
	return true;
}

/*
 * A nonce opens one connection: the first 4-tuple that shows it owns it, and its retransmissions pass. Two CPUs may
 * write one entry: the worker checks again in any case. By a clock that nobody sets.
 */
static __always_inline enum mpgate_reason guard_first_use(const struct mpgate_settings *set, const struct segment *seg,
							  const struct mpgate_guard_key *key, __u32 id,
							  const struct guard_message *msg)
{
	__u64 nonce = msg->words[GUARD_NONCE_WORD];
	__u64 print = replay_fingerprint(nonce, id), from = guard_tuple_hash(key, seg);
	__u32 now = bpf_ktime_get_boot_ns() / GUARD_NS, index = print & (set->replay_buckets - 1);
	__u32 victim = 0, oldest = 0;
	struct mpgate_replay *bucket;

	bucket = set->replay_buckets ? bpf_map_lookup_elem(&guard_replay, &index) : NULL;
	if (!bucket)
		return MPGATE_R_GUARD_PASS;
	for (__u32 i = 0; i < MPGATE_REPLAY_WAYS; i++) {
		__u64 entry = bucket->way[i];
		__u32 age = (now - (__u32)entry) & REPLAY_TIME_MASK;

		if (!entry || age > 2U * set->cookie_window) {
			age = REPLAY_TIME_MASK + 1;
		} else if (entry >> GUARD_REPLAY_PRINT_SHIFT == print >> GUARD_REPLAY_PRINT_SHIFT) {
			return (entry & GUARD_REPLAY_TUPLE) == from ||
					       guard_copy(&bucket->way[i], age, msg->cookie.nonce)
				       ? MPGATE_R_GUARD_PASS
				       : MPGATE_R_GUARD_REPLAY;
		}
		if (age > oldest) {
			oldest = age;
			victim = i;
		}
	}
	bucket->way[victim & (MPGATE_REPLAY_WAYS - 1)] =
		(print >> GUARD_REPLAY_PRINT_SHIFT << GUARD_REPLAY_PRINT_SHIFT) | from | (now & REPLAY_TIME_MASK);
	return MPGATE_R_GUARD_PASS;
}

/* Puts together what is signed. Returns its length in bytes. */
static __always_inline __u32 guard_collect(const struct mpgate_guard_scratch *from, __u32 found,
					   struct guard_message *msg)
{
	const __u32 *tlv = &from->words[GUARD_COOKIE(found)];
	__u32 first = GUARD_CONNECT(found) ?: GUARD_SOURCE(found);
	__u32 i;

	for (i = 0; i < GUARD_COOKIE_HALVES; i++)
		msg->half[i] = tlv[1 + i];
	for (i = 0; i < sizeof(msg->tag) / sizeof(*msg->tag); i++)
		msg->tag[i] = tlv[1 + GUARD_COOKIE_HALVES + i];
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
	enum mpgate_reason reason;
	__u32 id, now, len;
	__s32 age;

	if (!GUARD_COOKIE(found))
		return MPGATE_R_GUARD_NO_COOKIE;
	len = guard_collect(from, found, &msg);
	id = bpf_ntohl(msg.cookie.key_id);
	key = bpf_map_lookup_elem(&guard_keys, &id);
	if (!key || msg.cookie.form != bpf_htonl(CONVERT_COOKIE_FORM) || !guard_tag_right(key, &msg, len))
		return MPGATE_R_GUARD_FORGED;
	if (msg.cookie.end == bpf_htonl(key->end))
		return MPGATE_R_GUARD_OWN;
	now = (bpf_ktime_get_boot_ns() + set->wall_offset) / GUARD_NS;
	age = now - bpf_ntohl(msg.cookie.timestamp);
	if (age > (__s32)set->cookie_window || age < -(__s32)set->cookie_window)
		return MPGATE_R_GUARD_STALE;
	reason = guard_first_use(set, seg, key, id, &msg);
	if (reason == MPGATE_R_GUARD_PASS)
		guard_know(seg);
	return reason;
}

static __always_inline bool guard_drops(enum mpgate_reason reason)
{
	return reason >= MPGATE_R_GUARD_RATE && reason < MPGATE_REASON_COUNT;
}

/* Not a reason: the headers are not in the linear part of the packet, or the packet is cut short. */
#define GUARD_SHORT MPGATE_REASON_COUNT
/* The same of a packet to our address whose TCP header is not there. */
#define GUARD_UNSEEN (MPGATE_REASON_COUNT + 1)

/* What guard can see of a packet to our address that is no whole TCP segment: enough to let it through? */
enum guard_part {
	GUARD_PART_PASS,
	GUARD_PART_DROP, /* all of its headers cannot be seen */
	GUARD_PART_LOOK, /* the first fragment: as its TCP header says */
};

/*
 * Whoever wants to be judged shows his headers: a SYN in fragments is none that a TCP sends, and its data could not be
 * checked. Fragments of a connection pass, as do all later ones: without the first they make no packet.
 */
static __always_inline enum guard_part guard_part(enum parse_result result, const struct segment *seg)
{
	if (!seg->family || (result != PARSE_FRAGMENTED && result != PARSE_LONG) || !guard_is_ours(seg))
		return GUARD_PART_PASS;
	if (result == PARSE_LONG || seg->tcp_off == PARSE_BEHIND)
		return GUARD_PART_DROP;
	return seg->tcp_off ? GUARD_PART_LOOK : GUARD_PART_PASS;
}

static __always_inline bool guard_is_port(const struct mpgate_settings *set, __be16 port)
{
	return port == set->convert_port[0] || port == set->convert_port[1] || port == set->convert_port[2] ||
	       port == set->convert_port[3];
}

/* The begin of a TCP header, up to its flags. */
#define GUARD_FIRST_LEN 14

static __always_inline enum mpgate_reason guard_first_fragment(const struct mpgate_settings *set, const __u8 *tcp,
							       bool cut)
{
	if (!guard_is_port(set, bpf_htons((__u16)(tcp[2] << 8 | tcp[3]))))
		return MPGATE_R_OTHER;
	return cut || (tcp[13] & (TCP_SYN_BIT | TCP_ACK_BIT)) == TCP_SYN_BIT ? MPGATE_R_GUARD_HEADERS : MPGATE_R_OTHER;
}

/*
 * Defines name(ctx, seg, set), the whole check of a parsed frame; `load` copies bytes of the packet. OTHER: not for our
 * Convert port. With keyed cookies SYN data must be a Convert message that proves where it comes from, else only its
 * header counts.
 */
#define GUARD_DEFINE(name, ctx_type, load)                                                                             \
	static __always_inline enum mpgate_reason name##_part(struct ctx_type *ctx, enum parse_result result,          \
							      const struct segment *seg,                               \
							      const struct mpgate_settings *set)                       \
	{                                                                                                              \
		enum guard_part part = guard_part(result, seg);                                                        \
		__u8 tcp[GUARD_FIRST_LEN + 2] = {};                                                                    \
                                                                                                                       \
		if (part == GUARD_PART_DROP)                                                                           \
			return MPGATE_R_GUARD_HEADERS;                                                                 \
		if (part == GUARD_PART_PASS)                                                                           \
			return MPGATE_R_OTHER;                                                                         \
		if (!load(ctx, seg->tcp_off, tcp, GUARD_FIRST_LEN))                                                    \
			return guard_first_fragment(set, tcp, false);                                                  \
		return load(ctx, seg->tcp_off, tcp, 4) ? GUARD_SHORT : guard_first_fragment(set, tcp, true);           \
	}                                                                                                              \
                                                                                                                       \
	static __always_inline enum mpgate_reason name(struct ctx_type *ctx, bool l3,                                  \
						       const struct mpgate_settings *set)                              \
	{                                                                                                              \
		struct mpgate_guard_scratch *msg;                                                                      \
		enum parse_result result;                                                                              \
		struct segment seg = {};                                                                               \
		__u32 len, off, found, zero = 0;                                                                       \
		__u8 *head;                                                                                            \
                                                                                                                       \
		result = parse_frame((void *)(long)ctx->data, (void *)(long)ctx->data_end, l3, &seg);                  \
		if (seg.vlan) /* for a VLAN device behind this link, which may have a guard of its own */              \
			return MPGATE_R_OTHER;                                                                         \
		if (result == PARSE_SHORT)                                                                             \
			return seg.family && guard_is_ours(&seg) ? GUARD_UNSEEN : GUARD_SHORT;                         \
		if (result != PARSE_TCP)                                                                               \
			return name##_part(ctx, result, &seg, set);                                                    \
		if (!segment_is_syn(&seg) ||                                                                           \
		    !guard_is_port(set, seg.family == 4 ? seg.tuple.ipv4.dport : seg.tuple.ipv6.dport) ||              \
		    !guard_is_ours(&seg))                                                                              \
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
