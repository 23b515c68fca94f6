// SPDX-License-Identifier: GPL-2.0-or-later
/* Host mode: which of this machine's own connections meet steer (bpf/host.bpf.c), once its programs are attached. */
#include <mpgated/datapath/internal.h>

static int put_cgroups(struct datapath *dp, const struct datapath_cgroups *cgroups)
{
	int err = cgroups->workers < 0
			  ? cgroups->workers
			  : dp_write_entry(dp, DP_MAP_host_cgroups, MPGATE_CGROUP_WORKERS, &cgroups->workers);

	if (!err && cgroups->run >= 0)
		err = dp_write_entry(dp, DP_MAP_host_cgroups, MPGATE_CGROUP_RUN, &cgroups->run);
	return err;
}

static int attach_mark(struct datapath *dp, int root)
{
	int fd;

	if (dp->host_link >= 0)
		return 0;
	fd = root < 0 ? root : bpf_link_create(dp->prog[DP_HOST_MARK], root, BPF_CGROUP_SOCK_OPS, NULL);
	if (fd < 0)
		return fd;
	dp->host_link = fd;
	return 0;
}

int datapath_set_hosts(struct datapath *dp, enum mpgate_hosts hosts, const struct datapath_cgroups *cgroups)
{
	struct mpgate_settings s = dp->settings;
	int err = hosts ? put_cgroups(dp, cgroups) : 0, write_err;

	if (hosts && !err)
		err = attach_mark(dp, cgroups->root);
	if (err)
		log_error("this machine's own connections cannot be carried: %s", strerror(-err));
	s.hosts = err ? MPGATE_HOSTS_NONE : hosts;
	write_err = dp_write_settings(dp, &s);
	if (!dp->settings.hosts)
		dp_close_fd(&dp->host_link);
	return err ? err : write_err;
}
