// SPDX-License-Identifier: GPL-2.0-or-later
/* The pool of addresses under which servers see connections, and the log of those mappings. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <lib/config/build.h>
#include <lib/config/meant.h>

#define MAX_PER_SUBSCRIBER 32767 /* as they are counted, see worker/subscriber.c */
#define DEFAULT_COLLECTOR_PORT 4739 /* ipfix (RFC 7011, 10.3.4) */
#define SHORTEST4 8 /* bits: what is wider holds addresses that are no host's */
#define SHORTEST6 32

static bool is_unicast(const struct prefix *p)
{
	static const struct prefix none[] = {
		{ 4, 8, { 0 } },     { 4, 8, { 127 } },		{ 4, 16, { 169, 254 } }, { 4, 3, { 224 } },
		{ 6, 16, { 0, 0 } }, { 6, 10, { 0xfe, 0x80 } }, { 6, 8, { 0xff } },
	};

	for (unsigned i = 0; i < CYAML_ARRAY_LEN(none); i++)
		if (prefix_covers(&none[i], p) || prefix_covers(p, &none[i]))
			return false;
	return p->len >= (p->family == 4 ? SHORTEST4 : SHORTEST6);
}

int cfg_build_pool(struct build *b)
{
	const struct raw_convert *raw = b->raw->convert;
	struct cfg_convert *convert = &b->cfg->convert;
	char text[ADDR_TEXT];
	int r;

	if (!raw)
		return 0;
	r = cfg_build_prefixes(b, "convert.pool", raw->pool, raw->pool_count, &convert->pool);
	if (!r && raw->pool_ports)
		r = cfg_build_range(b, "convert.pool-ports", raw->pool_ports, &convert->pool_ports);
	if (!r)
		r = cfg_take_number(b, "convert.connections-per-subscriber", raw->per_subscriber, 0, 0,
				    MAX_PER_SUBSCRIBER, &convert->per_subscriber);
	if (r)
		return r;
	if (convert->pool.count && convert->source != CFG_SHARE)
		return cfg_fail(b, "convert.pool", "pool needs source: share");
	if (raw->pool_ports && !convert->pool.count)
		return cfg_fail(b, "convert.pool-ports", "pool-ports needs a pool");
	if (convert->pool.count > CFG_POOL_PREFIXES)
		return cfg_fail(b, "convert.pool", "pool: %u prefixes are more than %d", convert->pool.count,
				CFG_POOL_PREFIXES);
	for (unsigned i = 0; i < convert->pool.count; i++)
		if (!is_unicast(&convert->pool.p[i]))
			return cfg_fail(b, "convert.pool", "pool: not all of '%s' are addresses of hosts",
					prefix_print(&convert->pool.p[i], text));
	return 0;
}

static bool in_pool(const struct config *cfg, const struct mpgate_addr *a)
{
	for (unsigned i = 0; i < cfg->convert.pool.count; i++)
		if (prefix_contains(&cfg->convert.pool.p[i], a))
			return true;
	return false;
}

/* True, with the error set: it is in the pool. */
static bool is_taken(struct build *b, const struct mpgate_addr *a, const char *what)
{
	char text[ADDR_TEXT];

	if (!in_pool(b->cfg, a))
		return false;
	cfg_fail(b, "convert.pool", "pool: %s is %s: choose addresses that nothing else has", addr_print(a, text),
		 what);
	return true;
}

int cfg_check_pool(struct build *b)
{
	const struct config *cfg = b->cfg;

	for (unsigned i = 0; i < cfg->convert.listen_count; i++)
		if (is_taken(b, &cfg->convert.listen[i], "where Convert is accepted"))
			return -EINVAL;
	for (unsigned i = 0; i < cfg->peer_count; i++)
		for (unsigned k = 0; k < cfg->peers[i].address_count; k++)
			if (is_taken(b, &cfg->peers[i].address[k], "an address of a peer"))
				return -EINVAL;
	for (unsigned i = 0; i < cfg->published; i++)
		for (unsigned k = 0; k < cfg->rules[i].to.count; k++) {
			const struct prefix *p = &cfg->rules[i].to.p[k];
			char text[ADDR_TEXT];
			struct mpgate_addr a;

			prefix_print(p, text);
			text[strcspn(text, "/")] = '\0';
			if (addr_parse(text, &a) == 0 && is_taken(b, &a, "published"))
				return -EINVAL;
		}
	if (cfg->mapping_log.exports && is_taken(b, &cfg->mapping_log.collector, "the collector"))
		return -EINVAL;
	return 0;
}

int config_pool_check(const struct config *cfg, const struct mpgate_addr *local, unsigned count, struct cfg_error *err)
{
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < count; i++)
		if (in_pool(cfg, &local[i])) {
			snprintf(err->text, sizeof(err->text),
				 "%.128s: convert.pool: %s is an address of this machine: its services answer there",
				 cfg->path, addr_print(&local[i], text));
			return -EADDRINUSE;
		}
	return 0;
}

int cfg_build_mapping_log(struct build *b)
{
	const struct raw_mapping_log *raw = b->raw->mapping_log;
	struct cfg_mapping_log *m = &b->cfg->mapping_log;
	unsigned port;
	int r = 0;

	if (!raw)
		return 0;
	m->log = raw->log;
	if (raw->file)
		r = cfg_copy_path(b, &m->file, raw->file);
	if (!r)
		r = cfg_take_number(b, "mapping-log.port", raw->port, DEFAULT_COLLECTOR_PORT, 1, UINT16_MAX, &port);
	if (!r)
		r = cfg_take_number(b, "mapping-log.domain", raw->domain, 1, 0, UINT32_MAX, &m->domain);
	if (r)
		return r;
	m->port = (uint16_t)port;
	m->transport = raw->transport;
	m->exports = raw->collector;
	if (raw->collector && addr_parse(raw->collector, &m->collector) < 0)
		return cfg_fail(b, "mapping-log.collector", "'%s' %s", raw->collector,
				meant_address(raw->collector, "is no address of a collector"));
	if (!m->exports && (raw->port || raw->domain || raw->transport != CFG_UDP))
		return cfg_fail(b, "mapping-log", "mapping-log: port, transport and domain need a collector");
	if (!config_logs_mappings(b->cfg))
		return cfg_fail(b, "mapping-log", "mapping-log needs log: true, a file or a collector");
	return 0;
}
