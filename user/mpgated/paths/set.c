// SPDX-License-Identifier: GPL-2.0-or-later
/* The settings of a configuration: the set of links, MPTCP limits, sysctls. */
#include <mpgated/paths/internal.h>

#include <errno.h>
#include <lib/log.h>
#include <stdio.h>
#include <stdlib.h>

#define TFO_CLIENT 1 /* bits of net.ipv4.tcp_fastopen */
#define TFO_SERVER 2
#define ALLOW_FIRST "mptcp/allow_join_initial_addr_port" /* 0: the flag C is set in MP_CAPABLE */
/* Names of the MPTCP limits among the originals. */
#define LIMIT_ADD_ADDRS "mptcp-limits/add_addr_accepted"
#define LIMIT_SUBFLOWS "mptcp-limits/subflows"

static uint32_t raised(uint32_t now)
{
	return now > MPTCP_PM_MOST ? now : MPTCP_PM_MOST;
}

int set_limits(struct path_set *p)
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

static int restore_limits(struct path_set *p)
{
	struct nl_limits now, before;
	int err = mptcp_pm_get_limits(&p->pm, &now);

	if (err)
		return err;
	before.add_addrs = (uint32_t)originals_value(&p->originals, LIMIT_ADD_ADDRS, (int)now.add_addrs);
	before.subflows = (uint32_t)originals_value(&p->originals, LIMIT_SUBFLOWS, (int)now.subflows);
	if (before.add_addrs == now.add_addrs && before.subflows == now.subflows)
		return 0;
	err = mptcp_pm_set_limits(&p->pm, &before);
	if (!err)
		log_info("MPTCP limits: back to subflows %u, add_addr_accepted %u", before.subflows, before.add_addrs);
	return err;
}

void set_sysctls(struct path_set *p)
{
	int tfo, reuse, accept;

	if (sysctl_original(&p->originals, "ipv4/tcp_fastopen", &tfo) == 0)
		sysctl_set(&p->originals, "ipv4/tcp_fastopen",
			   tfo | TFO_CLIENT | (p->settings.accepts ? TFO_SERVER : 0));
	/* A gateway dials one destination: a minute of TIME_WAIT a port would bound its rate. 2: on loopback only. */
	if (sysctl_original(&p->originals, "ipv4/tcp_tw_reuse", &reuse) == 0 && reuse == 2)
		sysctl_set(&p->originals, "ipv4/tcp_tw_reuse", 1);
	blackhole_set(&p->originals, p->settings.dials);
	if (p->settings.deny_first)
		sysctl_set(&p->originals, ALLOW_FIRST, 0);
	else
		sysctl_restore(&p->originals, ALLOW_FIRST);
	/* A SYN of host mode that is looped has no route yet, and a source of our own. */
	if (p->settings.host)
		sysctl_set(&p->originals, PATHS_LOOP_LOCAL, 1);
	if (p->settings.host && p->settings.forwards && sysctl_get("ipv4/tcp_fwmark_accept", &accept) == 0 && accept)
		log_warn("net.ipv4.tcp_fwmark_accept is 1: in host mode that loses the connections of lan links");
}

const struct path_link *set_find_link(const struct path_link *links, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(links[i].pub.name, name))
			return &links[i];
	return NULL;
}

/* Links named before keep all they have. */
void set_links(struct path_set *p)
{
	const struct path_settings *s = &p->settings;
	struct path_link links[MPGATE_MAX_LINKS] = { 0 };

	for (unsigned i = 0; i < s->count; i++) {
		const struct path_link *old = set_find_link(p->links, p->count, s->link[i].name);

		if (old)
			links[i] = *old;
		else
			memcpy(links[i].pub.name, s->link[i].name, sizeof(links[i].pub.name));
		links[i].slot = s->link[i].slot;
		links[i].full = s->link[i].full;
		links[i].rtt_us = s->link[i].rtt_us;
		links[i].role = s->link[i].role;
		links[i].use = s->link[i].use;
		links[i].detour = s->link[i].detour;
		links[i].rank = s->link[i].rank;
		links[i].pub.backup = links[i].rank == PATHS_RANK_USE ? links[i].use != CFG_PRIMARY
								      : links[i].rank == PATHS_RANK_BACKUP;
		links[i].gateway_link = s->link[i].gateway_link;
		memcpy(links[i].gateway, s->link[i].gateway, sizeof(links[i].gateway));
		memcpy(links[i].health, s->link[i].health, sizeof(links[i].health));
	}
	for (unsigned i = 0; i < p->count; i++) {
		char name[sizeof("ipv4/conf//rp_filter") + sizeof(links[0].pub.name)];

		snprintf(name, sizeof(name), "ipv4/conf/%s/rp_filter", p->links[i].pub.name);
		if (!set_find_link(links, s->count, p->links[i].pub.name))
			sysctl_restore(&p->originals, name);
	}
	memcpy(p->links, links, sizeof(p->links));
	p->count = s->count;
}

int set_list_addrs(const struct nl_list *addrs, struct mpgate_addr **out, unsigned *count)
{
	const struct nl_address *a = addrs->v;
	struct mpgate_addr *v = calloc(addrs->n ? addrs->n : 1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (unsigned i = 0; i < addrs->n; i++)
		v[i] = a[i].addr;
	*out = v;
	*count = addrs->n;
	return 0;
}

int set_undo(struct path_set *p)
{
	int err;

	p->count = p->settings.join_count = 0;
	p->joins.managed = false;
	nl_retry(&p->rt);
	nl_retry(&p->pm.sock);
	paths_apply(p);
	err = restore_limits(p);
	sysctl_restore(&p->originals, NULL);
	return err;
}
