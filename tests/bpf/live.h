/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client in a namespace of its own behind a veth link, so that programs meet real packets and sockets. This process
 * stays in the gateway's namespace; the server that the client asks for does not exist.
 */
#ifndef TESTS_BPF_LIVE_H
#define TESTS_BPF_LIVE_H

#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <poll.h>

#define LIVE_DEADLINE_MS 5000

static int live_gateway_ns, live_client_ns;

HARNESS int live_ns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "namespace");
	return fd;
}

HARNESS void live_enter(int ns)
{
	if (setns(ns, CLONE_NEWNET))
		err(1, "setns");
}

/* The client's namespace is this process's second; its end of the link is moved there by descriptor of the namespace.
 */
HARNESS __u32 live_open(void)
{
	__u32 id = net_open();

	live_gateway_ns = live_ns();
	if (unshare(CLONE_NEWNET))
		err(1, "unshare");
	live_client_ns = live_ns();
	live_enter(live_gateway_ns);
	sh("ip link set mpg-far netns /proc/%d/fd/%d", getpid(), live_client_ns);
	sh("echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter; echo 0 >/proc/sys/net/ipv4/conf/" TEST_LINK "/rp_filter");
	sh("ip rule add fwmark 0x6d700000/0xffff0000 lookup 100 && ip route add local default dev lo table 100");
	sh("ip -6 rule add fwmark 0x6d700000/0xffff0000 lookup 100 && ip -6 route add local default dev lo table 100");
	live_enter(live_client_ns);
	sh("ip link set lo up && ip link set mpg-far up");
	sh("ip addr add " CLIENT4 "/24 dev mpg-far && ip addr add " CLIENT6 "/64 dev mpg-far nodad");
	sh("ip route add default via 10.77.0.1 && ip route add default via fd77::1");
	live_enter(live_gateway_ns);
	return id;
}

HARNESS void live_address(int family, __u16 port, struct sockaddr_in6 *out, socklen_t *len)
{
	memset(out, 0, sizeof(*out));
	out->sin6_family = family == 4 ? AF_INET : AF_INET6;
	out->sin6_port = htons(port);
	*len = family == 4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	if (family == 4)
		inet_pton(AF_INET, SERVER4, &((struct sockaddr_in *)out)->sin_addr);
	else
		inet_pton(AF_INET6, SERVER6, &out->sin6_addr);
}

/* Connects from the client's namespace, from that local port (0: any); returns the socket, or -errno. */
HARNESS int live_connect_from(__u16 sport, int family, __u16 port)
{
	struct pollfd wait = { .events = POLLOUT };
	struct sockaddr_in6 a, from = { .sin6_port = htons(sport) };
	socklen_t len;
	int error = 0, one = 1;

	live_address(family, port, &a, &len);
	from.sin6_family = a.sin6_family;
	live_enter(live_client_ns);
	wait.fd = socket(a.sin6_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	live_enter(live_gateway_ns);
	if (setsockopt(wait.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    (sport && bind(wait.fd, (void *)&from, len)))
		err(1, "port");
	if (connect(wait.fd, (void *)&a, len) && errno != EINPROGRESS)
		error = errno;
	else if (poll(&wait, 1, LIVE_DEADLINE_MS) != 1)
		error = ETIMEDOUT;
	len = sizeof(error);
	if (!error)
		getsockopt(wait.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error)
		return wait.fd;
	close(wait.fd);
	return -error;
}

HARNESS int live_connect(int family, __u16 port)
{
	return live_connect_from(0, family, port);
}

/* From the client's end of the link, as it stands. The socket stays open: each that is closed waits for all CPUs. */
HARNESS void live_send(const struct frame *f)
{
	static struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_halen = ETH_ALEN };
	static int fd = -1;

	if (fd < 0) {
		live_enter(live_client_ns);
		fd = socket(AF_PACKET, SOCK_RAW, 0);
		to.sll_ifindex = (int)if_nametoindex("mpg-far");
		live_enter(live_gateway_ns);
	}
	if (fd < 0 || sendto(fd, f->bytes, f->len, 0, (void *)&to, sizeof(to)) != (ssize_t)f->len)
		err(1, "frame");
}

/* Attaches a tc program to a link of the namespace that this process is in, in place of what was there. */
HARNESS void live_attach_at(struct bpf_program *prog, __u32 ifindex, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = 1, .priority = 1, .prog_fd = bpf_program__fd(prog),
		    .flags = BPF_TC_F_REPLACE);
	int e = bpf_tc_hook_create(&hook);

	if ((e && e != -EEXIST) || bpf_tc_attach(&hook, &opts))
		err(1, "attach %s", bpf_program__name(prog));
}

HARNESS void live_attach(struct bpf_program *prog, __u32 ifindex)
{
	live_attach_at(prog, ifindex, BPF_TC_INGRESS);
}

#endif
