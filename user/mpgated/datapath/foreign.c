// SPDX-License-Identifier: GPL-2.0-or-later
/* Programs of others that see packets before ours do. */
#include <linux/if_link.h>

#include <mpgated/datapath/internal.h>

static bool is_ours(const struct datapath *dp, uint32_t id)
{
	static const enum dp_prog progs[] = { DP_GUARD_XDP, DP_GATE };

	for (unsigned i = 0; i < sizeof(progs) / sizeof(progs[0]); i++)
		if (dp->prog[progs[i]] >= 0 && dp_prog_id(dp->prog[progs[i]]) == id)
			return true;
	return false;
}

uint32_t datapath_foreign_xdp(const struct datapath *dp, unsigned ifindex, char name[DATAPATH_PROG_NAME])
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info), id;
	int fd;

	if (bpf_xdp_query((int)ifindex, 0, &opts) < 0)
		return 0;
	id = opts.prog_id ? opts.prog_id : opts.drv_prog_id ? opts.drv_prog_id : opts.skb_prog_id;
	if (!id || is_ours(dp, id))
		return 0;
	name[0] = '\0';
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &len) == 0)
		memcpy(name, info.name, DATAPATH_PROG_NAME - 1);
	name[DATAPATH_PROG_NAME - 1] = '\0';
	if (fd >= 0)
		close(fd);
	return id;
}
