/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of guard share: Convert messages, SYNs with them, and a data plane that knows one key and one address.
 */
#ifndef TESTS_BPF_GUARD_TEST_H
#define TESTS_BPF_GUARD_TEST_H

#include <endian.h>
#include <time.h>

#include <mpgate/convert.h>
#include <mpgate/siphash.h>

#include "program_test.h"
#include "variants.h"

#define PORT 8803
#define OTHER_PORT 443
#define KEY_ID 0x123456
#define NS 1000000000ULL
#define WINDOW 30
#define OUR_END 0x99
#define BUCKETS 1024

static struct mpgate_settings settings = { .accept = MPGATE_ACCEPT_KEYED,
					   .cookie_window = WINDOW,
					   .replay_buckets = BUCKETS };
__attribute__((unused)) static const __u8 opt_join[] = { 30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8 };
static __u64 nonces;
static __u32 form = CONVERT_COOKIE_FORM, end = 0x77; /* of the next cookies */

struct message {
	__u8 bytes[512];
	int len;
};

#define EARLY 14 /* bytes of early data behind a message */

enum { CONNECT = 1, SOURCE = 2, COOKIE = 4, INFO = 8, LONG_CONNECT = 16, MANY = 32 };

static __u64 load64(const __u8 *p)
{
	__u64 v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static void sign(const __u8 *bytes, int len, __u8 tag[16])
{
	__u8 rest[8] = {};
	struct siphash_tag out;
	struct siphash s;
	int i;

	siphash_init(&s, 11, 22);
	for (i = 0; i + 8 <= len; i += 8)
		siphash_word(&s, load64(bytes + i));
	memcpy(rest, bytes + i, len - i);
	siphash_final(&s, load64(rest), len, &out);
	out.lo = htole64(out.lo);
	out.hi = htole64(out.hi);
	memcpy(tag, &out.lo, 8);
	memcpy(tag + 8, &out.hi, 8);
}

/* A Convert message with these TLVs, the cookie last; age in seconds. */
static void message_make(struct message *m, int what, int age, __u32 key_id, bool forge)
{
	struct convert_cookie cookie = {
		.form = htonl(form), .key_id = htonl(key_id), .end = htonl(end), .timestamp = htonl(time(NULL) - age)
	};
	__u8 signed_part[64];
	int signed_len = CONVERT_COOKIE_SIGNED, words = what & LONG_CONNECT ? 6 : 5;

	nonces++;
	memcpy(cookie.nonce, &nonces, sizeof(nonces));
	memset(m, 0, sizeof(*m));
	memcpy(m->bytes, (__u8[]){ 1, 0, 0x22, 0x63 }, 4);
	m->len = 4;
	memcpy(signed_part, &cookie, CONVERT_COOKIE_SIGNED);
	if (what & INFO) {
		memcpy(m->bytes + m->len, (__u8[]){ 1, 1, 0, 0 }, 4);
		m->len += 4;
	}
	for (int bit = CONNECT; bit <= SOURCE; bit <<= 1) {
		__u8 *tlv = m->bytes + m->len;

		if (!(what & bit))
			continue;
		memset(tlv, 0x5a + bit, words * 4);
		tlv[0] = bit == CONNECT ? CONVERT_CONNECT : CONVERT_ORIG_SOURCE;
		tlv[1] = words;
		m->len += words * 4;
		memcpy(signed_part + signed_len, tlv, 20);
		signed_len += 20;
	}
	for (int i = 0; what & MANY && i < 8; i++) {
		memcpy(m->bytes + m->len, (__u8[]){ 200 + i, 1, 0, 0 }, 4);
		m->len += 4;
	}
	if (what & COOKIE) {
		sign(signed_part, signed_len, cookie.tag);
		cookie.tag[15] ^= forge;
		memcpy(m->bytes + m->len, (__u8[]){ CONVERT_COOKIE, CONVERT_COOKIE_WORDS, 0, 0 }, 4);
		memcpy(m->bytes + m->len + 4, &cookie, sizeof(cookie));
		m->len += 4 + sizeof(cookie);
	}
	m->bytes[1] = m->len / 4;
	memcpy(m->bytes + m->len, "GET / HTTP/1.0", EARLY); /* early data */
	m->len += EARLY;
}

static bool drops(int reason)
{
	return reason >= MPGATE_R_GUARD_RATE;
}

/* Runs one hook and checks that the verdict fits the reason. */
__attribute__((unused)) static int guard(const struct packet *p, bool xdp)
{
	struct frame f;
	struct run r;

	build(&f, p);
	dp_run(skel, xdp ? skel->progs.guard_xdp : skel->progs.guard_tc, &f, 0, xdp, &r);
	if (xdp)
		CU_ASSERT_EQUAL(r.retval, drops(r.reason) ? 1 : 2);
	if (!xdp)
		CU_ASSERT_EQUAL(r.retval, drops(r.reason) ? TC_SHOT : TC_UNSPEC);
	return r.reason;
}

/* What packets go to, unless a test says otherwise; guard looks after it. */
static const char *ours(int family)
{
	return family == 4 ? "203.0.113.9" : "2001:db8::9";
}

static struct packet syn(int family, const struct message *m)
{
	return (struct packet){ .family = family,
				.dport = PORT,
				.dst = ours(family),
				.data = m ? m->bytes : NULL,
				.data_len = m ? m->len : 0 };
}

__attribute__((unused)) static void expect(const char *what, int got, int want)
{
	if (got != want)
		printf("\n    %s: %s, not %s", what, reason_name(got), reason_name(want));
	CU_ASSERT_EQUAL(got, want);
}

#define EACH(family, hook)                                                                                             \
	EACH_FAMILY(family)                                                                                            \
	for (int hook = 0; hook < 2; hook++)

/* In the network namespace of this process. */
static void data_plane_open(void)
{
	struct mpgate_guard_key key = { .k0 = 11, .k1 = 22, .end = OUR_END };
	struct timespec wall, boot;
	__u32 id = KEY_ID;

	skel = dp_open();
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	settings.wall_offset = (wall.tv_sec - boot.tv_sec) * NS + wall.tv_nsec - boot.tv_nsec;
	for (unsigned i = 0; i < MPGATE_CONVERT_PORTS; i++)
		settings.convert_port[i] = htons(i + 1 < MPGATE_CONVERT_PORTS ? PORT : OTHER_PORT);
	dp_settings(skel, &settings);
	map_set(skel->maps.guard_keys, &id, &key);
	dp_local(skel, 4, ours(4));
	dp_local(skel, 6, ours(6));
}

__attribute__((unused)) static void setup(void)
{
	net_open();
	data_plane_open();
}

#endif
