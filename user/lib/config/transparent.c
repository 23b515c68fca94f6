// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The section of who takes connections in servers' place: those with the tag of transparent mode, or by a rule. And
 * where further subflows come to, there and in convert.join: the kernel announces one set of addresses on all
 * connections.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	if (b->cfg->convert.listening &&
	    (port == b->cfg->convert.port || cfg_has_port(&b->cfg->convert.ports, t->port)))
		return cfg_fail(b, "transparent.port", "port %u is that of Convert", port);
	return 0;
}

static bool has_address(const struct mpgate_addr *list, unsigned count, const struct mpgate_addr *addr)
{
	for (unsigned i = 0; i < count; i++)
		if (!memcmp(&list[i], addr, sizeof(*addr)))
			return true;
	return false;
}

static bool same_join(const struct config *cfg)
{
	const struct cfg_convert *c = &cfg->convert;
	bool same = c->join_count == cfg->transparent.join_count;

	for (unsigned i = 0; i < c->join_count && same; i++)
		same = has_address(cfg->transparent.join, cfg->transparent.join_count, &c->join[i]);
	return same;
}

/* Joins come to the port of Convert, so somebody has to listen there. */
static int listen_to_join(struct build *b)
{
	static const struct mpgate_addr any[2] = { { { [10] = 0xff, 0xff } } };
	struct cfg_convert *c = &b->cfg->convert;
	struct mpgate_addr *all = realloc(c->listen, (c->listen_count + c->join_count) * sizeof(*all));

	if (!all)
		return -ENOMEM;
	c->listen = all;
	for (unsigned i = 0; i < c->join_count; i++)
		if (!has_address(all, c->listen_count, &any[!addr_is_v4(&c->join[i])]) &&
		    !has_address(all, c->listen_count, &c->join[i]))
			all[c->listen_count++] = c->join[i];
	if (c->listen_count * (1 + c->ports.count) > CFG_LISTEN_ADDRESSES)
		return cfg_fail(b, "convert.join", "listen and join have more than %d addresses together%s",
				CFG_LISTEN_ADDRESSES, c->ports.count ? ", each at all ports" : "");
	return 0;
}

int cfg_build_join(struct build *b)
{
	static const struct raw_convert none;
	const struct raw_convert *raw = b->raw->convert ? b->raw->convert : &none;
	struct cfg_convert *c = &b->cfg->convert;
	int r;

	if (!raw->join_count)
		return cfg_check_list(b, "convert.join");
	if (!c->listening)
		return cfg_fail(b, "convert.join", "join needs listen");
	r = cfg_build_addresses(b, "convert.join", raw->join, raw->join_count, CFG_JOIN_ADDRESSES,
				"peers cannot reach that", &c->join, &c->join_count);
	if (r)
		return r;
	if (!b->cfg->transparent.accept)
		return listen_to_join(b);
	return same_join(b->cfg) ? 0
				 : cfg_fail(b, "convert.join",
					    "join: the addresses of transparent.join are announced on all connections; "
					    "give the same, or none");
}
