// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/reach.c
// LIBS: libmnl libuv
/* What is said of a path whose packets to peers go elsewhere. */
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <lib/log.h>
#include <mpgated/paths/internal.h>
#include <mpgated/paths/route.h>

#include "cunit.h"

#define PATH 3U
#define OTHER 4U
#define GONE 5U
#define LATER_NS 4000000000ULL /* it has lasted */

/* --- the rest of the daemon, and the kernel */

static uint64_t now = 1;
static struct nl_way way;
static uint32_t rule;
static char said[256];

uint64_t uv_hrtime(void)
{
	return now;
}

void log_with(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	(void)fields;
	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
}

/* Headers differ in whether it is an array, which GCC minds. */
#ifndef __clang__
#pragma GCC diagnostic ignored "-Warray-parameter"
#endif
char *if_indextoname(unsigned ifindex, char name[IF_NAMESIZE])
{
	if (ifindex == OTHER)
		return strcpy(name, "eth4");
	errno = ENXIO;
	return NULL;
}

int route_ask(struct nl_sock *s, const struct mpgate_addr *from, const struct mpgate_addr *to, uint16_t port,
	      struct nl_way *out)
{
	(void)s;
	(void)from;
	(void)to;
	(void)port;
	*out = way;
	return way.oif ? 0 : -ENETUNREACH;
}

uint32_t rule_before(struct nl_sock *s, int family, uint32_t table)
{
	(void)s;
	(void)family;
	(void)table;
	return rule;
}

/* --- */

/* What is said once its packets have taken that way for long. */
static const char *say(unsigned f, struct nl_way takes, uint32_t by_rule)
{
	static struct path_set p;

	p = (struct path_set){ .count = 1, .links[0] = { .role = CFG_PATH, .pub = { .ifindex = PATH, .up = true } } };
	p.settings.peer_count = 1;
	p.settings.peer[0].addr.b[0] = f ? 0x20 : 0;
	if (!f)
		p.settings.peer[0].addr.b[10] = p.settings.peer[0].addr.b[11] = 0xff;
	memset(&p.links[0].pub.addr[f], 1, sizeof(p.links[0].pub.addr[f]));
	strcpy(p.links[0].pub.name, "wan0");
	way = takes;
	rule = by_rule;
	said[0] = '\0';
	reach_look(&p, f);
	CU_ASSERT_STRING_EQUAL(said, "");
	now += LATER_NS;
	reach_look(&p, f);
	return said;
}

static void test_said(void)
{
	static const struct {
		struct nl_way way;
		uint32_t rule;
		const char *said[2];
	} cases[] = {
		{ { .oif = PATH }, 0, { "", "" } },
		{ { .oif = OTHER, .table = 254 },
		  0,
		  { "wan0: no IPv4 gateway is known, so it is not used in IPv4",
		    "wan0: no IPv6 gateway is known, so it is not used in IPv6" } },
		{ { .oif = OTHER, .table = 70 },
		  9,
		  { "wan0: the rule 9 of somebody else takes its IPv4 packets to table 70, out of eth4",
		    "wan0: the rule 9 of somebody else takes its IPv6 packets to table 70, out of eth4" } },
		/* Its interface was there a moment ago. */
		{ { .oif = GONE, .table = 70 },
		  9,
		  { "wan0: the rule 9 of somebody else takes its IPv4 packets to table 70, out of no link",
		    "wan0: the rule 9 of somebody else takes its IPv6 packets to table 70, out of no link" } },
		{ { .oif = 0, .table = 70 },
		  9,
		  { "wan0: the rule 9 of somebody else takes its IPv4 packets to table 70, out of no link",
		    "wan0: the rule 9 of somebody else takes its IPv6 packets to table 70, out of no link" } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned f = 0; f < 2; f++)
			CU_ASSERT_STRING_EQUAL(say(f, cases[i].way, cases[i].rule), cases[i].said[f]);
}

int main(void)
{
	CU_TestInfo tests[] = { { "what is said", test_said }, CU_TEST_INFO_NULL };

	return cunit_run("reach", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
