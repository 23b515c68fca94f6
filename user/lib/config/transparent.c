// SPDX-License-Identifier: GPL-2.0-or-later
/* The section of who takes connections in servers' place: those with the tag of transparent mode, or by a rule. */
#include <lib/config/build.h>

#define DEFAULT_PORT 8804 /* of joins: beside that of Convert */
#define MAX_PORT 65535

static int check_needs(struct build *b)
{
	bool path = false, wanted = false;

	for (unsigned i = 0; i < b->cfg->link_count; i++)
		path |= b->cfg->links[i].role == CFG_PATH;
	for (unsigned i = 0; i < b->raw->peers_count; i++)
		wanted |= b->raw->peers[i].key_file != NULL;
	for (unsigned i = 0; i < b->raw->policy.rules_count; i++)
		wanted |= b->raw->policy.rules[i].action == RAW_TERMINATE;
	if (!path)
		return cfg_fail(b, "transparent", "transparent needs a link with role path, where connections arrive");
	if (!wanted)
		return cfg_fail(b, "transparent",
				"transparent needs a peer with a key-file, or a rule with action: terminate");
	return 0;
}

int cfg_build_transparent(struct build *b)
{
	static const struct raw_transparent none;
	const struct raw_transparent *raw = b->raw->transparent ? b->raw->transparent : &none;
	struct cfg_transparent *t = &b->cfg->transparent;
	unsigned port;
	int r;

	t->accept = b->raw->transparent != NULL;
	if (!t->accept)
		return 0;
	r = check_needs(b);
	if (r)
		return r;
	if (!raw->join_count)
		return cfg_fail(b, "transparent",
				"transparent needs join: addresses of this machine that peers' "
				"further subflows come to");
	r = cfg_build_addresses(b, "transparent.join", raw->join, raw->join_count, CFG_JOIN_ADDRESSES,
				"peers cannot reach that", &t->join, &t->join_count);
	if (!r)
		r = cfg_take_number(b, "transparent.port", raw->port, DEFAULT_PORT, 1, MAX_PORT, &port);
	if (r)
		return r;
	t->port = (uint16_t)port;
	if (b->cfg->convert.listening && port == b->cfg->convert.port)
		return cfg_fail(b, "transparent.port", "port %u is that of Convert", port);
	return 0;
}
