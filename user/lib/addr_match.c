// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/addr_match.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* 0: it is none. */
static uint16_t parse_port(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text < '0' || *text > '9' || *end || n > UINT16_MAX ? 0 : (uint16_t)n;
}

int addr_match_parse(const char *text, struct addr_match *out)
{
	const char *first = strchr(text, ':');
	const char *colon = *text == '[' ? strchr(text, ']') : first && !strchr(first + 1, ':') ? first : NULL;
	const char *host_at = text + (*text == '[');
	struct addr_match m = { 0 };
	char host[ADDR_TEXT];
	size_t len = colon ? (size_t)(colon - host_at) : strlen(text);

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, colon ? host_at : text, len);
	host[len] = 0;
	if (colon)
		colon += *colon == ']';
	if (colon && *colon) {
		m.port = *colon == ':' ? parse_port(colon + 1) : 0;
		if (!m.port)
			return -EINVAL;
	}
	if (colon != text && prefix_parse(host, &m.prefix) < 0)
		return -EINVAL;
	*out = m;
	return 0;
}

bool addr_match_has(const struct addr_match *m, const struct mpgate_addr *a, __be16 port)
{
	if (m->port && m->port != ntohs(port))
		return false;
	return !m->prefix.family ||
	       (m->prefix.len <= (m->prefix.family == 4 ? 32 : 128) && prefix_contains(&m->prefix, a));
}
