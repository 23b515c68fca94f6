// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a worker may still do once it is set up. It parses what strangers send,
 * so it runs as a user without rights, with two capabilities (transparent sockets bind to
 * addresses of others, and to their ports, which may be below 1024) and with
 * the system calls of its loop only: it can open no file and start no program,
 * nor any socket but those it relays with.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <mpgated/ipc/confine.h>
#include <mpgated/net/tcp.h>
#include <mpgated/worker/worker.h>

#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif

#define MASK(arg, mask, value)                                                                                         \
	{                                                                                                              \
		arg, SCMP_CMP_MASKED_EQ, mask, value                                                                   \
	}
#define EQ(arg, value)                                                                                                 \
	{                                                                                                              \
		arg, SCMP_CMP_EQ, value, 0                                                                             \
	}
#define CALL1(name, a)                                                                                                 \
	{                                                                                                              \
		.call = SCMP_SYS(name), .args = 1, .arg = { a }                                                        \
	}
#define CALL2(name, a, b)                                                                                              \
	{                                                                                                              \
		.call = SCMP_SYS(name), .args = 2, .arg = { a, b }                                                     \
	}
#define CALL3(name, a, b, c)                                                                                           \
	{                                                                                                              \
		.call = SCMP_SYS(name), .args = 3, .arg = { a, b, c }                                                  \
	}

/* Flags aside. Arguments are compared as 64 bits: what the kernel would cut off as too high for an int must be 0. */
#define STREAM MASK(1, ~(scmp_datum_t)(SOCK_NONBLOCK | SOCK_CLOEXEC), SOCK_STREAM)

static const struct confine_call calls[] = {
	CONFINE_CALL(accept4),
	CONFINE_CALL(bind),
	/* The maps whose descriptors it was given; it can open and make none. */
	CALL1(bpf, EQ(0, BPF_MAP_LOOKUP_AND_DELETE_ELEM)),
	CALL1(bpf, EQ(0, BPF_MAP_UPDATE_ELEM)),
	CONFINE_CALL(brk),
	CONFINE_CALL(clock_gettime),
	CONFINE_CALL(close),
	CONFINE_CALL(connect),
	CONFINE_CALL(epoll_ctl),
	CONFINE_CALL(epoll_pwait),
	CONFINE_CALL(epoll_wait),
	CALL1(fcntl, EQ(1, F_DUPFD_CLOEXEC)),
	CONFINE_CALL(fstat),
	CONFINE_CALL(getpeername),
	CONFINE_CALL(getrandom),
	CONFINE_CALL(getsockname),
	CONFINE_CALL(getsockopt),
	CONFINE_CALL(gettimeofday),
	CALL1(ioctl, EQ(1, SIOCOUTQNSD)),
	CONFINE_CALL(madvise),
	CONFINE_CALL(memfd_create),
	CALL1(mmap, MASK(2, PROT_EXEC, 0)),
	CONFINE_CALL(mremap),
	CONFINE_CALL(munmap),
	CALL1(newfstatat, EQ(3, AT_EMPTY_PATH)), /* fstat() */
	CONFINE_CALL(poll),
	CONFINE_CALL(ppoll),
	CONFINE_CALL(recvfrom),
	CONFINE_CALL(recvmsg),
	CONFINE_CALL(sendmsg),
	CONFINE_CALL(sendto),
	CALL1(setsockopt, EQ(1, IPPROTO_IP)),
	CALL1(setsockopt, EQ(1, IPPROTO_IPV6)),
	CALL1(setsockopt, EQ(1, IPPROTO_TCP)),
	CALL1(setsockopt, EQ(1, SOL_MPTCP)),
	/* No filters, for one. */
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_BINDTOIFINDEX)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_KEEPALIVE)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_LINGER)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_OOBINLINE)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_RCVBUF)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_RCVLOWAT)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_REUSEADDR)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_SNDBUF)),
	CONFINE_CALL(shutdown),
	CALL3(socket, EQ(0, AF_INET), STREAM, EQ(2, IPPROTO_TCP)),
	CALL3(socket, EQ(0, AF_INET), STREAM, EQ(2, IPPROTO_MPTCP)),
	CALL3(socket, EQ(0, AF_INET6), STREAM, EQ(2, IPPROTO_TCP)),
	CALL3(socket, EQ(0, AF_INET6), STREAM, EQ(2, IPPROTO_MPTCP)),
	CONFINE_CALL(time),
};

int sandbox_enter(void)
{
	/* A reload may turn to `source: preserve` at any time, and what is given up now cannot be taken back then. */
	return confine(1U << CAP_NET_RAW | 1U << CAP_NET_BIND_SERVICE, calls, sizeof(calls) / sizeof(calls[0]));
}
