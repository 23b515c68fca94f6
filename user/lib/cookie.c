// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/keys.h>

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include <sodium.h>

#include <mpgate/siphash.h>

#define TAG_LEN 16
#define SIGNED_LEN CONVERT_COOKIE_SIGNED
#define CLOCK_TIME_LEN (CONVERT_CLOCK_LEN - TAG_LEN)
#define STAMP_LEN (ISSUED_LEN - TAG_LEN)

_Static_assert(sizeof(struct convert_cookie) == CONVERT_COOKIE_LEN, "the cookie has no padding");
_Static_assert(sizeof(struct siphash_tag) == TAG_LEN, "the tag has no padding");

/* SipHash over bytes that come in pieces of any length. */
struct mac {
	struct siphash s;
	uint64_t word; /* bytes that do not make a word yet */
	uint64_t len;
};

static void mac_begin(struct mac *m, const struct subkey *key)
{
	siphash_init(&m->s, key->k0, key->k1);
	m->word = 0;
	m->len = 0;
}

static void mac_bytes(struct mac *m, const uint8_t *p, size_t len)
{
	while (len--) {
		m->word |= (uint64_t)*p++ << 8 * (m->len % 8);
		if (++m->len % 8 == 0) {
			siphash_word(&m->s, m->word);
			m->word = 0;
		}
	}
}

static void mac_end(struct mac *m, uint8_t tag[TAG_LEN])
{
	struct siphash_tag t;

	siphash_final(&m->s, m->word, m->len, &t);
	t.lo = htole64(t.lo);
	t.hi = htole64(t.hi);
	memcpy(tag, &t, TAG_LEN);
	key_wipe(m, sizeof(*m));
}

static void keyed_tag(const struct subkey *key, const uint8_t *cookie, const struct convert_bytes *connect_tlv,
		      const struct convert_bytes *source_tlv, uint8_t tag[TAG_LEN])
{
	struct mac m;

	mac_begin(&m, key);
	mac_bytes(&m, cookie, SIGNED_LEN);
	mac_bytes(&m, connect_tlv->data, connect_tlv->len);
	mac_bytes(&m, source_tlv->data, source_tlv->len);
	mac_end(&m, tag);
}

/* Serial arithmetic, so that the wrap of a 32-bit clock is an instant like any other. */
static bool in_window(uint32_t now, uint32_t then, uint32_t window)
{
	uint32_t ahead = then - now, behind = now - then;

	return ahead <= window || behind <= window;
}

/* What stands before the tag. */
static void cookie_head(const struct subkey *key, uint32_t form, uint32_t stamp, const uint8_t nonce[8],
			struct convert_cookie *out)
{
	out->form = htonl(form);
	out->key_id = htonl(key->id);
	out->end = htonl(key->end);
	out->timestamp = htonl(stamp);
	memcpy(out->nonce, nonce, sizeof(out->nonce));
}

void cookie_make(const struct subkey *key, uint32_t now, const uint8_t nonce[8],
		 const struct convert_bytes *connect_tlv, const struct convert_bytes *source_tlv,
		 struct convert_cookie *out)
{
	cookie_head(key, CONVERT_COOKIE_FORM, now, nonce, out);
	keyed_tag(key, (const uint8_t *)out, connect_tlv, source_tlv, out->tag);
}

int cookie_key_id(const struct convert_bytes *cookie, uint32_t *id)
{
	struct convert_cookie c;

	if (cookie->len != sizeof(c))
		return -EINVAL;
	memcpy(&c, cookie->data, sizeof(c));
	if (c.form != htonl(CONVERT_COOKIE_FORM))
		return -EINVAL;
	*id = ntohl(c.key_id);
	return 0;
}

int cookie_check(const struct subkey *key, uint32_t now, unsigned window, const struct convert_bytes *cookie,
		 const struct convert_bytes *connect_tlv, const struct convert_bytes *source_tlv)
{
	struct convert_cookie c;
	uint8_t tag[TAG_LEN];
	uint32_t id;

	if (cookie_key_id(cookie, &id) || id != key->id)
		return -EKEYREJECTED;
	keyed_tag(key, cookie->data, connect_tlv, source_tlv, tag);
	memcpy(&c, cookie->data, sizeof(c));
	if (sodium_memcmp(tag, c.tag, sizeof(tag)))
		return -EKEYREJECTED;
	if (ntohl(c.end) == key->end)
		return -ELOOP;
	return in_window(now, ntohl(c.timestamp), window) ? 0 : -ETIME;
}

/* The tag of a Clock: c is the head of the cookie that it answers. */
static void clock_tag(const struct subkey *key, struct convert_cookie *c, const uint8_t time[CLOCK_TIME_LEN],
		      uint8_t tag[TAG_LEN])
{
	struct mac m;

	c->form = htonl(CONVERT_CLOCK_FORM);
	mac_begin(&m, key);
	mac_bytes(&m, (const uint8_t *)c, SIGNED_LEN);
	mac_bytes(&m, time, CLOCK_TIME_LEN);
	mac_end(&m, tag);
}

void clock_make(const struct subkey *key, const struct convert_bytes *cookie, uint32_t now,
		uint8_t out[CONVERT_CLOCK_LEN])
{
	uint32_t time = htonl(now);
	struct convert_cookie c;

	memcpy(&c, cookie->data, sizeof(c));
	memcpy(out, &time, CLOCK_TIME_LEN);
	clock_tag(key, &c, out, out + CLOCK_TIME_LEN);
}

int clock_check(const struct subkey *key, uint32_t stamp, const uint8_t nonce[8], const struct convert_bytes *clock,
		uint32_t *now)
{
	struct convert_cookie c;
	uint8_t tag[TAG_LEN];
	uint32_t time;

	if (clock->len != CONVERT_CLOCK_LEN)
		return -EKEYREJECTED;
	cookie_head(key, CONVERT_CLOCK_FORM, stamp, nonce, &c);
	clock_tag(key, &c, clock->data, tag);
	if (sodium_memcmp(tag, clock->data + CLOCK_TIME_LEN, sizeof(tag)))
		return -EKEYREJECTED;
	memcpy(&time, clock->data, sizeof(time));
	*now = ntohl(time);
	return 0;
}

static void issued_tag(const struct subkey *secret, const uint8_t *stamp, const struct mpgate_addr *client,
		       uint8_t tag[TAG_LEN])
{
	struct mac m;

	mac_begin(&m, secret);
	mac_bytes(&m, stamp, STAMP_LEN);
	mac_bytes(&m, client->b, sizeof(client->b));
	mac_end(&m, tag);
}

void issued_make(const struct subkey *secret, uint32_t now, const struct mpgate_addr *client, uint8_t out[ISSUED_LEN])
{
	uint32_t stamp = htonl(now);

	memcpy(out, &stamp, STAMP_LEN);
	issued_tag(secret, out, client, out + STAMP_LEN);
}

int issued_check(const struct subkey *secret, uint32_t now, const struct mpgate_addr *client,
		 const struct convert_bytes *cookie)
{
	uint8_t tag[TAG_LEN];
	uint32_t stamp;

	if (cookie->len != ISSUED_LEN)
		return -EKEYREJECTED;
	issued_tag(secret, cookie->data, client, tag);
	if (sodium_memcmp(tag, cookie->data + STAMP_LEN, sizeof(tag)))
		return -EKEYREJECTED;
	memcpy(&stamp, cookie->data, STAMP_LEN);
	return in_window(now, ntohl(stamp), ISSUED_LIFETIME) ? 0 : -ETIME;
}
