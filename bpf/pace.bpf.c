// SPDX-License-Identifier: GPL-2.0-only
/*
 * sockops on the daemon's cgroup: how much a subflow of ours is given to send ahead.
 *
 * The kernel's scheduler gives what is to be sent next to the subflow that says it is through with what it holds
 * soonest, by its pacing rate. That of a new subflow is a guess, and may be a thousand times too high; and what it
 * holds cannot be given to another. So a slow path beside a fast one is given what it carries in a second or more, the
 * receiver's window is full of what came after that, and the fast one rests. Hence, of what both ends send:
 *
 *  - one that has enough to send and brings less than a third of what another of its connection does is paced at what
 *    it brings, and holds little that is not sent yet: what it carries in some 60 ms; ten times a second at a quarter
 *    more, while no queue is on the way, until it brings half as much as the other, or there is no other;
 *  - that is known of the two addresses, so the next subflow between them that joins another begins so.
 *
 * A third kind is slow by itself: a packet takes seconds. It holds next to nothing that is not sent, so that what comes
 * next goes where there is room, until it brings as much as one that is paced does at least.
 *
 * A fourth is far, as over a satellite, and another of its connection is not (mpgate/far.h). It holds no more than it
 * brings in a quarter of a second: after a rest the kernel sends few segments at a time again, and goes by the pacing
 * rate of before when it gives it what is to be sent, so that it got 3 MB and took 6 s for them.
 *
 * The others hold what they like: a fast subflow that held little was found to send beyond the receiver's window, whose
 * kernel dropped that (MPTcpExtNoDSSInWindow), while another held what was to come first.
 */
#include <stdbool.h>

#include <mpgate/far.h>

#include "maps.h"
#include "sockops.h"

#define SOL_SOCKET 1 /* UAPI, asm-generic/socket.h */
#define SO_MAX_PACING_RATE 47
#define NO_PACING (~0U)
#define SOL_TCP 6
#define TCP_NOTSENT_LOWAT 25 /* UAPI, linux/tcp.h */

#define NS_PER_S 1000000000ULL
#define NS_PER_US 1000ULL
#define SPAN (NS_PER_S / 10) /* of a measurement, at least; and a round trip */
#define PAUSE (10 * SPAN)
#define RESTED 4 /* round trips, and a span, without a look: it sent nothing */
#define BEST_LASTS (5 * NS_PER_S)
#define SLOW 3 /* times less than another */
#define FAST 2 /* no more than that any more */
#define AHEAD 16 /* part of a second that a subflow may hold */
#define AHEAD_LEAST 4096U /* bytes */
#define AHEAD_SLOW 2048U
#define SLOW_US 1000000U /* round trip without a queue, of a subflow that is slow by itself */
#define RATE_LEAST 32768U /* bytes a second, of one that is paced */
#define STARVED 4 /* less than one acknowledgment in so many finds nothing that waits */
#define ACKS 4U /* of a measurement, at least, where no queue says that it had enough to send */
#define DRAIN 4 /* part of what a path brings that is left free until its queue is gone; then a 16th, see grow() */
#define REST NS_PER_S /* from then on it is tried whether it brings more */
#define QUEUE_US 20000U /* so long a round trip beyond the least: what it was given waits on the way */
#define PATHS_KNOWN 4096U

/* Of the kernel's own, the fields that are read here. */
struct tcp_sock {
	__u32 write_seq, delivered;
} __attribute__((preserve_access_index));

struct pace_flow {
	__u64 cookie;
	__u64 since; /* ns: the measurement began */
	__u64 rate; /* bytes a second: what the last one said, when it had enough to send; else 0 */
	__u64 paced; /* bytes a second; 0: it is not */
	__u64 grown; /* ns: that did; later than now: it may not yet */
	__u64 last; /* ns: it was looked at, once a round trip while it sends */
	__u32 delivered; /* segments, then */
	__u32 acks, starved; /* in it, and how many of them found nothing more to send */
	__u32 ahead; /* bytes not sent that it may hold */
	__u32 idle; /* all was acknowledged: the time until it sends again says nothing */
	__u32 slow; /* it is by itself */
	__u32 drains; /* it is paced at less than it brings, until its queue is gone */
};

struct pace_connection {
	__u64 best; /* bytes a second of one of its subflows */
	__u64 cookie; /* whose */
	__u64 at; /* ns: it brought half as much at least, or a subflow began */
	struct far_nearest nearest;
};

struct pace_addresses {
	struct mpgate_addr local, remote;
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pace_flow);
} pace_flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct pace_connection);
} pace_connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, PATHS_KNOWN);
	__type(key, struct pace_addresses);
	__type(value, __u64); /* bytes a second of a slow path */
} pace_paths SEC(".maps");

static __always_inline void addresses_of(struct bpf_sock_ops *ops, struct pace_addresses *a)
{
	struct mpgate_tuple tuple = {};

	own_tuple(ops, &tuple);
	a->local = tuple.saddr;
	a->remote = tuple.daddr;
}

/* Other network namespaces may have sockets in this cgroup. */
static __always_inline bool is_ours(struct bpf_sock_ops *ops)
{
	struct mpgate_addr any = {};
	const struct mpgate_path *path = bpf_map_lookup_elem(&paths, &any);

	return path && path->netns == bpf_get_netns_cookie(ops);
}

/* Bytes that it may hold, which are not sent; 0: as many as the kernel lets it. */
static __always_inline void may_hold(struct bpf_sock_ops *ops, struct pace_flow *flow, __u32 bytes)
{
	flow->ahead = bytes;
	bpf_setsockopt(ops, SOL_TCP, TCP_NOTSENT_LOWAT, &flow->ahead, sizeof(flow->ahead));
}

/* By the rate at which it is paced; 0: it is not. */
static __always_inline void set_ahead(struct bpf_sock_ops *ops, struct pace_flow *flow, __u64 rate)
{
	__u64 wanted = rate / AHEAD;
	__u32 ahead = !rate ? 0 : wanted < AHEAD_LEAST ? AHEAD_LEAST : (__u32)wanted;

	may_hold(ops, flow, flow->slow ? AHEAD_SLOW : ahead);
}

/* 0: no more. */
static __always_inline void set_pacing(struct bpf_sock_ops *ops, struct pace_flow *flow, __u64 rate)
{
	__u32 pacing = NO_PACING;

	if (rate && rate < NO_PACING)
		pacing = rate > RATE_LEAST ? (__u32)rate : RATE_LEAST;
	flow->paced = pacing != NO_PACING ? pacing : 0;
	bpf_setsockopt(ops, SOL_SOCKET, SO_MAX_PACING_RATE, &pacing, sizeof(pacing));
}

static __always_inline void set_slow(struct bpf_sock_ops *ops, struct pace_flow *flow, bool slow)
{
	if (slow == flow->slow)
		return;
	flow->slow = slow;
	set_ahead(ops, flow, flow->paced);
}

/* Of one that is not paced. rate: bytes a second; 0: it had not enough to send, and what it may hold stays as it is. */
static __always_inline void set_far(struct bpf_sock_ops *ops, struct pace_flow *flow,
				    struct pace_connection *connection, __u64 rate, __u64 now)
{
	bool far = far_is(&connection->nearest, flow->cookie, ops->rtt_min, now);

	if (flow->paced || flow->slow || (far ? !rate && flow->ahead : !flow->ahead))
		return;
	may_hold(ops, flow, far ? far_ahead(rate) : 0);
}

static __always_inline void measure(struct pace_flow *flow, struct tcp_sock *tcp, __u64 now)
{
	flow->since = now;
	flow->delivered = tcp->delivered;
	flow->acks = flow->starved = 0;
}

static __always_inline bool is_fresh(const struct pace_connection *connection, __u64 now)
{
	return connection->at && now - connection->at < BEST_LASTS;
}

static __always_inline void begin(struct bpf_sock_ops *ops)
{
	struct pace_connection *connection;
	struct pace_addresses key = {};
	struct bpf_sock *sk = ops->sk;
	struct mptcp_sock *msk;
	struct pace_flow *flow;
	__u64 now, *rate;

	if (!sk || !is_ours(ops))
		return;
	msk = bpf_skc_to_mptcp_sock(sk);
	if (!msk)
		return;
	flow = bpf_sk_storage_get(&pace_flows, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	connection = bpf_sk_storage_get(&pace_connections, msk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!flow || !connection ||
	    bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_RTT_CB_FLAG))
		return;
	flow->cookie = bpf_get_socket_cookie(ops);
	flow->idle = true;
	addresses_of(ops, &key);
	rate = bpf_map_lookup_elem(&pace_paths, &key);
	now = bpf_ktime_get_ns();
	if (rate && is_fresh(connection, now)) {
		set_pacing(ops, flow, *rate);
		set_ahead(ops, flow, *rate);
	}
	connection->at = now;
	set_slow(ops, flow, ops->srtt_us >> 3 >= SLOW_US);
}

/* What others begin with. */
static __always_inline void learn(struct bpf_sock_ops *ops, __u64 rate)
{
	struct pace_addresses key = {};

	addresses_of(ops, &key);
	if (rate)
		bpf_map_update_elem(&pace_paths, &key, &rate, BPF_ANY);
	else
		bpf_map_delete_elem(&pace_paths, &key);
}

/* Its pacing is what holds it up, and there is no queue on the way. The first quarter more is what DRAIN took, nearly.
 */
static __always_inline void grow(struct bpf_sock_ops *ops, struct pace_flow *flow, __u64 now)
{
	if (!flow->drains && now < flow->grown + SPAN)
		return;
	flow->grown = flow->drains ? now + REST : now;
	flow->drains = 0;
	set_pacing(ops, flow, flow->paced + flow->paced / 4);
	learn(ops, flow->paced);
}

/*
 * A measurement is over. busy: it had enough to send, so that the rate is what the path brings, and it does not grow
 * any more. That of one that is paced is what the path brings when a queue is on the way; else it is pacing's own.
 */
static __always_inline void judge(struct bpf_sock_ops *ops, struct pace_flow *flow, struct pace_connection *connection,
				  __u64 rate, bool busy, bool queued, __u64 now)
{
	bool fresh = is_fresh(connection, now), own = connection->cookie == flow->cookie;
	__u64 best = connection->best;

	if (!fresh || (!flow->paced && rate >= best)) {
		connection->best = rate;
		connection->cookie = flow->cookie;
		connection->at = now;
	} else if (own && rate * FAST >= best) {
		connection->at = now;
	}
	if (flow->paced && (busy || rate / AHEAD > flow->ahead))
		set_ahead(ops, flow, rate);
	if (flow->paced && (!fresh || (best && rate * FAST >= best))) {
		set_pacing(ops, flow, 0);
		set_ahead(ops, flow, 0);
		learn(ops, 0);
	} else if (busy && (flow->paced ? queued && now >= flow->grown : fresh && !own && rate * SLOW < best)) {
		rate -= rate / DRAIN;
		set_pacing(ops, flow, rate);
		set_ahead(ops, flow, rate);
		learn(ops, rate);
		flow->grown = now + REST;
		flow->drains = queued;
	} else if (flow->paced && !queued && rate * 4 >= flow->paced * 3) {
		grow(ops, flow, now); /* what it sends at once leaves nothing that waits */
	}
}

static __always_inline void acknowledged(struct bpf_sock_ops *ops)
{
	__u64 now, span, round_trip = (ops->srtt_us >> 3) * NS_PER_US, rate;
	struct pace_connection *connection;
	struct bpf_sock *sk = ops->sk;
	struct mptcp_sock *msk;
	struct pace_flow *flow;
	struct tcp_sock *tcp;
	bool rested, waits, queued, busy;

	if (!sk)
		return;
	flow = bpf_sk_storage_get(&pace_flows, sk, NULL, 0);
	tcp = bpf_skc_to_tcp_sock(sk);
	if (!flow || !tcp)
		return;
	now = bpf_ktime_get_ns();
	waits = tcp->write_seq != ops->snd_nxt;
	queued = ops->srtt_us >> 3 > ops->rtt_min + QUEUE_US;
	if (flow->paced && waits && !queued)
		grow(ops, flow, now);
	/* One that is paced has nothing to send between what pacing lets go, for a moment. */
	rested = flow->idle && !(flow->paced && now - flow->since < PAUSE);
	/* One that was a backup meanwhile did not say that it had sent all. */
	rested |= now - flow->last > RESTED * round_trip + SPAN;
	flow->idle = tcp->write_seq == ops->snd_una;
	flow->last = now;
	if (rested) {
		measure(flow, tcp, now);
		return;
	}
	flow->acks++;
	flow->starved += !waits;
	span = now - flow->since;
	if (span < SPAN || span < round_trip || (!flow->paced && !queued && flow->acks < ACKS))
		return;
	msk = bpf_skc_to_mptcp_sock(sk);
	connection = msk ? bpf_sk_storage_get(&pace_connections, msk, NULL, 0) : NULL;
	if (!connection)
		return;
	rate = (__u64)(tcp->delivered - flow->delivered) * ops->mss_cache * NS_PER_S / span;
	busy = flow->starved * STARVED < flow->acks || queued;
	judge(ops, flow, connection, rate, busy && flow->rate && rate < flow->rate + flow->rate / 4, queued, now);
	flow->rate = busy ? rate : 0;
	set_far(ops, flow, connection, flow->rate, now);
	measure(flow, tcp, now);
	set_slow(ops, flow, ops->rtt_min >= SLOW_US && rate < RATE_LEAST);
}

SEC("sockops")
int pace(struct bpf_sock_ops *ops)
{
	if (ops->op == BPF_SOCK_OPS_RTT_CB)
		acknowledged(ops);
	else if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB || ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		begin(ops);
	return 1;
}

char _license[] SEC("license") = "GPL";
