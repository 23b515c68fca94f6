// SPDX-License-Identifier: GPL-2.0-or-later
#include <arpa/inet.h>
#include <errno.h>

#include <sodium.h>

#include <lib/addr.h>
#include <lib/keys.h>
#include <mpgate/siphash.h>

#include "cunit.h"
#include "vectors.h"

#define COOKIE_VECTORS "tests/vectors/cookie.txt"
#define SIPHASH_VECTORS "tests/vectors/siphash-2-4-128.txt"
#define SIPHASH_VECTOR_COUNT 64
#define NOW 1700000000U
#define WINDOW 30U

static uint64_t le64(const uint8_t *p, size_t len)
{
	uint64_t w = 0;

	for (size_t i = 0; i < len; i++)
		w |= (uint64_t)p[i] << 8 * i;
	return w;
}

static void siphash_bytes(const uint8_t *key, const uint8_t *msg, size_t len, uint8_t out[16])
{
	struct siphash_tag tag;
	struct siphash s;
	size_t at;

	siphash_init(&s, le64(key, 8), le64(key + 8, 8));
	for (at = 0; at + 8 <= len; at += 8)
		siphash_word(&s, le64(msg + at, 8));
	siphash_final(&s, le64(msg + at, len - at), len, &tag);
	for (unsigned i = 0; i < 8; i++) {
		out[i] = tag.lo >> 8 * i;
		out[8 + i] = tag.hi >> 8 * i;
	}
}

static void test_siphash_reference(void)
{
	FILE *f = fopen(SIPHASH_VECTORS, "r");
	uint8_t key[16], msg[SIPHASH_VECTOR_COUNT], tag[16], want[VECTOR_BYTES];
	char line[256], hex[64];
	unsigned len, seen = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = i;
	for (unsigned i = 0; i < sizeof(msg); i++)
		msg[i] = i;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%u %32[0-9a-f]", &len, hex) != 2)
			continue;
		CU_ASSERT_EQUAL_FATAL(len, seen++);
		siphash_bytes(key, msg, len, tag);
		CU_ASSERT(vector_hex(hex, want) == sizeof(tag) && memcmp(tag, want, sizeof(tag)) == 0);
	}
	fclose(f);
	CU_ASSERT_EQUAL(seen, SIPHASH_VECTOR_COUNT);
}

static void test_siphash_against_libsodium(void)
{
	uint8_t key[crypto_shorthash_siphashx24_KEYBYTES], msg[300], tag[16], want[crypto_shorthash_siphashx24_BYTES];

	for (size_t len = 0; len <= sizeof(msg); len++) {
		randombytes_buf(key, sizeof(key));
		randombytes_buf(msg, len);
		siphash_bytes(key, msg, len, tag);
		crypto_shorthash_siphashx24(want, msg, len, key);
		CU_ASSERT(memcmp(tag, want, sizeof(tag)) == 0);
	}
}

/* --- keyed cookies */
struct request {
	struct subkey key;
	uint8_t connect_buf[64], source_buf[64];
	struct convert_bytes connect_tlv, source_tlv;
	struct convert_cookie cookie;
	struct convert_bytes bytes; /* the cookie */
};

static const uint8_t nonce[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };

/* Whoever makes a cookie, and whoever checks it. */
#define GATEWAY "machine-a gw", 12
#define HUB "machine-b hub", 13

static void request_new(struct request *r, const struct key *key)
{
	struct mpgate_addr addr;
	struct convert_writer w;

	memset(r, 0, sizeof(*r));
	key_derive(key, GATEWAY, &r->key);
	addr_parse("192.0.2.1", &addr);
	convert_begin(&w, r->connect_buf, sizeof(r->connect_buf));
	convert_put_connect(&w, &addr, 443, NULL);
	r->connect_tlv = (struct convert_bytes){ r->connect_buf + CONVERT_HEADER_LEN, CONVERT_CONNECT_LEN };
	addr_parse("2001:db8::7", &addr);
	convert_begin(&w, r->source_buf, sizeof(r->source_buf));
	convert_put_orig_source(&w, &addr, 50000);
	r->source_tlv = (struct convert_bytes){ r->source_buf + CONVERT_HEADER_LEN, CONVERT_CONNECT_LEN };
	cookie_make(&r->key, NOW, nonce, &r->connect_tlv, &r->source_tlv, &r->cookie);
	r->bytes = (struct convert_bytes){ (uint8_t *)&r->cookie, sizeof(r->cookie) };
	key_derive(key, HUB, &r->key);
}

static int check(const struct request *r, uint32_t now)
{
	return cookie_check(&r->key, now, WINDOW, &r->bytes, &r->connect_tlv, &r->source_tlv);
}

static struct key new_key(void)
{
	char line[KEY_LINE];
	struct key key;

	key_new(&key, line);
	return key;
}

static void run_cookie_vector(const struct vector *v)
{
	const char *self = vector_get(v, "self");
	unsigned char connect[VECTOR_BYTES], source[VECTOR_BYTES], want[VECTOR_BYTES];
	struct convert_bytes c = { connect, vector_hex(vector_get(v, "connect"), connect) };
	struct convert_bytes s = { source, vector_hex(vector_get(v, "source"), source) };
	struct convert_bytes bytes = { want, vector_hex(vector_get(v, "cookie"), want) };
	uint32_t now = strtoul(vector_get(v, "time"), NULL, 10), id;
	struct convert_cookie made, given;
	struct subkey sub, other;
	struct key key;

	CU_ASSERT_EQUAL_FATAL(key_parse(vector_get(v, "key"), strlen(vector_get(v, "key")), &key), 0);
	CU_ASSERT_EQUAL_FATAL(bytes.len, sizeof(given));
	key_derive(&key, self, strlen(self), &sub);
	key_derive(&key, HUB, &other);
	memcpy(&given, want, sizeof(given));
	cookie_make(&sub, now, given.nonce, &c, &s, &made);
	CU_ASSERT(memcmp(&made, &given, sizeof(made)) == 0);
	CU_ASSERT_EQUAL(cookie_key_id(&bytes, &id), 0);
	CU_ASSERT_EQUAL(id, strtoul(vector_get(v, "id"), NULL, 16));
	CU_ASSERT_EQUAL(cookie_check(&sub, now, 0, &bytes, &c, &s), -ELOOP);
	CU_ASSERT_EQUAL(cookie_check(&other, now, 0, &bytes, &c, &s), 0);
}

static void test_cookie_vectors(void)
{
	vectors_run(COOKIE_VECTORS, 10, run_cookie_vector);
}

static void test_cookie_forged(void)
{
	struct key key = new_key();
	struct request r;

	request_new(&r, &key);
	CU_ASSERT_EQUAL(check(&r, NOW), 0);
	for (unsigned bit = 0; bit < 8 * sizeof(r.cookie); bit++) {
		uint8_t *byte = (uint8_t *)&r.cookie + bit / 8;

		*byte ^= 1 << bit % 8;
		CU_ASSERT_EQUAL(check(&r, NOW), -EKEYREJECTED);
		*byte ^= 1 << bit % 8;
	}
	CU_ASSERT_EQUAL(check(&r, NOW), 0);
}

static void test_cookie_of_another_request(void)
{
	const struct convert_bytes none = { NULL, 0 };
	struct key key = new_key();
	struct request r;

	request_new(&r, &key);
	for (unsigned i = 0; i < CONVERT_CONNECT_LEN; i++) {
		r.connect_buf[CONVERT_HEADER_LEN + i] ^= 1;
		CU_ASSERT_EQUAL(check(&r, NOW), -EKEYREJECTED);
		r.connect_buf[CONVERT_HEADER_LEN + i] ^= 1;
		r.source_buf[CONVERT_HEADER_LEN + i] ^= 1;
		CU_ASSERT_EQUAL(check(&r, NOW), -EKEYREJECTED);
		r.source_buf[CONVERT_HEADER_LEN + i] ^= 1;
	}
	CU_ASSERT_EQUAL(cookie_check(&r.key, NOW, WINDOW, &r.bytes, &r.connect_tlv, &none), -EKEYREJECTED);
	CU_ASSERT_EQUAL(cookie_check(&r.key, NOW, WINDOW, &r.bytes, &none, &r.source_tlv), -EKEYREJECTED);
	CU_ASSERT_EQUAL(cookie_check(&r.key, NOW, WINDOW, &r.bytes, &none, &none), -EKEYREJECTED);
	CU_ASSERT_EQUAL(cookie_check(&r.key, NOW, WINDOW, &r.bytes, &r.source_tlv, &r.connect_tlv), -EKEYREJECTED);
	CU_ASSERT_EQUAL(check(&r, NOW), 0);
}

static void test_cookie_of_another_key(void)
{
	struct key key = new_key(), other = new_key();
	struct request r;
	uint32_t id;

	request_new(&r, &key);
	key_derive(&other, HUB, &r.key);
	CU_ASSERT_EQUAL(check(&r, NOW), -EKEYREJECTED);
	CU_ASSERT_EQUAL(cookie_key_id(&r.bytes, &id), 0);
	r.key.id = id; /* two keys of one name still are two keys */
	CU_ASSERT_EQUAL(check(&r, NOW), -EKEYREJECTED);
	key_derive(&key, HUB, &r.key);
	CU_ASSERT_EQUAL(check(&r, NOW), 0);
	r.key.id ^= 1; /* the right key under a name that is not its own */
	cookie_make(&r.key, NOW, nonce, &r.connect_tlv, &r.source_tlv, &r.cookie);
	r.key.id ^= 1;
	CU_ASSERT_EQUAL(check(&r, NOW), -EKEYREJECTED);
}

/* What an end sent is no cookie for it, at any time; and it is forged before it is its own. */
static void test_cookie_of_our_own(void)
{
	struct key key = new_key();
	struct request r;

	request_new(&r, &key);
	key_derive(&key, GATEWAY, &r.key);
	CU_ASSERT_EQUAL(check(&r, NOW), -ELOOP);
	CU_ASSERT_EQUAL(check(&r, NOW + 2 * WINDOW), -ELOOP);
	r.cookie.tag[3] ^= 4;
	CU_ASSERT_EQUAL(check(&r, NOW), -EKEYREJECTED);
	r.cookie.tag[3] ^= 4;
	key_derive(&key, "machine-a hub", 13, &r.key);
	CU_ASSERT_EQUAL(check(&r, NOW), 0);
}

static void test_clock(void)
{
	struct key key = new_key(), other = new_key();
	uint8_t clock[CONVERT_CLOCK_LEN], second[8] = { 9 };
	struct convert_bytes bytes = { clock, sizeof(clock) };
	const struct convert_bytes none = { NULL, 0 };
	struct request r;
	struct subkey gw;
	uint32_t now = 0;

	request_new(&r, &key);
	key_derive(&key, GATEWAY, &gw);
	clock_make(&r.key, &r.bytes, NOW + 5000, clock);
	CU_ASSERT_EQUAL(clock_check(&gw, NOW, nonce, &bytes, &now), 0);
	CU_ASSERT_EQUAL(now, NOW + 5000);
	/* It answers that request alone, by that key, and nobody else's. */
	now = 1;
	CU_ASSERT_EQUAL(clock_check(&gw, NOW, second, &bytes, &now), -EKEYREJECTED);
	CU_ASSERT_EQUAL(clock_check(&gw, NOW + 1, nonce, &bytes, &now), -EKEYREJECTED);
	CU_ASSERT_EQUAL(clock_check(&r.key, NOW, nonce, &bytes, &now), -EKEYREJECTED);
	key_derive(&other, GATEWAY, &gw);
	CU_ASSERT_EQUAL(clock_check(&gw, NOW, nonce, &bytes, &now), -EKEYREJECTED);
	key_derive(&key, GATEWAY, &gw);
	for (unsigned bit = 0; bit < 8 * sizeof(clock); bit++) {
		clock[bit / 8] ^= 1 << bit % 8;
		CU_ASSERT_EQUAL(clock_check(&gw, NOW, nonce, &bytes, &now), -EKEYREJECTED);
		clock[bit / 8] ^= 1 << bit % 8;
	}
	for (bytes.len = 0; bytes.len < sizeof(clock); bytes.len++)
		CU_ASSERT_EQUAL(clock_check(&gw, NOW, nonce, &bytes, &now), -EKEYREJECTED);
	CU_ASSERT_EQUAL(now, 1);
	/* Its tag is none of a cookie, whatever stands beside it. */
	memcpy(r.cookie.tag, clock + 4, sizeof(r.cookie.tag));
	CU_ASSERT_EQUAL(cookie_check(&r.key, NOW, WINDOW, &r.bytes, &none, &none), -EKEYREJECTED);
	r.cookie.form = htonl(CONVERT_CLOCK_FORM);
	CU_ASSERT_EQUAL(cookie_check(&r.key, NOW, WINDOW, &r.bytes, &none, &none), -EKEYREJECTED);
}

static void test_cookie_window(void)
{
	static const struct {
		uint32_t made, now;
		int result;
	} cases[] = {
		{ NOW, NOW, 0 },
		{ NOW, NOW + WINDOW, 0 },
		{ NOW, NOW - WINDOW, 0 },
		{ NOW, NOW + WINDOW + 1, -ETIME },
		{ NOW, NOW - WINDOW - 1, -ETIME },
		{ NOW, 0, -ETIME },
		{ NOW, NOW + 0x80000000U, -ETIME },
		{ UINT32_MAX, 4, 0 }, /* in 2106 */
		{ UINT32_MAX, 30, -ETIME },
		{ 4, UINT32_MAX, 0 },
	};
	struct key key = new_key();
	struct request r;
	struct subkey gw;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		request_new(&r, &key);
		key_derive(&key, GATEWAY, &gw);
		cookie_make(&gw, cases[i].made, nonce, &r.connect_tlv, &r.source_tlv, &r.cookie);
		CU_ASSERT_EQUAL(check(&r, cases[i].now), cases[i].result);
	}
}

static void test_cookie_of_another_form(void)
{
	struct key key = new_key();
	struct request r;
	uint32_t id;

	request_new(&r, &key);
	for (r.bytes.len = 0; r.bytes.len < sizeof(r.cookie); r.bytes.len++) {
		CU_ASSERT_EQUAL(cookie_key_id(&r.bytes, &id), -EINVAL);
		CU_ASSERT_EQUAL(check(&r, NOW), -EKEYREJECTED);
	}
	for (unsigned bit = 0; bit < 32; bit++) {
		r.cookie.form ^= htonl(1U << bit);
		CU_ASSERT_EQUAL(cookie_key_id(&r.bytes, &id), -EINVAL);
		r.cookie.form ^= htonl(1U << bit);
	}
	r.bytes = (struct convert_bytes){ (uint8_t[CONVERT_COOKIE_LEN + 4]){ 2 }, CONVERT_COOKIE_LEN + 4 };
	CU_ASSERT_EQUAL(cookie_key_id(&r.bytes, &id), -EINVAL);
}

/* --- issued cookies */
static void test_issued(void)
{
	struct mpgate_addr client, other;
	uint8_t cookie[ISSUED_LEN], again[ISSUED_LEN];
	struct convert_bytes bytes = { cookie, sizeof(cookie) };
	struct key key = new_key(), key2 = new_key();
	struct subkey secret, secret2;

	key_derive(&key, HUB, &secret);
	key_derive(&key2, HUB, &secret2);
	addr_parse("198.51.100.7", &client);
	addr_parse("198.51.100.8", &other);
	issued_make(&secret, NOW, &client, cookie);
	issued_make(&secret, NOW, &client, again);
	CU_ASSERT(memcmp(cookie, again, sizeof(cookie)) == 0);
	CU_ASSERT_EQUAL(issued_check(&secret, NOW, &client, &bytes), 0);
	CU_ASSERT_EQUAL(issued_check(&secret, NOW + ISSUED_LIFETIME, &client, &bytes), 0);
	CU_ASSERT_EQUAL(issued_check(&secret, NOW + ISSUED_LIFETIME + 1, &client, &bytes), -ETIME);
	CU_ASSERT_EQUAL(issued_check(&secret, NOW, &other, &bytes), -EKEYREJECTED);
	CU_ASSERT_EQUAL(issued_check(&secret2, NOW, &client, &bytes), -EKEYREJECTED);
	for (unsigned bit = 0; bit < 8 * ISSUED_LEN; bit++) {
		cookie[bit / 8] ^= 1 << bit % 8;
		CU_ASSERT_EQUAL(issued_check(&secret, NOW, &client, &bytes), -EKEYREJECTED);
		cookie[bit / 8] ^= 1 << bit % 8;
	}
	for (bytes.len = 0; bytes.len < ISSUED_LEN; bytes.len++)
		CU_ASSERT_EQUAL(issued_check(&secret, NOW, &client, &bytes), -EKEYREJECTED);
}

/* The cookie that a client hands back went through two messages, padding and all. */
static void test_issued_over_the_wire(void)
{
	struct key key = new_key();
	struct mpgate_addr client;
	struct subkey secret;
	struct convert_msg answer, retry;
	struct convert_fault fault;
	struct convert_writer w;
	uint8_t value[1 + ISSUED_LEN] = { 0 }, out[64], back[64];
	int len;

	key_derive(&key, HUB, &secret);
	addr_parse("2001:db8::7", &client);
	issued_make(&secret, NOW, &client, value + 1);
	convert_begin(&w, out, sizeof(out));
	convert_put_error(&w, CONVERT_E_NO_COOKIE, value, sizeof(value));
	len = convert_end(&w);
	CU_ASSERT_EQUAL_FATAL(convert_parse(CONVERT_CLIENT, false, out, len, &answer, NULL), CONVERT_OK);
	convert_begin(&w, back, sizeof(back));
	convert_put_connect(&w, &client, htons(443), NULL);
	convert_put_cookie(&w, answer.error_value.data + 1, answer.error_value.len - 1);
	len = convert_end(&w);
	CU_ASSERT_EQUAL_FATAL(convert_parse(CONVERT_CONVERTER, false, back, len, &retry, &fault), CONVERT_OK);
	CU_ASSERT_EQUAL(issued_check(&secret, NOW + 1, &client, &retry.cookie), 0);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "SipHash as its authors' vectors", test_siphash_reference },
		{ "SipHash as libsodium", test_siphash_against_libsodium },
		{ "keyed cookies as in the vectors", test_cookie_vectors },
		{ "a cookie with any bit changed is forged", test_cookie_forged },
		{ "a cookie opens its own request only", test_cookie_of_another_request },
		{ "a cookie belongs to one key", test_cookie_of_another_key },
		{ "a cookie is none for whoever made it", test_cookie_of_our_own },
		{ "the time is told to one request", test_clock },
		{ "a cookie holds inside its window", test_cookie_window },
		{ "what is no keyed cookie is refused", test_cookie_of_another_form },
		{ "issued cookies: one client, one secret, one day", test_issued },
		{ "issued cookies come back over the wire", test_issued_over_the_wire },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("cookie", tests, keys_init, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
