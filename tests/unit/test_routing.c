// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/paths/routing.c user/mpgated/paths/route.c user/mpgated/paths/gateway.c
// SOURCES: user/mpgated/paths/index.c tests/unit/nl_list.c
// LIBS: libmnl libuv
/* Paths of a machine that knows all routes of the Internet: what is read of them, what is set, what a change costs. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <lib/log.h>
#include <mpgated/paths/internal.h>
#include <mpgated/paths/route.h>

#include "nl_script.h"

#define LINK 3U
#define OTHER 4U
#define TABLE 100U
#define MANY 10000U
#define COPIES 1024U

/* --- the kernel: routes alone */

static struct nl_list kernel; /* struct nl_route */
static unsigned dumps, told; /* of routes; and of what was told in them */

void log_line(enum log_level level, const char *fmt, ...)
{
	(void)level;
	(void)fmt;
}

void log_with(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
	(void)level;
	(void)fields;
	(void)fmt;
}

int sysctl_get(const char *name, int *value)
{
	(void)name;
	*value = 0;
	return 0;
}

int detour_want(struct path_set *p, unsigned f, struct nl_list *rules)
{
	(void)p;
	(void)f;
	(void)rules;
	return 0;
}

void reach_look(struct path_set *p, unsigned f)
{
	(void)p;
	(void)f;
}

struct nlmsghdr *nl_request(char *at, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(at);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return nlh;
}

static struct nlmsghdr *message(uint16_t type, const struct nl_route *r)
{
	struct nlmsghdr *nlh = begin(type);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	size_t len = r->family == AF_INET ? 4 : 16;

	rtm->rtm_family = r->family;
	rtm->rtm_dst_len = r->dst_len;
	rtm->rtm_protocol = r->protocol;
	rtm->rtm_type = r->type;
	mnl_attr_put_u32(nlh, RTA_TABLE, r->table);
	mnl_attr_put_u32(nlh, RTA_OIF, r->oif);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, r->priority);
	if (r->dst_len)
		mnl_attr_put(nlh, RTA_DST, len, r->dst);
	return nlh;
}

static bool same(const struct nl_route *a, const struct nl_route *b)
{
	return a->table == b->table && a->dst_len == b->dst_len && !memcmp(a->dst, b->dst, sizeof(a->dst)) &&
	       a->family == b->family;
}

static int change(const struct nlmsghdr *nlh)
{
	struct nl_route hops[NL_ROUTE_HOPS], *v = kernel.v;
	unsigned i = 0;

	CU_ASSERT_EQUAL_FATAL(nl_parse_route(nlh, hops), 1);
	while (i < kernel.n && !same(&v[i], &hops[0]))
		i++;
	if (nlh->nlmsg_type == RTM_NEWROUTE)
		return i < kernel.n ? -EEXIST : nl_list_add(&kernel, &hops[0], sizeof(hops[0]));
	if (i == kernel.n)
		return -ESRCH;
	v[i] = v[--kernel.n];
	return 0;
}

static int dump(const struct nlmsghdr *nlh, nl_answer_fn fn, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nl_route *v = kernel.v;
	uint32_t table = 0, oif = 0;
	const struct nlattr *a;
	int err = 0;

	dumps++;
	mnl_attr_for_each(a, nlh, sizeof(*rtm))
	{
		table = mnl_attr_get_type(a) == RTA_TABLE ? mnl_attr_get_u32(a) : table;
		oif = mnl_attr_get_type(a) == RTA_OIF ? mnl_attr_get_u32(a) : oif;
	}
	for (unsigned i = 0; i < kernel.n && !err; i++) {
		if (v[i].family != rtm->rtm_family || (table && v[i].table != table) || (oif && v[i].oif != oif) ||
		    (rtm->rtm_protocol && v[i].protocol != rtm->rtm_protocol))
			continue;
		told++;
		err = fn(message(RTM_NEWROUTE, &v[i]), arg);
	}
	return err;
}

int nl_talk(struct nl_sock *s, struct nlmsghdr *nlh, nl_answer_fn fn, void *arg)
{
	(void)s;
	if (nlh->nlmsg_type == RTM_GETROUTE)
		return dump(nlh, fn, arg);
	return nlh->nlmsg_type == RTM_NEWROUTE || nlh->nlmsg_type == RTM_DELROUTE ? change(nlh) : 0;
}

/* --- */

static struct nl_route route(unsigned f, uint32_t table, unsigned oif, unsigned net)
{
	struct nl_route r = { .table = table, .oif = oif, .family = f ? AF_INET6 : AF_INET, .type = RTN_UNICAST };

	r.protocol = RTPROT_BOOT;
	r.dst_len = net ? (f ? 48 : 24) : 0;
	r.priority = f ? 1024 : 0;
	r.dst[0] = net ? (f ? 0x20 : 100) : 0;
	r.dst[1] = (uint8_t)(net >> 8);
	r.dst[2] = (uint8_t)net;
	return r;
}

static void put(struct nl_route r)
{
	nl_list_add(&kernel, &r, sizeof(r));
}

static unsigned count(unsigned f, uint32_t table, bool defaults)
{
	const struct nl_route *v = kernel.v;
	unsigned n = 0;

	for (unsigned i = 0; i < kernel.n; i++)
		n += v[i].family == (f ? AF_INET6 : AF_INET) && v[i].table == table && (!defaults || !v[i].dst_len);
	return n;
}

static struct path_set *new_path(unsigned f)
{
	static struct path_set p;

	memset(&p, 0, sizeof(p));
	p.count = 1;
	p.links[0].role = CFG_PATH;
	p.links[0].pub = (struct paths_link){ .name = "wan0", .ifindex = LINK, .up = true };
	memset(&p.links[0].pub.addr[f], 1, sizeof(p.links[0].pub.addr[f]));
	return &p;
}

/* The default route is the last that is told. */
static void test_many(void)
{
	for (unsigned f = 0; f < 2; f++) {
		struct path_set *p = new_path(f);
		struct nl_list all = { 0 };

		for (unsigned i = 1; i <= MANY; i++)
			put(route(f, RT_TABLE_MAIN, LINK, i));
		put(route(f, RT_TABLE_MAIN, LINK, 0));
		CU_ASSERT_EQUAL(route_dump(&p->rt, paths_families[f], RT_TABLE_MAIN, LINK, 0, &all), 0);
		CU_ASSERT_EQUAL(all.n, ROUTE_MOST + 1);
		nl_list_free(&all);
		CU_ASSERT_EQUAL(routing_apply(p, f), 0);
		CU_ASSERT_EQUAL(count(f, PATHS_LINK_TABLE, false), COPIES);
		CU_ASSERT_EQUAL(count(f, PATHS_LINK_TABLE, true), 1);
		nl_list_free(&kernel);
	}
}

/* Routes that come and go where there are more than are copied: nothing is read for that. */
static void test_changes(void)
{
	for (unsigned f = 0; f < 2; f++) {
		struct path_set *p = new_path(f);
		struct nl_route r;

		for (unsigned i = 0; i <= MANY; i++)
			put(route(f, RT_TABLE_MAIN, LINK, i));
		CU_ASSERT_EQUAL(routing_apply(p, f), 0);
		dumps = 0;
		for (unsigned i = 1; i <= MANY; i += 100) {
			r = route(f, RT_TABLE_MAIN, LINK, i);
			CU_ASSERT_TRUE(routing_notice(p, message(RTM_DELROUTE, &r)));
			CU_ASSERT_TRUE(routing_follow(p));
			CU_ASSERT_TRUE(routing_notice(p, message(RTM_NEWROUTE, &r)));
			CU_ASSERT_EQUAL(p->changes.n, 0);
		}
		CU_ASSERT_EQUAL(dumps, 0);
		/* Those that had copies have none until all is looked at. */
		CU_ASSERT(count(f, PATHS_LINK_TABLE, false) < COPIES);
		CU_ASSERT_EQUAL(routing_apply(p, f), 0);
		CU_ASSERT_EQUAL(count(f, PATHS_LINK_TABLE, false), COPIES);
		/* The default route is another matter. */
		r = route(f, RT_TABLE_MAIN, LINK, 0);
		CU_ASSERT_FALSE(routing_notice(p, message(RTM_DELROUTE, &r)));
		nl_list_free(&p->changes);
		nl_list_free(&kernel);
	}
}

/* Its gateway is in another table; the main one is large, and goes elsewhere: none of that is told. */
static void test_elsewhere(void)
{
	for (unsigned f = 0; f < 2; f++) {
		struct path_set *p = new_path(f);

		for (unsigned i = 0; i <= MANY; i++)
			put(route(f, RT_TABLE_MAIN, OTHER, i));
		put(route(f, TABLE, LINK, 0));
		put(route(f, TABLE, LINK, 1));
		put(route(f, TABLE, OTHER, 2));
		put(route(f, TABLE + 1, LINK, 3));
		told = 0;
		CU_ASSERT_EQUAL(routing_apply(p, f), 0);
		CU_ASSERT_EQUAL(count(f, PATHS_LINK_TABLE, false), 2);
		CU_ASSERT_EQUAL(count(f, PATHS_LINK_TABLE, true), 1);
		CU_ASSERT_EQUAL(p->links[0].pub.route[f].source, PATHS_OTHER_TABLE);
		CU_ASSERT_EQUAL(p->links[0].pub.route[f].table, TABLE);
		CU_ASSERT(told < 10);
		nl_list_free(&kernel);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{ "more routes than are copied", test_many },
		{ "they come and go", test_changes },
		{ "a gateway in another table", test_elsewhere },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("routing", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
