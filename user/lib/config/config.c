// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * From text to struct config, in four steps: the document with its lines (where.c; syntax.c if it is none), whether it
 * fits the schema (check.c), libcyaml's load by the schema (schema.c), and the checks that give it a meaning (parts.c,
 * links.c, peers.c, sets.c, publish.c, rules.c).
 */
#include <lib/config/config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/config/build.h>
#include <lib/config/check.h>

/* libcyaml says where a fault is, the innermost place first. */
static void on_cyaml_log(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	unsigned *line = ctx;
	char text[256];
	const char *at;

	(void)level;
	vsnprintf(text, sizeof(text), fmt, args);
	at = strncmp(text, "  in ", 5) == 0 ? strstr(text, "(line: ") : NULL;
	if (at && !*line)
		*line = (unsigned)strtoul(at + strlen("(line: "), NULL, 10);
}

static const cyaml_config_t cyaml_base = {
	.log_fn = on_cyaml_log,
	.mem_fn = cyaml_mem,
	.log_level = CYAML_LOG_ERROR,
	.flags = CYAML_CFG_NO_ALIAS,
};

static int load_raw(struct build *b, const char *text, size_t len, struct raw_config **raw)
{
	cyaml_config_t config = cyaml_base;
	unsigned line = 0;
	cyaml_err_t e;
	int r;

	r = check_document(&b->where, b->err);
	if (r)
		return r;
	config.log_ctx = &line;
	e = cyaml_load_data((const uint8_t *)text, len, &config, &raw_schema, (cyaml_data_t **)raw, NULL);
	if (e == CYAML_ERR_OOM)
		return -ENOMEM;
	if (!line)
		line = 1; /* of the whole document */
	if (e == CYAML_ERR_ALIAS)
		return where_fail(b->err, b->where.name, line, "aliases ('*name') are not taken here");
	if (e != CYAML_OK)
		return where_fail(b->err, b->where.name, line, "cannot be read: %s", cyaml_strerror(e));
	if (!*raw)
		return where_fail(b->err, b->where.name, 1, "a configuration is a mapping of keys to values");
	return 0;
}

static int check_reserved(struct build *b)
{
	if (b->raw->policy.def == RAW_PROXY)
		return cfg_fail(b, "policy.default", "default: proxy is not available in this version");
	return 0;
}

static int build_all(struct build *b)
{
	static int (*const parts[])(struct build *) = {
		check_reserved,	  cfg_build_numbers,	 cfg_build_links,	cfg_build_convert,
		cfg_build_pool,	  cfg_build_transparent, cfg_build_join,	cfg_build_peers,
		cfg_build_groups, cfg_build_sets,	 cfg_build_publish,	cfg_build_rules,
		cfg_build_steer,  cfg_check_overlap,	 cfg_build_mapping_log, cfg_check_pool,
	};
	unsigned i;
	int r = 0;

	for (i = 0; i < CYAML_ARRAY_LEN(parts) && !r; i++)
		r = parts[i](b);
	return r;
}

int config_parse(const char *text, size_t len, const char *name, const char *dir, struct config **out,
		 struct cfg_error *err)
{
	struct build b = { .dir = dir, .err = err };
	struct raw_config *raw = NULL;
	int r;

	err->text[0] = '\0';
	r = where_open(&b.where, text, len, name, err);
	if (r)
		goto out;
	r = load_raw(&b, text, len, &raw);
	if (!r) {
		b.raw = raw;
		b.cfg = calloc(1, sizeof(*b.cfg));
		r = b.cfg ? cfg_copy_text(&b.cfg->path, name) : -ENOMEM;
	}
	if (!r)
		r = build_all(&b);
	where_close(&b.where);
	cyaml_free(&cyaml_base, &raw_schema, raw, 0);
out:
	if (r) {
		config_free(b.cfg);
		if (!err->text[0])
			where_fail(err, name, 0, "%s", strerror(-r));
		return r;
	}
	*out = b.cfg;
	return 0;
}

int config_load(const char *path, struct config **out, struct cfg_error *err)
{
	const char *slash = strrchr(path, '/');
	char *text = NULL, *dir;
	size_t len = 0;
	int r;

	r = cfg_read_file(path, false, &text, &len);
	if (r) {
		where_fail(err, path, 0, "cannot be read: %s", strerror(-r));
		return r;
	}
	if (!slash)
		dir = strdup(".");
	else if (slash == path)
		dir = strdup("/");
	else
		dir = strndup(path, (size_t)(slash - path));
	if (dir)
		r = config_parse(text, len, path, dir, out, err);
	else
		r = -ENOMEM;
	free(dir);
	free(text);
	return r;
}

static void free_rules(struct config *cfg)
{
	unsigned i;

	for (i = 0; i < cfg->rule_count; i++) {
		struct cfg_rule *rule = &cfg->rules[i];

		free(rule->name);
		free(rule->from.p);
		free(rule->to.p);
		free(rule->ports);
		free(rule->dscp);
	}
	free(cfg->rules);
}

static void free_peers(struct config *cfg)
{
	unsigned i;

	for (i = 0; i < cfg->peer_count; i++) {
		free(cfg->peers[i].name);
		free(cfg->peers[i].address);
		free(cfg->peers[i].domain);
		free(cfg->peers[i].key_file);
		free(cfg->peers[i].previous_key_file);
		free(cfg->peers[i].allow_source.p);
		free(cfg->peers[i].accept_to.p);
	}
	free(cfg->peers);
	for (i = 0; i < cfg->group_count; i++) {
		free(cfg->groups[i].name);
		free(cfg->groups[i].peers);
		free(cfg->groups[i].weights);
	}
	free(cfg->groups);
}

void config_free(struct config *cfg)
{
	unsigned i;

	if (!cfg)
		return;
	for (i = 0; i < cfg->link_count; i++) {
		free(cfg->links[i].name);
		free(cfg->links[i].path);
		free(cfg->links[i].congestion);
	}
	free(cfg->links);
	free(cfg->convert.listen);
	free(cfg->convert.join);
	free(cfg->convert.allow_from.p);
	free(cfg->convert.allow_to.p);
	free(cfg->convert.pool.p);
	free(cfg->mapping_log.file);
	free(cfg->transparent.join);
	free_peers(cfg);
	for (i = 0; i < cfg->set_count; i++) {
		free(cfg->sets[i].name);
		free(cfg->sets[i].prefixes.p);
	}
	free(cfg->sets);
	free_rules(cfg);
	free(cfg->metrics_listen);
	free(cfg->metrics_token_file);
	free(cfg->instance);
	free(cfg->path);
	free(cfg);
}
