// SPDX-License-Identifier: GPL-2.0-or-later
/* What MPTCP sockets can do here, found by trying: for the daemon and for vmtest/probe. One SYN on loopback at most. */
#include <mpgated/supervisor/features.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef TCP_IS_MPTCP
#define TCP_IS_MPTCP 43 /* linux/tcp.h */
#endif
#define TFO_QUEUE 16
#define ANSWER_BYTES 256 /* more than any kernel's struct mptcp_info */

int feature_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_MPTCP);

	return fd < 0 ? -errno : fd;
}

int feature_set_option(int level, int option, int value)
{
	int fd = feature_socket(), err = 0;

	if (fd < 0)
		return fd;
	if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int feature_get_option(int level, int option)
{
	unsigned char value[ANSWER_BYTES];
	socklen_t len = sizeof(value);
	int fd = feature_socket(), err = 0;

	if (fd < 0)
		return fd;
	if (getsockopt(fd, level, option, value, &len) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int probe_is_mptcp(void)
{
	return feature_get_option(IPPROTO_TCP, TCP_IS_MPTCP);
}

static int probe_tfo_server(void)
{
	return feature_set_option(IPPROTO_TCP, TCP_FASTOPEN, TFO_QUEUE);
}

static int probe_tfo_no_cookie(void)
{
	return feature_set_option(IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
}

static int probe_bind_no_port(void)
{
	return feature_set_option(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
}

static int probe_keepalive(void)
{
	return feature_set_option(IPPROTO_TCP, TCP_KEEPIDLE, 1);
}

/* To a port that is bound and where nobody listens. Any error that a route or its end may give means that it was tried.
 */
static int send_fastopen(int fd, int bound)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);

	if (bind(bound, (struct sockaddr *)&sin, len) < 0 || getsockname(bound, (struct sockaddr *)&sin, &len) < 0)
		return -errno;
	if (sendto(fd, "", 1, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&sin, len) >= 0)
		return 0;
	switch (errno) {
	case ECONNREFUSED:
	case EINPROGRESS:
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL: /* no port is left */
	case EPERM: /* a firewall */
		return 0;
	default:
		return -errno;
	}
}

static int probe_tfo_client(void)
{
	int bound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = feature_socket(), err;

	if (bound < 0)
		err = -errno;
	else
		err = fd < 0 ? fd : send_fastopen(fd, bound);
	if (fd >= 0)
		close(fd);
	if (bound >= 0)
		close(bound);
	return err;
}

const struct feature features[FEATURE_COUNT] = {
	{ "tcp-is-mptcp", probe_is_mptcp, "fallback to TCP is seen by MPTCP_INFO" },
	{ "mptcp-tfo-server", probe_tfo_server, "Convert is read after the handshake" },
	{ "mptcp-tfo-client", probe_tfo_client, "Convert is sent after the handshake" },
	{ "mptcp-tfo-no-cookie", probe_tfo_no_cookie, "Convert is sent after the handshake" },
	[FEATURE_NO_PORT] = { "mptcp-bind-no-port", probe_bind_no_port,
			      "each subflow holds a local port for a minute after its end" },
	{ "mptcp-keepalive", probe_keepalive, "MPTCP connections are kept alive by net.ipv4.tcp_keepalive_time" },
};

void features_probe(bool works[FEATURE_COUNT])
{
	for (unsigned i = 0; i < FEATURE_COUNT; i++)
		works[i] = !features[i].probe();
}
