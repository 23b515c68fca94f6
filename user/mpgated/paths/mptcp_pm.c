// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/mptcp_pm.h>

#include <errno.h>
#include <lib/addr.h>
#include <linux/genetlink.h>
#include <linux/mptcp.h>

static struct nlmsghdr *genl_request(char *buf, uint16_t family, uint8_t command, uint8_t version, uint16_t flags)
{
	struct nlmsghdr *nlh = nl_request(buf, family, flags);
	struct genlmsghdr *genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));

	genl->cmd = command;
	genl->version = version;
	return nlh;
}

static struct nlmsghdr *pm_request(const struct mptcp_pm *pm, char *buf, uint8_t command, uint16_t flags)
{
	return genl_request(buf, pm->family, command, MPTCP_PM_VER, flags);
}

static int on_family(const struct nlmsghdr *nlh, void *arg)
{
	struct mptcp_pm *pm = arg;

	if (nl_parse_genl_group(nlh, MPTCP_PM_EV_GRP_NAME, &pm->events) < 0)
		pm->events = 0;
	return nl_parse_genl_family(nlh, &pm->family);
}

int mptcp_pm_open(struct mptcp_pm *out)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = genl_request(buf, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
	struct mptcp_pm pm = { 0 };
	int err = nl_open(NETLINK_GENERIC, &pm.sock);

	if (err)
		return err;
	mnl_attr_put_strz(nlh, CTRL_ATTR_FAMILY_NAME, MPTCP_PM_NAME);
	err = nl_talk(&pm.sock, nlh, on_family, &pm);
	if (err) {
		nl_close(&pm.sock);
		return err == -ENOENT ? -EOPNOTSUPP : err;
	}
	*out = pm;
	return 0;
}

void mptcp_pm_close(struct mptcp_pm *pm)
{
	nl_close(&pm->sock);
}

static int on_endpoint(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_endpoint e;
	int err = nl_parse_endpoint(nlh, &e);

	return err ? err : nl_list_add(arg, &e, sizeof(e));
}

int mptcp_pm_dump(struct mptcp_pm *pm, struct nl_list *out)
{
	char buf[NL_REQUEST_SIZE];

	return nl_talk(&pm->sock, pm_request(pm, buf, MPTCP_PM_CMD_GET_ADDR, NLM_F_DUMP), on_endpoint, out);
}

/* Into the present nest. */
static void put_address(struct nlmsghdr *nlh, const struct mpgate_addr *addr, uint16_t port)
{
	if (addr_is_v4(addr)) {
		mnl_attr_put_u16(nlh, MPTCP_PM_ADDR_ATTR_FAMILY, AF_INET);
		mnl_attr_put(nlh, MPTCP_PM_ADDR_ATTR_ADDR4, 4, addr->b + 12);
	} else {
		mnl_attr_put_u16(nlh, MPTCP_PM_ADDR_ATTR_FAMILY, AF_INET6);
		mnl_attr_put(nlh, MPTCP_PM_ADDR_ATTR_ADDR6, 16, addr->b);
	}
	if (port)
		mnl_attr_put_u16(nlh, MPTCP_PM_ADDR_ATTR_PORT, port); /* in host order */
}

static void put_endpoint(struct nlmsghdr *nlh, const struct nl_endpoint *e)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, MPTCP_PM_ATTR_ADDR);

	put_address(nlh, &e->addr, e->port);
	mnl_attr_put_u8(nlh, MPTCP_PM_ADDR_ATTR_ID, e->id);
	mnl_attr_put_u32(nlh, MPTCP_PM_ADDR_ATTR_FLAGS, e->flags);
	mnl_attr_put_u32(nlh, MPTCP_PM_ADDR_ATTR_IF_IDX, e->ifindex);
	mnl_attr_nest_end(nlh, nest);
}

static void put_remote(struct nlmsghdr *nlh, const struct mpgate_addr *addr, uint16_t port)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, MPTCP_PM_ATTR_ADDR_REMOTE);

	put_address(nlh, addr, port);
	mnl_attr_nest_end(nlh, nest);
}

int mptcp_pm_add(struct mptcp_pm *pm, const struct nl_endpoint *e)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = pm_request(pm, buf, MPTCP_PM_CMD_ADD_ADDR, 0);

	put_endpoint(nlh, e);
	return nl_talk(&pm->sock, nlh, NULL, NULL);
}

int mptcp_pm_del(struct mptcp_pm *pm, uint8_t id)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = pm_request(pm, buf, MPTCP_PM_CMD_DEL_ADDR, 0);
	struct nlattr *nest = mnl_attr_nest_start(nlh, MPTCP_PM_ATTR_ADDR);

	mnl_attr_put_u8(nlh, MPTCP_PM_ADDR_ATTR_ID, id);
	mnl_attr_nest_end(nlh, nest);
	return nl_talk(&pm->sock, nlh, NULL, NULL);
}

int mptcp_pm_set_flags(struct mptcp_pm *pm, const struct nl_endpoint *e)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = pm_request(pm, buf, MPTCP_PM_CMD_SET_FLAGS, 0);

	put_endpoint(nlh, e);
	return nl_talk(&pm->sock, nlh, NULL, NULL);
}

static int on_limits(const struct nlmsghdr *nlh, void *arg)
{
	return nl_parse_limits(nlh, arg);
}

int mptcp_pm_get_limits(struct mptcp_pm *pm, struct nl_limits *out)
{
	char buf[NL_REQUEST_SIZE];

	return nl_talk(&pm->sock, pm_request(pm, buf, MPTCP_PM_CMD_GET_LIMITS, 0), on_limits, out);
}

int mptcp_pm_set_limits(struct mptcp_pm *pm, const struct nl_limits *limits)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = pm_request(pm, buf, MPTCP_PM_CMD_SET_LIMITS, 0);

	mnl_attr_put_u32(nlh, MPTCP_PM_ATTR_RCV_ADD_ADDRS, limits->add_addrs);
	mnl_attr_put_u32(nlh, MPTCP_PM_ATTR_SUBFLOWS, limits->subflows);
	return nl_talk(&pm->sock, nlh, NULL, NULL);
}

int mptcp_pm_join(struct mptcp_pm *pm, uint32_t token, const struct nl_endpoint *e, const struct mpgate_addr *to,
		  uint16_t port)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = pm_request(pm, buf, MPTCP_PM_CMD_SUBFLOW_CREATE, 0);

	mnl_attr_put_u32(nlh, MPTCP_PM_ATTR_TOKEN, token);
	put_endpoint(nlh, e);
	put_remote(nlh, to, port);
	return nl_talk(&pm->sock, nlh, NULL, NULL);
}

/* The other side is told first, while there is a subflow to tell it by; that may be what ends it already. */
int mptcp_pm_part(struct mptcp_pm *pm, const struct nl_subflow *s, bool tell)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = pm_request(pm, buf, MPTCP_PM_CMD_REMOVE, 0);
	struct nlattr *nest;

	mnl_attr_put_u32(nlh, MPTCP_PM_ATTR_TOKEN, s->token);
	mnl_attr_put_u8(nlh, MPTCP_PM_ATTR_LOC_ID, s->local_id);
	if (tell)
		nl_talk(&pm->sock, nlh, NULL, NULL);
	nlh = pm_request(pm, buf, MPTCP_PM_CMD_SUBFLOW_DESTROY, 0);
	mnl_attr_put_u32(nlh, MPTCP_PM_ATTR_TOKEN, s->token);
	nest = mnl_attr_nest_start(nlh, MPTCP_PM_ATTR_ADDR);
	put_address(nlh, &s->local, s->local_port);
	mnl_attr_nest_end(nlh, nest);
	put_remote(nlh, &s->remote, s->remote_port);
	return nl_talk(&pm->sock, nlh, NULL, NULL);
}

int mptcp_pm_prio(struct mptcp_pm *pm, const struct nl_subflow *s, bool backup)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = pm_request(pm, buf, MPTCP_PM_CMD_SET_FLAGS, 0);
	const struct nl_endpoint from = { .addr = s->local,
					  .port = s->local_port,
					  .id = s->local_id,
					  .flags = backup ? MPTCP_PM_ADDR_FLAG_BACKUP : 0 };

	mnl_attr_put_u32(nlh, MPTCP_PM_ATTR_TOKEN, s->token);
	put_endpoint(nlh, &from);
	put_remote(nlh, &s->remote, s->remote_port);
	return nl_talk(&pm->sock, nlh, NULL, NULL);
}

int mptcp_pm_announce(struct mptcp_pm *pm, uint32_t token, const struct nl_endpoint *e)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = pm_request(pm, buf, MPTCP_PM_CMD_ANNOUNCE, 0);

	mnl_attr_put_u32(nlh, MPTCP_PM_ATTR_TOKEN, token);
	put_endpoint(nlh, e);
	return nl_talk(&pm->sock, nlh, NULL, NULL);
}
