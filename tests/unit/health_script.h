/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ways to a peer and what probes find of them, for tests of health.c. */
#ifndef TESTS_HEALTH_SCRIPT_H
#define TESTS_HEALTH_SCRIPT_H

#include <string.h>

#include <mpgated/supervisor/health.h>

#include "cunit.h"

#define HEALTH_SCRIPT __attribute__((unused)) static /* not every program uses all of this */
#define T0 1000000ULL

HEALTH_SCRIPT const bool v4_only[] = { true }, both[] = { true, false };
HEALTH_SCRIPT const struct health_path paths[] = { { .name = "wan0", .from = { { 1 } } },
						   { .name = "wan1", .from = { { 2 } } },
						   { .name = "wan0", .v6 = true, .from = { { 3 } } } };
HEALTH_SCRIPT const struct health_result good = { .plain_known = true, .syn_data = SYN_DATA_YES, .rtt_us = 20000 };
HEALTH_SCRIPT const struct health_result bad = { .error = "silent" };
HEALTH_SCRIPT const struct health_result tcp = { .plain = true, .plain_known = true };

HEALTH_SCRIPT void probe(struct health *h, unsigned way, const struct health_result *r, uint64_t now)
{
	health_begin(h, way, now);
	health_end(h, way, r, now);
}

/* Two paths to an IPv4 address, both up at T0. */
HEALTH_SCRIPT struct health two_up(void)
{
	struct health h = { 0 };

	health_set_ways(&h, v4_only, 1, paths, 3, T0);
	probe(&h, 0, &good, T0);
	probe(&h, 1, &good, T0);
	return h;
}

HEALTH_SCRIPT uint64_t next_of(const struct health *h, uint64_t now)
{
	uint64_t next;

	CU_ASSERT_EQUAL(health_due(h, now, &next), -1);
	return next;
}

#endif
