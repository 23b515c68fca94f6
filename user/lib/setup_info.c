// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/setup_info.h>

#include <ctype.h>
#include <errno.h>
#include <string.h>

/* Sub-options: the same in both versions of DHCP. */
enum { SUB_IPV4 = 1, SUB_PORT = 2, SUB_DOMAIN = 3, SUB_IPV6 = 4 };

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."

struct bytes {
	const uint8_t *at;
	size_t len;
};

/* A number of that many bytes. False: the end. */
static bool get(struct bytes *b, unsigned size, uint32_t *out)
{
	if (b->len < size)
		return false;
	for (*out = 0; size; size--, b->at++, b->len--)
		*out = *out << 8 | *b->at;
	return true;
}

/* Bytes with their length, of that many bytes, before them. */
static bool get_bytes(struct bytes *b, unsigned size, struct bytes *out)
{
	uint32_t n;

	if (!get(b, size, &n) || b->len < n)
		return false;
	*out = (struct bytes){ b->at, n };
	b->at += n;
	b->len -= n;
	return true;
}

/* Those of IPv6 before those of IPv4, as with DNS; of one version as they come. */
static void add_address(struct setup_info *info, const struct mpgate_addr *a)
{
	unsigned at = info->count;

	if (info->count == SETUP_ADDRESSES || addr_is_special(a) || addr_is_link_local(a))
		return;
	for (unsigned i = 0; i < info->count; i++)
		if (!memcmp(&info->address[i], a, sizeof(*a)))
			return;
	while (at && !addr_is_v4(a) && addr_is_v4(&info->address[at - 1])) {
		info->address[at] = info->address[at - 1];
		at--;
	}
	info->address[at] = *a;
	info->count++;
}

static bool take_addresses(struct setup_info *info, const struct bytes *data, unsigned size)
{
	if (data->len % size)
		return false;
	for (size_t i = 0; i < data->len; i += size) {
		struct mpgate_addr a = { .b = { [10] = 0xff, 0xff } };

		memcpy(a.b + 16 - size, data->at + i, size);
		if (addr_is_v4(&a) == (size == 4))
			add_address(info, &a);
	}
	return true;
}

/* Text, as in the configuration; some servers end it with a NUL. */
static bool take_domain(struct setup_info *info, const struct bytes *data)
{
	size_t len = data->len && !data->at[data->len - 1] ? data->len - 1 : data->len;

	if (!len || len >= sizeof(info->domain))
		return false;
	memcpy(info->domain, data->at, len);
	info->domain[len] = '\0';
	return strspn(info->domain, LETTERS) == len;
}

static bool take(struct setup_info *info, uint32_t code, const struct bytes *data)
{
	switch (code) {
	case SUB_IPV4:
		return take_addresses(info, data, 4);
	case SUB_IPV6:
		return take_addresses(info, data, 16);
	case SUB_PORT:
		info->port = data->len == 2 ? (uint16_t)(data->at[0] << 8 | data->at[1]) : 0;
		return info->port;
	case SUB_DOMAIN:
		return take_domain(info, data);
	default: /* of a later version */
		return true;
	}
}

static bool take_all(struct setup_info *info, struct bytes b, unsigned size)
{
	while (b.len) {
		struct bytes data;
		uint32_t code;

		if (!get(&b, size, &code) || !get_bytes(&b, size, &data) || !take(info, code, &data))
			return false;
	}
	return true;
}

int setup_info_parse(bool v6, const uint8_t *data, size_t len, uint32_t enterprise, struct setup_info *out)
{
	struct setup_info info = { .port = SETUP_PORT };
	struct bytes b = { data, len }, ours;
	uint32_t whose;

	/* Of DHCPv4 several enterprises share an option; of DHCPv6 each has its own. */
	while (b.len) {
		if (!get(&b, 4, &whose))
			return -EBADMSG;
		ours = b;
		if (v6)
			b.len = 0;
		else if (!get_bytes(&b, 1, &ours))
			return -EBADMSG;
		if (whose == enterprise && !take_all(&info, ours, v6 ? 2 : 1))
			return -EBADMSG;
	}
	if (!info.count && !info.domain[0])
		return -ENOENT;
	*out = info;
	return 0;
}

static int digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

int setup_info_bytes(const char *text, uint8_t *out, size_t max)
{
	bool colons = strchr(text, ':');
	size_t n = 0;

	while (*text) {
		size_t digits = strspn(text, "0123456789abcdefABCDEF");

		digits = !colons && digits > 2 ? 2 : digits;
		if (digits == 0 || digits > 2 || (!colons && digits == 1))
			return -EINVAL;
		if (n == max)
			return -E2BIG;
		out[n++] = (uint8_t)(digits == 2 ? digit(text[0]) << 4 | digit(text[1]) : digit(text[0]));
		text += digits;
		if (*text == ':' && text[1])
			text++;
		else if (*text && colons)
			return -EINVAL;
	}
	return n ? (int)n : -EINVAL;
}

int setup_info_line(char *line, bool *v6, uint8_t *out)
{
	static const char *const names[] = SETUP_NAMES;

	line[strcspn(line, "\n")] = '\0';
	for (unsigned i = 0; i < 2; i++) {
		size_t n = strlen(names[i]);

		if (strncmp(line, names[i], n) != 0 || line[n] != ' ')
			continue;
		*v6 = i;
		return setup_info_bytes(line + n + 1, out, SETUP_OPTION_MAX);
	}
	return -EINVAL;
}
