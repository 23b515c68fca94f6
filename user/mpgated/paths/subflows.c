// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * All subflows of this network namespace, as the kernel lists them, against what they should be. A connection with no
 * subflow that is well gets one from each path, asked or not. What is to end ends when there is another that is well:
 * the kernel then sends over it at once what was under way, here and over there.
 */
#include <mpgated/paths/joins.h>

#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <mpgated/paths/internal.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>

#define LOOKS 25 /* in a row */
#define SAYS 3 /* that a path has become a backup, or none */
#define NS_PER_MS 1000000ULL
#define STATES (1U << TCP_ESTABLISHED | 1U << TCP_SYN_SENT | 1U << TCP_CLOSE_WAIT)

static int on_socket(const struct nlmsghdr *nlh, void *arg)
{
	struct nl_subflow s;

	return nl_parse_subflow(nlh, &s) < 0 || !s.token ? 0 : nl_list_add(arg, &s, sizeof(s));
}

static int by_token(const void *a, const void *b)
{
	uint32_t x = ((const struct nl_subflow *)a)->token, y = ((const struct nl_subflow *)b)->token;

	return x < y ? -1 : x > y;
}

static struct nlmsghdr *ask(char *buf, int family, uint16_t flags, struct inet_diag_req_v2 **req)
{
	struct nlmsghdr *nlh = nl_request(buf, SOCK_DIAG_BY_FAMILY, flags);

	*req = mnl_nlmsg_put_extra_header(nlh, sizeof(**req));
	(*req)->sdiag_family = (uint8_t)family;
	(*req)->sdiag_protocol = IPPROTO_TCP;
	(*req)->idiag_states = STATES;
	(*req)->idiag_ext = 1U << (INET_DIAG_INFO - 1); /* without it subflows are not told from other sockets */
	return nlh;
}

int subflows_list(struct nl_list *out)
{
	struct inet_diag_req_v2 *req;
	char buf[NL_REQUEST_SIZE];
	struct nl_sock nl;
	int err = nl_open(NETLINK_SOCK_DIAG, &nl);

	if (err)
		return err;
	for (unsigned f = 0; f < 2 && !err; f++) {
		err = nl_talk(&nl, ask(buf, paths_families[f], NLM_F_DUMP, &req), on_socket, out);
		/* Sockets come and go: what was told is true enough. */
		err = err == -EINTR ? 0 : err;
	}
	nl_close(&nl);
	if (!err && out->n)
		qsort(out->v, out->n, sizeof(struct nl_subflow), by_token);
	return err;
}

static struct nlmsghdr *ask_for(char *buf, const struct nl_subflow *s)
{
	bool v4 = addr_is_v4(&s->local);
	struct inet_diag_req_v2 *req;
	struct nlmsghdr *nlh = ask(buf, v4 ? AF_INET : AF_INET6, 0, &req);

	req->id.idiag_sport = htons(s->local_port);
	req->id.idiag_dport = htons(s->remote_port);
	memcpy(req->id.idiag_src, s->local.b + (v4 ? 12 : 0), v4 ? 4 : 16);
	memcpy(req->id.idiag_dst, s->remote.b + (v4 ? 12 : 0), v4 ? 4 : 16);
	req->id.idiag_if = s->ifindex;
	req->id.idiag_cookie[0] = (uint32_t)s->cookie;
	req->id.idiag_cookie[1] = (uint32_t)(s->cookie >> 32);
	return nlh;
}

int subflows_again(const struct nl_list *known, struct nl_list *out)
{
	const struct nl_subflow *s = known->v;
	char buf[NL_REQUEST_SIZE];
	struct nl_sock nl;
	int err = nl_open(NETLINK_SOCK_DIAG, &nl);

	if (err)
		return err;
	for (unsigned i = 0; i < known->n; i++)
		nl_talk(&nl, ask_for(buf, &s[i]), on_socket, out);
	nl_close(&nl);
	return 0;
}

/* --- one connection */

/* Is it over a path that is no more, or not to be used? */
static bool is_lost(const struct path_set *p, const struct joined *j, const struct nl_subflow *s)
{
	const struct join_way *w = joins_way(p, &s->local);

	if (w)
		return w->gone || w->anew || !joins_may_use(p, j, w);
	/* Joins leave from paths. The first one of transparent mode has the client's address. */
	return s->join ||
	       (joins_find_peer(&p->settings, &j->remote, j->port) && !paths_has_address(&p->addrs, &s->local));
}

static bool is_well(const struct path_set *p, const struct joined *j, const struct nl_subflow *s)
{
	const struct join_way *w = joins_way(p, &s->local);

	return s->connected && !is_lost(p, j, s) && !(w && w->dead);
}

/*
 * Is there one from here? One that is about to end counts where others are well: its end is told over those, by the id
 * of its address, and must not be taken for that of the next one. So does one from an address that the path had before:
 * it has the same id.
 */
static bool has_way(const struct path_set *p, const struct joined *j, const struct nl_subflow *s, unsigned n,
		    const struct join_way *w, bool well)
{
	for (unsigned i = 0; i < n; i++)
		if ((joins_way(p, &s[i].local) == w || (s[i].join && s[i].local_id == w->id)) &&
		    (well || !is_lost(p, j, &s[i])))
			return true;
	return false;
}

/* Has another one the same id? */
static bool shares_id(const struct nl_subflow *s, unsigned n, unsigned i)
{
	for (unsigned k = 0; k < n; k++)
		if (k != i && s[k].local_id == s[i].local_id)
			return true;
	return false;
}

/* Where the joins go that there are: a daemon before us was told, or was not. */
static void recall(const struct nl_subflow *s, unsigned n, struct joined *j)
{
	bool here = false, there = false;

	for (unsigned i = 0; i < n; i++) {
		unsigned f = !addr_is_v4(&s[i].remote);
		bool same = !memcmp(&s[i].remote, &j->remote, sizeof(j->remote));

		here |= s[i].join && same;
		there |= s[i].join && !same;
		if (!s[i].join || same || joins_to_port(j, f))
			continue;
		j->to[f] = s[i].remote;
		j->to_port[f] = s[i].remote_port;
	}
	if (here || there)
		j->announced = there;
}

/* What is known of a connection that we hear of by its subflows alone. */
static void describe(const struct path_set *p, const struct nl_subflow *s, unsigned n, struct joined *j)
{
	const struct nl_subflow *first = s;
	const struct path_peer *peer;

	for (unsigned i = 0; i < n; i++)
		if (!s[i].join)
			first = &s[i];
	j->local = first->local;
	j->remote = first->remote;
	j->port = first->remote_port;
	j->foreign = !joins_is_ours(&p->settings, paths_has_address(&p->addrs, &first->local), &first->remote,
				    first->remote_port);
	peer = joins_find_peer(&p->settings, &first->remote, first->remote_port);
	/* As long as a peer has not said where, nowhere else. */
	j->announced = peer ? peer->announces || !peer->answered
			    : !j->foreign && !first->join && !paths_has_address(&p->addrs, &first->local);
	if (!j->foreign)
		recall(s, n, j);
	/* A daemon before us was asked. */
	j->asked = !j->foreign && n > 1;
}

bool subflows_renew(struct path_set *p, const struct nl_subflow *s, const struct join_way *w)
{
	const struct joined *known = joins_find(&p->joins, s->token);
	struct joined j = { .token = s->token };

	if (known && known->port)
		j = *known;
	else
		describe(p, s, 1, &j);
	return !j.foreign && joins_may_use(p, &j, w) && joins_from(p, w, &j) == 0;
}

/* Two from one path, after it was joined anew: what is heard least is the old one. */
static bool is_double(const struct nl_subflow *s, unsigned n, unsigned i)
{
	const struct nl_subflow *one = &s[i], *other;

	for (unsigned k = 0; k < n; k++) {
		other = &s[k];
		if (other != one && one->connected && other->connected &&
		    !memcmp(&other->local, &one->local, sizeof(one->local)) &&
		    (other->quiet_ms < one->quiet_ms || (other->quiet_ms == one->quiet_ms && other > one)))
			return true;
	}
	return false;
}

/*
 * Those over paths that are backups by now are backups, and others are none. One alone is what it is. An ACK tells the
 * other side, which may be lost: it is said more than once.
 */
static void rank_ours(struct path_set *p, const struct joined *j, const struct nl_subflow *s, unsigned n)
{
	for (unsigned i = 0; i < n && n > 1; i++) {
		const struct join_way *w = s[i].connected ? joins_way(p, &s[i].local) : NULL;
		bool backup = w && joins_flags(p, j, w);

		if (w && !w->gone && (w->say || s[i].backup != backup))
			mptcp_pm_prio(&p->pm, &s[i], backup);
	}
}

/* True: it was joined since it had none that is well. *parted: some of its subflows are about to end. */
static bool settle_ours(struct path_set *p, const struct joined *j, const struct nl_subflow *s, unsigned n,
			bool *parted)
{
	unsigned connected = 0, well = 0;
	bool again = false, joined = false, can_join = !j->announced || joins_to_port(j, joins_family(j));

	for (unsigned i = 0; i < n; i++) {
		connected += s[i].connected;
		well += is_well(p, j, &s[i]);
	}
	/* What does not stand yet cannot be joined: a probe over a path that is dead, for one. */
	if (!connected)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!is_lost(p, j, &s[i]) && !is_double(s, n, i))
			continue;
		if (well) {
			nl_list_add(&p->joins.ended, &s[i].cookie, sizeof(s[i].cookie));
			mptcp_pm_part(&p->pm, &s[i], !shares_id(s, n, i));
		}
		again = true;
	}
	rank_ours(p, j, s, n);
	/* What is refused is not asked for with every look. */
	for (unsigned i = 0; i < JOINS_WAYS && can_join && (!well || (j->asked && (p->joins.looks <= 1 || j->parted)));
	     i++) {
		const struct join_way *w = &p->joins.ways[i];

		if (!w->open || !joins_may_use(p, j, w) || !addr_is_v4(&w->addr) != joins_family(j) ||
		    has_way(p, j, s, n, w, well))
			continue;
		joins_from(p, w, j);
		joined = true;
	}
	/* When what was joined stands, and what has ended is gone. */
	p->joins.look |= again || !well;
	*parted = again;
	return joined && !well;
}

static void settle(struct path_set *p, const struct nl_subflow *s, unsigned n)
{
	struct joined *known = joins_find(&p->joins, s->token), described = { .token = s->token };
	const struct joined *j = known;

	if (known)
		known->seen = true;
	if (!known || !known->port) {
		if (known)
			described = *known;
		else
			/* Workers tell of a rule that limits paths at once. */
			described.before = !p->joins.looked && p->settings.common != UINT64_MAX;
		describe(p, s, n, &described);
		described.seen = true;
		j = &described;
		/* The event that tells of another program's may still be on its way. */
		if (!known && (described.asked || described.before || (described.foreign && s->opener)))
			known = joins_know(&p->joins, s->token);
		if (known)
			*known = described;
	}
	if (!j->foreign) {
		bool parted = false, joined = settle_ours(p, j, s, n, &parted);

		if (known)
			known->parted = parted;
		/* From here on it is as if it had asked. */
		if (joined && (known = known ? known : joins_know(&p->joins, s->token))) {
			*known = *j;
			known->asked = true;
		}
	} else if (p->joins.foreign && s->opener)
		foreign_settle(p, j, s, n);
}

/* --- all of them */

static int settle_all(struct path_set *p)
{
	struct nl_list all = { 0 };
	uint64_t begin = uv_hrtime();
	const struct nl_subflow *s;
	int err = subflows_list(&all);

	s = all.v;
	for (unsigned i = 0, n; !err && i < all.n; i += n) {
		for (n = 1; i + n < all.n && s[i + n].token == s[i].token; n++)
			;
		settle(p, &s[i], n);
	}
	nl_list_free(&all);
	p->joins.took_ms = (unsigned)((uv_hrtime() - begin) / NS_PER_MS);
	if (!err)
		joins_forget(&p->joins);
	return err;
}

static bool same_ways(const struct join_way *a, const struct join_way *b)
{
	bool same = true;

	for (unsigned i = 0; i < JOINS_WAYS && same; i++)
		same = !memcmp(&a[i].addr, &b[i].addr, sizeof(a[i].addr)) && a[i].ifindex == b[i].ifindex &&
		       a[i].flags == b[i].flags && a[i].id == b[i].id && a[i].open == b[i].open &&
		       a[i].gone == b[i].gone && a[i].dead == b[i].dead && a[i].anew == b[i].anew &&
		       a[i].full == b[i].full && a[i].rtt_us == b[i].rtt_us;
	return same;
}

/* What was said of the ways by the last look. */
static void count_says(const struct join_way *before, struct join_way *ways, bool steered)
{
	bool all = false;

	/* Where rules say how paths are used, one may stand by for what another is like. */
	for (unsigned i = 0; i < JOINS_WAYS && steered; i++)
		all |= before[i].ifindex && (before[i].open != ways[i].open || before[i].full != ways[i].full ||
					     before[i].rtt_us != ways[i].rtt_us);
	for (unsigned i = 0; i < JOINS_WAYS; i++)
		if (before[i].ifindex && ways[i].ifindex)
			ways[i].say = all || before[i].flags != ways[i].flags ? SAYS : before[i].say;
}

/* They were said once more. True: not for the last time. */
static bool has_said(struct join_way *ways)
{
	bool more = false;

	for (unsigned i = 0; i < JOINS_WAYS; i++) {
		ways[i].say -= ways[i].say > 0;
		more |= ways[i].say > 0;
	}
	return more;
}

static bool same_endpoints(const struct nl_endpoint *a, unsigned count, const struct joins *j)
{
	bool same = count == j->endpoint_count;

	for (unsigned i = 0; i < count && same; i++) {
		const struct nl_endpoint *b = &j->endpoints[i];

		same = !memcmp(&a[i].addr, &b->addr, sizeof(b->addr)) && a[i].flags == b->flags &&
		       a[i].ifindex == b->ifindex && a[i].port == b->port && a[i].id == b->id;
	}
	return same;
}

void subflows_apply(struct path_set *p)
{
	struct joins *j = &p->joins;
	struct join_way before[JOINS_WAYS];
	struct nl_endpoint endpoints[JOINS_ENDPOINTS];
	unsigned count = j->endpoint_count;

	if (!j->managed)
		return;
	memcpy(before, j->ways, sizeof(before));
	memcpy(endpoints, j->endpoints, sizeof(endpoints));
	joins_find_ways(p, j->ways);
	count_says(before, j->ways, p->settings.rule_count > 0);
	if (j->foreign)
		joins_find_endpoints(p);
	if (!same_ways(before, j->ways) || !same_endpoints(endpoints, count, j)) {
		j->look = true;
		j->looks = 0;
	}
	if (!j->look) {
		j->looks = 0;
		return;
	}
	j->look = false;
	if (settle_all(p) < 0 || has_said(j->ways))
		j->look = true;
	else
		j->looked = true;
	/* What has not settled by then waits for the next change. */
	if (j->look && ++j->looks <= LOOKS)
		joins_look_soon(j);
	else
		j->look = false;
}
