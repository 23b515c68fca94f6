// SPDX-License-Identifier: GPL-2.0-or-later
/* The datapath as a whole: from loading to the removal of the last pin. */
#include <stdlib.h>
#include <sys/random.h>

#include <mpgated/datapath/internal.h>

static void set_closed(struct datapath *dp)
{
	dp->hold_fd = dp->btf_fd = dp->inner_links = dp->inner_hits = -1;
	dp->synack_link = dp->tag_link = dp->path_link = dp->pace_link = dp->host_link = -1;
	for (unsigned i = 0; i < DP_MAP_COUNT; i++)
		dp->map[i] = -1;
	for (unsigned i = 0; i < DP_GEN_COUNT; i++)
		dp->gen[i].fd = -1;
	for (unsigned i = 0; i < DP_PROG_COUNT; i++)
		dp->prog[i] = -1;
}

int datapath_open(const char *instance, unsigned replay_buckets, struct datapath **out)
{
	struct datapath *dp;
	int err = dp_pin_check(instance);

	if (err)
		return err;
	dp = calloc(1, sizeof(*dp));
	if (!dp)
		return -ENOMEM;
	set_closed(dp);
	dp->replay_buckets = replay_buckets;
	/* Loading takes longest; what a killed daemon left serves its workers meanwhile. */
	err = dp_load(dp);
	if (!err)
		err = dp_pin_clean(instance);
	if (!err)
		err = dp_pin_maps(dp, instance);
	if (!err)
		err = dp_flows_open(dp);
	if (!err && getrandom(&dp->settings.client_seed, sizeof(dp->settings.client_seed), 0) < 0)
		err = -errno;
	dp->settings.mark = MPGATE_MARK;
	dp->settings.mark_mask = MPGATE_MARK_MASK;
	if (err) {
		dp_pin_clean(instance);
		dp_flows_close(dp);
		dp_unload(dp);
		free(dp);
		return err;
	}
	dp->tcx = dp_probe_tcx(dp->prog[DP_STEER]);
	dp->features[DP_FEATURE_TCX] =
		(struct datapath_feature){ "tcx", dp->tcx, dp->tcx ? NULL : "programs are attached as clsact filters",
					   dp->tcx ? 0 : EOPNOTSUPP };
	dp_hold_open(dp);
	*out = dp;
	return 0;
}

void datapath_close(struct datapath *dp)
{
	char *instance = dp->dir + strlen(MPGATE_PIN_ROOT "/");

	for (unsigned i = 0; i < DP_LINKS; i++) {
		if (dp->links[i].ifindex)
			datapath_detach(dp, dp->links[i].ifindex);
	}
	dp_close_fd(&dp->synack_link);
	dp_close_fd(&dp->host_link);
	dp_close_fd(&dp->tag_link);
	dp_close_fd(&dp->path_link);
	dp_close_fd(&dp->pace_link);
	dp_close_fd(&dp->inner_links);
	dp_close_fd(&dp->inner_hits);
	dp_hold_close(dp);
	dp_flows_close(dp);
	dp_unload(dp);
	instance[strcspn(instance, "/")] = '\0';
	dp_pin_clean(instance);
	free(dp);
}
