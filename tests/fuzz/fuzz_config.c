// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration reader and the policy compiler. What is accepted must
 * compile, and must come back the same when it was printed and read again.
 * Key files are looked for in the directory that the input cannot name: only
 * peers without a key get far, which is what the corpus holds.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/config.h>
#include <lib/policy.h>

#include "check.h"

#define NOWHERE "/nonexistent" /* relative paths of the input lead here */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint16_t slots[MPGATE_MAX_PEERS];
static uint32_t ids[MPGATE_MAX_RULES];

static void check_error(const struct cfg_error *err)
{
	int foreign = 0;

	CHECK(err->text[0] != '\0');
	CHECK(strlen(err->text) < sizeof(err->text));
	CHECK(!strchr(err->text, '\n'));
	/* libcyaml has nothing to say that was not said before in words of our own. */
	(void)sscanf(err->text, "input:%*u: cannot be read: %n", &foreign);
	CHECK(!foreign);
}

static void check_print(const struct config *cfg)
{
	char *first = config_print(cfg), *second;
	struct config *again = NULL;
	struct cfg_error err;

	CHECK(first);
	if (config_parse(first, strlen(first), "printed", ".", &again, &err) < 0) {
		(void)fprintf(stderr, "%s\n%s\n", err.text, first);
		abort();
	}
	second = config_print(again);
	CHECK(second && strcmp(first, second) == 0);
	config_free(again);
	free(first);
	free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config *cfg = NULL;
	struct policy_image img;
	struct cfg_error err;

	/* Absolute names would open what happens to be on this machine. */
	if (memmem(data, size, "file", 4) && memchr(data, '/', size))
		return 0;
	if (config_parse((const char *)data, size, "input", NOWHERE, &cfg, &err) < 0) {
		CHECK(!cfg);
		check_error(&err);
		return 0;
	}
	CHECK(policy_compile(cfg, slots, ids, (const uint64_t[2]){ 0 }, &img) == 0);
	policy_free(&img);
	check_print(cfg);
	config_free(cfg);
	return 0;
}
