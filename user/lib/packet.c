// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/packet.h>

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <string.h>

#include <lib/addr.h>

#define V4_OFFSET 12 /* of the IPv4 address in a v4-mapped one */
#define IPV6_VERSION 0x60000000U /* with class and flow label 0 */

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

size_t packet_put_ip(uint8_t *p, const struct mpgate_addr *from, const struct mpgate_addr *to, uint8_t protocol,
		     uint8_t ttl, size_t len)
{
	struct iphdr ip4 = { .version = IPVERSION, .ihl = sizeof(ip4) / 4, .protocol = protocol, .ttl = ttl };
	struct ip6_hdr ip6 = { .ip6_flow = htonl(IPV6_VERSION), .ip6_nxt = protocol, .ip6_hlim = ttl };

	if (addr_is_v4(to)) {
		ip4.tot_len = htons((uint16_t)(sizeof(ip4) + len));
		memcpy(&ip4.saddr, from->b + V4_OFFSET, sizeof(ip4.saddr));
		memcpy(&ip4.daddr, to->b + V4_OFFSET, sizeof(ip4.daddr));
		ip4.check = (__be16)~checksum_fold(checksum_add(0, &ip4, sizeof(ip4)));
		memcpy(p, &ip4, sizeof(ip4));
		return sizeof(ip4);
	}
	ip6.ip6_plen = htons((uint16_t)len);
	memcpy(&ip6.ip6_src, from->b, sizeof(ip6.ip6_src));
	memcpy(&ip6.ip6_dst, to->b, sizeof(ip6.ip6_dst));
	memcpy(p, &ip6, sizeof(ip6));
	return sizeof(ip6);
}
