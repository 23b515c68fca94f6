/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections inside a worker: the structures, and what conn.c, gateway.c,
 * hub.c and relay.c offer each other. A worker is single-threaded; nothing
 * here is shared except through shared.h.
 *
 * The life of a connection:
 *   gateway: GW_FIRST (the client's first bytes) -> GW_DIAL (towards the peer) -> GW_ANSWER (its answer) -> RELAY
 *                                                     \-> GW_DIRECT (the peer failed) -> RELAY
 *            GW_READY (opened ahead; its peer leg becomes that of a connection in GW_FIRST)
 *   hub:     HUB_HEADER (the Convert message) -> HUB_DIAL (towards the server) -> RELAY
 *                     \-> HUB_LINGER (an Error was sent) <-/
 *
 * A closed connection stays allocated until the batch of events it was closed
 * in is done, so that a later event of the same batch finds it (conn.state).
 */
#ifndef MPGATED_CONN_H
#define MPGATED_CONN_H

#include <mpgated/ipc/shared.h>

#include <stdbool.h>
#include <stddef.h>

enum conn_state { GW_FIRST, GW_DIAL, GW_ANSWER, GW_DIRECT, GW_READY, HUB_HEADER, HUB_DIAL, HUB_LINGER, RELAY, CLOSED };

struct list {
	struct list *next, *prev;
};

/* Bytes that wait for a socket to become writable; no memory while empty. */
struct parked {
	uint8_t *data;
	uint32_t off, len; /* of what is left */
};

/*
 * A socket of a connection. There may be none yet: the other one may come first, and either may be the one that was
 * dialed.
 */
struct leg {
	int fd; /* -1: none */
	bool mptcp; /* made or accepted as an MPTCP socket */
	bool dialed; /* by us; else accepted */
	bool young; /* accepted, and the handshake may not be over: see leg_settle() */
	bool in, out; /* may be readable, may be writable: cleared by EAGAIN or a short transfer, set by an event */
	bool hangup; /* FIN or error seen by poll: read to the end */
	bool urgent; /* urgent data seen by poll */
	bool eof; /* read to the end */
	bool broken; /* reset, or otherwise not to be written to or read from any more */
	bool shut; /* our FIN is sent, or due with the other leg's */
	bool ended; /* both directions have ended, and it has to stay open */
	bool watched_out;
	struct parked parked; /* to be written to fd */
};

/* A read gave less than asked for: is that all? The mark of urgent data ends a read, a FIN is found by another one. */
static inline bool leg_is_dry(const struct leg *l)
{
	return !l->hangup && !l->urgent;
}

enum leg_name { LEG_LOCAL, LEG_PEER };

enum timer_class {
	TIMER_FIRST,
	TIMER_READY,
	TIMER_HEADER,
	TIMER_PEER,
	TIMER_CONNECT,
	TIMER_ACKED,
	TIMER_HALF,
	TIMER_IDLE,
	TIMER_CLASSES
};

/* How a gateway's request left last. */
enum sent {
	SENT_HANDSHAKE, /* behind the handshake */
	SENT_SYN, /* in our SYN */
	SENT_AHEAD, /* over a connection opened ahead */
};

/* What the answer to a request owes the client, besides the fixed header. */
#define ANSWER_EXTENSIONS 1U /* the request had an Info as well */
#define ANSWER_OPTIONS 2U /* the Connect had TCP options: it gets those of the server */

/* What is asked for: by us (gateway), or of us (hub). */
struct conn_request {
	struct mpgate_tuple tuple; /* opener -> server; hub: without Original Source, the peer's address -> server */
	uint32_t rule_id;
	uint16_t slot; /* of the peer; MPGATE_MAX_PEERS: none (hub: a client without a shared key; gateway: direct) */
	uint8_t dscp;
	/* gateway */
	uint8_t attempt; /* how many addresses of the peer have failed */
	uint8_t address; /* the present one */
	uint8_t sent; /* enum sent */
	bool keyed; /* it proves that we have the peer's key */
	bool again; /* it was sent before and may have been carried out */
	uint8_t cookie_tries; /* 1: said again since an issued cookie was refused; 2: with a new one */
	uint32_t stamp; /* of the keyed cookie, as the nonce; 0: none yet */
	uint64_t nonce;
	uint32_t peers_changed; /* of the worker, when the peer was dialed */
	/* hub */
	uint16_t pending; /* its place in worker.pending, where it is counted; PENDING_SLOTS: it is not */
	uint8_t answer; /* ANSWER_* */
	/*
	 * gateway: the client's first bytes while the peer may still fail; GW_ANSWER and HUB_HEADER: an incomplete
	 * message
	 */
	struct parked first;
};

/*
 * Two legs: local towards an endpoint (the client on a gateway, the server on a hub), peer towards the other proxy, or
 * to the server in its place. Which one leads to who opened is said by opener: bytes from there go up.
 */
struct conn {
	struct leg local, peer; /* keep local first: see TAG_PEER */
	struct conn_request request;
	struct list timer; /* in worker.timers[class], ordered by armed */
	struct list run; /* in worker.runnable, or empty; GW_READY: in worker.ready */
	uint64_t armed; /* ms: when it was put in that list */
	uint64_t active; /* ms: last byte or set-up step */
	uint8_t class; /* enum timer_class */
	uint8_t state; /* enum conn_state */
	uint8_t opener; /* enum leg_name */
	uint32_t opened; /* s */
	uint64_t bytes_up, bytes_down;
};

static inline struct leg *conn_opener(struct conn *c)
{
	return c->opener == LEG_LOCAL ? &c->local : &c->peer;
}

/* The leg towards the server. */
static inline struct leg *conn_target(struct conn *c)
{
	return c->opener == LEG_LOCAL ? &c->peer : &c->local;
}

/* A connection's tag for epoll is a pointer to it, with its leg in the lowest bit. */
#define TAG_PEER 1U

#define RELAY_BUF (256U << 10) /* bytes moved at a time (kernel: large reads halve the cost of a byte) */
#define RELAY_LITTLE (RELAY_BUF / 64) /* the same where room for parked bytes is short: that is kept in any case */
#define RELAY_HEADROOM 320U /* in front of it, for a Convert message; with an issued cookie it has up to 284 bytes */
#define ACCEPT_BATCH 64 /* connections accepted from a listener at a time */
#define RELAY_ROUNDS 4U /* buffers a connection may move before others get their turn */
#define FIRST_BYTES 2048U /* of the client, kept until the peer's handshake is done */
#define PENDING_SLOTS 4096U

struct listener {
	int fd;
	bool convert;
};

struct issued_cookie {
	uint16_t slot; /* of the peer */
	uint8_t len;
	uint8_t data[253];
};

#define WORKER_LISTENERS (2 + CFG_LISTEN_ADDRESSES) /* steering: one a family; Convert */
#define RANDOM_POOL 512U

struct worker {
	unsigned index;
	int epoll, control, pending_fd, synack_fd;
	int spare_fd; /* given up to take and close a connection when descriptors run out */
	struct listener listeners[WORKER_LISTENERS];
	unsigned listener_count;
	__be16 steer_port[2]; /* of our own steering listeners, IPv4 and IPv6 */
	bool accepting;
	bool full; /* as the supervisor knows it */
	const struct snapshot *snap;
	uint32_t peers_changed; /* how often a reload changed them */
	struct shared_memory *shm;
	struct worker_stats *stats;
	uint64_t now; /* ms, CLOCK_MONOTONIC, of this batch */
	struct list timers[TIMER_CLASSES];
	struct list runnable; /* connections that still had work after RELAY_ROUNDS */
	struct list ready; /* connections to peers opened ahead, oldest first */
	struct list dead; /* through conn.timer */
	struct list *free; /* through conn.timer.next */
	unsigned free_count;
	uint64_t parked_bytes;
	unsigned connections;
	uint16_t pending[PENDING_SLOTS]; /* hub: requests without a server yet, by hash of the client's address */
	uint64_t random[RANDOM_POOL];
	unsigned random_left;
	uint32_t error_second, errors; /* Error messages sent in this second */
	uint32_t note_second, notes;
	uint8_t *buf; /* RELAY_HEADROOM + RELAY_BUF */
	struct issued_cookie *cookies; /* gateway: those that converters issued, one a peer */
	unsigned cookie_count;
};

/* conn.c */
/* A connection without legs; NULL: no memory. */
struct conn *conn_new(struct worker *w, enum conn_state state, enum leg_name opener);
/* Gives a leg its socket, which is the connection's from here on. */
void leg_accepted(struct leg *l, int fd, bool mptcp);
void leg_dialed(struct leg *l, int fd, bool mptcp);
/* Closes both legs, with resets if asked, and retires the connection. */
void conn_close(struct worker *w, struct conn *c, bool reset);
/*
 * Starts to report what happens on a leg. Being writable is reported where it is waited for: on dialed legs, on
 * accepted ones whose handshake may not be over, and once something is parked (conn_watch_out()).
 */
int conn_watch(struct worker *w, struct conn *c, struct leg *l);
/* For a leg that was watched as another connection's; what happened meanwhile is reported again. */
int conn_watch_again(struct worker *w, struct conn *c, struct leg *l);
int conn_watch_out(struct worker *w, struct conn *c, struct leg *l);
/* Does what is due once an accepted leg's handshake is over, if it is. */
void leg_settle(struct leg *l);
void conn_timer(struct worker *w, struct conn *c, enum timer_class class);
/* The relay has more to do for c after the present batch. */
void conn_again(struct worker *w, struct conn *c);
/* After a batch of events: frees what was retired in it, but for what the next connections may need. */
void conn_reap(struct worker *w);

/* worker.c */
/*
 * Accepts one connection into *out, with the other side's address in tuple.saddr and sport. 0, -EAGAIN: none waits, or
 * -ECONNABORTED: try the next. Deals with a lack of descriptors.
 */
int worker_accept(struct worker *w, int listener, enum conn_state state, enum leg_name opener, struct conn **out);
/* Tells the supervisor when it has to know; what its socket does not take is told later. */
void worker_tell_full(struct worker *w);
void worker_peer_failed(struct worker *w, unsigned slot, int err);
void worker_peer_refused(struct worker *w, unsigned slot);
uint64_t worker_random(struct worker *w);
/* A message about one connection, at most 10 a second. */
void worker_note(struct worker *w, const struct conn *c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
const struct snapshot_peer *worker_peer(const struct worker *w, unsigned slot);

/* control.c */
/* Maps the snapshot in fd (which stays the caller's) in place of the one in force. 0 or -errno. */
int worker_snapshot(struct worker *w, int fd);
/* Takes all messages that wait. False: the supervisor is gone. */
bool worker_message(struct worker *w);
void worker_stop_accepting(struct worker *w);

/* gateway.c */
void gateway_accept(struct worker *w, struct listener *l);
void gateway_event(struct worker *w, struct conn *c);
void gateway_timeout(struct worker *w, struct conn *c);

/* request.c */
struct convert_msg;
/*
 * The Convert message for c towards p, into buf. early: the client's first bytes follow it. Built again for the same
 * connection it has the same cookie, of which a hub takes one. Its length, -ETIME when that has become too old, or
 * another -errno.
 */
int request_build(struct worker *w, struct conn *c, const struct snapshot_peer *p, bool early, uint8_t *buf,
		  size_t cap);
/*
 * Can the request be said with another cookie than the one that answer m, an Error, refuses or misses? One that is
 * refused is forgotten, and a new one asked for: c is dialed anew twice at most.
 */
bool request_other_cookie(struct worker *w, struct conn *c, const struct convert_msg *m);

/* ready.c */
/* Gives c an established connection to its peer as its peer leg, and the request its address, if there is one. */
bool ready_take(struct worker *w, struct conn *c);
/* Opens as many to an address of the peer as its configuration says. */
void ready_fill(struct worker *w, unsigned slot, unsigned address);
/* Closes those of a peer; slot -1: all. */
void ready_drop(struct worker *w, int slot);
void ready_event(struct worker *w, struct conn *r);

/* hub.c */
void hub_accept(struct worker *w, struct listener *l);
void hub_event(struct worker *w, struct conn *c);
void hub_timeout(struct worker *w, struct conn *c);
void hub_forget(struct worker *w, struct conn *c); /* conn_close() of a request that never reached the relay */

/* relay.c */
/* One turn of the opener's bytes only. 0, -EAGAIN (conn_again() is due) or -errno. */
int relay_up(struct worker *w, struct conn *c);
/* Both legs are connected; runs the first round. c may be closed when it returns. */
void relay_start(struct worker *w, struct conn *c);
void relay_event(struct worker *w, struct conn *c);
void relay_timeout(struct worker *w, struct conn *c);
/* Writes data to l, parking what does not fit. 0 or -errno (the leg is broken, or -ENOBUFS). */
int relay_write(struct worker *w, struct conn *c, struct leg *l, const uint8_t *data, size_t len);
/* Puts a copy of data behind what is parked. 0, -ENOMEM, -ENOBUFS (the worker's bound). */
int park(struct worker *w, struct parked *p, const uint8_t *data, size_t len);
void unpark(struct worker *w, struct parked *p);
int flush(struct worker *w, struct leg *l); /* 0 or -errno; l->out and l->parked tell whether all went */

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_del(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

static inline void list_add_tail(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

#define list_entry(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
