// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel tells of links, addresses, routes and rules. */
#include <mpgated/paths/internal.h>

#include <errno.h>
#include <lib/log.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#define DEBOUNCE_MS 5 /* changes come in groups: a link that comes up brings addresses and routes */
#define OVERFLOW_MS 100 /* more of them are under way */
#define MONITOR_BYTES 32768 /* of notifications taken at a time */
#define LONG_MS 20U /* that looking at all takes */
#define COST 20U /* of the time at most one part of so many is spent so */
#define TELL_MS 60000 /* what others remove is not said more often */
#define MOST_CHANGES 256 /* routes that one job follows, about */
#define MONITOR_QUEUE (1 << 20) /* bytes that may wait: about a thousand notifications */

/* A link may be up again by the time the state is read; that it was down must not be missed. */
static void note_link(struct path_set *p, const struct nlmsghdr *nlh)
{
	struct nl_link l;

	if (nl_parse_link(nlh, &l) < 0 || (nlh->nlmsg_type == RTM_NEWLINK && l.up))
		return;
	for (unsigned i = 0; i < p->count; i++)
		if (p->links[i].pub.ifindex == l.ifindex)
			p->links[i].was_down = true;
}

/* Is it a rule or a route of ours that somebody removes? The kernel itself, when a link goes, is nobody. */
static bool removes_ours(const struct nlmsghdr *nlh)
{
	struct nl_route hops[NL_ROUTE_HOPS];
	struct nl_rule rule;

	if (!nlh->nlmsg_pid)
		return false;
	if (nlh->nlmsg_type == RTM_DELRULE)
		return nl_parse_rule(nlh, &rule) == 0 && rule.protocol == PATHS_PROTOCOL;
	return nlh->nlmsg_type == RTM_DELROUTE && nl_parse_route(nlh, hops) > 0 && hops[0].protocol == PATHS_PROTOCOL;
}

static void note_removed(struct paths *p, uint32_t port)
{
	struct path_removed *r = &p->removed;
	uint64_t now = uv_hrtime() / 1000000;

	r->count++;
	r->pid = others_name(port, r->program) ? port : 0;
	p->todo |= TODO_OTHERS;
	if (r->told_ms && now < r->told_ms + TELL_MS)
		return;
	r->told_ms = now;
	log_warn("%s removes rules or routes of mpgate, %u so far: they are set again",
		 r->program[0] ? r->program : "somebody", r->count);
}

/*
 * Where looking at all takes long there are very many routes, which change all the time: then it is no more than a
 * small part of the time. The first default route, or the last one, does not wait.
 */
static unsigned pause_ms(const struct paths *p, unsigned ms)
{
	return p->set.sync_ms < LONG_MS ? ms : p->set.sync_ms * COST;
}

static bool is_default(const struct nlmsghdr *nlh)
{
	return mnl_nlmsg_get_payload_len(nlh) >= sizeof(struct rtmsg) &&
	       !((const struct rtmsg *)mnl_nlmsg_get_payload(nlh))->rtm_dst_len;
}

static void on_notification(struct paths *p, const struct nlmsghdr *nlh)
{
	/* What we have done ourselves is no news. */
	if (nlh->nlmsg_pid && nlh->nlmsg_pid == mnl_socket_get_portid(p->set.rt.nl))
		return;
	if (removes_ours(nlh))
		note_removed(p, nlh->nlmsg_pid);
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		note_link(&p->set, nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		/* Nothing is to be done alone what a sync that is due will do anyway. */
		if (!uv_is_active((uv_handle_t *)&p->timer) && routing_notice(&p->set, nlh)) {
			p->todo |= p->set.changes.n ? TODO_FOLLOW : 0;
			return;
		}
		if (!is_default(nlh)) {
			paths_sync_after(p, pause_ms(p, DEBOUNCE_MS));
			return;
		}
		break;
	case RTM_NEWNEXTHOP: /* IPv4 routes change and go with them without a word of their own */
	case RTM_DELNEXTHOP:
	case RTM_DELRULE: /* network managers remove rules that they do not know */
		break;
	default:
		return;
	}
	paths_sync_after(p, DEBOUNCE_MS);
}

/* Some notifications are lost: whatever they told is read anew. */
static void overflow(struct paths *p)
{
	if (!p->overflow_told)
		log_warn("more changes of links and routes than could be followed: all is read anew");
	p->overflow_told = true;
	paths_sync_after(p, pause_ms(p, OVERFLOW_MS));
}

/* Takes what waits: all, or as much as a job should do at a time. */
static void drain(struct paths *p)
{
	static char buf[MONITOR_BYTES];

	while (p->set.changes.n < MOST_CHANGES) {
		ssize_t got = mnl_socket_recvfrom(p->monitor, buf, sizeof(buf));
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == ENOBUFS) {
			overflow(p);
			continue;
		}
		if (got < 0) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				log_warn("link monitor: %s", strerror(errno));
			return;
		}
		for (struct nlmsghdr *m = (struct nlmsghdr *)buf; nl_message_ok(m, left); m = mnl_nlmsg_next(m, &left))
			on_notification(p, m);
	}
}

static void on_monitor(uv_poll_t *poll, int status, int events)
{
	struct paths *p = poll->data;

	(void)events;
	if (status < 0) {
		/* libuv stops a handle whose socket has an error, which an overflow is. */
		overflow(p);
		uv_poll_start(poll, UV_READABLE, on_monitor);
	}
	drain(p);
	paths_begin(p);
}

static int open_socket(struct paths *p)
{
	static const int groups[] = { RTNLGRP_LINK,	  RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
				      RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,   RTNLGRP_NEXTHOP };

	int bytes = MONITOR_QUEUE;

	p->monitor = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!p->monitor || mnl_socket_bind(p->monitor, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(p->monitor, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	/* What does not fit is no more than an overflow. */
	setsockopt(mnl_socket_get_fd(p->monitor), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return 0;
}

int monitor_open(struct paths *p)
{
	int err = open_socket(p);

	if (!err)
		err = uv_poll_init(p->loop, &p->poll, mnl_socket_get_fd(p->monitor));
	if (err)
		return err;
	p->poll.data = p;
	p->handles++;
	p->notified = on_monitor;
	return uv_poll_start(&p->poll, UV_READABLE, on_monitor);
}
