// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * convtool [-mfk] [-o HEX] [-c HEX | -C] [-x HEX] ACTION HUB PORT [SERVER SERVER-PORT [TEXT]]: a Convert client that is
 * not mpgate (RFC 8803 only, no private TLVs).
 *   info     asks what the converter supports
 *   connect  asks for a connection, sends TEXT, prints the answer's first line
 *   raw      sends the bytes of -x as they are
 * -m: MPTCP. -f: the message rides in the SYN. -o: TCP options for Connect. -c: a cookie; -C: when the converter asks
 * for a cookie, the connection is made anew with the one it gave. -k: keeps the connection until its input ends. Each
 * part of the converter's answer is a line: ok | extensions HEX | ext-tcp-header HEX | error CODE HEX | data TEXT |
 * closed | reset
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lib/addr.h>
#include <lib/convert.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#ifndef TCP_FASTOPEN_NO_COOKIE
#define TCP_FASTOPEN_NO_COOKIE 34
#endif
#define RECV_TIMEOUT_S 10
#define TEXT_MAX 512

struct blob {
	uint8_t data[CONVERT_MAX_LEN];
	size_t len;
};

static bool mptcp, in_syn, retry, keep;
static struct blob options, cookie, raw;
static struct mpgate_addr hub, server;
static __be16 hub_port, server_port;
static const char *text = "";

static void unhex(const char *hex, struct blob *out)
{
	unsigned byte;

	for (out->len = 0; sscanf(hex, "%2x", &byte) == 1 && out->len < sizeof(out->data); hex += 2) {
		out->data[out->len++] = (uint8_t)byte;
		if (!hex[1])
			break;
	}
}

static void print_hex(const char *what, const uint8_t *p, size_t len)
{
	printf("%s ", what);
	for (size_t i = 0; i < len; i++)
		printf("%02x", p[i]);
	puts("");
}

static void gone(ssize_t n)
{
	puts(n == 0 ? "closed" : errno == ECONNRESET ? "reset" : errno == EAGAIN ? "silent" : strerror(errno));
}

/* Connects and sends the message: the socket, or -1 after a line that says how it went. */
static int dial(const uint8_t *msg, size_t len)
{
	const struct timeval limit = { .tv_sec = RECV_TIMEOUT_S };
	int fd, one = 1;
	struct sockaddr_storage to;
	socklen_t to_len = addr_to_sockaddr(&hub, hub_port, &to);
	ssize_t n = 0;

	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, mptcp ? IPPROTO_MPTCP : 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (in_syn) {
		setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &one, sizeof(one));
		n = sendto(fd, msg, len, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&to, to_len);
	} else if (connect(fd, (struct sockaddr *)&to, to_len)) {
		n = -1;
	}
	if (n >= 0 && (size_t)n < len)
		n = send(fd, msg + n, len - (size_t)n, MSG_NOSIGNAL);
	if (n < 0) {
		puts(errno == EINPROGRESS || errno == EAGAIN ? "silent" : strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* Reads one Convert message; CONVERT_MORE: the connection ended first, and a line says so. */
static enum convert_result read_message(int fd, uint8_t *buf, size_t *len, struct convert_msg *msg)
{
	struct convert_fault fault;

	for (*len = 0;;) {
		enum convert_result result = convert_parse(CONVERT_CLIENT, false, buf, *len, msg, &fault);
		ssize_t n;

		if (result != CONVERT_MORE)
			return result;
		n = recv(fd, buf + *len, CONVERT_MAX_LEN + TEXT_MAX - *len, 0);
		if (n <= 0) {
			gone(n);
			return CONVERT_MORE;
		}
		*len += (size_t)n;
	}
}

static void print_message(const struct convert_msg *msg)
{
	if (msg->has & CONVERT_HAS_ERROR) {
		char name[16];

		snprintf(name, sizeof(name), "error %u", msg->error);
		print_hex(name, msg->error_value.data, msg->error_value.len);
		return;
	}
	if (msg->has & CONVERT_HAS_EXTENSIONS)
		print_hex("extensions", msg->extensions.data, msg->extensions.len);
	if (msg->has & CONVERT_HAS_EXT_TCP_HEADER)
		print_hex("ext-tcp-header", msg->ext_tcp_header.data, msg->ext_tcp_header.len);
	puts("ok");
}

/* What follows the message on the stream: one line of it. */
static void print_data(int fd, const uint8_t *have, size_t len)
{
	char line[TEXT_MAX + 1];
	ssize_t n;

	memcpy(line, have, len);
	while (!memchr(line, '\n', len) && len < TEXT_MAX) {
		n = recv(fd, line + len, TEXT_MAX - len, 0);
		if (n <= 0) {
			gone(n);
			return;
		}
		len += (size_t)n;
	}
	line[len] = 0;
	printf("data %s", line);
}

static int message(const char *action, uint8_t *buf, size_t cap)
{
	struct convert_bytes wanted = { .data = options.data, .len = options.len };
	struct convert_writer w;

	convert_begin(&w, buf, cap);
	if (!strcmp(action, "info"))
		convert_put_info(&w);
	else
		convert_put_connect(&w, &server, server_port, options.len ? &wanted : NULL);
	if (cookie.len)
		convert_put_cookie(&w, cookie.data, cookie.len);
	return convert_end(&w);
}

/* One connection; true: it is to be tried again with the cookie just received. */
static bool attempt(const char *action)
{
	uint8_t out[CONVERT_MAX_LEN + TEXT_MAX], in[CONVERT_MAX_LEN + TEXT_MAX];
	struct convert_msg msg;
	bool again = false;
	size_t in_len;
	int fd, len;

	if (!strcmp(action, "raw")) {
		memcpy(out, raw.data, raw.len);
		len = (int)raw.len;
	} else {
		len = message(action, out, CONVERT_MAX_LEN);
		if (len < 0)
			exit(1);
	}
	memcpy(out + len, text, strlen(text));
	len += (int)strlen(text);
	fd = dial(out, (size_t)len);
	if (fd < 0)
		return false;
	switch (read_message(fd, in, &in_len, &msg)) {
	case CONVERT_OK:
		print_message(&msg);
		if (!(msg.has & CONVERT_HAS_ERROR) && !strcmp(action, "connect"))
			print_data(fd, in + msg.len, in_len - msg.len);
		if (retry && (msg.has & CONVERT_HAS_ERROR) && msg.error == CONVERT_E_NO_COOKIE &&
		    msg.error_value.len > 1) {
			/* The value starts with a zero byte; the TLV's padding belongs to the opaque cookie. */
			cookie.len = msg.error_value.len - 1;
			memcpy(cookie.data, msg.error_value.data + 1, cookie.len);
			again = true;
			retry = false;
		}
		break;
	case CONVERT_MORE:
		break;
	default:
		puts("no Convert message");
	}
	fflush(stdout);
	while (keep && read(STDIN_FILENO, in, sizeof(in)) > 0)
		;
	close(fd);
	return again;
}

int main(int argc, char **argv)
{
	const char *action;
	char *line;
	int opt;

	while ((opt = getopt(argc, argv, "mfkCo:c:x:")) != -1) {
		mptcp |= opt == 'm';
		in_syn |= opt == 'f';
		keep |= opt == 'k';
		retry |= opt == 'C';
		if (opt == 'o')
			unhex(optarg, &options);
		if (opt == 'c')
			unhex(optarg, &cookie);
		if (opt == 'x')
			unhex(optarg, &raw);
	}
	argv += optind;
	argc -= optind;
	if (argc < 3 || argc == 4 || addr_parse(argv[1], &hub) || (argc > 4 && addr_parse(argv[3], &server)) ||
	    (argc < 5 && !strcmp(argv[0], "connect")) || (argc > 5 && strlen(argv[5]) > TEXT_MAX - 2)) {
		fprintf(stderr, "usage: convtool [-mfkC] [-o HEX] [-c HEX] [-x HEX] info|connect|raw HUB PORT"
				" [SERVER SERVER-PORT [TEXT]]\n");
		return 2;
	}
	action = argv[0];
	hub_port = htons((uint16_t)atoi(argv[2]));
	if (argc > 4)
		server_port = htons((uint16_t)atoi(argv[4]));
	if (argc > 5) {
		if (asprintf(&line, "%s\n", argv[5]) < 0)
			return 1;
		text = line;
	}
	while (attempt(action))
		;
	return 0;
}
