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
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif
#define PROBE_MPTCP_INFO 1 /* linux/mptcp.h: MPTCP_INFO */
#define PROBE_TCP_IS_MPTCP 43 /* linux/tcp.h: TCP_IS_MPTCP */
#define PROBE_INFO_BYTES 256 /* more than any kernel's struct mptcp_info */
#define PROBE_TFO_QUEUE 16
#define PROBE_TCX_INGRESS 46 /* linux/bpf.h: BPF_TCX_INGRESS */
#define LOOPBACK_IFINDEX 1

/* One probe: 0 when the kernel has it, else -errno. */
struct probe {
	const char *name;
	int (*run)(void);
	const char *instead; /* what mpgate does without it; NULL: it cannot do without */
};

static int mptcp_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP);

	return fd < 0 ? -errno : fd;
}

/* An option of an MPTCP socket, set to `value`. */
static int try_option(int level, int option, int value)
{
	int fd = mptcp_socket(), err = 0;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, level, option, &value, sizeof(value)))
		err = -errno;
	close(fd);
	return err;
}

static int probe_mptcp(void)
{
	int fd = mptcp_socket();

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int probe_transparent(void)
{
	return try_option(SOL_IP, IP_TRANSPARENT, 1);
}

static int probe_tfo_server(void)
{
	return try_option(SOL_TCP, TCP_FASTOPEN, PROBE_TFO_QUEUE);
}

static int probe_tfo_no_cookie(void)
{
	return try_option(SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
}

/* MSG_FASTOPEN on an MPTCP socket; the port is one where nobody listens, so that a refusal means that it was sent. */
static int probe_tfo_client(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = mptcp_socket(), err = 0;

	if (taken < 0 || fd < 0) {
		err = taken < 0 ? -errno : fd;
		goto out;
	}
	/* Bound, not listening: the port is nobody else's. */
	if (bind(taken, (struct sockaddr *)&sin, len) || getsockname(taken, (struct sockaddr *)&sin, &len)) {
		err = -errno;
		goto out;
	}
	if (sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&sin, len) < 0 &&
	    errno != ECONNREFUSED && errno != EINPROGRESS)
		err = -errno;
out:
	if (fd >= 0)
		close(fd);
	if (taken >= 0)
		close(taken);
	return err;
}

/* What a connected pair of MPTCP sockets over loopback says to a getsockopt(). */
static int try_connected(int level, int option)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin), info_len = PROBE_INFO_BYTES;
	unsigned char info[PROBE_INFO_BYTES];
	int server = mptcp_socket(), client = mptcp_socket(), err = 0;

	if (server < 0 || client < 0)
		err = server < 0 ? server : client;
	else if (bind(server, (struct sockaddr *)&sin, len) || listen(server, 1) ||
		 getsockname(server, (struct sockaddr *)&sin, &len) || connect(client, (struct sockaddr *)&sin, len) ||
		 getsockopt(client, level, option, info, &info_len))
		err = -errno;
	if (client >= 0)
		close(client);
	if (server >= 0)
		close(server);
	return err;
}

static int probe_mptcp_info(void)
{
	return try_connected(SOL_MPTCP, PROBE_MPTCP_INFO);
}

static int probe_is_mptcp(void)
{
	return try_connected(SOL_TCP, PROBE_TCP_IS_MPTCP);
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

static const struct probe probes[] = {
	{ "mptcp-socket", probe_mptcp, NULL },
	{ "mptcp-ip-transparent", probe_transparent, NULL },
	{ "mptcp-info", probe_mptcp_info, NULL },
	{ "tcp-is-mptcp", probe_is_mptcp, "fallback to TCP is seen by MPTCP_INFO" },
	{ "mptcp-tfo-server", probe_tfo_server, "Convert is read after the handshake" },
	{ "mptcp-tfo-client", probe_tfo_client, "Convert is sent after the handshake" },
	{ "mptcp-tfo-no-cookie", probe_tfo_no_cookie, "Convert is sent after the handshake" },
	{ "mptcp-join-address-flag", probe_allow_join, NULL },
	{ "mptcp-userspace-path-manager", probe_userspace_pm, "the path manager in the kernel is used" },
	{ "mptcp-path-manager-by-name", probe_path_manager, "the path manager is chosen by number" },
	{ "mptcp-scheduler-by-name", probe_scheduler, "the default scheduler is used" },
	{ "bpf-tc-program", probe_tc_program, NULL },
	{ "bpf-tcx-link", probe_tcx, "a filter of the clsact qdisc is used" },
	{ "bpf-xdp-live-frames", probe_live_frames, NULL },
};

int main(void)
{
	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		int err = probes[i].run();

		if (!err)
			printf("feature %s works\n", probes[i].name);
		else if (probes[i].instead)
			printf("feature %s degraded %s\n", probes[i].name, probes[i].instead);
		else
			printf("feature %s absent %s\n", probes[i].name, strerror(-err));
	}
	return 0;
}
