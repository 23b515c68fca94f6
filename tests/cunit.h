/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The run that every unit test program has: one suite, each test named in the output. */
#ifndef TESTS_CUNIT_H
#define TESTS_CUNIT_H

#include <stdbool.h>
#include <stdio.h>

#include <CUnit/Basic.h>

/* The test that calls it cannot run here: it is counted as skipped, once. CUnit leaves its line open, hence the first
 * \n. */
static inline void cunit_skip(const char *reason)
{
	printf("\n# SKIP %s\n", reason);
}

/* setup and teardown may be NULL. True: every test ran and every assertion held. */
static inline bool cunit_run(const char *suite, CU_TestInfo *tests, CU_InitializeFunc setup, CU_CleanupFunc teardown)
{
	CU_SuiteInfo suites[] = { { suite, setup, teardown, NULL, NULL, tests }, CU_SUITE_INFO_NULL };
	unsigned failures;

	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
		return false;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
	CU_cleanup_registry();
	return !failures;
}

#endif
