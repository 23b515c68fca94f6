// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>

#include <lib/addr.h>
#include <lib/convert.h>

#include "cunit.h"
#include "vectors.h"

#define CONVERTER_VECTORS "tests/vectors/convert-converter.txt"
#define CLIENT_VECTORS "tests/vectors/convert-client.txt"
#define TEXT 4096

/* A parse of exactly len bytes in memory of their own, so that a sanitizer sees a read past them. */
struct outcome {
	enum convert_result result;
	struct convert_msg msg;
	struct convert_fault fault;
	uint8_t *copy;
};

static struct outcome *parse(enum convert_side side, bool private_tlvs, const uint8_t *buf, size_t len)
{
	struct outcome *o = calloc(1, sizeof(*o));
	struct convert_msg untouched;

	o->copy = malloc(len ? len : 1);
	memcpy(o->copy, buf, len);
	memset(&o->msg, 0xee, sizeof(o->msg));
	untouched = o->msg;
	o->result = convert_parse(side, private_tlvs, o->copy, len, &o->msg, &o->fault);
	if (o->result != CONVERT_OK)
		CU_ASSERT(memcmp(&untouched, &o->msg, sizeof(untouched)) == 0);
	CU_ASSERT(side == CONVERT_CONVERTER || o->result != CONVERT_FAULT);
	return o;
}

static void outcome_free(struct outcome *o)
{
	free(o->copy);
	free(o);
}

/* --- what a message means, as text */
static void add(char *text, const char *fmt, ...)
{
	size_t at = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + at, TEXT - at, fmt, ap);
	va_end(ap);
}

static void add_bytes(char *text, const struct convert_bytes *b)
{
	if (b->len)
		add(text, " ");
	for (size_t i = 0; i < b->len; i++)
		add(text, "%02x", b->data[i]);
}

static void describe(const struct convert_msg *m, char *text)
{
	char addr[ADDR_TEXT];
	const char *sep = "";

	*text = 0;
	if (m->has & CONVERT_HAS_INFO) {
		add(text, "info");
		sep = "; ";
	}
	if (m->has & CONVERT_HAS_PARK) {
		add(text, "%spark", sep);
		sep = "; ";
	}
	if (m->has & CONVERT_HAS_CONNECT) {
		add(text, "%sconnect %s", sep, addr_print_port(&m->dst, m->dst_port, addr));
		add_bytes(text, &m->tcp_options);
		sep = "; ";
	}
	if (m->has & CONVERT_HAS_ORIG_SOURCE) {
		add(text, "%ssource %s", sep, addr_print_port(&m->src, m->src_port, addr));
		sep = "; ";
	}
	if (m->has & CONVERT_HAS_FLOW_ATTRS) {
		add(text, "%sattributes %u %u", sep, m->dscp, m->attr_flags);
		sep = "; ";
	}
	if (m->has & CONVERT_HAS_COOKIE) {
		add(text, "%scookie", sep);
		add_bytes(text, &m->cookie);
		sep = "; ";
	}
	if (m->has & CONVERT_HAS_EXTENSIONS) {
		add(text, "%sextensions", sep);
		add_bytes(text, &m->extensions);
		sep = "; ";
	}
	if (m->has & CONVERT_HAS_EXT_TCP_HEADER) {
		add(text, "%stcp-header", sep);
		add_bytes(text, &m->ext_tcp_header);
		sep = "; ";
	}
	if (m->has & CONVERT_HAS_ERROR) {
		add(text, "%serror %u", sep, m->error);
		add_bytes(text, &m->error_value);
	}
	if (!*text)
		add(text, "nothing");
}

/* --- the vectors */
static enum convert_side side_now;

static bool knows_private(const struct vector *v)
{
	const char *dialect = vector_get(v, "dialect");

	return dialect && !strcmp(dialect, "mpgate");
}

static void write_msg(const struct convert_msg *m, struct convert_writer *w)
{
	if (m->has & CONVERT_HAS_INFO)
		convert_put_info(w);
	if (m->has & CONVERT_HAS_PARK)
		convert_put_park(w);
	if (m->has & CONVERT_HAS_CONNECT)
		convert_put_connect(w, &m->dst, m->dst_port, &m->tcp_options);
	if (m->has & CONVERT_HAS_ORIG_SOURCE)
		convert_put_orig_source(w, &m->src, m->src_port);
	if (m->has & CONVERT_HAS_FLOW_ATTRS)
		convert_put_flow_attrs(w, m->dscp, m->attr_flags);
	if (m->has & CONVERT_HAS_COOKIE)
		convert_put_cookie(w, m->cookie.data, m->cookie.len);
	if (m->has & CONVERT_HAS_EXTENSIONS)
		convert_put_extensions(w, m->extensions.data, m->extensions.len);
	if (m->has & CONVERT_HAS_EXT_TCP_HEADER)
		convert_put_ext_tcp_header(w, m->ext_tcp_header.data, m->ext_tcp_header.len);
	if (m->has & CONVERT_HAS_ERROR)
		convert_put_error(w, m->error, m->error_value.data, m->error_value.len);
}

/* What the writer makes of a message means the same, and is no longer. */
static void check_round_trip(const struct convert_msg *m, bool private_tlvs, const char *means)
{
	uint8_t buf[CONVERT_MAX_LEN];
	struct convert_writer w;
	struct outcome *o;
	char text[TEXT];
	int len;

	convert_begin(&w, buf, sizeof(buf));
	write_msg(m, &w);
	len = convert_end(&w);
	CU_ASSERT_FATAL(len > 0 && (size_t)len <= m->len);
	o = parse(side_now, private_tlvs, buf, len);
	CU_ASSERT_EQUAL(o->result, CONVERT_OK);
	if (o->result == CONVERT_OK) {
		describe(&o->msg, text);
		CU_ASSERT_STRING_EQUAL(text, means);
	}
	outcome_free(o);
}

static void check_ok(const struct vector *v, const struct outcome *o, size_t len)
{
	const char *rest = vector_get(v, "rest");
	char text[TEXT];

	describe(&o->msg, text);
	CU_ASSERT_STRING_EQUAL(text, vector_get(v, "means"));
	CU_ASSERT_EQUAL(len - o->msg.len, rest ? strtoul(rest, NULL, 10) : 0);
	check_round_trip(&o->msg, knows_private(v), vector_get(v, "means"));
}

static void check_fault(const struct vector *v, const struct outcome *o)
{
	static uint8_t value[VECTOR_BYTES];
	unsigned code;
	int at;
	size_t len;

	CU_ASSERT_EQUAL_FATAL(sscanf(vector_get(v, "expect"), "error %u %n", &code, &at), 1);
	len = vector_hex(vector_get(v, "expect") + at, value);
	CU_ASSERT_EQUAL(o->fault.code, code);
	CU_ASSERT_EQUAL(o->fault.value_len, len);
	CU_ASSERT(o->fault.value_len == len && memcmp(o->fault.value, value, len) == 0);
}

static void run_vector(const struct vector *v)
{
	static const char *const names[] = { "ok", "more", "reset", "error" };
	static uint8_t buf[VECTOR_BYTES];
	size_t len = vector_hex(vector_get(v, "hex"), buf);
	struct outcome *o = parse(side_now, knows_private(v), buf, len);
	const char *expect = vector_get(v, "expect"), *got = names[o->result];
	unsigned failed = CU_get_number_of_failures();

	CU_ASSERT(strncmp(expect, got, strlen(got)) == 0);
	if (o->result == CONVERT_OK && !strcmp(expect, "ok"))
		check_ok(v, o, len);
	if (o->result == CONVERT_FAULT && !strncmp(expect, "error", 5))
		check_fault(v, o);
	if (failed != CU_get_number_of_failures())
		printf("\nvector \"%s\": %s expected, got %s\n", vector_get(v, "name"), expect, got);
	outcome_free(o);
}

static void for_each_vector(void (*run)(const struct vector *))
{
	side_now = CONVERT_CONVERTER;
	vectors_run(CONVERTER_VECTORS, 60, run);
	side_now = CONVERT_CLIENT;
	vectors_run(CLIENT_VECTORS, 30, run);
}

static void test_vectors(void)
{
	for_each_vector(run_vector);
}

/* --- every prefix: a good message needs more, a bad one is never taken for good */
static void run_prefixes(const struct vector *v)
{
	static uint8_t buf[VECTOR_BYTES];
	size_t len = vector_hex(vector_get(v, "hex"), buf);
	struct outcome *whole = parse(side_now, knows_private(v), buf, len);
	size_t end = whole->result == CONVERT_OK ? whole->msg.len : len;

	for (size_t n = 0; n < end; n++) {
		struct outcome *o = parse(side_now, knows_private(v), buf, n);

		if (whole->result == CONVERT_OK)
			CU_ASSERT_EQUAL(o->result, CONVERT_MORE);
		CU_ASSERT(o->result == CONVERT_MORE || o->result == whole->result);
		if (o->result == CONVERT_FAULT)
			CU_ASSERT_EQUAL(o->fault.code, whole->fault.code);
		outcome_free(o);
	}
	outcome_free(whole);
}

static void test_prefixes(void)
{
	for_each_vector(run_prefixes);
}

/* --- every corruption of a length, against the rules written down a second time */
enum { WANT_OK, WANT_MORE, WANT_RESET, WANT_E1, WANT_E2 };

static bool type_known(uint8_t type, bool private_tlvs)
{
	if (side_now == CONVERT_CLIENT)
		return type == 20 || type == 21 || type == 30;
	return type == 1 || type == 10 || type == 22 || (private_tlvs && (type == 192 || type == 193 || type == 195));
}

static bool length_fits(uint8_t type, unsigned words)
{
	if (type == 1 || type == 195)
		return words == 1;
	if (type == 192)
		return words == 5;
	return words >= (type == 10 ? 5 : 1);
}

/* ::, ::1, ff00::/8, and of IPv4: 0/8, 127/8, 224/4, 255.255.255.255. */
static bool special(const uint8_t *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const uint8_t zero[16];
	static const uint8_t ones[4] = { 0xff, 0xff, 0xff, 0xff };

	if (!memcmp(a, mapped, 12))
		return a[12] == 0 || a[12] == 127 || a[12] >> 4 == 14 || !memcmp(a + 12, ones, 4);
	return a[0] == 0xff || (!memcmp(a, zero, 15) && a[15] <= 1);
}

static int want(const uint8_t *b, size_t len, bool private_tlvs)
{
	const int malformed = side_now == CONVERT_CLIENT ? WANT_RESET : WANT_E1;
	size_t total = b[1] * 4U;
	bool seen[256] = { false };

	if (!total)
		return WANT_RESET;
	for (size_t at = 4; at < total; at += b[at + 1] * 4U) {
		if (at + 2 > len)
			return WANT_MORE;
		if (!type_known(b[at], private_tlvs))
			return side_now == CONVERT_CLIENT ? WANT_RESET : WANT_E2;
		if (seen[b[at]] || !length_fits(b[at], b[at + 1]) || at + b[at + 1] * 4U > total)
			return malformed;
		seen[b[at]] = true;
		if (at + b[at + 1] * 4U > len)
			return WANT_MORE;
		if ((b[at] == 10 || b[at] == 192) && special(b + at + 4))
			return malformed;
		if (b[at] == 193 && b[at + 2] > 63)
			return malformed;
	}
	if (side_now == CONVERT_CONVERTER && (seen[195] ? seen[1] || seen[10] : !seen[1] && !seen[10]))
		return malformed;
	return WANT_OK;
}

static void check_corrupt(const uint8_t *buf, size_t len, bool private_tlvs)
{
	int expected = want(buf, len, private_tlvs);
	struct outcome *o = parse(side_now, private_tlvs, buf, len);

	switch (expected) {
	case WANT_OK:
		CU_ASSERT_EQUAL(o->result, CONVERT_OK);
		break;
	case WANT_MORE:
		CU_ASSERT_EQUAL(o->result, CONVERT_MORE);
		break;
	case WANT_RESET:
		CU_ASSERT_EQUAL(o->result, CONVERT_RESET);
		break;
	default:
		CU_ASSERT_EQUAL(o->result, CONVERT_FAULT);
		CU_ASSERT_EQUAL(o->fault.code, expected == WANT_E1 ? 1 : 2);
	}
	outcome_free(o);
}

/* Every value at every byte but version and magic, so at every length and every type too. */
static void run_corruptions(const struct vector *v)
{
	static uint8_t buf[VECTOR_BYTES];
	size_t len = vector_hex(vector_get(v, "hex"), buf);
	size_t longest_walk = 128; /* beyond it lie only opaque bytes of the vectors */

	if (strcmp(vector_get(v, "expect"), "ok"))
		return;
	for (size_t at = 1; at < len && at < longest_walk; at++) {
		uint8_t was = buf[at];

		for (unsigned value = 0; value <= UINT8_MAX && at != 2 && at != 3; value++) {
			buf[at] = value;
			check_corrupt(buf, len, knows_private(v));
		}
		buf[at] = was;
	}
}

static void test_corruptions(void)
{
	for_each_vector(run_corruptions);
}

static void test_error_survives_its_own_trip(void)
{
	uint8_t in[CONVERT_MAX_LEN] = { CONVERT_VERSION, UINT8_MAX, CONVERT_MAGIC >> 8, CONVERT_MAGIC & 0xff, 11, 254 };
	uint8_t out[CONVERT_MAX_LEN];
	struct convert_writer w;
	struct outcome *asked = parse(CONVERT_CONVERTER, false, in, sizeof(in)), *answered;
	int len;

	CU_ASSERT_EQUAL_FATAL(asked->result, CONVERT_FAULT);
	convert_begin(&w, out, sizeof(out));
	convert_put_error(&w, asked->fault.code, asked->fault.value, asked->fault.value_len);
	len = convert_end(&w);
	CU_ASSERT_EQUAL_FATAL(len, CONVERT_MAX_LEN);
	answered = parse(CONVERT_CLIENT, false, out, len);
	CU_ASSERT_EQUAL_FATAL(answered->result, CONVERT_OK);
	CU_ASSERT_EQUAL(answered->msg.error, CONVERT_E_UNSUPPORTED);
	CU_ASSERT_EQUAL(answered->msg.error_value.data[0], 0);
	CU_ASSERT(memcmp(answered->msg.error_value.data + 1, in, answered->msg.error_value.len - 1) == 0);
	outcome_free(asked);
	outcome_free(answered);
}

/* --- TCP options */
static void test_options(void)
{
	static const struct {
		const char *hex;
		int results[3]; /* of each step, up to the first that is not 1 */
		uint8_t kinds[3];
		size_t values[3]; /* lengths */
	} cases[] = {
		{ "", { 0 }, { 0 }, { 0 } },
		{ "00000000", { 0 }, { 0 }, { 0 } },
		{ "0101", { 0 }, { 0 }, { 0 } },
		{ "1e02", { 1, 0 }, { 30 }, { 0 } },
		{ "1e020000", { 1, 0 }, { 30 }, { 0 } },
		{ "0802 1e02", { 1, 1, 0 }, { 8, 30 }, { 0, 0 } },
		{ "22060102030400", { 1, 0 }, { 34 }, { 4 } },
		{ "020405b4 030307 0402 0502 1e02", { 1, 1, 0 }, { 4, 30 }, { 0, 0 } },
		{ "020405b4 030307 0502 1e02", { 1, 0 }, { 30 }, { 0 } },
		{ "020405b4", { 0 }, { 0 }, { 0 } },
		{ "1e", { -EINVAL }, { 0 }, { 0 } },
		{ "1e00", { -EINVAL }, { 0 }, { 0 } },
		{ "1e01", { -EINVAL }, { 0 }, { 0 } },
		{ "1e03", { -EINVAL }, { 0 }, { 0 } },
		{ "020505b4", { -EINVAL }, { 0 }, { 0 } },
		{ "02", { -EINVAL }, { 0 }, { 0 } },
		{ "0802 1eff", { 1, -EINVAL }, { 8 }, { 0 } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t bytes[VECTOR_BYTES], kind;
		struct convert_bytes options = { bytes, vector_hex(cases[i].hex, bytes) }, value;
		size_t at = 0, before;
		int step = 0, r;

		do {
			before = at;
			r = convert_options_next(&options, &at, &kind, &value);
			if (r != cases[i].results[step])
				printf("\noptions %s, step %d: %d\n", cases[i].hex, step, r);
			CU_ASSERT_EQUAL(r, cases[i].results[step]);
			if (r == 1) {
				CU_ASSERT_EQUAL(kind, cases[i].kinds[step]);
				CU_ASSERT_EQUAL(value.len, cases[i].values[step]);
			}
			if (r < 0)
				CU_ASSERT_EQUAL(at, before);
			step++;
		} while (r == 1 && step < 3);
	}
}

/* --- the writer */
static void test_writer_bytes(void)
{
	static const char expected[] = "01172263"
				       "0a0601bb 00000000000000000000ffffc0000201 1e020000"
				       "c005c350 20010db8000000000000000000000007"
				       "c1012e01"
				       "16030000 0102030405060000"
				       "01010000"
				       "15020000 1e000000"
				       "14020000 1e020000"
				       "1e022001 02030000";
	uint8_t want_bytes[VECTOR_BYTES], buf[128];
	static const uint8_t opt[] = { 30, 2 }, seq[] = { 1, 2, 3, 4, 5, 6 };
	const struct convert_bytes options = { opt, sizeof(opt) };
	struct mpgate_addr dst, src;
	struct convert_writer w;
	size_t len = vector_hex(expected, want_bytes);

	CU_ASSERT_EQUAL_FATAL(addr_parse("192.0.2.1", &dst) | addr_parse("2001:db8::7", &src), 0);
	convert_begin(&w, buf, sizeof(buf));
	convert_put_connect(&w, &dst, htons(443), &options);
	convert_put_orig_source(&w, &src, htons(50000));
	convert_put_flow_attrs(&w, 46, CONVERT_ATTR_EARLY_DATA);
	convert_put_cookie(&w, seq, 6);
	convert_put_info(&w);
	convert_put_extensions(&w, (const uint8_t[]){ 30, 0 }, 2);
	convert_put_ext_tcp_header(&w, opt, sizeof(opt));
	convert_put_error(&w, CONVERT_E_NOT_AUTHORIZED, seq, 3);
	CU_ASSERT_EQUAL(convert_end(&w), (int)len);
	CU_ASSERT(memcmp(buf, want_bytes, len) == 0);
}

static void put_everything(struct convert_writer *w)
{
	static const uint8_t cookie[CONVERT_COOKIE_LEN];
	static const struct mpgate_addr addr;

	convert_put_connect(w, &addr, 0, NULL);
	convert_put_orig_source(w, &addr, 0);
	convert_put_flow_attrs(w, 0, 0);
	convert_put_cookie(w, cookie, sizeof(cookie));
	convert_put_error(w, 0, "", 1);
	convert_put_clock(w, cookie);
	convert_put_joins(w);
}

static void test_writer_overflow(void)
{
	const int full = 4 + 20 + 20 + 4 + 44 + 4 + 24 + 4;
	struct convert_writer w;

	for (int cap = 0; cap <= full; cap++) {
		uint8_t *buf = malloc(cap ? cap : 1);

		convert_begin(&w, buf, cap);
		put_everything(&w);
		CU_ASSERT_EQUAL(convert_end(&w), cap < full ? -EMSGSIZE : full);
		free(buf);
	}
}

static void test_writer_never_passes_the_longest_message(void)
{
	static uint8_t buf[4 * CONVERT_MAX_LEN], data[2 * CONVERT_MAX_LEN];
	const size_t most = CONVERT_MAX_LEN - 8; /* header, TLV head, reserved bytes */
	struct convert_writer w;

	for (size_t len = most - 4; len <= sizeof(data); len++) {
		convert_begin(&w, buf, sizeof(buf));
		convert_put_cookie(&w, data, len);
		CU_ASSERT_EQUAL(convert_end(&w), len > most ? -EMSGSIZE : 8 + ((int)len + 3) / 4 * 4);
		convert_begin(&w, buf, sizeof(buf));
		convert_put_error(&w, 1, data, len);
		convert_put_info(&w);
		CU_ASSERT_EQUAL(convert_end(&w), len > most - 3 ? -EMSGSIZE : 8 + ((int)len + 3 + 3) / 4 * 4);
	}
}

static void test_error_names(void)
{
	static const uint8_t codes[] = { 0, 1, 2, 3, 32, 33, 64, 65, 96, 97 };

	for (size_t i = 0; i < sizeof(codes); i++)
		for (size_t j = 0; j < i; j++)
			CU_ASSERT_STRING_NOT_EQUAL(convert_error_name(codes[i]), convert_error_name(codes[j]));
	CU_ASSERT_STRING_EQUAL(convert_error_name(200), convert_error_name(4));
	CU_ASSERT_STRING_NOT_EQUAL(convert_error_name(200), convert_error_name(0));
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "every vector gives what its file says", test_vectors },
		{ "every prefix of a message needs more or fails alike", test_prefixes },
		{ "every corrupted byte is met by the right class", test_corruptions },
		{ "the largest echo fits a message", test_error_survives_its_own_trip },
		{ "TCP options are walked and checked", test_options },
		{ "the writer's bytes", test_writer_bytes },
		{ "the writer stops at the end of its buffer", test_writer_overflow },
		{ "the writer stops at 1020 bytes", test_writer_never_passes_the_longest_message },
		{ "each error has a name of its own", test_error_names },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("convert", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
