// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a worker may still do once it is set up. It parses what strangers send,
 * so it runs as nobody, with two capabilities (transparent sockets bind to
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
#define CALL(name)                                                                                                     \
	{                                                                                                              \
		.call = SCMP_SYS(name)                                                                                 \
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
	CALL(accept4),
	CALL(bind),
	/* The maps whose descriptors it was given; it can open and make none. */
	CALL1(bpf, EQ(0, BPF_MAP_LOOKUP_AND_DELETE_ELEM)),
	CALL1(bpf, EQ(0, BPF_MAP_UPDATE_ELEM)),
	CALL(brk),
	CALL(clock_gettime),
	CALL(close),
	CALL(connect),
	CALL(epoll_ctl),
	CALL(epoll_pwait),
	CALL(epoll_wait),
	CALL1(fcntl, EQ(1, F_DUPFD_CLOEXEC)),
	CALL(fstat),
	CALL(getpeername),
	CALL(getrandom),
	CALL(getsockname),
	CALL(getsockopt),
	CALL(gettimeofday),
	CALL1(ioctl, EQ(1, SIOCOUTQNSD)),
	CALL(madvise),
	CALL(memfd_create),
	CALL1(mmap, MASK(2, PROT_EXEC, 0)),
	CALL(mremap),
	CALL(munmap),
	CALL1(newfstatat, EQ(3, AT_EMPTY_PATH)), /* fstat() */
	CALL(poll),
	CALL(ppoll),
	CALL(recvfrom),
	CALL(recvmsg),
	CALL(sendmsg),
	CALL(sendto),
	CALL1(setsockopt, EQ(1, IPPROTO_IP)),
	CALL1(setsockopt, EQ(1, IPPROTO_IPV6)),
	CALL1(setsockopt, EQ(1, IPPROTO_TCP)),
	CALL1(setsockopt, EQ(1, SOL_MPTCP)),
	/* No filters, for one. */
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_KEEPALIVE)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_LINGER)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_OOBINLINE)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_RCVBUF)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_REUSEADDR)),
	CALL2(setsockopt, EQ(1, SOL_SOCKET), EQ(2, SO_SNDBUF)),
	CALL(shutdown),
	CALL3(socket, EQ(0, AF_INET), STREAM, EQ(2, IPPROTO_TCP)),
	CALL3(socket, EQ(0, AF_INET), STREAM, EQ(2, IPPROTO_MPTCP)),
	CALL3(socket, EQ(0, AF_INET6), STREAM, EQ(2, IPPROTO_TCP)),
	CALL3(socket, EQ(0, AF_INET6), STREAM, EQ(2, IPPROTO_MPTCP)),
	CALL(time),
};

int sandbox_enter(void)
{
	/* A reload may turn to `source: preserve` at any time, and what is given up now cannot be taken back then. */
	return confine(1U << CAP_NET_RAW | 1U << CAP_NET_BIND_SERVICE, calls, sizeof(calls) / sizeof(calls[0]));
}
