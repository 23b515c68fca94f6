// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Programs on interfaces. What a link needs follows from its role; how it is
 * done is found by trying. BPF links are pinned, so that established connections
 * of draining workers are steered on when the supervisor dies.
 */
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <mpgated/datapath/internal.h>

/* Linux 6.6; newer than the headers of Debian 12. */
#define TCX_INGRESS 46 /* BPF_TCX_INGRESS */
#define TCX_EGRESS 47 /* BPF_TCX_EGRESS */
#define TCX_FIRST (1U << 3) /* BPF_F_BEFORE, with no other program named: before all */
#define NO_IFINDEX 0x7fffffff

static const char *const hook_names[] = {
	[HOOK_NONE] = "none",
	[HOOK_TCX] = "tcx",
	[HOOK_CLSACT] = "clsact",
	[HOOK_XDP] = "xdp",
	[HOOK_XDP_GENERIC] = "xdp-generic",
};

const char *datapath_hook_name(enum datapath_hook hook)
{
	return hook_names[hook];
}

/* Asks for a tcx link on an interface that cannot be: only a kernel that has tcx gets as far as looking for it. */
bool dp_probe_tcx(int prog_fd)
{
	int fd = bpf_link_create(prog_fd, NO_IFINDEX, (enum bpf_attach_type)TCX_INGRESS, NULL);

	return fd == -ENODEV;
}

static int attach_link(struct datapath *dp, struct dp_link *l, enum dp_role role, enum datapath_hook kind, int prog_fd,
		       int *out)
{
	struct bpf_link_create_opts opts = { .sz = sizeof(opts) };
	int tcx = dp_role_leaves(role) ? TCX_EGRESS : TCX_INGRESS;
	enum bpf_attach_type type = kind == HOOK_TCX ? (enum bpf_attach_type)tcx : BPF_XDP;
	char path[PATH_MAX];
	int fd, err;

	if (kind == HOOK_TCX)
		opts.flags = role == DP_ROLE_GUARD ? TCX_FIRST : 0;
	else
		opts.flags = kind == HOOK_XDP ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	fd = bpf_link_create(prog_fd, (int)l->ifindex, type, &opts);
	if (fd < 0)
		return fd;
	err = dp_pin_path(dp->dir, "links", l->name, dp_role_name(role), path);
	if (!err)
		err = dp_pin_fd(fd, path);
	if (err) {
		bpf_link_detach(fd);
		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

static void hook_detach(struct datapath *dp, struct dp_link *l, enum dp_role role)
{
	struct dp_hook *h = &l->hook[role];
	char path[PATH_MAX];

	if (h->kind == HOOK_CLSACT) {
		dp_tc_detach(dp->dir, l->name, l->ifindex, role);
	} else if (h->kind != HOOK_NONE) {
		bpf_link_detach(h->fd);
		if (!dp_pin_path(dp->dir, "links", l->name, dp_role_name(role), path))
			unlink(path);
		dp_close_fd(&h->fd);
	}
	h->kind = HOOK_NONE;
}

/* The program, -1 when there is none: XDP programs expect an Ethernet header. */
static int prog_of(const struct datapath *dp, const struct dp_link *l, enum dp_role role, enum datapath_hook kind)
{
	bool tc = kind == HOOK_TCX || kind == HOOK_CLSACT;

	if (role == DP_ROLE_JOINS)
		return dp->prog[DP_HOLD_JOINS];
	if (role == DP_ROLE_HOST_OUT)
		return dp->prog[l->l3 ? DP_HOST_OUT_L3 : DP_HOST_OUT];
	if (role == DP_ROLE_HOST_IN)
		return dp->prog[DP_HOST_IN];
	if (tc && role == DP_ROLE_STEER)
		return dp->prog[l->l3 ? DP_STEER_L3 : DP_STEER];
	if (tc)
		return dp->prog[l->l3 ? DP_GUARD_TC_L3 : DP_GUARD_TC];
	if (l->l3)
		return -1;
	return dp->prog[role == DP_ROLE_GATE ? DP_GATE : DP_GUARD_XDP];
}

/* Makes role be served by kind; nothing changes when it is so already. On failure what was there is gone. */
static int hook_attach(struct datapath *dp, struct dp_link *l, enum dp_role role, enum datapath_hook kind)
{
	struct dp_hook *h = &l->hook[role];
	int prog_fd = prog_of(dp, l, role, kind);
	bool was;
	int err;

	/* Somebody may have removed the filter together with its qdisc; a link cannot be lost that way. */
	if (h->kind == kind && kind != HOOK_CLSACT)
		return 0;
	was = h->kind == kind;
	if (!was)
		hook_detach(dp, l, role);
	if (prog_fd < 0)
		return -EOPNOTSUPP;
	if (kind == HOOK_CLSACT)
		err = dp_tc_attach(dp->dir, l->name, l->ifindex, role, prog_fd);
	else
		err = attach_link(dp, l, role, kind, prog_fd, &h->fd);
	if (err > 0 && was)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->name }),
			 "link %s: somebody removed the filter of %s: it is set again", l->name, dp_role_name(role));
	h->kind = err < 0 ? HOOK_NONE : kind;
	return err < 0 ? err : 0;
}

/*
 * veth has native XDP, but it turns off the segmentation offload of the peer, which costs far more than an early
 * verdict saves.
 */
static bool is_veth(const char *ifname)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (s < 0)
		return false;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	ifr.ifr_data = (char *)&info;
	err = ioctl(s, SIOCETHTOOL, &ifr);
	close(s);
	return !err && !strcmp(info.driver, "veth");
}

static enum datapath_hook tc_kind(const struct datapath *dp)
{
	return dp->tcx ? HOOK_TCX : HOOK_CLSACT;
}

static int attach_guard(struct datapath *dp, struct dp_link *l, enum cfg_guard guard)
{
	switch (guard) {
	case CFG_GUARD_XDP:
		return hook_attach(dp, l, DP_ROLE_GUARD, HOOK_XDP);
	case CFG_GUARD_XDP_GENERIC:
		return hook_attach(dp, l, DP_ROLE_GUARD, HOOK_XDP_GENERIC);
	case CFG_GUARD_AUTO:
		if (!is_veth(l->name) && !hook_attach(dp, l, DP_ROLE_GUARD, HOOK_XDP))
			return 0;
		/* fall through */
	default:
		return hook_attach(dp, l, DP_ROLE_GUARD, tc_kind(dp));
	}
}

/* Not having it costs a little time a SYN, no more. */
static void attach_gate(struct datapath *dp, struct dp_link *l)
{
	int err = hook_attach(dp, l, DP_ROLE_GATE, HOOK_XDP);

	if (err)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->name }),
			 "link %s: no early classification (no native XDP here): %s", l->name, strerror(-err));
}

/* Without it connections work, but see hold_joins: the operator is to know. */
static void attach_joins(struct datapath *dp, struct dp_link *l)
{
	int err = hook_attach(dp, l, DP_ROLE_JOINS, tc_kind(dp));

	if (err)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->name }),
			 "link %s: cannot attach hold_joins: %s: a join that meets a busy connection may bring wrong "
			 "bytes",
			 l->name, strerror(-err));
}

/* Without it this machine's own connections over the link go the normal way. */
static void attach_host_out(struct datapath *dp, struct dp_link *l)
{
	int err;

	if (!dp->hosts_attached || !l->path) {
		hook_detach(dp, l, DP_ROLE_HOST_OUT);
		return;
	}
	err = hook_attach(dp, l, DP_ROLE_HOST_OUT, tc_kind(dp));
	if (err)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->name }),
			 "link %s: cannot attach host_out: %s: what this machine itself opens there is not carried",
			 l->name, strerror(-err));
}

static struct dp_link *link_find(struct datapath *dp, unsigned ifindex)
{
	for (unsigned i = 0; i < DP_LINKS; i++) {
		if (dp->links[i].ifindex == ifindex)
			return &dp->links[i];
	}
	return NULL;
}

static void link_clear(struct datapath *dp, struct dp_link *l)
{
	for (unsigned role = 0; role < DP_ROLE_COUNT; role++)
		hook_detach(dp, l, role);
	l->ifindex = 0;
}

/* The entry of an interface, old or new. Another interface that had the name is gone: so is what we had on it. */
static struct dp_link *link_take(struct datapath *dp, unsigned ifindex, const char *name, bool l3)
{
	struct dp_link *l;

	for (unsigned i = 0; i < DP_LINKS; i++) {
		l = &dp->links[i];
		if (l->ifindex &&
		    ((l->ifindex == ifindex) != !strcmp(l->name, name) || (l->ifindex == ifindex && l->l3 != l3)))
			link_clear(dp, l);
	}
	l = link_find(dp, ifindex);
	if (l)
		return l;
	l = link_find(dp, 0);
	if (!l)
		return NULL;
	*l = (struct dp_link){ .ifindex = ifindex, .l3 = l3 };
	snprintf(l->name, sizeof(l->name), "%s", name);
	for (unsigned role = 0; role < DP_ROLE_COUNT; role++)
		l->hook[role].fd = -1;
	return l;
}

int datapath_attach(struct datapath *dp, unsigned ifindex, const struct cfg_link *link, bool l3,
		    struct datapath_attached *out)
{
	struct dp_link *l = ifindex ? link_take(dp, ifindex, link->name, l3) : NULL;
	int err;

	*out = (struct datapath_attached){ .failed = "anything" };
	if (!l)
		return ifindex ? -ENOSPC : -ENODEV;
	/* One XDP program an interface: what is not wanted any more makes room first. */
	if (link->role != CFG_PATH) {
		hook_detach(dp, l, DP_ROLE_GUARD);
		hook_detach(dp, l, DP_ROLE_JOINS);
	}
	if (link->role != CFG_LAN || !link->early_classify)
		hook_detach(dp, l, DP_ROLE_GATE);
	out->failed = "guard";
	err = link->role == CFG_PATH ? attach_guard(dp, l, link->guard) : 0;
	if (err)
		goto fail;
	out->failed = "steer";
	err = hook_attach(dp, l, DP_ROLE_STEER, tc_kind(dp));
	if (err)
		goto fail;
	if (link->role == CFG_LAN && link->early_classify)
		attach_gate(dp, l);
	if (link->role == CFG_PATH)
		attach_joins(dp, l);
	l->path = link->role == CFG_PATH;
	attach_host_out(dp, l);
	*out = (struct datapath_attached){
		.steer = l->hook[DP_ROLE_STEER].kind,
		.guard = l->hook[DP_ROLE_GUARD].kind,
		.gate = l->hook[DP_ROLE_GATE].kind,
	};
	return 0;
fail:
	link_clear(dp, l);
	return err;
}

int datapath_detach(struct datapath *dp, unsigned ifindex)
{
	struct dp_link *l = ifindex ? link_find(dp, ifindex) : NULL;

	if (l)
		link_clear(dp, l);
	return 0;
}

void datapath_restore(struct datapath *dp)
{
	for (unsigned i = 0; i < DP_LINKS; i++)
		for (unsigned role = 0; dp->links[i].ifindex && role < DP_ROLE_COUNT; role++)
			if (dp->links[i].hook[role].kind == HOOK_CLSACT)
				hook_attach(dp, &dp->links[i], role, HOOK_CLSACT);
}

/*
 * What receives stands there before what sends to it, and goes after: a SYN that host_out sent to the loopback device
 * with no program there would meet a stranger's listener.
 */
static int attach_host_in(struct datapath *dp)
{
	struct dp_link *l = link_take(dp, MPGATE_HOST_IFINDEX, "lo", false);
	int err = l ? hook_attach(dp, l, DP_ROLE_HOST_IN, tc_kind(dp)) : -ENOSPC;

	if (err && l)
		link_clear(dp, l);
	return err;
}

int datapath_attach_hosts(struct datapath *dp, bool on)
{
	int err = 0;

	for (unsigned i = DP_HOST_OUT; on && i <= DP_HOST_MARK && !err; i++)
		err = dp->prog[i] < 0 ? -EOPNOTSUPP : 0;
	if (on && !err)
		err = attach_host_in(dp);
	dp->hosts_attached = on && !err;
	for (unsigned i = 0; i < DP_LINKS; i++)
		if (dp->links[i].ifindex)
			attach_host_out(dp, &dp->links[i]);
	if (!dp->hosts_attached)
		datapath_detach(dp, MPGATE_HOST_IFINDEX);
	if (err)
		log_error("this machine's own connections cannot be carried: %s", strerror(-err));
	return err;
}
