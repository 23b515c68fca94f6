// SPDX-License-Identifier: GPL-2.0-or-later
#include "subflows_script.h"

#include <arpa/inet.h>
#include <lib/addr.h>
#include <linux/inet_diag.h>
#include <linux/mptcp.h>
#include <linux/sock_diag.h>
#include <mpgated/paths/mptcp_pm.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cunit.h"

struct kernel kernel;

int nl_open(int bus, struct nl_sock *out)
{
	(void)bus;
	memset(out, 0, sizeof(*out));
	return 0;
}

void nl_close(struct nl_sock *s)
{
	(void)s;
}

struct nlmsghdr *nl_request(char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = flags;
	return nlh;
}

static struct nlmsghdr *make_socket(char *buf, const struct nl_subflow *s)
{
	struct nlmsghdr *nlh = nl_request(buf, SOCK_DIAG_BY_FAMILY, 0);
	struct inet_diag_msg *m = mnl_nlmsg_put_extra_header(nlh, sizeof(*m));
	bool v4 = addr_is_v4(&s->local);
	uint32_t flags = (s->opener ? (s->join ? MPTCP_SUBFLOW_FLAG_JOIN_LOC : MPTCP_SUBFLOW_FLAG_MCAP_LOC) : 0) |
			 (s->join ? MPTCP_SUBFLOW_FLAG_JOIN_REM : MPTCP_SUBFLOW_FLAG_MCAP_REM) |
			 (s->connected ? MPTCP_SUBFLOW_FLAG_CONNECTED : 0) |
			 (s->backup ? MPTCP_SUBFLOW_FLAG_BKUP_LOC : 0);
	const struct tcp_info info = { .tcpi_last_ack_recv = s->quiet_ms };
	struct nlattr *ulp, *mptcp;

	m->idiag_family = v4 ? AF_INET : AF_INET6;
	memcpy(m->id.idiag_src, s->local.b + (v4 ? 12 : 0), v4 ? 4 : 16);
	memcpy(m->id.idiag_dst, s->remote.b + (v4 ? 12 : 0), v4 ? 4 : 16);
	m->id.idiag_sport = htons(s->local_port);
	m->id.idiag_dport = htons(s->remote_port);
	mnl_attr_put(nlh, INET_DIAG_INFO, sizeof(info), &info);
	ulp = mnl_attr_nest_start(nlh, INET_DIAG_ULP_INFO);
	mptcp = mnl_attr_nest_start(nlh, INET_ULP_INFO_MPTCP);
	mnl_attr_put_u32(nlh, MPTCP_SUBFLOW_ATTR_TOKEN_LOC, s->token);
	mnl_attr_put_u32(nlh, MPTCP_SUBFLOW_ATTR_FLAGS, flags);
	mnl_attr_put_u8(nlh, MPTCP_SUBFLOW_ATTR_ID_LOC, s->local_id);
	mnl_attr_nest_end(nlh, mptcp);
	mnl_attr_nest_end(nlh, ulp);
	return nlh;
}

int nl_talk(struct nl_sock *sock, struct nlmsghdr *nlh, nl_answer_fn fn, void *arg)
{
	const struct inet_diag_req_v2 *req = mnl_nlmsg_get_payload(nlh);

	(void)sock;
	/* Without it the kernel tells nothing of MPTCP. */
	CU_ASSERT(req->idiag_ext & (1U << (INET_DIAG_INFO - 1)));
	for (unsigned i = 0; i < kernel.count; i++) {
		char buf[NL_REQUEST_SIZE] __attribute__((aligned(8)));

		if (addr_is_v4(&kernel.listed[i].local) == (req->sdiag_family == AF_INET))
			fn(make_socket(buf, &kernel.listed[i]), arg);
	}
	return 0;
}

static void note(char what, uint32_t token, const struct mpgate_addr *local, const struct mpgate_addr *to,
		 uint16_t port)
{
	char a[ADDR_TEXT], b[ADDR_TEXT];
	size_t len = strlen(kernel.did);

	len += (size_t)snprintf(kernel.did + len, KERNEL_TEXT - len, "%s%c%u:%s", len ? " " : "", what, token,
				addr_print(local, a));
	if (to)
		snprintf(kernel.did + len, KERNEL_TEXT - len, ">%s", addr_print_port(to, htons(port), b));
}

int mptcp_pm_join(struct mptcp_pm *pm, uint32_t token, const struct nl_endpoint *e, const struct mpgate_addr *to,
		  uint16_t port)
{
	(void)pm;
	note(e->flags & MPTCP_PM_ADDR_FLAG_BACKUP ? '~' : '+', token, &e->addr, to, port);
	return kernel.join_error;
}

int mptcp_pm_part(struct mptcp_pm *pm, const struct nl_subflow *s, bool tell)
{
	(void)pm;
	note(tell ? '-' : '=', s->token, &s->local, NULL, 0);
	return 0;
}

int mptcp_pm_prio(struct mptcp_pm *pm, const struct nl_subflow *s, bool backup)
{
	(void)pm;
	note(backup ? '_' : '^', s->token, &s->local, NULL, 0);
	return 0;
}

int mptcp_pm_announce(struct mptcp_pm *pm, uint32_t token, const struct nl_endpoint *e)
{
	(void)pm;
	note('!', token, &e->addr, NULL, 0);
	return 0;
}

int mptcp_pm_dump(struct mptcp_pm *pm, struct nl_list *out)
{
	(void)pm;
	for (unsigned i = 0; i < kernel.endpoint_count; i++)
		nl_list_add(out, &kernel.endpoints[i], sizeof(kernel.endpoints[i]));
	return 0;
}

int mptcp_pm_get_limits(struct mptcp_pm *pm, struct nl_limits *out)
{
	(void)pm;
	*out = (struct nl_limits){ .add_addrs = 8, .subflows = 8 };
	return 0;
}
