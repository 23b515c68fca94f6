// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * synforge [-l] [-k KEYFILE] [-e INSTANCE] [-s HOST] KIND SOURCE HUB PORT SERVER SERVER-PORT: sends a SYN with a
 * Convert message from a raw socket.
 *   valid       as a gateway with the key would
 *   forged      the same with one bit of the tag changed
 *   stale       made ten minutes ago
 *   early       made ten minutes from now
 *   unknown     made with a key that nobody has
 *   moved       a valid cookie, but Connect names the next port
 *   none        Connect alone
 *   malformed   data that is no Convert message
 *   replayed    valid, then the same again from another port
 *   repeated    valid, then the same again from the same port: what a retransmission looks like
 * -s: Original Source names that host, else SOURCE. -e: as an instance of that name on this machine.
 * -l: the message follows the handshake of an ordinary connection; each is answered by a line: ok | error CODE [clock
 * MINUTES] | reset | closed | silent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <lib/addr.h>
#include <lib/convert.h>
#include <lib/keys.h>

#define STALE_SECONDS 600
#define SOURCE_PORT_MIN 20000
#define SOURCE_PORTS 10000
#define WINDOW 64240
#define PAYLOAD 256
#define RECV_TIMEOUT_S 10

struct segment {
	struct tcphdr tcp;
	uint8_t mss[4];
	uint8_t payload[PAYLOAD];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint32_t sum(uint32_t s, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return s;
}

/* The TCP checksum. */
static uint16_t checksum(const struct mpgate_addr *src, const struct mpgate_addr *dst, const struct segment *seg,
			 size_t len)
{
	size_t from = addr_is_v4(src) ? 12 : 0;
	uint32_t s = sum(0, src->b + from, 16 - from);

	s = sum(s, dst->b + from, 16 - from);
	s = sum(s + IPPROTO_TCP + (uint32_t)len, seg, len);
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return htons((uint16_t)~s);
}

/* The message into buf; its length. */
static size_t message(const char *kind, const struct subkey *key, const struct mpgate_addr *src, __be16 sport,
		      const struct mpgate_addr *server, __be16 port, uint8_t *buf)
{
	struct convert_bytes connect = { .data = buf + CONVERT_HEADER_LEN, .len = CONVERT_CONNECT_LEN };
	struct convert_bytes source = { .data = connect.data + CONVERT_CONNECT_LEN, .len = CONVERT_CONNECT_LEN };
	struct convert_cookie cookie;
	struct convert_writer w;
	uint32_t now = (uint32_t)time(NULL);
	uint8_t nonce[8];
	int len;

	if (!strcmp(kind, "malformed")) {
		memset(buf, 'x', 40);
		return 40;
	}
	if (!strcmp(kind, "stale"))
		now -= STALE_SECONDS;
	if (!strcmp(kind, "early"))
		now += STALE_SECONDS;
	if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
		die("getrandom");
	convert_begin(&w, buf, PAYLOAD);
	convert_put_connect(&w, server, port, NULL);
	convert_put_orig_source(&w, src, sport);
	if (strcmp(kind, "none")) {
		cookie_make(key, now, nonce, &connect, &source, &cookie);
		if (!strcmp(kind, "forged"))
			cookie.tag[15] ^= 1;
		convert_put_cookie(&w, &cookie, sizeof(cookie));
	}
	len = convert_end(&w);
	if (len < 0)
		exit(1);
	if (!strcmp(kind, "moved"))
		buf[CONVERT_HEADER_LEN + 3]++;
	return (size_t)len;
}

/* With what its clock is ahead of ours, if it says so, in whole minutes. */
static void print_error(const struct convert_msg *msg)
{
	uint32_t told;

	printf("error %u", msg->error);
	if (msg->has & CONVERT_HAS_CLOCK) {
		memcpy(&told, msg->clock.data, sizeof(told));
		printf(" clock %d", ((int32_t)(ntohl(told) - (uint32_t)time(NULL)) + 5) / 60);
	}
	puts("");
}

/* Says how the converter answers. */
static void print_answer(int fd)
{
	uint8_t in[CONVERT_MAX_LEN];
	struct convert_fault fault;
	struct convert_msg msg;
	size_t have = 0;

	for (;;) {
		enum convert_result result = convert_parse(CONVERT_CLIENT, true, in, have, &msg, &fault);
		ssize_t n;

		if (result == CONVERT_OK && (msg.has & CONVERT_HAS_ERROR))
			print_error(&msg);
		else if (result != CONVERT_MORE)
			puts(result == CONVERT_OK ? "ok" : "no Convert message");
		if (result != CONVERT_MORE)
			return;
		n = recv(fd, in + have, sizeof(in) - have, 0);
		if (n <= 0) {
			puts(!n			   ? "closed"
			     : errno == ECONNRESET ? "reset"
			     : errno == EAGAIN	   ? "silent"
						   : strerror(errno));
			return;
		}
		have += (size_t)n;
	}
}

/* An ordinary connection from that address; its port in *sport. */
static int dial(const struct sockaddr_storage *from, socklen_t from_len, const struct sockaddr_storage *to,
		socklen_t to_len, __be16 *sport)
{
	const struct timeval limit = { .tv_sec = RECV_TIMEOUT_S };
	int fd = socket(from->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_storage own;
	socklen_t own_len = sizeof(own);
	struct mpgate_addr addr;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    bind(fd, (const struct sockaddr *)from, from_len) || connect(fd, (const struct sockaddr *)to, to_len) ||
	    getsockname(fd, (struct sockaddr *)&own, &own_len) ||
	    addr_from_sockaddr((struct sockaddr *)&own, &addr, sport))
		die("synforge: connect");
	return fd;
}

/* The key as an instance of that name on this machine uses it: see user/mpgated/supervisor/identity.c. */
static void derive(const struct key *key, const char *instance, struct subkey *out)
{
	char self[128] = "";
	FILE *f = fopen("/etc/machine-id", "r");

	if (!f || fscanf(f, "%32[0-9a-f]", self) != 1)
		fprintf(stderr, "synforge: no machine-id\n");
	if (f)
		fclose(f);
	strncat(self, instance, sizeof(self) - strlen(self) - 1);
	key_derive(key, self, strlen(self), out);
}

int main(int argc, char **argv)
{
	struct mpgate_addr src, dst, server, host;
	const struct mpgate_addr *hosts = &src;
	struct sockaddr_storage from, to;
	struct segment seg = { .mss = { 2, 4, 5, 0xb4 } };
	struct subkey subkey;
	struct key key;
	char line[KEY_LINE];
	socklen_t from_len, to_len;
	bool replay, repeat, late = false;
	const char *kind, *self = "synforge";
	__be16 port;
	uint16_t sport;
	size_t len = 0;
	int fd, opt;

	if (keys_init())
		return 1;
	key_new(&key, line);
	while ((opt = getopt(argc, argv, "k:le:s:")) != -1) {
		late |= opt == 'l';
		if (opt == 'e')
			self = optarg;
		else if (opt == 's' && !addr_parse(optarg, &host))
			hosts = &host;
		else if (opt != 'l' && (opt != 'k' || key_file_load(optarg, &key)))
			die("synforge: key");
	}
	argv += optind;
	if (argc - optind != 6 || addr_parse(argv[1], &src) || addr_parse(argv[2], &dst) ||
	    addr_parse(argv[4], &server)) {
		fprintf(stderr, "usage: synforge [-l] [-k KEYFILE] [-e INSTANCE] [-s HOST] KIND SOURCE HUB PORT SERVER "
				"SERVER-PORT\n");
		return 2;
	}
	kind = argv[0];
	if (!strcmp(kind, "unknown"))
		key_new(&key, line);
	derive(&key, self, &subkey);
	replay = !strcmp(kind, "replayed");
	repeat = !strcmp(kind, "repeated");
	sport = (uint16_t)(SOURCE_PORT_MIN + getpid() % SOURCE_PORTS);
	from_len = addr_to_sockaddr(&src, 0, &from);
	to_len = addr_to_sockaddr(&dst, late ? htons((uint16_t)atoi(argv[3])) : 0, &to);
	port = htons((uint16_t)atoi(argv[5]));
	for (int i = 0; late && i < 1 + (replay || repeat); i++) {
		__be16 from_port;

		fd = dial(&from, from_len, &to, to_len, &from_port);
		if (!i)
			len = message(kind, &subkey, hosts, from_port, &server, port, seg.payload);
		if (send(fd, seg.payload, len, MSG_NOSIGNAL) != (ssize_t)len)
			die("synforge: send");
		print_answer(fd);
		close(fd);
	}
	if (late)
		return 0;
	len = message(kind, &subkey, hosts, htons(sport), &server, port, seg.payload);
	len += sizeof(seg.tcp) + sizeof(seg.mss);

	fd = socket(from.ss_family, SOCK_RAW, IPPROTO_TCP);
	if (fd < 0 || bind(fd, (struct sockaddr *)&from, from_len))
		die("synforge: raw socket");
	for (int i = 0; i < 1 + (replay || repeat); i++) {
		seg.tcp = (struct tcphdr){
			.source = htons((uint16_t)(sport + (replay ? i : 0))),
			.dest = htons((uint16_t)atoi(argv[3])),
			.seq = htonl(1),
			.doff = (sizeof(seg.tcp) + sizeof(seg.mss)) / 4,
			.syn = 1,
			.window = htons(WINDOW),
		};
		seg.tcp.check = checksum(&src, &dst, &seg, len);
		if (sendto(fd, &seg, len, 0, (struct sockaddr *)&to, to_len) != (ssize_t)len)
			die("synforge: send");
	}
	return 0;
}
