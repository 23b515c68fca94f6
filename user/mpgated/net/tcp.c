// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/net/tcp.h>

#include <errno.h>
#include <limits.h>
#include <linux/mptcp.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef SOL_MPTCP
#define SOL_MPTCP 284
#endif
#ifndef TCP_IS_MPTCP
#define TCP_IS_MPTCP 43 /* Linux 6.10 */
#endif

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux 6.3 */
#endif

#define TCP_SYN_RECV_STATE 3 /* tcpi_state; the names are in netinet/tcp.h, which excludes linux/tcp.h */
#define TCP_CLOSE_STATE 7
#define SUBFLOWS 16 /* of one connection that are looked at; the kernel lets it have 8 and the first */

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

int tcp_socket(int family, bool mptcp)
{
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, mptcp ? IPPROTO_MPTCP : IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	tcp_nodelay(fd);
	if (!mptcp)
		tcp_urgent_inline(fd);
	return fd;
}

void tcp_urgent_inline(int fd)
{
	set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

void tcp_nodelay(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

void tcp_keepalive(int fd, unsigned seconds)
{
	unsigned again = seconds / TCP_KEEPALIVE_PARTS > 1 ? seconds / TCP_KEEPALIVE_PARTS : 1;

	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, seconds > 0);
	if (!seconds)
		return;
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)seconds);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)again);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)(TCP_KEEPALIVE_TIMES * seconds / again));
}

void tcp_set_dscp(int fd, const struct mpgate_addr *addr, uint8_t dscp)
{
	if (addr_is_v4(addr))
		set_int(fd, IPPROTO_IP, IP_TOS, dscp << 2);
	else
		set_int(fd, IPPROTO_IPV6, IPV6_TCLASS, dscp << 2);
}

static int set_transparent(int fd, int family)
{
	return family == AF_INET6 ? set_int(fd, SOL_IPV6, IPV6_TRANSPARENT, 1) : set_int(fd, SOL_IP, IP_TRANSPARENT, 1);
}

int tcp_listen(const struct mpgate_addr *addr, __be16 port, const struct listen_options *opt)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(addr, port, &ss);
	int fd = tcp_socket(ss.ss_family, true), ret;

	if (fd < 0)
		return fd;
	ret = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!ret && ss.ss_family == AF_INET6)
		ret = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (!ret && opt->reuseport)
		ret = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	if (!ret && opt->transparent)
		ret = set_transparent(fd, ss.ss_family);
	if (!ret && bind(fd, (struct sockaddr *)&ss, len) < 0)
		ret = -errno;
	if (!ret && listen(fd, opt->backlog) < 0)
		ret = -errno;
	/* Kernels before 6.2 lack these on MPTCP; data then comes after the handshake. */
	if (!ret && opt->fastopen) {
		set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
		set_int(fd, IPPROTO_TCP, TCP_FASTOPEN, opt->backlog);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

ssize_t tcp_dial(int fd, const struct mpgate_addr *addr, __be16 port, bool syn_data, const void *data, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t slen = addr_to_sockaddr(addr, port, &ss);
	ssize_t n;

	if (syn_data) {
		if (set_int(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1) < 0)
			return -EOPNOTSUPP;
		n = sendto(fd, data, len, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&ss, slen);
		if (n >= 0)
			return n;
		return errno == EINPROGRESS ? 0 : -errno;
	}
	if (connect(fd, (struct sockaddr *)&ss, slen) < 0 && errno != EINPROGRESS)
		return -errno;
	return 0;
}

int tcp_accept(int listener, struct mpgate_addr *addr, __be16 *port)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int fd = accept4(listener, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (addr_from_sockaddr((struct sockaddr *)&from, addr, port) < 0) {
		tcp_reset(fd, true);
		return -ECONNABORTED;
	}
	return fd;
}

ssize_t tcp_recv(int fd, void *buf, size_t len)
{
	ssize_t n = recv(fd, buf, len, 0);

	return n < 0 ? -errno : n;
}

ssize_t tcp_peek(int fd, void *buf, size_t len)
{
	ssize_t n = recv(fd, buf, len, MSG_PEEK);

	return n < 0 ? -errno : n;
}

ssize_t tcp_send(int fd, const void *data, size_t len)
{
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

	return n < 0 ? -errno : n;
}

int tcp_shutdown(int fd)
{
	return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

void tcp_close(int fd)
{
	close(fd);
}

bool tcp_is_shortage(int err)
{
	switch (err) {
	case EADDRNOTAVAIL:
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case ENOSPC: /* what epoll may watch */
		return true;
	default:
		return false;
	}
}

void tcp_reset(int fd, bool mptcp)
{
	struct linger now = { .l_onoff = 1 };
	struct sockaddr any = { .sa_family = AF_UNSPEC };

	/* An MPTCP socket ends with DATA_FIN whatever the linger time; disconnecting it is the fast close. */
	if (mptcp)
		(void)connect(fd, &any, sizeof(any));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

int tcp_leave_from(int fd, const struct mpgate_addr *from)
{
	static const struct mpgate_addr any;
	struct sockaddr_storage ss;
	socklen_t len;

	/* Refused on MPTCP sockets before Linux 6.12, which copies it to all subflows. */
	set_int(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (!memcmp(from, &any, sizeof(any)))
		return 0;
	len = addr_to_sockaddr(from, 0, &ss);
	return bind(fd, (struct sockaddr *)&ss, len) < 0 ? -errno : 0;
}

int tcp_leave_by(int fd, unsigned ifindex)
{
	int index = (int)ifindex;

	return setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index)) < 0 ? -errno : 0;
}

void tcp_port_range(int fd, uint16_t from, uint16_t to)
{
	set_int(fd, SOL_IP, IP_LOCAL_PORT_RANGE, (int)((uint32_t)to << 16 | from));
}

int tcp_bind_foreign(int fd, const struct mpgate_addr *addr, __be16 port)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(addr, port, &ss);
	int ret = set_transparent(fd, ss.ss_family);

	set_int(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	if (!ret)
		ret = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!ret && bind(fd, (struct sockaddr *)&ss, len) < 0)
		ret = -errno;
	return ret;
}

bool tcp_writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	return poll(&p, 1, 0) == 1;
}

int tcp_error(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	return err;
}

int tcp_local(int fd, struct mpgate_addr *addr, __be16 *port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	return addr_from_sockaddr((struct sockaddr *)&ss, addr, port);
}

bool tcp_in_handshake(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == TCP_SYN_RECV_STATE;
}

bool tcp_is_up(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state != TCP_SYN_RECV_STATE &&
	       info.tcpi_state != TCP_CLOSE_STATE;
}

uint32_t tcp_rtt_us(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_rtt : 0;
}

unsigned tcp_retransmissions(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 ? info.tcpi_total_retrans : 0;
}

bool tcp_syn_data_acked(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && (info.tcpi_options & TCPI_OPT_SYN_DATA);
}

/* Fails with EOPNOTSUPP after a fallback, and on plain TCP sockets. */
static bool get_mptcp_info(int fd, struct mptcp_info *info)
{
	socklen_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return getsockopt(fd, SOL_MPTCP, MPTCP_INFO, info, &len) == 0;
}

bool tcp_is_closed(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getpeername(fd, (struct sockaddr *)&ss, &len) < 0;
}

bool tcp_may_shutdown(int fd)
{
	struct mptcp_info info;
	int unsent = 0;

	return ioctl(fd, SIOCOUTQNSD, &unsent) < 0 || !unsent || !get_mptcp_info(fd, &info);
}

bool tcp_may_close(int fd)
{
	struct mptcp_info info;

	return !get_mptcp_info(fd, &info) || info.mptcpi_write_seq == info.mptcpi_snd_una || tcp_is_closed(fd);
}

bool tcp_all_acked(int fd)
{
	struct mptcp_info mptcp;
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (get_mptcp_info(fd, &mptcp))
		return mptcp.mptcpi_write_seq == mptcp.mptcpi_snd_una;
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && !info.tcpi_unacked &&
	       !info.tcpi_notsent_bytes;
}

void tcp_tell_sent(int fd)
{
	set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 1);
}

void tcp_set_ahead(int fd, uint32_t bytes)
{
	set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, bytes ? (int)bytes : -1);
}

struct tcp_memory tcp_memory(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = { 0 };
	socklen_t len = sizeof(info);

	getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len);
	return (struct tcp_memory){ .received = info[SK_MEMINFO_RMEM_ALLOC],
				    .sent = info[SK_MEMINFO_WMEM_QUEUED],
				    .receive_limit = info[SK_MEMINFO_RCVBUF],
				    .dropped = info[SK_MEMINFO_DROPS] };
}

void tcp_grow(int fd, uint32_t bytes)
{
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, bytes < INT_MAX ? (int)bytes : INT_MAX);
	set_int(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
}

uint8_t tcp_subflows(int fd, uint32_t *token)
{
	struct mptcp_info info;

	if (!get_mptcp_info(fd, &info))
		return 0;
	if (token)
		*token = info.mptcpi_token;
	return (uint8_t)(info.mptcpi_subflows + 1);
}

unsigned tcp_locals(int fd, struct mpgate_addr *out, unsigned max)
{
	struct {
		struct mptcp_subflow_data head;
		struct mptcp_subflow_addrs addrs[SUBFLOWS];
	} all = { .head = { .size_subflow_data = sizeof(all.head), .size_user = sizeof(all.addrs[0]) } };
	socklen_t len = sizeof(all);
	unsigned n = 0;
	__be16 port;

	if (getsockopt(fd, SOL_MPTCP, MPTCP_SUBFLOW_ADDRS, &all, &len) == 0) {
		for (unsigned i = 0; i < all.head.num_subflows && i < SUBFLOWS && n < max; i++)
			n += addr_from_sockaddr((const struct sockaddr *)&all.addrs[i].ss_local, &out[n], &port) == 0;
		return n;
	}
	return max && tcp_local(fd, out, &port) == 0;
}

bool tcp_multipath(int fd, struct tcp_multipath *out, __be16 *port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct mptcp_info info;
	__be16 own;

	if (!get_mptcp_info(fd, &info) || tcp_local(fd, &out->local, &own) < 0 ||
	    getpeername(fd, (struct sockaddr *)&ss, &len) < 0)
		return false;
	out->token = info.mptcpi_token;
	return addr_from_sockaddr((struct sockaddr *)&ss, &out->remote, port) == 0;
}

bool tcp_is_mptcp(int fd)
{
	int is = 0;
	socklen_t len = sizeof(is);

	if (getsockopt(fd, IPPROTO_TCP, TCP_IS_MPTCP, &is, &len) == 0)
		return is;
	return tcp_subflows(fd, NULL) > 0;
}
