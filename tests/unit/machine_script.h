/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A machine with two paths in both families, and a hub, for tests of which subflows are made and ended. */
#ifndef TESTS_MACHINE_SCRIPT_H
#define TESTS_MACHINE_SCRIPT_H

#include <mpgated/paths/internal.h>
#include <stdio.h>
#include <string.h>

#include "cunit.h"

#include "subflows_script.h"

#define SCRIPT __attribute__((unused)) static /* not every program uses all of this */
#define HUB "192.0.2.1"
#define PORT 8803

SCRIPT struct path_set set;

SCRIPT struct mpgate_addr address(const char *text)
{
	struct mpgate_addr a;

	CU_ASSERT_EQUAL_FATAL(addr_parse(text, &a), 0);
	return a;
}

SCRIPT void add_path(unsigned i, const char *v4, const char *v6)
{
	struct path_link *l = &set.links[i];

	l->role = CFG_PATH;
	l->slot = i;
	l->pub.ifindex = i + 1;
	l->pub.up = true;
	for (unsigned f = 0; f < 2; f++) {
		struct nl_address a = { .ifindex = i + 1, .addr = address(f ? v6 : v4) };

		l->pub.addr[f] = a.addr;
		nl_list_add(&set.addrs, &a, sizeof(a));
	}
	set.count = i + 1;
}

SCRIPT void machine(void)
{
	joins_free(&set.joins);
	nl_list_free(&set.addrs);
	memset(&set, 0, sizeof(set));
	kernel.count = kernel.endpoint_count = 0;
	kernel.join_error = 0;
	*kernel.did = '\0';
	add_path(0, "10.0.0.2", "fd00:a::2");
	add_path(1, "10.0.1.2", "fd00:b::2");
	set.settings.peer[0].addr = address(HUB);
	set.settings.peer[0].port = PORT;
	set.settings.peer[1].addr = address("2001:db8::1");
	set.settings.peer[1].port = PORT;
	set.settings.peer[0].answered = set.settings.peer[1].answered = true;
	set.settings.peer_count = 2;
	set.joins.managed = set.joins.foreign = set.joins.backs_up = true;
	subflows_apply(&set);
	CU_ASSERT_STRING_EQUAL(kernel.did, "");
}

SCRIPT struct nl_subflow *list(uint32_t token, const char *local, const char *remote, uint16_t port, bool join)
{
	struct nl_subflow *s = &kernel.listed[kernel.count++];

	*s = (struct nl_subflow){ .token = token,
				  .local = address(local),
				  .remote = address(remote),
				  .local_port = (uint16_t)(4000 + kernel.count),
				  .remote_port = port,
				  .local_id = join ? (uint8_t)(100 + (unsigned)local[5]) : 0,
				  .opener = true,
				  .join = join,
				  .connected = true };
	return s;
}

SCRIPT void ask(int kind, uint32_t token, const char *local, const char *remote, uint16_t port, bool announced)
{
	struct join_ask a = { .join = { .token = token,
					.port = port,
					.announced = announced,
					.local = local ? address(local) : (struct mpgate_addr){ { 0 } },
					.remote = address(remote) } };

	a.kind = kind;
	nl_list_add(&set.joins.asked, &a, sizeof(a));
	joins_serve(&set);
}

/* What was done since the last time; in any order of its words. */
SCRIPT void did_all(const char *words)
{
	char copy[KERNEL_TEXT], *at = NULL;
	size_t len = 0;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word = strtok_r(copy, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
		CU_ASSERT_PTR_NOT_NULL(strstr(kernel.did, word));
		len += strlen(word) + 1;
	}
	CU_ASSERT_EQUAL(strlen(kernel.did), len ? len - 1 : 0);
	if (strlen(kernel.did) != (len ? len - 1 : 0))
		fprintf(stderr, "did '%s', wanted '%s'\n", kernel.did, words);
	*kernel.did = '\0';
}

SCRIPT void look(const char *words)
{
	subflows_apply(&set);
	did_all(words);
}

/* The program, with the tests of a suite. */
SCRIPT int machine_run(const char *suite, CU_TestInfo *tests)
{
	bool passed = cunit_run(suite, tests, NULL, NULL);

	joins_free(&set.joins);
	nl_list_free(&set.addrs);
	return passed ? 0 : 1;
}

#endif
