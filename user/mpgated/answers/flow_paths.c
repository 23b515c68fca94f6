// SPDX-License-Identifier: GPL-2.0-or-later
/* Over which paths a flow goes, by the addresses that its subflows have here. */
#include <string.h>

#include <lib/addr.h>
#include <mpgated/answers/answers.h>

static bool leaves_from(const struct paths_link *l, const struct flow_record *r)
{
	for (unsigned i = 0; i < FLOW_LOCALS; i++)
		for (unsigned f = 0; f < 2; f++)
			if (addr_is_set(&r->local[i]) && !memcmp(&r->local[i], &l->addr[f], sizeof(l->addr[f])))
				return true;
	return false;
}

static bool has(const json_t *all, const char *label)
{
	const json_t *one;
	size_t i;

	json_array_foreach(all, i, one) if (!strcmp(json_string_value(one), label)) return true;
	return false;
}

bool flow_is_over(const struct supervisor *s, const struct flow_record *r, const char *label)
{
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];

		if (c->role == CFG_PATH && !strcmp(c->path, label) && leaves_from(paths_get(s->paths, i), r))
			return true;
	}
	return false;
}

json_t *flow_paths(const struct supervisor *s, const struct flow_record *r)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];

		/* Links may share a label. */
		if (c->role == CFG_PATH && leaves_from(paths_get(s->paths, i), r) && !has(all, c->path))
			json_array_append_new(all, json_string(c->path));
	}
	return all;
}
