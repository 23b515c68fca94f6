/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the test of probe.c plays: sockets, a clock, and a keyed peer with an IPv4 and an IPv6 address over one path
 * that has both.
 */
#ifndef TESTS_UNIT_PROBE_SCRIPT_H
#define TESTS_UNIT_PROBE_SCRIPT_H

#include <mpgated/supervisor/probe.h>

#define FIRST_FD 1000
#define SOCKETS 8U
#define NOW 1700000000U /* the wall clock, where it begins */
#define PATIENCE 2000U /* ms */

/* A socket, and its other side. */
struct sock {
	bool open, syn_data, acked, plain;
	unsigned again; /* segments sent again */
	int family, error; /* errno */
	struct mpgate_addr from, to;
	__be16 port;
	uint8_t out[256], in[CONVERT_MAX_LEN];
	size_t out_len, in_len, in_off;
	bool fin;
	int broken; /* errno of the next read */
};

struct play {
	/* The next call of each kind fails with that errno. */
	struct {
		int socket, bind, dial, send;
	} fail;
	struct sock socks[SOCKETS];
	unsigned sock_count;
	size_t syn_room; /* bytes that a SYN takes; 0: this kernel cannot */
	size_t send_room; /* bytes that a connection takes */
	uint32_t wall;
	struct config cfg;
	struct cfg_link link; /* that path's */
	struct paths_sample sample; /* of it */
	struct paths_subflow subflow; /* over it, one that carries something for another connection */
	struct supervisor s;
	struct peer p;
	struct subkey hub_key;
	/* How the last probe ended, and how many have. */
	struct {
		unsigned count, address;
		struct health_path path;
		struct health_result r;
		char error[HEALTH_ERROR];
	} ended;
};

extern struct play play;

void play_new(void);
/* Ends what is left. True: nothing leaked. */
bool play_end(void);
/* A probe of one of the ways: 0 (IPv4) or 1. As probe_start(). */
int play_probe(unsigned way);
/* The first probe of a new peer, as far as its connection stands and the message is there. */
struct sock *play_start(void);
void sock_says(struct sock *k, const void *data, size_t len);
/* The cookie of what was said; false: that is no Info request, or another one than a hub with our key takes. */
bool sock_request(const struct sock *k, struct convert_cookie *cookie);

/* What a hub says to that request; length. */
enum answer { SUPPORTED, WANTS_COOKIE, JOINS, REFUSED, FULL, STALE, STALE_FORGED };
size_t sock_answer(const struct sock *k, enum answer a, uint8_t buf[CONVERT_MAX_LEN]);

#endif
