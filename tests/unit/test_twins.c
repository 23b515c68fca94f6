// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/twins.c
// LIBS: libmnl libuv
/* Which of the paths with one address keeps it, and what is said. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/paths/internal.h>

#include "cunit.h"

#define LINKS 4U

static struct path_set p;
static char said[512];

void log_with(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list ap;

	(void)level;
	(void)fields;
	va_start(ap, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, ap);
	va_end(ap);
	strncat(said, ". ", sizeof(said) - strlen(said) - 1);
}

/* What a look finds: of each link a letter for its address, capital: it is up; '-': none. */
static void look(unsigned f, const char *found)
{
	said[0] = '\0';
	p.count = LINKS;
	for (unsigned i = 0; i < LINKS; i++) {
		struct path_link *l = &p.links[i];
		struct mpgate_addr now = { 0 };

		now.b[15] = found[i] == '-' ? 0 : (uint8_t)(found[i] | 0x20);
		l->role = i == LINKS - 1 ? CFG_LAN : CFG_PATH;
		l->kept[f] = !memcmp(&now, &l->pub.addr[f], sizeof(now));
		l->pub.addr[f] = now;
		l->pub.ifindex = i + 1;
		l->pub.up = found[i] >= 'A' && found[i] <= 'Z';
		snprintf(l->pub.name, sizeof(l->pub.name), "wan%u", i);
	}
	twins_part(&p);
}

/* Who has an address afterwards, as digits. */
static const char *owners(unsigned f)
{
	static char text[LINKS + 1];
	unsigned n = 0;

	for (unsigned i = 0; i < LINKS; i++)
		if (link_has_addr(&p.links[i].pub, f))
			text[n++] = (char)('0' + i);
	text[n] = '\0';
	return text;
}

static void test_twins(void)
{
	static const struct {
		const char *found, *owners, *who, *over[2];
	} steps[] = {
		{ "ABC-", "012", NULL, { 0 } },
		{ "ABCA", "0123", NULL, { 0 } }, /* no path */
		{ "AAC-", "02", "wan1: wan0", { 0 } },
		{ "AAC-", "02", NULL, { 0 } }, /* once */
		{ "aAC-", "12", "wan0: wan1", { "wan1" } },
		{ "AAC-", "12", NULL, { 0 } }, /* it stays */
		{ "AAA-", "1", "wan2: wan1", { 0 } },
		{ "-A-A", "13", NULL, { "wan0", "wan2" } }, /* their addresses are gone, too */
		{ "AAC-", "12", "wan0: wan1", { 0 } },
		{ "aac-", "12", NULL, { 0 } },
		{ "AB--", "01", NULL, { "wan0" } },
		{ "BA--", "01", NULL, { 0 } }, /* they change places */
	};

	for (unsigned f = 0; f < 2; f++) {
		memset(&p, 0, sizeof(p));
		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			char expected[256];

			look(f, steps[i].found);
			CU_ASSERT_STRING_EQUAL(owners(f), steps[i].owners);
			CU_ASSERT_STRING_EQUAL(owners(!f), "");
			expected[0] = '\0';
			if (steps[i].who)
				snprintf(expected, sizeof(expected),
					 "%s has the same IPv%u address, so it is not used in IPv%u. ", steps[i].who,
					 f ? 6U : 4U, f ? 6U : 4U);
			for (unsigned k = 0; k < 2 && steps[i].over[k]; k++) {
				size_t len = strlen(expected);

				snprintf(expected + len, sizeof(expected) - len,
					 "%s: no other path keeps its IPv%u address from it any more. ",
					 steps[i].over[k], f ? 6U : 4U);
			}
			CU_ASSERT_STRING_EQUAL(said, expected);
		}
	}
}

int main(void)
{
	CU_TestInfo tests[] = { { "one of them has it", test_twins }, CU_TEST_INFO_NULL };

	return cunit_run("twins", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
