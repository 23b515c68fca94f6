// SPDX-License-Identifier: GPL-2.0-or-later
/* Messages: to the journal and to others, long ones, and a reader that stands still. */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <lib/log.h>

#include "cunit.h"

#define DEADLINE 60 /* seconds: a write that blocks ends the test */

static int saved, reader;
static char text[1 << 20];

/* Standard error is a pipe from now on, which the journal reads or somebody else. */
static void begin_as(bool is_journal)
{
	int pair[2];
	char stream[64];
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(pipe(pair), 0);
	saved = dup(STDERR_FILENO);
	dup2(pair[1], STDERR_FILENO);
	close(pair[1]);
	reader = pair[0];
	fcntl(reader, F_SETFL, O_NONBLOCK);
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino + !is_journal);
	setenv("JOURNAL_STREAM", stream, 1);
	log_setup("me", LOG_LEVEL_INFO);
}

static void begin(void)
{
	begin_as(true);
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

/* Whether the text is a line with the time before that: today's, or of the second before now. */
static bool is_timed(const char *line, const char *rest)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ ";
	char today[2][11];
	time_t now = time(NULL);
	size_t i;

	for (i = 0; i < 2; i++) {
		time_t at = now - (time_t)i;

		strftime(today[i], sizeof(today[i]), "%Y-%m-%d", gmtime(&at));
	}
	if (strncmp(line, today[0], 10) != 0 && strncmp(line, today[1], 10) != 0)
		return false;

	for (i = 0; form[i]; i++)
		if (form[i] == 'd' ? line[i] < '0' || line[i] > '9' : line[i] != form[i])
			return false;
	return !strcmp(line + i, rest);
}

/* Whoever reads knows nothing of levels, and has no clock. */
static void test_time(void)
{
	begin_as(false);
	log_error("a %d", 1);
	CU_ASSERT_TRUE(is_timed(take(), "me: error: a 1\n"));
	log_warn("b");
	CU_ASSERT_TRUE(is_timed(take(), "me: warning: b\n"));
	log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PEER, "hub" }), "c");
	CU_ASSERT_TRUE(is_timed(take(), "me: c\n"));
	unsetenv("JOURNAL_STREAM");
	log_setup("me", LOG_LEVEL_INFO);
	log_info("d");
	CU_ASSERT_TRUE(is_timed(take(), "me: d\n"));
	end();
}

/* What the journal got, as one datagram. */
static const char *taken(int fd)
{
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = 0;
	return text;
}

static void test_fields(void)
{
	char dir[] = "/tmp/mpg-test-log-XXXXXX";
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	const char *before = log_journal;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char *big = malloc(5000);

	CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/socket", dir);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	log_journal = sun.sun_path;
	begin();
	log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PEER, "hub" }, { LOG_PATH, "wan0" }), "peer %s is down", "hub");
	CU_ASSERT_STRING_EQUAL(taken(fd), "PRIORITY=4\nSYSLOG_IDENTIFIER=mpgated\nMPGATE_PROCESS=me\n"
					  "MESSAGE=me: peer hub is down\nMPGATE_PEER=hub\nMPGATE_PATH=wan0\n");
	/* Nobody makes fields of what a text says. */
	log_info("a\nPRIORITY=0\nb");
	CU_ASSERT_PTR_NOT_NULL(strstr(taken(fd), "\nMESSAGE=me: a PRIORITY=0 b\n"));
	log_setup("mpgated", LOG_LEVEL_INFO);
	log_info("c");
	CU_ASSERT_PTR_NOT_NULL(strstr(taken(fd), "\nMESSAGE=c\n"));
	/* What is too long is cut, and ends as all do. */
	memset(big, 'x', 4999);
	big[4999] = 0;
	log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_CLIENT, big }), "%s", big);
	CU_ASSERT_TRUE(strlen(taken(fd)) < 1200 && text[strlen(text) - 1] == '\n' && !strstr(text, LOG_CLIENT));
	CU_ASSERT_STRING_EQUAL(take(), "");
	/* The journal has gone: then to standard error. */
	close(fd);
	log_info("d");
	CU_ASSERT_STRING_EQUAL(take(), "<6>mpgated: d\n");
	end();
	unlink(sun.sun_path);
	rmdir(dir);
	log_journal = before;
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
		{ "lines", test_lines },	 { "time", test_time },
		{ "fields", test_fields },	 { "nobody reads", test_nobody_reads },
		{ "no reader", test_no_reader }, CU_TEST_INFO_NULL,
	};

	log_journal = "/nonexistent";
	alarm(DEADLINE);
	return cunit_run("log", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
