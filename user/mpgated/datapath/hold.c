// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How SYNs that are held get to their workers, and back: a ring of each worker, and a TAP device of this daemon's own.
 * What is written to that is seen by bpf/putback.bpf.c first, which redirects it to the link of its flow; nothing
 * else ever comes in or goes out there. The device goes with the last process that has it open.
 */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <mpgated/datapath/internal.h>

#define RING_BYTES (256U << 10) /* some 800 SYNs: what comes while a worker is at something else */
#define DEVICE "mpgate%d"

/* IPv6 would give it an address, and say so to nobody. */
static void without_ipv6(const char *ifname)
{
	char path[sizeof("/proc/sys/net/ipv6/conf//disable_ipv6") + IF_NAMESIZE];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		log_debug("%s: %s", path, strerror(errno));
	close(fd);
}

static int set_up(struct ifreq *r)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (s < 0)
		return -errno;
	r->ifr_flags = IFF_UP | IFF_NOARP;
	if (ioctl(s, SIOCSIFFLAGS, r) < 0)
		err = -errno;
	close(s);
	return err;
}

static int attach(int prog_fd, const char *ifname)
{
	struct bpf_tc_hook hook = { .sz = sizeof(hook), .attach_point = BPF_TC_INGRESS };
	struct bpf_tc_opts opts = { .sz = sizeof(opts), .prog_fd = prog_fd };
	int err;

	hook.ifindex = (int)if_nametoindex(ifname);
	if (!hook.ifindex)
		return -errno;
	err = bpf_tc_hook_create(&hook);
	return err ? err : bpf_tc_attach(&hook, &opts);
}

/* Its descriptor or -errno. */
static int make_device(int prog_fd)
{
	struct ifreq r = { .ifr_name = DEVICE, .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = ioctl(fd, TUNSETIFF, &r) < 0 ? -errno : attach(prog_fd, r.ifr_name);
	without_ipv6(r.ifr_name);
	if (!err)
		err = set_up(&r);
	if (!err)
		return fd;
	close(fd);
	return err;
}

void dp_hold_open(struct datapath *dp)
{
	struct mpgate_settings s = dp->settings;
	int fd = dp->prog[DP_PUT_BACK] < 0 ? -EOPNOTSUPP : make_device(dp->prog[DP_PUT_BACK]);

	s.holds = fd >= 0;
	if (fd < 0) {
		dp_feature(dp, DP_PUT_BACK, -fd);
		log_warn("held SYNs cannot be put back (%s): connect: honest is early", strerror(-fd));
	} else if (!dp_write_settings(dp, &s)) {
		dp->hold_fd = fd;
	} else {
		close(fd);
	}
}

void dp_hold_close(struct datapath *dp)
{
	dp_close_fd(&dp->hold_fd);
}

int datapath_hold_fd(const struct datapath *dp)
{
	return dp->hold_fd;
}

int datapath_hold_ring(struct datapath *dp, unsigned worker)
{
	int fd, err;

	if (worker >= MPGATE_MAX_WORKERS)
		return -E2BIG;
	fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "held_ring", 0, 0, RING_BYTES, NULL);
	if (fd < 0)
		return fd;
	err = dp_write_entry(dp, DP_MAP_held_rings, worker, &fd);
	if (err) {
		close(fd);
		return err;
	}
	dp->since[worker] = dp_now();
	return fd;
}
