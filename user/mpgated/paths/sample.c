// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/internal.h>

#include <errno.h>
#include <stdlib.h>

#define FEW 64U /* are asked for one by one */
#define LIST_NS 1000000000ULL /* until all are listed again */
#define COST 100U /* of the time at most one part of so many is looked */
#define MUCH 65536U /* bytes a second */
#define NS_PER_MS 1000000ULL

/* What was counted of a subflow. */
struct counted {
	uint64_t cookie;
	uint64_t acked, received;
	uint32_t segs_out, retrans, segs_in, out_of_order;
};

static int by_cookie(const void *a, const void *b)
{
	uint64_t x = ((const struct counted *)a)->cookie, y = ((const struct counted *)b)->cookie;

	return x < y ? -1 : x > y;
}

static struct counted count(const struct nl_subflow *s)
{
	return (struct counted){ .cookie = s->cookie,
				 .acked = s->tcp.acked,
				 .received = s->tcp.received,
				 .segs_out = s->tcp.segs_out,
				 .retrans = s->tcp.retrans,
				 .segs_in = s->tcp.segs_in,
				 .out_of_order = s->tcp.out_of_order };
}

/* Index of the path that an address is of; p->count: none's. */
static unsigned link_of(const struct path_set *p, const struct mpgate_addr *local)
{
	unsigned i = 0;

	while (i < p->count && !(p->links[i].role == CFG_PATH && p->links[i].pub.ifindex &&
				 (!memcmp(&p->links[i].pub.addr[0], local, sizeof(*local)) ||
				  !memcmp(&p->links[i].pub.addr[1], local, sizeof(*local)))))
		i++;
	return i;
}

/* Of a connection with these n. */
static bool are_ours(const struct path_set *p, const struct nl_subflow *s, unsigned n)
{
	const struct joined *known = joins_find(&p->joins, s->token);
	bool ours = known && !known->foreign;

	for (unsigned i = 0; i < n && !ours; i++)
		ours = s[i].opener && joins_find_peer(&p->settings, &s[i].remote, s[i].remote_port);
	return ours;
}

/* What a path's round trip is made from. */
struct weighed {
	uint64_t sum, weight;
};

/* Does its rule choose its paths? Then it says nothing of what the others would carry by bonding. */
static bool is_steered(const struct path_set *p, uint32_t token)
{
	const struct joined *known = joins_find(&p->joins, token);

	return known && joins_are_steered(p, known);
}

static void add(struct path_set *p, const struct nl_subflow *s, unsigned link, struct weighed *rtt)
{
	static const struct counted none;
	const struct counted now = count(s), *last;
	struct paths_sample *m = &p->links[link].sample;
	uint64_t sent, received;

	last = p->sampler.before.n ? bsearch(&now, p->sampler.before.v, p->sampler.before.n, sizeof(now), by_cookie)
				   : NULL;
	/* What went before we looked first is not of the time that we look at. */
	last = last ? last : p->sampler.at ? &none : &now;
	sent = now.acked - last->acked;
	received = now.received - last->received;
	m->subflows++;
	m->backups += s->backup;
	m->sent += sent;
	m->received += received;
	m->segs += now.segs_out - last->segs_out;
	m->retrans += now.retrans - last->retrans;
	m->span_sent += sent;
	m->span_received += received;
	if (!is_steered(p, s->token)) {
		m->span_bonded += sent + received;
		m->span_segs += now.segs_out - last->segs_out;
		m->span_retrans += now.retrans - last->retrans;
		m->span_in += now.segs_in - last->segs_in;
		m->span_out_of_order += now.out_of_order - last->out_of_order;
	}
	/* Who receives measures the round trip as well; who sends a little does not see the other side's queue. */
	rtt->sum += sent * s->tcp.rtt_us + received * (s->tcp.rcv_rtt_us ? s->tcp.rcv_rtt_us : s->tcp.rtt_us);
	rtt->weight += sent + received;
	if (s->tcp.min_rtt_us && (!m->min_rtt_us || s->tcp.min_rtt_us < m->min_rtt_us))
		m->min_rtt_us = s->tcp.min_rtt_us;
}

static void show_row(struct sampler *sampler, const struct nl_subflow *s, unsigned link)
{
	const struct paths_subflow row = {
		.token = s->token,
		.link = link,
		.local = s->local,
		.remote = s->remote,
		.local_port = s->local_port,
		.remote_port = s->remote_port,
		.backup = s->backup,
		.connected = s->connected,
		.rtt_us = s->tcp.rtt_us,
		.min_rtt_us = s->tcp.min_rtt_us,
		.segs = s->tcp.segs_out,
		.retrans = s->tcp.retrans,
		.sent = s->tcp.acked,
		.received = s->tcp.received,
	};

	if (sampler->total++ < PATHS_ROWS)
		nl_list_add(&sampler->rows, &row, sizeof(row));
}

static void begin(struct path_set *p, uint64_t now)
{
	p->sampler.rows.n = p->sampler.total = 0;
	for (unsigned i = 0; i < p->count; i++) {
		struct paths_sample *m = &p->links[i].sample;

		m->span_ms = p->sampler.at ? (uint32_t)((now - p->sampler.at) / NS_PER_MS) : 0;
		m->subflows = m->backups = 0;
		m->min_rtt_us = 0;
		m->span_sent = m->span_received = m->span_bonded = 0;
		m->span_segs = m->span_retrans = m->span_in = m->span_out_of_order = 0;
	}
}

static void end(struct path_set *p, const struct weighed *rtt, struct nl_list *counted, uint64_t now)
{
	struct sampler *s = &p->sampler;
	uint64_t moved = 0;

	for (unsigned i = 0; i < p->count; i++) {
		if (rtt[i].weight)
			p->links[i].sample.rtt_us = (uint32_t)(rtt[i].sum / rtt[i].weight);
		moved += rtt[i].weight;
	}
	s->next_ms = !s->total && !s->before.n ? SAMPLE_IDLE_MS : SAMPLE_MS;
	if (counted->n)
		qsort(counted->v, counted->n, sizeof(struct counted), by_cookie);
	nl_list_free(&s->before);
	s->before = *counted;
	if (s->at && moved * 1000 / MUCH > (now - s->at) / NS_PER_MS)
		s->next_ms = SAMPLE_SOON_MS;
	s->at = now;
	/* What a list took is seen to by find(). */
	s->least_ms = s->listed >= now ? 0 : (unsigned)((uv_hrtime() - now) * COST / NS_PER_MS);
}

/* Those of all that are ours. */
static void choose(const struct path_set *p, const struct nl_list *all, struct nl_list *out)
{
	const struct nl_subflow *s = all->v;

	for (unsigned i = 0, n; i < all->n; i += n) {
		for (n = 1; i + n < all->n && s[i + n].token == s[i].token; n++)
			;
		if (!are_ours(p, &s[i], n))
			continue;
		for (unsigned k = i; k < i + n; k++)
			if (link_of(p, &s[k].local) < p->count)
				nl_list_add(out, &s[k], sizeof(s[k]));
	}
}

/* Ours, as they are now. 0 or -errno. */
static int find(struct path_set *p, struct nl_list *out)
{
	struct sampler *s = &p->sampler;
	uint64_t begin = uv_hrtime(), since = begin - s->listed;
	struct nl_list all = { 0 };
	bool many = !s->known.n || s->known.n > FEW;
	int err;

	if (s->listed && !many && (since < COST * s->cost || (!s->stale && since < LIST_NS)))
		return subflows_again(&s->known, out);
	if (s->listed && since < COST * s->cost) {
		s->next_ms = 1 + (unsigned)((COST * s->cost - since) / NS_PER_MS);
		return -EAGAIN;
	}
	err = subflows_list(&all);
	if (!err) {
		choose(p, &all, out);
		s->stale = false;
		s->listed = begin;
		s->cost = uv_hrtime() - begin;
	}
	nl_list_free(&all);
	return err;
}

void sample_take(struct path_set *p)
{
	struct weighed rtt[MPGATE_MAX_LINKS] = { { 0 } };
	struct nl_list now_known = { 0 }, counted = { 0 };
	uint64_t now = uv_hrtime();
	const struct nl_subflow *s;

	p->sampler.next_ms = SAMPLE_MS;
	p->sampler.taken = find(p, &now_known) == 0;
	if (!p->sampler.taken) {
		nl_list_free(&now_known);
		return;
	}
	begin(p, now);
	s = now_known.v;
	for (unsigned i = 0; i < now_known.n; i++) {
		const struct counted c = count(&s[i]);
		unsigned link = link_of(p, &s[i].local);

		if (link == p->count)
			continue;
		add(p, &s[i], link, &rtt[link]);
		show_row(&p->sampler, &s[i], link);
		nl_list_add(&counted, &c, sizeof(c));
	}
	nl_list_free(&p->sampler.known);
	p->sampler.known = now_known;
	end(p, rtt, &counted, now);
}

void sample_forget(struct sampler *s)
{
	if (s->known.n > FEW)
		nl_list_free(&s->known);
}

void sample_free(struct sampler *s)
{
	nl_list_free(&s->before);
	nl_list_free(&s->known);
	nl_list_free(&s->rows);
}
