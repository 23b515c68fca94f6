// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/paths.h>

#include <errno.h>
#include <lib/log.h>
#include <linux/rtnetlink.h>
#include <mpgated/paths/internal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEBOUNCE_MS 5 /* changes come in groups: a link that comes up brings addresses and routes */
#define RETRY_MS 200 /* after reading the state failed */
#define ROUTE_RETRY_MS 1000 /* after a rule or route could not be set */
#define MONITOR_BYTES 32768 /* of notifications taken at a time */
#define TFO_CLIENT 1 /* bits of net.ipv4.tcp_fastopen */
#define TFO_SERVER 2
/* Names of the MPTCP limits among the originals. */
#define LIMIT_ADD_ADDRS "mptcp-limits/add_addr_accepted"
#define LIMIT_SUBFLOWS "mptcp-limits/subflows"

/* --- the monitor */

static void on_timer(uv_timer_t *timer);

/* What could not be set is tried again: steer marks packets for rules and routes that must be there. */
static int sync_now(struct paths *p)
{
	int err = paths_sync(p);

	if (err || p->route_error)
		uv_timer_start(&p->timer, on_timer, err ? RETRY_MS : ROUTE_RETRY_MS, 0);
	return err;
}

static void on_timer(uv_timer_t *timer)
{
	sync_now(timer->data);
}

static void sync_soon(struct paths *p)
{
	/* Never put off by the next change, or a storm of them would put it off for ever. */
	if (!uv_is_active((uv_handle_t *)&p->timer))
		uv_timer_start(&p->timer, on_timer, DEBOUNCE_MS, 0);
}

/* A link may be up again by the time the state is read; that it was down must not be missed. */
static void note_link(struct paths *p, const struct nlmsghdr *nlh)
{
	struct nl_link l;

	if (nl_parse_link(nlh, &l) < 0 || (nlh->nlmsg_type == RTM_NEWLINK && l.up))
		return;
	for (unsigned i = 0; i < p->count; i++)
		if (p->links[i].pub.ifindex == l.ifindex)
			p->links[i].was_down = true;
}

/* Routes that ours are made from, and the loss of one of ours to somebody else's hand. */
static bool is_route_of_interest(const struct nlmsghdr *nlh)
{
	struct nl_route hops[NL_ROUTE_HOPS];
	int n = nl_parse_route(nlh, hops);

	/* What cannot be told is taken for a change. */
	return n <= 0 || hops[0].table == RT_TABLE_MAIN ||
	       (nlh->nlmsg_type == RTM_DELROUTE && hops[0].protocol == PATHS_PROTOCOL);
}

static void on_notification(struct paths *p, const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		note_link(p, nlh);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (!is_route_of_interest(nlh))
			return;
		break;
	case RTM_DELRULE: /* network managers remove rules that they do not know */
		break;
	default:
		return;
	}
	sync_soon(p);
}

static void on_monitor(uv_poll_t *poll, int status, int events)
{
	static char buf[MONITOR_BYTES];
	struct paths *p = poll->data;

	(void)status;
	(void)events;
	for (;;) {
		ssize_t got = mnl_socket_recvfrom(p->monitor, buf, sizeof(buf));
		int left = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (got < 0) {
			/* ENOBUFS: some were lost; the state is read as a whole anyway. */
			if (errno != ENOBUFS)
				log_warn("link monitor: %s", strerror(errno));
			sync_soon(p);
			return;
		}
		for (struct nlmsghdr *m = (struct nlmsghdr *)buf; nl_message_ok(m, left); m = mnl_nlmsg_next(m, &left))
			on_notification(p, m);
	}
}

static int open_monitor(struct paths *p)
{
	static const int groups[] = { RTNLGRP_LINK,	  RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
				      RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE };

	p->monitor = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!p->monitor || mnl_socket_bind(p->monitor, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(p->monitor, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
			return -errno;
	}
	return 0;
}

/* --- limits and sysctls */

static uint32_t raised(uint32_t now)
{
	return now > MPTCP_PM_MOST ? now : MPTCP_PM_MOST;
}

/* Lets a connection have as many subflows as the kernel can; what was set before is kept in mind. */
static int raise_limits(struct paths *p)
{
	struct nl_limits now, want;
	int err = mptcp_pm_get_limits(&p->pm, &now);

	if (err)
		return err;
	want = (struct nl_limits){ .add_addrs = raised(now.add_addrs), .subflows = raised(now.subflows) };
	err = originals_note(&p->originals, LIMIT_ADD_ADDRS,
			     originals_value(&p->originals, LIMIT_ADD_ADDRS, (int)now.add_addrs), (int)want.add_addrs);
	if (!err)
		err = originals_note(&p->originals, LIMIT_SUBFLOWS,
				     originals_value(&p->originals, LIMIT_SUBFLOWS, (int)now.subflows),
				     (int)want.subflows);
	if (err || (now.add_addrs == want.add_addrs && now.subflows == want.subflows))
		return err;
	err = mptcp_pm_set_limits(&p->pm, &want);
	if (!err)
		log_info("MPTCP limits: subflows %u, was %u; add_addr_accepted %u, was %u", want.subflows, now.subflows,
			 want.add_addrs, now.add_addrs);
	return err;
}

static void restore_limits(struct paths *p)
{
	struct nl_limits now, before;

	if (mptcp_pm_get_limits(&p->pm, &now) < 0)
		return;
	before.add_addrs = (uint32_t)originals_value(&p->originals, LIMIT_ADD_ADDRS, (int)now.add_addrs);
	before.subflows = (uint32_t)originals_value(&p->originals, LIMIT_SUBFLOWS, (int)now.subflows);
	if (before.add_addrs == now.add_addrs && before.subflows == now.subflows)
		return;
	mptcp_pm_set_limits(&p->pm, &before);
	log_info("MPTCP limits: back to subflows %u, add_addr_accepted %u", before.subflows, before.add_addrs);
}

static void set_sysctls(struct paths *p, const struct config *cfg)
{
	int tfo, reuse, forwarding;
	bool lan = false;

	if (sysctl_original(&p->originals, "ipv4/tcp_fastopen", &tfo) == 0)
		sysctl_set(&p->originals, "ipv4/tcp_fastopen",
			   tfo | TFO_CLIENT | (cfg->convert.listening ? TFO_SERVER : 0));
	/* A gateway dials one destination: a minute of TIME_WAIT a port would bound its rate. 2: on loopback only. */
	if (sysctl_original(&p->originals, "ipv4/tcp_tw_reuse", &reuse) == 0 && reuse == 2)
		sysctl_set(&p->originals, "ipv4/tcp_tw_reuse", 1);
	for (unsigned i = 0; i < cfg->link_count; i++)
		lan |= cfg->links[i].role == CFG_LAN;
	if (!lan)
		return;
	if (sysctl_get("ipv4/ip_forward", &forwarding) == 0 && !forwarding)
		log_warn("net.ipv4.ip_forward is 0: what is not proxied is not forwarded either");
	if (sysctl_get("ipv6/conf/all/forwarding", &forwarding) == 0 && !forwarding)
		log_warn("net.ipv6.conf.all.forwarding is 0: what is not proxied is not forwarded either");
}

/* --- the set of links */

static struct path_link *find_link(struct path_link *links, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(links[i].pub.name, name))
			return &links[i];
	return NULL;
}

static unsigned free_slot(const struct path_link *links, unsigned count, uint64_t taken, unsigned first)
{
	for (unsigned i = 0; i < count; i++)
		taken |= 1ULL << links[i].slot;
	while (taken & (1ULL << first))
		first = (first + 1) % MPGATE_MAX_LINKS;
	return first;
}

/* Links named before keep all they have; of the others that are gone, what is set by name is undone here. */
static int set_links(struct paths *p, const struct config *cfg)
{
	struct path_link links[MPGATE_MAX_LINKS] = { 0 };
	uint64_t taken = 0; /* slots of links that stay */

	if (cfg->link_count > MPGATE_MAX_LINKS)
		return -E2BIG;
	for (unsigned i = 0; i < cfg->link_count; i++) {
		struct path_link *old = find_link(p->links, p->count, cfg->links[i].name);

		if (strlen(cfg->links[i].name) >= sizeof(links[i].pub.name))
			return -ENAMETOOLONG;
		if (old)
			taken |= 1ULL << old->slot;
	}
	for (unsigned i = 0; i < cfg->link_count; i++) {
		struct path_link *old = find_link(p->links, p->count, cfg->links[i].name);

		if (old) {
			links[i] = *old;
		} else {
			strcpy(links[i].pub.name, cfg->links[i].name);
			links[i].slot = free_slot(links, i, taken, i);
		}
		links[i].role = cfg->links[i].role;
		links[i].use = cfg->links[i].use;
	}
	for (unsigned i = 0; i < p->count; i++) {
		char name[sizeof("ipv4/conf//rp_filter") + sizeof(links[0].pub.name)];

		snprintf(name, sizeof(name), "ipv4/conf/%s/rp_filter", p->links[i].pub.name);
		if (!find_link(links, cfg->link_count, p->links[i].pub.name))
			sysctl_restore(&p->originals, name);
	}
	memcpy(p->links, links, sizeof(p->links));
	p->count = cfg->link_count;
	return 0;
}

/* --- life cycle */

static void free_paths(struct paths *p)
{
	if (p->monitor)
		mnl_socket_close(p->monitor);
	nl_close(&p->rt);
	mptcp_pm_close(&p->pm);
	nl_list_free(&p->addrs);
	originals_close(&p->originals, p->undone);
	free(p);
}

static void on_closed(uv_handle_t *handle)
{
	struct paths *p = handle->data;

	if (--p->handles == 0)
		free_paths(p);
}

/* What is left of a killed daemon is told by its tags, so a second one would take the first's for leftovers. */
static int take_lock(struct paths *p)
{
	int err = originals_open(&p->originals);

	if (err == -EADDRINUSE)
		log_error("another mpgated runs in this network namespace: it holds %s", p->originals.path);
	else if (err)
		log_error("cannot lock %s: %s", p->originals.path[0] ? p->originals.path : ORIGINALS_DIR,
			  strerror(-err));
	return err;
}

static int open_sockets(struct paths *p)
{
	int err = take_lock(p);

	if (err)
		return err;
	err = nl_open(NETLINK_ROUTE, &p->rt);
	if (!err)
		err = open_monitor(p);
	if (err) {
		log_error("cannot open rtnetlink: %s", strerror(-err));
		return err;
	}
	err = mptcp_pm_open(&p->pm);
	if (err) {
		log_error("MPTCP path manager: %s", err == -EOPNOTSUPP ? "this kernel has no MPTCP" : strerror(-err));
		return err;
	}
	return 0;
}

static int open_handles(struct paths *p)
{
	int err = uv_poll_init(p->loop, &p->poll, mnl_socket_get_fd(p->monitor));

	if (err)
		return err;
	uv_timer_init(p->loop, &p->timer);
	p->poll.data = p->timer.data = p;
	p->handles = 2;
	return uv_poll_start(&p->poll, UV_READABLE, on_monitor);
}

int paths_open(uv_loop_t *loop, const struct config *cfg, const struct paths_events *events, struct paths **out)
{
	struct paths *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->originals.fd = -1;
	p->events = *events;
	err = open_sockets(p);
	if (!err)
		err = open_handles(p);
	if (err && !p->handles) {
		free_paths(p);
		return err;
	}
	if (!err) {
		err = raise_limits(p);
		if (err)
			log_error("cannot set MPTCP limits: %s", strerror(-err));
	}
	if (!err)
		err = set_links(p, cfg);
	if (!err) {
		set_sysctls(p, cfg);
		err = sync_now(p);
		sysctl_restore_left(&p->originals);
	}
	if (err) {
		paths_close(p);
		return err;
	}
	*out = p;
	return 0;
}

int paths_reload(struct paths *p, const struct config *cfg)
{
	int err = set_links(p, cfg);

	if (err) {
		log_error("links of the new configuration: %s", strerror(-err));
		return err;
	}
	/* With none of them nothing is bonded, and the kernel does not tell who lowered them, nor when. */
	raise_limits(p);
	set_sysctls(p, cfg);
	return sync_now(p);
}

static bool is_present(const struct nl_list *endpoints, int id)
{
	const struct nl_endpoint *v = endpoints->v;

	for (unsigned i = 0; i < endpoints->n; i++)
		if (v[i].id == id)
			return true;
	return false;
}

void paths_check(struct paths *p)
{
	struct nl_list present = { 0 };
	bool lost = false;

	if (mptcp_pm_dump(&p->pm, &present) == 0)
		for (unsigned i = 0; i < 2 * p->count; i++) {
			int id = p->links[i / 2].pub.endpoint[i % 2];

			lost |= id && !is_present(&present, id);
		}
	nl_list_free(&present);
	if (!lost)
		return;
	log_warn("somebody removed MPTCP endpoints: they are set again");
	sync_soon(p);
}

void paths_close(struct paths *p)
{
	p->count = 0;
	paths_apply(p);
	restore_limits(p);
	sysctl_restore(&p->originals, NULL);
	p->undone = true;
	uv_close((uv_handle_t *)&p->poll, on_closed);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

unsigned paths_count(const struct paths *p)
{
	return p->count;
}

const struct paths_link *paths_get(const struct paths *p, unsigned index)
{
	return index < p->count ? &p->links[index].pub : NULL;
}

int paths_local_addrs(struct paths *p, struct mpgate_addr **out, unsigned *count)
{
	const struct nl_address *a = p->addrs.v;
	struct mpgate_addr *v = calloc(p->addrs.n ? p->addrs.n : 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (unsigned i = 0; i < p->addrs.n; i++)
		v[i] = a[i].addr;
	*out = v;
	*count = p->addrs.n;
	return 0;
}
