// SPDX-License-Identifier: GPL-2.0-or-later
/* A frame of our own that comes in on a link: BPF_PROG_TEST_RUN with live frames (Linux 5.18). */
#include <linux/if_ether.h>

#include <mpgated/datapath/internal.h>

int datapath_inject(const struct datapath *dp, unsigned ifindex, const void *frame, size_t len)
{
	struct xdp_md ctx = { .data_end = (uint32_t)len, .ingress_ifindex = ifindex };
	struct bpf_test_run_opts opts = {
		.sz = sizeof(opts),
		.data_in = frame,
		.data_size_in = (uint32_t)len,
		.ctx_in = &ctx,
		.ctx_size_in = sizeof(ctx),
		.repeat = 1,
		.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
	};

	/* Any program that passes frames would do. */
	return dp->prog[DP_GATE] < 0 ? -EOPNOTSUPP : bpf_prog_test_run_opts(dp->prog[DP_GATE], &opts);
}
