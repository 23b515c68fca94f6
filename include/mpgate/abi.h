/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the BPF programs and the supervisor share: constants, map keys and map
 * values. From release to release a change of any layout here raises
 * MPGATE_ABI, which is part of the pin path, so that two versions never read
 * each other's maps.
 *
 * Integers are in host order unless the type says __be; addresses are in
 * network order. Every structure is padded by named fields: map keys are
 * compared as bytes, so whoever fills one zeroes it first.
 */
#ifndef MPGATE_ABI_H
#define MPGATE_ABI_H

#include <linux/types.h>

#define MPGATE_ABI 1
#define MPGATE_PIN_ROOT "/sys/fs/bpf/mpgate"

/* Limits. */
#define MPGATE_MAX_RULES 1024 /* rules in a policy, one bit each */
#define MPGATE_RULE_WORDS 16 /* MPGATE_MAX_RULES in 64-bit words */
#define MPGATE_MAX_LINKS 64 /* links in a configuration */
#define MPGATE_MAX_PEERS 4096 /* peers, hence gateways of one hub */
#define MPGATE_MAX_PEER_ADDRS (4 * MPGATE_MAX_PEERS)
#define MPGATE_MAX_GROUPS 256 /* groups, single peers named by a rule included */
#define MPGATE_GROUP_PEERS 8 /* peers in a group */
#define MPGATE_GROUP_BUCKETS 256U /* of clients, that a group's peers are shared out to; a power of two */
#define MPGATE_MAX_WORKERS 64
#define MPGATE_MAX_FLOWS 16384 /* connections that were given to a worker and that it has not accepted yet */
#define MPGATE_CLIENT_FLOWS                                                                                            \
	2048 /* of those, one client's (an IPv4 address, an IPv6 /64): what it floods is its own                       \
	      */
#define MPGATE_CLIENT_COUNTERS 16384 /* a power of two; who shares one by chance shares its bound */
#define MPGATE_CLIENT_SLOTS 1024 /* a power of two: clients are given to workers by so many slots */
#define MPGATE_REPLAY_BUCKETS 8192 /* of cookies remembered inside the time window; the supervisor sizes it anew */
#define MPGATE_REPLAY_WAYS 8 /* cookies a bucket */
#define MPGATE_MAX_LOCAL 4096 /* addresses that Convert is accepted on */
#define MPGATE_MAX_SOURCES 16384 /* rate-limited sources */
#define MPGATE_MAX_ALLOW 4096 /* prefixes in allow-from */
#define MPGATE_MAX_SYNACK 16384 /* SYN+ACKs whose options no worker has read yet */
#define MPGATE_MAX_SERVERS 16384 /* servers of which it is known how they take MPTCP */
#define MPGATE_MAX_ASKED 4096 /* SYNs with MPTCP that went on, and whose answers are awaited */
#define MPGATE_LEARNED_NS (86400ULL * 1000000000ULL) /* for so long that is remembered */
#define MPGATE_LEARNED_DOUBTS 2 /* so often a server has to break on MPTCP and do without to be one that breaks, */
#define MPGATE_DOUBTS_APART_NS (60ULL * 1000000000ULL) /* and not within one outage of the network */
#define MPGATE_PORTS 65536
#define MPGATE_GENERATIONS 2 /* the policy in force and the one being built */

/*
 * The mark that steer puts on what must reach a local socket, unless the
 * configuration has another one. A routing rule on (mark & MASK) sends it to a
 * table of local routes.
 */
#define MPGATE_MARK 0x6d700000U
#define MPGATE_MARK_MASK 0xffff0000U

/* An IP address; IPv4 as ::ffff:a.b.c.d (RFC 4291, 2.5.5.2), as in Convert. */
struct mpgate_addr {
	__u8 b[16];
};

/* A connection as its opener sees it. */
struct mpgate_tuple {
	struct mpgate_addr saddr;
	struct mpgate_addr daddr;
	__be16 sport;
	__be16 dport;
};

/*
 * Why a packet took the way it took: one name, one counter. X(ID, name, text).
 * Counters are per CPU; names are part of the command-line contract.
 */
#define MPGATE_REASONS(X)                                                                                              \
	X(OTHER, "other", "not TCP over IP, or not ours: passed")                                                      \
	X(ESTABLISHED, "established", "packet of a local connection: delivered to its socket")                         \
	X(TIME_WAIT, "time-wait", "packet of a connection in TIME_WAIT: left to the stack")                            \
	X(ICMP_ERROR, "icmp-error", "ICMP error about a local connection: delivered to its socket")                    \
	X(FRAGMENT, "fragment", "IP fragment: never steered")                                                          \
	X(MALFORMED, "malformed", "headers do not add up: passed")                                                     \
	X(NO_LINK, "no-link", "arrived on a link where nothing is classified, or for a VLAN behind it: passed")        \
	X(NO_POLICY, "no-policy", "no policy loaded: passed")                                                          \
	X(NO_RULE, "no-rule", "no rule matched and the default is direct: passed")                                     \
	X(RULE_DIRECT, "rule-direct", "a rule says direct: passed")                                                    \
	X(MPTCP, "mptcp", "the SYN speaks MPTCP end to end: passed")                                                   \
	X(PLAIN, "plain", "the rule terminates MPTCP only, and the SYN has none: passed")                              \
	X(PEER_ADDRESS, "peer-address", "the destination is a peer itself: passed")                                    \
	X(LOCAL, "local", "the destination is this machine, or near it in host mode: passed")                          \
	X(NO_ROUTE, "no-route", "the normal route would not forward it: passed")                                       \
	X(PEER_DOWN, "peer-down", "no peer of the rule is up: passed")                                                 \
	X(PEER_DOWN_REJECT, "peer-down-reject", "no peer of the rule is up and it says reject: reset")                 \
	X(UNDELIVERED, "undelivered", "what is steered does not reach its worker, see the log: not carried")           \
	X(NO_LISTENER, "no-listener", "no worker listens: not carried")                                                \
	X(ASSIGN_FAILED, "assign-failed", "the kernel refused the assignment: not carried")                            \
	X(TABLE_FULL, "table-full", "too many new connections, of this client or in all: not carried")                 \
	X(STEERED, "steered", "SYN given to a worker")                                                                 \
	X(STEERED_ACK, "steered-ack", "third packet under SYN cookies given to a worker")                              \
	X(STEERED_AGAIN, "steered-again", "SYN that no listener took, said again and given to its worker again")       \
	X(HELD, "held", "SYN held until its server has answered")                                                      \
	X(HELD_AGAIN, "held-again", "SYN that is held, said again: dropped")                                           \
	X(HELD_FULL, "held-full", "a worker has more held SYNs than it has taken: not carried")                        \
	X(PUT_BACK, "put-back", "held SYN whose verdict is there: put back on its link; counted beside the verdict")   \
	X(APPROVED, "approved", "SYN whose server has accepted: given to its worker")                                  \
	X(REFUSED, "refused", "SYN whose server has refused: reset")                                                   \
	X(RELEASED, "released", "SYN that was held and is not carried: passed")                                        \
	X(RESET, "reset", "not carried, and the rule says reject: reset; counted beside the reason")                   \
	X(TAG_TAKEN, "tag-taken", "SYN with the tag of a peer: for us; counted beside what becomes of it")             \
	X(TAG_UNKNOWN, "tag-unknown", "SYN with the tag of a key that is not ours: as without it; counted beside")     \
	X(TAG_WRONG, "tag-wrong", "SYN with a wrong tag, or one of another time: as without it; counted beside")       \
	X(SERVER_PLAIN, "server-plain", "answer of a server that does not speak MPTCP: remembered; counted beside")    \
	X(SERVER_BREAKS, "server-breaks", "answer of a server that MPTCP has just failed with; counted beside")        \
	X(GATE_HIT, "gate-hit", "classified early, at XDP; counted beside the reason")                                 \
	X(GUARD_PASS, "guard-pass", "Convert SYN with a valid cookie: passed")                                         \
	X(GUARD_UNCHECKED, "guard-unchecked", "SYN to the Convert port that cannot be checked yet: passed")            \
	X(GUARD_RATE, "guard-rate", "too many unchecked SYNs of one source: dropped")                                  \
	X(GUARD_HEADERS, "guard-headers", "fragmented SYN to the Convert port, or too many headers: dropped")          \
	X(GUARD_SOURCE, "guard-source", "source not in allow-from: dropped")                                           \
	X(GUARD_MALFORMED, "guard-malformed", "SYN data is no Convert message: dropped")                               \
	X(GUARD_NO_COOKIE, "guard-no-cookie", "Convert SYN without the cookie it needs: dropped")                      \
	X(GUARD_FORGED, "guard-forged", "cookie of an unknown key or with a wrong tag: dropped")                       \
	X(GUARD_OWN, "guard-own", "cookie of our own end id: dropped")                                                 \
	X(GUARD_STALE, "guard-stale", "right cookie outside the time window, so a clock is wrong: dropped")            \
	X(GUARD_REPLAY, "guard-replay", "cookie seen before from elsewhere: dropped")                                  \
	X(GUARD_UNUSUAL, "guard-unusual", "Convert SYN too intricate to be checked here: dropped")

enum mpgate_reason {
#define X(id, name, text) MPGATE_R_##id,
	MPGATE_REASONS(X)
#undef X
		MPGATE_REASON_COUNT
};

/* settings: one entry, written by the supervisor. */
enum mpgate_accept {
	MPGATE_ACCEPT_NONE, /* Convert is not accepted here: guard passes all */
	MPGATE_ACCEPT_KEYED,
	MPGATE_ACCEPT_ISSUED,
	MPGATE_ACCEPT_OPEN,
};

#define MPGATE_CONVERT_PORTS 4

struct mpgate_settings {
	__u32 generation; /* which slot of the gen_* maps is in force */
	__u32 loaded; /* not 0: that slot holds a policy */
	__u32 backlog; /* a CPU's share of a listener's accept backlog: above, SYN cookies may be in use */
	__u32 accept; /* enum mpgate_accept */
	__be16 convert_port[MPGATE_CONVERT_PORTS]; /* the unused ones are as the first */
	__u16 cookie_window; /* seconds, either way */
	__u16 zero;
	__u32 unchecked_rate; /* unchecked Convert SYNs per second and source */
	__u32 unchecked_burst;
	__u32 allow_from; /* not 0: only sources in guard_allow may speak Convert to us */
	__u32 mark, mark_mask; /* what is put on packets of local connections, and in which bits */
	__u32 undelivered; /* not 0: what is given to workers does not reach them, so nothing new is */
	__u32 unscale; /* not 0: the kernel scales the window of SYNs with data, see bpf/window.h */
	__u32 replay_buckets; /* entries of `guard_replay`, a power of two; 0: nothing is remembered */
	__u32 holds; /* not 0: SYNs can be held, and put back */
	__u32 hosts; /* enum mpgate_hosts: whose connections of this machine's own are classified */
	__u32 tags; /* not 0: SYNs with the tag of a peer are ours (mpgate/tag.h) */
	__u32 learns; /* not 0: a rule asks how servers take MPTCP */
	__u64 wall_offset; /* ns; CLOCK_REALTIME - CLOCK_BOOTTIME, and never less than it was */
	__u64 client_seed; /* random: nobody outside knows which clients share a counter or a worker */
};

enum mpgate_hosts {
	MPGATE_HOSTS_NONE,
	MPGATE_HOSTS_RUN, /* those of processes in the group MPGATE_CGROUP_RUN */
	MPGATE_HOSTS_ALL, /* all but the workers' */
};

/* host_cgroups: which sockets of this machine are whose. */
enum mpgate_cgroup {
	MPGATE_CGROUP_WORKERS, /* never classified. Not known: nothing is */
	MPGATE_CGROUP_RUN,
	MPGATE_CGROUP_COUNT
};

/* listeners: worker index -> its steering listener, on 127.0.0.1 and ::1. */
struct mpgate_listener {
	__be16 port;
	__u16 alive; /* 0: skip this worker */
	__u32 zero;
	__u64 since; /* ns, CLOCK_MONOTONIC: SYNs that were held before are no longer known to it */
};

/* links (a map of each generation): ifindex -> what is done there. */
#define MPGATE_LINK_CLASSIFY 1U /* steer classifies SYNs that arrive here */
#define MPGATE_LINK_L3 2U /* frames start with the IP header */
#define MPGATE_LINK_PATH 4U /* SYNs with the tag of a peer may arrive here */

/*
 * This machine's own connections are those of the loopback device (its index is the same in each network namespace),
 * whatever link they leave by.
 */
#define MPGATE_HOST_IFINDEX 1U

struct mpgate_link {
	__u32 flags;
	__u32 bitmap; /* rules that this link can match */
	char name[16];
};

/* Prefix lookups, source and destination, both families, in one table. */
enum mpgate_side { MPGATE_SRC = 0, MPGATE_DST = 1 };

struct mpgate_exact_key {
	__u8 side; /* enum mpgate_side */
	__u8 family; /* 4 or 6 */
	__u16 zero;
	__u8 addr[16]; /* IPv4: the first 4 bytes, the rest zero */
};

#define MPGATE_LPM_FIXED_BITS 32U /* side, family, zero: always matched in full */

struct mpgate_lpm_key {
	__u32 prefixlen; /* MPGATE_LPM_FIXED_BITS + length of the prefix */
	struct mpgate_exact_key key;
};

struct mpgate_bitmap {
	__u64 rules[MPGATE_RULE_WORDS]; /* rule i is bit i%64 of word i/64 */
};

/* TERMINATE: to the server without a peer, and MPTCP only. */
enum mpgate_action { MPGATE_DIRECT = 0, MPGATE_PROXY = 1, MPGATE_TERMINATE = 2 };

#define MPGATE_RULE_REJECT 1U /* if-down: reject */
#define MPGATE_RULE_TAKE_MPTCP 2U /* steer SYNs with MP_CAPABLE as well */
#define MPGATE_RULE_HONEST 4U /* hold the SYN until the server has answered */
#define MPGATE_RULE_PUBLISHED 8U /* of the hub's own address: it is for no normal route */
#define MPGATE_RULE_TAGGED 16U /* of no rule: the SYN had the tag of a peer */
#define MPGATE_RULE_LEARNED 32U /* steer SYNs with MP_CAPABLE as well, where the server is known not to take it */
#define MPGATE_RULE_TERMINATE 64U /* action: terminate */

/* Only in a flow's rule_flags: it is of this machine's own, and left by the link that the flow names. */
#define MPGATE_FLOW_HOST 0x80000000U
/* The same: its server is known to break on MPTCP; there are doubts whether it does. */
#define MPGATE_FLOW_BREAKS 0x40000000U
#define MPGATE_FLOW_DOUBTED 0x20000000U

struct mpgate_rule {
	__u16 action; /* enum mpgate_action */
	__u16 group;
	__u32 flags;
	__u32 id; /* the supervisor's number for it, stable over reloads by name */
	char name[32];
};

struct mpgate_group {
	__u32 count;
	__u16 peers[MPGATE_GROUP_PEERS]; /* peer slots */
	/* By client: in which order they are asked, indexes into peers of 4 bits, from the lowest. */
	__u32 order[MPGATE_GROUP_BUCKETS];
};

/* policy (one entry a generation): where a lookup starts. */
struct mpgate_policy {
	__u32 rules; /* number of rules */
	__u32 words; /* words of a bitmap in use */
	__u32 any[2][2]; /* [side][0: IPv4, 1: IPv6]: bitmap when no prefix matches */
	__u32 exact[2]; /* [side]: not 0: gen_exact has entries of it */
	__u32 lpm[2]; /* [side]: not 0: gen_lpm has entries of it */
	__u32 dscp[64]; /* bitmap by code point */
};

/* peers: slot -> may connections be sent to it? */
struct mpgate_peer {
	__u32 up;
	__u32 parks; /* it has opened connections for our requests, and is about to open others */
	__u64 parked; /* bit i: worker i has connections that it opened for our requests */
};

/*
 * flows: opener's 4-tuple -> a connection that steer took and no worker has accepted yet. An entry goes when its worker
 * takes it or when its time is over, and whoever removes it takes it off its client's counter in `flow_clients`. It
 * never makes room for another.
 */
enum mpgate_flow_state {
	MPGATE_FLOW_STEERED = 1, /* its SYN was given to `worker` */
	MPGATE_FLOW_HELD, /* `worker` has a copy of its SYN, which was dropped; it writes one of the next */
	MPGATE_FLOW_MOVED, /* the next SYN is held for `worker`, which is another one */
	MPGATE_FLOW_APPROVED, /* the next SYN is for `worker`'s listener */
	MPGATE_FLOW_REFUSED, /* ... is reset */
	MPGATE_FLOW_RELEASED, /* ... goes on its way */
};

struct mpgate_flow {
	__u32 rule_id; /* MPGATE_RULE_TAGGED: the name of the key */
	__u16 peer; /* slot */
	__u8 dscp;
	__u8 state; /* enum mpgate_flow_state */
	__u32 ifindex;
	__u32 rule_flags; /* of the rule when the SYN came: MPGATE_RULE_* */
	__u32 worker;
	__u32 client; /* index in `flow_clients` */
	__u64 time; /* ns, CLOCK_MONOTONIC, of the last SYN; held: of the first */
};

/* learned: server -> how it takes MPTCP. */
struct mpgate_server {
	struct mpgate_addr addr;
	__be16 port;
	__u16 zero;
};

enum mpgate_learned_state {
	MPGATE_LEARNED_NOTHING, /* but doubts */
	MPGATE_LEARNED_PLAIN, /* it answers in plain TCP */
	MPGATE_LEARNED_BREAKS, /* it answers SYNs without MP_CAPABLE only */
};

struct mpgate_learned {
	__u64 time; /* ns, CLOCK_MONOTONIC, of the last doubt, or when that state was seen last */
	__u8 state; /* enum mpgate_learned_state */
	__u8 doubts; /* how often MP_CAPABLE had no answer, or a RST, and the same or the next SYN without it had one */
	__u8 reset; /* the last answer to MP_CAPABLE was a RST */
	__u8 zero[5];
};

/* asked: tuple -> a SYN with MP_CAPABLE that went on. */
struct mpgate_asked {
	__u32 seq;
	__u8 with; /* how often it was said with MP_CAPABLE, */
	__u8 without; /* and whether without it since */
	__u16 zero;
};

/* held_rings (a ring of each worker): a SYN that is held. */
#define MPGATE_HELD_MACS 12 /* bytes: both addresses of an Ethernet header */
#define MPGATE_HELD_PACKET 256 /* bytes, a power of two: longer ones have data, which nobody would take */

struct mpgate_held {
	struct mpgate_tuple tuple;
	struct mpgate_flow flow;
	__u16 len; /* of packet; 0: it is too long to be put back, and its client has to say it again */
	__u16 tcp_off; /* in packet */
	__u8 macs[MPGATE_HELD_MACS]; /* all zero: the link has no Ethernet header */
	__u8 packet[MPGATE_HELD_PACKET]; /* from the IP header on; there may be padding behind it */
};

/* client_workers: slot of a client -> worker, so chosen that a worker that dies moves its own clients only. */
#define MPGATE_NO_WORKER MPGATE_MAX_WORKERS

/*
 * syn_epochs, syn_busy: how many SYNs each CPU steered in an epoch of 2^36 ns (69 s) of CLOCK_MONOTONIC and the one
 * before. A SYN cookie is valid for two minutes, so no more than a backlog of SYNs in these two means that no third
 * packet is without its socket. All CPUs together can be above the backlog only when one is above its share.
 */
#define MPGATE_SYN_EPOCHS 2 /* the current one and the one before */
#define MPGATE_SYN_EPOCH_SHIFT 36

struct mpgate_syn_epoch {
	__u32 epoch;
	__u32 steered; /* in it */
	__u32 before; /* in the one before it */
};

/* explained: what the explain program answered last. */
struct mpgate_explained {
	__u32 reason; /* enum mpgate_reason */
	__u32 rule; /* index, or MPGATE_NO_RULE */
	__u32 peer; /* slot, or MPGATE_NO_PEER */
	__u32 reset; /* not 0: it cannot be carried, and its rule says reject */
};
#define MPGATE_NO_PEER 0xffffffffU

/* What gate hands to steer in front of the packet (XDP metadata). */
#define MPGATE_META_MAGIC 0x6d706731U

struct mpgate_meta {
	__u32 magic;
	__u32 generation;
	__u32 rule; /* index, or MPGATE_NO_RULE */
	__u32 ifindex; /* of the link: a VLAN device behind it has rules of its own */
};
#define MPGATE_NO_RULE 0xffffffffU

/* guard_keys: key id -> how to check a cookie made with it. */
struct mpgate_guard_key {
	__u64 k0, k1; /* the sub-key, as SipHash takes it (little endian) */
	__u32 peer; /* slot */
	__u32 end; /* our own end id under it */
};

/* tag_keys: slot of a peer of mode transparent -> what its SYNs get their tag from (mpgate/tag.h). */
struct mpgate_tag_key {
	__u64 k0, k1; /* as in struct mpgate_guard_key */
	__u32 id;
	__u32 zero;
};

/* paths: own address of a path -> what MPTCP subflows that leave from it get; ::, the network namespace of all. */
#define MPGATE_CONGESTION 16 /* TCP_CA_NAME_MAX */

struct mpgate_path {
	__u64 netns; /* cookie of the network namespace */
	__u32 mark; /* of their packets; 0: none */
	__u32 syn_timeout; /* jiffies until a SYN is sent again; 0: the kernel's own */
	char congestion[MPGATE_CONGESTION]; /* control, filled up with zeros; empty: the namespace's */
};

/*
 * guard_replay: buckets of cookies that were used. An entry has 32 bits of the nonce's hash, 14 of the 4-tuple's that
 * used it first, 2 of how many copies came since, and 16 of the second of CLOCK_BOOTTIME when it did; 0: free. A full
 * bucket gives up its oldest.
 */
struct mpgate_replay {
	__u64 way[MPGATE_REPLAY_WAYS];
};

/* guard_local: address that Convert is accepted on -> u32 1. */

/* guard_allow: LPM over mpgate_allow_key -> u32 1. Same rules as mpgate_lpm_key, side MPGATE_SRC. */

/* guard_rate: source (IPv4 address, IPv6 /64) -> token bucket. */
struct mpgate_bucket {
	__u64 tokens; /* thousandths of a SYN */
	__u64 time; /* ns, CLOCK_MONOTONIC, of the last refill */
};

/* guard_known: source (as in guard_rate) that sent a valid cookie -> u64, ns of CLOCK_MONOTONIC when it last did. */

/* guard_scratch: a Convert message, and room so that a TLV read at any word of it stays inside. */
struct mpgate_guard_scratch {
	__u32 words[256 + 16];
};

/* synack: our connection (struct mpgate_tuple) -> TCP options of the SYN+ACK that answered its SYN. */
struct mpgate_synack {
	__u8 len;
	__u8 options[40];
	__u8 zero[7];
};

#endif
