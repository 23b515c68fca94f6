// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vmtest/probe: what of mpgate's needs and wishes this kernel has, each found by trying it. One line each on
 * standard output:
 *
 *   feature NAME works
 *   feature NAME degraded WHAT IS DONE INSTEAD
 *   feature NAME absent REASON      nothing takes its place
 *
 * Needs root. Leaves nothing behind: all that it makes belongs to its own sockets and file descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include <mpgated/supervisor/features.h>

#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif
#define PROBE_MPTCP_INFO 1 /* linux/mptcp.h: MPTCP_INFO */
#define PROBE_TCX_INGRESS 46 /* linux/bpf.h: BPF_TCX_INGRESS */
#define LOOPBACK_IFINDEX 1

static int probe_mptcp(void)
{
	int fd = feature_socket();

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int probe_transparent(void)
{
	return feature_set_option(SOL_IP, IP_TRANSPARENT, 1);
}

static int probe_mptcp_info(void)
{
	return feature_get_option(SOL_MPTCP, PROBE_MPTCP_INFO);
}

/* A tc program that passes everything. */
static int load_trivial(enum bpf_prog_type type)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 }, /* TC_ACT_UNSPEC */
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int fd = bpf_prog_load(type, NULL, "GPL", insns, sizeof(insns) / sizeof(insns[0]), NULL);

	return fd < 0 ? -errno : fd;
}

static int probe_tc_program(void)
{
	int fd = load_trivial(BPF_PROG_TYPE_SCHED_CLS);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int probe_tcx(void)
{
	int prog = load_trivial(BPF_PROG_TYPE_SCHED_CLS), link, err = 0;

	if (prog < 0)
		return prog;
	link = bpf_link_create(prog, LOOPBACK_IFINDEX, (enum bpf_attach_type)PROBE_TCX_INGRESS, NULL);
	if (link < 0)
		err = -errno;
	else
		close(link);
	close(prog);
	return err;
}

/* Live frames of a program that drops them: enough to see whether the flag is known. */
static int probe_live_frames(void)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 }, /* XDP_DROP */
		{ .code = BPF_JMP | BPF_EXIT },
	};
	unsigned char frame[64] = { 0 };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame), .repeat = 1,
		    .flags = 1U << 1 /* BPF_F_TEST_XDP_LIVE_FRAMES */);
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, NULL, "GPL", insns, sizeof(insns) / sizeof(insns[0]), NULL);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (bpf_prog_test_run_opts(fd, &opts))
		err = -errno;
	close(fd);
	return err;
}

static int probe_file(const char *path)
{
	return access(path, F_OK) ? -errno : 0;
}

static int probe_allow_join(void)
{
	return probe_file("/proc/sys/net/mptcp/allow_join_initial_addr_port");
}

static int probe_userspace_pm(void)
{
	return probe_file("/proc/sys/net/mptcp/pm_type");
}

static int probe_path_manager(void)
{
	return probe_file("/proc/sys/net/mptcp/path_manager");
}

static int probe_scheduler(void)
{
	return probe_file("/proc/sys/net/mptcp/scheduler");
}

/* What the daemon cannot do without, and what it does not use. */
static const struct feature others[] = {
	{ "mptcp-socket", probe_mptcp, NULL },
	{ "mptcp-ip-transparent", probe_transparent, NULL },
	{ "mptcp-info", probe_mptcp_info, NULL },
	{ "mptcp-join-address-flag", probe_allow_join, NULL },
	{ "mptcp-userspace-path-manager", probe_userspace_pm, "the path manager in the kernel is used" },
	{ "mptcp-path-manager-by-name", probe_path_manager, "the path manager is chosen by number" },
	{ "mptcp-scheduler-by-name", probe_scheduler, "the default scheduler is used" },
	{ "bpf-tc-program", probe_tc_program, NULL },
	{ "bpf-tcx-link", probe_tcx, "a filter of the clsact qdisc is used" },
	{ "bpf-xdp-live-frames", probe_live_frames, NULL },
};

static void tell(const struct feature *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int err = list[i].probe();

		if (!err)
			printf("feature %s works\n", list[i].name);
		else if (list[i].degraded)
			printf("feature %s degraded %s\n", list[i].name, list[i].degraded);
		else
			printf("feature %s absent %s\n", list[i].name, strerror(-err));
	}
}

int main(void)
{
	tell(others, sizeof(others) / sizeof(others[0]));
	tell(features, FEATURE_COUNT);
	return 0;
}
