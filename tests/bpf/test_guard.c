/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard at XDP and at tc: one table of SYNs, both hooks, both families. */
#include <endian.h>
#include <time.h>

#include <mpgate/convert.h>
#include <mpgate/siphash.h>

#include "cunit.h"
#include "harness.h"
#include "variants.h"

#define PORT 8803
#define KEY_ID 0x123456
#define NS 1000000000ULL
#define WINDOW 30

static struct mpgate_bpf *skel;
static struct mpgate_settings settings = { .accept = MPGATE_ACCEPT_KEYED, .cookie_window = WINDOW };
static const __u8 opt_join[] = { 30, 12, 0x10, 1, 1, 2, 3, 4, 5, 6, 7, 8 };
static __u8 nonces;

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
	struct convert_cookie cookie = { .key_id = key_id >> 16,
					 .version = CONVERT_COOKIE_VERSION,
					 .key_hint = htons(key_id),
					 .timestamp = htonl(time(NULL) - age),
					 .nonce = { ++nonces } };
	__u8 signed_part[64];
	int signed_len = 16, words = what & LONG_CONNECT ? 6 : 5;

	memset(m, 0, sizeof(*m));
	memcpy(m->bytes, (__u8[]){ 1, 0, 0x22, 0x63 }, 4);
	m->len = 4;
	memcpy(signed_part, &cookie, 16);
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
		m->len += 36;
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
static int guard(const struct packet *p, bool xdp)
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

static struct packet syn(int family, const struct message *m)
{
	return (struct packet){
		.family = family, .dport = PORT, .data = m ? m->bytes : NULL, .data_len = m ? m->len : 0
	};
}

static void expect(const char *what, int got, int want)
{
	if (got != want)
		printf("\n    %s: %s, not %s", what, reason_name(got), reason_name(want));
	CU_ASSERT_EQUAL(got, want);
}

#define EACH(family, hook)                                                                                             \
	for (int family = 4; family <= 6; family += 2)                                                                 \
		for (int hook = 0; hook < 2; hook++)

static void cookies_decide(void)
{
	static const struct {
		const char *name;
		int what, age;
		__u32 key_id;
		bool forge;
		int reason;
	} cases[] = {
		{ "cookie", COOKIE, 0, KEY_ID, false, MPGATE_R_GUARD_PASS },
		{ "connect", CONNECT | COOKIE, 0, KEY_ID, false, MPGATE_R_GUARD_PASS },
		{ "source", SOURCE | COOKIE, 0, KEY_ID, false, MPGATE_R_GUARD_PASS },
		{ "both", CONNECT | SOURCE | COOKIE, 0, KEY_ID, false, MPGATE_R_GUARD_PASS },
		{ "info too", INFO | CONNECT | SOURCE | COOKIE, 0, KEY_ID, false, MPGATE_R_GUARD_PASS },
		{ "inside the window", CONNECT | COOKIE, WINDOW - 5, KEY_ID, false, MPGATE_R_GUARD_PASS },
		{ "inside, future", CONNECT | COOKIE, 5 - WINDOW, KEY_ID, false, MPGATE_R_GUARD_PASS },
		{ "old", CONNECT | COOKIE, WINDOW + 5, KEY_ID, false, MPGATE_R_GUARD_STALE },
		{ "future", CONNECT | COOKIE, -WINDOW - 5, KEY_ID, false, MPGATE_R_GUARD_STALE },
		{ "forged", CONNECT | COOKIE, 0, KEY_ID, true, MPGATE_R_GUARD_FORGED },
		{ "unknown key", CONNECT | COOKIE, 0, KEY_ID + 1, false, MPGATE_R_GUARD_FORGED },
		{ "none", CONNECT, 0, KEY_ID, false, MPGATE_R_GUARD_NO_COOKIE },
		{ "long connect", CONNECT | LONG_CONNECT | COOKIE, 0, KEY_ID, false, MPGATE_R_GUARD_UNUSUAL },
		{ "many TLVs", CONNECT | MANY | COOKIE, 0, KEY_ID, false, MPGATE_R_GUARD_UNUSUAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		EACH(family, xdp)
		{
			struct message m;

			message_make(&m, cases[i].what, cases[i].age, cases[i].key_id, cases[i].forge);
			struct packet p = syn(family, &m);

			expect(cases[i].name, guard(&p, xdp), cases[i].reason);
		}
	}
}

/* A cookie, right or forged, is found behind any of them; fragments are none of guard's business. */
static void header_variants_are_checked_too(void)
{
	EACH(family, xdp)
	{
		for (size_t i = 0; i < 2 * VARIANTS; i++) {
			bool forge = i % 2;
			struct packet p = variants[i / 2];
			struct message m;

			message_make(&m, CONNECT | COOKIE, 0, KEY_ID, forge);
			p.family = family;
			p.dport = PORT;
			p.data = m.bytes;
			p.data_len = m.len;
			expect(p.name, guard(&p, xdp), forge ? MPGATE_R_GUARD_FORGED : MPGATE_R_GUARD_PASS);
			p.fragment = true;
			expect("first fragment", guard(&p, xdp), -1);
			p.fragment = false;
			p.offset = 5;
			expect("later fragment", guard(&p, xdp), -1);
		}
	}
}

/* Cut off anywhere before its end, the message has no cookie that could be right, and no such packet is taken for one
 * that has. */
static void truncated_packets_get_no_pass(void)
{
	EACH(family, xdp)
	{
		struct message m;

		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, false);
		struct packet p = syn(family, &m);
		struct frame whole;

		p.vlans = 1;
		p.ip_options = 1;
		build(&whole, &p);
		for (p.truncate = ETH_HLEN; p.truncate < (int)whole.len - EARLY; p.truncate++)
			CU_ASSERT_NOT_EQUAL(guard(&p, xdp), MPGATE_R_GUARD_PASS);
	}
}

static void a_nonce_opens_one_connection(void)
{
	EACH(family, xdp)
	{
		struct message m;

		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, false);
		struct packet p = syn(family, &m);

		expect("first", guard(&p, xdp), MPGATE_R_GUARD_PASS);
		expect("same again", guard(&p, xdp), MPGATE_R_GUARD_PASS);
		p.sport = CLIENT_PORT + 1;
		expect("elsewhere", guard(&p, xdp), MPGATE_R_GUARD_REPLAY);
		p.sport = 0;
		p.src = family == 4 ? "10.77.0.3" : "fd77::3";
		expect("elsewhere", guard(&p, !xdp), MPGATE_R_GUARD_REPLAY);
	}
}

static void malformed_messages_are_dropped(void)
{
	static const struct {
		int offset;
		__u8 value;
	} cases[] = {
		{ 0, 2 },
		{ 1, 0 },
		{ 1, 200 },
		{ 1, 7 },
		{ 2, 0 },
		{ 3, 0 },
		{ 4, 0 },
		{ 5, 0 },
		{ 5, 4 },
		{ 5, 255 },
		{ 24, CONVERT_CONNECT },
		{ 25, 8 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		EACH(family, xdp)
		{
			struct message m;

			message_make(&m, CONNECT | COOKIE, 0, KEY_ID, false);
			m.bytes[cases[i].offset] = cases[i].value;
			struct packet p = syn(family, &m);

			expect("malformed", guard(&p, xdp), MPGATE_R_GUARD_MALFORMED);
			p.data_len = 3;
			expect("short", guard(&p, xdp), MPGATE_R_GUARD_MALFORMED);
		}
	}
}

static void what_guard_does_not_know_passes(void)
{
	EACH(family, xdp)
	{
		struct packet p = syn(family, NULL);

		expect("no data", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		p.options = opt_join;
		p.options_len = sizeof(opt_join);
		expect("join", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		p.data = "x";
		p.data_len = 1;
		p.flags = FLAG_ACK;
		expect("no SYN", guard(&p, xdp), -1);
		p.flags = FLAG_SYN | FLAG_ACK;
		expect("SYN+ACK", guard(&p, xdp), -1);
		p.flags = 0;
		p.dport = 80;
		expect("other port", guard(&p, xdp), -1);
	}
}

/* A join carries no data: options that look like one hide nothing of what does. */
static void a_join_hides_nothing(void)
{
	EACH(family, xdp)
	{
		struct message m;
		struct packet p = syn(family, &m);

		p.options = opt_join;
		p.options_len = sizeof(opt_join);
		message_make(&m, CONNECT, 0, KEY_ID, false);
		p.data_len = m.len;
		expect("no cookie", guard(&p, xdp), MPGATE_R_GUARD_NO_COOKIE);
		message_make(&m, CONNECT | COOKIE, 0, KEY_ID, true);
		p.data_len = m.len;
		expect("forged", guard(&p, xdp), MPGATE_R_GUARD_FORGED);
		m.bytes[2] = 'x';
		expect("no message", guard(&p, xdp), MPGATE_R_GUARD_MALFORMED);
	}
}

static void a_source_has_a_rate(void)
{
	settings.unchecked_rate = 1;
	settings.unchecked_burst = 3;
	dp_settings(skel, &settings);
	EACH(family, xdp)
	{
		struct packet p = syn(family, NULL);
		char src[64];

		snprintf(src, sizeof(src), family == 4 ? "10.77.9.%d" : "fd77:%d::1", xdp + 1);
		p.src = src;
		for (int i = 0; i < 3; i++)
			expect("burst", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		expect("too many", guard(&p, xdp), MPGATE_R_GUARD_RATE);
		snprintf(src, sizeof(src), family == 4 ? "10.77.8.%d" : "fd77:%d::2", xdp + 1);
		expect("another address", guard(&p, xdp), family == 4 ? MPGATE_R_GUARD_UNCHECKED : MPGATE_R_GUARD_RATE);
	}
	settings.unchecked_rate = 0;
	dp_settings(skel, &settings);
}

static void allow_from_is_respected(void)
{
	struct mpgate_lpm_key v4 = { .prefixlen = MPGATE_LPM_FIXED_BITS + 24,
				     .key = { MPGATE_SRC, 4, 0, { 10, 77, 0 } } };
	struct mpgate_lpm_key v6 = { .prefixlen = MPGATE_LPM_FIXED_BITS + 16,
				     .key = { MPGATE_SRC, 6, 0, { 0xfd, 0x77 } } };
	__u32 one = 1;

	map_set(skel->maps.guard_allow, &v4, &one);
	map_set(skel->maps.guard_allow, &v6, &one);
	settings.allow_from = 1;
	dp_settings(skel, &settings);
	EACH(family, xdp)
	{
		struct packet p = syn(family, NULL);

		expect("inside", guard(&p, xdp), MPGATE_R_GUARD_UNCHECKED);
		p.src = family == 4 ? "10.78.0.2" : "fd78::2";
		expect("outside", guard(&p, xdp), MPGATE_R_GUARD_SOURCE);
	}
	settings.allow_from = 0;
	dp_settings(skel, &settings);
}

/* The window in a frame that guard let through; the checksum must fit whatever was done to it. */
static int window_after(const struct packet *p, bool xdp)
{
	struct frame f;
	struct run r;

	build(&f, p);
	dp_run(skel, xdp ? skel->progs.guard_xdp : skel->progs.guard_tc, &f, 0, xdp, &r);
	r.out.ip = f.ip;
	r.out.tcp = f.tcp;
	CU_ASSERT_EQUAL_FATAL(r.out.len, f.len);
	CU_ASSERT_EQUAL(tcp_sum(&r.out, p->family), 0);
	return r.out.bytes[f.tcp + 14] << 8 | r.out.bytes[f.tcp + 15];
}

static void windows_are_corrected_where_the_kernel_needs_it(void)
{
	/* Each sends a window of 0xff00. */
	static const struct {
		__u8 options[8];
		bool data;
		int corrected;
	} cases[] = {
		{ { 2, 4, 5, 180, 3, 3, 10, 1 }, true, 0xff00 >> 10 },
		{ { 1, 3, 3, 7, 2, 4, 5, 180 }, true, 0xff00 >> 7 },
		{ { 3, 3, 14, 1, 1, 1, 1, 0 }, true, 0xff00 >> 14 },
		{ { 3, 3, 0, 1, 1, 1, 1, 0 }, true, 0xff00 },
		{ { 3, 3, 15, 1, 1, 1, 1, 0 }, true, 0xff00 },
		{ { 2, 4, 5, 180, 1, 1, 1, 1 }, true, 0xff00 },
		{ { 2, 4, 5, 180, 1, 1, 3, 3 }, true, 0xff00 }, /* cut short */
		{ { 2, 4, 5, 180, 3, 3, 10, 1 }, false, 0xff00 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		EACH(family, xdp)
		{
			struct message m;

			message_make(&m, CONNECT | COOKIE, 0, KEY_ID, false);
			struct packet p = syn(family, cases[i].data ? &m : NULL);

			p.options = cases[i].options;
			p.options_len = sizeof(cases[i].options);
			settings.unscale = 1;
			dp_settings(skel, &settings);
			CU_ASSERT_EQUAL(window_after(&p, xdp), cases[i].corrected);
			settings.unscale = 0;
			dp_settings(skel, &settings);
			CU_ASSERT_EQUAL(window_after(&p, xdp), 0xff00);
		}
	}
}

static void other_modes_check_the_header_only(void)
{
	for (int mode = MPGATE_ACCEPT_NONE; mode <= MPGATE_ACCEPT_OPEN; mode++) {
		if (mode == MPGATE_ACCEPT_KEYED)
			continue;
		settings.accept = mode;
		dp_settings(skel, &settings);
		EACH(family, xdp)
		{
			struct message m;

			message_make(&m, CONNECT, 0, KEY_ID, false);
			struct packet p = syn(family, &m);

			expect("message", guard(&p, xdp), mode ? MPGATE_R_GUARD_UNCHECKED : -1);
			m.bytes[2] = 0;
			expect("noise", guard(&p, xdp), mode ? MPGATE_R_GUARD_MALFORMED : -1);
		}
	}
	settings.accept = MPGATE_ACCEPT_KEYED;
	dp_settings(skel, &settings);
}

static void setup(void)
{
	struct mpgate_guard_key key = { .k0 = 11, .k1 = 22 };
	struct timespec wall, mono;
	__u32 id = KEY_ID;

	net_open();
	skel = dp_open();
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	settings.wall_offset = (wall.tv_sec - mono.tv_sec) * NS + wall.tv_nsec - mono.tv_nsec;
	settings.convert_port = htons(PORT);
	dp_settings(skel, &settings);
	map_set(skel->maps.guard_keys, &id, &key);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "cookies decide", cookies_decide },
		{ "header variants are checked too", header_variants_are_checked_too },
		{ "truncated packets get no pass", truncated_packets_get_no_pass },
		{ "a nonce opens one connection", a_nonce_opens_one_connection },
		{ "malformed messages are dropped", malformed_messages_are_dropped },
		{ "what guard does not know passes", what_guard_does_not_know_passes },
		{ "a join hides nothing", a_join_hides_nothing },
		{ "a source has a rate", a_source_has_a_rate },
		{ "allow from is respected", allow_from_is_respected },
		{ "windows are corrected where the kernel needs it", windows_are_corrected_where_the_kernel_needs_it },
		{ "other modes check the header only", other_modes_check_the_header_only },
		CU_TEST_INFO_NULL,
	};
	bool passed;

	setup();
	passed = cunit_run("guard", tests, NULL, NULL);
	mpgate_bpf__destroy(skel);
	return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}
