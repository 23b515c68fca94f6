/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets as the relay needs them: non-blocking, MPTCP or TCP, with the differences between kernels hidden. */
#ifndef MPGATED_TCP_H
#define MPGATED_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <lib/addr.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

/* A new non-blocking stream socket with TCP_NODELAY and tcp_urgent_inline(); -errno. */
int tcp_socket(int family, bool mptcp);

/*
 * A listener on addr:port. transparent: IP_TRANSPARENT, for steered connections. reuseport: one of several. fastopen:
 * takes data in SYNs without a TFO cookie, as many at a time as backlog. port 0: any free one. What it accepts inherits
 * TCP_NODELAY. -errno.
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

/*
 * Takes a connection that waits at a listener, and where it comes from. Its descriptor or -errno, -EAGAIN: none waits.
 */
int tcp_accept(int listener, struct mpgate_addr *addr, __be16 *port);

/* Bytes moved (reading: 0 at the end) or -errno, -EAGAIN: none now. Peeking leaves them where they are. */
ssize_t tcp_recv(int fd, void *buf, size_t len);
ssize_t tcp_peek(int fd, void *buf, size_t len);
ssize_t tcp_send(int fd, const void *data, size_t len);

/* Sends our FIN behind what was written. 0 or -errno. */
int tcp_shutdown(int fd);
/* Closes in order. */
void tcp_close(int fd);

/* Did a dial fail since this machine has no more of something? err: EADDRNOTAVAIL (ports), EMFILE, ... */
bool tcp_is_shortage(int err);

/* Closes with a RST (TCP) or MP_FASTCLOSE (MPTCP). */
void tcp_reset(int fd, bool mptcp);

/* TCP_NODELAY; also sends what is pending now. */
void tcp_nodelay(int fd);
/*
 * Probes a connection that is silent for so many seconds, and while it does not answer TCP_KEEPALIVE_PARTS times in
 * that time; after TCP_KEEPALIVE_TIMES such times it breaks with ETIMEDOUT. 0: never. What a listener accepts inherits
 * it. Before Linux 6.10 an MPTCP socket takes no times of its own, and goes by those of net.ipv4.tcp_keepalive_*.
 */
#define TCP_KEEPALIVE_PARTS 3 /* each second at most */
#define TCP_KEEPALIVE_TIMES 8
void tcp_keepalive(int fd, unsigned seconds);
/* Urgent data arrives as bytes like all others, as it does on MPTCP sockets anyway. Reads still end at its mark. */
void tcp_urgent_inline(int fd);
/* Has the third packet of the handshake not come yet? (an accepted socket with SYN data) */
bool tcp_in_handshake(int fd);
bool tcp_is_up(int fd); /* it is over, and the connection was not reset */
/* Code point 0 to 63, for the family of addr. Without effect on MPTCP over IPv6, which has no IPV6_TCLASS. */
void tcp_set_dscp(int fd, const struct mpgate_addr *addr, uint8_t dscp);

/*
 * For a socket that will dial: its subflows hold no local port but their own tuples, where the kernel can do that; and
 * it leaves from that address of this machine, unless that is all zero. 0 or -errno.
 */
int tcp_leave_from(int fd, const struct mpgate_addr *from);
/* The same, by that interface only: without a route over it nothing is sent, over none. 0 or -errno. */
int tcp_leave_by(int fd, unsigned ifindex);
/* Which ports the kernel may choose from when fd is dialed (Linux 6.3; within net.ipv4.ip_local_port_range). */
void tcp_port_range(int fd, uint16_t from, uint16_t to);
/* Binds to an address that is not this machine's (source preserved, or of a pool: port 0). 0 or -errno. */
int tcp_bind_foreign(int fd, const struct mpgate_addr *addr, __be16 port);

/* Is there room to write now? If not, epoll tells when there is. */
bool tcp_writable(int fd);

/* Round trip of the first subflow, in microseconds; 0: not known. */
uint32_t tcp_rtt_us(int fd);
/*
 * How many segments of the first subflow were sent again. Such a SYN is without its data, and a third one without
 * MPTCP. Data of a SYN that the SYN+ACK does not acknowledge counts as one.
 */
unsigned tcp_retransmissions(int fd);
/* The pending error of a socket, 0: none; never fails. */
int tcp_error(int fd);
int tcp_local(int fd, struct mpgate_addr *addr, __be16 *port);
/* Was data of our SYN acknowledged by the SYN+ACK? (first subflow) */
bool tcp_syn_data_acked(int fd);
/* True: the other side's kernel has all that was written, as far as we heard. */
bool tcp_all_acked(int fd);
/* Is there no connection any more? An MPTCP socket that lost its last subflow has no error, but says this. */
bool tcp_is_closed(int fd);
/*
 * False: MPTCP with bytes that no subflow has been given yet. When such a socket falls back to TCP, Linux sends the FIN
 * of a shutdown() or close() at once, and they are lost (mptcp_try_fallback(), net/mptcp/protocol.h).
 */
bool tcp_may_shutdown(int fd);
/* False: MPTCP with bytes not acknowledged; close() would cut off what does not arrive within a minute. */
bool tcp_may_close(int fd);
/* Bytes that may wait behind those which can be sent (TCP_NOTSENT_LOWAT); 0: as many as the send buffer holds. */
void tcp_set_ahead(int fd, uint32_t bytes);
/*
 * Nothing more will be written: has the socket become writable when all is sent (MPTCP: Linux 6.10,
 * net/mptcp/sockopt.c), for whoever asks epoll after this.
 */
void tcp_tell_sent(int fd);
/* Memory in the kernel: of what was received and not read, of what was written and not acknowledged. */
struct tcp_memory {
	uint32_t received, sent; /* bytes, with the kernel's own structures; 0: unknown */
	uint32_t receive_limit; /* of what was received, as it is now */
	uint32_t dropped; /* packets so far: MPTCP's with what was there, or was behind the window; wraps */
};
struct tcp_memory tcp_memory(int fd);
/*
 * Lets an MPTCP socket hold more than so many received bytes, up to half of the most of net.ipv4.tcp_rmem. By
 * SO_RCVLOWAT, which does not end the kernel's own growing as SO_RCVBUF does (Linux 6.7, mptcp_set_rcvlowat(); before,
 * each read takes in something of what is missing, and this does nothing).
 */
void tcp_grow(int fd, uint32_t bytes);
/* Is an MPTCP socket still MPTCP, or has it fallen back? */
bool tcp_is_mptcp(int fd);
/*
 * Subflows of it, the first one included; 0: it has fallen back, or is a TCP socket. token: what names the connection
 * then, NULL: not wanted.
 */
uint8_t tcp_subflows(int fd, uint32_t *token);

/* Local addresses of its subflows, `max` at most; of a TCP socket: its own. Returns their number. */
unsigned tcp_locals(int fd, struct mpgate_addr *out, unsigned max);

/* What names an MPTCP connection, and where its first subflow goes. */
struct tcp_multipath {
	uint32_t token;
	struct mpgate_addr local, remote;
};
/* *port: of remote. False: it is none any more, or it is closed. */
bool tcp_multipath(int fd, struct tcp_multipath *out, __be16 *port);

#endif
