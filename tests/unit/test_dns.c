// SPDX-License-Identifier: GPL-2.0-or-later
/* DNS answers: what is read from them, what is no answer; in which order servers and addresses are used. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/addr.h>
#include <lib/dns.h>

#include "cunit.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NAME "_convert._tcp.example"
#define AT_NAME "\xc0\x0c" /* the question's */

/* An answer in the making. */
struct message {
	uint8_t b[4096];
	size_t len;
};

static void put(struct message *m, const void *data, size_t len)
{
	CU_ASSERT_FATAL(m->len + len <= sizeof(m->b));
	memcpy(m->b + m->len, data, len);
	m->len += len;
}

static void put16(struct message *m, unsigned n)
{
	const uint8_t b[2] = { (uint8_t)(n >> 8), (uint8_t)n };

	put(m, b, 2);
}

static void put_name(struct message *m, const char *name)
{
	while (*name) {
		uint8_t n = (uint8_t)strcspn(name, ".");

		put(m, &n, 1);
		put(m, name, n);
		name += n + (name[n] == '.');
	}
	put(m, "", 1);
}

/* Begins one with a question for NAME; records are counted as they are added. */
static void begin(struct message *m)
{
	m->len = 0;
	put(m, "\x12\x34\x81\x80\0\1\0\0\0\0\0\0", 12);
	put_name(m, NAME);
	put(m, "\0\x21\0\1", 4);
}

static void record(struct message *m, const char *owner, unsigned type, uint32_t ttl, const void *data, size_t len)
{
	m->b[7]++;
	if (!strcmp(owner, AT_NAME))
		put(m, owner, 2);
	else
		put_name(m, owner);
	put16(m, type);
	put16(m, 1);
	put16(m, ttl >> 16);
	put16(m, ttl & 0xffff);
	put16(m, (unsigned)len);
	put(m, data, len);
}

static void srv(struct message *m, const char *owner, uint32_t ttl, unsigned priority, unsigned weight, unsigned port,
		const char *target)
{
	struct message data = { .len = 0 };

	put16(&data, priority);
	put16(&data, weight);
	put16(&data, port);
	put_name(&data, target);
	record(m, owner, DNS_SRV, ttl, data.b, data.len);
}

static void alias(struct message *m, const char *owner, uint32_t ttl, const char *to)
{
	struct message data = { .len = 0 };

	put_name(&data, to);
	record(m, owner, 5, ttl, data.b, data.len);
}

static void test_srv(void)
{
	static struct dns_answer a;
	struct message m;

	begin(&m);
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, NAME, DNS_SRV, &a), 0);
	CU_ASSERT_EQUAL(a.count, 0);
	CU_ASSERT_EQUAL(a.ttl, UINT32_MAX);
	srv(&m, AT_NAME, 300, 10, 5, 8803, "hub1.example");
	srv(&m, "_CONVERT._tcp.Example", 60, 20, 0, 9000, "");
	srv(&m, "_convert._tcp.other", 1, 1, 1, 1, "evil.example"); /* not what was asked for */
	record(&m, AT_NAME, 16, 1, "\3txt", 4);
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, NAME, DNS_SRV, &a), 0);
	CU_ASSERT_EQUAL_FATAL(a.count, 2);
	CU_ASSERT_EQUAL(a.ttl, 60);
	CU_ASSERT_EQUAL(a.srv[0].priority, 10);
	CU_ASSERT_EQUAL(a.srv[0].weight, 5);
	CU_ASSERT_EQUAL(a.srv[0].port, 8803);
	CU_ASSERT_STRING_EQUAL(a.srv[0].target, "hub1.example");
	CU_ASSERT_STRING_EQUAL(a.srv[1].target, "");
}

static void test_addresses(void)
{
	static struct dns_answer a;
	struct mpgate_addr want;
	struct message m;

	begin(&m);
	record(&m, "hub.example", DNS_A, 90, "\xc0\0\2\1", 4);
	record(&m, "hub.example", DNS_AAAA, 30, "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, "hub.example", DNS_A, &a), 0);
	CU_ASSERT_EQUAL_FATAL(a.count, 1);
	CU_ASSERT_EQUAL(a.ttl, 90);
	CU_ASSERT(!addr_parse("192.0.2.1", &want) && !memcmp(&want, &a.addr[0], sizeof(want)));
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, "hub.example", DNS_AAAA, &a), 0);
	CU_ASSERT_EQUAL_FATAL(a.count, 1);
	CU_ASSERT(!addr_parse("2001:db8::1", &want) && !memcmp(&want, &a.addr[0], sizeof(want)));
	record(&m, "hub.example", DNS_A, 90, "\xc0\0\2", 3);
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, "hub.example", DNS_A, &a), -EBADMSG);
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, "other.example", DNS_A, &a), 0);
	CU_ASSERT_EQUAL(a.count, 0);
}

static void test_aliases(void)
{
	static struct dns_answer a;
	struct message m;

	/* Whatever the order; of others nothing is taken. */
	begin(&m);
	record(&m, "c.example", DNS_A, 500, "\xc0\0\2\1", 4);
	alias(&m, "b.example", 40, "c.example");
	alias(&m, "x.example", 1, "y.example");
	alias(&m, "a.example", 50, "b.example");
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, "a.example", DNS_A, &a), 0);
	CU_ASSERT_EQUAL(a.count, 1);
	CU_ASSERT_EQUAL(a.ttl, 40);
	/* A ring has no end, but we have. */
	begin(&m);
	alias(&m, "a.example", 50, "b.example");
	alias(&m, "b.example", 50, "a.example");
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, "a.example", DNS_A, &a), 0);
	CU_ASSERT_EQUAL(a.count, 0);
}

static void test_bounds(void)
{
	static struct dns_answer a;
	struct message m;
	char long_name[2 * DNS_NAME];

	begin(&m);
	for (unsigned i = 0; i < DNS_RECORDS + 10; i++)
		srv(&m, AT_NAME, 0xffffffff, DNS_RECORDS + 10 - i, 0, 1, "t.example");
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, NAME, DNS_SRV, &a), 0);
	CU_ASSERT_EQUAL(a.count, DNS_RECORDS);
	CU_ASSERT_EQUAL(a.ttl, 0); /* RFC 2181, 8 */
	/* Those of the first priorities are kept, wherever they stand. */
	dns_order(a.srv, a.count, 0);
	CU_ASSERT_EQUAL(a.srv[0].priority, 1);
	CU_ASSERT_EQUAL(a.srv[DNS_RECORDS - 1].priority, DNS_RECORDS);
	/* Cut anywhere: no answer, and nothing is read behind the end. */
	for (size_t len = 0; len < m.len; len++) {
		uint8_t *copy = malloc(len + 1);

		CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
		memcpy(copy, m.b, len);
		CU_ASSERT_EQUAL(dns_parse(copy, len, NAME, DNS_SRV, &a), -EBADMSG);
		free(copy);
	}
	m.b[2] = 1; /* a question */
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, NAME, DNS_SRV, &a), -EBADMSG);
	memset(long_name, 'a', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	CU_ASSERT_EQUAL(dns_parse(m.b, m.len, long_name, DNS_SRV, &a), -EBADMSG);
}

static void test_names(void)
{
	static const struct {
		const char *data; /* of an SRV record, behind six bytes */
		size_t len;
		const char *target; /* NULL: malformed */
	} cases[] = {
		{ "\3hub\xc0\x1a", 6, "hub.example" },
		{ "\xc0\x1a", 2, "example" },
		{ "\3h b\0", 5, "h?b" },
		{ "\3h.b\0", 5, "h?b" },
		{ "\3h\0b\0", 5, "h?b" },
		{ "\xc0\xff", 2, NULL }, /* forward */
		{ "\xc0\x39", 2, NULL }, /* to itself */
		{ "\1a\xc0\x39", 4, NULL },
		{ "\x41xx\0", 4, NULL },
		{ "\3hub", 4, NULL },
		{ "\3hub\0x", 6, NULL },
		{ "\xc0", 1, NULL },
		{ "", 0, NULL },
	};

	for (unsigned i = 0; i < COUNT(cases); i++) {
		static struct dns_answer a;
		struct message m, data = { .len = 0 };
		int ret;

		begin(&m);
		put(&data, "\0\0\0\0\0\1", 6);
		put(&data, cases[i].data, cases[i].len);
		record(&m, AT_NAME, DNS_SRV, 30, data.b, data.len);
		ret = dns_parse(m.b, m.len, NAME, DNS_SRV, &a);
		CU_ASSERT_EQUAL(ret, cases[i].target ? 0 : -EBADMSG);
		if (ret || !cases[i].target)
			continue;
		CU_ASSERT_EQUAL_FATAL(a.count, 1);
		CU_ASSERT_STRING_EQUAL(a.srv[0].target, cases[i].target);
	}
}

static void test_priority(void)
{
	struct dns_srv a[] = { { 20, 1, 1, "c" }, { 10, 0, 1, "b" }, { 20, 0, 1, "d" }, { 5, 7, 1, "a" } }, b[4];

	memcpy(b, a, sizeof(b));
	dns_order(a, 4, 1);
	CU_ASSERT_STRING_EQUAL(a[0].target, "a");
	CU_ASSERT_STRING_EQUAL(a[1].target, "b");
	CU_ASSERT_EQUAL(a[2].priority + a[3].priority, 40);
	/* The same in any order of the answer. */
	for (unsigned i = 0; i < 3; i++) {
		struct dns_srv first = b[0];

		memmove(b, b + 1, 3 * sizeof(b[0]));
		b[3] = first;
		dns_order(b, 4, 1);
		CU_ASSERT_EQUAL(memcmp(a, b, sizeof(a)), 0);
	}
}

/* Of 4,000 gateways a share of each first, by weight; one without has hardly any. */
static void test_weight(void)
{
	unsigned first[3] = { 0 };

	for (uint64_t seed = 0; seed < 4000; seed++) {
		struct dns_srv a[] = { { 1, 0, 1, "0" }, { 1, 30, 1, "1" }, { 1, 90, 1, "2" } };

		dns_order(a, 3, seed * 0x9e3779b97f4a7c15ULL);
		first[a[0].target[0] - '0']++;
		CU_ASSERT_EQUAL(a[0].weight + a[1].weight + a[2].weight, 120);
	}
	CU_ASSERT(first[0] < 100);
	CU_ASSERT(first[1] > 850 && first[1] < 1150);
	CU_ASSERT(first[2] > 2850 && first[2] < 3150);
}

static void test_usable(void)
{
	struct dns_srv a[] = { { 1, 0, 1, "" },	 { 1, 0, 0, "none" }, { 1, 0, 7, "a" },
			       { 1, 0, 8, "b" }, { 1, 0, 7, "c" },    { 1, 0, 7, "d" } };

	CU_ASSERT_EQUAL(dns_usable(a, 2, 8), 0);
	CU_ASSERT_EQUAL(dns_usable(a, 6, 2), 2);
	CU_ASSERT_STRING_EQUAL(a[0].target, "a");
	CU_ASSERT_STRING_EQUAL(a[1].target, "c");
}

static void add(struct dns_target *t, bool v6, const char *const *texts)
{
	static struct dns_answer a;

	for (a.count = 0; texts[a.count]; a.count++)
		CU_ASSERT_EQUAL_FATAL(addr_parse(texts[a.count], &a.addr[a.count]), 0);
	dns_add(t, v6, &a);
}

static bool is_list(const struct mpgate_addr *list, unsigned n, const char *want)
{
	char all[256] = "", text[ADDR_TEXT];

	for (unsigned i = 0; i < n; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", i ? " " : "",
			 addr_print(&list[i], text));
	if (strcmp(all, want) != 0)
		printf("\n  got:  %s\n  want: %s\n", all, want);
	return !strcmp(all, want);
}

static void test_choice(void)
{
	static const char *const odd[] = { "127.0.0.1", "224.0.0.1",	   "0.0.0.0",	 "192.0.2.2", "192.0.2.1",
					   "192.0.2.2", "255.255.255.255", "2001:db8::", NULL };
	static const char *const odd6[] = { "::1", "ff02::1", "fe80::1", "::", "2001:db8::1", "192.0.2.9", NULL };
	static const char *const other[] = { "192.0.2.1", "192.0.2.7", NULL }, *const other6[] = { "2001:db8::7",
												   NULL };
	struct dns_target t[3] = { 0 };
	struct dns_target four[4];
	struct mpgate_addr out[8];

	add(&t[0], false, odd);
	add(&t[0], true, odd6);
	CU_ASSERT(is_list(out, dns_choose(t, 1, out, 4), "2001:db8::1 192.0.2.1 192.0.2.2"));
	CU_ASSERT(is_list(out, dns_choose(t, 1, out, 2), "2001:db8::1 192.0.2.1"));
	add(&t[2], true, other6);
	CU_ASSERT(is_list(out, dns_choose(t, 3, out, 3), "2001:db8::1 192.0.2.1 2001:db8::7"));
	CU_ASSERT(is_list(out, dns_choose(t, 3, out, 4), "2001:db8::1 192.0.2.1 192.0.2.2 2001:db8::7"));
	/* None twice. */
	add(&t[1], false, other);
	CU_ASSERT(is_list(out, dns_choose(t, 2, out, 8), "2001:db8::1 192.0.2.1 192.0.2.2 192.0.2.7"));
	/* Four targets: two of them with both versions, rather than four of one. */
	for (unsigned i = 0; i < 4; i++) {
		char text[32];

		four[i] = (struct dns_target){ .count = { 1, 1 } };
		snprintf(text, sizeof(text), "192.0.2.%u", i);
		addr_parse(text, &four[i].v[0][0]);
		snprintf(text, sizeof(text), "2001:db8::%u", i + 1);
		addr_parse(text, &four[i].v[1][0]);
	}
	CU_ASSERT(is_list(out, dns_choose(four, 4, out, 4), "2001:db8::1 192.0.2.0 2001:db8::2 192.0.2.1"));
	CU_ASSERT_EQUAL(dns_choose(t, 0, out, 4), 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "SRV records", test_srv },
		{ "addresses", test_addresses },
		{ "aliases", test_aliases },
		{ "bounds", test_bounds },
		{ "names", test_names },
		{ "order by priority", test_priority },
		{ "order by weight", test_weight },
		{ "records that can be used", test_usable },
		{ "addresses that are taken", test_choice },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("dns", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
