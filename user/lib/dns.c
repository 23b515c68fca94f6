// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/dns.h>

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define HEADER 12U
#define ANSWER_BIT 0x80U /* QR, in the third byte */
#define CLASS_IN 1
#define TYPE_CNAME 5
#define POINTER 0xc0U /* the two highest bits of a label's length */

struct reader {
	const uint8_t *msg;
	size_t len, at;
};

struct record {
	char owner[DNS_NAME];
	uint16_t type, class;
	uint32_t ttl;
	size_t data, data_len; /* where it is in the message */
};

static unsigned get16(const uint8_t *b)
{
	return (unsigned)b[0] << 8 | b[1];
}

/* Letters that no host has make a name that is like no other. */
static char letter(uint8_t c)
{
	bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';

	return good ? (char)c : '?';
}

/* A name as text, without the last dot. Pointers lead back only, so that it has an end. False: it is malformed. */
static bool read_name(struct reader *r, char out[DNS_NAME])
{
	size_t at = r->at, before = at, n = 0;
	bool away = false;

	for (;;) {
		unsigned c = at < r->len ? r->msg[at] : POINTER - 1;

		if (c >= POINTER && at + 1 < r->len) {
			if (!away)
				r->at = at + 2;
			away = true;
			at = get16(r->msg + at) & 0x3fff;
			if (at >= before)
				return false;
			before = at;
			continue;
		}
		if (c > 63 || c >= r->len - at || n + c + 2 > DNS_NAME)
			return false;
		at++;
		if (!c)
			break;
		if (n)
			out[n++] = '.';
		for (unsigned i = 0; i < c; i++)
			out[n++] = letter(r->msg[at + i]);
		at += c;
	}
	out[n] = '\0';
	if (!away)
		r->at = at;
	return true;
}

static bool read_record(struct reader *r, struct record *out)
{
	const uint8_t *b;

	if (!read_name(r, out->owner) || r->len - r->at < 10)
		return false;
	b = r->msg + r->at;
	out->type = (uint16_t)get16(b);
	out->class = (uint16_t)get16(b + 2);
	out->ttl = (uint32_t)get16(b + 4) << 16 | get16(b + 6);
	if (out->ttl > INT32_MAX) /* RFC 2181, 8 */
		out->ttl = 0;
	out->data_len = get16(b + 8);
	out->data = r->at + 10;
	if (out->data_len > r->len - out->data)
		return false;
	r->at = out->data + out->data_len;
	return true;
}

/* A name that is all of a record's data, from `skip` on. */
static bool data_name(const struct reader *r, const struct record *rec, size_t skip, char out[DNS_NAME])
{
	struct reader d = { r->msg, rec->data + rec->data_len, rec->data + skip };

	return rec->data_len > skip && read_name(&d, out) && d.at == d.len;
}

static void note_ttl(struct dns_answer *out, uint32_t ttl)
{
	out->ttl = ttl < out->ttl ? ttl : out->ttl;
}

/* Where there are too many those of the last priority are left out. */
static void keep_srv(struct dns_answer *out, const struct dns_srv *srv)
{
	unsigned last = 0;

	if (out->count < DNS_RECORDS) {
		out->srv[out->count++] = *srv;
		return;
	}
	for (unsigned i = 1; i < DNS_RECORDS; i++)
		if (out->srv[i].priority > out->srv[last].priority)
			last = i;
	if (srv->priority < out->srv[last].priority)
		out->srv[last] = *srv;
}

static void keep_addr(struct dns_answer *out, const struct mpgate_addr *addr)
{
	if (out->count < DNS_RECORDS)
		out->addr[out->count++] = *addr;
}

static bool take(const struct reader *r, const struct record *rec, struct dns_answer *out)
{
	const uint8_t *b = r->msg + rec->data;
	struct mpgate_addr addr = { .b = { [10] = 0xff, 0xff } };
	struct dns_srv srv;

	switch (rec->type) {
	case DNS_A:
		if (rec->data_len != 4)
			return false;
		memcpy(addr.b + 12, b, 4);
		keep_addr(out, &addr);
		break;
	case DNS_AAAA:
		if (rec->data_len != 16)
			return false;
		memcpy(addr.b, b, 16);
		keep_addr(out, &addr);
		break;
	default:
		if (!data_name(r, rec, 6, srv.target))
			return false;
		srv.priority = (uint16_t)get16(b);
		srv.weight = (uint16_t)get16(b + 2);
		srv.port = (uint16_t)get16(b + 4);
		keep_srv(out, &srv);
	}
	note_ttl(out, rec->ttl);
	return true;
}

/* One look at all records of the answer. False: one is malformed. alias: where a CNAME of the name leads, or empty. */
static bool look(struct reader r, unsigned records, const char *name, enum dns_type type, struct dns_answer *out,
		 char alias[DNS_NAME])
{
	alias[0] = '\0';
	for (unsigned i = 0; i < records; i++) {
		struct record rec;

		if (!read_record(&r, &rec))
			return false;
		if (rec.class != CLASS_IN || strcasecmp(rec.owner, name) != 0)
			continue;
		if (rec.type == (uint16_t)type && !take(&r, &rec, out))
			return false;
		if (rec.type == TYPE_CNAME && !alias[0]) {
			if (!data_name(&r, &rec, 0, alias))
				return false;
			note_ttl(out, rec.ttl);
		}
	}
	return true;
}

int dns_parse(const uint8_t *msg, size_t len, const char *name, enum dns_type type, struct dns_answer *out)
{
	struct reader r = { msg, len, HEADER };
	char now[DNS_NAME], alias[DNS_NAME];

	out->ttl = UINT32_MAX;
	out->count = 0;
	if (len < HEADER || !(msg[2] & ANSWER_BIT) || strlen(name) >= sizeof(now))
		return -EBADMSG;
	for (unsigned i = get16(msg + 4); i; i--) {
		if (!read_name(&r, now) || r.len - r.at < 4)
			return -EBADMSG;
		r.at += 4;
	}
	strcpy(now, name);
	for (unsigned i = 0; i <= DNS_ALIASES; i++) {
		if (!look(r, get16(msg + 6), now, type, out, alias))
			return -EBADMSG;
		if (out->count || !alias[0])
			return 0;
		strcpy(now, alias);
	}
	return 0;
}
