// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * When the endpoints of a path are made, in jobs: not while its link comes and goes, and anew after it was silent. What
 * makes an endpoint anew closes the subflows from there and joins others in their place.
 *
 * A subflow over a path that loses all packets sends again after ever longer times: after a minute's outage it may rest
 * for another minute. The kernel's path manager opens no second one meanwhile. So when a path that the probes had found
 * dead answers again, it is done here, unless something came over it all the time: then it was slow, or its probes were
 * refused, and its subflows are well.
 */
#include <mpgated/paths/internal.h>

#include <lib/log.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <uv.h>

#define SILENCE_MS 3000 /* so long after the probes found a path dead it is looked at whether anything came over it */
#define MUTE_MS 1000 /* the same, before they did; what is heard later may be that it is back */
#define REST_MS 2000 /* TCP sends again within as long as it was silent */
#define WORK_MS 8000 /* before a path is found dead: who has heard something then was at work when it died */
#define FLAP_MS 60000 /* a link that goes down so soon after it came up flaps */
#define FLAPS_FREE 2 /* of those are no reason to wait */
#define HOLD_MS 1000 /* after the next one; then twice as long each time */
#define HOLD_MAX_MS 60000
#define HOLDS 7 /* of them, and from there on the longest */

/* In which the other side may be heard. */
#define STATES (1U << TCP_ESTABLISHED | 1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 | 1U << TCP_CLOSE_WAIT)

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* What sockets have heard of their other sides. */
struct hearing {
	uint32_t least_ms; /* whoever heard something last did so that long ago; UINT32_MAX: there are none */
	uint32_t rest_ms; /* the least of those that are quiet for REST_MS and longer; likewise */
};

/* Called for each socket. */
static int look(const struct nlmsghdr *nlh, void *arg)
{
	struct hearing *h = arg;
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, sizeof(struct inet_diag_msg))
	{
		struct tcp_info info = { 0 };
		size_t len = mnl_attr_get_payload_len(a);

		if (mnl_attr_get_type(a) != INET_DIAG_INFO)
			continue;
		memcpy(&info, mnl_attr_get_payload(a), len < sizeof(info) ? len : sizeof(info));
		if (info.tcpi_last_ack_recv < h->least_ms)
			h->least_ms = info.tcpi_last_ack_recv;
		if (info.tcpi_last_ack_recv >= REST_MS && info.tcpi_last_ack_recv < h->rest_ms)
			h->rest_ms = info.tcpi_last_ack_recv;
	}
	return 0;
}

/* TCP sockets with that address. What cannot be known is as if there were none. */
static struct hearing listen_to(const struct mpgate_addr *addr)
{
	const struct hearing none = { UINT32_MAX, UINT32_MAX };
	struct hearing hearing = none;
	bool v4 = addr_is_v4(addr);
	size_t addr_len = v4 ? 4 : 16;
	const size_t head = sizeof(struct inet_diag_bc_op) + sizeof(struct inet_diag_hostcond), len = head + addr_len;
	const struct inet_diag_bc_op op = { .code = INET_DIAG_BC_S_COND,
					    .yes = (uint8_t)len,
					    .no = (uint16_t)(len + sizeof(op)) };
	const struct inet_diag_hostcond cond = { .family = v4 ? AF_INET : AF_INET6,
						 .prefix_len = (uint8_t)(8 * addr_len),
						 .port = -1 };
	uint8_t filter[sizeof(op) + sizeof(cond) + 16];
	char buf[NL_REQUEST_SIZE];
	struct nlmsghdr *nlh = nl_request(buf, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	struct inet_diag_req_v2 *req = mnl_nlmsg_put_extra_header(nlh, sizeof(*req));
	struct nl_sock nl;
	int ret;

	req->sdiag_family = cond.family;
	req->sdiag_protocol = IPPROTO_TCP;
	req->idiag_states = STATES;
	req->idiag_ext = 1U << (INET_DIAG_INFO - 1);
	memcpy(filter, &op, sizeof(op));
	memcpy(filter + sizeof(op), &cond, sizeof(cond));
	memcpy(filter + head, v4 ? addr->b + 12 : addr->b, addr_len);
	mnl_attr_put(nlh, INET_DIAG_REQ_BYTECODE, len, filter);
	if (nl_open(NETLINK_SOCK_DIAG, &nl) < 0)
		return none;
	ret = nl_talk(&nl, nlh, look, &hearing);
	nl_close(&nl);
	return ret ? none : hearing;
}

/* None has heard anything in so many ms, and there are some. */
static bool is_silent(const struct path_link *l, unsigned f, uint64_t ms)
{
	struct hearing h = listen_to(&l->pub.addr[f]);

	return h.least_ms != UINT32_MAX && h.least_ms >= ms;
}

/*
 * The path was dead for less than SILENCE_MS. Are there sockets that were at work when it died, and have heard nothing
 * for so long that TCP rests as long again?
 */
static bool is_resting(const struct path_link *l, unsigned f, uint64_t dead_ms)
{
	return listen_to(&l->pub.addr[f]).rest_ms < dead_ms + WORK_MS;
}

/* Returns when it is to be looked at again, UINT64_MAX: not for this. */
static uint64_t look_for_silence(struct path_link *l, unsigned f, uint64_t now)
{
	if (l->health[f] != PATHS_DEAD || !link_is_path(l, f)) {
		if (l->dead_since[f] && l->health[f] == PATHS_ALIVE && now < l->dead_since[f] + SILENCE_MS)
			l->silent[f] = l->mute[f] && is_resting(l, f, now - l->dead_since[f]);
		if (l->silent[f] && l->health[f] == PATHS_ALIVE) {
			log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PATH, l->pub.name }),
				 "%s answers again in IPv%u: its subflows are made anew", l->pub.name, f ? 6 : 4);
			l->anew[f] = true;
		}
		l->dead_since[f] = 0;
		l->silent[f] = false;
		return UINT64_MAX;
	}
	if (!l->dead_since[f]) {
		l->dead_since[f] = now;
		l->mute[f] = is_silent(l, f, MUTE_MS);
	}
	if (l->silent[f])
		return UINT64_MAX;
	if (now < l->dead_since[f] + SILENCE_MS)
		return l->dead_since[f] + SILENCE_MS;
	l->silent[f] = is_silent(l, f, now - l->dead_since[f]);
	return UINT64_MAX;
}

/* Likewise. */
static uint64_t look_for_flaps(struct path_link *l, uint64_t now)
{
	bool rose = l->pub.up && (!l->was_up || l->rise_downs != l->downs);

	l->was_up = l->pub.up;
	l->rise_downs = l->downs;
	if (rose) {
		l->flaps = l->rise && now < l->rise + FLAP_MS ? l->flaps + 1 : 0;
		l->rise = now;
		l->hold_ms = 0;
		if (l->flaps > FLAPS_FREE) {
			unsigned n = l->flaps - FLAPS_FREE;

			l->hold_ms = n < HOLDS ? HOLD_MS << (n - 1) : HOLD_MAX_MS;
			/* As long as that is news. */
			if (n <= HOLDS)
				log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PATH, l->pub.name }),
					 "%s has come and gone %u times: it is used again when it has stayed for %u s",
					 l->pub.name, l->flaps, l->hold_ms / 1000);
		}
	}
	l->pub.held = l->pub.up && now < l->rise + l->hold_ms;
	return l->pub.held ? l->rise + l->hold_ms : UINT64_MAX;
}

unsigned steady_look(struct path_set *p)
{
	uint64_t now = now_ms(), next = UINT64_MAX;

	for (unsigned i = 0; i < p->count; i++) {
		struct path_link *l = &p->links[i];
		uint64_t at;

		if (l->role != CFG_PATH)
			continue;
		at = look_for_flaps(l, now);
		next = at < next ? at : next;
		for (unsigned f = 0; f < 2; f++) {
			at = look_for_silence(l, f, now);
			next = at < next ? at : next;
		}
	}
	return next == UINT64_MAX ? 0 : (unsigned)(next - now) + 1;
}
