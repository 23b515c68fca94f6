/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the BPF programs share beside the harness: the programs, a look at their counters, the run. */
#ifndef TESTS_BPF_PROGRAM_TEST_H
#define TESTS_BPF_PROGRAM_TEST_H

#include "cunit.h"
#include "harness.h"

static struct mpgate_bpf *skel;

#define EACH_FAMILY(family) for (int family = 4; family <= 6; family += 2)

HARNESS __u64 counted(enum mpgate_reason reason)
{
	__u64 c[MPGATE_REASON_COUNT];

	dp_counters(skel, c);
	return c[reason];
}

/* What explain says of a packet that comes in there. */
HARNESS struct mpgate_explained explain(const struct packet *p, __u32 ifindex)
{
	struct mpgate_explained answer;
	__u32 zero = 0;
	struct frame f;
	struct run r;

	build(&f, p);
	dp_run(skel, skel->progs.explain, &f, ifindex, false, &r);
	CU_ASSERT_EQUAL(r.retval, TC_UNSPEC);
	CU_ASSERT_EQUAL(r.reason, -1); /* a question is not counted */
	CU_ASSERT_EQUAL(r.mark, 0x5678);
	bpf_map_lookup_elem(bpf_map__fd(skel->maps.explained), &zero, &answer);
	return answer;
}

/* Runs the tests and takes the programs down; what main() returns. */
static int run_tests(const char *suite, CU_TestInfo *tests)
{
	bool passed = cunit_run(suite, tests, NULL, NULL);

	mpgate_bpf__destroy(skel);
	return passed ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
