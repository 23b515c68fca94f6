// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each field of a packet gives a bitmap of the rules it can match; the first
 * bit of their AND is the rule. Few distinct bitmaps exist, so tables hold
 * indexes of them. A prefix holds the rules of all prefixes around it as well
 * (and those that ask for no prefix), so that one longest match says all.
 */
#include <lib/bitmap_pool.h>
#include <lib/policy.h>
#include <lib/rendezvous.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DSCPS 64U
#define MAX_DEPTH 129 /* prefixes around each other: lengths 0 to 128 */

static void set_rule(struct mpgate_bitmap *map, unsigned rule)
{
	map->rules[rule / 64] |= 1ULL << rule % 64;
}

static void join(struct mpgate_bitmap *map, const struct mpgate_bitmap *other)
{
	unsigned i;

	for (i = 0; i < MPGATE_RULE_WORDS; i++)
		map->rules[i] |= other->rules[i];
}

/* One list of prefixes and the rules that use it: a set that ten rules name is walked once. */
struct source {
	const struct cfg_prefixes *list;
	struct mpgate_bitmap rules;
};

struct entry {
	struct prefix prefix;
	uint32_t source;
};

/* What one side of the rules says. */
struct side {
	struct mpgate_bitmap any; /* rules that take every address */
	struct source *sources;
	unsigned source_count;
	struct entry *entries;
	size_t entry_count;
};

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r;

	if (x->prefix.family != y->prefix.family)
		return x->prefix.family - y->prefix.family;
	r = memcmp(x->prefix.addr, y->prefix.addr, sizeof(x->prefix.addr));
	return r ? r : x->prefix.len - y->prefix.len;
}

static int collect_sources(const struct config *cfg, enum mpgate_side which, struct side *side)
{
	unsigned i;

	/* One for each set, then one for each rule. */
	side->source_count = cfg->set_count + cfg->rule_count;
	side->sources = calloc(side->source_count + 1, sizeof(*side->sources));
	if (!side->sources)
		return -ENOMEM;
	for (i = 0; i < cfg->set_count; i++)
		side->sources[i].list = &cfg->sets[i].prefixes;
	for (i = 0; i < cfg->rule_count; i++) {
		const struct cfg_rule *rule = &cfg->rules[i];
		struct source *own = &side->sources[cfg->set_count + i];
		int set = which == MPGATE_SRC ? rule->from_set : rule->to_set;

		own->list = which == MPGATE_SRC ? &rule->from : &rule->to;
		if (!(which == MPGATE_SRC ? rule->from_given : rule->to_given)) {
			set_rule(&side->any, i);
			continue;
		}
		set_rule(&own->rules, i);
		if (set >= 0)
			set_rule(&side->sources[set].rules, i);
	}
	return 0;
}

static int collect_entries(struct side *side)
{
	size_t total = 0, n = 0;
	unsigned i, k;

	for (i = 0; i < side->source_count; i++)
		if (!bitmap_is_empty(&side->sources[i].rules))
			total += side->sources[i].list->count;
	side->entries = malloc((total + 1) * sizeof(*side->entries));
	if (!side->entries)
		return -ENOMEM;
	for (i = 0; i < side->source_count; i++) {
		const struct source *source = &side->sources[i];

		if (bitmap_is_empty(&source->rules))
			continue;
		for (k = 0; k < source->list->count; k++)
			side->entries[n++] = (struct entry){ source->list->p[k], i };
	}
	side->entry_count = n;
	qsort(side->entries, n, sizeof(*side->entries), compare_entries);
	return 0;
}

static void put_prefix(struct policy_image *img, enum mpgate_side which, const struct prefix *p, uint32_t bitmap)
{
	bool exact = p->len == (p->family == 4 ? 32 : 128);
	struct policy_prefix *out = exact ? &img->exact[img->exact_count++] : &img->lpm[img->lpm_count++];

	memset(out, 0, sizeof(*out));
	out->key.prefixlen = MPGATE_LPM_FIXED_BITS + p->len;
	out->key.key.side = (uint8_t)which;
	out->key.key.family = p->family;
	memcpy(out->key.key.addr, p->addr, p->family == 4 ? 4 : 16);
	out->bitmap = bitmap;
	*(exact ? &img->policy.exact[which] : &img->policy.lpm[which]) = 1;
}

/* Prefixes around the one in hand, outermost first. */
struct stack {
	struct {
		const struct prefix *prefix;
		uint32_t bitmap;
	} level[MAX_DEPTH];
	unsigned depth;
};

/*
 * Walks the sorted entries. What encloses an entry is on the stack, innermost on top. An entry that adds no rule to
 * those of its surroundings is left out: the longest match without it says the same.
 */
static int put_entries(struct side *side, enum mpgate_side which, struct bitmap_pool *pool, struct policy_image *img)
{
	struct stack stack = { .depth = 0 };
	size_t i = 0;

	while (i < side->entry_count) {
		const struct entry *first = &side->entries[i];
		const struct prefix *p = &first->prefix;
		uint32_t *any = &img->policy.any[which][p->family == 4 ? 0 : 1];
		uint32_t around, index;
		struct mpgate_bitmap rules;

		while (stack.depth && !prefix_covers(stack.level[stack.depth - 1].prefix, p))
			stack.depth--;
		around = stack.depth ? stack.level[stack.depth - 1].bitmap : *any;
		rules = pool->maps[around];
		for (; i < side->entry_count && compare_entries(&side->entries[i], first) == 0; i++)
			join(&rules, &side->sources[side->entries[i].source].rules);
		if (bitmap_pool_index(pool, &rules, &index) < 0)
			return -ENOMEM;
		if (index == around)
			continue;
		if (p->len == 0) {
			*any = index; /* first of its family: nothing was put before it */
			continue;
		}
		put_prefix(img, which, p, index);
		stack.level[stack.depth].prefix = p;
		stack.level[stack.depth++].bitmap = index;
	}
	return 0;
}

static void free_side(struct side *side)
{
	free(side->sources);
	free(side->entries);
}

static int compile_sides(const struct config *cfg, struct bitmap_pool *pool, struct policy_image *img)
{
	struct side sides[2] = { 0 };
	size_t total;
	int i, r = 0;

	for (i = 0; i < 2 && !r; i++) {
		r = collect_sources(cfg, i, &sides[i]);
		if (!r)
			r = collect_entries(&sides[i]);
	}
	total = sides[0].entry_count + sides[1].entry_count;
	if (!r && total > POLICY_MAX_PREFIXES)
		r = -E2BIG;
	if (!r) {
		img->lpm = malloc((total + 1) * sizeof(*img->lpm));
		img->exact = malloc((total + 1) * sizeof(*img->exact));
		r = img->lpm && img->exact ? 0 : -ENOMEM;
	}
	for (i = 0; i < 2 && !r; i++) {
		r = bitmap_pool_index(pool, &sides[i].any, &img->policy.any[i][0]);
		img->policy.any[i][1] = img->policy.any[i][0];
		if (!r)
			r = put_entries(&sides[i], i, pool, img);
	}
	free_side(&sides[0]);
	free_side(&sides[1]);
	return r;
}

/* A range of a rule begins at a port, or has ended before it. */
struct port_event {
	uint32_t port;
	uint16_t rule;
	int16_t step; /* 1 or -1 */
};

static int compare_events(const void *a, const void *b)
{
	const struct port_event *x = a, *y = b;

	return (x->port > y->port) - (x->port < y->port);
}

static int collect_events(const struct config *cfg, struct port_event **out, size_t *out_count)
{
	static const struct cfg_port_range all = { 0, UINT16_MAX };
	struct port_event *events;
	size_t room = 0, n = 0;
	unsigned i, k;

	for (i = 0; i < cfg->rule_count; i++)
		room += 2 * (cfg->rules[i].port_count + 1);
	events = malloc((room + 1) * sizeof(*events));
	if (!events)
		return -ENOMEM;
	for (i = 0; i < cfg->rule_count; i++) {
		const struct cfg_rule *rule = &cfg->rules[i];
		const struct cfg_port_range *ranges = rule->port_count ? rule->ports : &all;

		for (k = 0; k < (rule->port_count ? rule->port_count : 1); k++) {
			events[n++] = (struct port_event){ ranges[k].from, (uint16_t)i, 1 };
			events[n++] = (struct port_event){ ranges[k].to + 1U, (uint16_t)i, -1 };
		}
	}
	qsort(events, n, sizeof(*events), compare_events);
	*out = events;
	*out_count = n;
	return 0;
}

/* Sweeps over all ports; the bitmap changes only where a range begins or ends. */
static int compile_ports(const struct config *cfg, struct bitmap_pool *pool, struct policy_image *img)
{
	unsigned open[MPGATE_MAX_RULES] = { 0 }; /* ranges of a rule that hold the port */
	struct mpgate_bitmap map = { 0 };
	struct port_event *events;
	size_t count, i = 0;
	uint32_t port, index = 0;
	int r = collect_events(cfg, &events, &count);

	if (r)
		return r;
	img->ports = malloc(MPGATE_PORTS * sizeof(*img->ports));
	if (!img->ports)
		r = -ENOMEM;
	for (port = 0; port < MPGATE_PORTS && !r; port++) {
		bool changed = false;

		for (; i < count && events[i].port == port; i++, changed = true) {
			unsigned rule = events[i].rule;

			open[rule] += (unsigned)events[i].step;
			if (open[rule])
				set_rule(&map, rule);
			else
				map.rules[rule / 64] &= ~(1ULL << rule % 64);
		}
		if (changed)
			r = bitmap_pool_index(pool, &map, &index);
		img->ports[port] = index;
	}
	free(events);
	return r;
}

static int compile_dscp(const struct config *cfg, struct bitmap_pool *pool, struct policy_image *img)
{
	struct mpgate_bitmap maps[DSCPS] = { 0 };
	unsigned i, k;
	int r = 0;

	for (i = 0; i < cfg->rule_count; i++) {
		const struct cfg_rule *rule = &cfg->rules[i];

		for (k = 0; k < rule->dscp_count; k++)
			set_rule(&maps[rule->dscp[k] % DSCPS], i);
		for (k = 0; k < DSCPS && !rule->dscp_count; k++)
			set_rule(&maps[k], i);
	}
	for (k = 0; k < DSCPS && !r; k++)
		r = bitmap_pool_index(pool, &maps[k], &img->policy.dscp[k]);
	return r;
}

static int compile_links(const struct config *cfg, struct bitmap_pool *pool, struct policy_image *img)
{
	struct mpgate_bitmap host = { 0 };
	unsigned i, k;
	int r;

	for (k = 0; k < cfg->rule_count; k++)
		if (config_rule_takes_host(&cfg->rules[k]))
			set_rule(&host, k);
	r = bitmap_pool_index(pool, &host, &img->host_bitmap);
	for (i = 0; i < cfg->link_count && !r; i++) {
		struct mpgate_bitmap map = { 0 };

		for (k = 0; k < cfg->rule_count; k++)
			if (config_rule_takes(cfg, &cfg->rules[k], i))
				set_rule(&map, k);
		r = bitmap_pool_index(pool, &map, &img->link_bitmap[i]);
	}
	return r;
}

static int compile_rules(const struct config *cfg, const uint32_t *rule_id, struct policy_image *img)
{
	unsigned i;

	img->policy.rules = cfg->rule_count;
	img->policy.words = (cfg->rule_count + 63) / 64;
	img->rules = calloc(cfg->rule_count + 1, sizeof(*img->rules));
	if (!img->rules)
		return -ENOMEM;
	for (i = 0; i < cfg->rule_count; i++) {
		const struct cfg_rule *from = &cfg->rules[i];
		struct mpgate_rule *rule = &img->rules[i];

		rule->action = from->terminate ? MPGATE_TERMINATE : from->proxy ? MPGATE_PROXY : MPGATE_DIRECT;
		rule->group = from->proxy ? (uint16_t)from->group : 0;
		rule->flags = (from->if_down == CFG_IF_DOWN_REJECT ? MPGATE_RULE_REJECT : 0) |
			      (from->mptcp == CFG_MPTCP_TERMINATE ? MPGATE_RULE_TAKE_MPTCP : 0) |
			      (from->mptcp == CFG_MPTCP_LEARNED ? MPGATE_RULE_LEARNED : 0) |
			      (from->terminate ? MPGATE_RULE_TERMINATE : 0) |
			      (from->connect == CFG_HONEST ? MPGATE_RULE_HONEST : 0) |
			      (from->published ? MPGATE_RULE_PUBLISHED : 0);
		rule->id = rule_id[i];
		memcpy(rule->name, from->name, strnlen(from->name, sizeof(rule->name) - 1));
	}
	return 0;
}

static void compile_orders(const struct config *cfg, const struct cfg_group *from, const uint64_t client_key[2],
			   struct mpgate_group *out)
{
	const char *names[MPGATE_GROUP_PEERS];
	unsigned weights[MPGATE_GROUP_PEERS];

	for (unsigned k = 0; k < from->peer_count; k++) {
		names[k] = cfg->peers[from->peers[k]].name;
		weights[k] = from->weights ? from->weights[k] : 1;
	}
	for (unsigned i = 0; i < MPGATE_GROUP_BUCKETS; i++)
		out->order[i] = from->choose == CFG_CHOOSE_CLIENT
					? rendezvous_order(client_key, i, names, weights, from->peer_count)
					: RENDEZVOUS_AS_GIVEN;
}

static int compile_groups(const struct config *cfg, const uint16_t *peer_slot, const uint64_t client_key[2],
			  struct policy_image *img)
{
	unsigned i, k;

	img->groups = calloc(cfg->group_count + 1, sizeof(*img->groups));
	if (!img->groups)
		return -ENOMEM;
	img->group_count = cfg->group_count;
	for (i = 0; i < cfg->group_count; i++) {
		img->groups[i].count = cfg->groups[i].peer_count;
		for (k = 0; k < cfg->groups[i].peer_count; k++)
			img->groups[i].peers[k] = peer_slot[cfg->groups[i].peers[k]];
		compile_orders(cfg, &cfg->groups[i], client_key, &img->groups[i]);
	}
	return 0;
}

static int check_limits(const struct config *cfg)
{
	unsigned i;

	if (cfg->rule_count > MPGATE_MAX_RULES || cfg->link_count > MPGATE_MAX_LINKS ||
	    cfg->group_count > MPGATE_MAX_GROUPS)
		return -E2BIG;
	for (i = 0; i < cfg->group_count; i++)
		if (cfg->groups[i].peer_count > MPGATE_GROUP_PEERS)
			return -E2BIG;
	return 0;
}

/* Gives back what the worst case had room for. */
static struct policy_prefix *shrink(struct policy_prefix *list, unsigned count)
{
	struct policy_prefix *smaller = realloc(list, (count + 1) * sizeof(*list));

	return smaller ? smaller : list;
}

int policy_compile(const struct config *cfg, const uint16_t *peer_slot, const uint32_t *rule_id,
		   const uint64_t client_key[2], struct policy_image *out)
{
	struct policy_image img = { 0 };
	struct bitmap_pool pool = { 0 };
	int r = check_limits(cfg);

	if (r)
		return r;
	r = bitmap_pool_open(&pool);
	if (!r)
		r = compile_rules(cfg, rule_id, &img);
	if (!r)
		r = compile_groups(cfg, peer_slot, client_key, &img);
	if (!r)
		r = compile_sides(cfg, &pool, &img);
	if (!r)
		r = compile_ports(cfg, &pool, &img);
	if (!r)
		r = compile_dscp(cfg, &pool, &img);
	if (!r)
		r = compile_links(cfg, &pool, &img);
	free(pool.slots);
	img.bitmaps = pool.maps;
	img.bitmap_count = pool.count;
	if (r) {
		policy_free(&img);
		return r;
	}
	img.lpm = shrink(img.lpm, img.lpm_count);
	img.exact = shrink(img.exact, img.exact_count);
	*out = img;
	return 0;
}

void policy_free(struct policy_image *img)
{
	free(img->rules);
	free(img->bitmaps);
	free(img->ports);
	free(img->lpm);
	free(img->exact);
	free(img->groups);
	memset(img, 0, sizeof(*img));
}
