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

#define FULL_CHECKS 12U /* of paths_check(): then all is looked at, whatever was told; a minute */
#define TFO_CLIENT 1 /* bits of net.ipv4.tcp_fastopen */
#define TFO_SERVER 2
/* Names of the MPTCP limits among the originals. */
#define LIMIT_ADD_ADDRS "mptcp-limits/add_addr_accepted"
#define LIMIT_SUBFLOWS "mptcp-limits/subflows"

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
	bool lan = false, dials = false;

	if (sysctl_original(&p->originals, "ipv4/tcp_fastopen", &tfo) == 0)
		sysctl_set(&p->originals, "ipv4/tcp_fastopen",
			   tfo | TFO_CLIENT | (cfg->convert.listening ? TFO_SERVER : 0));
	/* A gateway dials one destination: a minute of TIME_WAIT a port would bound its rate. 2: on loopback only. */
	if (sysctl_original(&p->originals, "ipv4/tcp_tw_reuse", &reuse) == 0 && reuse == 2)
		sysctl_set(&p->originals, "ipv4/tcp_tw_reuse", 1);
	for (unsigned i = 0; i < cfg->link_count; i++)
		lan |= cfg->links[i].role == CFG_LAN;
	for (unsigned i = 0; i < cfg->peer_count; i++)
		dials |= cfg->peers[i].address_count > 0;
	blackhole_set(&p->originals, dials || lan);
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
		links[i].detour = !cfg->links[i].no_detour;
	}
	for (unsigned i = 0; i < p->count; i++) {
		char name[sizeof("ipv4/conf//rp_filter") + sizeof(links[0].pub.name)];

		snprintf(name, sizeof(name), "ipv4/conf/%s/rp_filter", p->links[i].pub.name);
		if (!find_link(links, cfg->link_count, p->links[i].pub.name))
			sysctl_restore(&p->originals, name);
	}
	memcpy(p->links, links, sizeof(p->links));
	p->mark = cfg->mark.value;
	p->mark_mask = cfg->mark.mask;
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
	int err;

	uv_timer_init(p->loop, &p->timer);
	p->timer.data = p;
	p->handles = 1;
	err = monitor_open(p);
	if (err)
		log_error("cannot watch links and routes: %s", strerror(-err));
	return err;
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
		err = paths_sync_now(p);
		sysctl_restore_left(&p->originals);
		blackhole_check(&p->blackhole);
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
	return paths_sync_now(p);
}

void paths_check(struct paths *p)
{
	blackhole_check(&p->blackhole);
	if (endpoints_lost(p)) {
		log_warn("somebody removed MPTCP endpoints: they are set again");
		paths_sync_after(p, 0);
	} else if (++p->checks == FULL_CHECKS) {
		paths_sync_after(p, 0);
	} else {
		return;
	}
	p->checks = 0;
	p->overflow_told = false;
}

void paths_close(struct paths *p)
{
	p->count = 0;
	paths_apply(p);
	restore_limits(p);
	sysctl_restore(&p->originals, NULL);
	p->undone = true;
	if (p->poll.data)
		uv_close((uv_handle_t *)&p->poll, on_closed);
	uv_close((uv_handle_t *)&p->timer, on_closed);
}

void paths_set_health(struct paths *p, unsigned index, unsigned f, enum paths_health health)
{
	if (index >= p->count || p->links[index].health[f] == health)
		return;
	p->links[index].health[f] = health;
	paths_sync_after(p, 0);
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
