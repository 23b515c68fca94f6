// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/lib/fields.c
#include <stdlib.h>
#include <string.h>

#include <lib/fields.h>

#include "cunit.h"

static void test_split(void)
{
	char line[] = "  eth0: 12  0 7\n", two[] = "a b c", none[] = " \n";
	char *f[4] = { NULL };

	CU_ASSERT_EQUAL(fields_split(line, " :\n", f, 4), 4);
	CU_ASSERT_STRING_EQUAL(f[0], "eth0");
	CU_ASSERT_STRING_EQUAL(f[3], "7");
	CU_ASSERT_EQUAL(fields_split(two, " ", f, 2), 3);
	CU_ASSERT_STRING_EQUAL(f[1], "b");
	CU_ASSERT_STRING_EQUAL(f[3], "7"); /* not written */
	CU_ASSERT_EQUAL(fields_split(none, " \n", f, 4), 0);
}

static void test_number(void)
{
	static const char *const bad[] = { "", " 1", "-1", "+1", "1 ", "0x1", "1a", "18446744073709551616", "a" };
	uint64_t n = 7;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CU_ASSERT_FALSE(fields_number(bad[i], 10, UINT64_MAX, &n));
	CU_ASSERT_FALSE(fields_number("256", 10, 255, &n));
	CU_ASSERT_EQUAL(n, 7);
	CU_ASSERT_TRUE(fields_number("255", 10, 255, &n) && n == 255);
	CU_ASSERT_TRUE(fields_number("18446744073709551615", 10, UINT64_MAX, &n) && n == UINT64_MAX);
	CU_ASSERT_TRUE(fields_number("00ff", 16, UINT32_MAX, &n) && n == 255);
}

int main(void)
{
	static CU_TestInfo tests[] = { { "split", test_split }, { "numbers", test_number }, CU_TEST_INFO_NULL };

	return cunit_run("fields", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
