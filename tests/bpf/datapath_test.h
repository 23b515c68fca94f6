/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of user/mpgated/datapath*.c share. They run as root against the running kernel, in a network namespace
 * with a veth pair and a mount namespace with a BPF file system of its own.
 */
#ifndef TESTS_BPF_DATAPATH_TEST_H
#define TESTS_BPF_DATAPATH_TEST_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "cunit.h"

#include <mpgated/datapath/internal.h>

#define INSTANCE "test-datapath"
#define PINS MPGATE_PIN_ROOT "/" INSTANCE
#define ABI_DIR PINS "/v1"
#define DEV "mpg-dp.0" /* with a dot, as VLAN interfaces have */
#define PEER "mpg-dp-peer"

static unsigned dev;

static int run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

__attribute__((unused)) static struct cfg_link link_of(enum cfg_role role)
{
	return (struct cfg_link){ .name = (char *)DEV, .role = role };
}

static struct datapath *open_or_die(void)
{
	struct datapath *dp = NULL;

	CU_ASSERT_EQUAL_FATAL(datapath_open(INSTANCE, 64, &dp), 0);
	return dp;
}

static int prepare(void)
{
	if (unshare(CLONE_NEWNET | CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL))
		return -1;
	if (run("ip link set lo up && ip link add " DEV " type veth peer name " PEER " && ip link set " DEV
		" up && ip link set " PEER " up && ip addr add 10.1.2.1/24 dev " DEV " && "
		"ip addr add 2001:db8:1::1/64 dev " DEV " nodad && ip addr add 192.0.2.254/24 dev " PEER " && "
		"ip addr add 2001:db8:2::fe/64 dev " PEER " nodad && "
		"sysctl -qw net.ipv4.conf.all.forwarding=1 net.ipv6.conf.all.forwarding=1"))
		return -1;
	dev = if_nametoindex(DEV);
	return dev ? 0 : -1;
}

/* Runs the tests; what main() returns. */
static int run_tests(const char *suite, CU_TestInfo *tests)
{
	if (prepare()) {
		perror("cannot prepare namespaces (needs root)");
		return EXIT_FAILURE;
	}
	return cunit_run(suite, tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
