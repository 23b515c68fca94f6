// SPDX-License-Identifier: GPL-2.0-or-later
/* What the MPTCP path manager and sock_diag tell, to structures. */
#include <arpa/inet.h>
#include <errno.h>
#include <lib/nl_parse.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cunit.h"
#include "nl_script.h"

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

/* As of this kernel, and as of one that tells less, and of one that tells more. */
static void tcp_info(void)
{
	const struct tcp_info info = { .tcpi_last_ack_recv = 7,
				       .tcpi_probes = 2,
				       .tcpi_segs_out = 11,
				       .tcpi_retransmits = 1,
				       .tcpi_rtt = 20000,
				       .tcpi_min_rtt = UINT32_MAX,
				       .tcpi_total_retrans = 3,
				       .tcpi_bytes_acked = 5000000000ULL,
				       .tcpi_data_segs_out = 9 };
	uint8_t longer[sizeof(info) + 40] = { 0 };
	struct nlmsghdr *nlh = begin_socket(AF_INET);
	struct nl_subflow s;

	mnl_attr_put(nlh, INET_DIAG_INFO, sizeof(info), &info);
	CU_ASSERT_EQUAL(nl_parse_subflow(nlh, &s), 0);
	CU_ASSERT(s.unanswered == 2 && s.packets == 11);
	CU_ASSERT(s.quiet_ms == 7 && s.tcp.rtt_us == 20000 && s.tcp.min_rtt_us == 0 && s.tcp.retrans == 3);
	CU_ASSERT(s.tcp.acked == 5000000000ULL && s.tcp.segs_out == 9);
	nlh = begin_socket(AF_INET);
	mnl_attr_put(nlh, INET_DIAG_INFO, offsetof(struct tcp_info, tcpi_pacing_rate), &info);
	CU_ASSERT_EQUAL(nl_parse_subflow(nlh, &s), 0);
	CU_ASSERT(s.tcp.rtt_us == 20000 && s.tcp.acked == 0);
	memcpy(longer, &info, sizeof(info));
	nlh = begin_socket(AF_INET);
	mnl_attr_put(nlh, INET_DIAG_INFO, sizeof(longer), longer);
	CU_ASSERT_EQUAL(nl_parse_subflow(nlh, &s), 0);
	CU_ASSERT_EQUAL(s.tcp.acked, 5000000000ULL);
	nlh = begin_socket(AF_INET);
	mnl_attr_put(nlh, INET_DIAG_INFO, 8, &info);
	CU_ASSERT_EQUAL(nl_parse_subflow(nlh, &s), -EINVAL);
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
		{ "what the path manager tells", mptcp_event },
		{ "announced addresses", mptcp_announced },
		{ "sockets that are subflows", subflow },
		{ "how a socket fares", tcp_info },
		{ "multicast groups", group },
		{ "an endpoint", endpoint_fields },
		{ "endpoints that are refused", endpoint_refused },
		{ "limits and family number", limits_and_family },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("netlink messages of MPTCP", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
