// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/worker/unreachable.h>

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include <lib/packet.h>

#define TTL 64

/* Type, code, checksum, four bytes that are not used: the same in both. */
struct error {
	uint8_t type, code;
	__be16 checksum;
	uint32_t unused;
};

int unreachable_code(int err, bool v4)
{
	switch (err) {
	case EHOSTUNREACH:
		return v4 ? ICMP_HOST_UNREACH : ICMP6_DST_UNREACH_ADDR;
	case EACCES:
	case EPERM:
		return v4 ? ICMP_PKT_FILTERED : ICMP6_DST_UNREACH_ADMIN;
	case ENETUNREACH:
	case EAFNOSUPPORT:
		/* Both are 0, by two names. */
		return v4 ? ICMP_NET_UNREACH : ICMP6_DST_UNREACH_NOROUTE; /* NOLINT(bugprone-branch-clone) */
	case EADDRNOTAVAIL: /* no address of that family here; for IPv4 that is ENETUNREACH, and this a lack of ports */
		return v4 ? -1 : ICMP6_DST_UNREACH_NOROUTE;
	default:
		return -1;
	}
}

size_t unreachable_make(uint8_t out[UNREACHABLE_MAX], const uint8_t *syn, size_t len, const struct mpgate_tuple *tuple,
			uint8_t code)
{
	bool v4 = addr_is_v4(&tuple->daddr);
	size_t quoted = len > ETH_HLEN ? len - ETH_HLEN : 0, room = UNREACHABLE_MAX, at = ETH_HLEN, payload;
	struct error e = { .type = v4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH, .code = code };
	uint32_t sum;

	room -= ETH_HLEN + PACKET_IP_MAX + sizeof(e);
	if (!quoted)
		return 0;
	quoted = quoted < room ? quoted : room;
	payload = sizeof(e) + quoted;
	memcpy(out, syn + ETH_ALEN, ETH_ALEN);
	memcpy(out + ETH_ALEN, syn, ETH_ALEN);
	memcpy(out + 2 * ETH_ALEN, syn + 2 * ETH_ALEN, sizeof(__be16));
	at += packet_put_ip(out + at, &tuple->daddr, &tuple->saddr, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, TTL, payload);
	sum = v4 ? 0 : checksum_pseudo(&tuple->daddr, &tuple->saddr, IPPROTO_ICMPV6, payload);
	sum = checksum_add(sum, &e, sizeof(e));
	e.checksum = (__be16)~checksum_fold(checksum_add(sum, syn + ETH_HLEN, quoted));
	memcpy(out + at, &e, sizeof(e));
	memcpy(out + at + sizeof(e), syn + ETH_HLEN, quoted);
	return at + payload;
}
