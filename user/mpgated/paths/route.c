// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/route.h>

#include <arpa/inet.h>
#include <errno.h>
#include <lib/log.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <lib/addr.h>
#include <mpgated/paths/index.h>
#include <mpgated/paths/paths.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static unsigned family_bytes(int family)
{
	return family == AF_INET ? 4 : 16;
}

static bool is_our_table(uint32_t table)
{
	return table == PATHS_STEER_TABLE || (table >= PATHS_LINK_TABLE && table < PATHS_LINK_TABLE + MPGATE_MAX_LINKS);
}

/* What a dump is filtered by: the kernel may ignore the filter, so it is checked again. */
struct filter {
	int family;
	uint32_t table; /* unicast routes of this one, 0: see others */
	bool others; /* unicast routes of tables that are neither ours nor of the kernel's own rules; else ours */
	bool defaults; /* of either: only these */
	unsigned oif; /* of either: out of this link, 0: any */
	uint8_t protocol; /* of table: 0: any */
	unsigned kept; /* of those that are not vital */
	struct nl_list *out;
};

bool route_is_vital(const struct nl_route *r)
{
	return !r->dst_len || r->protocol == RTPROT_KERNEL;
}

static bool is_wanted(struct filter *f, const struct nl_route *r)
{
	if (r->family != f->family)
		return false;
	if (!f->table && !f->others)
		return r->protocol == PATHS_PROTOCOL && is_our_table(r->table);
	if (r->type != RTN_UNICAST || (f->oif && r->oif != f->oif) || (f->defaults && r->dst_len) ||
	    (f->protocol && r->protocol != f->protocol))
		return false;
	if (f->others ? r->table == RT_TABLE_MAIN || r->table == RT_TABLE_LOCAL || is_our_table(r->table)
		      : r->table != f->table)
		return false;
	return route_is_vital(r) || f->kept++ < ROUTE_MOST;
}

static int on_route(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_route hops[NL_ROUTE_HOPS];
	struct filter *f = arg;
	int n = nlh->nlmsg_type == RTM_NEWROUTE ? nl_parse_route(nlh, hops) : 0, err = 0;

	for (int i = 0; i < n && !err; i++)
		if (is_wanted(f, &hops[i]))
			err = nl_list_add(f->out, &hops[i], sizeof(hops[i]));
	return err;
}

static int dump_routes(struct nl_sock *s, struct filter *f)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	int err;

	rtm->rtm_family = (unsigned char)f->family;
	rtm->rtm_protocol = f->table || f->others ? f->protocol : PATHS_PROTOCOL;
	if (f->table) {
		rtm->rtm_table = f->table < 256 ? (unsigned char)f->table : RT_TABLE_COMPAT;
		mnl_attr_put_u32(nlh, RTA_TABLE, f->table);
	}
	if (f->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, f->oif);
	err = nl_talk(s, nlh, on_route, f);
	/* The table is made with its first route; the link may have gone a moment ago. */
	return err == -ENOENT || err == -ENODEV ? 0 : err;
}

int route_dump(struct nl_sock *s, int family, uint32_t table, unsigned ifindex, uint8_t protocol, struct nl_list *out)
{
	struct filter f = { .family = family, .table = table, .oif = ifindex, .protocol = protocol, .out = out };

	return dump_routes(s, &f);
}

int route_dump_others(struct nl_sock *s, int family, unsigned ifindex, struct nl_list *out)
{
	struct filter f = { .family = family, .others = true, .defaults = true, .oif = ifindex, .out = out };

	return dump_routes(s, &f);
}

int route_dump_defaults(struct nl_sock *s, int family, struct nl_list *out)
{
	struct filter f = { .family = family, .table = RT_TABLE_MAIN, .defaults = true, .out = out };

	return dump_routes(s, &f);
}

static int change_route(struct nl_sock *s, const void *item, bool add)
{
	char buf[NL_REQUEST_SIZE];
	const struct nl_route *r = item;
	struct nlmsghdr *nlh = nl_request(buf, add ? RTM_NEWROUTE : RTM_DELROUTE, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	unsigned bytes = family_bytes(r->family);
	struct nlattr *metrics;

	rtm->rtm_family = r->family;
	rtm->rtm_dst_len = r->dst_len;
	rtm->rtm_tos = r->tos;
	rtm->rtm_protocol = r->protocol;
	rtm->rtm_scope = r->scope;
	rtm->rtm_type = r->type;
	rtm->rtm_flags = r->flags;
	mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	if (r->oif)
		mnl_attr_put_u32(nlh, RTA_OIF, r->oif);
	if (r->priority)
		mnl_attr_put_u32(nlh, RTA_PRIORITY, r->priority);
	if (r->dst_len)
		mnl_attr_put(nlh, RTA_DST, bytes, r->dst);
	if (r->via_family == r->family) {
		mnl_attr_put(nlh, RTA_GATEWAY, bytes, r->via);
	} else if (r->via_family) {
		char via[sizeof(struct rtvia) + sizeof(r->via)];
		__kernel_sa_family_t family = r->via_family;

		memcpy(via, &family, sizeof(family));
		memcpy(via + sizeof(struct rtvia), r->via, family_bytes(family));
		mnl_attr_put(nlh, RTA_VIA, sizeof(struct rtvia) + family_bytes(family), via);
	}
	if (memcmp(r->prefsrc, (uint8_t[16]){ 0 }, sizeof(r->prefsrc)))
		mnl_attr_put(nlh, RTA_PREFSRC, bytes, r->prefsrc);
	metrics = mnl_attr_nest_start(nlh, RTA_METRICS);
	for (uint16_t i = 1; i < NL_ROUTE_METRICS; i++)
		if (r->metrics[i])
			mnl_attr_put_u32(nlh, i, r->metrics[i]);
	mnl_attr_nest_end(nlh, metrics);
	return nl_talk(s, nlh, NULL, NULL);
}

static void describe_route(const void *item, char *text, size_t size)
{
	const struct nl_route *r = item;
	char dst[INET6_ADDRSTRLEN];

	snprintf(text, size, "route %s/%u table %u", inet_ntop(r->family, r->dst, dst, sizeof(dst)), r->dst_len,
		 r->table);
}

/* A route through a gateway can be added only once the gateway can be reached. */
static bool route_is_late(const void *item)
{
	return ((const struct nl_route *)item)->via_family != 0;
}

static bool is_our_priority(uint32_t priority)
{
	return priority == PATHS_STEER_PRIORITY || priority == PATHS_LINK_PRIORITY || priority == PATHS_NEAR_PRIORITY ||
	       priority == PATHS_DETOUR_PRIORITY;
}

static int on_rule(const struct nlmsghdr *nlh, void *arg)
{
	const struct filter *f = arg;
	struct nl_rule r;

	/* Other people's rules may be of a kind that is not understood here. */
	if (nlh->nlmsg_type != RTM_NEWRULE || nl_parse_rule(nlh, &r) < 0)
		return 0;
	if (r.family != f->family || r.protocol != PATHS_PROTOCOL || !is_our_priority(r.priority))
		return 0;
	return nl_list_add(f->out, &r, sizeof(r));
}

static int talk_of_rules(struct nl_sock *s, int family, nl_answer_fn fn, void *arg)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, RTM_GETRULE, NLM_F_DUMP);
	struct fib_rule_hdr *frh = mnl_nlmsg_put_extra_header(nlh, sizeof(*frh));

	frh->family = (uint8_t)family;
	return nl_talk(s, nlh, fn, arg);
}

static int dump_rules(struct nl_sock *s, struct filter *f)
{
	return talk_of_rules(s, f->family, on_rule, f);
}

static int on_way(const struct nlmsghdr *nlh, void *arg)
{
	return nlh->nlmsg_type == RTM_NEWROUTE ? nl_parse_way(nlh, arg) : 0;
}

static int change_rule(struct nl_sock *s, const void *item, bool add)
{
	char buf[NL_REQUEST_SIZE];
	const struct nl_rule *r = item;
	struct nlmsghdr *nlh = nl_request(buf, add ? RTM_NEWRULE : RTM_DELRULE, add ? NLM_F_CREATE | NLM_F_EXCL : 0);
	struct fib_rule_hdr *frh = mnl_nlmsg_put_extra_header(nlh, sizeof(*frh));

	frh->family = r->family;
	frh->action = r->action;
	frh->src_len = r->src_len;
	mnl_attr_put_u32(nlh, FRA_PRIORITY, r->priority);
	mnl_attr_put_u32(nlh, FRA_TABLE, r->table);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, r->protocol);
	if (r->src_len)
		mnl_attr_put(nlh, FRA_SRC, family_bytes(r->family), r->src);
	if (r->mask) {
		mnl_attr_put_u32(nlh, FRA_FWMARK, r->mark);
		mnl_attr_put_u32(nlh, FRA_FWMASK, r->mask);
	}
	if (r->suppress >= 0)
		mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, (uint32_t)r->suppress);
	if (r->iif[0])
		mnl_attr_put_strz(nlh, FRA_IIFNAME, r->iif);
	return nl_talk(s, nlh, NULL, NULL);
}

static void describe_rule(const void *item, char *text, size_t size)
{
	const struct nl_rule *r = item;

	snprintf(text, size, "rule %u lookup %u", r->priority, r->table);
}

static bool rule_is_late(const void *item)
{
	(void)item;
	return false;
}

int route_ask(struct nl_sock *s, const struct mpgate_addr *from, const struct mpgate_addr *to, uint16_t port,
	      struct nl_way *out)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, RTM_GETROUTE, 0);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	bool v4 = addr_is_v4(to);
	unsigned bytes = v4 ? 4 : 16, skip = v4 ? 12 : 0;

	rtm->rtm_family = v4 ? AF_INET : AF_INET6;
	rtm->rtm_src_len = rtm->rtm_dst_len = (unsigned char)(bytes * 8);
	/* Of IPv6 the table is told in any case, and the flag refused. */
	rtm->rtm_flags = v4 ? RTM_F_LOOKUP_TABLE : 0;
	mnl_attr_put(nlh, RTA_SRC, bytes, from->b + skip);
	mnl_attr_put(nlh, RTA_DST, bytes, to->b + skip);
	mnl_attr_put_u8(nlh, RTA_IP_PROTO, IPPROTO_TCP);
	mnl_attr_put_u16(nlh, RTA_DPORT, htons(port));
	*out = (struct nl_way){ 0 };
	return nl_talk(s, nlh, on_way, out);
}

struct before {
	int family;
	uint32_t table, priority;
};

static int on_rule_before(const struct nlmsghdr *nlh, void *arg)
{
	struct before *b = arg;
	struct nl_rule r;

	if (nlh->nlmsg_type != RTM_NEWRULE || nl_parse_rule(nlh, &r) < 0 || r.family != b->family)
		return 0;
	if (r.action == FR_ACT_TO_TBL && r.table == b->table && r.protocol != PATHS_PROTOCOL &&
	    r.priority < PATHS_LINK_PRIORITY && (!b->priority || r.priority < b->priority))
		b->priority = r.priority;
	return 0;
}

uint32_t rule_before(struct nl_sock *s, int family, uint32_t table)
{
	struct before b = { family, table, 0 };

	return talk_of_rules(s, family, on_rule_before, &b) < 0 ? 0 : b.priority;
}

struct kind {
	size_t size;
	int (*dump)(struct nl_sock *s, struct filter *f);
	int (*change)(struct nl_sock *s, const void *item, bool add);
	void (*describe)(const void *item, char *text, size_t size);
	bool (*is_late)(const void *item); /* added after the others */
};

static const struct kind routes = { sizeof(struct nl_route), dump_routes, change_route, describe_route, route_is_late };
static const struct kind rules = { sizeof(struct nl_rule), dump_rules, change_rule, describe_rule, rule_is_late };

static const void *item_at(const struct nl_list *l, unsigned i, size_t size)
{
	return (const char *)l->v + (size_t)i * size;
}

static int change(struct nl_sock *s, const struct kind *k, const void *item, bool add)
{
	int err = k->change(s, item, add);
	char text[128];

	/* Somebody, or the kernel with a link, was faster. */
	if (!err || (add && err == -EEXIST) || (!add && (err == -ESRCH || err == -ENOENT)))
		return 0;
	k->describe(item, text, sizeof(text));
	log_debug("cannot %s %s: %s", add ? "add" : "remove", text, strerror(-err));
	return err;
}

static int index_all(struct index *x)
{
	int err = 0;

	for (unsigned i = 0; i < x->list->n && !err; i++)
		err = index_add(x, i);
	return err;
}

static int apply(struct nl_sock *s, const struct kind *k, int family, const struct nl_list *wanted)
{
	struct nl_list present = { 0 };
	struct filter f = { .family = family, .out = &present };
	struct index want = { .list = wanted, .size = k->size, .hash = index_hash_bytes, .equal = index_equal_bytes };
	struct index have = want;
	int first = k->dump(s, &f), err;

	have.list = &present;
	first = first ? first : index_all(&want);
	first = first ? first : index_all(&have);
	if (first)
		goto out;
	for (unsigned i = 0; i < present.n; i++) {
		const void *item = item_at(&present, i, k->size);

		if (index_find(&want, item))
			continue;
		err = change(s, k, item, false);
		first = first ? first : err;
	}
	for (int late = 0; late < 2; late++) {
		for (unsigned i = 0; i < wanted->n; i++) {
			const void *item = item_at(wanted, i, k->size);

			if (k->is_late(item) != late || index_find(&have, item))
				continue;
			err = change(s, k, item, true);
			first = first ? first : err;
		}
	}
out:
	index_free(&want);
	index_free(&have);
	nl_list_free(&present);
	return first;
}

int route_apply(struct nl_sock *s, int family, const struct nl_list *wanted)
{
	return apply(s, &routes, family, wanted);
}

int rule_apply(struct nl_sock *s, int family, const struct nl_list *wanted)
{
	return apply(s, &rules, family, wanted);
}

int route_change(struct nl_sock *s, const struct nl_route *r, bool add)
{
	return change_route(s, r, add);
}
