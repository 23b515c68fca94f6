// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Our connections have addresses of others: servers' towards clients, and in transparent mode clients' towards servers.
 * What the kernel is to forward it drops if a socket of its own has that very connection, in TIME_WAIT too
 * (ip_forward() in net/ipv4/ip_forward.c, ip6_forward()). While steer is there it takes such packets; without it a
 * client could not use its port again towards that server for a minute. Nor can the kernel listen again where joins
 * came to. What another transparent proxy has in TIME_WAIT looks the same and goes as well; nobody misses it.
 */
#include <mpgated/supervisor/timewait.h>

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <uv.h>

#include <lib/addr.h>
#include <mpgated/paths/netlink.h>

#define MOST_NS 2000000000ULL
#define MOST_FOUND 65536U

struct ended {
	struct inet_diag_sockid id;
	uint8_t family;
};

struct search {
	const struct mpgate_addr *local;
	unsigned count;
	__be16 joins;
	struct nl_list found; /* struct ended */
};

static struct mpgate_addr address(const struct inet_diag_msg *m)
{
	struct mpgate_addr a;
	struct sockaddr_in in = { .sin_family = AF_INET };
	__be16 port;

	if (m->idiag_family == AF_INET) {
		memcpy(&in.sin_addr, m->id.idiag_src, sizeof(in.sin_addr));
		addr_from_sockaddr((struct sockaddr *)&in, &a, &port);
	} else {
		memcpy(a.b, m->id.idiag_src, sizeof(a.b));
	}
	return a;
}

static int look(const struct nlmsghdr *nlh, void *arg)
{
	struct search *s = arg;
	struct inet_diag_msg m;
	struct ended e;
	struct mpgate_addr a;
	bool local = false;

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(m))
		return 0;
	memcpy(&m, mnl_nlmsg_get_payload(nlh), sizeof(m));
	if (m.idiag_inode || s->found.n >= MOST_FOUND)
		return 0;
	a = address(&m);
	for (unsigned i = 0; i < s->count; i++)
		local |= !memcmp(&s->local[i], &a, sizeof(a));
	if (local && (!s->joins || m.id.idiag_sport != s->joins))
		return 0;
	e = (struct ended){ .id = m.id, .family = m.idiag_family };
	return nl_list_add(&s->found, &e, sizeof(e));
}

static struct inet_diag_req_v2 *request(struct nlmsghdr *nlh, uint8_t family)
{
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));

	req->sdiag_family = family;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = 1U << TCP_TIME_WAIT | 1U << TCP_FIN_WAIT2;
	return req;
}

static int end(struct nl_sock *nl, const struct ended *e)
{
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, SOCK_DESTROY, 0);

	request(nlh, e->family)->id = e->id;
	return nl_talk(nl, nlh, NULL, NULL);
}

void timewait_end(const struct mpgate_addr *local, unsigned count, __be16 joins)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct search s = { .local = local, .count = count, .joins = joins };
	char buf[NL_REQUEST_SIZE];
	uint64_t until = uv_hrtime() + MOST_NS;
	const struct ended *e;
	struct nl_sock nl;

	if (!count || nl_open(NETLINK_SOCK_DIAG, &nl) < 0)
		return;
	for (unsigned f = 0; f < 2; f++) {
		struct nlmsghdr *nlh = nl_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);

		request(nlh, families[f]);
		nl_talk(&nl, nlh, look, &s);
	}
	e = s.found.v;
	for (unsigned i = 0; i < s.found.n && uv_hrtime() < until; i++) {
		int err = end(&nl, &e[i]);

		/* One that ended meanwhile is none to give up for. */
		if (err && err != -ENOENT)
			break;
	}
	nl_list_free(&s.found);
	nl_close(&nl);
}
