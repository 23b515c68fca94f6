// SPDX-License-Identifier: GPL-2.0-or-later
/* What the MPTCP path manager and sock_diag tell of endpoints, connections and subflows. */
#include <errno.h>
#include <lib/nl_attrs.h>
#include <linux/genetlink.h>
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#define INFO_MIN (offsetof(struct tcp_info, tcpi_last_ack_recv) + 4)
#define FLAG_DENY_JOIN_ID0 1 /* MPTCP_PM_EV_FLAG_DENY_JOIN_ID0, which older headers do not have */

int nl_parse_endpoint(const struct nlmsghdr *nlh, struct nl_endpoint *out)
{
	enum { FAMILY, ID, ADDR4, ADDR6, FLAGS, IFINDEX, PORT, COUNT };
	static const struct nl_want nest_want[1] = { { MPTCP_PM_ATTR_ADDR, 0, UINT16_MAX } };
	static const struct nl_want wants[COUNT] = {
		[FAMILY] = { MPTCP_PM_ADDR_ATTR_FAMILY, 2, 2 }, [ID] = { MPTCP_PM_ADDR_ATTR_ID, 1, 1 },
		[ADDR4] = { MPTCP_PM_ADDR_ATTR_ADDR4, 4, 4 },	[ADDR6] = { MPTCP_PM_ADDR_ATTR_ADDR6, 16, 16 },
		[FLAGS] = { MPTCP_PM_ADDR_ATTR_FLAGS, 4, 4 },	[IFINDEX] = { MPTCP_PM_ADDR_ATTR_IF_IDX, 4, 4 },
		[PORT] = { MPTCP_PM_ADDR_ATTR_PORT, 2, 2 },
	};
	const struct nlattr *nest[1], *found[COUNT], *addr;
	struct nl_endpoint e = { 0 };
	int family;

	if (nl_collect_message(nlh, sizeof(struct genlmsghdr), nest_want, 1, nest) < 0 || !nest[0] ||
	    nl_collect(mnl_attr_get_payload(nest[0]), mnl_attr_get_payload_len(nest[0]), wants, COUNT, found) < 0 ||
	    !found[FAMILY] || !found[ID])
		return -EINVAL;
	family = mnl_attr_get_u16(found[FAMILY]);
	addr = family == AF_INET ? found[ADDR4] : family == AF_INET6 ? found[ADDR6] : NULL;
	if (!addr)
		return -EINVAL;
	nl_map_address(family, mnl_attr_get_payload(addr), &e.addr);
	e.id = mnl_attr_get_u8(found[ID]);
	e.flags = nl_get_u32(found[FLAGS], 0);
	e.ifindex = nl_get_u32(found[IFINDEX], 0);
	e.port = found[PORT] ? mnl_attr_get_u16(found[PORT]) : 0;
	*out = e;
	return 0;
}

int nl_parse_limits(const struct nlmsghdr *nlh, struct nl_limits *out)
{
	enum { ADD_ADDRS, SUBFLOWS, COUNT };
	static const struct nl_want wants[COUNT] = {
		[ADD_ADDRS] = { MPTCP_PM_ATTR_RCV_ADD_ADDRS, 4, 4 },
		[SUBFLOWS] = { MPTCP_PM_ATTR_SUBFLOWS, 4, 4 },
	};
	const struct nlattr *found[COUNT];

	if (nl_collect_message(nlh, sizeof(struct genlmsghdr), wants, COUNT, found) < 0 || !found[ADD_ADDRS] ||
	    !found[SUBFLOWS])
		return -EINVAL;
	out->add_addrs = mnl_attr_get_u32(found[ADD_ADDRS]);
	out->subflows = mnl_attr_get_u32(found[SUBFLOWS]);
	return 0;
}

int nl_parse_genl_family(const struct nlmsghdr *nlh, uint16_t *id)
{
	static const struct nl_want wants[1] = { { CTRL_ATTR_FAMILY_ID, 2, 2 } };
	const struct nlattr *found[1];

	if (nl_collect_message(nlh, sizeof(struct genlmsghdr), wants, 1, found) < 0 || !found[0])
		return -EINVAL;
	*id = mnl_attr_get_u16(found[0]);
	return 0;
}

/* Not every event that has an address says its family. False: it has two. */
static bool get_event_address(const struct nlattr *v4, const struct nlattr *v6, struct mpgate_addr *out)
{
	if (v4)
		nl_map_address(AF_INET, mnl_attr_get_payload(v4), out);
	else if (v6)
		nl_map_address(AF_INET6, mnl_attr_get_payload(v6), out);
	return !v4 || !v6;
}

int nl_parse_mptcp_event(const struct nlmsghdr *nlh, struct nl_mptcp_event *out)
{
	enum { TOKEN, SADDR4, SADDR6, DADDR4, DADDR6, DPORT, SERVER, FLAGS, COUNT };
	static const struct nl_want wants[COUNT] = {
		[TOKEN] = { MPTCP_ATTR_TOKEN, 4, 4 },	     [SADDR4] = { MPTCP_ATTR_SADDR4, 4, 4 },
		[SADDR6] = { MPTCP_ATTR_SADDR6, 16, 16 },    [DADDR4] = { MPTCP_ATTR_DADDR4, 4, 4 },
		[DADDR6] = { MPTCP_ATTR_DADDR6, 16, 16 },    [DPORT] = { MPTCP_ATTR_DPORT, 2, 2 },
		[SERVER] = { MPTCP_ATTR_SERVER_SIDE, 1, 1 }, [FLAGS] = { MPTCP_ATTR_FLAGS, 2, 2 },
	};
	const struct nlattr *found[COUNT];
	struct nl_mptcp_event e = { 0 };

	if (nl_collect_message(nlh, sizeof(struct genlmsghdr), wants, COUNT, found) < 0 || !found[TOKEN] ||
	    !get_event_address(found[SADDR4], found[SADDR6], &e.local) ||
	    !get_event_address(found[DADDR4], found[DADDR6], &e.remote))
		return -EINVAL;
	e.type = ((const struct genlmsghdr *)mnl_nlmsg_get_payload(nlh))->cmd;
	e.token = mnl_attr_get_u32(found[TOKEN]);
	e.server = found[SERVER] && mnl_attr_get_u8(found[SERVER]);
	e.deny_first = found[FLAGS] && (mnl_attr_get_u16(found[FLAGS]) & FLAG_DENY_JOIN_ID0);
	e.remote_port = found[DPORT] ? ntohs(mnl_attr_get_u16(found[DPORT])) : 0;
	*out = e;
	return 0;
}

/* INET_DIAG_ULP_INFO -> INET_ULP_INFO_MPTCP -> MPTCP_SUBFLOW_ATTR_*. */
static int get_subflow(const struct nlattr *ulp, struct nl_subflow *s)
{
	enum { TOKEN, FLAGS, ID, COUNT };
	static const struct nl_want mptcp_want[1] = { { INET_ULP_INFO_MPTCP, 0, UINT16_MAX } };
	static const struct nl_want wants[COUNT] = { [TOKEN] = { MPTCP_SUBFLOW_ATTR_TOKEN_LOC, 4, 4 },
						     [FLAGS] = { MPTCP_SUBFLOW_ATTR_FLAGS, 4, 4 },
						     [ID] = { MPTCP_SUBFLOW_ATTR_ID_LOC, 1, 1 } };
	const struct nlattr *mptcp[1], *found[COUNT];
	uint32_t flags;

	if (nl_collect(mnl_attr_get_payload(ulp), mnl_attr_get_payload_len(ulp), mptcp_want, 1, mptcp) < 0)
		return -EINVAL;
	if (!mptcp[0])
		return 0;
	if (nl_collect(mnl_attr_get_payload(mptcp[0]), mnl_attr_get_payload_len(mptcp[0]), wants, COUNT, found) < 0 ||
	    !found[TOKEN] || !found[FLAGS] || !found[ID])
		return -EINVAL;
	flags = mnl_attr_get_u32(found[FLAGS]);
	s->token = mnl_attr_get_u32(found[TOKEN]);
	s->local_id = mnl_attr_get_u8(found[ID]);
	s->opener = flags & (MPTCP_SUBFLOW_FLAG_MCAP_LOC | MPTCP_SUBFLOW_FLAG_JOIN_LOC);
	s->join = flags & (MPTCP_SUBFLOW_FLAG_JOIN_REM | MPTCP_SUBFLOW_FLAG_JOIN_LOC);
	s->backup = flags & MPTCP_SUBFLOW_FLAG_BKUP_LOC;
	s->connected = flags & MPTCP_SUBFLOW_FLAG_CONNECTED;
	return 0;
}

static void get_tcp(const struct nlattr *attr, struct nl_subflow *s)
{
	size_t len = mnl_attr_get_payload_len(attr);
	struct tcp_info i = { 0 };

	memcpy(&i, mnl_attr_get_payload(attr), len < sizeof(i) ? len : sizeof(i));
	s->quiet_ms = i.tcpi_last_ack_recv;
	s->packets = i.tcpi_segs_out;
	s->unanswered = i.tcpi_probes > i.tcpi_retransmits ? i.tcpi_probes : i.tcpi_retransmits;
	s->tcp = (struct nl_tcp){
		.acked = i.tcpi_bytes_acked,
		.received = i.tcpi_bytes_received,
		.segs_out = i.tcpi_data_segs_out,
		.retrans = i.tcpi_total_retrans,
		.segs_in = i.tcpi_data_segs_in,
		.out_of_order = i.tcpi_rcv_ooopack,
		.rtt_us = i.tcpi_rtt,
		.min_rtt_us = i.tcpi_min_rtt == UINT32_MAX ? 0 : i.tcpi_min_rtt,
		.rcv_rtt_us = i.tcpi_rcv_rtt,
		.busy_us = i.tcpi_busy_time,
	};
}

int nl_parse_subflow(const struct nlmsghdr *nlh, struct nl_subflow *out)
{
	enum { ULP, INFO, COUNT };
	static const struct nl_want wants[COUNT] = {
		[ULP] = { INET_DIAG_ULP_INFO, 0, UINT16_MAX }, [INFO] = { INET_DIAG_INFO, INFO_MIN, UINT16_MAX }
	};
	const struct nlattr *found[COUNT];
	struct inet_diag_msg m;
	struct nl_subflow s = { 0 };

	if (nl_collect_message(nlh, sizeof(m), wants, COUNT, found) < 0)
		return -EINVAL;
	memcpy(&m, mnl_nlmsg_get_payload(nlh), sizeof(m));
	if (!nl_family_bytes(m.idiag_family) || (found[ULP] && get_subflow(found[ULP], &s) < 0))
		return -EINVAL;
	nl_map_address(m.idiag_family, (const uint8_t *)m.id.idiag_src, &s.local);
	nl_map_address(m.idiag_family, (const uint8_t *)m.id.idiag_dst, &s.remote);
	if (found[INFO])
		get_tcp(found[INFO], &s);
	s.ifindex = m.id.idiag_if;
	s.cookie = (uint64_t)m.id.idiag_cookie[1] << 32 | m.id.idiag_cookie[0];
	s.local_port = ntohs(m.id.idiag_sport);
	s.remote_port = ntohs(m.id.idiag_dport);
	*out = s;
	return 0;
}

int nl_parse_genl_group(const struct nlmsghdr *nlh, const char *name, uint32_t *id)
{
	enum { NAME, ID, COUNT };
	static const struct nl_want groups_want[1] = { { CTRL_ATTR_MCAST_GROUPS, 0, UINT16_MAX } };
	static const struct nl_want wants[COUNT] = {
		[NAME] = { CTRL_ATTR_MCAST_GRP_NAME, 1, GENL_NAMSIZ }, [ID] = { CTRL_ATTR_MCAST_GRP_ID, 4, 4 }
	};
	const struct nlattr *groups[1], *found[COUNT], *g;

	if (nl_collect_message(nlh, sizeof(struct genlmsghdr), groups_want, 1, groups) < 0 || !groups[0])
		return -EINVAL;
	mnl_attr_for_each_nested(g, groups[0])
	{
		if (nl_collect(mnl_attr_get_payload(g), mnl_attr_get_payload_len(g), wants, COUNT, found) < 0 ||
		    !found[NAME] || !found[ID] || mnl_attr_validate(found[NAME], MNL_TYPE_NUL_STRING) < 0)
			return -EINVAL;
		if (!strcmp(mnl_attr_get_str(found[NAME]), name)) {
			*id = mnl_attr_get_u32(found[ID]);
			return 0;
		}
	}
	return -EINVAL;
}
