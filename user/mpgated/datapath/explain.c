// SPDX-License-Identifier: GPL-2.0-or-later
/* Asks the real classifier: the explain program runs once over a SYN made here and leaves its answer in a map. */
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>

#include <mpgated/datapath/internal.h>

#define SYN_TTL 64
#define DSCP_SHIFT 2 /* in the TOS and traffic class byte */
#define IPV6_VERSION 6U
#define IPV6_VERSION_SHIFT 28
#define IPV6_CLASS_SHIFT 20
#define V4_OFFSET 12 /* of the IPv4 address in a v4-mapped one */

static const char capable[] = { 30, 4, 1, 1 }; /* MP_CAPABLE of a SYN (RFC 8684, 3.1), with HMAC-SHA256 */

union syn {
	char bytes[ETH_HLEN + sizeof(struct ip6_hdr) + sizeof(struct tcphdr) + sizeof(capable)];
	struct ethhdr eth;
};

static size_t put_ipv4(char *p, const struct mpgate_tuple *t, uint8_t dscp, size_t segment)
{
	struct iphdr ip = {
		.version = IPVERSION,
		.ihl = sizeof(ip) / 4,
		.tos = (uint8_t)(dscp << DSCP_SHIFT),
		.tot_len = htons((uint16_t)(sizeof(ip) + segment)),
		.ttl = SYN_TTL,
		.protocol = IPPROTO_TCP,
	};

	memcpy(&ip.saddr, t->saddr.b + V4_OFFSET, sizeof(ip.saddr));
	memcpy(&ip.daddr, t->daddr.b + V4_OFFSET, sizeof(ip.daddr));
	memcpy(p, &ip, sizeof(ip));
	return sizeof(ip);
}

static size_t put_ipv6(char *p, const struct mpgate_tuple *t, uint8_t dscp, size_t segment)
{
	struct ip6_hdr ip = { 0 };

	ip.ip6_flow = htonl(IPV6_VERSION << IPV6_VERSION_SHIFT | (uint32_t)dscp << (IPV6_CLASS_SHIFT + DSCP_SHIFT));
	ip.ip6_plen = htons((uint16_t)segment);
	ip.ip6_nxt = IPPROTO_TCP;
	ip.ip6_hlim = SYN_TTL;
	memcpy(&ip.ip6_src, t->saddr.b, sizeof(ip.ip6_src));
	memcpy(&ip.ip6_dst, t->daddr.b, sizeof(ip.ip6_dst));
	memcpy(p, &ip, sizeof(ip));
	return sizeof(ip);
}

/*
 * Writes the SYN and returns its length. It has an Ethernet header whatever the link has, because a test run of a tc
 * program demands one. No checksums: programs never look at them.
 */
static size_t make_syn(union syn *syn, const struct mpgate_tuple *t, uint8_t dscp, bool mptcp)
{
	bool v4 = addr_is_v4(&t->daddr);
	size_t at = ETH_HLEN, segment = sizeof(struct tcphdr) + (mptcp ? sizeof(capable) : 0);
	struct tcphdr tcp = {
		.th_sport = t->sport, .th_dport = t->dport, .th_off = segment / 4 & 15, .th_flags = TH_SYN
	};

	memset(syn, 0, sizeof(*syn));
	syn->eth.h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6);
	at += v4 ? put_ipv4(syn->bytes + at, t, dscp, segment) : put_ipv6(syn->bytes + at, t, dscp, segment);
	memcpy(syn->bytes + at, &tcp, sizeof(tcp));
	memcpy(syn->bytes + at + sizeof(tcp), capable, segment - sizeof(tcp));
	return at + segment;
}

static int run_explain(int prog_fd, unsigned ifindex, const void *packet, size_t len)
{
	struct __sk_buff ctx = { .ifindex = ifindex, .ingress_ifindex = ifindex };
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = packet,
		.data_size_in = (uint32_t)len,
		.ctx_in = &ctx,
		.ctx_size_in = sizeof(ctx),
		.repeat = 1,
	};

	return bpf_prog_test_run_opts(prog_fd, &opts);
}

int datapath_explain(struct datapath *dp, unsigned ifindex, const struct mpgate_tuple *tuple, uint8_t dscp, bool mptcp,
		     struct datapath_explanation *out)
{
	struct mpgate_explained answer = { .reason = MPGATE_REASON_COUNT };
	union syn syn;
	uint32_t key = 0;
	int err;

	if (addr_is_v4(&tuple->saddr) != addr_is_v4(&tuple->daddr)) {
		log_error("explain: source and destination are of different address families");
		return -EINVAL;
	}
	if (dp->prog[DP_EXPLAIN] < 0) {
		log_error("explain: this kernel does not load the program");
		return -EOPNOTSUPP;
	}
	/* So that an answer that was not given is not taken for the last one. */
	err = bpf_map_update_elem(dp->map[DP_MAP_explained], &key, &answer, BPF_ANY);
	if (!err)
		err = run_explain(dp->prog[DP_EXPLAIN], ifindex, &syn, make_syn(&syn, tuple, dscp, mptcp));
	if (!err)
		err = bpf_map_lookup_elem(dp->map[DP_MAP_explained], &key, &answer);
	if (!err && answer.reason >= MPGATE_REASON_COUNT)
		err = -EPROTO;
	if (err) {
		log_error("explain on interface %u: %s", ifindex, strerror(-err));
		return err;
	}
	*out = (struct datapath_explanation){
		.reason = (enum mpgate_reason)answer.reason,
		.rule = answer.rule == MPGATE_NO_RULE ? -1 : (int)answer.rule,
		.peer = answer.peer == MPGATE_NO_PEER ? -1 : (int)answer.peer,
	};
	return 0;
}
