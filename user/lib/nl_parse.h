/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Netlink messages to structures, attribute by attribute: every length is
 * checked before a value is read. Pure: no sockets. All functions return 0 or
 * -EINVAL and leave the output untouched on failure; the message header must
 * have passed nl_message_ok().
 *
 * Families are AF_INET and AF_INET6. nl_route and nl_rule have no padding and
 * unused bytes are zero, so that equal ones are equal as bytes.
 */
#ifndef LIB_NL_PARSE_H
#define LIB_NL_PARSE_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>

#include <mpgate/abi.h>

#define NL_NAME 16 /* bytes of an interface name, NUL included */
#define NL_ROUTE_HOPS 16 /* next hops of one route that are looked at */

/*
 * Whether a whole message lies in the left bytes at nlh. mnl_nlmsg_ok() takes a length above INT_MAX for a negative
 * one, and accepts it.
 */
bool nl_message_ok(const struct nlmsghdr *nlh, int left);

struct nl_link {
	unsigned ifindex;
	char name[NL_NAME];
	bool up; /* administratively up, with carrier */
	bool l3; /* no Ethernet header */
	uint32_t downs; /* how often the carrier was lost so far, 0: the kernel does not tell */
	unsigned master, parent; /* ifindex; 0: none. The parent may be of another namespace */
	char kind[NL_NAME], member_kind[NL_NAME]; /* what it is, and of what it is a member; empty: not told */
};
int nl_parse_link(const struct nlmsghdr *nlh, struct nl_link *out);

/* How fit an address is to be a source, best first. */
enum nl_fitness {
	NL_PREFERRED,
	NL_TEMPORARY, /* of IPv6; of IPv4 one beside another of its net: both have one flag */
	NL_DEPRECATED,
	NL_UNFIT, /* tentative, or somebody else has it */
};

struct nl_address {
	unsigned ifindex;
	int family;
	uint8_t len; /* bits of its net */
	bool global; /* of global scope */
	enum nl_fitness fitness;
	struct mpgate_addr addr;
};
int nl_parse_address(const struct nlmsghdr *nlh, struct nl_address *out);

#define NL_ROUTE_METRICS (RTAX_FASTOPEN_NO_COOKIE + 1)

struct nl_route {
	uint32_t table;
	uint32_t priority;
	uint32_t oif;
	uint32_t flags; /* RTNH_F_ONLINK or none */
	uint8_t family;
	uint8_t dst_len;
	uint8_t tos;
	uint8_t type; /* RTN_* */
	uint8_t scope;
	uint8_t protocol;
	uint8_t via_family; /* 0: no gateway */
	uint8_t zero;
	uint8_t dst[16];
	uint8_t via[16];
	uint8_t prefsrc[16];
	uint32_t metrics[NL_ROUTE_METRICS]; /* by RTAX_*, of those that are numbers; 0: not set */
};
/*
 * One entry for each next hop. Returns their number (at most NL_ROUTE_HOPS, the rest is dropped) or -EINVAL; 0 for
 * cached and encapsulated routes, which cannot be told by these fields alone.
 */
int nl_parse_route(const struct nlmsghdr *nlh, struct nl_route out[NL_ROUTE_HOPS]);

/* The answer to RTM_GETROUTE with RTM_F_LOOKUP_TABLE: where one packet would go. */
struct nl_way {
	uint32_t table, oif; /* 0: none */
	uint8_t type; /* RTN_* */
};
int nl_parse_way(const struct nlmsghdr *nlh, struct nl_way *out);

struct nl_rule {
	uint32_t priority;
	uint32_t table;
	uint32_t mark;
	uint32_t mask;
	int32_t suppress; /* FRA_SUPPRESS_PREFIXLEN, -1: none */
	uint8_t family;
	uint8_t src_len;
	uint8_t action; /* FR_ACT_* */
	uint8_t protocol;
	uint8_t src[16];
	char iif[NL_NAME];
};
int nl_parse_rule(const struct nlmsghdr *nlh, struct nl_rule *out);

struct nl_endpoint {
	struct mpgate_addr addr;
	uint32_t flags; /* MPTCP_PM_ADDR_FLAG_* */
	unsigned ifindex; /* 0: any */
	uint16_t port; /* where joins to it are taken; 0: at that of the connection */
	uint8_t id;
};
int nl_parse_endpoint(const struct nlmsghdr *nlh, struct nl_endpoint *out);

struct nl_limits {
	uint32_t add_addrs; /* accepted ADD_ADDRs of a connection */
	uint32_t subflows; /* more than the first */
};
int nl_parse_limits(const struct nlmsghdr *nlh, struct nl_limits *out);

/* What the path manager tells of an MPTCP connection (linux/mptcp.h, enum mptcp_event_type). */
struct nl_mptcp_event {
	uint8_t type;
	bool server; /* we have accepted the connection */
	bool deny_first; /* the other side takes no joins at the address of the first subflow (Linux 6.17 tells) */
	uint32_t token; /* its name here */
	struct mpgate_addr local, remote; /* zero where it has none */
	uint16_t remote_port; /* host order; 0: none */
};
int nl_parse_mptcp_event(const struct nlmsghdr *nlh, struct nl_mptcp_event *out);

/* How a TCP connection fares (struct tcp_info); what an older kernel does not tell is 0. */
struct nl_tcp {
	uint64_t acked, received; /* bytes */
	uint32_t segs_out, retrans, segs_in; /* with data; retrans of segs_out */
	uint32_t out_of_order; /* of segs_in */
	uint32_t rtt_us, min_rtt_us; /* of what we send; smoothed, and the least lately */
	uint32_t rcv_rtt_us; /* of what we are sent */
	uint64_t busy_us; /* so long something was under way */
};

/* A TCP socket that is a subflow, as sock_diag tells it (struct inet_diag_msg). */
struct nl_subflow {
	uint64_t cookie; /* of the socket: no other ever has it */
	unsigned ifindex; /* it is bound to that, 0: to none */
	uint32_t token; /* of its connection; 0: it is no subflow */
	struct mpgate_addr local, remote;
	uint16_t local_port, remote_port; /* host order */
	uint8_t local_id;
	bool opener; /* of this side */
	bool join; /* not the first one */
	bool connected; /* its handshake is over */
	bool backup; /* as we have asked for */
	/* With INET_DIAG_INFO: */
	uint32_t quiet_ms; /* since the other side has acknowledged something */
	uint32_t packets; /* that were sent, of all kinds */
	uint32_t unanswered; /* times in a row the same was said: what is under way, or keep-alives */
	struct nl_tcp tcp;
};
int nl_parse_subflow(const struct nlmsghdr *nlh, struct nl_subflow *out);

/* A multicast group of the family in the answer to CTRL_CMD_GETFAMILY, by name. */
int nl_parse_genl_group(const struct nlmsghdr *nlh, const char *name, uint32_t *id);
/* The answer to CTRL_CMD_GETFAMILY: the number of a generic netlink family. */
int nl_parse_genl_family(const struct nlmsghdr *nlh, uint16_t *id);

#endif
