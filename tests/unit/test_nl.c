// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink messages to structures: what is taken from them, and that a length that does not fit is refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <lib/nl_parse.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "cunit.h"

#define MESSAGE_SIZE 2048

static char buf[MESSAGE_SIZE] __attribute__((aligned(8)));

static struct nlmsghdr *begin(uint16_t type)
{
	struct nlmsghdr *nlh;

	memset(buf, 0, sizeof(buf));
	nlh = mnl_nlmsg_put_header(buf);
	nlh->nlmsg_type = type;
	return nlh;
}

static void bytes(const char *text, int family, uint8_t out[16])
{
	memset(out, 0, 16);
	CU_ASSERT_EQUAL_FATAL(inet_pton(family, text, out), 1);
}

static void put_address(struct nlmsghdr *nlh, uint16_t type, const char *text)
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;
	uint8_t b[16];

	bytes(text, family, b);
	mnl_attr_put(nlh, type, family == AF_INET ? 4 : 16, b);
}

static struct nlmsghdr *make_link(unsigned flags, int operstate, unsigned short type, const char *name)
{
	struct nlmsghdr *nlh = begin(RTM_NEWLINK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = 5;
	ifi->ifi_flags = flags;
	ifi->ifi_type = type;
	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	if (operstate >= 0)
		mnl_attr_put_u8(nlh, IFLA_OPERSTATE, (uint8_t)operstate);
	return nlh;
}

static void link_state(void)
{
	static const struct {
		unsigned flags;
		int operstate;
		unsigned short type;
		bool up, l3;
	} cases[] = {
		{ IFF_UP, 6, ARPHRD_ETHER, true, false }, /* up */
		{ IFF_UP, 0, ARPHRD_NONE, true, true }, /* unknown: tunnels, raw-IP modems */
		{ IFF_UP, -1, ARPHRD_PPP, true, true },
		{ IFF_UP, 2, ARPHRD_ETHER, false, false }, /* down: no carrier */
		{ IFF_UP, 5, ARPHRD_ETHER, false, false }, /* dormant */
		{ 0, 6, ARPHRD_ETHER, false, false },
		{ IFF_UP, 0, ARPHRD_LOOPBACK, true, false },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nl_link l;

		CU_ASSERT_EQUAL(nl_parse_link(make_link(cases[i].flags, cases[i].operstate, cases[i].type, "wan0"), &l),
				0);
		CU_ASSERT_EQUAL(l.ifindex, 5);
		CU_ASSERT_STRING_EQUAL(l.name, "wan0");
		CU_ASSERT_EQUAL(l.up, cases[i].up);
		CU_ASSERT_EQUAL(l.l3, cases[i].l3);
	}
}

static void link_refused(void)
{
	struct nl_link l = { .ifindex = 77 };
	struct nlmsghdr *nlh;

	CU_ASSERT_EQUAL(nl_parse_link(make_link(IFF_UP, 6, ARPHRD_ETHER, NULL), &l), -EINVAL);
	CU_ASSERT_EQUAL(nl_parse_link(make_link(IFF_UP, 6, ARPHRD_ETHER, "sixteen-bytes-xx"), &l), -EINVAL);
	nlh = make_link(IFF_UP, -1, ARPHRD_ETHER, "wan0");
	mnl_attr_put_u32(nlh, IFLA_OPERSTATE, 6);
	CU_ASSERT_EQUAL(nl_parse_link(nlh, &l), -EINVAL);
	nlh = make_link(IFF_UP, -1, ARPHRD_ETHER, NULL);
	mnl_attr_put(nlh, IFLA_IFNAME, 4, "wan0"); /* no NUL */
	CU_ASSERT_EQUAL(nl_parse_link(nlh, &l), -EINVAL);
	nlh = begin(RTM_NEWLINK);
	mnl_nlmsg_put_extra_header(nlh, 4); /* header cut off */
	CU_ASSERT_EQUAL(nl_parse_link(nlh, &l), -EINVAL);
	CU_ASSERT_EQUAL(l.ifindex, 77);
}

static struct nlmsghdr *make_address(int family, uint8_t scope, uint8_t flags)
{
	struct nlmsghdr *nlh = begin(RTM_NEWADDR);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = (uint8_t)family;
	ifa->ifa_scope = scope;
	ifa->ifa_flags = flags;
	ifa->ifa_index = 5;
	ifa->ifa_prefixlen = 25;
	return nlh;
}

static void address_fields(void)
{
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 192, 0, 2, 7 };
	struct nl_address a;
	struct nlmsghdr *nlh = make_address(AF_INET, RT_SCOPE_UNIVERSE, IFA_F_PERMANENT);
	uint8_t b[16];

	put_address(nlh, IFA_ADDRESS, "192.0.2.8"); /* the other side of a point-to-point link */
	put_address(nlh, IFA_LOCAL, "192.0.2.7");
	CU_ASSERT_EQUAL(nl_parse_address(nlh, &a), 0);
	CU_ASSERT_EQUAL(a.ifindex, 5);
	CU_ASSERT_EQUAL(a.family, AF_INET);
	CU_ASSERT_EQUAL(a.len, 25);
	CU_ASSERT_TRUE(a.global && a.usable);
	CU_ASSERT_EQUAL(memcmp(a.addr.b, mapped, 16), 0);

	nlh = make_address(AF_INET6, RT_SCOPE_LINK, 0);
	put_address(nlh, IFA_ADDRESS, "fe80::1");
	CU_ASSERT_EQUAL(nl_parse_address(nlh, &a), 0);
	bytes("fe80::1", AF_INET6, b);
	CU_ASSERT_FALSE(a.global);
	CU_ASSERT_EQUAL(memcmp(a.addr.b, b, 16), 0);
}

static void address_unfit(void)
{
	static const uint32_t flags[] = { IFA_F_TENTATIVE, IFA_F_DEPRECATED, IFA_F_TEMPORARY, IFA_F_DADFAILED };
	struct nl_address a;

	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct nlmsghdr *nlh = make_address(AF_INET6, RT_SCOPE_UNIVERSE, 0);

		put_address(nlh, IFA_ADDRESS, "2001:db8::1");
		mnl_attr_put_u32(nlh, IFA_FLAGS, flags[i]); /* counts, not the 8 bits of the header */
		CU_ASSERT_EQUAL(nl_parse_address(nlh, &a), 0);
		CU_ASSERT_FALSE(a.usable);
	}
}

static void address_refused(void)
{
	struct nl_address a;
	struct nlmsghdr *nlh = make_address(AF_INET, RT_SCOPE_UNIVERSE, 0);

	CU_ASSERT_EQUAL(nl_parse_address(nlh, &a), -EINVAL);
	put_address(nlh, IFA_LOCAL, "2001:db8::1"); /* of the other family */
	CU_ASSERT_EQUAL(nl_parse_address(nlh, &a), -EINVAL);
	nlh = make_address(AF_PACKET, RT_SCOPE_UNIVERSE, 0);
	put_address(nlh, IFA_LOCAL, "192.0.2.1");
	CU_ASSERT_EQUAL(nl_parse_address(nlh, &a), -EINVAL);
}

static struct nlmsghdr *make_route(int family, uint8_t dst_len, uint32_t flags)
{
	struct nlmsghdr *nlh = begin(RTM_NEWROUTE);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = (uint8_t)family;
	rtm->rtm_dst_len = dst_len;
	rtm->rtm_table = RT_TABLE_COMPAT;
	rtm->rtm_type = RTN_UNICAST;
	rtm->rtm_flags = flags;
	mnl_attr_put_u32(nlh, RTA_TABLE, 7003);
	return nlh;
}

static void route_fields(void)
{
	struct nl_route r[NL_ROUTE_HOPS];
	struct nlmsghdr *nlh = make_route(AF_INET6, 48, RTNH_F_ONLINK | RTNH_F_LINKDOWN);
	struct nlattr *metrics;
	uint8_t b[16];

	put_address(nlh, RTA_DST, "2001:db8:7::");
	put_address(nlh, RTA_GATEWAY, "fe80::1");
	put_address(nlh, RTA_PREFSRC, "2001:db8::2");
	mnl_attr_put_u32(nlh, RTA_OIF, 9);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, 1024);
	metrics = mnl_attr_nest_start(nlh, RTA_METRICS);
	mnl_attr_put_u32(nlh, RTAX_MTU, 1400);
	mnl_attr_nest_end(nlh, metrics);
	CU_ASSERT_EQUAL(nl_parse_route(nlh, r), 1);
	CU_ASSERT_EQUAL(r[0].table, 7003);
	CU_ASSERT_EQUAL(r[0].oif, 9);
	CU_ASSERT_EQUAL(r[0].priority, 1024);
	CU_ASSERT_EQUAL(r[0].mtu, 1400);
	CU_ASSERT_EQUAL(r[0].flags, RTNH_F_ONLINK);
	CU_ASSERT_EQUAL(r[0].dst_len, 48);
	CU_ASSERT_EQUAL(r[0].via_family, AF_INET6);
	bytes("fe80::1", AF_INET6, b);
	CU_ASSERT_EQUAL(memcmp(r[0].via, b, 16), 0);
	bytes("2001:db8::2", AF_INET6, b);
	CU_ASSERT_EQUAL(memcmp(r[0].prefsrc, b, 16), 0);
}

static void put_via(struct nlmsghdr *nlh, uint16_t family, size_t len)
{
	uint8_t via[18] = { 0 };

	memcpy(via, &family, sizeof(family));
	via[2] = 0xfe;
	mnl_attr_put(nlh, RTA_VIA, 2 + len, via);
}

static void route_ipv4_via_ipv6(void)
{
	struct nl_route r[NL_ROUTE_HOPS];
	struct nlmsghdr *nlh = make_route(AF_INET, 0, 0);

	put_via(nlh, AF_INET6, 16);
	CU_ASSERT_EQUAL(nl_parse_route(nlh, r), 1);
	CU_ASSERT_EQUAL(r[0].via_family, AF_INET6);
	CU_ASSERT_EQUAL(r[0].via[0], 0xfe);
	nlh = make_route(AF_INET, 0, 0);
	put_via(nlh, AF_INET6, 4);
	CU_ASSERT_EQUAL(nl_parse_route(nlh, r), -EINVAL);
}

static void put_hop(struct nlmsghdr *nlh, int ifindex, uint16_t claimed)
{
	struct rtnexthop hop = { .rtnh_ifindex = ifindex };
	uint8_t *at = mnl_nlmsg_get_payload_tail(nlh);
	struct nlattr gw = { .nla_len = 8, .nla_type = RTA_GATEWAY };

	hop.rtnh_len = claimed ? claimed : sizeof(hop) + 8;
	memcpy(at, &hop, sizeof(hop));
	memcpy(at + sizeof(hop), &gw, sizeof(gw));
	at[sizeof(hop) + 4] = (uint8_t)ifindex;
	nlh->nlmsg_len += sizeof(hop) + 8;
}

static void route_multipath(void)
{
	struct nl_route r[NL_ROUTE_HOPS];
	struct nlmsghdr *nlh = make_route(AF_INET, 0, 0);
	struct nlattr *nest = mnl_attr_nest_start(nlh, RTA_MULTIPATH);

	put_hop(nlh, 3, 0);
	put_hop(nlh, 4, 0);
	mnl_attr_nest_end(nlh, nest);
	CU_ASSERT_EQUAL(nl_parse_route(nlh, r), 2);
	CU_ASSERT_EQUAL(r[0].oif, 3);
	CU_ASSERT_EQUAL(r[1].oif, 4);
	CU_ASSERT_EQUAL(r[1].via[0], 4);

	nlh = make_route(AF_INET, 0, 0);
	nest = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
	for (int i = 1; i <= NL_ROUTE_HOPS + 4; i++)
		put_hop(nlh, i, 0);
	mnl_attr_nest_end(nlh, nest);
	CU_ASSERT_EQUAL(nl_parse_route(nlh, r), NL_ROUTE_HOPS);

	for (unsigned claimed = 1; claimed < 64; claimed += 62) { /* shorter than its header, longer than the rest */
		nlh = make_route(AF_INET, 0, 0);
		nest = mnl_attr_nest_start(nlh, RTA_MULTIPATH);
		put_hop(nlh, 3, (uint16_t)claimed);
		mnl_attr_nest_end(nlh, nest);
		CU_ASSERT_EQUAL(nl_parse_route(nlh, r), -EINVAL);
	}
}

static void route_not_ours_to_copy(void)
{
	struct nl_route r[NL_ROUTE_HOPS];
	struct nlmsghdr *nlh = make_route(AF_INET6, 0, RTM_F_CLONED);

	CU_ASSERT_EQUAL(nl_parse_route(nlh, r), 0);
	nlh = make_route(AF_INET, 0, 0);
	mnl_attr_put_u16(nlh, RTA_ENCAP_TYPE, 1);
	CU_ASSERT_EQUAL(nl_parse_route(nlh, r), 0);
	CU_ASSERT_EQUAL(nl_parse_route(make_route(AF_INET, 33, 0), r), -EINVAL);
	CU_ASSERT_EQUAL(nl_parse_route(make_route(AF_UNSPEC, 0, 0), r), -EINVAL);
}

static void rule_fields(void)
{
	struct nlmsghdr *nlh = begin(RTM_NEWRULE);
	struct fib_rule_hdr *frh = mnl_nlmsg_put_extra_header(nlh, sizeof(*frh));
	struct nl_rule r;

	frh->family = AF_INET;
	frh->src_len = 32;
	frh->action = FR_ACT_TO_TBL;
	mnl_attr_put_u32(nlh, FRA_TABLE, 7000);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, 7001);
	mnl_attr_put_u32(nlh, FRA_FWMARK, MPGATE_MARK);
	mnl_attr_put_u32(nlh, FRA_FWMASK, MPGATE_MARK_MASK);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, 109);
	mnl_attr_put_strz(nlh, FRA_IIFNAME, "lan0");
	put_address(nlh, FRA_SRC, "192.0.2.1");
	CU_ASSERT_EQUAL(nl_parse_rule(nlh, &r), 0);
	CU_ASSERT_EQUAL(r.table, 7000);
	CU_ASSERT_EQUAL(r.priority, 7001);
	CU_ASSERT_EQUAL(r.mark, MPGATE_MARK);
	CU_ASSERT_EQUAL(r.mask, MPGATE_MARK_MASK);
	CU_ASSERT_EQUAL(r.protocol, 109);
	CU_ASSERT_EQUAL(r.src_len, 32);
	CU_ASSERT_EQUAL(r.src[3], 1);
	CU_ASSERT_STRING_EQUAL(r.iif, "lan0");
	frh->family = AF_INET6; /* its source is too short for that */
	CU_ASSERT_EQUAL(nl_parse_rule(nlh, &r), -EINVAL);
}

static struct nlmsghdr *begin_genl(void)
{
	struct nlmsghdr *nlh = begin(NLMSG_MIN_TYPE);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct genlmsghdr));
	return nlh;
}

static void endpoint_fields(void)
{
	struct nlmsghdr *nlh = begin_genl();
	struct nlattr *nest = mnl_attr_nest_start(nlh, MPTCP_PM_ATTR_ADDR);
	struct nl_endpoint e;
	uint8_t b[16];

	mnl_attr_put_u16(nlh, MPTCP_PM_ADDR_ATTR_FAMILY, AF_INET6);
	mnl_attr_put_u8(nlh, MPTCP_PM_ADDR_ATTR_ID, 101);
	put_address(nlh, MPTCP_PM_ADDR_ATTR_ADDR6, "2001:db8::9");
	mnl_attr_put_u32(nlh, MPTCP_PM_ADDR_ATTR_FLAGS, MPTCP_PM_ADDR_FLAG_SUBFLOW);
	mnl_attr_put_u32(nlh, MPTCP_PM_ADDR_ATTR_IF_IDX, 4);
	mnl_attr_put_u16(nlh, MPTCP_PM_ADDR_ATTR_PORT, 8804);
	mnl_attr_nest_end(nlh, nest);
	CU_ASSERT_EQUAL(nl_parse_endpoint(nlh, &e), 0);
	CU_ASSERT_EQUAL(e.port, 8804);
	bytes("2001:db8::9", AF_INET6, b);
	CU_ASSERT_EQUAL(memcmp(e.addr.b, b, 16), 0);
	CU_ASSERT_EQUAL(e.id, 101);
	CU_ASSERT_EQUAL(e.ifindex, 4);
	CU_ASSERT_EQUAL(e.flags, MPTCP_PM_ADDR_FLAG_SUBFLOW);
}

static void endpoint_refused(void)
{
	struct nlmsghdr *nlh = begin_genl();
	struct nl_endpoint e = { .id = 77 };
	struct nlattr *nest;

	CU_ASSERT_EQUAL(nl_parse_endpoint(nlh, &e), -EINVAL); /* no address */
	nest = mnl_attr_nest_start(nlh, MPTCP_PM_ATTR_ADDR);
	mnl_attr_put_u16(nlh, MPTCP_PM_ADDR_ATTR_FAMILY, AF_INET);
	mnl_attr_put_u8(nlh, MPTCP_PM_ADDR_ATTR_ID, 101);
	put_address(nlh, MPTCP_PM_ADDR_ATTR_ADDR6, "2001:db8::9"); /* not of the family it names */
	mnl_attr_nest_end(nlh, nest);
	CU_ASSERT_EQUAL(nl_parse_endpoint(nlh, &e), -EINVAL);
	CU_ASSERT_EQUAL(e.id, 77);
}

static void message_length(void)
{
	static const struct {
		uint32_t len;
		int left;
		bool ok;
	} cases[] = {
		{ 16, 16, true },  { 16, 64, true },	       { 17, 16, false },
		{ 15, 16, false }, { 0, 16, false },	       { 16, 15, false },
		{ 16, -4, false }, { 0x80000000U, 64, false }, { 0xffffffffU, 64, false },
	};
	struct nlmsghdr *nlh = begin(RTM_NEWLINK);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		nlh->nlmsg_len = cases[i].len;
		CU_ASSERT_EQUAL(nl_message_ok(nlh, cases[i].left), cases[i].ok);
	}
}

static void limits_and_family(void)
{
	struct nlmsghdr *nlh = begin_genl();
	struct nl_limits l = { 0 };
	uint16_t id = 0;

	mnl_attr_put_u32(nlh, MPTCP_PM_ATTR_RCV_ADD_ADDRS, 3);
	CU_ASSERT_EQUAL(nl_parse_limits(nlh, &l), -EINVAL);
	mnl_attr_put_u32(nlh, MPTCP_PM_ATTR_SUBFLOWS, 5);
	CU_ASSERT_EQUAL(nl_parse_limits(nlh, &l), 0);
	CU_ASSERT_EQUAL(l.add_addrs, 3);
	CU_ASSERT_EQUAL(l.subflows, 5);

	nlh = begin_genl();
	CU_ASSERT_EQUAL(nl_parse_genl_family(nlh, &id), -EINVAL);
	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, 33);
	CU_ASSERT_EQUAL(nl_parse_genl_family(nlh, &id), 0);
	CU_ASSERT_EQUAL(id, 33);
}

static void link_kind(void)
{
	struct nlmsghdr *nlh = make_link(IFF_UP, 6, ARPHRD_ETHER, "lan0");
	struct nlattr *info;
	struct nl_link l;

	CU_ASSERT_EQUAL(nl_parse_link(nlh, &l), 0);
	CU_ASSERT(!l.master && !l.parent && !*l.kind && !*l.member_kind);
	mnl_attr_put_u32(nlh, IFLA_MASTER, 7);
	mnl_attr_put_u32(nlh, IFLA_LINK, 8);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "macvlan");
	mnl_attr_put_strz(nlh, IFLA_INFO_SLAVE_KIND, "a-kind-with-a-long-name");
	mnl_attr_nest_end(nlh, info);
	CU_ASSERT_EQUAL(nl_parse_link(nlh, &l), 0);
	CU_ASSERT_EQUAL(l.master, 7);
	CU_ASSERT_EQUAL(l.parent, 8);
	CU_ASSERT_STRING_EQUAL(l.kind, "macvlan");
	CU_ASSERT_STRING_EQUAL(l.member_kind, "a-kind-with-a-l");
	mnl_attr_put(nlh, IFLA_LINKINFO, 3, "abc"); /* no attributes: nothing is told of it */
	CU_ASSERT_EQUAL(nl_parse_link(nlh, &l), 0);
	CU_ASSERT_EQUAL(*l.kind, '\0');
}

static void mptcp_event(void)
{
	struct nlmsghdr *nlh = begin_genl();
	struct nl_mptcp_event e = { .token = 7 };
	uint8_t b[16];

	((struct genlmsghdr *)mnl_nlmsg_get_payload(nlh))->cmd = MPTCP_EVENT_ESTABLISHED;
	CU_ASSERT_EQUAL(nl_parse_mptcp_event(nlh, &e), -EINVAL); /* of no connection */
	CU_ASSERT_EQUAL(e.token, 7);
	mnl_attr_put_u32(nlh, MPTCP_ATTR_TOKEN, 0xdd4c3ebd);
	CU_ASSERT_EQUAL(nl_parse_mptcp_event(nlh, &e), 0);
	CU_ASSERT(e.token == 0xdd4c3ebd && !e.server && !e.remote_port);
	put_address(nlh, MPTCP_ATTR_SADDR6, "2001:db8::1");
	put_address(nlh, MPTCP_ATTR_DADDR6, "2001:db8::2");
	mnl_attr_put_u16(nlh, MPTCP_ATTR_DPORT, htons(443)); /* in network order, other than elsewhere */
	mnl_attr_put_u8(nlh, MPTCP_ATTR_SERVER_SIDE, 1);
	CU_ASSERT_EQUAL(nl_parse_mptcp_event(nlh, &e), 0);
	CU_ASSERT(e.type == MPTCP_EVENT_ESTABLISHED && e.server && e.remote_port == 443);
	bytes("2001:db8::1", AF_INET6, b);
	CU_ASSERT_EQUAL(memcmp(e.local.b, b, 16), 0);
	bytes("2001:db8::2", AF_INET6, b);
	CU_ASSERT_EQUAL(memcmp(e.remote.b, b, 16), 0);
	put_address(nlh, MPTCP_ATTR_DADDR4, "192.0.2.1"); /* a second one */
	CU_ASSERT_EQUAL(nl_parse_mptcp_event(nlh, &e), -EINVAL);
}

/* One that is announced comes without its family. */
static void mptcp_announced(void)
{
	struct nlmsghdr *nlh = begin_genl();
	struct nl_mptcp_event e;
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };

	((struct genlmsghdr *)mnl_nlmsg_get_payload(nlh))->cmd = MPTCP_EVENT_ANNOUNCED;
	mnl_attr_put_u32(nlh, MPTCP_ATTR_TOKEN, 1);
	put_address(nlh, MPTCP_ATTR_DADDR4, "192.0.2.1");
	CU_ASSERT_EQUAL(nl_parse_mptcp_event(nlh, &e), 0);
	CU_ASSERT(e.type == MPTCP_EVENT_ANNOUNCED && !memcmp(e.remote.b, mapped, 16));
}

static struct nlmsghdr *begin_socket(uint8_t family)
{
	struct nlmsghdr *nlh = begin(20);
	struct inet_diag_msg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));

	m->idiag_family = family;
	m->id.idiag_sport = htons(4000);
	m->id.idiag_dport = htons(8803);
	m->id.idiag_dst[0] = htonl(0xc0000201);
	return nlh;
}

static void put_ulp(struct nlmsghdr *nlh, uint32_t flags, bool whole)
{
	struct nlattr *ulp = mnl_attr_nest_start(nlh, INET_DIAG_ULP_INFO), *mptcp;

	mptcp = mnl_attr_nest_start(nlh, INET_ULP_INFO_MPTCP);
	mnl_attr_put_u32(nlh, MPTCP_SUBFLOW_ATTR_TOKEN_LOC, 99);
	mnl_attr_put_u32(nlh, MPTCP_SUBFLOW_ATTR_FLAGS, flags);
	if (whole)
		mnl_attr_put_u8(nlh, MPTCP_SUBFLOW_ATTR_ID_LOC, 104);
	mnl_attr_nest_end(nlh, mptcp);
	mnl_attr_nest_end(nlh, ulp);
}

static void subflow(void)
{
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	struct nlmsghdr *nlh = begin_socket(AF_INET);
	struct nl_subflow s;

	CU_ASSERT_EQUAL(nl_parse_subflow(nlh, &s), 0);
	CU_ASSERT_EQUAL(s.token, 0); /* plain TCP */
	put_ulp(nlh, MPTCP_SUBFLOW_FLAG_JOIN_LOC | MPTCP_SUBFLOW_FLAG_CONNECTED, true);
	CU_ASSERT_EQUAL(nl_parse_subflow(nlh, &s), 0);
	CU_ASSERT(s.token == 99 && s.local_id == 104 && s.local_port == 4000 && s.remote_port == 8803);
	CU_ASSERT(s.opener && s.join && s.connected);
	CU_ASSERT_EQUAL(memcmp(s.remote.b, mapped, 16), 0);
	nlh = begin_socket(AF_INET6);
	put_ulp(nlh, MPTCP_SUBFLOW_FLAG_MCAP_REM, true);
	CU_ASSERT_EQUAL(nl_parse_subflow(nlh, &s), 0);
	CU_ASSERT(!s.opener && !s.join && !s.connected);
	put_ulp(nlh, 0, false);
	CU_ASSERT_EQUAL(nl_parse_subflow(nlh, &s), -EINVAL);
	CU_ASSERT_EQUAL(nl_parse_subflow(begin_socket(AF_UNIX), &s), -EINVAL);
}

static void put_group(struct nlmsghdr *nlh, const char *name, uint32_t id)
{
	struct nlattr *one = mnl_attr_nest_start(nlh, 1);

	mnl_attr_put_strz(nlh, CTRL_ATTR_MCAST_GRP_NAME, name);
	mnl_attr_put_u32(nlh, CTRL_ATTR_MCAST_GRP_ID, id);
	mnl_attr_nest_end(nlh, one);
}

static void group(void)
{
	struct nlmsghdr *nlh = begin_genl();
	struct nlattr *groups;
	uint32_t id = 0;

	CU_ASSERT_EQUAL(nl_parse_genl_group(nlh, "b", &id), -EINVAL);
	groups = mnl_attr_nest_start(nlh, CTRL_ATTR_MCAST_GROUPS);
	put_group(nlh, "a", 5);
	put_group(nlh, "b", 6);
	mnl_attr_nest_end(nlh, groups);
	CU_ASSERT_EQUAL(nl_parse_genl_group(nlh, "b", &id), 0);
	CU_ASSERT_EQUAL(id, 6);
	CU_ASSERT_EQUAL(nl_parse_genl_group(nlh, "c", &id), -EINVAL);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "the length of a message", message_length },
		{ "what the path manager tells", mptcp_event },
		{ "announced addresses", mptcp_announced },
		{ "sockets that are subflows", subflow },
		{ "multicast groups", group },
		{ "state and kind of a link", link_state },
		{ "links that are refused", link_refused },
		{ "what kind a link is, and of what it is a member", link_kind },
		{ "an address", address_fields },
		{ "addresses unfit to be a source", address_unfit },
		{ "addresses that are refused", address_refused },
		{ "a route", route_fields },
		{ "an IPv4 route through an IPv6 gateway", route_ipv4_via_ipv6 },
		{ "a multipath route", route_multipath },
		{ "routes that are not copied", route_not_ours_to_copy },
		{ "a rule", rule_fields },
		{ "an endpoint", endpoint_fields },
		{ "endpoints that are refused", endpoint_refused },
		{ "limits and family number", limits_and_family },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("netlink", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
