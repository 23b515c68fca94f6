// SPDX-License-Identifier: GPL-2.0-or-later
/* What paths cost, and which of them a rule's connections use. */
#include "config_test.h"

#define PATHS                                                                                                          \
	"links:\n- { name: lan0, role: lan }\n- { name: wan0, role: path, path: dsl, up-mbit: 10, down-mbit: 50 }\n"   \
	"- { name: wwan0, role: path, path: lte, use: overflow, quota-mib: 10240, quota-reset-day: 28 }\n"
#define RULE(more)                                                                                                     \
	PATHS PEER "policy:\n  rules:\n  - { name: r, action: proxy, via: hub1, " more " }\n" /* in line 8             \
											       */

static void test_taken(void)
{
	struct config *cfg, *again;
	struct cfg_error err = { "" };
	char *printed;

	CU_ASSERT_EQUAL_FATAL(parse(RULE("paths: [ lte, dsl ], steer: active-standby"), &cfg, &err), 0);
	CU_ASSERT(cfg->links[1].up_mbit == 10 && cfg->links[1].down_mbit == 50 && !cfg->links[1].quota_mib);
	CU_ASSERT(cfg->links[2].quota_mib == 10240 && cfg->links[2].quota_day == 28 && !cfg->links[2].up_mbit);
	CU_ASSERT(cfg->rules[0].path_count == 2 && cfg->rules[0].paths[0] == 2 && cfg->rules[0].paths[1] == 1);
	CU_ASSERT_EQUAL(cfg->rules[0].steer, CFG_STEER_STANDBY);
	CU_ASSERT(config_steers(&cfg->rules[0]));
	printed = config_print(cfg);
	CU_ASSERT_PTR_NOT_NULL_FATAL(printed);
	CU_ASSERT_EQUAL_FATAL(parse(printed, &again, &err), 0);
	CU_ASSERT(again->links[1].up_mbit == 10 && again->links[1].down_mbit == 50);
	CU_ASSERT(again->links[2].quota_mib == 10240 && again->links[2].quota_day == 28);
	CU_ASSERT(again->rules[0].path_count == 2 && again->rules[0].paths[0] == 2 && again->rules[0].paths[1] == 1);
	CU_ASSERT_EQUAL(again->rules[0].steer, CFG_STEER_STANDBY);
	free(printed);
	config_free(again);
	config_free(cfg);
	CU_ASSERT_EQUAL_FATAL(parse(PATHS PEER "policy:\n  rules:\n  - { name: r" VIA, &cfg, &err), 0);
	CU_ASSERT(!config_steers(&cfg->rules[0]));
	config_free(cfg);
	CU_ASSERT_EQUAL_FATAL(parse("links: [ { name: w, role: path, quota-mib: 1 } ]\n", &cfg, &err), 0);
	CU_ASSERT_EQUAL(cfg->links[0].quota_day, 1);
	config_free(cfg);
}

/* One label can be of two links. */
static void test_label(void)
{
	static const char text[] =
		"links:\n- { name: lan0, role: lan }\n- { name: a, role: path, path: x }\n- { name: b, role: path }\n"
		"- { name: c, role: path, path: x }\n" PEER
		"policy:\n  rules:\n  - { name: r, action: proxy, via: hub1, paths: [ b, x ] }\n";
	struct config *cfg, *again;
	struct cfg_error err;
	char *printed;

	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
	CU_ASSERT(cfg->rules[0].path_count == 3 && cfg->rules[0].paths[0] == 2 && cfg->rules[0].paths[1] == 1 &&
		  cfg->rules[0].paths[2] == 3);
	printed = config_print(cfg);
	CU_ASSERT_EQUAL_FATAL(parse(printed, &again, &err), 0);
	CU_ASSERT(again->rules[0].path_count == 3 && again->rules[0].paths[2] == 3);
	free(printed);
	config_free(again);
	config_free(cfg);
}

static void test_refused(void)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "links:\n- { name: a, role: lan, up-mbit: 1 }\n",
		  "2: link 'a': only a link with role path has up-mbit" },
		{ "links:\n- { name: a, role: net, quota-mib: 1 }\n",
		  "2: link 'a': only a link with role path has quota-mib" },
		{ "links:\n- { name: a, role: path, down-mbit: 0 }\n", "2: down-mbit: 0 is not between 1 and 1000000" },
		{ "links:\n- { name: a, role: path, quota-mib: 0 }\n", "2: quota-mib: 0 is not between 1 and" },
		{ "links:\n- { name: a, role: path, quota-mib: 1, quota-reset-day: 29 }\n",
		  "2: quota-reset-day: 29 is not between 1 and 28" },
		{ "links:\n- { name: a, role: path, quota-reset-day: 2 }\n",
		  "2: link 'a': a quota-reset-day needs a quota-mib" },
		{ "links:\n- { name: a, role: path, path: x, quota-mib: 1 }\n- { name: b, role: path, path: x }\n",
		  "3: link 'b': path 'x' is that of link 'a' too, and a quota is of one" },
		{ RULE("paths: [ dsl, sat ]"), "8: there is no path 'sat'" },
		{ RULE("paths: [ lan0 ]"), "8: there is no path 'lan0'" },
		{ RULE("paths: [ dsl, lte, dsl ]"), "8: path 'dsl' is there twice" },
		{ RULE("paths: [ ]"), "8: paths: the list is empty" },
		{ RULE("paths: [ dsl ], steer: priority"), "8: rule 'r': steer: priority needs two paths at least" },
		{ RULE("steer: fastest"),
		  "8: steer: 'fastest' is not one of load-balancing, active-standby, smallest-delay" },
		{ RULE("steer: redundant"),
		  "8: rule 'r': steer: redundant cannot be had: Linux sends each byte over one path" },
		{ RULE("steer: active-standby, setup: duplicate"),
		  "8: rule 'r': setup: duplicate goes over the two best paths, not with paths or steer" },
		{ RULE("steer: load-balancing, weights: [ 70, 30 ]"),
		  "8: rule 'r': weights cannot be kept: Linux sends over the path whose queue is empty first" },
		{ PATHS PEER "policy:\n  rules:\n  - { name: r, action: direct, paths: [ dsl ] }\n",
		  "8: rule 'r': paths needs action: proxy" },
		{ PATHS PEER "policy:\n  rules:\n  - { name: r, action: direct, steer: priority }\n",
		  "8: rule 'r': steer needs action: proxy" },
		{ RULE("paths: [ dsl ]") "subflows: { path-manager: kernel }\n",
		  "8: rule 'r': paths is not for path-manager: kernel, which joins every connection from all paths" },
		{ RULE("steer: priority") "convert: { listen: [ \"::\" ] }\n",
		  "8: rule 'r': steer is not for a machine that takes connections as a hub" },
		{ PATHS "peers: [ { name: hub1, mode: transparent, key-file: a.key } ]\npolicy:\n  rules:\n"
			"  - { name: r, action: proxy, via: hub1, paths: [ dsl ] }\n",
		  "8: rule 'r': paths is not for peer 'hub1' of mode transparent: connections leave as routing says" },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct cfg_error err = { "" };
		struct config *cfg;
		int r = parse(cases[i].text, &cfg, &err);

		CU_ASSERT_EQUAL(r, -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].error));
		if (!strstr(err.text, cases[i].error))
			printf("\n%s\n  got:  %s\n  want: %s\n", cases[i].text, err.text, cases[i].error);
		if (!r)
			config_free(cfg);
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "costs of links and paths of rules are taken", test_taken },
		{ "a label of two links", test_label },
		{ "and what is refused, and why", test_refused },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("configuration: costs", tests);
}
