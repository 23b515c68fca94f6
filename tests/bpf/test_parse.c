/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where headers lie and what they say, bit by bit, by what steer answers: a SYN that it has read as a whole is reset,
 * and what that acknowledges is the length that was read.
 */
#include "program_test.h"

#define DATA "sixteen bytes..."
#define DATA_LEN 16
#define SEQ 9 /* of build() */

static struct test_policy policy;
static __u32 link_id;

/* The reason for a frame. A SYN that was read is MPGATE_R_PEER_DOWN_REJECT; *payload: the bytes that it was given. */
static int reason_of(const struct frame *f, __u32 *payload)
{
	__be32 ack;
	struct run r;

	dp_run(skel, skel->progs.steer, f, link_id, false, &r);
	if (r.reason == MPGATE_R_PEER_DOWN_REJECT) {
		memcpy(&ack, r.out.bytes + f->tcp + 8, sizeof(ack));
		*payload = ntohl(ack) - SEQ - 1;
	}
	return r.reason;
}

static void expect(const char *what, int family, const struct frame *f, int want, __u32 want_payload)
{
	__u32 payload = want_payload;
	int got = reason_of(f, &payload);

	if (got != want || payload != want_payload)
		printf("\n    %s, IPv%d: %s with %u bytes, not %s with %u", what, family, reason_name(got), payload,
		       reason_name(want), want_payload);
	CU_ASSERT_EQUAL(got, want);
	CU_ASSERT_EQUAL(payload, want_payload);
}

static void be16_set(struct frame *f, __u32 at, __u16 value)
{
	f->bytes[at] = value >> 8;
	f->bytes[at + 1] = value;
}

/* Each length that the IP header can give: 0 is none. */
static void the_length_is_what_ip_says(void)
{
	static const __u8 options[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

	for (int i = 0; i < 12; i++) {
		int family = i & 1 ? 6 : 4;
		struct packet p = { .family = family,
				    .ip_options = i >> 2,
				    .options = options,
				    .options_len = i & 2 ? 8 : 0,
				    .data = DATA,
				    .data_len = DATA_LEN };
		__u32 at, headers;
		struct frame f;

		build(&f, &p);
		at = f.ip + (family == 4 ? 2 : 4);
		headers = f.tcp + 20 + p.options_len - f.ip - (family == 4 ? 0 : 40);
		for (__u32 len = 0; len <= headers + DATA_LEN; len++) {
			be16_set(&f, at, len);
			if (len && len < headers)
				expect("too short", family, &f, MPGATE_R_MALFORMED, 0);
			else
				expect("length", family, &f, MPGATE_R_PEER_DOWN_REJECT, len ? len - headers : 0);
		}
	}
}

/* Only an offset, or more to come, makes a fragment; not that there may be none. */
static void each_bit_of_an_offset_makes_a_fragment(void)
{
	struct frame f;

	build(&f, &(struct packet){ .family = 4 });
	for (int bit = 0; bit < 16; bit++) {
		be16_set(&f, f.ip + 6, 1 << bit);
		expect("fragment", 4, &f, bit < 14 ? MPGATE_R_FRAGMENT : MPGATE_R_PEER_DOWN_REJECT, 0);
	}
}

static void versions_are_looked_at(void)
{
	EACH_FAMILY(family)
	{
		struct frame f;

		build(&f, &(struct packet){ .family = family });
		for (int version = 0; version < 16; version++) {
			f.bytes[f.ip] = version << 4 | (f.bytes[f.ip] & 15);
			expect("version", family, &f,
			       version == family ? MPGATE_R_PEER_DOWN_REJECT : MPGATE_R_MALFORMED, 0);
		}
	}
}

/* Extension headers that are longer than one unit of 8 bytes: one, and a second one behind it. */
static void extension_headers_have_a_length(void)
{
	static const __u8 types[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS };

	for (unsigned t = 0; t < sizeof(types); t++) {
		for (int units = 1; units <= 40; units += 13) {
			for (int second = 0; second < 2; second++) {
				struct packet p = {
					.family = 6, .ip_options = units + second, .data = DATA, .data_len = DATA_LEN
				};
				struct frame f;
				__u8 *ext;

				build(&f, &p);
				ext = f.bytes + f.ip + 40;
				memset(ext, 0, units * 8);
				f.bytes[f.ip + 6] = types[t];
				ext[0] = second ? IPPROTO_DSTOPTS : IPPROTO_TCP;
				ext[1] = units - 1;
				expect("extension header", 6, &f, MPGATE_R_PEER_DOWN_REJECT, DATA_LEN);
				f.len = f.ip + 40 + 8 * units - 1;
				expect("cut off", 6, &f, MPGATE_R_MALFORMED, 0);
			}
		}
	}
}

/* Where a routing header has somewhere to lead still, the destination is another. */
static void a_source_route_is_not_followed(void)
{
	struct packet p = { .family = 6, .ip_options = 1, .ext = IPPROTO_ROUTING };
	struct frame f;

	build(&f, &p);
	expect("at its end", 6, &f, MPGATE_R_PEER_DOWN_REJECT, 0);
	f.bytes[f.ip + 40 + 3] = 1;
	expect("on its way", 6, &f, MPGATE_R_OTHER, 0);
}

/* Each bit of a VLAN's number in either tag; a priority is none. */
static void each_bit_of_a_tag_makes_a_vlan(void)
{
	for (int i = 0; i < 64; i++) {
		int family = i & 1 ? 6 : 4, tag = i >> 1 & 1, bit = i >> 2;
		struct packet p = { .family = family, .vlans = 2 };
		struct frame f;

		build(&f, &p);
		be16_set(&f, ETH_HLEN + 4 * tag, 1 << bit);
		expect("tag", family, &f, bit < 12 ? MPGATE_R_NO_LINK : MPGATE_R_PEER_DOWN_REJECT, 0);
	}
}

static void mptcp_options_are_found_where_they_are(void)
{
	static const struct {
		const char *name;
		bool mptcp;
		int len;
		__u8 bytes[40];
	} cases[] = {
		{ "alone", true, 4, { 30, 4, 1, 0 } },
		{ "the last of forty bytes", true, 40, { 2, 4, 5, 180, 254, 32, [36] = 30, 4, 1, 0 } },
		{ "behind padding", true, 8, { 1, 1, 1, 30, 4, 1, 0, 0 } },
		{ "of three bytes, at the end", true, 4, { 1, 30, 3, 0 } },
		{ "of two bytes, at the end", false, 4, { 1, 1, 30, 2 } },
		{ "one byte, at the end", false, 4, { 1, 1, 1, 30 } },
		{ "behind the end of options", false, 8, { 1, 1, 1, 0, 30, 4, 1, 0 } },
		{ "behind an option of one byte", false, 8, { 3, 1, 30, 4, 1, 0, 1, 1 } },
		{ "behind an option without a length", false, 8, { 3, 0, 30, 4, 1, 0, 1, 1 } },
		{ "inside another", false, 8, { 3, 6, 30, 4, 1, 0, 1, 1 } },
		{ "of one byte", false, 4, { 30, 1, 0, 0 } },
		{ "another subtype", false, 8, { 30, 8, 0x20, 0, 0, 0, 0, 0 } },
		{ "the second one counts for nothing", false, 8, { 30, 4, 0x20, 0, 30, 4, 1, 0 } },
	};

	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		int family = i & 1 ? 6 : 4, n = i / 2;
		struct packet p = { .family = family, .options = cases[n].bytes, .options_len = cases[n].len };
		struct frame f;

		build(&f, &p);
		expect(cases[n].name, family, &f, cases[n].mptcp ? MPGATE_R_MPTCP : MPGATE_R_PEER_DOWN_REJECT, 0);
	}
}

static void setup(void)
{
	link_id = net_open();
	skel = dp_open();
	policy_make(skel, &policy, 0, 10, link_id, MPGATE_RULE_REJECT);
	dp_settings(skel, &(struct mpgate_settings){ .loaded = 1 });
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "the length is what IP says", the_length_is_what_ip_says },
		{ "each bit of an offset makes a fragment", each_bit_of_an_offset_makes_a_fragment },
		{ "versions are looked at", versions_are_looked_at },
		{ "extension headers have a length", extension_headers_have_a_length },
		{ "a source route is not followed", a_source_route_is_not_followed },
		{ "each bit of a tag makes a VLAN", each_bit_of_a_tag_makes_a_vlan },
		{ "MPTCP options are found where they are", mptcp_options_are_found_where_they_are },
		CU_TEST_INFO_NULL,
	};

	setup();
	return run_tests("parse", tests);
}
