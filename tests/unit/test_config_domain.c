// SPDX-License-Identifier: GPL-2.0-or-later
/* Peers whose addresses are not in the file. */
#include "config_test.h"

#define DOMAIN_PEER(rest) LINKS "peers: [ { name: hub1, key-file: a.key, " rest " } ]\n"
#define USED DOMAIN_PEER("domain: operator.example.") "policy:\n  rules: [ { name: r" VIA "]\n"
#define LABEL63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_taken(void)
{
	struct cfg_error err = { "" };
	struct config *cfg, *again;
	char *text;

	CU_ASSERT_EQUAL_FATAL(parse(USED, &cfg, &err), 0);
	CU_ASSERT_STRING_EQUAL(cfg->peers[0].domain, "operator.example");
	CU_ASSERT_EQUAL(cfg->peers[0].address_count, 0);
	CU_ASSERT_TRUE(config_dials(&cfg->peers[0]));
	/* What was found is not the file's. */
	CU_ASSERT_EQUAL(addr_parse("192.0.2.1", &cfg->peers[0].address[CFG_PEER_ADDRESSES - 1]), 0);
	cfg->peers[0].address_count = CFG_PEER_ADDRESSES;
	text = config_print(cfg);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_PTR_NULL(strstr(text, "192.0.2.1"));
	CU_ASSERT_EQUAL_FATAL(parse(text, &again, &err), 0);
	CU_ASSERT_STRING_EQUAL(again->peers[0].domain, "operator.example");
	free(text);
	config_free(again);
	config_free(cfg);
	CU_ASSERT_EQUAL_FATAL(parse("dhcp: { enterprise: 32473 }\n" DOMAIN_PEER("from: dhcp"), &cfg, &err), 0);
	CU_ASSERT_EQUAL(cfg->enterprise, 32473);
	CU_ASSERT_TRUE(cfg->peers[0].dhcp && config_dials(&cfg->peers[0]));
	text = config_print(cfg);
	CU_ASSERT_PTR_NOT_NULL_FATAL(text);
	CU_ASSERT_EQUAL_FATAL(parse(text, &again, &err), 0);
	CU_ASSERT_EQUAL(again->enterprise, 32473);
	CU_ASSERT_TRUE(again->peers[0].dhcp);
	free(text);
	config_free(again);
	config_free(cfg);
	CU_ASSERT_EQUAL_FATAL(parse(DOMAIN_PEER("domain: x, park: 1, accept-to: [ 10.0.0.0/8 ]"), &cfg, &err), 0);
	config_free(cfg);
	CU_ASSERT_EQUAL_FATAL(parse(DOMAIN_PEER("domain: " LABEL63 ".b"), &cfg, &err), 0);
	config_free(cfg);
}

static void test_refused(void)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ DOMAIN_PEER("domain: a.b, address: [ 192.0.2.1 ]"), "either address and port, or a domain" },
		{ DOMAIN_PEER("domain: a.b, port: 8803"), "either address and port, or a domain" },
		{ DOMAIN_PEER("domain: a.b, mode: transparent"), "mode: transparent goes without a domain" },
		{ DOMAIN_PEER("from: dhcp"), "from: dhcp needs dhcp.enterprise" },
		{ "dhcp: { enterprise: 1 }\n" DOMAIN_PEER("from: dhcp, domain: a"), "either a domain or from: dhcp" },
		{ "dhcp: { enterprise: 1 }\n" DOMAIN_PEER("from: dhcp, port: 1"),
		  "either address and port, or from: dhcp" },
		{ DOMAIN_PEER("domain: a..b"), "'a..b' is no domain" },
		{ DOMAIN_PEER("domain: .a"), "is no domain" },
		{ DOMAIN_PEER("domain: ."), "is no domain" },
		{ DOMAIN_PEER("domain: \"\""), "the text is empty" },
		{ DOMAIN_PEER("domain: " LABEL63 "a.b"), "is no domain" },
		{ DOMAIN_PEER("domain: \"a b\""), "a name is made of letters" },
		{ DOMAIN_PEER("domain: " LABEL63 "." LABEL63 "." LABEL63 "." LABEL63), "239 letters at most" },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		struct cfg_error err = { "" };
		struct config *cfg;
		int r = parse(cases[i].text, &cfg, &err);

		CU_ASSERT_EQUAL(r, -EINVAL);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].error));
		if (!strstr(err.text, cases[i].error))
			printf("\n%s\n  got:  %s\n  want: %s\n", cases[i].text, err.text, cases[i].error);
		if (!r)
			config_free(cfg);
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "a domain is taken", test_taken },
		{ "and refused", test_refused },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("configuration: peers by domain", tests);
}
