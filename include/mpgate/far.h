/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which subflow is far beside another of its connection, and how much it may hold that is not sent. See pace.bpf.c. */
#ifndef MPGATE_FAR_H
#define MPGATE_FAR_H

#include <linux/types.h>
#include <stdbool.h>

#define FAR_INLINE static inline __attribute__((always_inline, unused))

#define FAR_US 200000U /* round trip without a queue, of one that is far, */
#define FAR_TIMES 3 /* and so many times that of another */
#define FAR_LASTS 5000000000ULL /* ns: another that was not heard of for so long may be gone */
#define FAR_PART 4 /* of a second: what it brings in that it may hold, */
#define FAR_LEAST 65536U /* bytes, or these */

/* Of a connection's subflows, the one beside which others are far. All zero: none is known. */
struct far_nearest {
	__u64 cookie;
	__u64 at; /* ns: it was heard of */
	__u32 rtt_us; /* least */
};

/* A subflow was heard of, which has that least round trip now. Is it far? */
FAR_INLINE bool far_is(struct far_nearest *n, __u64 cookie, __u32 rtt_us, __u64 now)
{
	if (cookie == n->cookie || !n->cookie || rtt_us <= n->rtt_us || now - n->at >= FAR_LASTS) {
		n->cookie = cookie;
		n->at = now;
		n->rtt_us = rtt_us;
	}
	return rtt_us >= FAR_US && rtt_us / FAR_TIMES > n->rtt_us;
}

/* Bytes that one that is far may hold. rate: bytes a second. */
FAR_INLINE __u32 far_ahead(__u64 rate)
{
	return rate / FAR_PART < FAR_LEAST ? FAR_LEAST : (__u32)(rate / FAR_PART);
}

#endif
