// SPDX-License-Identifier: GPL-2.0-or-later
/* The tag of transparent mode, against values that another program computed (docs/protocol.md has them, too). */
#include <arpa/inet.h>
#include <string.h>

#include <lib/addr.h>
#include <mpgate/tag.h>

#include "cunit.h"

#define K0 0x0706050403020100ULL
#define K1 0x0f0e0d0c0b0a0908ULL

static void test_vectors(void)
{
	static const struct {
		const char *from, *to;
		uint8_t tag[8];
	} vectors[] = {
		{ "192.0.2.7", "203.0.113.5", { 0xd9, 0x2e, 0xaf, 0x5d, 0xb9, 0x85, 0x68, 0xbd } },
		{ "2001:db8::7", "2001:db8:1::5", { 0x31, 0xa6, 0xd5, 0x9f, 0x93, 0xcb, 0xf3, 0x93 } },
	};

	for (unsigned i = 0; i < 2; i++) {
		struct mpgate_tag_signed m = { .form = htonl(TAG_FORM),
					       .epoch = htonl(0x01234567),
					       .seq = htonl(0x01020304) };
		uint64_t tag;

		CU_ASSERT_EQUAL(addr_parse(vectors[i].from, &m.tuple.saddr), 0);
		CU_ASSERT_EQUAL(addr_parse(vectors[i].to, &m.tuple.daddr), 0);
		m.tuple.sport = htons(40000);
		m.tuple.dport = htons(80);
		tag = tag_make(K0, K1, &m);
		CU_ASSERT_EQUAL(memcmp(&tag, vectors[i].tag, sizeof(tag)), 0);
	}
}

static void test_layout(void)
{
	CU_ASSERT_EQUAL(sizeof(struct mpgate_tag_option), TAG_LEN);
	CU_ASSERT_EQUAL(sizeof(struct mpgate_tag_signed), TAG_SIGNED_WORDS * 8);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "test vectors", test_vectors },
		{ "no padding", test_layout },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("tag", tests, NULL, NULL) ? 0 : 1;
}
