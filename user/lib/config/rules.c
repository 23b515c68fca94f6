// SPDX-License-Identifier: GPL-2.0-or-later
/* The rules of the policy, and what the entries of publish share with them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/build.h>
#include <lib/config/dscp.h>

#define MAX_PORT 65535U
#define RANGE_TEXT 32 /* bytes of what may have been meant */
#define MAX_RANGES 4096 /* port ranges of a rule: more cannot be disjoint for a purpose */

/* Decimal digits at *text; moves past them. */
static int parse_port(const char **text, unsigned *out)
{
	unsigned n = 0;
	const char *c;

	for (c = *text; *c >= '0' && *c <= '9' && n <= MAX_PORT; c++)
		n = n * 10 + (unsigned)(*c - '0');
	if (c == *text || n == 0 || n > MAX_PORT)
		return -EINVAL;
	*text = c;
	*out = n;
	return 0;
}

static int parse_range(const char *text, struct cfg_port_range *out)
{
	unsigned from, to;

	if (parse_port(&text, &from) < 0)
		return -EINVAL;
	to = from;
	if (*text == '-') {
		text++;
		if (parse_port(&text, &to) < 0)
			return -EINVAL;
	}
	if (*text)
		return -EINVAL;
	*out = (struct cfg_port_range){ (uint16_t)from, (uint16_t)to };
	return to < from ? -ERANGE : 0;
}

/* "; did you mean 80-90?" for "80:90" and the like, or nothing. */
static const char *meant_range(const char *text, char meant[RANGE_TEXT])
{
	size_t from = strspn(text, "0123456789"), between = strspn(text + from, ":.- \xe2\x80\x93");
	struct cfg_port_range range;

	snprintf(meant, RANGE_TEXT, "%.*s-%.6s", (int)(from < 6 ? from : 6), text, text + from + between);
	if (!between || parse_range(meant, &range) < 0)
		meant[0] = '\0';
	else
		snprintf(meant, RANGE_TEXT, "; did you mean %u-%u?", range.from, range.to);
	return meant;
}

int cfg_build_range(struct build *b, const char *place, const char *text, struct cfg_port_range *out)
{
	int r = parse_range(text, out);
	char meant[RANGE_TEXT];

	if (r == -ERANGE)
		return cfg_fail(b, place, "'%s' is an empty range", text);
	return r ? cfg_fail(b, place, "'%s' is no port or range of ports (1 to 65535)%s", text,
			    meant_range(text, meant))
		 : 0;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct cfg_port_range *x = a, *y = b;

	return x->from != y->from ? x->from - y->from : x->to - y->to;
}

/* Sorts ranges, joins those that overlap or touch. */
static void tidy_ranges(struct cfg_rule *rule)
{
	unsigned i, kept = 0;

	if (!rule->port_count)
		return;
	qsort(rule->ports, rule->port_count, sizeof(*rule->ports), compare_ranges);
	for (i = 1; i < rule->port_count; i++) {
		if (rule->ports[i].from > rule->ports[kept].to + 1U)
			rule->ports[++kept] = rule->ports[i];
		else if (rule->ports[i].to > rule->ports[kept].to)
			rule->ports[kept].to = rule->ports[i].to;
	}
	rule->port_count = kept + 1;
}

static int build_ports(struct build *b, unsigned i)
{
	const struct raw_rule *raw = cfg_rule_raw(b, i);
	struct cfg_rule *rule = &b->cfg->rules[i];
	const char *key = rule->published ? "port" : "to-port";
	unsigned k;
	int r;

	if (!raw->to_port_count)
		return cfg_check_list(b, cfg_at(b, "%s.%s", cfg_rule_at(b, i), key));
	if (raw->to_port_count > MAX_RANGES)
		return cfg_fail(b, cfg_at(b, "%s.%s", cfg_rule_at(b, i), key), "%s: more than %d ranges", key,
				MAX_RANGES);
	rule->ports = calloc(raw->to_port_count, sizeof(*rule->ports));
	if (!rule->ports)
		return -ENOMEM;
	for (k = 0; k < raw->to_port_count; k++) {
		r = cfg_build_range(b, cfg_at(b, "%s.%s[%u]", cfg_rule_at(b, i), key, k), raw->to_port[k],
				    &rule->ports[k]);
		if (r)
			return r;
	}
	rule->port_count = raw->to_port_count;
	tidy_ranges(rule);
	return 0;
}

static int build_dscp(struct build *b, unsigned i)
{
	const struct raw_rule *raw = cfg_rule_raw(b, i);
	struct cfg_rule *rule = &b->cfg->rules[i];
	uint64_t seen = 0;
	unsigned k;

	if (!raw->dscp_count)
		return cfg_check_list(b, cfg_at(b, "%s.dscp", cfg_rule_at(b, i)));
	for (k = 0; k < raw->dscp_count; k++) {
		int value = dscp_parse(raw->dscp[k]);

		if (value < 0)
			return cfg_fail(b, cfg_at(b, "%s.dscp[%u]", cfg_rule_at(b, i), k),
					"'%s' is no DSCP (0 to 63, or a name such as ef, af41, cs1)", raw->dscp[k]);
		seen |= 1ULL << value;
	}
	rule->dscp = calloc(DSCP_COUNT, sizeof(*rule->dscp));
	if (!rule->dscp)
		return -ENOMEM;
	for (k = 0; k < DSCP_COUNT; k++)
		if (seen >> k & 1)
			rule->dscp[rule->dscp_count++] = (uint8_t)k;
	return 0;
}

/* One side of a rule: its own prefixes and the set it names. */
static int build_side(struct build *b, unsigned i, const char *key, char **texts, unsigned count, const char *set_name,
		      struct cfg_prefixes *out, int *set, bool *given)
{
	char place[64];
	int r;

	snprintf(place, sizeof(place), "%s.%s", cfg_rule_at(b, i), key);
	r = cfg_build_prefixes(b, place, texts, count, out);
	if (r)
		return r;
	*set = -1;
	*given = texts || set_name;
	if (!set_name)
		return 0;
	*set = cfg_find_set(b->cfg, set_name);
	if (*set < 0)
		return cfg_fail(b, cfg_at(b, "%s.%s-set", cfg_rule_at(b, i), key), "there is no prefix set '%s'",
				set_name);
	return 0;
}

/* Bit 0: the side can be IPv4, bit 1: IPv6. */
static unsigned side_families(const struct config *cfg, const struct cfg_prefixes *list, int set, bool given)
{
	const struct cfg_prefixes *both[2] = { list, set >= 0 ? &cfg->sets[set].prefixes : NULL };
	unsigned families = 0, i;

	if (!given)
		return 3;
	for (i = 0; i < 2; i++)
		if (both[i] && both[i]->count) /* sorted by family */
			families |= (both[i]->p[0].family == 4 ? 1 : 0) |
				    (both[i]->p[both[i]->count - 1].family == 6 ? 2 : 0);
	return families;
}

int cfg_check_versions(struct build *b, unsigned i)
{
	const struct cfg_rule *rule = &b->cfg->rules[i];

	if (side_families(b->cfg, &rule->from, rule->from_set, rule->from_given) &
	    side_families(b->cfg, &rule->to, rule->to_set, rule->to_given))
		return 0;
	return cfg_fail(b, cfg_rule_at(b, i),
			"%s '%s' can never match: source and destination are never of one IP version",
			cfg_rule_word(rule), rule->name);
}

int cfg_build_via(struct build *b, unsigned i)
{
	const char *via = cfg_rule_raw(b, i)->via;
	struct config *cfg = b->cfg;
	int *out = &cfg->rules[i].group;
	struct cfg_group *group;
	int peer;

	*out = cfg_find_group(cfg, via);
	if (*out >= 0)
		return 0;
	peer = cfg_find_peer(cfg, via);
	if (peer < 0)
		return cfg_fail(b, cfg_at(b, "%s.via", cfg_rule_at(b, i)), "there is no group or peer '%s'", via);
	if (cfg->group_count == MPGATE_MAX_GROUPS)
		return cfg_fail(b, cfg_at(b, "%s.via", cfg_rule_at(b, i)),
				"more than %d groups, peers that rules name included", MPGATE_MAX_GROUPS);
	group = &cfg->groups[cfg->group_count];
	group->implied = true;
	group->peers = calloc(1, sizeof(*group->peers));
	if (!group->peers)
		return -ENOMEM;
	*out = (int)cfg->group_count++;
	group->peers[0] = (unsigned)peer;
	group->peer_count = 1;
	return cfg_copy_text(&group->name, via);
}

int cfg_check_mode(struct build *b, unsigned i)
{
	const struct cfg_rule *rule = &b->cfg->rules[i];
	const struct cfg_group *group = &b->cfg->groups[rule->group];

	for (unsigned k = 0; k < group->peer_count; k++) {
		const struct cfg_peer *peer = &b->cfg->peers[group->peers[k]];

		if (peer->mode != CFG_TRANSPARENT)
			continue;
		if (rule->published)
			return cfg_fail(b, cfg_at(b, "%s.via", cfg_rule_at(b, i)),
					"publish '%s': peer '%s' has mode transparent; a rule does without addresses "
					"of its own",
					rule->name, peer->name);
		if (rule->connect == CFG_EARLY)
			return cfg_fail(b, cfg_at(b, "%s.connect", cfg_rule_at(b, i)),
					"rule '%s': connect: early is not for peer '%s' of mode transparent",
					rule->name, peer->name);
	}
	return 0;
}

/* Connections that speak MPTCP, taken in their servers' place. */
static int check_terminate(struct build *b, unsigned i)
{
	const struct cfg_rule *rule = &b->cfg->rules[i];

	if (rule->mptcp == CFG_MPTCP_PASS)
		return cfg_fail(b, cfg_rule_at(b, i), "rule '%s': action: terminate needs mptcp: learned, or terminate",
				rule->name);
	if (!b->cfg->transparent.accept)
		return cfg_fail(b, cfg_rule_at(b, i),
				"rule '%s': action: terminate needs the section transparent: where further subflows "
				"come to",
				rule->name);
	if (rule->connect == CFG_EARLY || rule->if_down == CFG_IF_DOWN_REJECT)
		return cfg_fail(b, cfg_rule_at(b, i), "rule '%s': %s needs action: proxy", rule->name,
				rule->connect == CFG_EARLY ? "connect: early" : "if-down: reject");
	if (rule->link == CFG_LINK_HOST)
		return cfg_fail(b, cfg_at(b, "%s.link", cfg_rule_at(b, i)),
				"rule '%s': action: terminate is for what comes in on a link", rule->name);
	return 0;
}

static int build_action(struct build *b, unsigned i)
{
	const struct raw_rule *raw = cfg_rule_raw(b, i);
	struct cfg_rule *rule = &b->cfg->rules[i];
	const struct cfg_group *group;
	unsigned k;
	int r = 0;

	rule->group = -1;
	rule->proxy = raw->action == RAW_PROXY;
	rule->terminate = raw->action == RAW_TERMINATE;
	rule->mptcp = raw->mptcp;
	rule->join = raw->join;
	rule->setup = raw->setup;
	if (rule->join && !rule->proxy)
		return cfg_fail(b, cfg_at(b, "%s.join", cfg_rule_at(b, i)), "rule '%s': join needs action: proxy",
				raw->name);
	if (rule->setup && !rule->proxy)
		return cfg_fail(b, cfg_at(b, "%s.setup", cfg_rule_at(b, i)), "rule '%s': setup needs action: proxy",
				raw->name);
	if (rule->terminate)
		r = check_terminate(b, i);
	if (r)
		return r;
	if (!rule->proxy)
		return raw->via ? cfg_fail(b, cfg_at(b, "%s.via", cfg_rule_at(b, i)),
					   "rule '%s': via needs action: proxy", raw->name)
				: 0;
	if (!raw->via)
		return cfg_fail(b, cfg_rule_at(b, i), "rule '%s': action: proxy needs via", raw->name);
	r = cfg_build_via(b, i);
	if (r)
		return r;
	group = &b->cfg->groups[rule->group];
	for (k = 0; k < group->peer_count; k++)
		if (!config_dials(&b->cfg->peers[group->peers[k]]) &&
		    b->cfg->peers[group->peers[k]].mode == CFG_EXPLICIT)
			return cfg_fail(b, cfg_at(b, "%s.via", cfg_rule_at(b, i)),
					"rule '%s': peer '%s' has no address to send connections to", raw->name,
					b->cfg->peers[group->peers[k]].name);
	return cfg_check_mode(b, i);
}

const char *cfg_rule_at(struct build *b, unsigned i)
{
	unsigned published = b->raw->publish_count;

	if (i < published)
		snprintf(b->rule, sizeof(b->rule), "publish[%u]", i);
	else
		snprintf(b->rule, sizeof(b->rule), "policy.rules[%u]", i - published);
	return b->rule;
}

const char *cfg_rule_word(const struct cfg_rule *rule)
{
	return rule->published ? "publish" : "rule";
}

const struct raw_rule *cfg_rule_raw(const struct build *b, unsigned i)
{
	unsigned published = b->raw->publish_count;

	return i < published ? &b->raw->publish[i] : &b->raw->policy.rules[i - published];
}

static int check_name(struct build *b, unsigned i)
{
	const char *name = cfg_rule_raw(b, i)->name, *place = cfg_at(b, "%s.name", cfg_rule_at(b, i));
	const struct cfg_rule *rules = b->cfg->rules;
	unsigned k;
	int r = cfg_check_name(b, place, cfg_rule_word(&rules[i]), name, CFG_NAME_MAX);

	for (k = 0; k < i && !r; k++)
		if (strcmp(rules[k].name, name) == 0)
			r = cfg_fail(b, place, "%s '%s' %s", cfg_rule_word(&rules[i]), name,
				     rules[k].published == rules[i].published ? "is there twice"
									      : "has the name of a publish entry");
	return r;
}

int cfg_build_rule(struct build *b, unsigned i)
{
	const struct raw_rule *raw = cfg_rule_raw(b, i);
	struct cfg_rule *rule = &b->cfg->rules[i];
	int r;

	rule->published = i < b->raw->publish_count;
	r = check_name(b, i);
	if (r)
		return r;
	b->cfg->rule_count = i + 1;
	rule->line = where_line(&b->where, cfg_rule_at(b, i));
	rule->link = CFG_LINK_ANY;
	rule->to_set = -1;
	rule->connect = raw->connect;
	rule->if_down = raw->if_down;
	if (cfg_copy_text(&rule->name, raw->name) < 0)
		return -ENOMEM;
	if (raw->link && !rule->published && !strcmp(raw->link, CFG_HOST)) {
		rule->link = CFG_LINK_HOST;
	} else if (raw->link) {
		rule->link = cfg_find_link(b->cfg, raw->link);
		if (rule->link < 0)
			return cfg_fail(b, cfg_at(b, "%s.link", cfg_rule_at(b, i)), "there is no link '%s'", raw->link);
	}
	r = build_side(b, i, "from", raw->from, raw->from_count, raw->from_set, &rule->from, &rule->from_set,
		       &rule->from_given);
	if (!r)
		r = build_ports(b, i);
	return r ? r : build_dscp(b, i);
}

static int build_policy_rule(struct build *b, unsigned i)
{
	const struct raw_rule *raw = cfg_rule_raw(b, i);
	struct cfg_rule *rule = &b->cfg->rules[i];
	int r = cfg_build_rule(b, i);

	if (!r && rule->link >= 0 && b->cfg->links[rule->link].role != CFG_LAN)
		r = cfg_fail(b, cfg_at(b, "%s.link", cfg_rule_at(b, i)),
			     "rule '%s' can never match: link '%s' has not role lan", raw->name, raw->link);
	if (!r)
		r = build_side(b, i, "to", raw->to, raw->to_count, raw->to_set, &rule->to, &rule->to_set,
			       &rule->to_given);
	if (!r)
		r = cfg_check_versions(b, i);
	return r ? r : build_action(b, i);
}

int cfg_build_rules(struct build *b)
{
	unsigned count = b->cfg->published + b->raw->policy.rules_count, i;
	bool lan = b->cfg->host, path = false;
	int r;

	for (i = 0; i < b->cfg->link_count; i++) {
		lan |= b->cfg->links[i].role == CFG_LAN;
		path |= b->cfg->links[i].role == CFG_PATH;
	}
	for (i = b->cfg->published; i < count; i++) {
		r = build_policy_rule(b, i);
		if (r)
			return r;
		if (b->cfg->rules[i].proxy && !lan && b->cfg->rules[i].link != CFG_LINK_HOST)
			return cfg_fail(b, cfg_rule_at(b, i), "rule '%s' can never match: no link has role lan",
					b->cfg->rules[i].name);
		if (b->cfg->rules[i].proxy && !path)
			return cfg_fail(b, cfg_rule_at(b, i), "rule '%s' has nothing to bond: no link has role path",
					b->cfg->rules[i].name);
	}
	return 0;
}
