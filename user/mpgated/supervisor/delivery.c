// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A SYN comes in on the link, from an address of the link's own net to one that is reserved for examples and hence
 * nobody's. A socket here has that very connection, made without a handshake (TCP_REPAIR), so steer assigns and marks
 * the SYN like any packet of a local connection, and it goes the way that steered SYNs go: PREROUTING, the rule on the
 * mark, INPUT. The socket's filter drops all that arrives, which the kernel counts: nothing is answered, and closing a
 * socket under repair sends nothing. Its TTL is 1, so that nothing could leave the next link if it were forwarded. A
 * firewall that tracks connections has one more for two minutes, a SYN without an answer.
 */
#include <mpgated/supervisor/delivery.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <lib/packet.h>

#define NOBODY4 "192.0.2.254" /* RFC 5737 */
#define NOBODY6 "2001:db8:ffff:ffff::fffe" /* RFC 3849 */
#define NEIGHBOURS 8U /* addresses near the link's own, of which one is taken that is not ours */
#define EPHEMERAL 49152U
#define ROUNDS 100U /* ms that the packet may take, on another CPU */
#define TRIES 2U
#define MS_NS 1000000
#define WINDOW 1024U

union frame {
	uint8_t bytes[ETH_HLEN + sizeof(struct ip6_hdr) + sizeof(struct tcphdr)];
	struct ethhdr eth;
};

static bool is_ours(const struct nl_address *all, unsigned n, const struct mpgate_addr *a)
{
	for (unsigned i = 0; i < n; i++)
		if (!memcmp(&all[i].addr, a, sizeof(*a)))
			return true;
	return false;
}

/* The bits of the last byte that tell the hosts of its net apart. */
static uint8_t host_bits(const struct nl_address *a)
{
	unsigned most = a->family == AF_INET ? 32 : 128, bits = a->len < most ? most - a->len : 0;

	return bits < 8 ? (uint8_t)((1U << bits) - 1) : UINT8_MAX;
}

/* An address of the link's net that is neither ours nor the net's first or last: a client could have it. */
static bool neighbour(const struct nl_address *all, unsigned n, unsigned ifindex, bool v4, struct mpgate_addr *out)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t host = host_bits(&all[i]);

		if (all[i].ifindex != ifindex || all[i].family != (v4 ? AF_INET : AF_INET6))
			continue;
		if (addr_is_link_local(&all[i].addr))
			continue;
		for (uint8_t bits = 1; bits < NEIGHBOURS && bits <= host; bits++) {
			*out = all[i].addr;
			out->b[15] ^= bits;
			if ((out->b[15] & host) && (out->b[15] & host) != host && !is_ours(all, n, out))
				return true;
		}
	}
	return false;
}

/* Writes the SYN and returns its length. */
static size_t make_frame(union frame *f, const uint8_t mac[ETH_ALEN], const struct mpgate_tuple *t)
{
	struct tcphdr tcp = { .th_sport = t->sport, .th_dport = t->dport, .th_off = 5, .th_flags = TH_SYN };
	bool v4 = addr_is_v4(&t->daddr);
	size_t at = ETH_HLEN;

	memset(f, 0, sizeof(*f));
	memcpy(f->eth.h_dest, mac, ETH_ALEN);
	f->eth.h_source[0] = 0x02; /* locally administered */
	f->eth.h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6);
	at += packet_put_ip(f->bytes + at, &t->saddr, &t->daddr, IPPROTO_TCP, 1, sizeof(tcp));
	tcp.th_win = htons(WINDOW);
	tcp.th_sum = (__be16)~checksum_fold(
		checksum_add(checksum_pseudo(&t->saddr, &t->daddr, IPPROTO_TCP, sizeof(tcp)), &tcp, sizeof(tcp)));
	memcpy(f->bytes + at, &tcp, sizeof(tcp));
	return at + sizeof(tcp);
}

/* A socket that has the connection of this tuple, whose ports are filled in, and drops what arrives. -errno. */
static int open_socket(struct mpgate_tuple *t)
{
	struct sock_filter nothing = { BPF_RET | BPF_K, 0, 0, 0 };
	const struct sock_fprog drop = { 1, &nothing };
	bool v4 = addr_is_v4(&t->daddr);
	int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, err;
	struct sockaddr_storage here, there;
	socklen_t here_len = addr_to_sockaddr(&t->daddr, 0, &here), len = addr_to_sockaddr(&t->saddr, t->sport, &there);
	struct mpgate_addr a;

	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TRANSPARENT : IPV6_TRANSPARENT, &one, sizeof(one)) &&
	    !setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &drop, sizeof(drop)) &&
	    !bind(fd, (struct sockaddr *)&here, here_len) &&
	    !setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &one, sizeof(one)) &&
	    !connect(fd, (struct sockaddr *)&there, len) && !getsockname(fd, (struct sockaddr *)&here, &here_len) &&
	    !addr_from_sockaddr((struct sockaddr *)&here, &a, &t->dport))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static bool arrived(int fd)
{
	const struct timespec ms = { .tv_nsec = MS_NS };
	uint32_t mem[SK_MEMINFO_VARS];
	socklen_t len = sizeof(mem);

	for (unsigned i = 0; i < ROUNDS / TRIES; i++) {
		if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, mem, &len) < 0 || mem[SK_MEMINFO_DROPS])
			return true;
		nanosleep(&ms, NULL);
	}
	return false;
}

static enum delivery test_family(const struct datapath *dp, unsigned ifindex, const uint8_t mac[ETH_ALEN],
				 const struct mpgate_addr *from, const char *to)
{
	struct mpgate_tuple t = { .saddr = *from };
	enum delivery result = DELIVERY_FAILS;
	union frame f;
	size_t len;
	int fd;

	addr_parse(to, &t.daddr);
	if (getrandom(&t.sport, sizeof(t.sport), 0) != sizeof(t.sport))
		return DELIVERY_UNKNOWN;
	t.sport |= htons(EPHEMERAL);
	fd = open_socket(&t);
	if (fd < 0)
		return DELIVERY_UNKNOWN;
	len = make_frame(&f, mac, &t);
	for (unsigned i = 0; i < TRIES && result == DELIVERY_FAILS; i++)
		result = datapath_inject(dp, ifindex, f.bytes, len) < 0 ? DELIVERY_UNKNOWN
			 : arrived(fd)					? DELIVERY_WORKS
									: DELIVERY_FAILS;
	close(fd);
	return result;
}

/* False: it has no Ethernet header. */
static bool link_mac(const char *name, uint8_t mac[ETH_ALEN])
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool got;

	memcpy(r.ifr_name, name, strnlen(name, sizeof(r.ifr_name) - 1));
	got = fd >= 0 && ioctl(fd, SIOCGIFHWADDR, &r) == 0 && r.ifr_hwaddr.sa_family == ARPHRD_ETHER;
	if (fd >= 0)
		close(fd);
	if (got)
		memcpy(mac, r.ifr_hwaddr.sa_data, ETH_ALEN);
	return got;
}

enum delivery delivery_test(const struct datapath *dp, const struct paths *paths, unsigned ifindex, const char *name)
{
	static const char *const to[] = { NOBODY4, NOBODY6 };
	enum delivery result = DELIVERY_UNKNOWN;
	uint8_t mac[ETH_ALEN];
	unsigned n;
	const struct nl_address *all = paths_addrs(paths, &n);

	if (!link_mac(name, mac))
		return DELIVERY_UNKNOWN;
	for (unsigned i = 0; i < 2 && result != DELIVERY_FAILS; i++) {
		struct mpgate_addr from;
		enum delivery one = neighbour(all, n, ifindex, i == 0, &from)
					    ? test_family(dp, ifindex, mac, &from, to[i])
					    : DELIVERY_UNKNOWN;

		result = one == DELIVERY_UNKNOWN ? result : one;
	}
	return result;
}
