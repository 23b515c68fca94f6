// SPDX-License-Identifier: GPL-2.0-or-later
/* Which paths rules use, and how. */
#include <string.h>

#include <lib/config/build.h>

/* Appends all links of that label. */
static int add_label(struct build *b, unsigned i, unsigned k)
{
	struct cfg_rule *rule = &b->cfg->rules[i];
	const char *label = cfg_rule_raw(b, i)->paths[k];
	const char *place = cfg_at(b, "%s.paths[%u]", cfg_rule_at(b, i), k);
	unsigned before = rule->path_count;

	for (unsigned n = 0; n < before; n++)
		if (!strcmp(b->cfg->links[rule->paths[n]].path, label))
			return cfg_fail(b, place, "path '%s' is there twice", label);
	for (unsigned n = 0; n < b->cfg->link_count; n++) {
		if (b->cfg->links[n].role != CFG_PATH || strcmp(b->cfg->links[n].path, label) != 0)
			continue;
		if (rule->path_count == CFG_RULE_PATHS)
			return cfg_fail(b, place, "paths: more than %d links; a connection has no more subflows",
					CFG_RULE_PATHS);
		rule->paths[rule->path_count++] = n;
	}
	return rule->path_count > before ? 0 : cfg_fail(b, place, "there is no path '%s'", label);
}

/* What the kernel cannot do, and why. */
static int check_kernel(struct build *b, unsigned i, const char *key)
{
	const struct config *cfg = b->cfg;
	const struct cfg_group *group = &cfg->groups[cfg->rules[i].group];
	const char *name = cfg->rules[i].name, *place = cfg_at(b, "%s.%s", cfg_rule_at(b, i), key);

	if (cfg->subflows.manager == CFG_MANAGER_KERNEL)
		return cfg_fail(b, place,
				"rule '%s': %s is not for path-manager: kernel, which joins every connection from all "
				"paths alike",
				name, key);
	if (cfg->convert.listening || cfg->transparent.accept)
		return cfg_fail(
			b, place,
			"rule '%s': %s is not for a machine that takes connections as a hub: there the kernel's "
			"path manager joins every connection from all paths alike",
			name, key);
	for (unsigned k = 0; k < group->peer_count; k++)
		if (cfg->peers[group->peers[k]].mode == CFG_TRANSPARENT)
			return cfg_fail(b, place,
					"rule '%s': %s is not for peer '%s' of mode transparent: connections leave as "
					"routing says",
					name, key, cfg->peers[group->peers[k]].name);
	return 0;
}

static unsigned path_links(const struct config *cfg)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cfg->link_count; i++)
		n += cfg->links[i].role == CFG_PATH;
	return n;
}

static int build_steer(struct build *b, unsigned i)
{
	const struct raw_rule *raw = cfg_rule_raw(b, i);
	struct cfg_rule *rule = &b->cfg->rules[i];
	const char *key = raw->paths ? "paths" : raw->steer ? "steer" : "weights";
	unsigned paths;
	int r = cfg_check_list(b, cfg_at(b, "%s.paths", cfg_rule_at(b, i)));

	if (r || (!raw->paths && !raw->steer && !raw->weights))
		return r;
	if (!rule->proxy)
		return cfg_fail(b, cfg_at(b, "%s.%s", cfg_rule_at(b, i), key), "rule '%s': %s needs action: proxy",
				raw->name, key);
	if (raw->weights)
		return cfg_fail(
			b, cfg_at(b, "%s.weights", cfg_rule_at(b, i)),
			"rule '%s': weights cannot be kept: Linux sends over the path whose queue is empty first, and "
			"takes no shares",
			raw->name);
	if (raw->steer == RAW_REDUNDANT)
		return cfg_fail(b, cfg_at(b, "%s.steer", cfg_rule_at(b, i)),
				"rule '%s': steer: redundant cannot be had: Linux sends each byte over one path",
				raw->name);
	for (unsigned k = 0; k < raw->paths_count && !r; k++)
		r = add_label(b, i, k);
	if (r)
		return r;
	rule->steer = (enum cfg_steer)raw->steer;
	paths = rule->path_count ? rule->path_count : path_links(b->cfg);
	if (rule->steer && paths < 2)
		return cfg_fail(b, cfg_at(b, "%s.steer", cfg_rule_at(b, i)),
				"rule '%s': steer: %s needs two paths at least", raw->name,
				cfg_steer_words[rule->steer].str);
	if (config_steers(rule) && rule->setup > CFG_SETUP_SINGLE)
		return cfg_fail(b, cfg_at(b, "%s.setup", cfg_rule_at(b, i)),
				"rule '%s': setup: %s goes over the two best paths, not with paths or steer", raw->name,
				cfg_setup_words[rule->setup].str);
	return config_steers(rule) ? check_kernel(b, i, key) : 0;
}

int cfg_build_steer(struct build *b)
{
	int r = 0;

	for (unsigned i = b->cfg->published; i < b->cfg->rule_count && !r; i++)
		r = build_steer(b, i);
	return r;
}
