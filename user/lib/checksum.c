// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/checksum.h>

#include <arpa/inet.h>

#include <lib/addr.h>

#define V4_OFFSET 12 /* of the IPv4 address in a v4-mapped one */

uint32_t checksum_add(uint32_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

uint32_t checksum_pseudo(const struct mpgate_addr *from, const struct mpgate_addr *to, uint8_t protocol, size_t len)
{
	size_t skip = addr_is_v4(to) ? V4_OFFSET : 0;
	uint32_t sum = protocol + (uint32_t)len;

	sum = checksum_add(sum, from->b + skip, sizeof(from->b) - skip);
	return checksum_add(sum, to->b + skip, sizeof(to->b) - skip);
}

__be16 checksum_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)sum);
}
