// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/unreachable.h>

#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include <lib/checksum.h>

#define V4_OFFSET 12 /* of the IPv4 address in a v4-mapped one */
#define TTL 64
#define IPV6_VERSION 0x60000000U

/* Type, code, checksum, four bytes that are not used: the same in both. */
struct error {
	uint8_t type, code;
	__be16 checksum;
	uint32_t unused;
};

static size_t put_ip(uint8_t *p, const struct mpgate_tuple *t, size_t payload)
{
	struct iphdr ip4 = { .version = IPVERSION, .ihl = sizeof(ip4) / 4, .protocol = IPPROTO_ICMP, .ttl = TTL };
	struct ip6_hdr ip6 = { .ip6_flow = htonl(IPV6_VERSION), .ip6_nxt = IPPROTO_ICMPV6, .ip6_hlim = TTL };

	if (addr_is_v4(&t->daddr)) {
		ip4.tot_len = htons((uint16_t)(sizeof(ip4) + payload));
		memcpy(&ip4.saddr, t->daddr.b + V4_OFFSET, sizeof(ip4.saddr));
		memcpy(&ip4.daddr, t->saddr.b + V4_OFFSET, sizeof(ip4.daddr));
		ip4.check = (__be16)~checksum_fold(checksum_add(0, &ip4, sizeof(ip4)));
		memcpy(p, &ip4, sizeof(ip4));
		return sizeof(ip4);
	}
	ip6.ip6_plen = htons((uint16_t)payload);
	memcpy(&ip6.ip6_src, t->daddr.b, sizeof(ip6.ip6_src));
	memcpy(&ip6.ip6_dst, t->saddr.b, sizeof(ip6.ip6_dst));
	memcpy(p, &ip6, sizeof(ip6));
	return sizeof(ip6);
}

size_t unreachable_make(uint8_t out[UNREACHABLE_MAX], const uint8_t *syn, size_t len, const struct mpgate_tuple *tuple,
			uint8_t code)
{
	bool v4 = addr_is_v4(&tuple->daddr);
	size_t quoted = len > ETH_HLEN ? len - ETH_HLEN : 0, room = UNREACHABLE_MAX, at = ETH_HLEN, payload;
	struct error e = { .type = v4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH, .code = code };
	uint32_t sum;

	room -= ETH_HLEN + sizeof(struct ip6_hdr) + sizeof(e);
	if (!quoted)
		return 0;
	quoted = quoted < room ? quoted : room;
	payload = sizeof(e) + quoted;
	memcpy(out, syn + ETH_ALEN, ETH_ALEN);
	memcpy(out + ETH_ALEN, syn, ETH_ALEN);
	memcpy(out + 2 * ETH_ALEN, syn + 2 * ETH_ALEN, sizeof(__be16));
	at += put_ip(out + at, tuple, payload);
	sum = v4 ? 0 : checksum_pseudo(&tuple->daddr, &tuple->saddr, IPPROTO_ICMPV6, payload);
	sum = checksum_add(sum, &e, sizeof(e));
	e.checksum = (__be16)~checksum_fold(checksum_add(sum, syn + ETH_HLEN, quoted));
	memcpy(out + at, &e, sizeof(e));
	memcpy(out + at + sizeof(e), syn + ETH_HLEN, quoted);
	return at + payload;
}
