// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/nat.c
/* What is made of subflows that were dead after a silence. */
#include <stdlib.h>

#include <mpgated/paths/nat.h>

#include "cunit.h"

#define HOUR NAT_RETRY_MS

static struct nat n;

static void test_rule(void)
{
	n = (struct nat){ 0 };
	CU_ASSERT(!nat_died(&n, 14000, 100000));
	CU_ASSERT(!nat_died(&n, 14500, 101000)); /* of the same moment */
	CU_ASSERT(n.forgets_ms == 0 && !nat_keeps(&n, 1, 60000, 1000, 102000));
	CU_ASSERT(nat_died(&n, 14500, 115000));
	CU_ASSERT(n.forgets_ms == 14000 && n.keep_ms == 7000);
	CU_ASSERT(!nat_keeps(&n, 1, 6000, 1000, 116000));
	CU_ASSERT(nat_keeps(&n, 1, 6001, 1000, 116000));
	/* What was silent before there was a rule. */
	CU_ASSERT(!nat_died(&n, 20000, 140000) && !nat_died(&n, 20000, 180000));
	CU_ASSERT(n.forgets_ms == 14000);
	/* Half is too long as well. */
	CU_ASSERT(!nat_died(&n, 6500, 200000));
	CU_ASSERT(n.forgets_ms == 14000);
	CU_ASSERT(nat_died(&n, 6800, 210000));
	CU_ASSERT(n.forgets_ms == 6500 && n.keep_ms == 3250);
	CU_ASSERT(!nat_died(&n, 3000, 220000) && nat_died(&n, 3000, 230000));
	CU_ASSERT(n.keep_ms == NAT_LEAST_MS);
	CU_ASSERT(!nat_died(&n, 2000, 240000) && !nat_died(&n, 2000, 250000));
	CU_ASSERT(n.forgets_ms == 3000);
}

/* Loss kills now and then; what is answered after such a silence says that it was that. */
static void test_loss(void)
{
	n = (struct nat){ 0 };
	for (unsigned i = 1; i < 100; i++) {
		CU_ASSERT(!nat_died(&n, 14000, i * 100000));
		CU_ASSERT(!nat_lived(&n, 1, 14000));
	}
	/* A shorter one says nothing. */
	CU_ASSERT(!nat_died(&n, 14000, 10000000));
	CU_ASSERT(!nat_lived(&n, 1, 13000));
	CU_ASSERT(nat_died(&n, 14000, 10100000));
}

static void rule(uint64_t now)
{
	n = (struct nat){ 0 };
	nat_died(&n, 14000, now - 14000);
	CU_ASSERT(nat_died(&n, 14000, now));
}

static void test_retry(void)
{
	rule(100000);
	CU_ASSERT(nat_keeps(&n, 7, 6900, 1000, 100000 + HOUR - 1));
	/* One is left alone, one that would be silent. */
	CU_ASSERT(!nat_keeps(&n, 8, 0, 1000, 100000 + HOUR) && n.alone == 0);
	CU_ASSERT(!nat_keeps(&n, 7, 6900, 1000, 100000 + HOUR) && n.alone == 7);
	CU_ASSERT(nat_keeps(&n, 8, 6900, 1000, 100000 + HOUR));
	CU_ASSERT(!nat_lived(&n, 8, 20000) && !nat_lived(&n, 7, 9000));
	/* It dies: again after an hour. */
	nat_gone(&n, 8, true, 100000 + HOUR);
	CU_ASSERT_EQUAL(n.alone, 7);
	nat_gone(&n, 7, true, 120000 + HOUR);
	CU_ASSERT(nat_keeps(&n, 9, 6900, 1000, 119999 + 2 * HOUR));
	/* It ends: another one. */
	CU_ASSERT(!nat_keeps(&n, 9, 6900, 1000, 120000 + 2 * HOUR));
	nat_gone(&n, 9, false, 121000 + 2 * HOUR);
	CU_ASSERT(!nat_keeps(&n, 10, 6900, 1000, 122000 + 2 * HOUR));
	/* It lives. */
	CU_ASSERT(nat_lived(&n, 10, 14000));
	CU_ASSERT(n.forgets_ms == 0 && !nat_keeps(&n, 11, 60000, 1000, 200000 + 2 * HOUR));
}

static void test_address(void)
{
	struct mpgate_addr a = { .b = { 1 } };

	rule(100000);
	nat_at(&n, &n.addr);
	CU_ASSERT_EQUAL(n.forgets_ms, 14000);
	nat_at(&n, &a);
	CU_ASSERT(n.forgets_ms == 0 && n.addr.b[0] == 1);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "two deaths are a rule", test_rule },
		{ "loss is none", test_loss },
		{ "one is left alone once an hour", test_retry },
		{ "another address", test_address },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("NATs that forget", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
