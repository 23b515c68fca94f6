// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/joins.c user/mpgated/paths/subflows.c user/mpgated/paths/foreign.c
// SOURCES: user/mpgated/paths/steer.c
// SOURCES: tests/unit/subflows_script.c tests/unit/nl_list.c
// LIBS: libmnl libuv
/* Which subflows a connection has whose rule says something of paths. */
#include <linux/mptcp.h>
#include <mpgated/paths/internal.h>
#include <stdlib.h>
#include <string.h>

#include "cunit.h"

#include "subflows_script.h"

#define PATHS 3
#define RULE 5

static struct path_set set;
static const char *const from[2][PATHS] = { { "10.0.0.2", "10.0.1.2", "10.0.2.2" },
					    { "fd00::2", "fd01::2", "fd02::2" } };
static const char *const hub[2] = { "192.0.2.1", "2001:db8::1" };

static struct mpgate_addr address(const char *text)
{
	struct mpgate_addr a;

	CU_ASSERT_EQUAL_FATAL(addr_parse(text, &a), 0);
	return a;
}

/* Three paths, and rule 5, which lets its connections use those. */
static void machine(const struct paths_rule *rule)
{
	joins_free(&set.joins);
	nl_list_free(&set.addrs);
	memset(&set, 0, sizeof(set));
	memset(&kernel, 0, sizeof(kernel));
	for (unsigned i = 0; i < PATHS; i++) {
		struct path_link *l = &set.links[i];

		*l = (struct path_link){ .role = CFG_PATH, .slot = i + 7, .pub = { .ifindex = i + 1, .up = true } };
		for (unsigned f = 0; f < 2; f++) {
			struct nl_address a = { .ifindex = i + 1, .addr = address(from[f][i]) };

			l->pub.addr[f] = a.addr;
			nl_list_add(&set.addrs, &a, sizeof(a));
		}
	}
	set.count = PATHS;
	for (unsigned f = 0; f < 2; f++)
		set.settings.peer[f] = (struct path_peer){ .addr = address(hub[f]), .port = 8803, .answered = true };
	set.settings.peer_count = 2;
	set.settings.rule[0] = *rule;
	set.settings.rule[0].id = RULE;
	set.settings.rule_count = 1;
	set.settings.common = UINT64_MAX;
	for (unsigned i = 0; i < rule->count; i++)
		set.settings.common = (i ? set.settings.common : 0) | 1ULL << rule->links[i];
	set.joins.managed = set.joins.backs_up = true;
}

static struct nl_subflow *list(unsigned f, uint32_t token, unsigned path, bool join)
{
	struct nl_subflow *s = &kernel.listed[kernel.count++];

	*s = (struct nl_subflow){ .token = token,
				  .local = address(from[f][path]),
				  .remote = address(hub[f]),
				  .local_port = (uint16_t)(4000 + kernel.count),
				  .remote_port = 8803,
				  .local_id = (uint8_t)(join ? 100 + path : 0),
				  .opener = true,
				  .join = join,
				  .connected = true };
	return s;
}

static void ask(unsigned f, int kind, uint32_t token, uint32_t rule)
{
	struct join_ask a = { .join = { .token = token,
					.rule = rule,
					.port = 8803,
					.local = address(from[f][0]),
					.remote = address(hub[f]) } };

	a.kind = kind;
	nl_list_add(&set.joins.asked, &a, sizeof(a));
	joins_serve(&set);
}

/* Did it begin a subflow of that connection from that path ('+', '~': a backup), end one ('-'), or make it a backup
 * ('_') or none ('^')? */
static bool did(char what, unsigned f, uint32_t token, unsigned path)
{
	char word[64];

	snprintf(word, sizeof(word), "%c%u:%s%s", what, token, from[f][path], what == '+' || what == '~' ? ">" : "");
	return strstr(kernel.did, word) != NULL;
}

static void look(void)
{
	*kernel.did = '\0';
	set.joins.look = true;
	set.joins.looks = 0;
	subflows_apply(&set);
}

/* Paths 0 and 2 alone, whoever asks, and when; in both families. */
static void test_limited(void)
{
	for (unsigned f = 0; f < 2; f++) {
		machine(&(struct paths_rule){ .count = 2, .links = { 2, 0 } });
		look();
		ask(f, ASK_JOIN, 1, RULE);
		CU_ASSERT(did('+', f, 1, 2) && !did('+', f, 1, 1));
		*kernel.did = '\0';
		ask(f, ASK_JOIN, 2, 0);
		ask(f, ASK_JOIN, 3, RULE + 1);
		CU_ASSERT(did('+', f, 2, 1) && did('+', f, 3, 1));
		/* Rescued over what may carry it; what has told nothing over all. */
		*kernel.did = '\0';
		ask(f, ASK_NOTE, 4, RULE);
		CU_ASSERT_STRING_EQUAL(kernel.did, "");
		list(f, 4, 0, false);
		list(f, 5, 0, false);
		look();
		CU_ASSERT_STRING_EQUAL(kernel.did, "");
		set.links[0].health[f] = PATHS_DEAD;
		look();
		CU_ASSERT(did('+', f, 4, 2) && !did('+', f, 4, 1) && did('+', f, 5, 1) && did('+', f, 5, 2));
		/* When none is left it waits, also for its path's return. */
		set.links[2].health[f] = PATHS_DEAD;
		look();
		CU_ASSERT(!did('+', f, 4, 1) && !did('+', f, 4, 2));
	}
}

/* A reload that takes a path from a rule ends what is there, where there is another. */
static void test_reload(void)
{
	machine(&(struct paths_rule){ .count = 2, .links = { 0, 1 } });
	look();
	ask(0, ASK_NOTE, 1, RULE);
	list(0, 1, 0, false);
	list(0, 1, 1, true);
	list(0, 2, 1, false);
	ask(0, ASK_NOTE, 2, RULE);
	look();
	CU_ASSERT_STRING_EQUAL(kernel.did, "");
	set.settings.rule[0] = (struct paths_rule){ .id = RULE, .count = 1, .links = { 0 } };
	look();
	CU_ASSERT(did('-', 0, 1, 1) && did('+', 0, 2, 0));
	set.settings.rule_count = 0;
	look();
	CU_ASSERT(!did('-', 0, 1, 1));
}

/* Who was there before this daemon may be of any rule: it gets what all rules allow. */
static void test_before(void)
{
	machine(&(struct paths_rule){ .count = 2, .links = { 0, 2 } });
	list(0, 1, 0, false);
	list(0, 2, 0, false);
	list(0, 2, 2, true);
	look();
	CU_ASSERT_STRING_EQUAL(kernel.did, "");
	list(0, 3, 0, false);
	set.links[0].health[0] = PATHS_DEAD;
	look();
	CU_ASSERT(did('+', 0, 1, 2) && !did('+', 0, 1, 1));
	CU_ASSERT(!did('+', 0, 2, 1));
	/* This one is new, and its worker has said nothing. */
	CU_ASSERT(did('+', 0, 3, 1));
	/* Its worker may be alive, and ask. */
	*kernel.did = '\0';
	ask(0, ASK_NOTE, 1, 0);
	look();
	CU_ASSERT(did('+', 0, 1, 1));
}

/* What a subflow is made as, and how it stands later; "p" a primary, "b" a backup, by path. */
static void check_modes(const struct paths_rule *rule, unsigned f, const char *dead, const char *full, const char *want)
{
	static const uint32_t rtt[PATHS] = { 30000, 10000, 20000 };

	machine(rule);
	for (unsigned i = 0; i < PATHS; i++) {
		set.links[i].health[f] = dead[i] == 'd' ? PATHS_DEAD : PATHS_ALIVE;
		set.links[i].full = full[i] == 'f';
		set.links[i].rtt_us = rtt[i];
		set.links[i].pub.backup = dead[i] == 'b';
	}
	look();
	ask(f, ASK_JOIN, 1, RULE);
	for (unsigned i = 1; i < PATHS; i++)
		if (dead[i] != 'd')
			CU_ASSERT(did(want[i] == 'b' ? '~' : '+', f, 1, i));
	/* The other way round, and all are put right. */
	*kernel.did = '\0';
	for (unsigned i = 0; i < PATHS; i++)
		list(f, 1, i, i > 0)->backup = want[i] == 'p';
	look();
	for (unsigned i = 0; i < PATHS; i++)
		if (dead[i] != 'd')
			CU_ASSERT(did(want[i] == 'b' ? '_' : '^', f, 1, i));
}

static void test_modes(void)
{
	static const struct {
		enum cfg_steer steer;
		const char *order, *dead, *full, *want;
	} cases[] = {
		{ CFG_STEER_BALANCE, "012", "   ", "   ", "ppp" },
		{ CFG_STEER_BALANCE, "012", "  b", "   ", "ppb" },
		{ CFG_STEER_STANDBY, "012", "   ", "f  ", "pbb" },
		{ CFG_STEER_STANDBY, "210", "   ", "   ", "bbp" },
		{ CFG_STEER_STANDBY, "210", "  d", "   ", "bpb" },
		{ CFG_STEER_STANDBY, "", "d  ", "   ", "bpb" },
		/* Backups for all come last, and the best of them when there is nothing else. */
		{ CFG_STEER_STANDBY, "210", "  b", "   ", "bpb" },
		{ CFG_STEER_STANDBY, "210", "dbb", "   ", "bbp" },
		{ CFG_STEER_DELAY, "012", "   ", "   ", "bpb" },
		{ CFG_STEER_DELAY, "012", " d ", "   ", "bbp" },
		{ CFG_STEER_DELAY, "012", " bb", "   ", "pbb" },
		{ CFG_STEER_PRIORITY, "012", "   ", "   ", "pbb" },
		{ CFG_STEER_PRIORITY, "012", "   ", "f  ", "ppb" },
		{ CFG_STEER_PRIORITY, "012", "   ", "ff ", "ppp" },
		{ CFG_STEER_PRIORITY, "012", "   ", " f ", "pbb" },
		{ CFG_STEER_PRIORITY, "021", "   ", "f  ", "pbp" },
		{ CFG_STEER_PRIORITY, "012", " b ", "f  ", "pbp" },
		{ CFG_STEER_PRIORITY, "012", " bb", "f  ", "pbb" },
	};

	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct paths_rule rule = { .steer = cases[i / 2].steer };

		for (const char *c = cases[i / 2].order; *c; c++)
			rule.links[rule.count++] = (uint8_t)(*c - '0');
		check_modes(&rule, i % 2, cases[i / 2].dead, cases[i / 2].full, cases[i / 2].want);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "limited to some paths", test_limited },
		{ "a reload", test_reload },
		{ "connections of before", test_before },
		{ "how they are used", test_modes },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("subflows by rule", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
