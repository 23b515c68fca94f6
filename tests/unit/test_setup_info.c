// SPDX-License-Identifier: GPL-2.0-or-later
/* Vendor options of DHCP: what is read from them, and from the text that DHCP clients make of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/setup_info.h>

#include "cunit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define OURS "\0\0\x7e\xd9"
#define BYTES(text) text, sizeof(text) - 1
#define ADDR4 "\xc0\0\2\1"
#define ADDR6 "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"

static void test_options(void)
{
	static const struct {
		bool v6;
		const char *data;
		size_t len;
		int ret;
		const char *want; /* addresses, port, domain */
	} cases[] = {
		{ false, BYTES(OURS "\6\1\4" ADDR4), 0, "192.0.2.1 8803 " },
		{ false, BYTES(OURS "\12\1\4" ADDR4 "\2\2\x1f\x40"), 0, "192.0.2.1 8000 " },
		{ false, BYTES(OURS "\30\1\4" ADDR4 "\4\20" ADDR6), 0, "2001:db8::1 192.0.2.1 8803 " },
		{ false, BYTES(OURS "\30\4\20" ADDR6 "\1\4" ADDR4), 0, "2001:db8::1 192.0.2.1 8803 " },
		{ false, BYTES(OURS "\3\3\1a"), 0, "8803 a" },
		{ false, BYTES(OURS "\5\3\3a.b"), 0, "8803 a.b" },
		{ false, BYTES(OURS "\6\3\4a.b\0"), 0, "8803 a.b" },
		/* Others' before and behind, an unknown one, one twice, and what is no peer's. */
		{ false, BYTES("\0\0\0\1\2\1\0" OURS "\6\1\4" ADDR4 "\0\0\0\2\0"), 0, "192.0.2.1 8803 " },
		{ false, BYTES(OURS "\11\x63\1x\1\4" ADDR4), 0, "192.0.2.1 8803 " },
		{ false, BYTES(OURS "\22\1\20\x7f\0\0\1\xe0\0\0\1" ADDR4 ADDR4), 0, "192.0.2.1 8803 " },
		{ false, BYTES(OURS "\32\1\30\1\1\1\1\2\2\2\2\3\3\3\3\4\4\4\4\5\5\5\5\6\6\6\6"), 0,
		  "1.1.1.1 2.2.2.2 3.3.3.3 4.4.4.4 8803 " },
		{ false, BYTES(""), -ENOENT, NULL },
		{ false, BYTES("\0\0\0\1\6\1\4" ADDR4), -ENOENT, NULL },
		{ false, BYTES(OURS "\4\2\2\1\1"), -ENOENT, NULL },
		{ false, BYTES(OURS "\6\1\4\x7f\0\0\1"), -ENOENT, NULL },
		{ false, BYTES("\0\0\x7e"), -EBADMSG, NULL },
		{ false, BYTES(OURS), -EBADMSG, NULL },
		{ false, BYTES(OURS "\7\1\4" ADDR4), -EBADMSG, NULL },
		{ false, BYTES(OURS "\6\1\5" ADDR4), -EBADMSG, NULL },
		{ false, BYTES(OURS "\5\1\3\1\1\1"), -EBADMSG, NULL },
		{ false, BYTES(OURS "\12\1\4" ADDR4 "\2\2\0\0"), -EBADMSG, NULL },
		{ false, BYTES(OURS "\3\2\1\1"), -EBADMSG, NULL },
		{ false, BYTES(OURS "\2\3\0"), -EBADMSG, NULL },
		{ false, BYTES(OURS "\3\3\1 "), -EBADMSG, NULL },
		{ false, BYTES(OURS "\5\3\3a\0b"), -EBADMSG, NULL },
		{ true, BYTES(OURS "\0\1\0\4" ADDR4), 0, "192.0.2.1 8803 " },
		{ true, BYTES(OURS "\0\4\0\20" ADDR6 "\0\2\0\2\x1f\x40"), 0, "2001:db8::1 8000 " },
		{ true, BYTES(OURS "\0\3\0\1a"), 0, "8803 a" },
		{ true, BYTES("\0\0\0\1\0\1\0\4" ADDR4), -ENOENT, NULL },
		{ true, BYTES(OURS "\0\1\0\5" ADDR4), -EBADMSG, NULL },
		{ true, BYTES(OURS "\0\1\0"), -EBADMSG, NULL },
		{ true, BYTES(OURS "\0\4\0\20\0\0\0\0\0\0\0\0\0\0\xff\xff" ADDR4), -ENOENT, NULL },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct setup_info info = { .port = 1 };
		char got[512] = "", text[ADDR_TEXT];
		/* Where it ends is where the memory ends. */
		uint8_t *copy = malloc(cases[i].len + !cases[i].len);
		int ret;

		CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
		memcpy(copy, cases[i].data, cases[i].len);
		ret = setup_info_parse(cases[i].v6, copy, cases[i].len, 32473, &info);
		free(copy);
		for (unsigned k = 0; k < info.count; k++)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s ",
				 addr_print(&info.address[k], text));
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%u %s", info.port, info.domain);
		CU_ASSERT_EQUAL(ret, cases[i].ret);
		CU_ASSERT_STRING_EQUAL(got, cases[i].want ? cases[i].want : "1 ");
		if (ret != cases[i].ret || strcmp(got, cases[i].want ? cases[i].want : "1 ") != 0)
			printf("\ncase %u: %d, '%s'\n", i, ret, got);
	}
}

static void test_long_domain(void)
{
	uint8_t data[6 + 255] = OURS;
	struct setup_info info;

	memset(data + 7, 'a', sizeof(data) - 7);
	for (unsigned n = 1; n < 250; n++) {
		data[4] = (uint8_t)(n + 2);
		data[5] = 3;
		data[6] = (uint8_t)n;
		CU_ASSERT_EQUAL(setup_info_parse(false, data, n + 7, 32473, &info), n < DNS_DOMAIN ? 0 : -EBADMSG);
	}
}

static void test_bytes(void)
{
	static const struct {
		const char *text;
		int ret;
		const char *want;
	} cases[] = {
		{ "00", 1, "\0" },
		{ "00007Ed9", 4, "\0\0\x7e\xd9" },
		{ "0:0:7e:d9", 4, "\0\0\x7e\xd9" },
		{ "00:0:7E:d9", 4, "\0\0\x7e\xd9" },
		{ "a:b", 2, "\xa\xb" },
		{ "0001020304", 5, "\0\1\2\3\4" },
		{ "000102030405", -E2BIG, NULL },
		{ "0:1:2:3:4:5", -E2BIG, NULL },
		{ "", -EINVAL, NULL },
		{ "0", -EINVAL, NULL },
		{ "000", -EINVAL, NULL },
		{ "0g", -EINVAL, NULL },
		{ "00:", -EINVAL, NULL },
		{ ":00", -EINVAL, NULL },
		{ "0::0", -EINVAL, NULL },
		{ "0000:00", -EINVAL, NULL },
		{ "00 00", -EINVAL, NULL },
		{ " 00", -EINVAL, NULL },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		uint8_t out[5] = { 0 };
		int ret = setup_info_bytes(cases[i].text, out, sizeof(out));

		CU_ASSERT_EQUAL(ret, cases[i].ret);
		if (ret != cases[i].ret)
			printf("\n%s: %d\n", cases[i].text, ret);
		else if (ret > 0)
			CU_ASSERT_EQUAL(memcmp(out, cases[i].want, (size_t)ret), 0);
	}
}

static void test_line(void)
{
	static const struct {
		const char *text;
		int ret;
		bool v6;
	} cases[] = { { "dhcp4 0001\n", 2, false },  { "dhcp6 00", 1, true },	      { "dhcp5 00\n", -EINVAL, false },
		      { "dhcp4\n", -EINVAL, false }, { "dhcp40 00", -EINVAL, false }, { "", -EINVAL, false } };

	for (unsigned i = 0; i < COUNT(cases); i++) {
		uint8_t out[SETUP_OPTION_MAX];
		char line[32];
		bool v6 = false;

		strcpy(line, cases[i].text);
		CU_ASSERT_EQUAL(setup_info_line(line, &v6, out), cases[i].ret);
		CU_ASSERT_EQUAL(v6, cases[i].v6);
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "options", test_options },
		{ "a domain's length", test_long_domain },
		{ "bytes as text", test_bytes },
		{ "the line that is kept", test_line },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("set-up information", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
