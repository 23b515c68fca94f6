/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of flows (struct mpgate_flow in mpgate/abi.h): who opens them, how many one client may have, the copy of a
 * SYN that is held, and whether SYN cookies may have left some flows without a socket.
 */
#ifndef MPGATE_FLOWS_H
#define MPGATE_FLOWS_H

#include "maps.h"
#include "parse.h"

/*
 * A number for who opened this connection: an IPv4 address or an IPv6 /64. Its low bits name the counter, its high ones
 * the worker. Multiplications by odd numbers spread every bit upwards, shifts bring them down again.
 */
static __always_inline __u64 flow_client(const struct segment *seg, __u64 seed)
{
	__u64 client = seg->tuple.ipv4.saddr;

	if (seg->family == 6)
		client = (__u64)seg->tuple.ipv6.saddr[0] << 32 | seg->tuple.ipv6.saddr[1];
	client = (client ^ seed) * 0xff51afd7ed558ccdULL;
	client = (client ^ client >> 32) * 0xc4ceb9fe1a85ec53ULL;
	return client ^ client >> 29;
}

/* The worker of this client, MPGATE_NO_WORKER: none. */
static __always_inline __u32 flow_worker(__u64 client)
{
	__u32 slot = client >> 32 & (MPGATE_CLIENT_SLOTS - 1);
	__u32 *worker = bpf_map_lookup_elem(&client_workers, &slot);

	return worker ? *worker : MPGATE_NO_WORKER;
}

static __always_inline void flow_uncount(__u32 client)
{
	__u64 *used = bpf_map_lookup_elem(&flow_clients, &client);

	if (used)
		__sync_fetch_and_add(used, -1);
}

/*
 * Writes a flow down that is not there yet. False: its client, or all together, have as many as they may, or another
 * CPU has just written it. Counted first, so that no two CPUs pass the bound together.
 */
static __always_inline bool flow_add(const struct mpgate_tuple *tuple, const struct mpgate_flow *flow)
{
	__u32 client = flow->client;
	__u64 *used = bpf_map_lookup_elem(&flow_clients, &client);

	if (!used)
		return false;
	if (__sync_fetch_and_add(used, 1) < MPGATE_CLIENT_FLOWS &&
	    !bpf_map_update_elem(&flows, tuple, flow, BPF_NOEXIST))
		return true;
	__sync_fetch_and_add(used, -1);
	return false;
}

static __always_inline void flow_remove(const struct mpgate_tuple *tuple, const struct mpgate_flow *flow)
{
	if (!bpf_map_delete_elem(&flows, tuple))
		flow_uncount(flow->client);
}

/* Copies a SYN for its worker. False: it has no room for more. */
static __always_inline bool flow_copy_syn(struct __sk_buff *skb, const struct segment *seg,
					  const struct mpgate_tuple *tuple, const struct mpgate_flow *flow)
{
	__u32 worker = flow->worker, len = skb->len - seg->ip_off;
	void *ring = bpf_map_lookup_elem(&held_rings, &worker);
	struct mpgate_held *h = ring ? bpf_ringbuf_reserve(ring, sizeof(*h), 0) : NULL;

	if (!h)
		return false;
	h->tuple = *tuple;
	h->flow = *flow;
	h->len = 0;
	h->tcp_off = seg->tcp_off - seg->ip_off;
	__builtin_memset(h->macs, 0, sizeof(h->macs));
	if (seg->ip_off)
		bpf_skb_load_bytes(skb, 0, h->macs, sizeof(h->macs));
	if (len <= sizeof(h->packet)) {
		/* The same number, as verifiers want to see that it is neither 0 nor too large. */
		asm volatile("" : "+r"(len));
		len = ((len - 1) & (sizeof(h->packet) - 1)) + 1;
		if (!bpf_skb_load_bytes(skb, seg->ip_off, h->packet, len))
			h->len = len;
	}
	bpf_ringbuf_submit(h, 0);
	return true;
}

static __always_inline __u32 syn_epoch(void)
{
	return bpf_ktime_get_ns() >> MPGATE_SYN_EPOCH_SHIFT;
}

static __always_inline void syn_epoch_add(__u32 backlog)
{
	__u32 zero = 0, now = syn_epoch();
	struct mpgate_syn_epoch *e = bpf_map_lookup_elem(&syn_epochs, &zero);
	__u32 *busy = bpf_map_lookup_elem(&syn_busy, &zero);

	if (!e || !busy)
		return;
	if (e->epoch != now) {
		e->before = e->epoch + 1 == now ? e->steered : 0;
		e->epoch = now;
		e->steered = 0;
	}
	e->steered++;
	if (e->steered + e->before > backlog && *busy != now + MPGATE_SYN_EPOCHS)
		*busy = now + MPGATE_SYN_EPOCHS;
}

/* May a listener have used SYN cookies lately? */
static __always_inline bool syn_epoch_busy(void)
{
	__u32 zero = 0;
	__u32 *busy = bpf_map_lookup_elem(&syn_busy, &zero);

	return busy && *busy && syn_epoch() < *busy;
}

#endif
