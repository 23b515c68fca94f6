// SPDX-License-Identifier: GPL-2.0-or-later
/* Finds rules that no packet reaches because one earlier rule takes all that they could. */
#include <string.h>

#include <lib/config/build.h>

/* One side of a rule. */
struct side {
	bool given;
	int set;
	const struct cfg_prefixes *parts[2]; /* the rule's own, the set's or NULL */
};

static struct side from_of(const struct config *cfg, const struct cfg_rule *rule)
{
	return (struct side){ rule->from_given,
			      rule->from_set,
			      { &rule->from, rule->from_set >= 0 ? &cfg->sets[rule->from_set].prefixes : NULL } };
}

static struct side to_of(const struct config *cfg, const struct cfg_rule *rule)
{
	return (struct side){ rule->to_given,
			      rule->to_set,
			      { &rule->to, rule->to_set >= 0 ? &cfg->sets[rule->to_set].prefixes : NULL } };
}

static bool side_covers_prefix(const struct side *side, const struct prefix *p)
{
	return cfg_prefixes_cover(side->parts[0], p) || (side->parts[1] && cfg_prefixes_cover(side->parts[1], p));
}

static bool side_covers(const struct side *outer, const struct side *inner)
{
	static const struct prefix all[2] = { { .family = 4 }, { .family = 6 } };
	unsigned part, i;

	if (!outer->given)
		return true;
	if (!inner->given)
		return side_covers_prefix(outer, &all[0]) && side_covers_prefix(outer, &all[1]);
	for (part = 0; part < 2; part++) {
		const struct cfg_prefixes *list = inner->parts[part];

		if (!list || (part == 1 && inner->set == outer->set))
			continue;
		for (i = 0; i < list->count; i++)
			if (!side_covers_prefix(outer, &list->p[i]))
				return false;
	}
	return true;
}

/* Both sorted, ranges of one rule never touch. */
static bool ports_cover(const struct cfg_rule *outer, const struct cfg_rule *inner)
{
	unsigned i, k = 0;

	if (!outer->port_count)
		return true;
	if (!inner->port_count)
		return outer->ports[0].from <= 1 && outer->ports[0].to == UINT16_MAX;
	for (i = 0; i < inner->port_count; i++) {
		while (k < outer->port_count && outer->ports[k].to < inner->ports[i].to)
			k++;
		if (k == outer->port_count || outer->ports[k].from > inner->ports[i].from)
			return false;
	}
	return true;
}

static bool dscp_covers(const struct cfg_rule *outer, const struct cfg_rule *inner)
{
	uint64_t o = 0, in = 0;
	unsigned i;

	for (i = 0; i < outer->dscp_count; i++)
		o |= 1ULL << outer->dscp[i];
	for (i = 0; i < inner->dscp_count; i++)
		in |= 1ULL << inner->dscp[i];
	o = outer->dscp_count ? o : UINT64_MAX;
	in = inner->dscp_count ? in : UINT64_MAX;
	return (in & ~o) == 0;
}

static bool link_covers(const struct config *cfg, const struct cfg_rule *outer, const struct cfg_rule *inner)
{
	unsigned i;

	for (i = 0; i < cfg->link_count; i++)
		if (config_rule_takes(cfg, inner, i) && !config_rule_takes(cfg, outer, i))
			return false;
	/* Without `host` what `mpgatectl run` starts counts only where it is meant. */
	return config_rule_takes_host(outer) || !config_rule_takes_host(inner) ||
	       (!cfg->host && inner->link != CFG_LINK_HOST);
}

static bool rule_covers(const struct config *cfg, const struct cfg_rule *outer, const struct cfg_rule *inner)
{
	struct side outer_from = from_of(cfg, outer), inner_from = from_of(cfg, inner);
	struct side outer_to = to_of(cfg, outer), inner_to = to_of(cfg, inner);

	/* The cheap questions first: prefix lists may be long. */
	return ports_cover(outer, inner) && link_covers(cfg, outer, inner) && dscp_covers(outer, inner) &&
	       side_covers(&outer_from, &inner_from) && side_covers(&outer_to, &inner_to);
}

int cfg_check_overlap(struct build *b)
{
	const struct config *cfg = b->cfg;
	unsigned i, k;

	for (i = 1; i < cfg->rule_count; i++)
		for (k = 0; k < i; k++)
			if (rule_covers(cfg, &cfg->rules[k], &cfg->rules[i]))
				return cfg_fail(b, cfg_rule_at(b, i),
						"%s '%s' can never match: %s '%s' (line %u) covers it",
						cfg_rule_word(&cfg->rules[i]), cfg->rules[i].name,
						cfg_rule_word(&cfg->rules[k]), cfg->rules[k].name, cfg->rules[k].line);
	return 0;
}
