// SPDX-License-Identifier: GPL-2.0-or-later
/* What the SYNs of transparent mode get their tag from, and the program that adds it. */
#include <mpgated/datapath/internal.h>

void datapath_set_tag_key(struct datapath *dp, unsigned slot, const struct subkey *key)
{
	struct mpgate_tag_key value = { 0 };
	uint32_t id = slot;
	int err;

	if (key) {
		value = (struct mpgate_tag_key){ .k0 = key->k0, .k1 = key->k1, .id = key->id };
		err = bpf_map_update_elem(dp->map[DP_MAP_tag_keys], &id, &value, BPF_ANY);
	} else {
		err = bpf_map_delete_elem(dp->map[DP_MAP_tag_keys], &id);
	}
	if (err && err != -ENOENT)
		log_error("map tag_keys, slot %u: %s", slot, strerror(-err));
	key_wipe(&value, sizeof(value));
}

int datapath_attach_tags(struct datapath *dp, int cgroup_fd)
{
	int fd = cgroup_fd;

	if (dp->prog[DP_ADD_TAG] < 0)
		return -EOPNOTSUPP;
	if (cgroup_fd >= 0)
		fd = bpf_link_create(dp->prog[DP_ADD_TAG], cgroup_fd, BPF_CGROUP_SOCK_OPS, NULL);
	if (fd < 0) {
		dp_feature(dp, DP_ADD_TAG, -fd);
		return fd;
	}
	dp_close_fd(&dp->tag_link);
	dp->tag_link = fd;
	return 0;
}
