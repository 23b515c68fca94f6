// SPDX-License-Identifier: GPL-2.0-or-later
/* What the compiler makes of single rules, and what it refuses. */
#include <errno.h>

#include "policy_test.h"

/* A prefix inside another adds nothing for the same rule: it must not take room in the tables. */
static void test_redundant_prefixes_are_left_out(void)
{
	struct config *cfg = policy_config(1, 0);
	struct cfg_rule *rule = &cfg->rules[0];
	struct policy_image img;

	plain_rule(rule);
	rule->from_given = true;
	rule->from.p = calloc(4, sizeof(*rule->from.p));
	rule->from.count = 4;
	CU_ASSERT_EQUAL(prefix_parse("10.0.0.0/8", &rule->from.p[0]), 0);
	CU_ASSERT_EQUAL(prefix_parse("10.1.0.0/16", &rule->from.p[1]), 0);
	CU_ASSERT_EQUAL(prefix_parse("::/0", &rule->from.p[2]), 0);
	CU_ASSERT_EQUAL(prefix_parse("2001:db8::1", &rule->from.p[3]), 0);
	CU_ASSERT_EQUAL_FATAL(compile(cfg, &img), 0);
	CU_ASSERT_EQUAL(img.lpm_count, 1);
	CU_ASSERT_EQUAL(img.exact_count, 0);
	CU_ASSERT_EQUAL(img.policy.exact[MPGATE_SRC], 0);
	CU_ASSERT_EQUAL(img.policy.any[MPGATE_SRC][0], 0);
	CU_ASSERT_NOT_EQUAL(img.policy.any[MPGATE_SRC][1], 0);
	policy_free(&img);
	config_free(cfg);
}

static void test_rules_and_groups(void)
{
	struct config *cfg = policy_config(2, 0);
	struct policy_image img;

	for (unsigned i = 0; i < 2; i++)
		plain_rule(&cfg->rules[i]);
	cfg->rules[0].proxy = true;
	cfg->rules[0].group = 0;
	cfg->rules[0].if_down = CFG_IF_DOWN_REJECT;
	cfg->rules[1].proxy = false;
	cfg->rules[1].group = -1;
	cfg->rules[1].mptcp = CFG_MPTCP_TERMINATE;
	cfg->rules[1].connect = CFG_EARLY;
	cfg->rules[0].published = true;
	cfg->rules[0].link = 0;
	cfg->rules[1].published = false;
	CU_ASSERT_EQUAL_FATAL(compile(cfg, &img), 0);
	CU_ASSERT_EQUAL(img.rules[0].action, MPGATE_PROXY);
	CU_ASSERT_EQUAL(img.rules[0].flags, MPGATE_RULE_REJECT | MPGATE_RULE_HONEST | MPGATE_RULE_PUBLISHED);
	CU_ASSERT_EQUAL(img.rules[0].id, 1000);
	CU_ASSERT_STRING_EQUAL(img.rules[0].name, "r");
	CU_ASSERT_EQUAL(img.rules[1].action, MPGATE_DIRECT);
	CU_ASSERT_EQUAL(img.rules[1].flags, MPGATE_RULE_TAKE_MPTCP);
	CU_ASSERT_EQUAL(img.group_count, 1);
	CU_ASSERT_EQUAL(img.groups[0].count, 1);
	CU_ASSERT_EQUAL(img.groups[0].peers[0], 7);
	CU_ASSERT_EQUAL(img.link_bitmap[2], 0);
	policy_free(&img);
	/* No peer, and MPTCP alone: on each link. */
	cfg->rules[1].terminate = true;
	cfg->rules[1].mptcp = CFG_MPTCP_LEARNED;
	cfg->rules[1].connect = CFG_HONEST;
	cfg->rules[1].link = CFG_LINK_ANY;
	CU_ASSERT_EQUAL_FATAL(compile(cfg, &img), 0);
	CU_ASSERT_EQUAL(img.rules[1].action, MPGATE_TERMINATE);
	CU_ASSERT_EQUAL(img.rules[1].flags, MPGATE_RULE_TERMINATE | MPGATE_RULE_LEARNED | MPGATE_RULE_HONEST);
	CU_ASSERT_NOT_EQUAL(img.link_bitmap[2], 0);
	policy_free(&img);
	cfg->rules[1].terminate = false;
	/* What this machine itself opens: by rules that name no link, or mean it; never by what is published. */
	for (unsigned i = 0; i < 4; i++) {
		static const struct {
			int link;
			bool published;
			uint64_t host;
		} cases[] = { { CFG_LINK_ANY, false, 2 },
			      { CFG_LINK_HOST, false, 2 },
			      { 0, false, 0 },
			      { CFG_LINK_ANY, true, 0 } };

		cfg->rules[1].link = cases[i].link;
		cfg->rules[1].published = cases[i].published;
		CU_ASSERT_EQUAL_FATAL(compile(cfg, &img), 0);
		CU_ASSERT_EQUAL(img.bitmaps[img.host_bitmap].rules[0], cases[i].host);
		CU_ASSERT_EQUAL(img.bitmaps[img.link_bitmap[0]].rules[0] >> 1, cases[i].link != CFG_LINK_HOST);
		policy_free(&img);
	}
	config_free(cfg);
}

/* Every limit: refused one above, and the output left alone. */
static void test_limits(void)
{
	struct policy_image img;
	struct config *cfg = policy_config(0, 0);
	unsigned *const counts[] = { &cfg->rule_count, &cfg->link_count, &cfg->group_count,
				     &cfg->groups[0].peer_count };
	const unsigned above[] = { MPGATE_MAX_RULES + 1, MPGATE_MAX_LINKS + 1, MPGATE_MAX_GROUPS + 1,
				   MPGATE_GROUP_PEERS + 1 };

	memset(&img, 0x5a, sizeof(img));
	for (unsigned i = 0; i < 4; i++) {
		unsigned before = *counts[i];

		*counts[i] = above[i];
		CU_ASSERT_EQUAL(compile(cfg, &img), -E2BIG);
		*counts[i] = before;
	}
	for (size_t i = 0; i < sizeof(img); i++)
		CU_ASSERT_EQUAL_FATAL(((unsigned char *)&img)[i], 0x5a);
	config_free(cfg);
}

static void test_too_many_prefixes(void)
{
	struct config *cfg = policy_config(3, 3);
	struct policy_image img;
	unsigned i;

	for (i = 0; i < 3; i++) {
		cfg->sets[i].prefixes.p = calloc(CFG_MAX_PREFIXES, sizeof(struct prefix));
		cfg->sets[i].prefixes.count = CFG_MAX_PREFIXES;
		plain_rule(&cfg->rules[i]);
		cfg->rules[i].from_given = true;
		cfg->rules[i].from_set = (int)i;
	}
	CU_ASSERT_EQUAL(compile(cfg, &img), -E2BIG);
	config_free(cfg);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "redundant prefixes are left out", test_redundant_prefixes_are_left_out },
		{ "rules and groups", test_rules_and_groups },
		{ "limits", test_limits },
		{ "too many prefixes", test_too_many_prefixes },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("policy image", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
