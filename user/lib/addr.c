// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/addr.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define V4_BITS 32
#define V6_BITS 128
#define V4_OFFSET 12 /* of the IPv4 address in a v4-mapped one */
#define CLIENT_BYTES 8 /* of an IPv6 address that name one client */

static const uint8_t v4_mapped[V4_OFFSET] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool addr_is_set(const struct mpgate_addr *a)
{
	static const struct mpgate_addr none;

	return memcmp(a, &none, sizeof(none)) != 0;
}

bool addr_is_v4(const struct mpgate_addr *a)
{
	return memcmp(a->b, v4_mapped, sizeof(v4_mapped)) == 0;
}

struct mpgate_addr addr_client(const struct mpgate_addr *a)
{
	struct mpgate_addr client = *a;

	if (!addr_is_v4(a))
		memset(client.b + CLIENT_BYTES, 0, sizeof(client.b) - CLIENT_BYTES);
	return client;
}

uint32_t addr_client_hash(const struct mpgate_addr *client)
{
	uint64_t hi, lo;

	memcpy(&hi, client->b, 8);
	memcpy(&lo, client->b + 8, 8);
	/* Twice: of one product only the highest bits depend on the last bytes of an address. */
	hi = (hi ^ lo) * 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(((hi ^ hi >> 32) * 0x9e3779b97f4a7c15ULL) >> 32);
}

int addr_parse(const char *text, struct mpgate_addr *out)
{
	struct mpgate_addr a;

	memcpy(a.b, v4_mapped, sizeof(v4_mapped));
	if (inet_pton(AF_INET, text, a.b + V4_OFFSET) != 1 && inet_pton(AF_INET6, text, a.b) != 1)
		return -EINVAL;
	*out = a;
	return 0;
}

const char *addr_print(const struct mpgate_addr *a, char *buf)
{
	if (addr_is_v4(a))
		inet_ntop(AF_INET, a->b + V4_OFFSET, buf, ADDR_TEXT);
	else
		inet_ntop(AF_INET6, a->b, buf, ADDR_TEXT);
	return buf;
}

const char *addr_print_port(const struct mpgate_addr *a, __be16 port, char *buf)
{
	char addr[ADDR_TEXT];

	addr_print(a, addr);
	snprintf(buf, ADDR_TEXT, addr_is_v4(a) ? "%.45s:%u" : "[%.45s]:%u", addr, ntohs(port));
	return buf;
}

socklen_t addr_to_sockaddr(const struct mpgate_addr *a, __be16 port, struct sockaddr_storage *ss)
{
	memset(ss, 0, sizeof(*ss));
	if (addr_is_v4(a)) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_family = AF_INET;
		in->sin_port = port;
		memcpy(&in->sin_addr, a->b + V4_OFFSET, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

	in6->sin6_family = AF_INET6;
	in6->sin6_port = port;
	memcpy(&in6->sin6_addr, a->b, sizeof(in6->sin6_addr));
	return sizeof(*in6);
}

int addr_from_sockaddr(const struct sockaddr *sa, struct mpgate_addr *a, __be16 *port)
{
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		memcpy(a->b, v4_mapped, sizeof(v4_mapped));
		memcpy(a->b + V4_OFFSET, &in->sin_addr, sizeof(in->sin_addr));
		*port = in->sin_port;
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

		memcpy(a->b, &in6->sin6_addr, sizeof(a->b));
		*port = in6->sin6_port;
		return 0;
	}
	return -EAFNOSUPPORT;
}

bool addr_is_loopback(const struct mpgate_addr *a)
{
	return addr_is_v4(a) ? a->b[V4_OFFSET] == 127 : memcmp(a->b, &in6addr_loopback, sizeof(a->b)) == 0;
}

bool addr_is_special(const struct mpgate_addr *a)
{
	if (addr_is_v4(a)) {
		const uint8_t *v4 = a->b + V4_OFFSET;

		/* "This network", loopback, multicast, and the broadcast address of any network we can know. */
		return v4[0] == 0 || addr_is_loopback(a) || (v4[0] & 0xf0) == 0xe0 ||
		       memcmp(v4, "\xff\xff\xff\xff", 4) == 0;
	}
	return a->b[0] == 0xff || memcmp(a->b, &in6addr_any, sizeof(a->b)) == 0 || addr_is_loopback(a);
}

bool addr_is_link_local(const struct mpgate_addr *a)
{
	return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* Decimal digits only, no sign, no space: what strtoul would take as well is not a prefix length. */
static int parse_length(const char *text, unsigned max, uint8_t *out)
{
	unsigned n = 0;
	const char *c;

	for (c = text; *c >= '0' && *c <= '9' && n <= max; c++)
		n = n * 10 + (unsigned)(*c - '0');
	if (c == text || *c || n > max)
		return -EINVAL;
	*out = (uint8_t)n;
	return 0;
}

static bool host_bits_zero(const struct prefix *p)
{
	unsigned bytes = p->family == 4 ? V4_BITS / 8 : V6_BITS / 8;
	unsigned i = p->len / 8;

	if (p->len % 8 && (p->addr[i++] & (0xff >> p->len % 8)))
		return false;
	for (; i < bytes; i++)
		if (p->addr[i])
			return false;
	return true;
}

int prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchrnul(text, '/');
	size_t n = (size_t)(slash - text);
	struct prefix p = { 0 };
	char addr[INET6_ADDRSTRLEN];

	if (n >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, n);
	addr[n] = '\0';
	if (inet_pton(AF_INET, addr, p.addr) == 1)
		p.family = 4;
	else if (inet_pton(AF_INET6, addr, p.addr) == 1)
		p.family = 6;
	else
		return -EINVAL;
	p.len = p.family == 4 ? V4_BITS : V6_BITS;
	if (*slash && parse_length(slash + 1, p.len, &p.len) < 0)
		return -EINVAL;
	/* No packet carries a v4-mapped address: IPv4 is written as IPv4. */
	if (p.family == 6 && memcmp(p.addr, v4_mapped, sizeof(v4_mapped)) == 0)
		return -EINVAL;
	if (!host_bits_zero(&p))
		return -ERANGE;
	*out = p;
	return 0;
}

const char *prefix_print(const struct prefix *p, char *buf)
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(p->family == 4 ? AF_INET : AF_INET6, p->addr, addr, sizeof(addr));
	snprintf(buf, ADDR_TEXT, "%s/%u", addr, p->len);
	return buf;
}

bool prefix_contains(const struct prefix *p, const struct mpgate_addr *a)
{
	bool v4 = addr_is_v4(a);
	const uint8_t *b = v4 ? a->b + V4_OFFSET : a->b;
	unsigned bytes = p->len / 8, bits = p->len % 8;

	if (v4 != (p->family == 4) || memcmp(p->addr, b, bytes) != 0)
		return false;
	return bits == 0 || ((p->addr[bytes] ^ b[bytes]) & (0xff << (8 - bits)) & 0xff) == 0;
}

bool prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
	unsigned bytes = outer->len / 8, bits = outer->len % 8;

	if (outer->family != inner->family || outer->len > inner->len || memcmp(outer->addr, inner->addr, bytes) != 0)
		return false;
	return bits == 0 || ((outer->addr[bytes] ^ inner->addr[bytes]) & (0xff << (8 - bits)) & 0xff) == 0;
}
