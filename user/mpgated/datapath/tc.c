// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * clsact filters, where the kernel has no tcx. A filter outlives the process
 * that made it, so each is written down in the pin directory first: the program
 * it runs as filters/<ifname>-<role>, and a folder clsact/<ifname> where we made
 * the qdisc. Only a filter that runs the program written down is ours.
 */
#include <libmnl/libmnl.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <mpgated/datapath/internal.h>

/* "mp": not a number that tc picks by itself (those count down from 49152). guard runs before the others. */
#define TC_PRIORITY_GUARD 0x6d70U
#define TC_PRIORITY_OTHER 0x6d71U
#define TC_PRIORITY_HOST 0x6d72U /* beside hold_joins, at egress */
#define TC_HANDLE 0x6d70U
#define PATIENCE_S 2 /* for a part of a list */

static void tc_prepare(unsigned ifindex, enum dp_role role, struct bpf_tc_hook *hook, struct bpf_tc_opts *opts)
{
	*hook = (struct bpf_tc_hook){
		.sz = sizeof(*hook),
		.ifindex = (int)ifindex,
		.attach_point = dp_role_leaves(role) ? BPF_TC_EGRESS : BPF_TC_INGRESS,
	};
	*opts = (struct bpf_tc_opts){
		.sz = sizeof(*opts),
		.handle = TC_HANDLE,
		.priority = role == DP_ROLE_GUARD      ? TC_PRIORITY_GUARD
			    : role == DP_ROLE_HOST_OUT ? TC_PRIORITY_HOST
						       : TC_PRIORITY_OTHER,
	};
}

uint32_t dp_prog_id(int fd)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

/* The program of the filter at our place: 0 and *id, -ENOENT when there is none. */
static int tc_query(unsigned ifindex, enum dp_role role, uint32_t *id)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	int err;

	tc_prepare(ifindex, role, &hook, &opts);
	err = bpf_tc_query(&hook, &opts);
	if (!err)
		*id = opts.prog_id;
	/* No clsact at all is -EINVAL, and so is a filter of another kind, which bpf_tc_attach() will meet. */
	return err == -EINVAL ? -ENOENT : err;
}

static int count_message(const struct nlmsghdr *nlh, void *arg)
{
	(void)nlh;
	++*(unsigned *)arg;
	return MNL_CB_OK;
}

/* How many filters are there. 0 or -errno; an answer that does not come holds the daemon up for a moment only. */
static int count_filters(unsigned ifindex, uint32_t parent, unsigned *count)
{
	char buf[MNL_SOCKET_BUFFER_SIZE];
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct tcmsg *tcm;
	ssize_t n;
	int ret = -1;

	if (!nl)
		return -errno;
	nlh->nlmsg_type = RTM_GETTFILTER;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	tcm = mnl_nlmsg_put_extra_header(nlh, sizeof(*tcm));
	tcm->tcm_family = AF_UNSPEC;
	tcm->tcm_ifindex = (int)ifindex;
	tcm->tcm_parent = parent;
	setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 && mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) >= 0) {
		do {
			n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
			ret = n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, 0, 0, count_message, count);
		} while (ret > 0);
	}
	ret = ret < 0 ? -errno : 0;
	mnl_socket_close(nl);
	return ret;
}

/* Removes the qdisc if nobody uses it: destroying it would take everybody's filters along. */
static void drop_clsact(const char *ifname, unsigned ifindex)
{
	struct bpf_tc_hook hook = { .sz = sizeof(hook),
				    .ifindex = (int)ifindex,
				    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS };
	unsigned filters = 0;

	if (count_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS), &filters) ||
	    count_filters(ifindex, TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS), &filters)) {
		log_debug("%s: cannot list filters, the clsact qdisc stays", ifname);
		return;
	}
	if (!filters)
		bpf_tc_hook_destroy(&hook);
}

static int tc_detach(unsigned ifindex, enum dp_role role)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;

	tc_prepare(ifindex, role, &hook, &opts);
	return bpf_tc_detach(&hook, &opts);
}

/* Is the filter at our place the one that runs the program pinned at path? */
static bool filter_is(unsigned ifindex, enum dp_role role, const char *path)
{
	uint32_t in_place = 0, written = 0;
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return false;
	written = dp_prog_id(fd);
	close(fd);
	return written && !tc_query(ifindex, role, &in_place) && in_place == written;
}

static bool has_filters(const char *dir, const char *ifname)
{
	char path[PATH_MAX];

	for (unsigned role = 0; role < DP_ROLE_COUNT; role++)
		if (!dp_pin_path(dir, "filters", ifname, dp_role_name((enum dp_role)role), path) && !access(path, F_OK))
			return true;
	return false;
}

/* Writes the filter down and makes the qdisc. */
static int tc_place(const char *dir, const char *ifname, unsigned ifindex, int prog_fd, const char *path)
{
	struct bpf_tc_hook hook = { .sz = sizeof(hook), .ifindex = (int)ifindex, .attach_point = BPF_TC_INGRESS };
	char marker[PATH_MAX];
	int err = dp_pin_fd(prog_fd, path);

	if (err)
		return err;
	err = dp_pin_path(dir, "clsact", ifname, NULL, marker);
	if (err)
		return err;
	err = bpf_tc_hook_create(&hook);
	if (err == -EEXIST)
		return 0;
	if (!err && mkdir(marker, 0700) && errno != EEXIST)
		err = -errno;
	return err;
}

/*
 * Puts the program at the role's place of ifname, making the qdisc if it is absent. -EBUSY when somebody else's filter
 * is there. 0: it was there already; 1: it was not.
 */
int dp_tc_attach(const char *dir, const char *ifname, unsigned ifindex, enum dp_role role, int prog_fd)
{
	struct bpf_tc_hook hook;
	struct bpf_tc_opts opts;
	char path[PATH_MAX];
	uint32_t id = 0;
	int err;

	err = dp_pin_path(dir, "filters", ifname, dp_role_name(role), path);
	if (err)
		return err;
	if (!tc_query(ifindex, role, &id))
		return id == dp_prog_id(prog_fd) ? 0 : -EBUSY;
	err = tc_place(dir, ifname, ifindex, prog_fd, path);
	if (!err) {
		tc_prepare(ifindex, role, &hook, &opts);
		opts.prog_fd = prog_fd;
		err = bpf_tc_attach(&hook, &opts);
	}
	if (err)
		dp_tc_detach(dir, ifname, ifindex, role);
	return err ? err : 1;
}

/* Removes the filter, and after the last one the qdisc if we made it and nobody else uses it. */
int dp_tc_detach(const char *dir, const char *ifname, unsigned ifindex, enum dp_role role)
{
	char path[PATH_MAX], marker[PATH_MAX];
	int err;

	err = dp_pin_path(dir, "filters", ifname, dp_role_name(role), path);
	if (!err)
		err = dp_pin_path(dir, "clsact", ifname, NULL, marker);
	if (err)
		return err;
	if (filter_is(ifindex, role, path))
		err = tc_detach(ifindex, role);
	unlink(path);
	if (!has_filters(dir, ifname) && !rmdir(marker))
		drop_clsact(ifname, ifindex);
	return err;
}

void dp_tc_clean(const char *dir)
{
	struct if_nameindex *interfaces = if_nameindex();

	for (struct if_nameindex *i = interfaces; i && i->if_index; i++) {
		for (unsigned role = 0; role < DP_ROLE_COUNT; role++)
			dp_tc_detach(dir, i->if_name, i->if_index, (enum dp_role)role);
	}
	if_freenameindex(interfaces);
}
