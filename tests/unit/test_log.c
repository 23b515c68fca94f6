// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages: levels, long ones, and a reader that stands still. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lib/log.h>

#include "cunit.h"

#define DEADLINE 60 /* seconds: a write that blocks ends the test */

static int saved, reader;
static char text[1 << 20];

/* Standard error is a pipe from now on. */
static void begin(void)
{
	int pair[2];

	CU_ASSERT_EQUAL_FATAL(pipe(pair), 0);
	saved = dup(STDERR_FILENO);
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	reader = pair[0];
	fcntl(reader, F_SETFL, O_NONBLOCK);
	log_setup("me", LOG_LEVEL_INFO);
}

/* All that is in it. */
static const char *take(void)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(reader, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return text;
}

static void end(void)
{
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(reader);
}

static void test_lines(void)
{
	char *big = malloc(5000);

	begin();
	log_error("a %d", 1);
	log_debug("no");
	CU_ASSERT_STRING_EQUAL(take(), "<3>me: a 1\n");
	memset(big, 'x', 4999);
	big[4999] = '\0';
	log_info("%s", big);
	CU_ASSERT_EQUAL(strlen(take()), 1023);
	CU_ASSERT_EQUAL(text[1022], '\n');
	end();
	free(big);
}

static unsigned count(const char *what)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, what)); at++)
		n++;
	return n;
}

static void test_nobody_reads(void)
{
	enum { LINES = 5000 };
	char told[80];
	unsigned kept;

	begin();
	for (unsigned i = 0; i < LINES; i++)
		log_info("a line that is long enough to fill a pipe of 64 KiB with some hundred others");
	take();
	kept = count("a line");
	CU_ASSERT_TRUE(kept > 0 && kept < LINES);
	CU_ASSERT_EQUAL(text[strlen(text) - 1], '\n');
	log_error("another");
	snprintf(told, sizeof(told), "<4>me: %u lines are missing here: the log was not read\n<3>me: another\n",
		 LINES - kept);
	CU_ASSERT_STRING_EQUAL(take(), told);
	log_error("one more");
	CU_ASSERT_STRING_EQUAL(take(), "<3>me: one more\n");
	end();
}

/* Nobody will ever read it: that is for SIGPIPE, which the daemon ignores. */
static void test_no_reader(void)
{
	begin();
	close(reader);
	signal(SIGPIPE, SIG_IGN);
	log_error("into the void");
	signal(SIGPIPE, SIG_DFL);
	reader = dup(saved);
	end();
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "lines", test_lines },
		{ "nobody reads", test_nobody_reads },
		{ "no reader", test_no_reader },
		CU_TEST_INFO_NULL,
	};

	alarm(DEADLINE);
	return cunit_run("log", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
