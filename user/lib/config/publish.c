// SPDX-License-Identifier: GPL-2.0-or-later
/* The entries of publish: rules in front of the policy, for addresses of the hub that stand for hosts behind a peer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/build.h>

#define MAX_ADDRESSES 64 /* of an entry: each is compared with all */

#define UNREACHABLE "no other machine reaches it"

static struct prefix host_prefix(const struct mpgate_addr *a)
{
	bool v4 = addr_is_v4(a);
	struct prefix p = { .family = v4 ? 4 : 6, .len = v4 ? 32 : 128 };

	memcpy(p.addr, v4 ? a->b + 12 : a->b, v4 ? 4 : 16);
	return p;
}

static int build_address(struct build *b, unsigned i)
{
	const struct raw_rule *raw = cfg_rule_raw(b, i);
	struct cfg_rule *rule = &b->cfg->rules[i];
	const char *place = cfg_at(b, "%s.address", cfg_rule_at(b, i));
	struct mpgate_addr *list = NULL;
	unsigned count, k;
	int r = cfg_check_list(b, place);

	if (!r)
		r = cfg_build_addresses(b, place, raw->to, raw->to_count, MAX_ADDRESSES, UNREACHABLE, &list, &count);
	if (r)
		return r;
	rule->to_given = true;
	rule->to.p = calloc(count, sizeof(*rule->to.p));
	for (k = 0; k < count && rule->to.p; k++)
		rule->to.p[rule->to.count++] = host_prefix(&list[k]);
	free(list);
	cfg_prefixes_tidy(&rule->to);
	return rule->to.p ? 0 : -ENOMEM;
}

static int build_target(struct build *b, unsigned i)
{
	const struct raw_rule *raw = cfg_rule_raw(b, i);
	struct cfg_rule *rule = &b->cfg->rules[i];
	char *texts[] = { raw->target };
	struct mpgate_addr *target = NULL;
	struct cfg_port_range range;
	const char *place;
	unsigned count, ports;
	int r = cfg_build_addresses(b, cfg_at(b, "%s.to", cfg_rule_at(b, i)), texts, 1, 1, UNREACHABLE, &target,
				    &count);

	if (r)
		return r;
	rule->target = *target;
	free(target);
	if (!raw->target_port)
		return 0;
	place = cfg_at(b, "%s.to-port", cfg_rule_at(b, i));
	if (raw->to_port_count != 1)
		return cfg_fail(b, place, "publish '%s': to-port needs a single item in port", raw->name);
	r = cfg_build_range(b, place, raw->target_port, &range);
	if (r)
		return r;
	ports = rule->ports[0].to - rule->ports[0].from + 1U;
	count = range.to - range.from + 1U;
	if (count != ports)
		return cfg_fail(b, place, "publish '%s': the lengths of port and to-port differ: %u and %u", raw->name,
				ports, count);
	rule->target_port = range.from;
	return 0;
}

static int build_peers(struct build *b, unsigned i)
{
	struct cfg_rule *rule = &b->cfg->rules[i];
	const struct cfg_group *group;
	unsigned k;
	int r = cfg_build_via(b, i);

	if (r)
		return r;
	rule->proxy = true;
	rule->mptcp = CFG_MPTCP_TERMINATE; /* nothing behind us would speak it */
	group = &b->cfg->groups[rule->group];
	/* Whoever speaks it has a key. */
	for (k = 0; k < group->peer_count; k++)
		if (b->cfg->peers[group->peers[k]].dialect != CFG_DIALECT_MPGATE)
			return cfg_fail(b, cfg_at(b, "%s.via", cfg_rule_at(b, i)),
					"publish '%s': peer '%s' has not dialect mpgate", rule->name,
					b->cfg->peers[group->peers[k]].name);
	return cfg_check_mode(b, i);
}

static bool has_address(const struct cfg_rule *rule, const struct mpgate_addr *listen)
{
	static const uint8_t wildcard[16];
	struct prefix l = host_prefix(listen);
	unsigned k;

	for (k = 0; k < rule->to.count; k++)
		if (rule->to.p[k].family == l.family &&
		    (!memcmp(l.addr, wildcard, sizeof(wildcard)) || prefix_covers(&l, &rule->to.p[k])))
			return true;
	return false;
}

static bool has_port(const struct cfg_rule *rule, uint16_t port)
{
	unsigned k;

	for (k = 0; k < rule->port_count; k++)
		if (rule->ports[k].from <= port && port <= rule->ports[k].to)
			return true;
	return false;
}

/* Peers could no longer reach us. */
static int check_convert(struct build *b, unsigned i)
{
	const struct cfg_convert *convert = &b->cfg->convert;
	const struct cfg_rule *rule = &b->cfg->rules[i];
	unsigned k, j;

	for (k = 0; k < convert->listen_count; k++)
		for (j = 0; j <= convert->ports.count; j++) {
			uint16_t port = j ? convert->ports.port[j - 1] : convert->port;

			if (has_port(rule, port) && has_address(rule, &convert->listen[k]))
				return cfg_fail(b, cfg_at(b, "%s.port", cfg_rule_at(b, i)),
						"publish '%s': at port %u of its addresses Convert is accepted",
						rule->name, port);
		}
	return 0;
}

static int build_entry(struct build *b, unsigned i)
{
	static int (*const parts[])(struct build *, unsigned) = {
		cfg_build_rule, build_address, cfg_check_versions, build_target, build_peers, check_convert,
	};
	unsigned k;
	int r = 0;

	for (k = 0; k < CYAML_ARRAY_LEN(parts) && !r; k++)
		r = parts[k](b, i);
	return r;
}

int cfg_build_publish(struct build *b)
{
	const struct raw_config *raw = b->raw;
	unsigned count = raw->publish_count + raw->policy.rules_count, i;
	int r = 0;

	if (count > MPGATE_MAX_RULES)
		return cfg_fail(b, raw->publish_count > MPGATE_MAX_RULES ? "publish" : "policy.rules",
				"%u rules%s are more than %d", count, raw->publish_count ? " and publish entries" : "",
				MPGATE_MAX_RULES);
	if (raw->publish_count && !b->cfg->link_count)
		return cfg_fail(b, "publish", "publish needs a link that connections arrive on");
	b->cfg->rules = calloc(count + 1, sizeof(*b->cfg->rules));
	if (!b->cfg->rules)
		return -ENOMEM;
	b->cfg->published = raw->publish_count;
	for (i = 0; i < raw->publish_count && !r; i++)
		r = build_entry(b, i);
	return r;
}
