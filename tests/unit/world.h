/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A world for connections: net/tcp.h, net/io.h and message.h without a kernel.
 * A worker runs in it on sockets whose other sides the test plays, by a clock
 * that the test turns. Nothing in it waits, and nothing happens by chance.
 *
 * Readiness is edge-triggered as epoll's is: an event says all that holds at
 * that moment, and comes when something changed.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include <lib/convert.h>
#include <mpgated/worker/conn.h>
#include <mpgated/worker/worker.h>

#define WORLD_SOCKETS 128
#define WORLD_FIRST_FD 1000 /* of the first socket */
#define WORLD_PEERS 2
#define WORLD_MESSAGES 16
#define WORLD_SYNS 8
#define WORLD_FRAME 512
#define WORLD_TOKEN 7000U /* of an MPTCP connection: plus its descriptor */

enum world_end { OPEN, CLOSED_IN_ORDER, CLOSED_BY_RESET };

/* One of the worker's sockets, and what its other side has done and seen. */
struct sock {
	bool listener, dialed, mptcp, bound;
	bool connected; /* the handshake is over on our side */
	bool young; /* accepted, and its third packet has not come */
	bool is_mptcp; /* no fallback */
	bool syn_data, syn_data_acked;
	uint8_t dscp;
	uint16_t ports[2]; /* that it may leave from; 0: any */
	unsigned by; /* interface that it is bound to; 0: any */
	unsigned keepalive; /* s; 0: it was not asked for */
	struct mpgate_addr to; /* dialed */
	__be16 to_port;
	struct mpgate_tuple tuple; /* accepted: who opens -> what it wants */
	int queue; /* the listener where it waits; -1: none */
	bool announced; /* by steer */
	struct mpgate_flow flow;
	bool dead; /* reset, or never came about */
	int error; /* pending, errno */
	/* From the other side. */
	uint8_t *in;
	size_t in_len, in_off;
	size_t unheard; /* its last bytes come during a read that gets all it asks for, and nobody is told (MPTCP) */
	bool fin; /* behind those bytes */
	uint32_t jam, limit; /* bytes out of order, behind what can be read; what the socket holds of received ones */
	uint32_t dropped; /* packets behind the window */
	size_t mark; /* one read stops there, as at urgent data; 0: none */
	/* To the other side. */
	uint8_t *out;
	size_t out_len;
	size_t first_write; /* bytes of the first call that wrote any */
	size_t room; /* bytes that the socket still takes */
	bool shut; /* our FIN, behind those bytes */
	unsigned sent_again; /* segments */
	bool unsent; /* no subflow has the last of it yet */
	bool stuck; /* it is unsent because it was written in the handshake */
	bool unacked; /* the other side acknowledges nothing */
	uint32_t held; /* bytes of memory for what was sent and is not acknowledged */
	uint32_t ahead; /* as the worker set it; 0: no bound */
	uint32_t rtt_us;
	enum world_end end;
	/* Held back, see world_cut(). */
	uint8_t *late;
	size_t late_len, arrived;
	bool late_fin;
	/* As the worker watches it. */
	bool watched, changed;
	uint32_t events;
	uint64_t tag;
};

/* A SYN that steer holds: its entry in the table, and what was put back of it. */
struct syn {
	bool entry; /* it is there */
	struct mpgate_tuple tuple;
	struct mpgate_flow flow;
	unsigned put_count;
	size_t put_len; /* of the last frame */
	uint8_t put[WORLD_FRAME];
};

/* The next call of each kind fails with that errno, once; 0: it does not. */
struct world_faults {
	int socket, dial, bind, watch, accept, send, local, tell, hear;
};

struct world {
	uint64_t clock; /* ms */
	uint32_t wall; /* s */
	struct sock socks[WORLD_SOCKETS];
	unsigned sock_count;
	struct syn syns[WORLD_SYNS];
	unsigned syn_count;
	uint32_t rule_flags; /* of the rule by which steer takes what comes next */
	struct world_faults fail;
	size_t syn_room; /* bytes that a SYN takes; 0: this kernel cannot */
	size_t room; /* bytes that a new socket takes; SIZE_MAX: all */
	struct mpgate_synack synack; /* of whatever is dialed; without a length: none was read */
	struct message told[WORLD_MESSAGES]; /* to the supervisor; the last ones */
	unsigned told_count;
	int told_fd; /* a copy of the last descriptor that came with one; who looks at it closes it */
	struct worker *worker;
	bool busy; /* something happened in the last turn */
	int sleep; /* ms: for so long the worker would sleep when nothing happened; -1: for ever */
	unsigned reserved; /* descriptors that the worker holds in reserve */
	unsigned descriptors; /* those and sockets without listeners, at most; 0: any number */
	unsigned reserve_size; /* of the worker, from world_start() on */
	bool message_waits, supervisor_gone;
	struct message message;
	int message_fd;
	/* A cut, see world_cut(). */
	int cut_sock;
	bool cut_out;
	size_t cut_at;
	/* What the worker was started with: change it before world_start(), or call world_reload(). */
	struct {
		struct snapshot head;
		struct snapshot_peer peers[WORLD_PEERS];
		struct snapshot_key keys[WORLD_PEERS];
		struct snapshot_rule rules[2];
		struct prefix to[2];
		struct prefix sources[2];
		struct prefix pool[4]; /* head.pool.count of them */
		struct mpgate_addr local[1];
	} config;
};

extern struct world world;

/* An empty world with a configuration of defaults: two keyed peers with two addresses each (IPv4, IPv6). */
void world_new(void);
struct worker *world_start(void);
/* Ends what is left, and frees all. True: nothing had leaked (descriptors, parked bytes, counts). */
bool world_end(void);
/* The supervisor hands over world.config. */
void world_reload(void);

/* Lets the worker run until nothing happens any more without the clock. */
void world_settle(void);
/* The clock goes on, and the worker runs. */
void world_pass(uint64_t ms);

/*
 * A client that steer gives us, for a peer (-1: steer wrote nothing down) by a rule; "address" alone means port 4000 of
 * the client, port 80 of the server. And somebody who opens a connection to our Convert port; young: its third packet
 * is to come. What they say at once is there when they are accepted.
 */
struct sock *world_client(const char *from, const char *to, int peer, uint32_t rule, const char *says);
struct sock *world_caller(const char *from, bool young, const void *data, size_t len);
/*
 * A SYN from port 4000 of the client to port 80 of the server that steer holds, by a rule for a peer; and the client's
 * connection when that SYN was given to our listener.
 */
struct syn *world_syn(const char *from, const char *to, unsigned peer, uint32_t rule);
struct sock *world_accepted(const struct syn *s);
/* The nth socket that the worker dialed, from 0; NULL: there is none. */
struct sock *world_dialed(unsigned n);
unsigned world_dialed_count(void);

/* What the other side of a socket does. */
void sock_connected(struct sock *s);
void sock_refuse(struct sock *s, int err); /* the dial fails, or the connection is reset */
void sock_say(struct sock *s, const void *data, size_t len);
void sock_fin(struct sock *s);
void sock_take(struct sock *s, size_t room); /* reads, so that there is room again */
void sock_acks(struct sock *s); /* the third packet of the handshake; what was unacknowledged is acknowledged */
void sock_event(struct sock *s); /* wakes the worker for nothing */

/*
 * From the next world_new() on: the stream to (out: from) the world's nth socket is cut at a byte: what lies behind it
 * arrives (is taken) one event later. sock -1: no cut.
 */
void world_cut(int sock, bool out, size_t at);
/*
 * Runs a script as it is, then again with each stream of each socket that is no listener cut at every byte; at most
 * `most` cuts a stream, spread evenly.
 */
void world_cuts(void (*script)(void), size_t most);

struct mpgate_addr world_addr(const char *text);
/* What was sent to a socket, behind the Convert message there; NULL: there is no whole one. *m is that message. */
const char *world_behind_request(const struct sock *s, struct convert_msg *m);
const char *world_behind_answer(const struct sock *s, struct convert_msg *m);
/* What a peer answers: an Error with one byte of value, or (-1) none. */
void sock_answer(struct sock *s, int error);
/* A keyed request for a server, as a gateway makes it; its length. early: user data follows in the SYN. */
size_t world_request(uint8_t *buf, size_t cap, const char *from, const char *to, bool early);

#endif
