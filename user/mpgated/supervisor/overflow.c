// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/overflow.h>

#include <string.h>

#define BYTES 125000ULL /* a second, of one Mbit/s */

static void remember(struct overflow_path *p, const struct overflow_view *v)
{
	bool forget = ++p->age_s >= OVERFLOW_MEMORY_S;

	for (unsigned d = 0; d < 2; d++) {
		if (forget)
			p->most[d] /= 2;
		if (v->rate[d] > p->most[d])
			p->most[d] = v->rate[d];
	}
	if (forget) {
		p->least_us += p->least_us / 4;
		p->age_s = 0;
	}
	if (v->rtt_us && (!p->least_us || v->rtt_us < p->least_us))
		p->least_us = v->rtt_us;
}

void overflow_look(struct overflow_path *p, const struct overflow_view *v)
{
	bool queue;

	remember(p, v);
	queue = v->rtt_us && v->rtt_us > 2 * (uint64_t)p->least_us + OVERFLOW_QUEUE_US;
	for (unsigned d = 0; d < 2; d++) {
		uint64_t near = p->most[d] * OVERFLOW_NEAR_PERCENT / 100;

		if (v->mbit[d])
			p->busy[d] = v->rate[d] >= v->mbit[d] * BYTES * OVERFLOW_FULL_PERCENT / 100;
		else
			p->busy[d] = queue && v->rate[d] >= OVERFLOW_LEAST && v->rate[d] >= near;
	}
}

/* All of them are, in one direction at least. */
static bool are_busy(const struct overflow_path *p, const struct overflow_view *v, unsigned n, uint64_t these)
{
	unsigned well = 0, busy = 0;

	for (unsigned i = 0; i < n; i++)
		if ((these >> i & 1) && v[i].well) {
			well++;
			busy += p[i].busy[0] || p[i].busy[1];
		}
	return well && busy == well;
}

/* What they can carry: as configured, else what they do now that they are full. */
static void note_capacity(struct overflow *o, const struct overflow_path *p, const struct overflow_view *v, unsigned n,
			  uint64_t these)
{
	memset(o->capacity, 0, sizeof(o->capacity));
	for (unsigned d = 0; d < 2; d++) {
		bool busy = false;
		uint64_t sum = 0;

		for (unsigned i = 0; i < n; i++)
			if ((these >> i & 1) && v[i].well) {
				busy |= p[i].busy[d];
				sum += v[i].mbit[d] ? v[i].mbit[d] * BYTES : v[i].rate[d];
			}
		o->capacity[d] = busy ? sum : 0;
	}
}

/* Could they carry all? */
static bool suffice(const struct overflow *o, const struct overflow_view *v, unsigned n, uint64_t paths)
{
	bool enough = true;

	for (unsigned d = 0; d < 2; d++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < n; i++)
			sum += paths >> i & 1 ? v[i].rate[d] : 0;
		enough &= !o->capacity[d] || sum < o->capacity[d] * OVERFLOW_FREE_PERCENT / 100;
	}
	return enough;
}

bool overflow_step(struct overflow *o, const struct overflow_path *p, const struct overflow_view *v, unsigned n,
		   uint64_t these, uint64_t others)
{
	bool turns = o->full ? suffice(o, v, n, these | others) : are_busy(p, v, n, these);

	o->seconds = turns ? o->seconds + 1 : 0;
	if (o->seconds < (o->full ? OVERFLOW_FREE_S : OVERFLOW_FULL_S))
		return false;
	o->full = !o->full;
	o->seconds = 0;
	if (o->full)
		note_capacity(o, p, v, n, these);
	return true;
}
