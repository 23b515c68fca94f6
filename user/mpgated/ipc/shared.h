/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the supervisor and its workers share: the messages on their socket
 * pair, the memory both map, and the snapshot of the configuration that
 * workers run on.
 *
 * Who writes what: a worker writes its own struct worker_stats and rows of
 * `relayed`, `parked` and `subscribers` (the supervisor clears these after a crash), its rows of `rule_bytes` and
 * `peer_bytes`, its ring of mappings and the replay table; both write peers. All fields are aligned words, so a reader
 * sees an old or a new value, never a mix. The supervisor takes nothing for granted of what workers can write: what it
 * reads may be any value, and the memory cannot shrink under it (the memfd is sealed).
 */
#ifndef MPGATED_SHARED_H
#define MPGATED_SHARED_H

#include <stdint.h>
#include <sys/types.h>

#include <lib/addr.h>
#include <lib/addr_match.h>
#include <lib/config/config.h>
#include <lib/keys.h>
#include <lib/mapping.h>

/* X(field, name, text): what a worker counts, since the daemon started (a worker's restart does not reset it). */
#define WORKER_COUNTERS(X)                                                                                             \
	X(steered, "accepted-steered", "connections accepted from steer")                                              \
	X(convert, "accepted-convert", "connections accepted on the Convert port")                                     \
	X(held, "held", "SYNs taken over while steer holds them")                                                      \
	X(approved, "approved", "held SYNs whose server accepted: put back for us")                                    \
	X(unasked, "unasked",                                                                                          \
	  "held SYNs of published services let in before their server was asked, as many are held")                    \
	X(released, "released", "held SYNs put back for the normal route, since their peer failed")                    \
	X(silent, "silent", "held SYNs whose server did not answer: nothing is said, either")                          \
	X(relayed, "relayed", "connections that reached the relay")                                                    \
	X(closed, "closed", "relayed connections that ended in order")                                                 \
	X(reset, "reset", "relayed connections that ended with a reset")                                               \
	X(idle, "idle-timeout", "connections ended after an idle time-out")                                            \
	X(bytes_up, "bytes-up", "bytes from openers")                                                                  \
	X(bytes_down, "bytes-down", "bytes towards openers")                                                           \
	X(syn_data, "syn-data", "Convert messages sent in a SYN")                                                      \
	X(syn_data_lost, "syn-data-lost", "SYN data that the peer did not acknowledge")                                \
	X(after_handshake, "after-handshake", "Convert messages sent after the handshake")                             \
	X(tagged, "tagged", "connections towards servers that a hub on the path may take (mode: transparent)")         \
	X(taken, "taken", "tagged connections of peers: taken over")                                                   \
	X(terminated, "terminated", "MPTCP connections taken over in their servers' place (action: terminate)")        \
	X(raced, "raced", "set-ups that went over a second path as well (setup: stagger, duplicate)")                  \
	X(raced_second, "raced-second", "the same, which the second path won")                                         \
	X(copies, "copies", "requests that came once more over another path (setup: of a gateway)")                    \
	X(copies_taken, "copies-taken", "the same, carried over that path")                                            \
	X(ready_opened, "ready-opened", "connections to a peer opened ahead")                                          \
	X(ready_used, "ready-used", "Convert messages sent over a connection opened ahead")                            \
	X(joins, "joins", "connections to a peer for which further subflows were asked for")                           \
	X(not_mptcp, "fallback-tcp", "connections to a peer that fell back to plain TCP")                              \
	X(peer_failed, "peer-failed", "connections that did not reach the peer")                                       \
	X(direct, "direct", "connections carried to the server without the peer, since it failed")                     \
	X(moved, "moved", "connections taken to another peer of the group, since the first failed or had enough")      \
	X(drained, "drained", "requests told to go elsewhere, since we are drained")                                   \
	X(no_pending, "no-pending",                                                                                    \
	  "accepted connections that steer did not announce: direct, or reset if meant for us")                        \
	X(pushed_out, "pushed-out", "connections on the Convert port that had proven nothing, ended for newer ones")   \
	X(no_message, "no-message", "connections on the Convert port that ended before a message began")               \
	X(client_gone, "client-gone", "clients that went away during set-up")                                          \
	X(refused, "refused", "connections that the server refused")                                                   \
	X(unreachable, "unreachable", "servers that were unreachable")                                                 \
	X(connect_timeout, "connect-timeout", "servers that did not answer in time")                                   \
	X(convert_error, "convert-error", "other Convert errors received")                                             \
	X(convert_bad, "convert-bad", "answers of a peer that are no Convert message")                                 \
	X(malformed, "malformed", "malformed Convert requests")                                                        \
	X(not_authorized, "not-authorized", "Convert requests refused by policy or for their cookie")                  \
	X(replayed, "replayed", "Convert requests whose cookie was used before")                                       \
	X(forgotten, "replay-forgotten",                                                                               \
	  "used cookies forgotten before their time: more requests a second than limits.request-rate")                 \
	X(stale, "stale-cookie", "Convert requests of a right key by a wrong clock: told the time")                    \
	X(cookie_issued, "cookie-issued", "cookies handed out")                                                        \
	X(parked, "parked", "connections that peers keep open for us: taken in")                                       \
	X(parked_opened, "parked-opened", "connections that we keep open for peers: opened")                           \
	X(back, "accepted-parked", "requests of peers over connections that we keep open for them")                    \
	X(info, "info", "Info requests answered")                                                                      \
	X(resource, "resource", "connections refused, or kept from a peer, since a limit was reached")                 \
	X(subscriber_limit, "subscriber-limit",                                                                        \
	  "Convert requests refused, since their subscriber has connections-per-subscriber")                           \
	X(no_path, "no-path", "connections kept from their peer, since none of their rule's paths works")              \
	X(no_family, "no-family", "Convert requests for servers of an IP version that this machine has no address of") \
	X(mappings, "mappings", "begins and ends of mappings that were written down for the log")                      \
	X(mappings_lost, "mappings-lost", "the same that were not, since the log is behind")                           \
	X(still, "still", "connections reset, since readers that stand still held more than limits.kernel-mib")        \
	X(unjammed, "unjammed", "receive buffers that were full of what came out of order, and were made larger")      \
	X(widened, "widened", "receive buffers that were made larger since the other side sent beyond the window")     \
	X(header_timeout, "header-timeout", "Convert messages that did not arrive in time")

struct worker_stats {
#define X(field, name, text) uint64_t field;
	WORKER_COUNTERS(X)
#undef X
	uint64_t connections; /* now */
	uint64_t beat; /* number of the last MSG_PING */
	uint64_t listeners; /* how many it has */
};

enum syn_data { SYN_DATA_UNKNOWN, SYN_DATA_YES, SYN_DATA_NO };

/* A way to a peer, for connections whose rule says which paths they use. */
struct way_shared {
	struct mpgate_addr from;
	uint32_t ifindex;
	uint32_t rtt_us; /* 0: not known */
	uint8_t address; /* index of the peer's */
	uint8_t link; /* its number, which it keeps over reloads */
	uint8_t state; /* enum way_state */
	uint8_t zero;
};
enum way_state { WAY_GOOD, WAY_PLAIN, WAY_DOWN }; /* PLAIN: no MPTCP comes through */
#define WAYS_SHARED 16U

struct peer_shared {
	uint32_t syn_data; /* enum syn_data: does the peer take data in a SYN? */
	uint32_t syn_lost; /* SYNs in a row whose data was not acknowledged */
	uint32_t address; /* the one to dial first: the best that answers probes */
	uint32_t up; /* new connections may be sent to it; written by the supervisor, as the next one */
	uint32_t patience_ms; /* for the answer to a SYN, before it is said to be slow */
	uint32_t slow_ms; /* a handshake and an answer over its best way may take so long, as probes have found */
	uint32_t slow; /* ms of CLOCK_MONOTONIC, modulo 2^32: when a worker said that last */
	uint32_t used; /* set by workers that dial, cleared by the supervisor, which probes a peer in use more often */
	uint32_t fallbacks; /* of its connections to plain TCP; counted by workers */
	/*
	 * Where connections to each of its addresses leave from; all zero: the kernel chooses. Written while it may be
	 * read: a mix of an old and a new address is none of this machine's and cannot be bound to.
	 */
	struct mpgate_addr from[CFG_PEER_ENDS];
	uint32_t ways_written; /* odd while the next ones are being written; by the supervisor */
	uint32_t way_count;
	struct way_shared way[WAYS_SHARED]; /* by address of the peer, then best first */
	/* The same of the second best path; `late_ms` says whether there is one. */
	struct mpgate_addr second[CFG_PEER_ENDS];
	uint32_t late_ms[CFG_PEER_ENDS]; /* a handshake over the best path takes longer than usual; 0: no second */
	uint32_t others; /* bits, by address: others may have it as well (Joins), who know nothing of our requests */
	uint32_t clock; /* s, modulo 2^32: what its clock is ahead of ours, as it told us; 0: it never had to */
	/* Its requests to us, of its own key; by workers. Times are s of CLOCK_MONOTONIC, 0: never. */
	uint32_t seen; /* the last one */
	uint32_t refused; /* the last one that was refused, */
	uint32_t refusal; /* enum convert_refusal: for that, */
	uint32_t ahead; /* s, modulo 2^32: _CLOCK: by so much its clock was ahead of ours */
	struct mpgate_addr seen_from; /* as from above, it may be a mix */
};

/* Requests of who has none of our keys, by workers. */
struct unknown_shared {
	uint32_t at; /* s of CLOCK_MONOTONIC: the last one; 0: none was */
	uint32_t count;
	struct mpgate_addr from;
};

#define PROVEN_SLOTS 16384U

/*
 * Subscribers with connections: 48 bits of their hash, 16 of the count. A worker writes its own table. There are as
 * many places as connections of a usual worker, and four times more.
 */
#define SUBSCRIBER_BUCKETS 4096U
#define SUBSCRIBER_WAYS 8U /* a cache line */

/* Mappings that a worker has written down: that of number n is at n modulo MAPPING_RING, until it is taken. */
#define MAPPING_RING 4096U
struct mapping_ring {
	uint64_t written __attribute__((aligned(64))); /* by the worker alone */
	uint64_t taken __attribute__((aligned(64))); /* by the logger alone */
	struct mapping mapping[MAPPING_RING] __attribute__((aligned(64)));
};

/* What the logger counts, X(field, name, text) as above. */
#define LOGGER_COUNTERS(X)                                                                                             \
	X(lines, "mapping-lines", "lines of the log of mappings")                                                      \
	X(lines_lost, "mapping-lines-lost", "the same that could not be written")                                      \
	X(records, "mapping-records", "records of mappings sent to the collector")                                     \
	X(records_lost, "mapping-records-lost", "the same that the collector did not get, as far as is known")

struct logger_stats {
#define X(field, name, text) uint64_t field;
	LOGGER_COUNTERS(X)
#undef X
};

/* What comes first in a list of flows, and is in it when there are more than FLOWS_MAX. */
enum flows_order { FLOWS_OLDEST, FLOWS_LARGEST, FLOWS_UP, FLOWS_DOWN, FLOWS_ACTIVE /* that carried something last */ };

/* Which flows are asked for. */
struct flows_wanted {
	uint32_t order; /* enum flows_order */
	uint32_t rule; /* its id; 0: any */
	uint32_t peer; /* its slot + 1; 0: any */
	struct addr_match client, server;
};

#define DRAIN_ASKED 1U /* mpgatectl drain */
#define DRAIN_QUOTA 2U /* the quotas of all paths are used up */

struct shared_memory {
	struct worker_stats workers[MPGATE_MAX_WORKERS];
	struct peer_shared peers[MPGATE_MAX_PEERS];
	uint32_t relayed[MPGATE_MAX_WORKERS][MPGATE_MAX_PEERS]; /* now, by worker and peer */
	uint32_t parked[MPGATE_MAX_WORKERS][MPGATE_MAX_PEERS]; /* connections that the peer keeps open for us, now */
	uint64_t rule_bytes[MPGATE_MAX_WORKERS][MPGATE_MAX_RULES][2]; /* up, down; by id - 1; workers write them */
	uint64_t peer_bytes[MPGATE_MAX_WORKERS][MPGATE_MAX_PEERS][2]; /* up, down, of what is or was relayed */
	/*
	 * Written by the supervisor before it sends MSG_FLOWS. It has one such question at a time: who reads a mix of
	 * two of them was asked the older one, whose answer nobody takes any more.
	 */
	struct flows_wanted flows;
	struct unknown_shared unknown;
	uint32_t draining; /* DRAIN_*, not 0: requests are told to go elsewhere; written by the supervisor */
	uint64_t wall_offset; /* ns, as in struct mpgate_settings; written by the supervisor */
	struct logger_stats logger;
	struct mapping_ring mappings[MPGATE_MAX_WORKERS]; /* memory is taken where something is written */
	uint64_t subscribers[MPGATE_MAX_WORKERS][SUBSCRIBER_BUCKETS][SUBSCRIBER_WAYS] __attribute__((aligned(64)));
	uint64_t proven[PROVEN_SLOTS]; /* sources that have lately proven to have a key, see strangers.c */
	/* Used cookies, for what guard could not see: snapshot.replay_buckets; words written by compare and swap. */
	uint64_t replay[][MPGATE_REPLAY_WAYS];
};

#define REPLAY_MAX_BUCKETS (1U << 24) /* 1 GiB */

/* Do requests come in, at a port of our own or over connections that we park with peers? */
bool shared_accepts(const struct config *cfg);
/*
 * Buckets for the cookies used in twice the window at `limits.request-rate`, a power of two: four times as many places
 * as cookies, so that a full bucket is rare (2 of 10,000 requests). 1 when no requests come in.
 */
unsigned shared_replay_buckets(const struct config *cfg);
size_t shared_size(unsigned replay_buckets);
/*
 * Seconds since 1970 by which cookies are judged: a clock that goes with the wall clock, but never back. boot: ns of
 * CLOCK_BOOTTIME.
 */
uint32_t shared_cookie_time(const struct shared_memory *shm, uint64_t boot);

/* Messages: one SEQPACKET each, with at most one descriptor. */
enum message_type {
	MSG_SNAPSHOT, /* to a worker, with a memfd of struct snapshot */
	MSG_FLOWS, /* to a worker: list the flows that are wanted, question number `slot`; the same back, see below */
	MSG_PING, /* to a worker: write `value` to beat */
	MSG_STOP_ACCEPTING, /* to a worker: close the listeners, carry on with what there is */
	MSG_LISTEN, /* to a worker, with listener number `value`, of Convert: its address has come */
	MSG_PEER_FAILED, /* from a worker: a connection did not reach peer `slot` */
	/*
	 * From a worker: peer `slot` refused a request, perhaps not this one only, with Convert's error `value`, and
	 * enum convert_refusal in the bits from REFUSAL_SHIFT.
	 */
	MSG_PEER_REFUSED,
	MSG_PEER_SLOW, /* from a worker: peer `slot` lets a connection wait longer than its patience_ms */
	MSG_FULL, /* from a worker: `value` 1: no more connections, 0: again */
	MSG_PARKED, /* from a worker: the first connection of peer `slot` is parked with it, or the last is gone */
	MSG_PROVED, /* from a worker: a request from `source` proved a key */
	MSG_BREAKS, /* from a worker: the server at `source`, port `value`, took no MPTCP, but plain TCP at once */
	MSG_SPEAKS, /* the same: there were doubts, and it speaks MPTCP */
	/*
	 * From a worker: further subflows for the connection `token`, which goes from `source` to `other`, port `slot`;
	 * `more` JOIN_ANNOUNCED: where the peer announces that it takes them, and not to `other`; JOIN_NOTE: none yet,
	 * but they are to go by what the rule `value` says.
	 */
	MSG_JOIN,
	/*
	 * From a worker, and on to worker `slot`, with the connection: it carries the request that one has, whose nonce
	 * is in `source`, of peer `token`; `value` bytes behind the message were read.
	 */
	MSG_COPY,
	/*
	 * From the metrics process: give me the text `value` (control/http.h), question `slot`. The same back, with a
	 * memfd of `value` bytes; without: there is none now.
	 */
	MSG_METRICS,
};

#define REFUSAL_SHIFT 8
#define JOIN_ANNOUNCED 1U
#define JOIN_NOTE 2U

struct message {
	uint32_t type; /* enum message_type */
	uint32_t slot;
	int32_t value;
	uint32_t more; /* MSG_FLOWS, MSG_JOIN */
	struct mpgate_addr source; /* MSG_BREAKS, MSG_SPEAKS, MSG_JOIN; MSG_PROVED: as addr_client() has it */
	struct mpgate_addr other; /* MSG_JOIN */
	uint32_t token; /* MSG_JOIN */
};

/*
 * The answer to MSG_FLOWS has the question's number in `slot`, and a memfd with `value` records, the first flows in the
 * order that was asked for; more is 1 when there are others. Without descriptor: none.
 */
#define FLOWS_MAX 4096U

#define FLOW_LOCALS 8U /* as many subflows as the kernel lets a connection have */

struct flow_record {
	struct mpgate_tuple tuple;
	uint32_t rule_id;
	uint16_t peer;
	uint8_t hub; /* 1: we are the converter of this flow */
	uint8_t mptcp; /* the leg towards the peer is MPTCP now */
	uint8_t subflows; /* of that leg */
	uint8_t state; /* enum conn_state */
	uint8_t half_closed;
	uint8_t zero;
	uint32_t age; /* seconds */
	uint32_t quiet_ms; /* since it carried something last */
	uint32_t token; /* of the leg towards the peer, as the kernel names it; 0: it is not MPTCP */
	struct mpgate_addr mapped; /* hub: where the server sees it come from; port 0: not known */
	__be16 mapped_port;
	uint64_t bytes_up, bytes_down;
	struct mpgate_addr local[FLOW_LOCALS]; /* of the leg towards the peer, its subflows'; unused ones are zero */
};

/* What a worker starts with, see start.h. Descriptors with it: shared memory, snapshot, flows, flow_clients, synack if
 * any, its ring and the device of held SYNs if any, listeners. */
struct worker_start {
	uint32_t index;
	uint32_t listeners; /* how many */
	uint32_t convert; /* bits, from the lowest: which of them are for Convert */
	uint16_t synack; /* 1: there is that map */
	uint16_t holds; /* 1: SYNs can be held */
	__be16 steer_port; /* of the listeners that are for steered connections */
};

/* What the process that logs mappings starts with. Descriptors with it: shared memory, the file if any. */
struct logger_start {
	uint32_t workers; /* how many rings there are */
	uint32_t domain; /* observation domain id */
	uint8_t log; /* 1: lines for the daemon's log */
	uint8_t file; /* 1: lines for the file */
	uint8_t exports; /* 1: records for the collector */
	uint8_t tcp; /* 1: over TCP, 0: over UDP */
	__be16 port;
	uint16_t zero;
	struct mpgate_addr collector;
};

/* The snapshot: a header, then arrays at byte offsets from its start. */
struct snapshot_peer {
	uint16_t slot;
	uint16_t flags; /* SNAPSHOT_PEER_* */
	uint8_t address_count;
	uint8_t ready; /* connections opened ahead, a worker */
	uint8_t park; /* connections kept open for it, a worker */
	uint8_t zero;
	__be16 port[CFG_PEER_ENDS]; /* of each address */
	char name[MAPPING_PEER];
	struct mpgate_addr address[CFG_PEER_ENDS];
	struct subkey send; /* for our cookies; valid with SNAPSHOT_PEER_KEYED */
};
#define SNAPSHOT_PEER_PRIVATE 1U /* dialect mpgate: private TLVs */
#define SNAPSHOT_PEER_KEYED 2U
#define SNAPSHOT_PEER_TRANSPARENT 4U /* servers are dialed, and it takes that on its way or not */

struct snapshot_key {
	struct subkey key;
	uint32_t slot;
	uint32_t private_tlvs;
	uint64_t peer; /* a hash of its name, by which subscribers are told apart */
	uint32_t source_first, source_count; /* in snapshot.allow_source */
	uint32_t to_first, to_count; /* in snapshot.accept_to; none: it goes by allow_to */
};

struct snapshot_rule {
	uint32_t id;
	uint32_t reject; /* if-down: reject */
	/* An entry of `publish`: where the peer is to connect to; `port` of the outside is `target_port` there. */
	uint32_t published;
	uint32_t join; /* enum cfg_join */
	uint32_t steer; /* enum cfg_steer */
	uint8_t links[CFG_RULE_PATHS]; /* numbers of those that carry it, best first */
	uint32_t link_count; /* 0: all do */
	uint32_t setup; /* enum cfg_setup, never DEFAULT */
	uint16_t peer_count, peers[MPGATE_GROUP_PEERS]; /* slots of the group it is sent to; none: it is not */
	struct mpgate_addr target;
	uint16_t port, target_port;
};

#define SNAPSHOT_IPV4 1U
#define SNAPSHOT_IPV6 2U

struct snapshot_array {
	uint32_t offset, count;
};

struct snapshot {
	uint32_t size; /* bytes, all */
	uint32_t accept; /* enum cfg_accept */
	uint32_t listening;
	uint32_t preserve; /* convert.source: preserve */
	uint32_t window, pending_per_client;
	uint32_t per_subscriber; /* connections, all workers together; 0: any number */
	uint32_t workers;
	uint32_t families; /* of which this machine, or the pool, has addresses: SNAPSHOT_IPV4, SNAPSHOT_IPV6 */
	uint32_t log_mappings;
	uint16_t pool_from, pool_to; /* ports of the pool's addresses; 0: the kernel's */
	uint64_t pool_key[2]; /* by which subscribers get theirs; stable, for the same machine and instance */
	uint32_t replay_buckets; /* in struct shared_memory */
	uint32_t first_bytes_ms, peer_s, connect_s, header_s, idle_s, half_closed_s, keepalive_s;
	uint32_t connections; /* of one worker */
	uint32_t joins; /* further subflows are to be asked for; else the kernel makes them */
	uint32_t join, join_some_at_once; /* enum cfg_join of what has no rule; 1: some are AT_ONCE */
	uint32_t steers; /* 1: some rule says which paths its connections use, or how */
	uint32_t races; /* 1: some rule has requests go over several paths */
	uint32_t stand_ins; /* 1: some rule has more than one peer */
	uint32_t join_ms; /* when a connection is no longer young */
	uint64_t join_bytes;
	uint64_t buffer_bytes; /* parked at most, a worker */
	uint64_t kernel_bytes; /* held at most for readers that stand still, a worker */
	struct subkey issuing; /* secret of issued cookies */
	struct snapshot_array peers, keys, rules; /* peers sorted by slot, keys by id */
	struct snapshot_array allow_from, allow_to, allow_source, accept_to; /* struct prefix; the last two by key */
	struct snapshot_array pool; /* struct prefix */
	struct snapshot_array local; /* struct mpgate_addr: this machine's addresses */
	struct snapshot_array join_to; /* struct mpgate_addr: convert.join */
};

/* clock.c */
/* The time for a cookie that this peer is to take: seconds since 1970 by its clock, given ours. */
uint32_t peer_time(const struct peer_shared *p, uint32_t ours);
/*
 * Does the answer to our cookie of that time stamp and nonce tell the time? Then the peer's clock is known from now on,
 * and how many seconds it is ahead of ours.
 */
bool peer_told_time(struct peer_shared *p, const struct subkey *key, uint32_t stamp, const uint8_t nonce[8],
		    const struct convert_msg *answer, uint32_t ours, int32_t *differs);
#define CLOCK_TEXT 32
/* By how much a clock differs: "3600 s behind ours". Returns text. */
const char *clock_print(int32_t ahead, char text[CLOCK_TEXT]);

static inline const void *snapshot_at(const struct snapshot *s, struct snapshot_array a)
{
	return (const uint8_t *)s + a.offset;
}

/* shared.c: NULL: there is none in that slot. */
const struct snapshot_peer *snapshot_find_peer(const struct snapshot *s, unsigned slot);

#endif
