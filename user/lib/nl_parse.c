// SPDX-License-Identifier: GPL-2.0-or-later
#include <lib/nl_attrs.h>

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#define OPERSTATE_UNKNOWN 0 /* RFC 2863 states, as in linux/if.h, which does not go with net/if.h */
#define OPERSTATE_UP 6

int nl_collect(const void *attrs, size_t len, const struct nl_want *wants, unsigned n, const struct nlattr **found)
{
	const struct nlattr *attr;

	memset(found, 0, n * sizeof(*found));
	mnl_attr_for_each_payload(attrs, len)
	{
		for (unsigned i = 0; i < n; i++) {
			uint16_t size = mnl_attr_get_payload_len(attr);

			if (mnl_attr_get_type(attr) != wants[i].type)
				continue;
			if (size < wants[i].min || size > wants[i].max)
				return -EINVAL;
			found[i] = attr;
		}
	}
	return 0;
}

int nl_collect_message(const struct nlmsghdr *nlh, size_t size, const struct nl_want *wants, unsigned n,
		       const struct nlattr **found)
{
	size_t aligned = MNL_ALIGN(size), len = mnl_nlmsg_get_payload_len(nlh);

	if (len < size)
		return -EINVAL;
	if (len < aligned)
		len = aligned;
	return nl_collect(mnl_nlmsg_get_payload_offset(nlh, size), len - aligned, wants, n, found);
}

bool nl_message_ok(const struct nlmsghdr *nlh, int left)
{
	return mnl_nlmsg_ok(nlh, left) && nlh->nlmsg_len <= (unsigned)left;
}

unsigned nl_family_bytes(int family)
{
	return family == AF_INET ? 4 : family == AF_INET6 ? 16 : 0;
}

/* Copies an address attribute of this family; an absent one leaves out as it is. */
static int get_address(const struct nlattr *attr, int family, uint8_t out[16])
{
	if (!attr)
		return 0;
	if (!nl_family_bytes(family) || mnl_attr_get_payload_len(attr) != nl_family_bytes(family))
		return -EINVAL;
	memcpy(out, mnl_attr_get_payload(attr), nl_family_bytes(family));
	return 0;
}

void nl_map_address(int family, const uint8_t *bytes, struct mpgate_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (family == AF_INET6) {
		memcpy(out->b, bytes, sizeof(out->b));
		return;
	}
	out->b[10] = out->b[11] = 0xff;
	memcpy(out->b + 12, bytes, 4);
}

uint32_t nl_get_u32(const struct nlattr *attr, uint32_t fallback)
{
	return attr ? mnl_attr_get_u32(attr) : fallback;
}

static int get_name(const struct nlattr *attr, char out[NL_NAME])
{
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0)
		return -EINVAL;
	strncpy(out, mnl_attr_get_str(attr), NL_NAME - 1);
	return 0;
}

/* A name that is cut where it is too long. */
static void get_kind(const struct nlattr *attr, char out[NL_NAME])
{
	if (attr && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		snprintf(out, NL_NAME, "%s", mnl_attr_get_str(attr));
}

static void get_link_info(const struct nlattr *info, struct nl_link *l)
{
	enum { KIND, MEMBER, COUNT };
	static const struct nl_want wants[COUNT] = {
		[KIND] = { IFLA_INFO_KIND, 1, UINT16_MAX },
		[MEMBER] = { IFLA_INFO_SLAVE_KIND, 1, UINT16_MAX },
	};
	const struct nlattr *found[COUNT];

	if (!info || nl_collect(mnl_attr_get_payload(info), mnl_attr_get_payload_len(info), wants, COUNT, found) < 0)
		return;
	get_kind(found[KIND], l->kind);
	get_kind(found[MEMBER], l->member_kind);
}

int nl_parse_link(const struct nlmsghdr *nlh, struct nl_link *out)
{
	enum { NAME, STATE, DOWNS, MASTER, PARENT, INFO, COUNT };
	static const struct nl_want wants[COUNT] = {
		[NAME] = { IFLA_IFNAME, 2, NL_NAME },
		[STATE] = { IFLA_OPERSTATE, 1, 1 },
		[DOWNS] = { IFLA_CARRIER_DOWN_COUNT, 4, 4 },
		[MASTER] = { IFLA_MASTER, 4, 4 },
		[PARENT] = { IFLA_LINK, 4, 4 },
		[INFO] = { IFLA_LINKINFO, 0, UINT16_MAX },
	};
	const struct nlattr *found[COUNT];
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	struct nl_link l = { 0 };
	uint8_t state;

	if (nl_collect_message(nlh, sizeof(*ifi), wants, COUNT, found) < 0 || !found[NAME] || ifi->ifi_index <= 0)
		return -EINVAL;
	if (get_name(found[NAME], l.name) < 0)
		return -EINVAL;
	state = found[STATE] ? mnl_attr_get_u8(found[STATE]) : OPERSTATE_UNKNOWN;
	l.ifindex = (unsigned)ifi->ifi_index;
	l.up = (ifi->ifi_flags & IFF_UP) && (state == OPERSTATE_UP || state == OPERSTATE_UNKNOWN);
	l.downs = nl_get_u32(found[DOWNS], 0);
	l.l3 = ifi->ifi_type != ARPHRD_ETHER && ifi->ifi_type != ARPHRD_LOOPBACK;
	l.master = nl_get_u32(found[MASTER], 0);
	l.parent = nl_get_u32(found[PARENT], 0);
	get_link_info(found[INFO], &l);
	*out = l;
	return 0;
}

static enum nl_fitness fitness_of(uint32_t flags)
{
	if (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED))
		return NL_UNFIT;
	if (flags & IFA_F_DEPRECATED)
		return NL_DEPRECATED;
	/* IFA_F_SECONDARY of IPv4 is the same bit. */
	return flags & IFA_F_TEMPORARY ? NL_TEMPORARY : NL_PREFERRED;
}

int nl_parse_address(const struct nlmsghdr *nlh, struct nl_address *out)
{
	/* On a point-to-point link IFA_ADDRESS is the other side; IFA_LOCAL, where present, is always ours. */
	enum { ADDRESS, LOCAL, FLAGS, COUNT };
	static const struct nl_want wants[COUNT] = {
		[ADDRESS] = { IFA_ADDRESS, 4, 16 },
		[LOCAL] = { IFA_LOCAL, 4, 16 },
		[FLAGS] = { IFA_FLAGS, 4, 4 },
	};
	const struct nlattr *found[COUNT], *own;
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	struct nl_address a = { 0 };
	uint8_t bytes[16];

	if (nl_collect_message(nlh, sizeof(*ifa), wants, COUNT, found) < 0)
		return -EINVAL;
	own = found[LOCAL] ? found[LOCAL] : found[ADDRESS];
	if (!own || !ifa->ifa_index || get_address(own, ifa->ifa_family, bytes) < 0)
		return -EINVAL;
	a.ifindex = ifa->ifa_index;
	a.family = ifa->ifa_family;
	a.len = ifa->ifa_prefixlen;
	a.global = ifa->ifa_scope == RT_SCOPE_UNIVERSE;
	a.fitness = fitness_of(nl_get_u32(found[FLAGS], ifa->ifa_flags));
	nl_map_address(a.family, bytes, &a.addr);
	*out = a;
	return 0;
}

static int get_gateway(const struct nlattr *gateway, const struct nlattr *via, struct nl_route *r)
{
	if (gateway) {
		r->via_family = r->family;
		return get_address(gateway, r->family, r->via);
	}
	if (via) {
		const struct rtvia *v = mnl_attr_get_payload(via);

		if (!nl_family_bytes(v->rtvia_family) ||
		    mnl_attr_get_payload_len(via) != sizeof(*v) + nl_family_bytes(v->rtvia_family))
			return -EINVAL;
		r->via_family = (uint8_t)v->rtvia_family;
		memcpy(r->via, v->rtvia_addr, nl_family_bytes(v->rtvia_family));
	}
	return 0;
}

/* base plus each next hop of RTA_MULTIPATH. Number of entries, or -EINVAL. */
static int get_hops(const struct nlattr *multipath, const struct nl_route *base, struct nl_route out[NL_ROUTE_HOPS])
{
	enum { GATEWAY, VIA, ENCAP, COUNT };
	static const struct nl_want wants[COUNT] = {
		[GATEWAY] = { RTA_GATEWAY, 4, 16 },
		[VIA] = { RTA_VIA, sizeof(struct rtvia) + 4, sizeof(struct rtvia) + 16 },
		[ENCAP] = { RTA_ENCAP_TYPE, 2, 2 },
	};
	const struct nlattr *found[COUNT];
	const uint8_t *at = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	int n = 0;

	while (left >= sizeof(struct rtnexthop) && n < NL_ROUTE_HOPS) {
		const struct rtnexthop *hop = (const struct rtnexthop *)at;
		size_t size = hop->rtnh_len;
		struct nl_route r = *base;

		if (size < sizeof(*hop) || size > left)
			return -EINVAL;
		if (nl_collect(RTNH_DATA(hop), size - sizeof(*hop), wants, COUNT, found) < 0 ||
		    get_gateway(found[GATEWAY], found[VIA], &r) < 0)
			return -EINVAL;
		r.oif = (uint32_t)hop->rtnh_ifindex;
		r.flags = hop->rtnh_flags & RTNH_F_ONLINK;
		if (!found[ENCAP])
			out[n++] = r;
		size = RTNH_ALIGN(size);
		if (size > left)
			break;
		at += size;
		left -= size;
	}
	return n;
}

/* All but the name of a congestion control, which is no number. */
static int get_metrics(const struct nlattr *nest, uint32_t metrics[NL_ROUTE_METRICS])
{
	const struct nlattr *found[NL_ROUTE_METRICS];
	struct nl_want wants[NL_ROUTE_METRICS];
	unsigned n = 0, i;

	for (i = 1; i < NL_ROUTE_METRICS; i++)
		if (i != RTAX_CC_ALGO)
			wants[n++] = (struct nl_want){ (uint16_t)i, 4, 4 };
	if (nl_collect(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), wants, n, found) < 0)
		return -EINVAL;
	for (i = 0; i < n; i++)
		metrics[wants[i].type] = nl_get_u32(found[i], 0);
	return 0;
}

int nl_parse_route(const struct nlmsghdr *nlh, struct nl_route out[NL_ROUTE_HOPS])
{
	enum { TABLE, DST, GATEWAY, VIA, OIF, PRIORITY, PREFSRC, METRICS, MULTIPATH, ENCAP, COUNT };
	static const struct nl_want wants[COUNT] = {
		[TABLE] = { RTA_TABLE, 4, 4 },
		[DST] = { RTA_DST, 4, 16 },
		[GATEWAY] = { RTA_GATEWAY, 4, 16 },
		[VIA] = { RTA_VIA, sizeof(struct rtvia) + 4, sizeof(struct rtvia) + 16 },
		[OIF] = { RTA_OIF, 4, 4 },
		[PRIORITY] = { RTA_PRIORITY, 4, 4 },
		[PREFSRC] = { RTA_PREFSRC, 4, 16 },
		[METRICS] = { RTA_METRICS, 0, UINT16_MAX },
		[MULTIPATH] = { RTA_MULTIPATH, 0, UINT16_MAX },
		[ENCAP] = { RTA_ENCAP_TYPE, 2, 2 },
	};
	const struct nlattr *found[COUNT];
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct nl_route r = { 0 }, hops[NL_ROUTE_HOPS];
	int n;

	if (nl_collect_message(nlh, sizeof(*rtm), wants, COUNT, found) < 0 || !nl_family_bytes(rtm->rtm_family))
		return -EINVAL;
	if (found[METRICS] && get_metrics(found[METRICS], r.metrics) < 0)
		return -EINVAL;
	r.table = nl_get_u32(found[TABLE], rtm->rtm_table);
	r.priority = nl_get_u32(found[PRIORITY], 0);
	r.oif = nl_get_u32(found[OIF], 0);
	r.flags = rtm->rtm_flags & RTNH_F_ONLINK;
	r.family = rtm->rtm_family;
	r.dst_len = rtm->rtm_dst_len;
	r.tos = rtm->rtm_tos;
	r.type = rtm->rtm_type;
	r.scope = rtm->rtm_scope;
	r.protocol = rtm->rtm_protocol;
	if (r.dst_len > nl_family_bytes(r.family) * 8 || get_address(found[DST], r.family, r.dst) < 0 ||
	    get_address(found[PREFSRC], r.family, r.prefsrc) < 0 || get_gateway(found[GATEWAY], found[VIA], &r) < 0)
		return -EINVAL;
	if ((rtm->rtm_flags & RTM_F_CLONED) || found[ENCAP])
		return 0;
	if (!found[MULTIPATH]) {
		out[0] = r;
		return 1;
	}
	n = get_hops(found[MULTIPATH], &r, hops);
	if (n > 0)
		memcpy(out, hops, (unsigned)n * sizeof(*out));
	return n;
}

int nl_parse_way(const struct nlmsghdr *nlh, struct nl_way *out)
{
	enum { TABLE, OIF, COUNT };
	static const struct nl_want wants[COUNT] = { [TABLE] = { RTA_TABLE, 4, 4 }, [OIF] = { RTA_OIF, 4, 4 } };
	const struct nlattr *found[COUNT];
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);

	if (nl_collect_message(nlh, sizeof(*rtm), wants, COUNT, found) < 0 || !nl_family_bytes(rtm->rtm_family))
		return -EINVAL;
	*out = (struct nl_way){ .table = nl_get_u32(found[TABLE], rtm->rtm_table),
				.oif = nl_get_u32(found[OIF], 0),
				.type = rtm->rtm_type };
	return 0;
}

int nl_parse_rule(const struct nlmsghdr *nlh, struct nl_rule *out)
{
	enum { TABLE, PRIORITY, MARK, MASK, SRC, IIF, PROTOCOL, SUPPRESS, COUNT };
	static const struct nl_want wants[COUNT] = {
		[TABLE] = { FRA_TABLE, 4, 4 },	     [PRIORITY] = { FRA_PRIORITY, 4, 4 },
		[MARK] = { FRA_FWMARK, 4, 4 },	     [MASK] = { FRA_FWMASK, 4, 4 },
		[SRC] = { FRA_SRC, 4, 16 },	     [IIF] = { FRA_IIFNAME, 2, NL_NAME },
		[PROTOCOL] = { FRA_PROTOCOL, 1, 1 }, [SUPPRESS] = { FRA_SUPPRESS_PREFIXLEN, 4, 4 },
	};
	const struct nlattr *found[COUNT];
	const struct fib_rule_hdr *frh = mnl_nlmsg_get_payload(nlh);
	struct nl_rule r = { 0 };

	if (nl_collect_message(nlh, sizeof(*frh), wants, COUNT, found) < 0 || !nl_family_bytes(frh->family))
		return -EINVAL;
	r.family = frh->family;
	r.src_len = frh->src_len;
	r.action = frh->action;
	r.table = nl_get_u32(found[TABLE], frh->table);
	r.priority = nl_get_u32(found[PRIORITY], 0);
	r.mark = nl_get_u32(found[MARK], 0);
	r.mask = nl_get_u32(found[MASK], 0);
	r.suppress = (int32_t)nl_get_u32(found[SUPPRESS], UINT32_MAX);
	r.protocol = found[PROTOCOL] ? mnl_attr_get_u8(found[PROTOCOL]) : 0;
	if (r.src_len > nl_family_bytes(r.family) * 8 || get_address(found[SRC], r.family, r.src) < 0)
		return -EINVAL;
	if (found[IIF] && get_name(found[IIF], r.iif) < 0)
		return -EINVAL;
	*out = r;
	return 0;
}
