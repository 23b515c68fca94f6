// SPDX-License-Identifier: GPL-2.0-or-later
/* Netlink messages to structures: what is taken from them, and that a length that does not fit is refused. */
#include <arpa/inet.h>
#include <errno.h>
#include <lib/nl_parse.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdlib.h>
#include <string.h>

#include "cunit.h"
#include "nl_script.h"

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
	CU_ASSERT(a.global && a.fitness == NL_PREFERRED);
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
	static const struct {
		uint32_t flags;
		enum nl_fitness fitness;
	} cases[] = { { IFA_F_TENTATIVE, NL_UNFIT },
		      { IFA_F_DADFAILED | IFA_F_PERMANENT, NL_UNFIT },
		      { IFA_F_TEMPORARY, NL_TEMPORARY },
		      { IFA_F_DEPRECATED, NL_DEPRECATED },
		      { IFA_F_DEPRECATED | IFA_F_TEMPORARY, NL_DEPRECATED },
		      { IFA_F_DEPRECATED | IFA_F_TENTATIVE, NL_UNFIT } };
	struct nl_address a;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nlmsghdr *nlh = make_address(AF_INET6, RT_SCOPE_UNIVERSE, 0);

		put_address(nlh, IFA_ADDRESS, "2001:db8::1");
		mnl_attr_put_u32(nlh, IFA_FLAGS, cases[i].flags); /* counts, not the 8 bits of the header */
		CU_ASSERT_EQUAL(nl_parse_address(nlh, &a), 0);
		CU_ASSERT_EQUAL(a.fitness, cases[i].fitness);
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
	mnl_attr_put_strz(nlh, RTAX_CC_ALGO, "bbr");
	mnl_attr_put_u32(nlh, RTAX_INITCWND, 2);
	mnl_attr_nest_end(nlh, metrics);
	CU_ASSERT_EQUAL(nl_parse_route(nlh, r), 1);
	CU_ASSERT_EQUAL(r[0].table, 7003);
	CU_ASSERT_EQUAL(r[0].oif, 9);
	CU_ASSERT_EQUAL(r[0].priority, 1024);
	CU_ASSERT_EQUAL(r[0].metrics[RTAX_MTU], 1400);
	CU_ASSERT_EQUAL(r[0].metrics[RTAX_INITCWND], 2);
	CU_ASSERT_EQUAL(r[0].metrics[RTAX_CC_ALGO], 0);
	CU_ASSERT_EQUAL(r[0].flags, RTNH_F_ONLINK);
	CU_ASSERT_EQUAL(r[0].dst_len, 48);
	CU_ASSERT_EQUAL(r[0].via_family, AF_INET6);
	bytes("fe80::1", AF_INET6, b);
	CU_ASSERT_EQUAL(memcmp(r[0].via, b, 16), 0);
	bytes("2001:db8::2", AF_INET6, b);
	CU_ASSERT_EQUAL(memcmp(r[0].prefsrc, b, 16), 0);
}

static void route_way(void)
{
	struct nl_way w;
	struct nlmsghdr *nlh = make_route(AF_INET, 32, RTM_F_CLONED);

	CU_ASSERT_EQUAL(nl_parse_way(nlh, &w), 0);
	CU_ASSERT(w.table == 7003 && !w.oif && w.type == RTN_UNICAST);
	mnl_attr_put_u32(nlh, RTA_OIF, 9);
	CU_ASSERT_EQUAL(nl_parse_way(nlh, &w), 0);
	CU_ASSERT_EQUAL(w.oif, 9);
	mnl_attr_put_u8(nlh, RTA_TABLE, 1);
	CU_ASSERT_EQUAL(nl_parse_way(nlh, &w), -EINVAL);
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

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "the length of a message", message_length },
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
		{ "where a packet would go", route_way },
		{ "a rule", rule_fields },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("netlink", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
