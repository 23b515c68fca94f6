// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/idle.c user/mpgated/paths/nat.c tests/unit/nl_list.c
// LIBS: libmnl libuv
/* What is done with subflows that were silent. */
#include <stdlib.h>

#include <mpgated/paths/internal.h>

#include "cunit.h"

/* --- the kernel, and the rest of the room */

static struct nl_subflow kernel[8];
static struct path_set set;
static uint64_t clock_ns;
static unsigned renewed, kept, looks;

uint64_t uv_hrtime(void)
{
	return clock_ns;
}

const struct join_way *joins_way(const struct path_set *p, const struct mpgate_addr *addr)
{
	return &p->joins.ways[2 * addr->b[15]];
}

void joins_look_soon(struct joins *j)
{
	(void)j;
	looks++;
}

bool subflows_renew(struct path_set *p, const struct nl_subflow *s, const struct join_way *w)
{
	(void)p;
	(void)s;
	(void)w;
	renewed++;
	return true;
}

int mptcp_pm_prio(struct mptcp_pm *pm, const struct nl_subflow *s, bool backup)
{
	(void)pm;
	CU_ASSERT_EQUAL(s->backup, backup);
	kept++;
	return 0;
}

/* --- two paths */

static void start(void)
{
	idle_free(&set.idler);
	memset(&set, 0, sizeof(set));
	memset(kernel, 0, sizeof(kernel));
	set.count = 2;
	set.joins.managed = set.sampler.taken = true;
	set.joins.ways[0].open = set.joins.ways[2].open = true;
	set.sampler.known = (struct nl_list){ .v = kernel };
	clock_ns = 1000000000000;
	renewed = kept = looks = 0;
}

static struct nl_subflow *add(uint32_t token, unsigned path)
{
	struct nl_subflow *s = &kernel[set.sampler.known.n++];

	*s = (struct nl_subflow){ .cookie = 100 * token + path + 10 * set.sampler.known.n,
				  .token = token,
				  .connected = true };
	s->local.b[15] = (uint8_t)path;
	return s;
}

/* Looks after so many seconds of silence, one by one. */
static void silence(unsigned seconds)
{
	while (seconds--) {
		clock_ns += 1000000000;
		for (unsigned i = 0; i < set.sampler.known.n; i++)
			kernel[i].quiet_ms += 1000;
		idle_look(&set);
	}
}

/* s is silent for so long, says something three times, and has no answer. */
static void die(struct nl_subflow *s, unsigned seconds)
{
	s->quiet_ms = s->unanswered = 0;
	silence(seconds);
	for (unsigned i = 1; i <= 3; i++) {
		s->unanswered = i;
		silence(1);
	}
}

static void test_silent(void)
{
	struct nl_subflow *s, *other;

	start();
	s = add(1, 0);
	other = add(1, 1);
	die(s, 10);
	CU_ASSERT_EQUAL(renewed, 1);
	silence(2);
	CU_ASSERT(renewed == 1 && looks == 0); /* once */
	*s = *add(1, 0); /* it stands */
	set.sampler.known.n--;
	s->cookie++;
	silence(1);
	CU_ASSERT(looks == 1 && set.links[0].nat[0].deaths == 1 && set.links[0].sample.forgets_ms[0] == 0);
	die(s, 10);
	CU_ASSERT_EQUAL(renewed, 2);
	s->cookie++;
	s->quiet_ms = s->unanswered = 0;
	silence(1);
	CU_ASSERT(set.links[0].sample.forgets_ms[0] == 10000 && set.links[1].sample.forgets_ms[0] == 0);
	/* From now on it is kept, the other one is not. */
	other->quiet_ms = 0;
	silence(20);
	CU_ASSERT(kept >= 4 && kept <= 6);
	/* Nor is one that says something of its own accord. */
	kept = 0;
	for (unsigned i = 0; i < 10; i++) {
		s->packets++;
		silence(2);
	}
	CU_ASSERT_EQUAL(kept, 0);
	idle_free(&set.idler);
}

/* Silence of a path that is dead, and a subflow that was busy. */
static void test_others(void)
{
	struct nl_subflow *s;

	start();
	s = add(1, 0);
	set.joins.ways[0].open = false;
	die(s, 10);
	CU_ASSERT_EQUAL(renewed, 0);
	set.joins.ways[0].open = true;
	silence(1);
	CU_ASSERT_EQUAL(renewed, 1);
	start();
	s = add(1, 0);
	die(s, 1);
	silence(10);
	CU_ASSERT_EQUAL(renewed, 0);
	idle_free(&set.idler);
}

/* Reset after a silence, ended by us, and reset while it was busy. */
static void test_lost(void)
{
	uint64_t cookie;

	start();
	add(1, 0);
	silence(10);
	set.sampler.known.n = 0;
	silence(1);
	CU_ASSERT(renewed == 1 && set.sampler.next_ms == SAMPLE_SOON_MS);
	add(1, 0)->cookie++;
	silence(1);
	CU_ASSERT_EQUAL(set.links[0].nat[0].deaths, 1);

	start();
	cookie = add(1, 0)->cookie;
	silence(10);
	nl_list_add(&set.joins.ended, &cookie, sizeof(cookie));
	set.sampler.known.n = 0;
	silence(1);
	add(1, 0);
	silence(1);
	set.sampler.known.n = 0;
	silence(1);
	CU_ASSERT(renewed == 0 && set.joins.ended.n == 0);
	nl_list_free(&set.joins.ended);
	idle_free(&set.idler);
}

/* No other one stands in time: it was the path. */
static void test_late(void)
{
	struct nl_subflow *s;

	start();
	s = add(1, 0);
	die(s, 10);
	silence(10);
	s->cookie++;
	s->quiet_ms = s->unanswered = 0;
	silence(1);
	CU_ASSERT(renewed == 1 && set.links[0].nat[0].deaths == 0);
	idle_free(&set.idler);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "what has no answer", test_silent },
		{ "paths that are dead, subflows that are busy", test_others },
		{ "what is no more", test_lost },
		{ "another one comes late", test_late },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("silent subflows", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
