// SPDX-License-Identifier: GPL-2.0-or-later
/* The way back: a configuration as YAML, every default written out. libyaml quotes what needs it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/raw.h>
#include <yaml.h>

struct printer {
	yaml_emitter_t emitter;
	bool failed; /* once true, nothing more is emitted */
};

static void emit(struct printer *p, yaml_event_t *event, int made)
{
	/* yaml_emitter_emit() takes the event over, also when it fails. */
	if (!made || p->failed) {
		if (made)
			yaml_event_delete(event);
		p->failed = true;
		return;
	}
	p->failed = !yaml_emitter_emit(&p->emitter, event);
}

static void text(struct printer *p, const char *s)
{
	yaml_event_t e;

	emit(p, &e,
	     yaml_scalar_event_initialize(&e, NULL, NULL, (const yaml_char_t *)s, (int)strlen(s), 1, 1,
					  YAML_ANY_SCALAR_STYLE));
}

static void open_map(struct printer *p, const char *key)
{
	yaml_event_t e;

	if (key)
		text(p, key);
	emit(p, &e, yaml_mapping_start_event_initialize(&e, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE));
}

static void close_map(struct printer *p)
{
	yaml_event_t e;

	emit(p, &e, yaml_mapping_end_event_initialize(&e));
}

static void open_list(struct printer *p, const char *key, bool flow)
{
	yaml_event_t e;

	text(p, key);
	emit(p, &e,
	     yaml_sequence_start_event_initialize(&e, NULL, NULL, 1,
						  flow ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE));
}

static void close_list(struct printer *p)
{
	yaml_event_t e;

	emit(p, &e, yaml_sequence_end_event_initialize(&e));
}

static void pair(struct printer *p, const char *key, const char *value)
{
	if (!value)
		return;
	text(p, key);
	text(p, value);
}

static void number(struct printer *p, const char *key, unsigned value)
{
	char buf[16];

	snprintf(buf, sizeof(buf), "%u", value);
	pair(p, key, buf);
}

static void addresses(struct printer *p, const char *key, const struct mpgate_addr *list, unsigned count)
{
	char buf[ADDR_TEXT];
	unsigned i;

	if (!count)
		return;
	open_list(p, key, true);
	for (i = 0; i < count; i++)
		text(p, addr_print(&list[i], buf));
	close_list(p);
}

static void prefixes(struct printer *p, const char *key, const struct cfg_prefixes *list)
{
	char buf[ADDR_TEXT];
	unsigned i;

	if (!list->count)
		return;
	open_list(p, key, true);
	for (i = 0; i < list->count; i++)
		text(p, prefix_print(&list->p[i], buf));
	close_list(p);
}

static void print_cost(struct printer *p, const struct cfg_link *link)
{
	if (link->up_mbit)
		number(p, "up-mbit", link->up_mbit);
	if (link->down_mbit)
		number(p, "down-mbit", link->down_mbit);
	if (!link->quota_mib)
		return;
	number(p, "quota-mib", link->quota_mib);
	number(p, "quota-reset-day", link->quota_day);
}

static void print_gateway(struct printer *p, const struct cfg_link *link)
{
	static const struct mpgate_addr none;
	char buf[ADDR_TEXT];

	if (!link->gateway_link && !memcmp(&link->gateway[0], &none, sizeof(none)) &&
	    !memcmp(&link->gateway[1], &none, sizeof(none)))
		return;
	open_list(p, "gateway", true);
	if (link->gateway_link)
		text(p, "link");
	for (unsigned f = 0; f < 2; f++)
		if (memcmp(&link->gateway[f], &none, sizeof(none)) != 0)
			text(p, addr_print(&link->gateway[f], buf));
	close_list(p);
}

static void print_links(struct printer *p, const struct config *cfg)
{
	unsigned i;

	open_list(p, "links", false);
	for (i = 0; i < cfg->link_count; i++) {
		const struct cfg_link *link = &cfg->links[i];

		open_map(p, NULL);
		pair(p, "name", link->name);
		pair(p, "role", cfg_role_words[link->role].str);
		if (link->role == CFG_PATH) {
			/* An interface name as it is need not be a good label. */
			if (strcmp(link->path, link->name) != 0)
				pair(p, "path", link->path);
			pair(p, "use", cfg_use_words[link->use].str);
			print_cost(p, link);
		}
		pair(p, "guard", cfg_guard_words[link->guard].str);
		if (link->early_classify)
			pair(p, "early-classify", "true");
		if (link->no_detour)
			pair(p, "detour", "no");
		if (link->congestion)
			pair(p, "congestion", link->congestion);
		if (link->mark)
			number(p, "mark", link->mark);
		print_gateway(p, link);
		close_map(p);
	}
	close_list(p);
}

static const char *range(const struct cfg_port_range *r, char buf[16])
{
	snprintf(buf, 16, r->from == r->to ? "%u" : "%u-%u", r->from, r->to);
	return buf;
}

static void ports(struct printer *p, const struct cfg_ports *list)
{
	if (!list->count)
		return;
	open_list(p, "ports", true);
	for (unsigned i = 0; i < list->count; i++) {
		char buf[16];

		snprintf(buf, sizeof(buf), "%u", list->port[i]);
		text(p, buf);
	}
	close_list(p);
}

static void print_convert(struct printer *p, const struct cfg_convert *convert)
{
	char buf[16];

	open_map(p, "convert");
	addresses(p, "listen", convert->listen, convert->listen_count);
	addresses(p, "join", convert->join, convert->join_count);
	number(p, "port", convert->port);
	ports(p, &convert->ports);
	pair(p, "accept", cfg_accept_words[convert->accept].str);
	prefixes(p, "allow-from", &convert->allow_from);
	pair(p, "source", cfg_source_words[convert->source].str);
	prefixes(p, "allow-to", &convert->allow_to);
	number(p, "window", convert->window);
	number(p, "unchecked-syn-rate", convert->unchecked_rate);
	number(p, "pending-per-client", convert->pending_per_client);
	prefixes(p, "pool", &convert->pool);
	if (convert->pool_ports.from)
		pair(p, "pool-ports", range(&convert->pool_ports, buf));
	number(p, "connections-per-subscriber", convert->per_subscriber);
	close_map(p);
}

static void print_mapping_log(struct printer *p, const struct cfg_mapping_log *m)
{
	char buf[ADDR_TEXT];

	open_map(p, "mapping-log");
	pair(p, "log", m->log ? "true" : "false");
	pair(p, "file", m->file);
	if (m->exports) {
		pair(p, "collector", addr_print(&m->collector, buf));
		number(p, "port", m->port);
		pair(p, "transport", cfg_transport_words[m->transport].str);
		number(p, "domain", m->domain);
	}
	close_map(p);
}

static void print_transparent(struct printer *p, const struct cfg_transparent *transparent)
{
	if (!transparent->accept)
		return;
	open_map(p, "transparent");
	addresses(p, "join", transparent->join, transparent->join_count);
	number(p, "port", transparent->port);
	close_map(p);
}

static void print_peers(struct printer *p, const struct config *cfg)
{
	unsigned i;

	open_list(p, "peers", false);
	for (i = 0; i < cfg->peer_count; i++) {
		const struct cfg_peer *peer = &cfg->peers[i];

		open_map(p, NULL);
		pair(p, "name", peer->name);
		pair(p, "domain", peer->domain);
		if (peer->dhcp)
			pair(p, "from", cfg_from_words[peer->dhcp].str);
		if (!peer->domain && !peer->dhcp) {
			addresses(p, "address", peer->address, peer->address_count);
			number(p, "port", peer->port);
		}
		ports(p, &peer->ports);
		pair(p, "mode", cfg_mode_words[peer->mode].str);
		pair(p, "key-file", peer->key_file);
		pair(p, "previous-key-file", peer->previous_key_file);
		pair(p, "dialect", cfg_dialect_words[peer->dialect].str);
		number(p, "ready", peer->ready);
		prefixes(p, "allow-source", &peer->allow_source);
		number(p, "park", peer->park);
		prefixes(p, "accept-to", &peer->accept_to);
		close_map(p);
	}
	close_list(p);
}

static void print_groups(struct printer *p, const struct config *cfg)
{
	open_list(p, "groups", false);
	for (unsigned i = 0; i < cfg->group_count; i++) {
		const struct cfg_group *g = &cfg->groups[i];
		char buf[16];

		if (g->implied)
			continue;
		open_map(p, NULL);
		pair(p, "name", g->name);
		open_list(p, "peers", true);
		for (unsigned k = 0; k < g->peer_count; k++)
			text(p, cfg->peers[g->peers[k]].name);
		close_list(p);
		pair(p, "choose", cfg_choose_words[g->choose].str);
		if (g->weights) {
			open_list(p, "weights", true);
			for (unsigned k = 0; k < g->peer_count; k++) {
				snprintf(buf, sizeof(buf), "%u", g->weights[k]);
				text(p, buf);
			}
			close_list(p);
		}
		close_map(p);
	}
	close_list(p);
}

static void print_ports(struct printer *p, const char *key, const struct cfg_rule *rule)
{
	char buf[16];
	unsigned i;

	if (!rule->port_count)
		return;
	open_list(p, key, true);
	for (i = 0; i < rule->port_count; i++)
		text(p, range(&rule->ports[i], buf));
	close_list(p);
}

static void print_dscp(struct printer *p, const struct cfg_rule *rule)
{
	char buf[16];
	unsigned i;

	if (!rule->dscp_count)
		return;
	open_list(p, "dscp", true);
	for (i = 0; i < rule->dscp_count; i++) {
		snprintf(buf, sizeof(buf), "%u", rule->dscp[i]);
		text(p, buf);
	}
	close_list(p);
}

/* What an entry of publish has and a rule of the policy has not. */
static void print_published(struct printer *p, const struct cfg_rule *rule)
{
	char buf[ADDR_TEXT];
	unsigned i;

	open_list(p, "address", true);
	for (i = 0; i < rule->to.count; i++) {
		prefix_print(&rule->to.p[i], buf);
		buf[strcspn(buf, "/")] = '\0';
		text(p, buf);
	}
	close_list(p);
	print_ports(p, "port", rule);
	pair(p, "to", addr_print(&rule->target, buf));
	if (rule->target_port) {
		unsigned more = rule->ports[0].to - rule->ports[0].from;
		struct cfg_port_range to = { rule->target_port, (uint16_t)(rule->target_port + more) };

		pair(p, "to-port", range(&to, buf));
	}
}

/* Links of one label stand behind each other. */
static void print_paths(struct printer *p, const struct config *cfg, const struct cfg_rule *rule)
{
	const char *before = "";

	if (!rule->path_count)
		return;
	open_list(p, "paths", true);
	for (unsigned i = 0; i < rule->path_count; i++) {
		const char *label = cfg->links[rule->paths[i]].path;

		if (strcmp(label, before) != 0)
			text(p, label);
		before = label;
	}
	close_list(p);
}

static void print_rule(struct printer *p, const struct config *cfg, const struct cfg_rule *rule)
{
	open_map(p, NULL);
	pair(p, "name", rule->name);
	pair(p, "link", rule->link >= 0 ? cfg->links[rule->link].name : rule->link == CFG_LINK_HOST ? CFG_HOST : NULL);
	prefixes(p, "from", &rule->from);
	pair(p, "from-set", rule->from_set >= 0 ? cfg->sets[rule->from_set].name : NULL);
	if (rule->published) {
		print_published(p, rule);
	} else {
		prefixes(p, "to", &rule->to);
		pair(p, "to-set", rule->to_set >= 0 ? cfg->sets[rule->to_set].name : NULL);
		print_ports(p, "to-port", rule);
		pair(p, "action", cfg_action_words[rule->terminate ? RAW_TERMINATE : rule->proxy].str);
		pair(p, "mptcp", cfg_mptcp_words[rule->mptcp].str);
	}
	print_dscp(p, rule);
	if (rule->proxy)
		pair(p, "via", cfg->groups[rule->group].name);
	pair(p, "connect", cfg_connect_words[rule->connect].str);
	pair(p, "if-down", cfg_if_down_words[rule->if_down].str);
	if (rule->join)
		pair(p, "join", cfg_join_words[rule->join].str);
	print_paths(p, cfg, rule);
	if (rule->steer)
		pair(p, "steer", cfg_steer_words[rule->steer].str);
	if (rule->setup)
		pair(p, "setup", cfg_setup_words[rule->setup].str);
	close_map(p);
}

static void print_policy(struct printer *p, const struct config *cfg)
{
	unsigned i;

	open_list(p, "prefix-sets", false);
	for (i = 0; i < cfg->set_count; i++) {
		open_map(p, NULL);
		pair(p, "name", cfg->sets[i].name);
		prefixes(p, "prefixes", &cfg->sets[i].prefixes);
		close_map(p);
	}
	close_list(p);
	open_list(p, "publish", false);
	for (i = 0; i < cfg->published; i++)
		print_rule(p, cfg, &cfg->rules[i]);
	close_list(p);
	open_map(p, "policy");
	pair(p, "default", cfg_action_words[cfg->default_proxy].str);
	open_list(p, "rules", false);
	for (i = cfg->published; i < cfg->rule_count; i++)
		print_rule(p, cfg, &cfg->rules[i]);
	close_list(p);
	close_map(p);
}

static void print_config(struct printer *p, const struct config *cfg)
{
	open_map(p, NULL);
	pair(p, "instance", cfg->instance);
	number(p, "workers", cfg->workers);
	if (cfg->host)
		pair(p, "host", "true");
	print_links(p, cfg);
	print_convert(p, &cfg->convert);
	print_transparent(p, &cfg->transparent);
	print_peers(p, cfg);
	print_groups(p, cfg);
	print_policy(p, cfg);
	if (cfg->enterprise) {
		open_map(p, "dhcp");
		number(p, "enterprise", cfg->enterprise);
		close_map(p);
	}
	open_map(p, "subflows");
	pair(p, "path-manager", cfg_manager_words[cfg->subflows.manager].str);
	pair(p, "join", cfg_join_words[cfg->subflows.join].str);
	pair(p, "setup", cfg_setup_words[cfg->subflows.setup].str);
	if (cfg->subflows.no_demotion)
		pair(p, "demote", "no");
	if (cfg->subflows.no_pacing)
		pair(p, "pace", "no");
	number(p, "after-kib", cfg->subflows.after_kib);
	number(p, "after-ms", cfg->subflows.after_ms);
	close_map(p);
	open_map(p, "timeouts");
	number(p, "first-bytes-ms", cfg->timeouts.first_bytes_ms);
	number(p, "peer", cfg->timeouts.peer);
	number(p, "connect", cfg->timeouts.connect);
	number(p, "header", cfg->timeouts.header);
	number(p, "idle", cfg->timeouts.idle);
	number(p, "half-closed", cfg->timeouts.half_closed);
	number(p, "keepalive", cfg->timeouts.keepalive);
	close_map(p);
	open_map(p, "limits");
	number(p, "connections", cfg->limits.connections);
	number(p, "request-rate", cfg->limits.request_rate);
	number(p, "buffer-mib", cfg->limits.buffer_mib);
	number(p, "kernel-mib", cfg->limits.kernel_mib);
	close_map(p);
	open_map(p, "mark");
	number(p, "value", cfg->mark.value);
	number(p, "mask", cfg->mark.mask);
	close_map(p);
	if (config_logs_mappings(cfg))
		print_mapping_log(p, &cfg->mapping_log);
	if (cfg->metrics_listen) {
		open_map(p, "metrics");
		pair(p, "listen", cfg->metrics_listen);
		number(p, "port", cfg->metrics_port);
		pair(p, "token-file", cfg->metrics_token_file);
		close_map(p);
	}
	close_map(p);
}

static int write_file(void *file, unsigned char *data, size_t size)
{
	return fwrite(data, 1, size, file) == size;
}

char *config_print(const struct config *cfg)
{
	struct printer p = { .failed = false };
	yaml_event_t e;
	char *out = NULL;
	size_t len;
	FILE *file;

	if (!yaml_emitter_initialize(&p.emitter))
		return NULL;
	file = open_memstream(&out, &len);
	if (!file) {
		yaml_emitter_delete(&p.emitter);
		return NULL;
	}
	yaml_emitter_set_output(&p.emitter, write_file, file);
	emit(&p, &e, yaml_stream_start_event_initialize(&e, YAML_UTF8_ENCODING));
	emit(&p, &e, yaml_document_start_event_initialize(&e, NULL, NULL, NULL, 1));
	print_config(&p, cfg);
	emit(&p, &e, yaml_document_end_event_initialize(&e, 1));
	emit(&p, &e, yaml_stream_end_event_initialize(&e));
	yaml_emitter_delete(&p.emitter);
	if (fclose(file) != 0 || p.failed) {
		free(out);
		return NULL;
	}
	return out;
}
