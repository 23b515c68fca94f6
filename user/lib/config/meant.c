// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/config/meant.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/addr.h>

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HOST "is a host name: only addresses are taken here, which `getent ahosts` tells of a name"
#define BRACKETS "is an address in brackets: leave them out"

bool meant_host(const char *text)
{
	return !text[strspn(text, LETTERS DIGITS "-_.")] && strpbrk(text, LETTERS);
}

/* The first len bytes of text alone. */
static bool is_prefix(const char *text, size_t len)
{
	char part[ADDR_TEXT];
	struct prefix p;

	snprintf(part, sizeof(part), "%.*s", (int)len, text);
	return len < sizeof(part) && prefix_parse(part, &p) != -EINVAL;
}

static bool is_bracketed(const char *text, size_t len)
{
	return len > 2 && text[0] == '[' && text[len - 1] == ']' && is_prefix(text + 1, len - 2);
}

static bool is_any(const char *text)
{
	return !strcmp(text, "any") || !strcmp(text, "all") || !strcmp(text, "*");
}

static bool has_brackets(const char *text)
{
	return is_bracketed(text, strlen(text));
}

/* Behind one colon, or behind brackets. */
static bool has_port(const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	return colon && colon[1] && !colon[1 + strspn(colon + 1, DIGITS)] &&
	       (is_bracketed(text, len) || (strchr(text, ':') == colon && is_prefix(text, len)));
}

/* The first that fits counts. NULL words: not in such a place. */
static const struct {
	bool (*is)(const char *text);
	const char *for_address, *for_prefix;
} mistakes[] = {
	{ is_any, NULL, "is no prefix: all are 0.0.0.0/0 and \"::/0\", and a rule without this key takes all, too" },
	{ meant_host, HOST, HOST },
	{ has_brackets, BRACKETS, BRACKETS },
	{ has_port, "is an address with a port: a port goes into `port`",
	  "is an address with a port: in a rule a port goes into `to-port`" },
};

static const char *find(const char *text, bool prefix, const char *otherwise)
{
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		const char *words = prefix ? mistakes[i].for_prefix : mistakes[i].for_address;

		if (words && mistakes[i].is(text))
			return words;
	}
	return otherwise;
}

const char *meant_address(const char *text, const char *otherwise)
{
	return find(text, false, otherwise);
}

/* The network that an address with a length is of. */
static void print_network(const char *text, char *out)
{
	size_t len = strcspn(text, "/");
	char host[ADDR_TEXT];
	struct prefix p;
	unsigned bits;

	snprintf(host, sizeof(host), "%.*s", (int)len, text);
	prefix_parse(host, &p);
	bits = p.len = (uint8_t)strtoul(text + len + 1, NULL, 10);
	for (unsigned i = bits / 8; i < sizeof(p.addr); i++, bits = 0)
		p.addr[i] &= (uint8_t)(0xff00 >> bits % 8);
	prefix_print(&p, out);
}

const char *meant_prefix(const char *text, int err, char buf[MEANT_TEXT])
{
	char network[ADDR_TEXT];

	if (err != -ERANGE)
		return find(text, true, "is no prefix");
	print_network(text, network);
	snprintf(buf, MEANT_TEXT, "has bits set past its length; did you mean %s?", network);
	return buf;
}
