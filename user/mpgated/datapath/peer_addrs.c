// SPDX-License-Identifier: GPL-2.0-or-later
/* The peers' own addresses, which steer leaves alone. */
#include <mpgated/datapath/internal.h>

/* Entries of earlier configurations: those with another number than this one's. */
static int prune(int fd, uint32_t number)
{
	struct mpgate_addr at, next;
	uint32_t value;
	int err = bpf_map_get_next_key(fd, NULL, &next);

	while (!err) {
		at = next;
		err = bpf_map_get_next_key(fd, &at, &next);
		if (!bpf_map_lookup_elem(fd, &at, &value) && value != number)
			bpf_map_delete_elem(fd, &at);
	}
	return err == -ENOENT ? 0 : err;
}

int datapath_set_peer_addrs(struct datapath *dp, const struct config *cfg)
{
	int fd = dp->map[DP_MAP_peer_addrs], err = 0;
	uint32_t number = dp->peer_addrs_number + 1;

	for (unsigned i = 0; i < cfg->peer_count && !err; i++) {
		const struct cfg_peer *p = &cfg->peers[i];

		for (unsigned k = 0; k < p->address_count && !err; k++)
			err = bpf_map_update_elem(fd, &p->address[k], &number, BPF_ANY);
	}
	if (!err)
		err = prune(fd, number);
	if (err)
		log_error("map peer_addrs: %s", strerror(-err));
	else
		dp->peer_addrs_number = number;
	return err;
}
