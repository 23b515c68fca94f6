// SPDX-License-Identifier: GPL-2.0-or-later
/* Links of a configuration. */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/build.h>

int cfg_find_link(const struct config *cfg, const char *name)
{
	unsigned i;

	for (i = 0; i < cfg->link_count; i++)
		if (strcmp(cfg->links[i].name, name) == 0)
			return (int)i;
	return -1;
}

/* What a path gives to its packets and subflows. */
static int check_by_path(struct build *b, unsigned i)
{
	const struct raw_link *raw = &b->raw->links[i];
	static const char name[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	if (raw->role != CFG_PATH && raw->congestion)
		return cfg_fail(b, cfg_at(b, "links[%u].congestion", i),
				"link '%s': only a link with role path has a congestion control", raw->name);
	if (raw->congestion && (!raw->congestion[0] || strlen(raw->congestion) >= MPGATE_CONGESTION ||
				raw->congestion[strspn(raw->congestion, name)]))
		return cfg_fail(b, cfg_at(b, "links[%u].congestion", i),
				"'%.32s' is no name of a congestion control, such as cubic or bbr", raw->congestion);
	if (raw->role != CFG_PATH && raw->mark)
		return cfg_fail(b, cfg_at(b, "links[%u].mark", i), "link '%s': only a link with role path has a mark",
				raw->name);
	if (raw->mark && *raw->mark & b->cfg->mark.mask)
		return cfg_fail(b, cfg_at(b, "links[%u].mark", i), "link '%s': mark 0x%x has bits of mark.mask 0x%x",
				raw->name, *raw->mark, b->cfg->mark.mask);
	return 0;
}

static int check_link(struct build *b, unsigned i)
{
	const struct raw_link *raw = &b->raw->links[i];
	const char *place = cfg_at(b, "links[%u].name", i);

	if (strlen(raw->name) >= IFNAMSIZ)
		return cfg_fail(b, place, "link '%.64s': an interface name has %d letters at most", raw->name,
				IFNAMSIZ - 1);
	if (strcspn(raw->name, "/ \t\n\r\v\f:") != strlen(raw->name) || !strcmp(raw->name, ".") ||
	    !strcmp(raw->name, ".."))
		return cfg_fail(b, place, "link '%s' is no interface name", raw->name);
	if (cfg_find_link(b->cfg, raw->name) >= 0)
		return cfg_fail(b, place, "link '%s' is there twice", raw->name);
	if (!strcmp(raw->name, CFG_HOST))
		return cfg_fail(b, place, "link '%s': in rules that word is for this machine itself", raw->name);
	if (raw->role != CFG_PATH && raw->path)
		return cfg_fail(b, cfg_at(b, "links[%u].path", i), "link '%s': only a link with role path has a path",
				raw->name);
	if (raw->role != CFG_PATH && raw->use != CFG_PRIMARY)
		return cfg_fail(b, cfg_at(b, "links[%u].use", i), "link '%s': only a link with role path has a use",
				raw->name);
	if (raw->role != CFG_LAN && raw->early_classify)
		return cfg_fail(b, cfg_at(b, "links[%u].early-classify", i),
				"link '%s': only a link with role lan classifies", raw->name);
	if (raw->role != CFG_PATH && raw->no_detour)
		return cfg_fail(b, cfg_at(b, "links[%u].detour", i),
				"link '%s': only a link with role path has a detour", raw->name);
	if (raw->role != CFG_PATH && raw->gateway_count)
		return cfg_fail(b, cfg_at(b, "links[%u].gateway", i),
				"link '%s': only a link with role path has a gateway", raw->name);
	if (check_by_path(b, i) < 0)
		return -EINVAL;
	return raw->path ? cfg_check_name(b, cfg_at(b, "links[%u].path", i), "path", raw->path, CFG_NAME_MAX) : 0;
}

int cfg_build_links(struct build *b)
{
	const struct raw_config *raw = b->raw;
	unsigned i;
	int r;

	if (raw->links_count > MPGATE_MAX_LINKS)
		return cfg_fail(b, "links", "%u links are more than %d", raw->links_count, MPGATE_MAX_LINKS);
	b->cfg->links = calloc(raw->links_count + 1, sizeof(*b->cfg->links));
	if (!b->cfg->links)
		return -ENOMEM;
	for (i = 0; i < raw->links_count; i++) {
		const struct raw_link *from = &raw->links[i];
		struct cfg_link *link = &b->cfg->links[i];

		r = check_link(b, i);
		if (r)
			return r;
		b->cfg->link_count = i + 1;
		*link = (struct cfg_link){
			.role = from->role,
			.use = from->use,
			.guard = from->guard,
			.early_classify = from->early_classify,
			.no_detour = from->no_detour,
			.mark = from->mark ? *from->mark : 0,
		};
		r = cfg_build_gateway(b, i, link);
		if (r)
			return r;
		if (cfg_copy_text(&link->name, from->name) < 0 ||
		    cfg_copy_text(&link->path, from->path ? from->path : from->name) < 0 ||
		    (from->congestion && cfg_copy_text(&link->congestion, from->congestion) < 0))
			return -ENOMEM;
		r = cfg_build_cost(b, i);
		if (r)
			return r;
	}
	return 0;
}
