// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Host mode: connections that this machine itself opens go by the rules, all of them or those of some processes. The
 * workers' own never do, which takes a group that tells them: where there is none, host mode is not there.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/supervisor/supervisor.h>

static int set_hosts(struct supervisor *s, enum mpgate_hosts hosts)
{
	struct datapath_cgroups groups = { .workers = s->cgroup_fd, .run = s->run_fd, .root = -1 };
	int ret = 0;

	/* What leads packets to the workers is there before any. */
	if (hosts)
		ret = paths_set_host(s->paths);
	if (!ret && hosts)
		ret = links_serve_hosts(s, true);
	s->hosts_late = ret == -EINPROGRESS;
	if (!ret && hosts)
		ret = groups.root = cgroup_open(CGROUP_ROOT, s->cfg->instance, false);
	if (ret >= 0)
		ret = datapath_set_hosts(s->dp, hosts, &groups);
	if (groups.root >= 0)
		close(groups.root);
	s->hosts = ret < 0 ? MPGATE_HOSTS_NONE : hosts;
	if (!s->hosts && !s->hosts_late)
		links_serve_hosts(s, false);
	return ret;
}

static enum mpgate_hosts wanted(const struct supervisor *s)
{
	if (s->cfg->host)
		return MPGATE_HOSTS_ALL;
	return s->run_fd >= 0 ? MPGATE_HOSTS_RUN : MPGATE_HOSTS_NONE;
}

void host_settle(struct supervisor *s)
{
	enum mpgate_hosts hosts;
	int ret;

	/* What was started by `run` goes on when the daemon starts anew. An empty group is what one left that may not
	 * remove it. */
	if (s->run_fd < 0) {
		s->run_fd = cgroup_open(CGROUP_RUN, s->cfg->instance, false);
		if (s->run_fd >= 0 && !cgroup_has_processes(s->run_fd)) {
			cgroup_remove(s->run_fd, CGROUP_RUN, s->cfg->instance);
			s->run_fd = -1;
		}
	}
	hosts = wanted(s);
	if (hosts == s->hosts)
		return;
	ret = set_hosts(s, hosts);
	if (!hosts && ret >= 0)
		log_info("connections of this machine itself are not carried any more; those that are go on");
	else if (ret < 0)
		log_error("connections of this machine itself are not carried: %s%s", strerror(-ret),
			  ret == -ENOENT ? " (cgroup2 is not mounted)" : "");
	else
		log_info("connections of this machine itself are carried: %s",
			 hosts == MPGATE_HOSTS_ALL ? "all that rules take" : "those of `mpgatectl run`");
}

void host_check(struct supervisor *s)
{
	if (!s->hosts_late || s->links.job.running)
		return;
	s->hosts_late = false;
	host_settle(s);
	if (!s->hosts)
		links_serve_hosts(s, false);
}

/* By a file system that is read-only here, or since root may write to the root group (0555) by CAP_DAC_OVERRIDE only.
 */
static bool is_forbidden(int ret)
{
	return ret == -EROFS || ret == -EACCES;
}

int host_run(struct supervisor *s, pid_t pid, char *group, size_t size)
{
	bool forbidden = false;
	int ret = 0;

	*group = '\0';
	if (s->run_fd < 0) {
		ret = cgroup_open(CGROUP_RUN, s->cfg->instance, true);
		s->run_fd = ret;
		forbidden = is_forbidden(ret);
		/* Said again with the group, also where all are carried. */
		if (ret >= 0)
			ret = set_hosts(s, wanted(s));
		if (ret < 0 && s->run_fd >= 0) {
			cgroup_remove(s->run_fd, CGROUP_RUN, s->cfg->instance);
			s->run_fd = -1;
		}
	}
	if (ret >= 0) {
		ret = cgroup_add(s->run_fd, pid);
		forbidden = is_forbidden(ret);
	}
	if (forbidden)
		ret = cgroup_path(CGROUP_RUN, s->cfg->instance, group, size);
	if (ret < 0)
		log_error("run, process %d: %s", (int)pid, strerror(-ret));
	return ret < 0 ? ret : 0;
}

void host_close(struct supervisor *s)
{
	cgroup_remove(s->run_fd, CGROUP_RUN, s->cfg->instance);
	s->run_fd = -1;
	if (s->hosts && s->dp)
		datapath_set_hosts(s->dp, MPGATE_HOSTS_NONE, NULL);
	s->hosts = MPGATE_HOSTS_NONE;
}
