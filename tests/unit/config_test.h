/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the configuration reader share: texts that many cases start with, and a directory of their own
 * with key files and prefix sets in it.
 */
#ifndef TESTS_UNIT_CONFIG_TEST_H
#define TESTS_UNIT_CONFIG_TEST_H

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lib/config/config.h>
#include <lib/keys.h>

#include "cunit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DEADLINE 300 /* seconds: far above what any correct run takes, also under a sanitizer */

static char directory[] = "/tmp/mpg-test-config-XXXXXX";

static inline int parse(const char *text, struct config **cfg, struct cfg_error *err)
{
	return config_parse(text, strlen(text), "test.yaml", ".", cfg, err);
}

/* What many cases start with: four lines. */
#define LINKS "links:\n- { name: lan0, role: lan }\n- { name: wan0, role: path }\n"
#define PEER "peers: [ { name: hub1, address: [ 192.0.2.1 ], key-file: a.key } ]\n"
#define RULES LINKS PEER "policy:\n  rules:\n" /* the first rule is in line 7 */
#define VIA ", action: proxy, via: hub1 }\n"

static inline int write_file(const char *name, const char *text, mode_t mode)
{
	FILE *file = fopen(name, "w");

	if (!file)
		return -1;
	fputs(text, file);
	fclose(file);
	return chmod(name, mode);
}

static inline int set_up(void)
{
	char line[KEY_LINE];
	struct key key;

	if (!mkdtemp(directory) || chdir(directory) || keys_init())
		return -1;
	key_new(&key, line);
	if (write_file("a.key", line, 0600) || write_file("copy.key", line, 0600))
		return -1;
	if (write_file("open.key", line, 0604) || write_file("group.key", line, 0640))
		return -1;
	if (key_file_create("b.key") || key_file_create("way.key") || key_file_create("odd: name #1\xc3\xa9.key"))
		return -1;
	return write_file("junk.key", "no key\n", 0600) || write_file("empty.txt", "# none\n\n", 0644) ||
	       write_file("bad.txt", "# a comment\n10.0.0.0/8 # one\n\n10.0.0.300\n", 0644) ||
	       write_file("host.txt", "2001:db8::1/32\n", 0644) ||
	       write_file("good.txt",
			  "# two\r\n  10.0.0.0/8\t# and one inside it\r\n10.1.0.0/16\n\n2001:db8::/32\n192.0.2.1",
			  0644);
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int tear_down(void)
{
	return chdir("/") || nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* The whole of a program's main(). Returns its exit status. */
static inline int config_test_run(const char *suite, CU_TestInfo *tests)
{
	alarm(DEADLINE);
	return cunit_run(suite, tests, set_up, tear_down) ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
