// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/health.h>

#include <stdio.h>
#include <string.h>

static bool same_path(const struct health_path *a, const struct health_path *b)
{
	return a->v6 == b->v6 && !strcmp(a->name, b->name) && !memcmp(&a->from, &b->from, sizeof(a->from));
}

int health_find(const struct health *h, unsigned address, const struct health_path *path)
{
	for (unsigned i = 0; i < h->count; i++)
		if (h->way[i].address == address && same_path(&h->way[i].path, path))
			return (int)i;
	return -1;
}

/* Appends one way, with what was known of it. */
static void add_way(struct health *h, const struct health *old, unsigned address, const struct health_path *path,
		    uint64_t now)
{
	struct health_way *w = &h->way[h->count];
	int known = health_find(old, address, path);

	if (h->count == HEALTH_WAYS)
		return;
	h->count++;
	if (known >= 0)
		*w = old->way[known];
	else
		*w = (struct health_way){ .address = (uint8_t)address, .next = now };
	w->path = *path;
}

void health_set_ways(struct health *h, const bool *v4, unsigned addresses, const struct health_path *paths,
		     unsigned path_count, uint64_t now)
{
	const struct health old = *h;

	h->count = 0;
	for (unsigned a = 0; a < addresses; a++) {
		/* So many for each that every address has some. */
		unsigned room = HEALTH_WAYS / addresses, before = h->count;

		for (unsigned i = 0; i < path_count && h->count - before < room; i++)
			if (paths[i].v6 != v4[a])
				add_way(h, &old, a, &paths[i], now);
		if (h->count == before)
			add_way(h, &old, a, &(struct health_path){ .v6 = !v4[a] }, now);
	}
}

void health_readdress(struct health *h, const int *to)
{
	unsigned n = 0;

	for (unsigned i = 0; i < h->count; i++) {
		struct health_way w = h->way[i];

		if (to[w.address] < 0)
			continue;
		w.address = (uint8_t)to[w.address];
		w.probing = false;
		h->way[n++] = w;
	}
	h->count = n;
}

static bool in_use(const struct health *h, uint64_t now)
{
	return h->used && now - h->used < HEALTH_USE_MS;
}

/* To its address; at another port than the own one only if that is used. */
static bool is_best(const struct health *h, unsigned way)
{
	bool spare = h->apart && h->way[way].address >= h->apart;

	return spare ? health_first(h) == (int)way : health_best(h, h->way[way].address) == (int)way;
}

/* What is between two probes, which on a slow link are much of what it carries. */
static uint64_t pause_of(const struct health_way *w, uint32_t usual_ms)
{
	uint64_t trips =
		HEALTH_TRIPS * (uint64_t)w->rtt_us / 1000; /* what takes longer waited for lost SYN data, or a CPU */
	uint64_t share = HEALTH_SHARE * (trips < w->took_ms ? trips : w->took_ms);

	share = share < HEALTH_BACKOFF_MAX_MS ? share : HEALTH_BACKOFF_MAX_MS;
	return share > usual_ms ? share : usual_ms;
}

/* When the probe of a way is due: what was planned, or earlier if the peer has come into use or is suspect. */
static uint64_t due(const struct health *h, unsigned i, uint64_t now)
{
	const struct health_way *w = &h->way[i];
	uint64_t at = w->next, soon = UINT64_MAX;

	if (w->suspect)
		soon = w->last + (!h->spare ? HEALTH_PAUSE_MS : w->vain ? HEALTH_PAUSE_MS / 2 : HEALTH_QUICK_MS);
	else if (in_use(h, now) && w->state == HEALTH_DOWN)
		soon = w->began + HEALTH_PAUSE_MS; /* its SYNs leave every second: it is used as soon as it answers */
	else if (in_use(h, now) && w->last)
		soon = w->last + pause_of(w, w->state == HEALTH_UP && is_best(h, i) ? HEALTH_BUSY_MS : HEALTH_SPARE_MS);
	/* All are: use is no reason to hurry, unless it is one of others while this one's clients are with them. */
	if (w->state == HEALTH_DOWN && !w->suspect && health_state(h) == HEALTH_DOWN)
		soon = h->spare && in_use(h, now) ? w->began + HEALTH_SPARE_MS : UINT64_MAX;
	return soon < at ? soon : at;
}

int health_due(const struct health *h, uint64_t now, uint64_t *next)
{
	*next = UINT64_MAX;
	for (unsigned i = 0; i < h->count; i++) {
		uint64_t at = due(h, i, now);

		if (h->way[i].probing)
			continue;
		if (at <= now)
			return (int)i;
		if (at < *next)
			*next = at;
	}
	return -1;
}

/* So long the next one may take, by the last one; 0: not known. */
static uint32_t allowed_ms(const struct health_way *w)
{
	uint64_t ms = HEALTH_TOOK * (uint64_t)w->took_ms;

	return ms < HEALTH_TOOK_MAX_MS ? (uint32_t)ms : HEALTH_TOOK_MAX_MS;
}

uint64_t health_patience(const struct health *h, unsigned way, uint64_t max)
{
	uint64_t ms = HEALTH_PATIENCE_MS, rtts = HEALTH_PATIENCE_RTTS * (uint64_t)h->way[way].rtt_us / 1000;
	uint32_t took = allowed_ms(&h->way[way]);

	max = took > max ? took : max;

	/* Without another way there is nothing to be gained, and a slow one may be all there is. */
	if (h->count < 2 || health_state(h) != HEALTH_UP || h->way[way].state == HEALTH_UNKNOWN)
		return max;
	/* It may have become slow rather than dead. */
	if (h->way[way].state == HEALTH_DOWN && h->way[way].probes % HEALTH_PATIENT_EACH == 0)
		return max;
	ms = rtts > ms ? rtts : ms;
	ms = took > ms ? took : ms;
	return ms < max ? ms : max;
}

bool health_tries_syn_data(const struct health *h, unsigned way)
{
	return h->way[way].syn_data != SYN_DATA_NO || !h->way[way].probes;
}

void health_begin(struct health *h, unsigned way, uint64_t now)
{
	h->way[way].probes = (uint8_t)((h->way[way].probes + 1) % HEALTH_SYN_DATA_EACH);
	h->way[way].began = now;
	h->way[way].probing = true;
	h->way[way].vain = h->way[way].suspect; /* so far */
	h->way[way].suspect = false;
}

static void end_syn_data(struct health_way *w, enum syn_data found)
{
	if (found == SYN_DATA_UNKNOWN)
		return;
	w->syn_data_lost = found == SYN_DATA_NO ? w->syn_data_lost + 1 : 0;
	if (found == SYN_DATA_YES || w->syn_data == SYN_DATA_NO || w->syn_data_lost >= HEALTH_SYN_DATA_LOST) {
		w->syn_data = (uint8_t)found;
		w->syn_data_lost = 0;
	} else {
		w->suspect = true; /* the next one is soon */
	}
	w->syn_data_sure = w->syn_data == found;
}

static void end_well(struct health_way *w, const struct health_result *r, uint64_t now)
{
	w->state = HEALTH_UP;
	w->rtt_us = r->rtt_us;
	w->took_ms = (uint32_t)(now - w->began);
	if (r->joins_known)
		w->joins = r->joins;
	w->backoff_ms = 0;
	w->next = now + pause_of(w, HEALTH_IDLE_MS);
	w->error[0] = '\0';
	if (!r->unsure)
		w->unsure = 0;
	else if (w->unsure < HEALTH_UNSURE)
		w->unsure++;
	w->suspect = r->unsure ? w->unsure < HEALTH_UNSURE : !r->plain_known; /* the next one tells */
	if (r->plain_known && !r->unsure)
		w->plain = r->plain;
	w->syn_data_sure = false;
	/* A SYN that got lost may have been lost for its data. */
	if (!r->unsure || r->syn_data == SYN_DATA_NO)
		end_syn_data(w, r->syn_data);
}

static void end_badly(struct health *h, struct health_way *w, const struct health_result *r, uint64_t now)
{
	bool was_up = w->state == HEALTH_UP;
	uint32_t longest;

	w->state = HEALTH_DOWN;
	w->trouble = (uint8_t)r->trouble;
	snprintf(w->error, sizeof(w->error), "%s", r->error);
	longest = health_state(h) == HEALTH_UP ? HEALTH_IDLE_MS : HEALTH_BACKOFF_MAX_MS;
	w->backoff_ms = w->backoff_ms ? 2 * w->backoff_ms : HEALTH_PAUSE_MS;
	if (w->backoff_ms > longest)
		w->backoff_ms = longest;
	w->next = now + w->backoff_ms;
	if (!was_up)
		return;
	/* What was taken for granted is looked at: the other ways may have gone with this one. */
	for (unsigned i = 0; i < h->count; i++)
		if (&h->way[i] != w)
			h->way[i].suspect = true;
}

void health_end(struct health *h, unsigned way, const struct health_result *r, uint64_t now)
{
	struct health_way *w = &h->way[way];

	if (!w->probing)
		w->began = now; /* and failed at once */
	w->probing = w->suspect = false;
	w->put_off = 0;
	w->last = now;
	w->answers = !r->error || r->answers;
	w->vain &= !r->error;
	h->complained &= !w->answers;
	if (r->error)
		end_badly(h, w, r, now);
	else
		end_well(w, r, now);
}

bool health_put_off(struct health *h, unsigned way, uint64_t now)
{
	struct health_way *w = &h->way[way];

	if (++w->put_off > HEALTH_PUT_OFF)
		return false;
	w->probing = w->suspect = false;
	w->last = now;
	w->next = now + HEALTH_PAUSE_MS;
	return true;
}

void health_used(struct health *h, uint64_t now)
{
	h->used = now;
}

void health_suspect(struct health *h, uint64_t now)
{
	h->used = now;
	/* While all are down nobody dials: what fails now was dialed before. */
	for (unsigned i = 0; i < h->count; i++)
		h->way[i].suspect |= health_state(h) != HEALTH_DOWN;
}

bool health_suspect_path(struct health *h, const char *link, uint64_t now)
{
	bool any = false;

	for (unsigned i = 0; in_use(h, now) && i < h->count; i++) {
		struct health_way *w = &h->way[i];

		if (w->state != HEALTH_UP || strcmp(w->path.name, link) != 0)
			continue;
		w->suspect = any = true;
	}
	return any;
}

void health_complain(struct health *h, uint64_t now)
{
	health_suspect(h, now);
	h->complained = h->spare;
}

uint32_t health_quick_ms(const struct health *h)
{
	int first = health_first(h);
	uint32_t ms = first < 0 ? 0 : HEALTH_QUICK_RTTS * (h->way[first].rtt_us / 1000);

	return ms > HEALTH_QUICK_MS ? ms : HEALTH_QUICK_MS;
}

uint32_t health_slow_ms(const struct health *h)
{
	int first = health_first(h);

	return first < 0 ? 0 : allowed_ms(&h->way[first]);
}

bool health_silent(const struct health *h, uint64_t now, uint64_t *next)
{
	uint32_t quick = health_quick_ms(h);
	uint64_t late = 0;

	*next = UINT64_MAX;
	if (!h->spare || !h->complained || health_state(h) != HEALTH_UP)
		return false;
	for (unsigned i = 0; i < h->count; i++) {
		const struct health_way *w = &h->way[i];

		if (w->state != HEALTH_UP)
			continue;
		if (!w->probing)
			return false;
		late = w->began + quick > late ? w->began + quick : late;
	}
	if (late > now)
		*next = late;
	return late <= now;
}

int health_best(const struct health *h, unsigned address)
{
	int best = -1;

	for (unsigned i = 0; i < h->count; i++) {
		if (h->way[i].address != address || h->way[i].state != HEALTH_UP)
			continue;
		if (!h->way[i].plain)
			return (int)i;
		if (best < 0)
			best = (int)i;
	}
	return best;
}

int health_second(const struct health *h, unsigned address)
{
	int best = health_best(h, address);

	for (unsigned i = 0; best >= 0 && i < h->count; i++) {
		const struct health_way *w = &h->way[i];

		if (w->address == address && w->state == HEALTH_UP && !w->plain &&
		    !same_path(&w->path, &h->way[best].path))
			return (int)i;
	}
	return -1;
}

uint32_t health_late_ms(const struct health *h, unsigned way)
{
	uint32_t ms = h->way[way].rtt_us / 1000 * 3 / 2 + HEALTH_LATE_MS;

	return ms < HEALTH_LATE_MOST_MS ? ms : HEALTH_LATE_MOST_MS;
}

/* What a connection to an address would have. */
struct bond {
	unsigned primaries, all; /* ways that are up and bond; the second with backups */
	unsigned best; /* of the paths, which are in their order: the first of those ways */
};

static struct bond bond_of(const struct health *h, unsigned address)
{
	struct bond b = { 0 };
	unsigned path = 0;

	for (unsigned i = 0; i < h->count; i++) {
		const struct health_way *w = &h->way[i];

		if (w->address != address)
			continue;
		if (w->state == HEALTH_UP && !w->plain) {
			b.best = b.all ? b.best : path;
			b.all++;
			b.primaries += !w->path.backup;
		}
		path++;
	}
	return b;
}

static bool is_better(const struct bond *a, const struct bond *b)
{
	if (a->primaries != b->primaries)
		return a->primaries > b->primaries;
	return a->all != b->all ? a->all > b->all : a->best < b->best;
}

/* The best way to the same address at the port where most bonds. */
static int at_best_port(const struct health *h, int way)
{
	struct bond most = bond_of(h, h->way[way].address);
	unsigned from = h->apart ? h->way[way].address % h->apart : 0;

	for (unsigned a = from; h->apart && a < CFG_PEER_ENDS; a += h->apart) {
		const struct bond b = bond_of(h, a);

		if (!b.all || !is_better(&b, &most))
			continue;
		most = b;
		way = health_best(h, a);
	}
	return way;
}

int health_first(const struct health *h)
{
	int best = -1;

	for (unsigned i = 0; i < h->count; i++) {
		int b = health_best(h, h->way[i].address);

		if (b >= 0 && (best < 0 || (h->way[best].plain && !h->way[b].plain)))
			best = b;
	}
	return best < 0 ? best : at_best_port(h, best);
}

bool health_joins(const struct health *h, unsigned address)
{
	for (unsigned i = 0; i < h->count; i++)
		if (h->way[i].address == address && h->way[i].joins && h->way[i].state == HEALTH_UP)
			return true;
	return false;
}

enum health_state health_state(const struct health *h)
{
	unsigned n[3] = { 0 };

	for (unsigned i = 0; i < h->count; i++)
		n[h->way[i].state]++;
	return n[HEALTH_UP] ? HEALTH_UP : n[HEALTH_DOWN] && !n[HEALTH_UNKNOWN] ? HEALTH_DOWN : HEALTH_UNKNOWN;
}

enum health_state health_of_path(const struct health *h, const char *name, bool v6)
{
	unsigned n[3] = { 0 };

	for (unsigned i = 0; i < h->count; i++)
		if (h->way[i].path.v6 == v6 && !strcmp(h->way[i].path.name, name))
			n[h->way[i].answers ? HEALTH_UP : h->way[i].state]++;
	return n[HEALTH_UP] ? HEALTH_UP : n[HEALTH_DOWN] && !n[HEALTH_UNKNOWN] ? HEALTH_DOWN : HEALTH_UNKNOWN;
}

uint32_t health_path_rtt_us(const struct health *h, const char *name, bool v6)
{
	uint32_t most = 0;

	for (unsigned i = 0; i < h->count; i++) {
		const struct health_way *w = &h->way[i];

		if (w->state == HEALTH_UP && w->path.v6 == v6 && !strcmp(w->path.name, name) && w->rtt_us > most)
			most = w->rtt_us;
	}
	return most;
}

uint32_t health_syn_timeout_s(uint32_t rtt_us)
{
	uint64_t us = HEALTH_SYN_RTTS * (uint64_t)rtt_us;
	uint64_t s = (us + 999999U) / 1000000U;

	return s <= 1 ? 0 : s < HEALTH_SYN_MAX_S ? (uint32_t)s : HEALTH_SYN_MAX_S;
}
