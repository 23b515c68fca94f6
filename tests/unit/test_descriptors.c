// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/descriptors.c
/* The limit of descriptors: raised as far as it goes, and told when that is not enough. In children, to lower it. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mpgated/supervisor/descriptors.h>

#include "cunit.h"

/* What a child logs when it may open `soft` now and `hard` at most; *now: what it may open after. */
static void raise_in_child(unsigned connections, unsigned workers, rlim_t soft, rlim_t hard, rlim_t *now, char *text,
			   size_t size)
{
	struct config cfg = { .limits.connections = connections };
	int log[2], told[2];
	ssize_t n;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(log) | pipe(told), 0);
	pid = fork();
	if (!pid) {
		struct rlimit limit = { soft, hard };

		dup2(log[1], STDERR_FILENO);
		setrlimit(RLIMIT_NOFILE, &limit);
		descriptors_raise(&cfg, workers);
		getrlimit(RLIMIT_NOFILE, &limit);
		_exit(write(told[1], &limit.rlim_cur, sizeof(limit.rlim_cur)) < 0);
	}
	close(log[1]);
	close(told[1]);
	CU_ASSERT_EQUAL(read(told[0], now, sizeof(*now)), (ssize_t)sizeof(*now));
	n = read(log[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	waitpid(pid, NULL, 0);
	close(log[0]);
	close(told[0]);
}

static void test_raised(void)
{
	char text[512];
	rlim_t now;

	raise_in_child(50, 1, 64, 256, &now, text, sizeof(text));
	CU_ASSERT_EQUAL(now, 256);
	CU_ASSERT_STRING_EQUAL(text, "");
}

static void test_not_enough(void)
{
	char text[512];
	rlim_t now;

	raise_in_child(1000, 2, 64, 256, &now, text, sizeof(text));
	CU_ASSERT_EQUAL(now, 256);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "1000 on 2 workers need 1192 descriptors"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "256"));
}

static void test_needed(void)
{
	struct cfg_peer peers[3] = { { .address_count = 2, .ready = 4 }, { .ready = 0 }, { .address_count = 1 } };
	struct config cfg = { .limits.connections = 100, .peers = peers, .peer_count = 3 };
	unsigned long one = descriptors_needed(&cfg, 1);

	CU_ASSERT(one >= 2 * 100 + 4);
	/* Shared by workers, rounded up. */
	CU_ASSERT(descriptors_needed(&cfg, 3) >= one - 2 * (100 - 34) * 9 / 8);
	CU_ASSERT(descriptors_needed(&cfg, 3) <= one - 2 * (100 - 34));
	/* A hub of many gateways that it probes, with few connections. */
	cfg.limits.connections = 1;
	CU_ASSERT(descriptors_needed(&cfg, 64) >= 64 * 10);
}

int main(void)
{
	static CU_TestInfo tests[] = { { "raised as far as it goes", test_raised },
				       { "not enough", test_not_enough },
				       { "what is needed", test_needed },
				       CU_TEST_INFO_NULL };

	return cunit_run("descriptors", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
