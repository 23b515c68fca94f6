// SPDX-License-Identifier: GPL-2.0-or-later
/* The configuration reader: how much it takes at most, and from where. */
#include "config_test.h"

#define PUBLISH "publish: [ { name: p, address: [ 192.0.2.9 ], port: [ 80 ], to: 10.0.0.1, via: hub1 } ]\n"

/* A text of `count` items made from a format with one number. */
static char *repeat(const char *head, const char *format, unsigned count)
{
	char *out = NULL;
	size_t len;
	FILE *file = open_memstream(&out, &len);

	fputs(head, file);
	for (unsigned i = 0; i < count; i++) {
		char item[256];

		/* The formats are those of this file. */
		for (const char *c = format; *c; c++)
			if (*c == '%') {
				snprintf(item, sizeof(item), "%u", i + 1);
				fputs(item, file);
			} else {
				fputc(*c, file);
			}
	}
	fclose(file);
	return out;
}

static void test_limits(void)
{
	static const struct {
		const char *head, *format;
		unsigned max;
		const char *error;
	} cases[] = {
		{ "links:\n", "- { name: l%, role: lan }\n", MPGATE_MAX_LINKS, "1: 65 links are more than 64" },
		{ "peers:\n", "- { name: p%, dialect: rfc8803 }\n", MPGATE_MAX_PEERS,
		  "1: 4097 peers are more than 4096" },
		{ PEER "groups:\n", "- { name: g%, peers: [ hub1 ] }\n", MPGATE_MAX_GROUPS,
		  "2: 257 groups are more than 256" },
		{ "prefix-sets:\n", "- { name: s%, prefixes: [ 10.0.0.0/8 ] }\n", 2 * MPGATE_MAX_RULES,
		  "1: 2049 prefix sets are more than 2048" },
		{ RULES, "  - { name: r%, to-port: [ % ]" VIA, MPGATE_MAX_RULES, "6: 1025 rules are more than 1024" },
		{ PUBLISH RULES, "  - { name: r%, to-port: [ % ]" VIA, MPGATE_MAX_RULES - 1,
		  "7: 1025 rules and publish entries are more than 1024" },
		{ LINKS PEER "publish:\n",
		  "- { name: p%, address: [ 192.0.2.9 ], port: [ % ], to: 10.0.0.1, via: hub1 }\n", MPGATE_MAX_RULES,
		  "5: 1025 rules and publish entries are more than 1024" },
		{ "convert:\n  allow-from:\n", "  - 2001:db8:%::/48\n", MPGATE_MAX_ALLOW,
		  "2: allow-from: 4097 prefixes are more than 4096" },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		char *most = repeat(cases[i].head, cases[i].format, cases[i].max);
		char *more = repeat(cases[i].head, cases[i].format, cases[i].max + 1);
		struct cfg_error err;
		struct config *cfg;
		char want[256];
		int r = parse(most, &cfg, &err);

		CU_ASSERT_EQUAL(r, 0);
		if (r)
			printf("\n%s\n", err.text);
		else
			config_free(cfg);
		snprintf(want, sizeof(want), "test.yaml:%s", cases[i].error);
		CU_ASSERT_EQUAL_FATAL(parse(more, &cfg, &err), -EINVAL);
		CU_ASSERT_STRING_EQUAL(err.text, want);
		free(most);
		free(more);
	}
}

static void test_longest_instance(void)
{
	static const char name[] = "Abcdefghij-bcdefghij_bcdefghij1"; /* 31 letters */
	struct cfg_error err;
	struct config *cfg;
	char text[64];

	snprintf(text, sizeof(text), "instance: %s\n", name);
	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
	CU_ASSERT_STRING_EQUAL(cfg->instance, name);
	config_free(cfg);
}

/* Peers that rules name count as groups. */
static void test_implied_groups_are_limited(void)
{
	char *peers = repeat(LINKS "peers:\n", "- { name: p%, address: [ 192.0.2.1 ], dialect: rfc8803 }\n",
			     MPGATE_MAX_GROUPS + 1);
	char *rules = repeat("policy:\n  rules:\n", "  - { name: r%, to-port: [ % ], action: proxy, via: p% }\n",
			     MPGATE_MAX_GROUPS + 1);
	struct cfg_error err;
	struct config *cfg;
	char *text;

	CU_ASSERT_FATAL(asprintf(&text, "%s%s", peers, rules) > 0);
	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "test.yaml:520: more than 256 groups, peers that rules name included");
	free(text);
	free(rules);
	free(peers);
}

static void test_million_prefixes(void)
{
	static const char text[] = "prefix-sets: [ { name: s, file: million.txt } ]\n";
	FILE *file = fopen("million.txt", "w");
	struct cfg_error err;
	struct config *cfg;
	unsigned i;

	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	for (i = 0; i < CFG_MAX_PREFIXES; i++)
		fprintf(file, i % 2 ? "10.%u.%u.%u\n" : "2001:db8:%x:%x%02x::/64\n", i >> 16, i >> 8 & 255, i & 255);
	fclose(file);
	CU_ASSERT_EQUAL_FATAL(parse(text, &cfg, &err), 0);
	CU_ASSERT_EQUAL(cfg->sets[0].prefixes.count, CFG_MAX_PREFIXES);
	config_free(cfg);
	file = fopen("million.txt", "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("192.0.2.1\n", file);
	fclose(file);
	CU_ASSERT_EQUAL(parse(text, &cfg, &err), -EINVAL);
	CU_ASSERT_STRING_EQUAL(err.text, "million.txt:1048577: more than 1048576 prefixes");
}

/* Paths are relative to the file's directory, and a missing file is told. */
static void test_load(void)
{
	struct cfg_error err;
	struct config *cfg;
	FILE *file;

	CU_ASSERT_EQUAL_FATAL(mkdir("sub", 0700), 0);
	file = fopen("sub/c.yaml", "w");
	CU_ASSERT_PTR_NOT_NULL_FATAL(file);
	fputs("peers: [ { name: a, key-file: ../a.key } ]\n", file);
	fclose(file);
	CU_ASSERT_EQUAL_FATAL(config_load("sub/c.yaml", &cfg, &err), 0);
	CU_ASSERT_STRING_EQUAL(cfg->peers[0].key_file, "sub/../a.key");
	CU_ASSERT_STRING_EQUAL(cfg->path, "sub/c.yaml");
	config_free(cfg);
	CU_ASSERT_EQUAL(config_load("none.yaml", &cfg, &err), -ENOENT);
	CU_ASSERT_STRING_EQUAL(err.text, "none.yaml: cannot be read: No such file or directory");
	CU_ASSERT_EQUAL(config_load("sub", &cfg, &err), -EISDIR);
	CU_ASSERT_STRING_EQUAL(err.text, "sub: cannot be read: Is a directory");
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "limits", test_limits },
		{ "the longest instance name", test_longest_instance },
		{ "implied groups are limited", test_implied_groups_are_limited },
		{ "a million prefixes", test_million_prefixes },
		{ "load from a file", test_load },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("config limits", tests);
}
