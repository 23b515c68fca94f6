// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/ipfix.h>

#include <endian.h>
#include <string.h>

#define VERSION 10
#define SET_HEADER 4
#define SET_TEMPLATES 2
#define FIRST_TEMPLATE 256
#define VARIABLE 65535 /* length of a field that says its own (RFC 7011, 7) */

/* Information elements, https://www.iana.org/assignments/ipfix */
enum {
	PROTOCOL = 4,
	SOURCE_PORT = 7,
	SOURCE_IPV4 = 8,
	DESTINATION_PORT = 11,
	DESTINATION_IPV4 = 12,
	SOURCE_IPV6 = 27,
	DESTINATION_IPV6 = 28,
	POST_NAT_SOURCE_IPV4 = 225,
	POST_NAPT_SOURCE_PORT = 227,
	NAT_EVENT = 230,
	POST_NAT_SOURCE_IPV6 = 281,
	OBSERVATION_TIME_MS = 323,
	USER_NAME = 371, /* the peer's name */
};

/* Values of natEvent: created; deleted is the next one. */
enum {
	NAT_ANY = 1, /* of what RFC 8158 has no session event for: IPv6 to IPv6, IPv4 to IPv6 */
	NAT44_SESSION = 4,
	NAT64_SESSION = 6,
};

static void put8(struct ipfix *m, uint8_t v)
{
	m->data[m->len++] = v;
}

static void put_bytes(struct ipfix *m, const void *p, size_t len)
{
	memcpy(m->data + m->len, p, len);
	m->len += len;
}

static void put16(struct ipfix *m, uint16_t v)
{
	const uint16_t be = htobe16(v);

	put_bytes(m, &be, sizeof(be));
}

static void put32(struct ipfix *m, uint32_t v)
{
	const uint32_t be = htobe32(v);

	put_bytes(m, &be, sizeof(be));
}

static void write16(struct ipfix *m, size_t at, uint16_t v)
{
	const uint16_t be = htobe16(v);

	memcpy(m->data + at, &be, sizeof(be));
}

static void close_set(struct ipfix *m)
{
	if (m->set)
		write16(m, m->set + 2, (uint16_t)(m->len - m->set));
	m->set = 0;
}

static void open_set(struct ipfix *m, uint16_t id)
{
	close_set(m);
	m->set = m->len;
	put16(m, id);
	put16(m, 0); /* its length, when it is closed */
}

void ipfix_begin(struct ipfix *m, uint32_t domain, uint32_t sequence)
{
	*m = (struct ipfix){ .len = 0 };
	put16(m, VERSION);
	put16(m, 0);
	put32(m, 0);
	put32(m, sequence);
	put32(m, domain);
}

void ipfix_end(struct ipfix *m, uint32_t now)
{
	const uint32_t be = htobe32(now);

	close_set(m);
	write16(m, 2, (uint16_t)m->len);
	memcpy(m->data + 4, &be, sizeof(be));
}

/* The server is of the version under which it sees the connection. */
static uint16_t template_of(bool source4, bool mapped4)
{
	return (uint16_t)(FIRST_TEMPLATE + 2 * !source4 + !mapped4);
}

static void put_template(struct ipfix *m, bool source4, bool mapped4)
{
	const struct {
		uint16_t element, length;
	} fields[] = {
		{ OBSERVATION_TIME_MS, 8 },
		{ NAT_EVENT, 1 },
		{ PROTOCOL, 1 },
		{ source4 ? SOURCE_IPV4 : SOURCE_IPV6, source4 ? 4 : 16 },
		{ SOURCE_PORT, 2 },
		{ mapped4 ? POST_NAT_SOURCE_IPV4 : POST_NAT_SOURCE_IPV6, mapped4 ? 4 : 16 },
		{ POST_NAPT_SOURCE_PORT, 2 },
		{ mapped4 ? DESTINATION_IPV4 : DESTINATION_IPV6, mapped4 ? 4 : 16 },
		{ DESTINATION_PORT, 2 },
		{ USER_NAME, VARIABLE },
	};

	put16(m, template_of(source4, mapped4));
	put16(m, sizeof(fields) / sizeof(fields[0]));
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		put16(m, fields[i].element);
		put16(m, fields[i].length);
	}
}

void ipfix_put_templates(struct ipfix *m)
{
	open_set(m, SET_TEMPLATES);
	put_template(m, true, true);
	put_template(m, true, false);
	put_template(m, false, true);
	put_template(m, false, false);
	close_set(m);
}

static void put_addr(struct ipfix *m, const struct mpgate_addr *a, __be16 port)
{
	bool v4 = addr_is_v4(a);

	put_bytes(m, v4 ? a->b + 12 : a->b, v4 ? 4 : 16);
	put_bytes(m, &port, sizeof(port));
}

static uint8_t nat_event(bool source4, bool mapped4, bool end)
{
	unsigned created = !mapped4 ? NAT_ANY : source4 ? NAT44_SESSION : NAT64_SESSION;

	return (uint8_t)(created + end);
}

bool ipfix_put(struct ipfix *m, const struct mapping *p)
{
	bool source4 = addr_is_v4(&p->source), mapped4 = addr_is_v4(&p->mapped);
	uint16_t id = template_of(source4, mapped4), open = 0;
	size_t name = strnlen(p->peer, sizeof(p->peer));
	size_t size = 8 + 1 + 1 + (source4 ? 4 : 16) + 2U * (mapped4 ? 4 : 16) + 3 * 2 + 1 + name;
	const uint64_t time = htobe64(p->time);

	if (m->set)
		memcpy(&open, m->data + m->set, sizeof(open));
	if (be16toh(open) != id)
		size += SET_HEADER;
	if (m->len + size > sizeof(m->data))
		return false;
	if (be16toh(open) != id)
		open_set(m, id);
	put_bytes(m, &time, sizeof(time));
	put8(m, nat_event(source4, mapped4, p->end));
	put8(m, IPPROTO_TCP);
	put_addr(m, &p->source, p->source_port);
	put_addr(m, &p->mapped, p->mapped_port);
	put_addr(m, &p->server, p->server_port);
	put8(m, (uint8_t)name);
	put_bytes(m, p->peer, name);
	m->records++;
	return true;
}
