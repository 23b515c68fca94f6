// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/stall.c
// LIBS: libuv
/* When a path that carries nothing any more is suspect, by samples of two. */
#include <stdlib.h>
#include <string.h>

#include <mpgated/supervisor/supervisor.h>

#include "cunit.h"

#define T0 1000000ULL
#define LOOK_MS 250U
#define PART 30000U /* bytes in that time: much */

/* --- the rest of the daemon */

static struct paths_link links[2];
static struct paths_sample samples[2];
static unsigned suspected[2];

const struct paths_link *paths_get(const struct paths *p, unsigned index)
{
	(void)p;
	return &links[index];
}

const struct paths_sample *paths_get_sample(const struct paths *p, unsigned index)
{
	(void)p;
	return &samples[index];
}

unsigned paths_count(const struct paths *p)
{
	(void)p;
	return 2;
}

void peers_suspect_path(struct supervisor *s, const char *link)
{
	(void)s;
	suspected[link[0] - 'a']++;
}

/* --- */

static char a_name[] = "a", b_name[] = "b";
static struct cfg_link configured[2] = { { .name = a_name }, { .name = b_name } };
static struct config cfg = { .links = configured, .link_count = 2 };
static struct supervisor s;

static void begin(void)
{
	memset(&s, 0, sizeof(s));
	memset(links, 0, sizeof(links));
	memset(suspected, 0, sizeof(suspected));
	links[0].up = links[1].up = true;
	s.cfg = &cfg;
	s.paths = (struct paths *)&cfg; /* not looked into */
	s.loop.time = T0;
}

/* For that long, each carries so much with each look. */
static void go(unsigned ms, uint32_t a, uint32_t b)
{
	for (unsigned t = 0; t < ms; t += LOOK_MS) {
		s.loop.time += LOOK_MS;
		samples[0] = (struct paths_sample){ .span_ms = LOOK_MS, .span_sent = a };
		samples[1] = (struct paths_sample){ .span_ms = LOOK_MS, .span_received = b };
		stall_sampled(&s);
	}
}

static void test_stalls(void)
{
	begin();
	go(2000, PART, PART);
	go(STALL_MS - LOOK_MS, PART, 0);
	CU_ASSERT_EQUAL(suspected[1], 0);
	go(STALL_MS, PART, 0);
	CU_ASSERT_EQUAL(suspected[1], 1);
	go(10000, PART, 0);
	CU_ASSERT_EQUAL(suspected[1], 1); /* once */
	go(LOOK_MS, PART, PART);
	go(2000, PART, 0);
	CU_ASSERT_EQUAL(suspected[1], 2);
	CU_ASSERT_EQUAL(suspected[0], 0);
}

static void test_does_not(void)
{
	begin();
	go(2000, PART, PART);
	go(5000, 0, 0); /* the transfer ended */
	go(5000, PART, 100); /* another one begins, a while later, over one path */
	CU_ASSERT_EQUAL(suspected[0] + suspected[1], 0);
	go(2000, PART, PART);
	links[1].backup = true;
	go(5000, PART, 0); /* it has become a backup */
	links[1].backup = false;
	go(5000, PART, 0);
	links[1].up = false;
	go(5000, PART, 0);
	links[1].up = true;
	go(5000, PART, 300); /* it never carried much since */
	CU_ASSERT_EQUAL(suspected[0] + suspected[1], 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "what carried much and then nothing", test_stalls },
		{ "what has a reason to carry nothing", test_does_not },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("stall", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
