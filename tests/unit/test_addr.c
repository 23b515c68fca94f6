// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/addr_match.h>

#include "cunit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void test_addresses(void)
{
	static const struct {
		const char *text, *printed, *with_port; /* printed NULL: refused */
		bool v4, special;
	} cases[] = {
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1:8803", true, false },
		{ "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1:8803", true, false },
		{ "2001:db8::1", "2001:db8::1", "[2001:db8::1]:8803", false, false },
		{ "2001:DB8:0:0:0:0:0:1", "2001:db8::1", "[2001:db8::1]:8803", false, false },
		{ "127.9.9.9", "127.9.9.9", "127.9.9.9:8803", true, true },
		{ "::ffff:127.0.0.1", "127.0.0.1", "127.0.0.1:8803", true, true },
		{ "0.0.0.0", "0.0.0.0", "0.0.0.0:8803", true, true },
		{ "224.0.0.1", "224.0.0.1", "224.0.0.1:8803", true, true },
		{ "239.255.255.255", "239.255.255.255", "239.255.255.255:8803", true, true },
		{ "240.0.0.1", "240.0.0.1", "240.0.0.1:8803", true, false },
		{ "255.255.255.255", "255.255.255.255", "255.255.255.255:8803", true, true },
		{ "::", "::", "[::]:8803", false, true },
		{ "::1", "::1", "[::1]:8803", false, true },
		{ "ff02::1", "ff02::1", "[ff02::1]:8803", false, true },
		{ "fe80::1", "fe80::1", "[fe80::1]:8803", false, false },
		{ "", NULL, NULL, false, false },
		{ "192.0.2", NULL, NULL, false, false },
		{ "192.0.2.256", NULL, NULL, false, false },
		{ "192.0.2.1 ", NULL, NULL, false, false },
		{ "2001:db8::1%eth0", NULL, NULL, false, false },
		{ "example.org", NULL, NULL, false, false },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct mpgate_addr a, back, before;
		struct sockaddr_storage ss;
		char buf[ADDR_TEXT];
		__be16 port = 0;
		int r;

		memset(&a, 0x5a, sizeof(a));
		before = a;
		r = addr_parse(cases[i].text, &a);
		if (!cases[i].printed) {
			CU_ASSERT_EQUAL(r, -EINVAL);
			CU_ASSERT_EQUAL(memcmp(&a, &before, sizeof(a)), 0);
			continue;
		}
		CU_ASSERT_EQUAL_FATAL(r, 0);
		CU_ASSERT_STRING_EQUAL(addr_print(&a, buf), cases[i].printed);
		CU_ASSERT_STRING_EQUAL(addr_print_port(&a, htons(8803), buf), cases[i].with_port);
		CU_ASSERT_EQUAL(addr_is_v4(&a), cases[i].v4);
		CU_ASSERT_EQUAL(addr_is_special(&a), cases[i].special);
		CU_ASSERT_EQUAL(addr_to_sockaddr(&a, htons(80), &ss),
				cases[i].v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		CU_ASSERT_EQUAL(ss.ss_family, cases[i].v4 ? AF_INET : AF_INET6);
		CU_ASSERT_EQUAL(addr_from_sockaddr((struct sockaddr *)&ss, &back, &port), 0);
		CU_ASSERT_EQUAL(port, htons(80));
		CU_ASSERT_EQUAL(memcmp(&a, &back, sizeof(a)), 0);
	}
}

static void test_foreign_sockaddr(void)
{
	struct sockaddr sa = { .sa_family = AF_UNIX };
	struct mpgate_addr a;
	__be16 port;

	CU_ASSERT_EQUAL(addr_from_sockaddr(&sa, &a, &port), -EAFNOSUPPORT);
}

static void test_prefixes(void)
{
	static const struct {
		const char *text;
		int result;
		const char *printed;
	} cases[] = {
		{ "10.0.0.0/8", 0, "10.0.0.0/8" },
		{ "0.0.0.0/0", 0, "0.0.0.0/0" },
		{ "192.0.2.7", 0, "192.0.2.7/32" },
		{ "192.0.2.6/31", 0, "192.0.2.6/31" },
		{ "::/0", 0, "::/0" },
		{ "2001:db8::/32", 0, "2001:db8::/32" },
		{ "2001:db8::1", 0, "2001:db8::1/128" },
		{ "2001:db8:8000::/33", 0, "2001:db8:8000::/33" },
		{ "10.0.0.1/8", -ERANGE, NULL },
		{ "192.0.2.7/31", -ERANGE, NULL },
		{ "128.0.0.0/0", -ERANGE, NULL },
		{ "2001:db8::1/64", -ERANGE, NULL },
		{ "2001:db8:8000::/32", -ERANGE, NULL },
		{ "10.0.0.0/33", -EINVAL, NULL },
		{ "2001:db8::/129", -EINVAL, NULL },
		{ "10.0.0.0/", -EINVAL, NULL },
		{ "10.0.0.0/8/8", -EINVAL, NULL },
		{ "10.0.0.0/+8", -EINVAL, NULL },
		{ "10.0.0.0/ 8", -EINVAL, NULL },
		{ "10.0.0.0/4294967304", -EINVAL, NULL },
		{ "10/8", -EINVAL, NULL },
		{ "/8", -EINVAL, NULL },
		{ "", -EINVAL, NULL },
		{ "::ffff:10.0.0.0/104", -EINVAL, NULL },
		{ "2001:0db8:0000:0000:0000:0000:0000:0001:0002:0003", -EINVAL, NULL },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct prefix p, before;
		char buf[ADDR_TEXT];

		memset(&p, 0x5a, sizeof(p));
		before = p;
		CU_ASSERT_EQUAL(prefix_parse(cases[i].text, &p), cases[i].result);
		if (cases[i].result) {
			CU_ASSERT_EQUAL(memcmp(&p, &before, sizeof(p)), 0);
		} else {
			CU_ASSERT_STRING_EQUAL(prefix_print(&p, buf), cases[i].printed);
		}
	}
}

static void test_clients(void)
{
	static const struct {
		const char *address, *client;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.7" },
		{ "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::" },
		{ "2001:db8:1:2::", "2001:db8:1:2::" },
		{ "::1", "::" },
	};
	char text[ADDR_TEXT];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mpgate_addr a, client;

		CU_ASSERT_EQUAL(addr_parse(cases[i].address, &a), 0);
		client = addr_client(&a);
		CU_ASSERT_STRING_EQUAL(addr_print(&client, text), cases[i].client);
		CU_ASSERT(addr_client_hash(&client) != addr_client_hash(&a) || !memcmp(&client, &a, sizeof(a)));
	}
}

static void test_contains(void)
{
	static const struct {
		const char *prefix, *address;
		bool inside;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/9", "10.127.255.255", true },
		{ "10.0.0.0/9", "10.128.0.0", false },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "10.0.0.1", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.0", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "2001:db8::1", "2001:db8::1", true },
		{ "2001:db8::1", "2001:db8::2", false },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct mpgate_addr a;
		struct prefix p;

		CU_ASSERT_EQUAL_FATAL(prefix_parse(cases[i].prefix, &p), 0);
		CU_ASSERT_EQUAL_FATAL(addr_parse(cases[i].address, &a), 0);
		CU_ASSERT_EQUAL(prefix_contains(&p, &a), cases[i].inside);
	}
}

static void test_matches(void)
{
	static const struct {
		const char *text; /* of which ends */
		const char *addr;
		uint16_t port;
		bool is, wrong;
	} cases[] = {
		{ "10.0.1.9", "10.0.1.9", 5, true, false },
		{ "10.0.1.9", "10.0.1.10", 5, false, false },
		{ "10.0.1.0/24", "10.0.1.10", 5, true, false },
		{ "10.0.1.9:5", "10.0.1.9", 5, true, false },
		{ "10.0.1.9:6", "10.0.1.9", 5, false, false },
		{ "192.0.2.0/24:4", "192.0.2.2", 4, true, false },
		{ "0.0.0.0/0", "2001:db8::1", 4, false, false },
		{ "fd00::/8", "fd00::1", 5, true, false },
		{ "fd00::1", "fd00::1", 5, true, false },
		{ "[fd00::1]:5", "fd00::1", 5, true, false },
		{ "[fd00::1]", "fd00::1", 6, true, false },
		{ "[2001:db8::/32]:3", "2001:db8::1", 3, true, false },
		{ "[2001:db8::/32]:3", "2001:db8::1", 4, false, false },
		{ ":2", "192.0.2.1", 2, true, false },
		{ ":2", "2001:db8::1", 2, true, false },
		{ ":2", "2001:db8::1", 3, false, false },
		{ .text = "10.0.1", .wrong = true },
		{ .text = "10.0.1.9/24", .wrong = true },
		{ .text = "10.0.1.9:x", .wrong = true },
		{ .text = "10.0.1.9:0", .wrong = true },
		{ .text = ":65536", .wrong = true },
		{ .text = ":", .wrong = true },
		{ .text = "[::1", .wrong = true },
		{ .text = "[::1]80", .wrong = true },
		{ .text = "[]:80", .wrong = true },
		{ .text = "", .wrong = true },
	};
	struct addr_match m, none = { .prefix = { 4, 200, { 10 } } };
	struct mpgate_addr a;

	for (size_t i = 0; i < COUNT(cases); i++) {
		CU_ASSERT_EQUAL(addr_match_parse(cases[i].text, &m), cases[i].wrong ? -EINVAL : 0);
		if (cases[i].wrong || addr_parse(cases[i].addr, &a) < 0)
			continue;
		CU_ASSERT_EQUAL(addr_match_has(&m, &a, htons(cases[i].port)), cases[i].is);
		CU_ASSERT_FALSE(addr_match_has(&none, &a, htons(cases[i].port)));
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "addresses", test_addresses },
		{ "foreign sockaddr", test_foreign_sockaddr },
		{ "prefixes", test_prefixes },
		{ "clients", test_clients },
		{ "prefix contains address", test_contains },
		{ "ends of connections", test_matches },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("addr", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
