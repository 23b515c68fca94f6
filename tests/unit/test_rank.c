// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/rank.c
/* What becomes of a path's rank when there are several reasons, and of the last path that is well. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/supervisor/supervisor.h>

#include "cunit.h"

/* --- the rest of the daemon */

static struct paths_link links[3];
static enum paths_rank told[3];
static char said[96]; /* of which link, and what, at last */

const struct paths_link *paths_get(const struct paths *p, unsigned index)
{
	(void)p;
	return &links[index];
}

void log_with(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
	int len = snprintf(said, sizeof(said), "%s=%s ", fields->name, fields->value);
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	vsnprintf(said + len, sizeof(said) - (size_t)len, fmt, ap);
	va_end(ap);
}

void paths_set_rank(struct paths *p, unsigned index, enum paths_rank rank)
{
	(void)p;
	told[index] = rank;
}

/* --- one verdict */

#define U PATHS_RANK_USE
#define P PATHS_RANK_PRIMARY
#define B PATHS_RANK_BACKUP

static void test_decide(void)
{
	/* Wishes are quota, quality, overflow. */
	static const struct {
		struct rank_view v[2];
		struct rank_verdict out[2];
	} cases[] = {
		/* As configured. */
		{ { { true, true, true, { U, U, U } }, { true, true, true, { U, U, U } } },
		  { { U, RANK_REASONS, false }, { U, RANK_REASONS, false } } },
		/* One demoted; a quota is more than that, and quality more than that it is needed. */
		{ { { true, true, true, { U, U, U } }, { true, true, true, { U, B, U } } },
		  { { U, RANK_REASONS, false }, { B, RANK_QUALITY, false } } },
		{ { { true, true, true, { U, U, U } }, { true, true, true, { B, P, P } } },
		  { { U, RANK_REASONS, false }, { B, RANK_QUOTA, false } } },
		{ { { true, true, true, { U, U, U } }, { true, true, false, { U, B, P } } },
		  { { U, RANK_REASONS, false }, { B, RANK_QUALITY, false } } },
		{ { { true, true, true, { U, U, U } }, { true, true, false, { U, U, P } } },
		  { { U, RANK_REASONS, false }, { P, RANK_OVERFLOW, false } } },
		/* The other one is not well, or no path: this one stays, whatever it is like. */
		{ { { true, false, true, { U, U, U } }, { true, true, true, { U, B, U } } },
		  { { U, RANK_REASONS, false }, { P, RANK_QUALITY, true } } },
		{ { { false, true, true, { U, U, U } }, { true, true, true, { B, U, U } } },
		  { { U, RANK_REASONS, false }, { P, RANK_QUOTA, true } } },
		/* Both are bad: the first; by other reasons: what is over its quota last. */
		{ { { true, true, true, { U, B, U } }, { true, true, true, { U, B, U } } },
		  { { P, RANK_QUALITY, true }, { B, RANK_QUALITY, false } } },
		{ { { true, true, true, { B, U, U } }, { true, true, true, { U, B, U } } },
		  { { B, RANK_QUOTA, false }, { P, RANK_QUALITY, true } } },
		/* A bad primary before a backup, and that before one that is over its quota. */
		{ { { true, true, false, { U, U, U } }, { true, true, true, { U, B, U } } },
		  { { U, RANK_REASONS, false }, { P, RANK_QUALITY, true } } },
		{ { { true, true, false, { U, U, U } }, { true, true, true, { B, U, U } } },
		  { { P, RANK_REASONS, true }, { B, RANK_QUOTA, false } } },
		{ { { true, true, false, { U, B, U } }, { true, true, false, { U, U, U } } },
		  { { B, RANK_QUALITY, false }, { P, RANK_REASONS, true } } },
		/* Backups only, and by the configuration alone: the kernel's affair, as is that no path is well. */
		{ { { true, true, false, { U, U, U } }, { true, false, true, { U, U, U } } },
		  { { U, RANK_REASONS, false }, { U, RANK_REASONS, false } } },
		{ { { true, false, true, { U, B, U } }, { true, false, true, { U, U, U } } },
		  { { B, RANK_QUALITY, false }, { U, RANK_REASONS, false } } },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rank_verdict out[2];

		rank_decide(cases[i].v, 2, out);
		for (unsigned k = 0; k < 2; k++) {
			CU_ASSERT_EQUAL(out[k].rank, cases[i].out[k].rank);
			CU_ASSERT_EQUAL(out[k].by, cases[i].out[k].by);
			CU_ASSERT_EQUAL(out[k].last, cases[i].out[k].last);
		}
	}
}

/* --- in the daemon */

static struct cfg_link cfg_links[3];
static struct config cfg = { .links = cfg_links };
static struct supervisor s = { .cfg = &cfg };

static void configure(unsigned n, const char *const names[])
{
	memset(cfg_links, 0, sizeof(cfg_links));
	cfg.link_count = n;
	for (unsigned i = 0; i < n; i++)
		cfg_links[i] =
			(struct cfg_link){ .name = (char *)names[i], .path = (char *)names[i], .role = CFG_PATH };
}

static void start(void)
{
	static const char *const names[] = { "wan0", "wan1", "wan2" };

	memset(&s.ranks, 0, sizeof(s.ranks));
	for (unsigned i = 0; i < 3; i++)
		links[i] = (struct paths_link){ .up = true, .ifindex = i + 1, .addr = { { { 10 } } } };
	configure(2, names);
	cfg_links[1].path = (char *)"far";
}

static void test_set(void)
{
	enum paths_rank rank;

	start();
	rank_settle(&s);
	CU_ASSERT_EQUAL(told[0], U);
	CU_ASSERT_PTR_NULL(rank_why(&s, 1, &rank));
	rank_set(&s, 1, RANK_QUALITY, B, "slow");
	CU_ASSERT_EQUAL(told[1], B);
	CU_ASSERT_STRING_EQUAL(rank_why(&s, 1, &rank), "slow");
	CU_ASSERT_EQUAL(rank, B);
	CU_ASSERT_STRING_EQUAL(said, "MPGATE_PATH=wan1 path far: backup: slow");
	rank_set(&s, 1, RANK_QUOTA, B, "used up");
	CU_ASSERT_STRING_EQUAL(rank_why(&s, 1, &rank), "used up");
	rank_set(&s, 1, RANK_QUOTA, U, "ignored");
	CU_ASSERT_STRING_EQUAL(rank_why(&s, 1, &rank), "slow");
	rank_set(&s, 1, RANK_QUALITY, U, "");
	CU_ASSERT_EQUAL(told[1], U);
	CU_ASSERT_PTR_NULL(rank_why(&s, 1, &rank));
}

/* A path dies, is held back or goes away: the one that was demoted is a primary until it is back. */
static void test_last(void)
{
	enum paths_rank rank;

	start();
	rank_set(&s, 1, RANK_QUALITY, B, "slow");
	rank_set_down(&s, 0, 0, true);
	rank_settle(&s);
	CU_ASSERT_EQUAL(told[1], P);
	CU_ASSERT_STRING_EQUAL(rank_why(&s, 1, &rank), "no other path is well; slow");
	CU_ASSERT_EQUAL(rank, P);
	rank_set_down(&s, 0, 0, false);
	rank_settle(&s);
	CU_ASSERT_EQUAL(told[1], B);
	links[0].held = true;
	rank_settle(&s);
	CU_ASSERT_EQUAL(told[1], P);
	links[0].held = false;
	links[0].up = false;
	rank_settle(&s);
	CU_ASSERT_EQUAL(told[1], P);
	/* Up, but without an address. */
	links[0].up = true;
	links[0].addr[0] = (struct mpgate_addr){ { 0 } };
	rank_settle(&s);
	CU_ASSERT_EQUAL(told[1], P);
}

/* A reload: wishes stay with the names of links. */
static void test_reload(void)
{
	static const char *const other[] = { "wan2", "wan1", "wan0" }, *const fewer[] = { "wan2", "wan0" },
				 *const again[] = { "wan0", "wan1" };
	enum paths_rank rank;

	start();
	rank_set(&s, 0, RANK_QUALITY, B, "slow");
	configure(3, other);
	CU_ASSERT_PTR_NULL(rank_why(&s, 0, &rank));
	rank_settle(&s);
	CU_ASSERT_EQUAL(told[0], U);
	CU_ASSERT_EQUAL(told[2], B);
	CU_ASSERT_STRING_EQUAL(rank_why(&s, 2, &rank), "slow");
	rank_set(&s, 1, RANK_QUALITY, B, "lossy");
	configure(2, fewer);
	rank_settle(&s);
	CU_ASSERT_STRING_EQUAL(rank_why(&s, 1, &rank), "slow");
	/* What was left out is forgotten. */
	configure(2, again);
	rank_settle(&s);
	CU_ASSERT_STRING_EQUAL(rank_why(&s, 0, &rank), "slow");
	CU_ASSERT_PTR_NULL(rank_why(&s, 1, &rank));
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "all reasons at once", test_decide },
		{ "set and taken back", test_set },
		{ "the last path that is well", test_last },
		{ "another configuration", test_reload },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("rank", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
