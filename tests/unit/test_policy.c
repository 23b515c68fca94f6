// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The compiled policy gives the answer of the rules read one by one: random
 * rules and packets, decided by a linear first match and by the bit vectors.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy_test.h"

#define DEADLINE 300 /* seconds: far above what any correct run takes, also under a sanitizer */

struct packet {
	unsigned link;
	struct mpgate_addr addr[2]; /* by enum mpgate_side */
	uint16_t port;
	uint8_t dscp;
};

static uint64_t state = 0x6d7067617465ULL; /* fixed: each run is the same */

static unsigned pick(unsigned below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth's MMIX generator */
	return (unsigned)(state >> 33) % below;
}

/* --- the two matchers */

static bool in_list(const struct cfg_prefixes *list, const struct mpgate_addr *a)
{
	for (unsigned i = 0; i < list->count; i++)
		if (prefix_contains(&list->p[i], a))
			return true;
	return false;
}

static bool in_side(const struct config *cfg, const struct cfg_prefixes *list, int set, bool given,
		    const struct mpgate_addr *a)
{
	return !given || in_list(list, a) || (set >= 0 && in_list(&cfg->sets[set].prefixes, a));
}

static bool in_ports(const struct cfg_rule *rule, uint16_t port)
{
	for (unsigned i = 0; i < rule->port_count; i++)
		if (rule->ports[i].from <= port && port <= rule->ports[i].to)
			return true;
	return rule->port_count == 0;
}

static bool in_dscp(const struct cfg_rule *rule, uint8_t dscp)
{
	return rule->dscp_count == 0 || memchr(rule->dscp, dscp, rule->dscp_count);
}

static bool in_link(const struct config *cfg, const struct cfg_rule *rule, unsigned link)
{
	return rule->link < 0 ? rule->published || cfg->links[link].role == CFG_LAN : (unsigned)rule->link == link;
}

static int match_linear(const struct config *cfg, const struct packet *p)
{
	for (unsigned i = 0; i < cfg->rule_count; i++) {
		const struct cfg_rule *r = &cfg->rules[i];

		if (in_link(cfg, r, p->link) && in_ports(r, p->port) && in_dscp(r, p->dscp) &&
		    in_side(cfg, &r->from, r->from_set, r->from_given, &p->addr[MPGATE_SRC]) &&
		    in_side(cfg, &r->to, r->to_set, r->to_given, &p->addr[MPGATE_DST]))
			return (int)i;
	}
	return -1;
}

static bool key_matches(const struct mpgate_lpm_key *entry, const struct mpgate_exact_key *key)
{
	const uint8_t *a = (const uint8_t *)&entry->key, *b = (const uint8_t *)key;
	unsigned bytes = entry->prefixlen / 8, bits = entry->prefixlen % 8;

	return memcmp(a, b, bytes) == 0 && (bits == 0 || ((a[bytes] ^ b[bytes]) >> (8 - bits)) == 0);
}

/* As the classifier looks up: the exact table, then the longest prefix, then `any`. */
static uint32_t lookup(const struct policy_image *img, enum mpgate_side side, const struct mpgate_addr *a)
{
	struct mpgate_exact_key key = { .side = (uint8_t)side };
	bool v4 = addr_is_v4(a);
	const struct policy_prefix *best = NULL;
	unsigned i;

	key.family = v4 ? 4 : 6;
	memcpy(key.addr, v4 ? a->b + 12 : a->b, v4 ? 4 : 16);
	for (i = 0; img->policy.exact[side] && i < img->exact_count; i++)
		if (memcmp(&img->exact[i].key.key, &key, sizeof(key)) == 0)
			return img->exact[i].bitmap;
	for (i = 0; img->policy.lpm[side] && i < img->lpm_count; i++)
		if (key_matches(&img->lpm[i].key, &key) && (!best || img->lpm[i].key.prefixlen > best->key.prefixlen))
			best = &img->lpm[i];
	return best ? best->bitmap : img->policy.any[side][v4 ? 0 : 1];
}

static int match_bits(const struct policy_image *img, const struct packet *p)
{
	const struct mpgate_bitmap *fields[] = {
		&img->bitmaps[img->link_bitmap[p->link]],
		&img->bitmaps[lookup(img, MPGATE_SRC, &p->addr[MPGATE_SRC])],
		&img->bitmaps[lookup(img, MPGATE_DST, &p->addr[MPGATE_DST])],
		&img->bitmaps[img->ports[p->port]],
		&img->bitmaps[img->policy.dscp[p->dscp]],
	};

	for (unsigned w = 0; w < img->policy.words; w++) {
		uint64_t bits = UINT64_MAX;

		for (unsigned f = 0; f < sizeof(fields) / sizeof(fields[0]); f++)
			bits &= fields[f]->rules[w];
		if (bits)
			return (int)(w * 64) + __builtin_ctzll(bits);
	}
	return -1;
}

/* --- random configurations; addresses from a small space, so that they meet */

static void random_bytes(bool v4, uint8_t *out)
{
	memset(out, 0, 16);
	if (v4) {
		out[0] = 10;
		out[1] = (uint8_t)pick(3);
		out[2] = (uint8_t)(pick(4) * 64);
		out[3] = (uint8_t)pick(8);
	} else {
		memcpy(out, "\x20\x01\x0d\xb8", 4);
		out[7] = (uint8_t)pick(3);
		out[8] = (uint8_t)(pick(4) * 64);
		out[15] = (uint8_t)pick(8);
	}
}

static struct mpgate_addr random_addr(bool v4)
{
	struct mpgate_addr a = { { 0 } };
	uint8_t raw[16];

	random_bytes(v4, raw);
	if (v4) {
		a.b[10] = a.b[11] = 0xff;
		memcpy(a.b + 12, raw, 4);
	} else {
		memcpy(a.b, raw, 16);
	}
	return a;
}

static struct prefix random_prefix(unsigned families)
{
	bool v4 = families == 3 ? pick(2) : families == 1;
	static const uint8_t lens[2][7] = { { 0, 7, 30, 64, 67, 120, 128 }, { 0, 5, 9, 16, 18, 24, 32 } };
	struct prefix p = { .family = v4 ? 4 : 6, .len = lens[v4][pick(7)] };

	if (p.len == 0 && pick(4))
		p.len = lens[v4][6];
	random_bytes(v4, p.addr);
	for (unsigned bit = p.len; bit < 128; bit++)
		p.addr[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return p;
}

static void random_list(struct cfg_prefixes *list, unsigned max)
{
	unsigned families = 1 + pick(3);

	list->count = 1 + pick(max);
	list->p = calloc(list->count, sizeof(*list->p));
	for (unsigned i = 0; i < list->count; i++)
		list->p[i] = random_prefix(families);
}

static void random_side(const struct config *cfg, struct cfg_prefixes *list, int *set, bool *given)
{
	*set = -1;
	*given = pick(4) != 0;
	if (!*given)
		return;
	if (cfg->set_count && pick(3) == 0)
		*set = (int)pick(cfg->set_count);
	if (*set < 0 || pick(2))
		random_list(list, 6);
}

static void random_rule(const struct config *cfg, struct cfg_rule *rule, unsigned number)
{
	char name[16];

	snprintf(name, sizeof(name), "r%u", number);
	rule->name = strdup(name);
	rule->published = pick(4) == 0;
	rule->link = pick(3) ? -1 : (int)pick(rule->published ? 3 : 2);
	rule->proxy = pick(2);
	rule->group = rule->proxy ? 0 : -1;
	random_side(cfg, &rule->from, &rule->from_set, &rule->from_given);
	random_side(cfg, &rule->to, &rule->to_set, &rule->to_given);
	rule->port_count = pick(3);
	rule->ports = calloc(rule->port_count + 1, sizeof(*rule->ports));
	for (unsigned i = 0; i < rule->port_count; i++) {
		rule->ports[i].from = (uint16_t)(pick(4) ? 1 + pick(20) : 65530 + pick(6));
		rule->ports[i].to = (uint16_t)(rule->ports[i].from + pick(65536U - rule->ports[i].from));
	}
	rule->dscp_count = pick(4) ? 0 : 1 + pick(3);
	rule->dscp = calloc(rule->dscp_count + 1, 1);
	for (unsigned i = 0; i < rule->dscp_count; i++)
		rule->dscp[i] = (uint8_t)pick(4);
}

static struct config *random_config(unsigned rules)
{
	struct config *cfg = policy_config(rules, pick(3));
	unsigned i;

	for (i = 0; i < cfg->set_count; i++)
		random_list(&cfg->sets[i].prefixes, 20);
	for (i = 0; i < rules; i++)
		random_rule(cfg, &cfg->rules[i], i);
	return cfg;
}

static struct packet random_packet(void)
{
	bool v4 = pick(2);

	return (struct packet){
		.link = pick(3),
		.addr = { random_addr(v4), random_addr(v4) },
		.port = (uint16_t)(pick(4) ? pick(24) : 65528 + pick(8)),
		.dscp = (uint8_t)pick(5),
	};
}

/* Compares the matchers; returns how many packets met a rule, so that a test knows it tested something. */
static unsigned compare(unsigned rules, unsigned packets)
{
	struct config *cfg = random_config(rules);
	struct policy_image img;
	unsigned i, hits = 0, wrong = 0;

	CU_ASSERT_EQUAL_FATAL(compile(cfg, &img), 0);
	for (i = 0; i < packets; i++) {
		struct packet p = random_packet();
		int want = match_linear(cfg, &p), got = match_bits(&img, &p);

		hits += want >= 0;
		wrong += want != got;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	policy_free(&img);
	config_free(cfg);
	return hits;
}

static void test_random_rules(void)
{
	unsigned i, hits = 0;

	for (i = 0; i < 600; i++)
		hits += compare(1 + pick(12), 60);
	CU_ASSERT(hits > 5000 && hits < 600 * 60);
}

static void test_word_borders(void)
{
	static const unsigned counts[] = { 63, 64, 65, 127, 128, 129, 700 };

	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		CU_ASSERT(compare(counts[i], 300) > 0);
}

static void test_most_rules(void)
{
	CU_ASSERT(compare(MPGATE_MAX_RULES, 2000) > 0);
}

static void test_no_rules(void)
{
	CU_ASSERT_EQUAL(compare(0, 50), 0);
}

/* Each of the 1,024 rules can be the answer, not only the first ones. */
static void test_every_rule_is_reached(void)
{
	struct config *cfg = policy_config(MPGATE_MAX_RULES, 0);
	struct policy_image img;
	unsigned i, wrong = 0;

	for (i = 0; i < MPGATE_MAX_RULES; i++) {
		struct cfg_rule *rule = &cfg->rules[i];

		plain_rule(rule);
		rule->ports = calloc(1, sizeof(*rule->ports));
		rule->ports[0] = (struct cfg_port_range){ (uint16_t)(i + 1), (uint16_t)(i + 1) };
		rule->port_count = 1;
	}
	CU_ASSERT_EQUAL_FATAL(compile(cfg, &img), 0);
	for (i = 0; i < MPGATE_MAX_RULES; i++) {
		struct packet p = random_packet();

		p.link = 0;
		p.port = (uint16_t)(i + 1);
		wrong += match_bits(&img, &p) != (int)i;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	CU_ASSERT_EQUAL(img.policy.words, MPGATE_RULE_WORDS);
	policy_free(&img);
	config_free(cfg);
}

static void test_million_prefixes(void)
{
	const unsigned count = CFG_MAX_PREFIXES, users = 10;
	struct config *cfg = policy_config(users, 1);
	struct cfg_prefixes *list = &cfg->sets[0].prefixes;
	struct policy_image img;
	unsigned i, wrong = 0;

	list->p = calloc(count, sizeof(*list->p));
	list->count = count;
	for (i = 0; i < count; i++) {
		struct prefix *p = &list->p[i];

		/* Distinct by the number in the address; every other one IPv6. */
		*p = (struct prefix){ .family = i % 2 ? 4 : 6, .len = i % 2 ? (uint8_t)(24 + i % 9) : 56 };
		p->addr[0] = i % 2 ? (uint8_t)(1 + i / 65536) : 0x20;
		p->addr[1] = (uint8_t)(i / 256);
		p->addr[2] = (uint8_t)i;
		p->addr[i % 2 ? 3 : 6] = i % 2 ? 0 : (uint8_t)(i / 65536);
	}
	for (i = 0; i < users; i++) {
		struct cfg_rule *rule = &cfg->rules[i];

		plain_rule(rule);
		*(i % 2 ? &rule->from_set : &rule->to_set) = 0;
		*(i % 2 ? &rule->from_given : &rule->to_given) = true;
	}
	CU_ASSERT_EQUAL_FATAL(compile(cfg, &img), 0);
	CU_ASSERT_EQUAL(img.lpm_count + img.exact_count, 2 * count);
	CU_ASSERT(img.exact_count > 0);
	/* One bitmap for "inside", one for "outside", of each side, and the rest of the fields. */
	CU_ASSERT(img.bitmap_count < 10);
	for (i = 0; i < 12; i++) {
		struct packet p = random_packet();
		const struct prefix *in = &list->p[pick(count)];

		p.link = 0;
		memset(&p.addr[i % 2], 0, sizeof(p.addr[0]));
		if (in->family == 4)
			p.addr[i % 2].b[10] = p.addr[i % 2].b[11] = 0xff;
		memcpy(p.addr[i % 2].b + (in->family == 4 ? 12 : 0), in->addr, in->family == 4 ? 4 : 16);
		p.addr[(i + 1) % 2] = random_addr(in->family == 4);
		wrong += match_linear(cfg, &p) != match_bits(&img, &p) || match_bits(&img, &p) < 0;
	}
	CU_ASSERT_EQUAL(wrong, 0);
	policy_free(&img);
	config_free(cfg);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "random rules and packets", test_random_rules },
		{ "numbers of rules around a word of the bitmap", test_word_borders },
		{ "1,024 rules", test_most_rules },
		{ "no rules", test_no_rules },
		{ "every one of 1,024 rules is reached", test_every_rule_is_reached },
		{ "a million prefixes", test_million_prefixes },
		CU_TEST_INFO_NULL,
	};

	/* Work that grows with the square of its input would not come back: end it. */
	alarm(DEADLINE);
	return cunit_run("policy", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
