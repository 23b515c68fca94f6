// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What becomes of a SYN that steer holds. The verdict is the state of its entry in the table of flows, by which steer
 * goes when the SYN comes once more: at once, since the copy that we have is put back on its link; or, where there is
 * none or it got lost, when the client says it again.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include <lib/packet.h>
#include <mpgated/net/io.h>
#include <mpgated/worker/conn.h>
#include <mpgated/worker/flows.h>
#include <mpgated/worker/unreachable.h>

/* Bytes of the IP packet at p, of which `most` are there; 0: it is none, or not all is there. */
static size_t packet_len(const uint8_t *p, size_t most, bool v4)
{
	size_t len;

	if (most < sizeof(struct ip6_hdr))
		return 0;
	len = (size_t)(v4 ? p[2] << 8 | p[3] : (p[4] << 8 | p[5]) + (int)sizeof(struct ip6_hdr));
	return len <= most ? len : 0;
}

/*
 * Virtual links leave the sum of the pseudo-header alone in the checksum; everybody else, who hears the packet again,
 * is to find a whole one. False: it is wrong, as the stack would have found.
 */
static bool complete_checksum(const struct mpgate_tuple *t, uint8_t *tcp, size_t len)
{
	uint32_t pseudo = checksum_pseudo(&t->saddr, &t->daddr, IPPROTO_TCP, len);
	__be16 *check = (__be16 *)(void *)(tcp + offsetof(struct tcphdr, th_sum));

	if (*check == checksum_fold(pseudo)) {
		*check = 0;
		*check = (__be16)~checksum_fold(checksum_add(pseudo, tcp, len));
		return true;
	}
	return checksum_fold(checksum_add(pseudo, tcp, len)) == 0xffff;
}

int verdict_hold(struct worker *w, struct conn *c, const struct mpgate_held *h)
{
	bool v4 = addr_is_v4(&h->tuple.daddr);
	size_t len = h->len <= sizeof(h->packet) ? packet_len(h->packet, h->len, v4) : 0;
	struct held *held;
	struct ethhdr eth = { .h_proto = htons(v4 ? ETH_P_IP : ETH_P_IPV6) };

	/* Another worker can write to what this comes from. */
	if ((h->flow.peer >= MPGATE_MAX_PEERS && !(h->flow.rule_flags & MPGATE_RULE_TERMINATE)) ||
	    h->flow.client >= MPGATE_CLIENT_COUNTERS || (len && len < h->tcp_off + sizeof(struct tcphdr)))
		return -EPROTO;
	held = malloc(sizeof(*held) + (len ? sizeof(eth) + len : 0));
	if (!held)
		return -ENOMEM;
	*held = (struct held){ .flow = h->flow, .tcp_off = h->tcp_off, .len = (uint16_t)(len ? sizeof(eth) + len : 0) };
	if (len) {
		memcpy(&eth, h->macs, sizeof(h->macs));
		memcpy(held->frame, &eth, sizeof(eth));
		memcpy(held->frame + sizeof(eth), h->packet, len);
		if (!complete_checksum(&h->tuple, held->frame + sizeof(eth) + h->tcp_off, len - h->tcp_off)) {
			free(held);
			return -EPROTO;
		}
	}
	c->held = held;
	w->held++;
	return 0;
}

/* Writes the state down by which steer goes from here on, and lets it see the SYN. False: the entry's time was over. */
static bool put_back(struct worker *w, struct conn *c, enum mpgate_flow_state state)
{
	struct held *h = c->held;

	h->flow.state = (uint8_t)state;
	h->flow.time = w->now * 1000000;
	if (!io_replace(w->flows_fd, &c->request.tuple, &h->flow))
		return false;
	if (h->len)
		io_put(w->hold_fd, h->frame, h->len);
	return true;
}

bool verdict_approve(struct worker *w, struct conn *c)
{
	w->stats->approved++;
	return put_back(w, c, MPGATE_FLOW_APPROVED);
}

static void forget(struct worker *w, struct conn *c)
{
	free(c->held);
	c->held = NULL;
	w->held--;
}

void verdict_taken(struct worker *w, struct conn *c)
{
	flow_drop(w, &c->request.tuple);
	forget(w, c);
}

static void say_unreachable(struct worker *w, const struct conn *c)
{
	uint8_t frame[UNREACHABLE_MAX];
	size_t len = unreachable_make(frame, c->held->frame, c->held->len, &c->request.tuple, c->held->code);

	if (len)
		io_put(w->hold_fd, frame, len);
}

void verdict_end(struct worker *w, struct conn *c)
{
	switch (c->held->verdict) {
	case VERDICT_REFUSE:
		put_back(w, c, MPGATE_FLOW_REFUSED);
		break;
	case VERDICT_UNREACHABLE:
		/* Its entry says where that goes. */
		say_unreachable(w, c);
		flow_drop(w, &c->request.tuple);
		break;
	case VERDICT_EARLY:
		w->stats->unasked++;
		put_back(w, c, MPGATE_FLOW_APPROVED);
		break;
	case VERDICT_MOVE:
		put_back(w, c, MPGATE_FLOW_MOVED);
		break;
	case VERDICT_SILENT:
		w->stats->silent++;
		flow_drop(w, &c->request.tuple);
		break;
	default:
		if (flow_must_reset(w, c)) {
			put_back(w, c, MPGATE_FLOW_REFUSED);
			break;
		}
		w->stats->released++;
		put_back(w, c, MPGATE_FLOW_RELEASED);
	}
	forget(w, c);
}
