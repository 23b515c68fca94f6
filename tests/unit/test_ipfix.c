// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages of IPFIX, byte by byte (RFC 7011, 3), and lines of the log. tests/vectors/ipfix.txt was made by hand from
 * the RFCs; ipfixDump (libfixbuf) and nfcapd read the same, see tests/net/mappings.t.
 */
#include <string.h>

#include <lib/ipfix.h>

#include "vectors.h"

static struct mapping mapping(const char *source, const char *mapped, const char *server, const char *peer, bool end)
{
	struct mapping m = { .time = 1700000000123ULL,
			     .source_port = htons(40000),
			     .mapped_port = htons(50000),
			     .server_port = htons(443),
			     .end = end };

	CU_ASSERT_EQUAL_FATAL(addr_parse(source, &m.source), 0);
	CU_ASSERT_EQUAL_FATAL(addr_parse(mapped, &m.mapped), 0);
	CU_ASSERT_EQUAL_FATAL(addr_parse(server, &m.server), 0);
	strcpy(m.peer, peer);
	return m;
}

static void check_vector(const struct vector *v)
{
	const char *names[] = { "source", "mapped", "server", "peer" };
	unsigned char want[VECTOR_BYTES];
	size_t len = vector_hex(vector_get(v, "message"), want);
	const char *text[4];
	struct ipfix m;

	ipfix_begin(&m, 7, 41);
	if (vector_get(v, "templates"))
		ipfix_put_templates(&m);
	for (unsigned i = 0; i < 4; i++)
		text[i] = vector_get(v, names[i]);
	if (text[0]) {
		struct mapping begin = mapping(text[0], text[1], text[2], text[3], false), end = begin;

		end.end = 1;
		end.time += 2000;
		CU_ASSERT_TRUE(ipfix_put(&m, &begin));
		CU_ASSERT_TRUE(ipfix_put(&m, &end));
	}
	ipfix_end(&m, 1700000003);
	CU_ASSERT_EQUAL(m.records, text[0] ? 2 : 0);
	CU_ASSERT_EQUAL_FATAL(m.len, len);
	CU_ASSERT_EQUAL(memcmp(m.data, want, len), 0);
}

static void test_vectors(void)
{
	vectors_run("tests/vectors/ipfix.txt", 5, check_vector);
}

/* Versions take turns: each change opens a set, and lengths cover what is there. */
static void test_sets(void)
{
	struct mapping v4 = mapping("10.0.0.5", "198.18.0.1", "192.0.2.1", "p", false);
	struct mapping v6 = mapping("2001:db8::5", "2001:db8:9::1", "2001:db8:2::1", "", false);
	struct ipfix m;
	size_t at;

	ipfix_begin(&m, 1, 0);
	CU_ASSERT_TRUE(ipfix_put(&m, &v4));
	CU_ASSERT_TRUE(ipfix_put(&m, &v4));
	CU_ASSERT_TRUE(ipfix_put(&m, &v6));
	CU_ASSERT_TRUE(ipfix_put(&m, &v4));
	ipfix_end(&m, 0);
	at = 16;
	for (unsigned i = 0; i < 3; i++) {
		CU_ASSERT_EQUAL(m.data[at] << 8 | m.data[at + 1], i == 1 ? 259 : 256);
		at += (size_t)(m.data[at + 2] << 8 | m.data[at + 3]);
	}
	CU_ASSERT_EQUAL(at, m.len);
	CU_ASSERT_EQUAL((size_t)(m.data[2] << 8 | m.data[3]), m.len);
}

/* A full message takes nothing more, and stays what it was. */
static void test_full(void)
{
	struct mapping p =
		mapping("2001:db8::5", "2001:db8:9::1", "2001:db8:2::1", "a-name-that-is-31-bytes-long-aa", true);
	struct ipfix m, before;
	unsigned n = 0;

	ipfix_begin(&m, 1, 0);
	ipfix_put_templates(&m);
	do
		before = m;
	while (ipfix_put(&m, &p) && ++n < 100);
	CU_ASSERT_EQUAL(n, m.records);
	CU_ASSERT_TRUE(n > 5 && n < 20);
	CU_ASSERT_EQUAL(memcmp(&m, &before, sizeof(m)), 0);
	CU_ASSERT_TRUE(m.len <= IPFIX_MESSAGE);
}

static void test_lines(void)
{
	struct mapping v4 = mapping("10.0.0.5", "198.18.0.1", "192.0.2.1", "cpe1", false);
	struct mapping v6 = mapping("2001:db8::5", "2001:db8:9::1", "2001:db8:2::1", "", true);
	char line[MAPPING_LINE];

	CU_ASSERT_EQUAL(mapping_print(&v4, line), strlen(line));
	CU_ASSERT_STRING_EQUAL(line, "2023-11-14T22:13:20.123Z begin tcp peer=cpe1 source=10.0.0.5:40000 "
				     "mapped=198.18.0.1:50000 server=192.0.2.1:443\n");
	mapping_print(&v6, line);
	CU_ASSERT_STRING_EQUAL(line, "2023-11-14T22:13:20.123Z end tcp peer=- source=[2001:db8::5]:40000 "
				     "mapped=[2001:db8:9::1]:50000 server=[2001:db8:2::1]:443\n");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "vectors", test_vectors }, { "sets", test_sets }, { "a full message", test_full },
		{ "lines", test_lines },     CU_TEST_INFO_NULL,
	};

	return cunit_run("ipfix", tests, NULL, NULL) ? 0 : 1;
}
