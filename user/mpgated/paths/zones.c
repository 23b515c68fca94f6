// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Zones of connection tracking. Rules that put what comes in into a zone, while none does so with what this machine
 * sends, make two of each connection that ends here: the firewall sees SYNs without answers and answers without SYNs,
 * and one that drops what is invalid lets none come about. What is forwarded is well all the same, so nobody thinks of
 * it. Of nftables, and of iptables as far as that is nftables.
 */
#include <mpgated/paths/internal.h>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/xt_CT.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TRACKING "/proc/sys/net/netfilter/nf_conntrack_max" /* there is connection tracking */
#define PLACES 16U /* chains with such rules */
#define NAME 40 /* bytes of a table's or chain's name; of longer ones the first */
#define UNKNOWN UINT32_MAX

struct place {
	uint8_t family;
	char table[NAME], chain[NAME];
	uint32_t hook; /* NF_INET_*; UNKNOWN: others jump there */
};

struct places {
	struct place place[PLACES];
	unsigned count;
};

static const char *text_of(const struct nlattr *a)
{
	return a && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0 ? mnl_attr_get_str(a) : "";
}

static uint32_t number_of(const struct nlattr *a)
{
	return a && mnl_attr_validate(a, MNL_TYPE_U32) == 0 ? ntohl(mnl_attr_get_u32(a)) : UNKNOWN;
}

/* The attribute of that type in a nested one, NULL: none. */
static const struct nlattr *inside(const struct nlattr *nest, uint16_t type)
{
	const struct nlattr *a;

	if (nest)
		mnl_attr_for_each_nested(a, nest) if (mnl_attr_get_type(a) == type) return a;
	return NULL;
}

static const struct nlattr *part(const struct nlmsghdr *nlh, uint16_t type)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct nfgenmsg)) if (mnl_attr_get_type(a) == type) return a;
	return NULL;
}

/* iptables -j CT --zone, as nftables keeps it. */
static bool is_target(const struct nlattr *data)
{
	const struct nlattr *info = inside(data, NFTA_TARGET_INFO);
	struct xt_ct_target_info ct;

	if (strcmp(text_of(inside(data, NFTA_TARGET_NAME)), "CT") != 0 || !info ||
	    mnl_attr_get_payload_len(info) < sizeof(ct))
		return false;
	memcpy(&ct, mnl_attr_get_payload(info), sizeof(ct));
	return ct.zone || (ct.flags & XT_CT_ZONE_MARK);
}

static bool sets_zone(const struct nlattr *expressions)
{
	const struct nlattr *e;

	if (!expressions)
		return false;
	mnl_attr_for_each_nested(e, expressions)
	{
		const char *name = text_of(inside(e, NFTA_EXPR_NAME));
		const struct nlattr *data = inside(e, NFTA_EXPR_DATA);

		if (!strcmp(name, "target") && is_target(data))
			return true;
		if (!strcmp(name, "ct") && number_of(inside(data, NFTA_CT_KEY)) == NFT_CT_ZONE &&
		    inside(data, NFTA_CT_SREG))
			return true;
	}
	return false;
}

static struct place make_place(const struct nlmsghdr *nlh, uint16_t table, uint16_t chain)
{
	const struct nfgenmsg *g = mnl_nlmsg_get_payload(nlh);
	struct place p = { .family = g->nfgen_family, .hook = UNKNOWN };

	snprintf(p.table, sizeof(p.table), "%s", text_of(part(nlh, table)));
	snprintf(p.chain, sizeof(p.chain), "%s", text_of(part(nlh, chain)));
	return p;
}

static struct place *find(struct places *all, const struct place *p)
{
	for (unsigned i = 0; i < all->count; i++)
		if (all->place[i].family == p->family && !strcmp(all->place[i].table, p->table) &&
		    !strcmp(all->place[i].chain, p->chain))
			return &all->place[i];
	return NULL;
}

static int on_rule(const struct nlmsghdr *nlh, void *arg)
{
	struct places *all = arg;
	struct place p;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg) || !sets_zone(part(nlh, NFTA_RULE_EXPRESSIONS)))
		return 0;
	p = make_place(nlh, NFTA_RULE_TABLE, NFTA_RULE_CHAIN);
	if (!find(all, &p) && all->count < PLACES)
		all->place[all->count++] = p;
	return 0;
}

static int on_chain(const struct nlmsghdr *nlh, void *arg)
{
	struct place p, *known;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(struct nfgenmsg))
		return 0;
	p = make_place(nlh, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME);
	known = find(arg, &p);
	if (known)
		known->hook = number_of(inside(part(nlh, NFTA_CHAIN_HOOK), NFTA_HOOK_HOOKNUM));
	return 0;
}

static int list(struct nl_sock *nl, uint16_t type, nl_answer_fn fn, struct places *all)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), NLM_F_DUMP);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(nlh, sizeof(*g));

	g->nfgen_family = NFPROTO_UNSPEC;
	g->version = NFNETLINK_V0;
	return nl_talk(nl, nlh, fn, all);
}

/* The first with that hook. */
static const struct place *at_hook(const struct places *all, uint32_t hook)
{
	for (unsigned i = 0; i < all->count; i++)
		if (all->place[i].hook == hook)
			return &all->place[i];
	return NULL;
}

void zones_look(struct path_set *p)
{
	struct places all = { .count = 0 };
	const struct place *in;
	struct nl_sock nl;

	p->zones[0] = '\0';
	if (access(TRACKING, F_OK) || nl_open(NETLINK_NETFILTER, &nl) < 0)
		return;
	if (list(&nl, NFT_MSG_GETRULE, on_rule, &all) < 0 ||
	    (all.count && list(&nl, NFT_MSG_GETCHAIN, on_chain, &all) < 0))
		all.count = 0;
	nl_close(&nl);
	in = at_hook(&all, NF_INET_PRE_ROUTING);
	if (in && !at_hook(&all, NF_INET_LOCAL_OUT) && !at_hook(&all, UNKNOWN))
		snprintf(p->zones, sizeof(p->zones), "table %s, chain %s", in->table, in->chain);
}
