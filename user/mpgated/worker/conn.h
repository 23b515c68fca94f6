/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections inside a worker: the structures, and the files that all others
 * stand on; leg.h is part of it. A worker is single-threaded; nothing here is
 * shared except through ipc/shared.h. What a connection wants of the kernel
 * goes through net/io.h and net/tcp.h.
 *
 * The life of a connection:
 *   gateway: GW_FIRST (the client's first bytes) -> GW_DIAL (towards the peer) -> GW_ANSWER (its answer) -> RELAY
 *                                                     \-> GW_DIRECT (the peer failed) -> RELAY
 *            held: GW_DIAL -> GW_ANSWER -> GW_APPROVED (the SYN is put back, the client is to be accepted) -> RELAY
 *            or TR_DIAL (towards the server, in the client's name) -> GW_APPROVED or RELAY
 *            GW_COPY (over another path than that of a GW_DIAL or GW_ANSWER; that takes over its peer leg, or ends it)
 *            GW_READY (opened ahead, or parked by the peer; its peer leg becomes that of another connection)
 *            GW_PARKING (opened for requests of the peer) -> GW_PARKED (the peer has taken it in) -> HUB_HEADER
 *   hub:     HUB_HEADER (the Convert message) -> HUB_DIAL (towards the server) -> RELAY
 *                     |-> HUB_LINGER (an Error was sent) <-/
 *                     |-> GW_READY (the peer parks it)
 *                     \-> HUB_COPY (of a request that another connection has, which takes over its peer leg, or not)
 *            TR_DIAL (a SYN with a peer's tag; towards the server) -> GW_APPROVED -> RELAY
 *
 * A closed connection stays allocated until the batch of events it was closed
 * in is done, so that a later event of the same batch finds it (conn.state).
 */
#ifndef MPGATED_CONN_H
#define MPGATED_CONN_H

#include <mpgated/ipc/shared.h>
#include <mpgated/worker/leg.h>
#include <mpgated/worker/list.h>
#include <mpgated/worker/replay.h>

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum conn_state {
	GW_FIRST,
	GW_DIAL,
	GW_ANSWER,
	GW_APPROVED,
	GW_DIRECT,
	GW_COPY,
	GW_READY,
	GW_PARKING,
	GW_PARKED,
	TR_DIAL,
	HUB_HEADER,
	HUB_DIAL,
	HUB_COPY,
	HUB_LINGER,
	RELAY,
	CLOSED
};

enum leg_name { LEG_LOCAL, LEG_PEER };

enum timer_class {
	TIMER_FIRST,
	TIMER_READY,
	TIMER_HEADER,
	TIMER_PEER,
	TIMER_SLOW, /* the same, where another peer may take over */
	TIMER_CONNECT,
	TIMER_ACKED,
	TIMER_YOUNG, /* what ends sooner is spared keep-alives and further subflows */
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
	bool tagged : 1; /* its SYN had the tag of a peer, or MPTCP of its own: it goes on where it cannot be carried */
	bool breaks : 1, doubted : 1; /* its server is known to break on MPTCP; it is not known whether */
	/* gateway */
	bool reject : 1; /* by the rule that steer took it for, it is reset rather than go direct */
	bool published : 1; /* that rule is an entry of `publish`: the peer is asked for what it names */
	uint8_t tried; /* bits: which peers of its rule's group could not have it */
	uint8_t attempt; /* how many addresses of the peer have failed */
	uint8_t address; /* the present one */
	uint8_t sent; /* enum sent */
	bool keyed : 1; /* it proves that we have the peer's key */
	bool again : 1; /* it was sent before and may have been carried out */
	bool retimed : 1; /* it was said anew by the peer's clock */
	bool part : 1; /* first is the begin of an answer, and no longer what the client said */
	bool twice : 1; /* the request may be sent in copies: that stands in its nonce */
	bool second : 1; /* the peer leg goes over the second path */
	uint8_t cookie_tries; /* 1: said again since an issued cookie was refused; 2: with a new one */
	uint8_t setup; /* enum cfg_setup */
	uint8_t raced; /* copies that were sent */
	uint32_t stamp; /* of the keyed cookie, as the nonce; 0: none yet */
	uint64_t nonce; /* hub: the same */
	uint32_t peers_changed; /* of the worker, when the peer was dialed */
	/* hub */
	uint16_t pending; /* its place in worker.pending, where it is counted; PENDING_SLOTS: it is not */
	uint8_t answer; /* ANSWER_* */
	bool granted : 1; /* its message was taken */
	bool open : 1; /* it is in worker.table by its nonce: none of its copies has been chosen */
	bool own : 1; /* the server leg was bound to an address: a lack is of ports */
	bool back : 1; /* over a connection that we opened, and keep for requests of the peer */
	struct replay_place place; /* with open, and HUB_COPY */
	uint32_t subscriber; /* its place in shared_memory.subscribers, and 1; 0: it is not counted */
	struct mpgate_addr mapped; /* where the server sees it come from, while that is logged */
	__be16 mapped_port; /* 0: it is not */
	/*
	 * gateway: the client's first bytes while the peer may still fail; GW_ANSWER and HUB_HEADER: an incomplete
	 * message
	 */
	struct parked first;
};

/* What becomes of a SYN that steer holds. */
enum verdict {
	VERDICT_RELEASE, /* it goes on its way, or is reset where the rule says reject */
	VERDICT_REFUSE, /* the server's RST */
	VERDICT_UNREACHABLE, /* an ICMP error */
	VERDICT_SILENT, /* nothing is said; its client may say it again */
	VERDICT_EARLY, /* it is for our listener now, as if its rule said connect: early */
	VERDICT_MOVE, /* it is for another worker, held.flow.worker */
};

/* A SYN that steer holds: the flow as it is in the table, and the frame that is put back. */
struct held {
	struct mpgate_flow flow;
	uint8_t verdict; /* enum verdict, when its connection ends before it is accepted */
	uint8_t code; /* of the ICMP error */
	uint16_t tcp_off; /* from the IP header on */
	uint16_t len; /* of the frame; 0: there is none, the client has to say it again */
	uint8_t frame[]; /* with an Ethernet header, made up where the link has none */
};

/* A connection with a full leg. */
struct conn_still {
	struct list list; /* in worker.blocked, or empty */
	uint64_t since, look; /* ms: full since; when it is looked at next */
	uint32_t held; /* bytes, as counted in worker.still_*; 0: it is not counted */
	uint16_t client; /* with held: its place in worker.still_clients */
};

/* See jam.h. */
struct conn_jam {
	struct list list; /* in worker.moving, or empty */
	uint64_t seen; /* bytes that the peer had brought when it was looked at last */
	uint32_t dropped; /* packets, then */
	uint32_t young; /* bytes, as seen: when a young one was looked at */
};

/*
 * Two legs: local towards an endpoint (the client on a gateway, the server on a hub), peer towards the other proxy, or
 * to the server in its place. Which one leads to who opened is said by opener: bytes from there go up.
 */
struct conn {
	struct leg local, peer; /* keep local first: see TAG_PEER */
	struct conn_request request;
	struct held *held; /* gateway: its opener is a SYN that waits; NULL: it has been accepted */
	struct list timer; /* in worker.timers[class], ordered by armed */
	struct conn *chain, **chained; /* in worker.table: the next, and what points to this one; NULL: not there */
	struct conn_still still;
	struct conn_jam jam;
	struct list run; /* in worker.runnable, or empty; GW_READY: in worker.ready; GW_PARK*: in worker.parking;
			    GW_DIAL without a peer leg: in worker.waiting; with one: perhaps in worker.racing */
	struct conn *race; /* GW_COPY: whose request it has; else the copies of this one's */
	struct conn *race_next; /* GW_COPY: the next copy */
	struct strangers *pool; /* see strangers.c; NULL: it is in none */
	struct source *source;
	struct list stranger, same; /* in pool, in source; oldest first */
	uint64_t armed; /* ms: when it was put in that list */
	uint64_t active; /* ms: last byte or set-up step */
	uint8_t class; /* enum timer_class */
	uint8_t state; /* enum conn_state */
	uint8_t opener; /* enum leg_name */
	bool join_noted : 1; /* its rule has been told, see join_note() */
	bool join_done : 1; /* no further subflows are to be asked for any more, see join.h */
	bool lent : 1; /* GW_READY: the peer opened it for our requests; counted in shared_memory.parked */
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

#define PENDING_SLOTS 4096U

/* The place of a client in tables by client: an IPv4 address is one, or an IPv6 /64. */
static inline unsigned client_slot(const struct mpgate_addr *a)
{
	const struct mpgate_addr client = addr_client(a);

	return addr_client_hash(&client) & (PENDING_SLOTS - 1);
}

/* A connection's tag for epoll is a pointer to it, with its leg in the lowest bit. */
#define TAG_PEER 1U

#define RELAY_BUF (512U << 10) /* bytes moved at a time (kernel: large reads halve the cost of a byte) */
#define RELAY_LITTLE (RELAY_BUF / 128) /* the same where room for parked bytes is short: that is kept in any case */
#define RELAY_HEADROOM 320U /* in front of it, for a Convert message; with an issued cookie it has up to 284 bytes */
#define ACCEPT_BATCH 64 /* connections accepted from a listener at a time */
#define RELAY_ROUNDS 2U /* buffers a connection may move before others get their turn */
/*
 * Bytes towards a peer that leave in a segment of their own: with 40 bytes of IPv6 and 60 of TCP it has 1,200 at most.
 * A path that silently drops full-size packets lets it pass, and once it is acknowledged other paths are joined, which
 * then save what that path does not carry.
 */
#define FIRST_SEGMENT 1100U
#define FIRST_BYTES 2048U /* of the client, kept until the peer's handshake is done */
#define RESERVE_MAX 128 /* descriptors in reserve: what steer gives us until it hears that we are full */
#define RESERVE_MIN 3
#define RESERVE_SECOND 1 /* of these accepting leaves one, for the connection's other side */
#define RESERVE_SHARE 8 /* of all that may be open, a reserve is so small a part */
#define HELD_MOST 1024U /* held SYNs of one worker: who forges sources makes a hub dial for no more at a time */
#define CONN_CHAINS 16384U /* more connections than that make the chains longer */

/* A pool of connections that have proven nothing yet, and those of one source in it, by hash. */
#define STRANGERS_SHARE 4 /* of a worker's connections as many again, divided by this */
#define STRANGERS_MIN 16
#define SOURCE_SLOTS 1024U
struct source {
	struct list list;
	unsigned count;
};
struct strangers {
	struct list list;
	unsigned count;
	struct source source[SOURCE_SLOTS];
};

static inline unsigned strangers_pool(unsigned connections)
{
	return connections / STRANGERS_SHARE + STRANGERS_MIN;
}

struct listener {
	int fd;
	bool convert;
};

struct issued_cookie {
	uint16_t slot; /* of the peer */
	uint8_t len;
	uint8_t data[253];
};

/* How many connections to a peer would have been of use lately, had they been opened ahead. */
struct demand {
	uint16_t want; /* halved as time goes by */
	uint64_t changed, used; /* ms: when that was changed last, when the peer was used last */
};

/* What is parked with a peer. */
struct parking {
	struct demand demand; /* of the peer, for connections to us */
	uint16_t failed; /* how often in a row none could be */
	uint64_t retry; /* ms: when that is tried again */
};

#define SLOW_MS 100U /* so often it is looked whether a peer has answered, while another may take over */
#define READY_LISTS 256U /* more peers that have some share a list */
#define WORKER_LISTENERS (2 + CFG_LISTEN_ADDRESSES) /* steering: one a family; Convert */

struct worker {
	unsigned index;
	int epoll, control, flows_fd, synack_fd;
	int hold_fd; /* frames written there are put back; -1: nothing is held */
	struct io_ring *ring; /* of held SYNs; NULL: none */
	unsigned held; /* how many of them there are now */
	uint64_t *flow_clients; /* the map: how many entries of `flows` are a client's */
	int reserve[RESERVE_MAX]; /* descriptors for when there are no others */
	unsigned reserve_count, reserve_size; /* how many there are, and should be */
	int early; /* a descriptor so high, as the lowest is always taken, says that they will run out soon */
	unsigned
		room; /* connections there were when descriptors last ran out; 0: since we are full no more, or never */
	struct listener listeners[WORKER_LISTENERS];
	unsigned listener_count;
	__be16 steer_port[2]; /* of our own steering listeners, IPv4 and IPv6 */
	bool accepting;
	bool deaf; /* no descriptor is left for what waits at the listeners */
	bool orphan; /* the supervisor is gone */
	bool full; /* as the supervisor knows it */
	const struct snapshot *snap;
	uint32_t peers_changed; /* how often a reload changed them */
	struct shared_memory *shm;
	struct worker_stats *stats;
	uint64_t now; /* ms, CLOCK_MONOTONIC, of this batch */
	struct list timers[TIMER_CLASSES];
	struct list runnable; /* connections that still had work after RELAY_ROUNDS */
	struct list ready[READY_LISTS]; /* connections to peers opened ahead, by us or by them, oldest first; by slot */
	struct list waiting; /* for a connection that their peer parks with us */
	uint64_t waiting_look; /* ms: when those are looked at next */
	struct list racing; /* requests of which another copy may be sent */
	uint64_t racing_look; /* the same */
	struct list parking; /* connections that we open, and keep, for requests of peers */
	uint64_t parking_look; /* ms: when more of them may be due */
	struct list dead; /* through conn.timer */
	struct list *free; /* through conn.timer.next */
	unsigned free_count;
	struct conn *table[CONN_CHAINS]; /* by tuple */
	uint64_t table_key[2];
	uint64_t parked_bytes;
	struct list blocked; /* connections with a full leg, through conn.still, longest first */
	uint64_t still_look; /* ms: when they are looked at next */
	struct list moving; /* connections that brought something of late, through conn.jam */
	uint64_t jam_look; /* ms: when they are looked at next */
	uint64_t still_bytes; /* what the kernel and we hold for those that stand still */
	uint64_t still_clients[PENDING_SLOTS]; /* the same, by client */
	unsigned connections;
	struct strangers strangers[2]; /* hub; the second: of sources that have lately proven to have a key */
	uint16_t pending[PENDING_SLOTS]; /* hub: requests without a server yet, by hash of the client's address */
	uint32_t error_second, errors; /* Error messages sent in this second */
	uint32_t note_second, notes;
	uint32_t join_second, join_count; /* further subflows asked for in this second */
	uint32_t copy_second, copy_count; /* copies of requests handed to other workers in this second */
	uint8_t *buf; /* RELAY_HEADROOM + RELAY_BUF */
	struct demand demand[MPGATE_MAX_PEERS]; /* gateway, by slot */
	struct parking parkings[MPGATE_MAX_PEERS]; /* the same */
	struct issued_cookie *cookies; /* gateway: those that converters issued, one a peer */
	unsigned cookie_count;
};

/* The files that follow stand in the order of their layers, leg.c behind fault.c: none calls one that is further down.
 */

/* fault.c */
void fault_covers(int fd); /* fd is a connection of this process */

/* reserve.c */
/* For a process that may open so many. */
static inline unsigned reserve_size(unsigned long limit)
{
	unsigned long n = limit / RESERVE_SHARE;

	return n > RESERVE_MAX ? RESERVE_MAX : n < RESERVE_MIN ? RESERVE_MIN : (unsigned)n;
}
/* Fills up what was given. 0 or -errno. */
int reserve_fill(struct worker *w);
/* Descriptors will run out soon: full while there are as many connections as now. */
void reserve_early(struct worker *w);
/* A call failed with err: is there one more descriptor now, so that it may be tried again? So many are kept. */
bool reserve_give(struct worker *w, int err, unsigned keep);
/* 0 or -errno. */
int listener_watch(struct worker *w, struct listener *l);
/* What is in the listeners' queues stays there, until reserve_ended(). */
void reserve_wait(struct worker *w);
/* Descriptors may have been closed: they fill the reserve first, then the listeners are heard again. */
void reserve_ended(struct worker *w);
/* Connections, but for those of strangers, who have a bound of their own. */
static inline unsigned worker_load(const struct worker *w)
{
	return w->connections - w->strangers[0].count;
}
/* Have descriptors run out? */
static inline bool reserve_touched(const struct worker *w)
{
	return w->reserve_count < w->reserve_size;
}

/* still.c */
#define STILL_AHEAD (16U << 10) /* read at a time for a leg that has shown nothing yet */
#define STILL_FIRST (64U << 10) /* moved towards a leg, from when on it is looked at: most connections end before */
#define STILL_SLOW (2U << 10) /* the same for an MPTCP leg on which a packet takes seconds */
/* More than STILL_SLOW bytes are to go towards l at once, for the first time: is it that slow? */
void still_begin(struct leg *l);
/*
 * STILL_FIRST bytes or more, `moved`, went towards l in that time, and l->ahead is below RELAY_BUF: may it get more at
 * a time?
 */
void still_ahead(struct leg *l, uint64_t moved, uint32_t seconds);
/* Does c wait for a leg that is full? A leg that has taken what waited for it starts anew. */
void still_full(struct worker *w, struct conn *c, struct leg *l, bool full);
void still_end(struct worker *w, struct conn *c); /* c is closed */
/* Looks at those that wait, when that is due. The time until it is due again, ms; -1: none waits. */
int64_t still_look(struct worker *w);
/* Who has to go next, since those that stand still hold more than they may; NULL: nobody. */
struct conn *still_over(struct worker *w);

/* report.c */
/* Tells the supervisor when it has to know; what its socket does not take is told later. */
void report_full(struct worker *w);
void report_peer_failed(struct worker *w, unsigned slot, int err);
void report_peer_refused(struct worker *w, unsigned slot, uint8_t error, uint8_t refusal);
void report_peer_slow(struct worker *w, unsigned slot);
/* The first connection of that peer is parked with us, or the last is gone. */
void report_parked(struct worker *w, unsigned slot);
/*
 * A request from this source (addr_client()) proved a key: guard is to know, since what else comes from there, joins
 * above all, shows none. 0 or -errno: it could not be told.
 */
int report_proved(struct worker *w, const struct mpgate_addr *source);
/* False: the supervisor's socket did not take it. */
bool report_join(struct worker *w, const struct message *m);
bool report_copy(struct worker *w, const struct message *m, int fd); /* the same */
/* The server of c took no SYN with MPTCP, and one without at once; or it speaks MPTCP, of which there were doubts. */
void report_server(struct worker *w, const struct conn *c, bool breaks);
/* A message about one connection, at most 10 a second. */
void report_note(struct worker *w, const struct conn *c, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* verdict.c */
/* Makes c the connection of that SYN. 0, -ENOMEM or -EPROTO: it is none. */
int verdict_hold(struct worker *w, struct conn *c, const struct mpgate_held *h);
/* Its server has accepted: steer is to give it to us. False: steer knows nothing of it any more. */
bool verdict_approve(struct worker *w, struct conn *c);
/* Says what became of it (c->held->verdict), and forgets it. */
void verdict_end(struct worker *w, struct conn *c);
/* It was accepted: its entry in the table goes. */
void verdict_taken(struct worker *w, struct conn *c);

/* conn.c */
void conn_init(struct worker *w); /* the lists of a worker that is all zero otherwise */
/* A connection without legs; NULL: no memory. */
struct conn *conn_new(struct worker *w, enum conn_state state, enum leg_name opener);
/* c has proven something: it leaves its pool of strangers, if it is in one. */
void conn_known(struct conn *c);
/* Closes both legs, with resets if asked, and retires the connection. */
void conn_close(struct worker *w, struct conn *c, bool reset);
/* The server of c, a held SYN, has accepted: its opener is let in, or c is closed. */
void conn_approved(struct worker *w, struct conn *c);
/* After a batch of events: frees what was retired in it, but for what the next connections may need. */
void conn_reap(struct worker *w);
/*
 * Counts it, once, when c's leg towards the peer has fallen back to plain TCP: in the handshake, or at any time after,
 * of which nothing tells. Asked when the peer has answered, when the connection ends, and by whoever looks.
 */
void conn_check_fallback(struct worker *w, struct conn *c);
/* Lets c be found by the tuple in its request, which stays as it is from here on. */
void conn_enter(struct worker *w, struct conn *c);
struct conn *conn_find(struct worker *w, const struct mpgate_tuple *t); /* NULL: none */
/* Hub: lets c be found by the nonce and the peer in its request, until conn_settle(). */
void conn_open(struct worker *w, struct conn *c);
struct conn *conn_find_open(struct worker *w, unsigned slot, uint64_t nonce); /* NULL: none */
void conn_settle(struct conn *c);
void conn_timer(struct worker *w, struct conn *c, enum timer_class class);
uint64_t conn_timer_ms(const struct worker *w, enum timer_class class);
/* c has more to do after the present batch. */
void conn_again(struct worker *w, struct conn *c);
/*
 * Counts c among a client's requests that have no server yet, until conn_uncount() or its end. One client has an IPv4
 * address or an IPv6 /64. 0 or -EBUSY: it has as many as it may.
 */
int conn_count(struct worker *w, struct conn *c, const struct mpgate_addr *client);
void conn_uncount(struct worker *w, struct conn *c);
/* Before a peer is dialed: the socket leaves over the path that is best by what the supervisor knows. */
void conn_leave_from(struct worker *w, int fd, unsigned slot, unsigned address);
/* Hub: its server was dialed, or that connection is over: written down where mappings are logged. */
void conn_mapping(struct worker *w, struct conn *c, bool end);
/* A peer of the snapshot; NULL: there is none in that slot. */
static inline const struct snapshot_peer *conn_peer(const struct worker *w, unsigned slot)
{
	return snapshot_find_peer(w->snap, slot);
}

/* accept.c */
/*
 * Takes what waits at a listener, with the other side's address in tuple->saddr and sport. Its descriptor, -EAGAIN:
 * none waits, or -ECONNABORTED: try the next. Deals with a lack of descriptors, and with too many connections.
 */
int accept_next(struct worker *w, int listener, struct mpgate_tuple *tuple);
/* For one that could not be made a connection: resets and counts it. */
void accept_refuse(struct worker *w, int fd);
/* A connection of what was accepted, which is its opener; NULL: no memory, fd is reset. */
struct conn *accept_conn(struct worker *w, int fd, const struct mpgate_tuple *tuple, enum conn_state state,
			 enum leg_name opener);

#endif
