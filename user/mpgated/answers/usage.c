// SPDX-License-Identifier: GPL-2.0-or-later
/* What paths and rules were used for: of today and by day, and of quotas. */
#include <stdio.h>
#include <string.h>

#include <mpgated/answers/answers.h>

static void set_day(json_t *o, const char *name, uint32_t day)
{
	char text[24];

	snprintf(text, sizeof(text), "%04u-%02u-%02u", day / 10000, day / 100 % 100, day % 100);
	json_set_text(o, name, day ? text : "unknown");
}

static json_t *days(const struct usage_item *item)
{
	json_t *all = json_array();

	for (unsigned i = 0; item && i < item->count; i++) {
		json_t *o = json_object();

		set_day(o, "day", item->day[i].day);
		json_set_int(o, "up", item->day[i].up);
		json_set_int(o, "down", item->day[i].down);
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *user(const struct supervisor *s, enum usage_kind kind, const char *name)
{
	const struct usage_item *item = usage_find(&s->cost.usage, kind, name);
	const struct usage_day *last = item && item->count ? &item->day[item->count - 1] : NULL;
	bool today = last && last->day == s->cost.usage.last;
	json_t *o = json_object();

	json_set_text(o, "by", kind == USAGE_PATH ? "path" : "rule");
	json_set_text(o, "name", name);
	json_set_int(o, "up", today ? last->up : 0);
	json_set_int(o, "down", today ? last->down : 0);
	json_object_set_new(o, "days", days(item));
	return o;
}

static bool is_repeated(const struct config *cfg, unsigned link)
{
	for (unsigned i = 0; i < link; i++)
		if (cfg->links[i].role == CFG_PATH && !strcmp(cfg->links[i].path, cfg->links[link].path))
			return true;
	return false;
}

json_t *answers_usage(const struct supervisor *s)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];
		uint32_t again;
		json_t *o;

		if (c->role != CFG_PATH || is_repeated(s->cfg, i))
			continue;
		o = user(s, USAGE_PATH, c->path);
		if (c->quota_mib) {
			json_set_int(o, "quota_used", cost_used(s, i, &again));
			json_set_int(o, "quota", (uint64_t)c->quota_mib << 20);
			set_day(o, "quota_again", again);
		}
		json_array_append_new(all, o);
	}
	for (unsigned i = 0; i < s->cfg->rule_count; i++)
		if (s->cfg->rules[i].proxy || s->cfg->rules[i].terminate)
			json_array_append_new(all, user(s, USAGE_RULE, s->cfg->rules[i].name));
	return all;
}

void answers_usage_metrics(const struct supervisor *s, struct metrics_text *t)
{
	static const char *const directions[] = { "up", "down" };

	metrics_text_family(t, "mpgate_path_bytes", "counter", "Bytes of a path's interface since the daemon started");
	for (unsigned i = 0; i < 2 * s->cfg->link_count; i++) {
		const struct cfg_link *c = &s->cfg->links[i / 2];
		const struct metrics_label l[] = {
			{ "path", c->path }, { "link", c->name }, { "direction", directions[i % 2] }, { 0 }
		};

		if (c->role == CFG_PATH && i / 2 < s->cost.count)
			metrics_text_sample(t, l, s->cost.link[i / 2].bytes[i % 2]);
	}
	metrics_text_family(t, "mpgate_rule_bytes", "counter",
			    "Bytes of a rule's connections since the daemon started");
	for (unsigned i = 0; i < 2 * s->rule_count && i < 2 * MPGATE_MAX_RULES; i++) {
		const struct metrics_label l[] = { { "rule", s->rules[i / 2] },
						   { "direction", directions[i % 2] },
						   { 0 } };

		metrics_text_sample(t, l, s->cost.rule_bytes[i / 2][i % 2]);
	}
	metrics_text_family(t, "mpgate_path_quota_bytes", "gauge", "What a path may carry in its month");
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];
		const struct metrics_label l[] = { { "path", c->path }, { "link", c->name }, { 0 } };

		if (c->quota_mib)
			metrics_text_sample(t, l, (uint64_t)c->quota_mib << 20);
	}
	metrics_text_family(t, "mpgate_path_quota_used_bytes", "gauge", "What it has carried of that");
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];
		const struct metrics_label l[] = { { "path", c->path }, { "link", c->name }, { 0 } };
		uint32_t again;

		if (c->quota_mib)
			metrics_text_sample(t, l, cost_used(s, i, &again));
	}
}
