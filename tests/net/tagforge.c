// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tagforge KEYFILE KIND SOURCE SOURCE-PORT SERVER PORT: sends a SYN with MP_CAPABLE and the option of transparent mode
 * from a raw socket, with any source.
 *   valid       as a gateway with the key would
 *   forged      the same with one bit of the tag changed
 *   stale       made ten minutes ago
 *   early       made ten minutes from now
 *   unknown     made with a key that nobody has
 *   moved       a valid tag, of a SYN to the next port
 *   again       a valid tag, of a SYN with another sequence number
 *   plain       a valid tag, but no MP_CAPABLE
 *   cut         the option is as long as its ExID
 */
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include <lib/addr.h>
#include <lib/keys.h>
#include <lib/packet.h>
#include <mpgate/tag.h>

#define APART_S 600
#define CUT_LEN 4

struct segment {
	struct tcphdr tcp;
	uint8_t mss[4], capable[4];
	struct mpgate_tag_option tag;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void add_tag(struct segment *s, const char *kind, const struct subkey *key, struct mpgate_tuple tuple)
{
	struct mpgate_tag_signed m = { .form = htonl(TAG_FORM), .tuple = tuple, .seq = s->tcp.th_seq };
	time_t now = time(NULL);
	uint64_t tag;

	if (!strcmp(kind, "stale"))
		now -= APART_S;
	if (!strcmp(kind, "early"))
		now += APART_S;
	if (!strcmp(kind, "moved"))
		m.tuple.dport = htons((uint16_t)(ntohs(tuple.dport) + 1));
	if (!strcmp(kind, "again"))
		m.seq ^= htonl(1);
	m.epoch = htonl((uint32_t)((uint64_t)now >> TAG_EPOCH_SHIFT));
	tag = tag_make(key->k0, key->k1, &m);
	s->tag = (struct mpgate_tag_option){
		.kind = TAG_KIND, .len = TAG_LEN, .exid = htons(TAG_EXID), .key_id = htonl(key->id)
	};
	memcpy(s->tag.tag, &tag, sizeof(s->tag.tag));
	if (!strcmp(kind, "forged"))
		s->tag.tag[7] ^= 1;
	if (!strcmp(kind, "cut")) {
		s->tag.len = CUT_LEN;
		memset((uint8_t *)&s->tag + CUT_LEN, 1, TAG_LEN - CUT_LEN); /* no-operation */
	}
}

int main(int argc, char **argv)
{
	struct segment s = { .mss = { 2, 4, 5, 0xb4 }, .capable = { 30, 4, 1, 1 } };
	struct mpgate_tuple t = { 0 };
	struct sockaddr_storage to;
	uint8_t packet[sizeof(struct ip6_hdr) + sizeof(s)];
	struct subkey key;
	struct key secret;
	size_t head;
	int fd;

	if (argc != 7 || keys_init() || key_file_load(argv[1], &secret) || addr_parse(argv[3], &t.saddr) ||
	    addr_parse(argv[5], &t.daddr))
		return 2;
	t.sport = htons((uint16_t)atoi(argv[4]));
	t.dport = htons((uint16_t)atoi(argv[6]));
	if (!strcmp(argv[2], "unknown"))
		secret.secret[0] ^= 1;
	key_derive(&secret, "forge", 5, &key);
	if (getrandom(&s.tcp.th_seq, sizeof(s.tcp.th_seq), 0) != sizeof(s.tcp.th_seq))
		die("getrandom");
	s.tcp.th_sport = t.sport;
	s.tcp.th_dport = t.dport;
	s.tcp.th_off = sizeof(s) / 4;
	s.tcp.th_flags = TH_SYN;
	s.tcp.th_win = htons(64240);
	add_tag(&s, argv[2], &key, t);
	if (!strcmp(argv[2], "plain"))
		memset(s.capable, 1, sizeof(s.capable));
	s.tcp.th_sum = (uint16_t)~checksum_fold(
		checksum_add(checksum_pseudo(&t.saddr, &t.daddr, IPPROTO_TCP, sizeof(s)), &s, sizeof(s)));
	head = packet_put_ip(packet, &t.saddr, &t.daddr, IPPROTO_TCP, 64, sizeof(s));
	memcpy(packet + head, &s, sizeof(s));
	fd = socket(addr_is_v4(&t.daddr) ? AF_INET : AF_INET6, SOCK_RAW, IPPROTO_RAW);
	/* A raw IPv6 socket takes no port. */
	if (fd < 0 ||
	    sendto(fd, packet, head + sizeof(s), 0, (struct sockaddr *)&to, addr_to_sockaddr(&t.daddr, 0, &to)) < 0)
		die("raw socket");
	return 0;
}
