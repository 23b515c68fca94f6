/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the policy's compiler share: configurations that are made without a file, and the compiler's call.
 */
#ifndef TESTS_UNIT_POLICY_TEST_H
#define TESTS_UNIT_POLICY_TEST_H

#include <stdlib.h>
#include <string.h>

#include <lib/policy.h>

#include "cunit.h"

/* Links 0 and 1 are lan, 2 is a path; one peer, one group. */
static struct config *policy_config(unsigned rules, unsigned sets)
{
	struct config *cfg = calloc(1, sizeof(*cfg));

	cfg->links = calloc(3, sizeof(*cfg->links));
	cfg->link_count = 3;
	cfg->links[2].role = CFG_PATH;
	cfg->groups = calloc(1, sizeof(*cfg->groups));
	cfg->group_count = 1;
	cfg->groups[0].peers = calloc(1, sizeof(unsigned));
	cfg->groups[0].peer_count = 1;
	cfg->peers = calloc(1, sizeof(*cfg->peers));
	cfg->peer_count = 1;
	cfg->sets = calloc(sets + 1, sizeof(*cfg->sets));
	cfg->set_count = sets;
	cfg->rules = calloc(rules + 1, sizeof(*cfg->rules));
	cfg->rule_count = rules;
	return cfg;
}

/* For everything, direct. */
static void plain_rule(struct cfg_rule *rule)
{
	rule->name = strdup("r");
	rule->link = rule->from_set = rule->to_set = rule->group = -1;
}

/* Rules are numbered from 1000 on; the peers are in slots 7 and 9. */
static int compile(const struct config *cfg, struct policy_image *img)
{
	static const uint16_t slots[2] = { 7, 9 };
	static const uint64_t client_key[2] = { 1, 2 };
	uint32_t ids[MPGATE_MAX_RULES + 1];

	for (unsigned i = 0; i < MPGATE_MAX_RULES + 1; i++)
		ids[i] = 1000 + i;
	return policy_compile(cfg, slots, ids, client_key, img);
}

#endif
