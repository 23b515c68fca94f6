// SPDX-License-Identifier: GPL-2.0-or-later
/* The sets of prefixes that have a name, and the groups of peers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/build.h>
#include <lib/config/meant.h>

#define WEIGHT_MAX 256

/* One line of a prefix file, without its end. Comments and blanks around the prefix are cut off in place. */
static char *trim(char *line)
{
	char *end;

	line[strcspn(line, "#")] = '\0';
	line += strspn(line, " \t\r");
	end = line + strlen(line);
	while (end > line && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return line;
}

static int parse_file(struct build *b, const char *path, char *text, size_t len, struct cfg_prefixes *out)
{
	char *line = text, *end = text + len;
	unsigned number = 0, cap = 0;

	while (line < end) {
		char *newline = memchr(line, '\n', (size_t)(end - line)), *word, words[MEANT_TEXT];
		int r;

		number++;
		if (newline)
			*newline = '\0';
		word = trim(line);
		line = newline ? newline + 1 : end;
		if (!*word)
			continue;
		if (out->count == CFG_MAX_PREFIXES)
			return where_fail(b->err, path, number, "more than %u prefixes", CFG_MAX_PREFIXES);
		if (out->count == cap) {
			struct prefix *p = realloc(out->p, (cap = cap ? cap * 2 : 64) * sizeof(*p));

			if (!p)
				return -ENOMEM;
			out->p = p;
		}
		r = prefix_parse(word, &out->p[out->count]);
		if (r)
			return where_fail(b->err, path, number, "'%.64s' %s", word, meant_prefix(word, r, words));
		out->count++;
	}
	return 0;
}

static int load_set_file(struct build *b, unsigned i, struct cfg_prefixes *out)
{
	char *path = NULL, *text = NULL;
	size_t len;
	int r = cfg_copy_path(b, &path, b->raw->sets[i].file);

	if (r)
		return r;
	r = cfg_read_file(path, true, &text, &len);
	if (r)
		r = cfg_fail(b, cfg_at(b, "prefix-sets[%u].file", i), "prefix set file '%s': %s", path,
			     r == -EINVAL ? "not a regular file" : strerror(-r));
	else
		r = parse_file(b, path, text, len, out);
	free(text);
	free(path);
	return r;
}

int cfg_find_set(const struct config *cfg, const char *name)
{
	unsigned i;

	for (i = 0; i < cfg->set_count; i++)
		if (strcmp(cfg->sets[i].name, name) == 0)
			return (int)i;
	return -1;
}

int cfg_build_sets(struct build *b)
{
	const struct raw_config *raw = b->raw;
	char place[48];
	unsigned i;
	int r;

	/* Rules name sets, two each at most: more of them serve nothing. */
	if (raw->sets_count > 2 * MPGATE_MAX_RULES)
		return cfg_fail(b, "prefix-sets", "%u prefix sets are more than %d", raw->sets_count,
				2 * MPGATE_MAX_RULES);
	b->cfg->sets = calloc(raw->sets_count + 1, sizeof(*b->cfg->sets));
	if (!b->cfg->sets)
		return -ENOMEM;
	for (i = 0; i < raw->sets_count; i++) {
		const struct raw_set *from = &raw->sets[i];
		struct cfg_prefix_set *set = &b->cfg->sets[i];

		r = cfg_check_name(b, cfg_at(b, "prefix-sets[%u].name", i), "prefix set", from->name, CFG_NAME_MAX);
		if (!r && cfg_find_set(b->cfg, from->name) >= 0)
			r = cfg_fail(b, cfg_at(b, "prefix-sets[%u].name", i), "prefix set '%s' is there twice",
				     from->name);
		if (r)
			return r;
		b->cfg->set_count = i + 1;
		r = cfg_copy_text(&set->name, from->name);
		if (!r && from->file)
			r = load_set_file(b, i, &set->prefixes);
		snprintf(place, sizeof(place), "prefix-sets[%u].prefixes", i);
		if (!r)
			r = cfg_append_prefixes(b, place, from->prefixes, from->prefixes_count, &set->prefixes);
		if (!r && !set->prefixes.count)
			r = cfg_fail(b, cfg_at(b, "prefix-sets[%u].name", i), "prefix set '%s' is empty", from->name);
		if (r)
			return r;
		cfg_prefixes_tidy(&set->prefixes);
	}
	return 0;
}

int cfg_find_group(const struct config *cfg, const char *name)
{
	unsigned i;

	for (i = 0; i < cfg->group_count; i++)
		if (strcmp(cfg->groups[i].name, name) == 0)
			return (int)i;
	return -1;
}

static int build_weights(struct build *b, unsigned i)
{
	const struct raw_group *raw = &b->raw->groups[i];
	struct cfg_group *group = &b->cfg->groups[i];
	unsigned k;

	group->choose = raw->choose;
	if (!raw->weights_count)
		return 0;
	if (raw->choose != CFG_CHOOSE_CLIENT)
		return cfg_fail(b, cfg_at(b, "groups[%u].weights", i), "group '%s': weights are for choose: client",
				raw->name);
	if (raw->weights_count != raw->peers_count)
		return cfg_fail(b, cfg_at(b, "groups[%u].weights", i), "group '%s': %u weights for %u peers", raw->name,
				raw->weights_count, raw->peers_count);
	group->weights = calloc(raw->weights_count, sizeof(*group->weights));
	if (!group->weights)
		return -ENOMEM;
	for (k = 0; k < raw->weights_count; k++) {
		if (!raw->weights[k] || raw->weights[k] > WEIGHT_MAX)
			return cfg_fail(b, cfg_at(b, "groups[%u].weights[%u]", i, k),
					"group '%s': %u is not a weight: 1 to %d", raw->name, raw->weights[k],
					WEIGHT_MAX);
		group->weights[k] = raw->weights[k];
	}
	return 0;
}

static int build_group(struct build *b, unsigned i)
{
	const struct raw_group *raw = &b->raw->groups[i];
	struct cfg_group *group = &b->cfg->groups[i];
	unsigned k, n;

	group->peers = calloc(raw->peers_count + 1, sizeof(*group->peers));
	if (!group->peers || cfg_copy_text(&group->name, raw->name) < 0)
		return -ENOMEM;
	if (!raw->peers_count)
		return cfg_fail(b, cfg_at(b, "groups[%u].peers", i), "group '%s' has no peers", raw->name);
	if (raw->peers_count > MPGATE_GROUP_PEERS)
		return cfg_fail(b, cfg_at(b, "groups[%u].peers", i), "group '%s': %u peers are more than %d", raw->name,
				raw->peers_count, MPGATE_GROUP_PEERS);
	for (k = 0; k < raw->peers_count; k++) {
		int peer = cfg_find_peer(b->cfg, raw->peers[k]);

		if (peer < 0)
			return cfg_fail(b, cfg_at(b, "groups[%u].peers[%u]", i, k), "group '%s': there is no peer '%s'",
					raw->name, raw->peers[k]);
		for (n = 0; n < k; n++)
			if (group->peers[n] == (unsigned)peer)
				return cfg_fail(b, cfg_at(b, "groups[%u].peers[%u]", i, k),
						"group '%s': peer '%s' is there twice", raw->name, raw->peers[k]);
		group->peers[k] = (unsigned)peer;
		group->peer_count = k + 1;
	}
	return build_weights(b, i);
}

int cfg_build_groups(struct build *b)
{
	const struct raw_config *raw = b->raw;
	unsigned i;
	int r;

	if (raw->groups_count > MPGATE_MAX_GROUPS)
		return cfg_fail(b, "groups", "%u groups are more than %d", raw->groups_count, MPGATE_MAX_GROUPS);
	/* Room for those that rules imply by naming a peer. */
	b->cfg->groups = calloc(MPGATE_MAX_GROUPS, sizeof(*b->cfg->groups));
	if (!b->cfg->groups)
		return -ENOMEM;
	for (i = 0; i < raw->groups_count; i++) {
		const char *name = raw->groups[i].name;

		r = cfg_check_name(b, cfg_at(b, "groups[%u].name", i), "group", name, CFG_NAME_MAX);
		if (!r && cfg_find_group(b->cfg, name) >= 0)
			r = cfg_fail(b, cfg_at(b, "groups[%u].name", i), "group '%s' is there twice", name);
		if (!r && cfg_find_peer(b->cfg, name) >= 0)
			r = cfg_fail(b, cfg_at(b, "groups[%u].name", i), "group '%s' has the name of a peer", name);
		if (r)
			return r;
		b->cfg->group_count = i + 1;
		r = build_group(b, i);
		if (r)
			return r;
	}
	return 0;
}
