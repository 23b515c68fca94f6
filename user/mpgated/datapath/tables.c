// SPDX-License-Identifier: GPL-2.0-or-later
/* The tables that are single values: settings, peers, counters. */
#include <stdlib.h>

#include <mpgated/datapath/internal.h>

unsigned datapath_features(const struct datapath *dp, const struct datapath_feature **out)
{
	*out = dp->features;
	return DP_FEATURE_COUNT;
}

/* Says what failed, too. */
int dp_write_entry(struct datapath *dp, enum dp_map map, unsigned index, const void *value)
{
	uint32_t key = index;
	int err = bpf_map_update_elem(dp->map[map], &key, value, BPF_ANY);

	if (err)
		log_error("map %s, entry %u: %s", dp_map_name(map), index, strerror(-err));
	return err;
}

int dp_write_settings(struct datapath *dp, const struct mpgate_settings *s)
{
	int err = dp_write_entry(dp, DP_MAP_settings, 0, s);

	if (!err)
		dp->settings = *s;
	return err;
}

int datapath_set_backlog(struct datapath *dp, unsigned backlog)
{
	struct mpgate_settings s = dp->settings;
	int cpus = libbpf_num_possible_cpus();

	if (cpus <= 0)
		return cpus ? cpus : -ENODEV;
	s.backlog = backlog / (unsigned)cpus;
	return dp_write_settings(dp, &s);
}

int datapath_set_mark(struct datapath *dp, uint32_t value, uint32_t mask)
{
	struct mpgate_settings s = dp->settings;

	s.mark = value;
	s.mark_mask = mask;
	return dp_write_settings(dp, &s);
}

int datapath_set_undelivered(struct datapath *dp, bool undelivered)
{
	struct mpgate_settings s = dp->settings;

	s.undelivered = undelivered;
	return dp_write_settings(dp, &s);
}

int datapath_set_peer(struct datapath *dp, unsigned slot, const struct mpgate_peer *peer)
{
	return dp_write_entry(dp, DP_MAP_peers, slot, peer);
}

/* Sums count per-CPU counters of a map into sums; sums is untouched on failure. */
static int sum_counters(int fd, const char *name, uint64_t *sums, unsigned count)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values, *out;
	int err = 0;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)cpus + count, sizeof(*values));
	if (!values)
		return -ENOMEM;
	out = values + cpus;
	for (uint32_t key = 0; key < count; key++) {
		err = bpf_map_lookup_elem(fd, &key, values);
		if (err) {
			log_error("map %s, entry %u: %s", name, key, strerror(-err));
			break;
		}
		for (int cpu = 0; cpu < cpus; cpu++)
			out[key] += values[cpu];
	}
	if (!err)
		memcpy(sums, out, count * sizeof(*sums));
	free(values);
	return err;
}

int datapath_counters(struct datapath *dp, uint64_t counters[MPGATE_REASON_COUNT])
{
	return sum_counters(dp->map[DP_MAP_reasons], "reasons", counters, MPGATE_REASON_COUNT);
}

int datapath_rule_hits(struct datapath *dp, uint64_t *hits, unsigned count)
{
	if (dp->inner_hits < 0 || count > MPGATE_MAX_RULES)
		return count ? -ENOENT : 0;
	return sum_counters(dp->inner_hits, "gen_hits", hits, count);
}

/* Nothing writes the map unless the program is attached. */
int datapath_synack_fd(const struct datapath *dp)
{
	return dp->synack_link < 0 ? -1 : dp->map[DP_MAP_synack];
}

/* Not pinned: it serves connections of workers, which have the map already when the supervisor dies. */
int datapath_attach_synack(struct datapath *dp, int cgroup_fd)
{
	int fd = cgroup_fd;

	if (dp->prog[DP_SYNACK] < 0)
		return -EOPNOTSUPP;
	if (cgroup_fd >= 0)
		fd = bpf_link_create(dp->prog[DP_SYNACK], cgroup_fd, BPF_CGROUP_SOCK_OPS, NULL);
	if (fd < 0) {
		log_warn("cannot attach synack to the cgroup: %s; %s", strerror(-fd),
			 "the Extended TCP Header is not sent");
		dp_feature(dp, DP_SYNACK, -fd);
		return fd;
	}
	dp_close_fd(&dp->synack_link);
	dp->synack_link = fd;
	return 0;
}

void datapath_programs(struct datapath *dp, void (*fn)(void *arg, const char *name, unsigned insns, unsigned verified),
		       void *arg)
{
	for (unsigned i = 0; i < DP_PROG_COUNT; i++) {
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);

		if (dp->prog[i] < 0 || bpf_obj_get_info_by_fd(dp->prog[i], &info, &len))
			continue;
		fn(arg, dp_prog_name((enum dp_prog)i), info.xlated_prog_len / (unsigned)sizeof(struct bpf_insn),
		   info.verified_insns);
	}
}
