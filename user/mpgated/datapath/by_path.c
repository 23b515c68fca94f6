// SPDX-License-Identifier: GPL-2.0-or-later
/* What subflows get by their path, and the program that gives it to them. */
#include <mpgated/datapath/internal.h>

void datapath_set_path(struct datapath *dp, const struct mpgate_addr *addr, const struct mpgate_path *path)
{
	int err;

	if (path)
		err = bpf_map_update_elem(dp->map[DP_MAP_paths], addr, path, BPF_ANY);
	else
		err = bpf_map_delete_elem(dp->map[DP_MAP_paths], addr);
	if (err && err != -ENOENT)
		log_error("map paths: %s", strerror(-err));
}

/* Not pinned: without the supervisor nobody looks after the map. */
static int attach(struct datapath *dp, enum dp_prog prog, int cgroup_fd, int *link)
{
	int fd = cgroup_fd;

	if (dp->prog[prog] < 0)
		return -EOPNOTSUPP;
	if (cgroup_fd >= 0)
		fd = bpf_link_create(dp->prog[prog], cgroup_fd, BPF_CGROUP_SOCK_OPS, NULL);
	if (fd < 0) {
		dp_feature(dp, prog, -fd);
		return fd;
	}
	dp_close_fd(link);
	*link = fd;
	return 0;
}

int datapath_attach_paths(struct datapath *dp, int cgroup_fd)
{
	attach(dp, DP_PACE, cgroup_fd, &dp->pace_link);
	return attach(dp, DP_BY_PATH, cgroup_fd, &dp->path_link);
}
