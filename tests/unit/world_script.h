/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests that play scripts in the world (world.h) share: two endpoints in both families, and what they say. */
#ifndef TESTS_WORLD_SCRIPT_H
#define TESTS_WORLD_SCRIPT_H

#include <errno.h>
#include <string.h>

#include <lib/log.h>

#include "cunit.h"
#include "world.h"

#define CUTS 400 /* a stream */
#define GET "GET / HTTP/1.1\r\n\r\n"
#define REPLY "HTTP/1.1 200 OK\r\n\r\nhello"
#define EQUAL_TEXT(a, b) CU_ASSERT_STRING_EQUAL((a) ? (const char *)(a) : "nothing", b)
#define SCRIPT __attribute__((unused)) static /* not every program uses all of this */

static struct worker *w;
static const char *client = "10.0.0.5", *server = "198.51.100.7";

SCRIPT void each_family(void (*script)(void))
{
	client = "2001:db8:1::5";
	server = "2001:db8:2::7";
	script();
	client = "10.0.0.5";
	server = "198.51.100.7";
	script();
}

/* What the supervisor was told last. */
SCRIPT bool was_told(uint32_t type)
{
	for (unsigned i = 0; i < world.told_count && i < WORLD_MESSAGES; i++)
		if (world.told[i].type == type)
			return true;
	return false;
}

/* The program's exit status. */
SCRIPT int script_run(const char *suite, CU_TestInfo *tests)
{
	log_setup("test", LOG_LEVEL_ERROR);
	return cunit_run(suite, tests, NULL, NULL) ? 0 : 1;
}

#endif
