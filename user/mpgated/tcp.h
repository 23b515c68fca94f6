/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets as the relay needs them: non-blocking, MPTCP or TCP, with the differences between kernels hidden. */
#ifndef MPGATED_TCP_H
#define MPGATED_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lib/addr.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* A new non-blocking stream socket with TCP_NODELAY; -errno. */
int tcp_socket(int family, bool mptcp);

/*
 * A listener on addr:port. transparent: IP_TRANSPARENT, for steered connections. reuseport: one of several. fastopen:
 * takes data in SYNs without a TFO cookie, as many at a time as backlog. port 0: any free one. -errno.
 */
struct listen_options {
	bool transparent, reuseport, fastopen;
	int backlog;
};
int tcp_listen(const struct mpgate_addr *addr, __be16 port, const struct listen_options *opt);

/*
 * Starts a connection and hands over the first bytes, in the SYN when syn_data says so. Returns how many bytes the
 * kernel took (0: send them when connected) or -errno; -EOPNOTSUPP with syn_data: this kernel cannot.
 */
ssize_t tcp_dial(int fd, const struct mpgate_addr *addr, __be16 port, bool syn_data, const void *data, size_t len);

/* Closes with a RST (TCP) or MP_FASTCLOSE (MPTCP). */
void tcp_reset(int fd, bool mptcp);

/* TCP_NODELAY; also sends what is pending now. */
void tcp_nodelay(int fd);
/* Has the third packet of the handshake not come yet? (an accepted socket with SYN data) */
bool tcp_in_handshake(int fd);
/* Code point 0 to 63, for the family of addr. */
void tcp_set_dscp(int fd, const struct mpgate_addr *addr, uint8_t dscp);

/* Binds to an address that is not this machine's (source preserved). 0 or -errno. */
int tcp_bind_foreign(int fd, const struct mpgate_addr *addr, __be16 port);
/* The kernel's number for the socket (SO_COOKIE), as BPF programs see it; 0: unknown. */
uint64_t tcp_cookie(int fd);

/* The pending error of a socket, 0: none; never fails. */
int tcp_error(int fd);
int tcp_local(int fd, struct mpgate_addr *addr, __be16 *port);
/* Was data of our SYN acknowledged by the SYN+ACK? (first subflow) */
bool tcp_syn_data_acked(int fd);
/* Is an MPTCP socket still MPTCP, or has it fallen back? */
bool tcp_is_mptcp(int fd);
/* Subflows of it, the first one included; 0: it has fallen back, or is a TCP socket. */
uint8_t tcp_subflows(int fd);

#endif
