// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/quality.h>

#include <stdio.h>
#include <string.h>

#define SMOOTH_MS 1000U
#define STEADY_MS 2000U /* so long it lasts before something is tried out */
/* Suspect: beside another path it takes so many times as long and so much more, or takes longer and brings one part of
 * so many; and it has a queue, or loses something. */
#define TIMES_LONGER 3U
#define LONGER_US 20000U
#define LESSER 4U
#define MOST                                                                                                           \
	75U /* per cent of all: what brings that holds up nothing, though its queue may be long beside one that is     \
	       paced */
#define RISE_TRIPS 10U /* round trips until a far one brings what it can: nobody is suspected before */
#define SUSPECT_MS 1450U /* what is given to it in the beginning of a transfer is mended by `pace` in that time */
/* Of a test: what was on its way is waited for; then it is measured. */
#define SETTLE_MS 1000U
#define TRIAL_SETTLE_MS 500U /* what is slow shows at once */
#define PROOF_MS 1500U
#define TRIAL_MS 2500U
#define EARLY_MS 450U /* a trial that makes things worse ends by then; much worse: at once */
#define WAIT_MS 10000U /* for a transfer that goes on */
#define END_MS 700U /* when so long little is carried, the one that a proof was for has ended */
#define TRIAL_PAUSE_MS 20000U /* between tests of a path, at first: each may cost some seconds */
#define PAUSE_MS 10000U /* of a path that is no test's affair, at first */
#define PAUSE_MOST_MS 300000U
#define ACQUIT_MS 60000U /* not suspected again, at first */
#define FORGET_MS 600000U /* so long good, it begins with the first pause again */
/* Per cent. */
#define SAME 97U /* nothing is lost */
#define GAIN 102U
#define WORSE 90U
#define MUCH_WORSE 70U
#define LOSS 10U
#define LOSS_SEGS 100U /* until loss is judged */
#define LOSS_QUEUE_US 50000U /* more is a queue, which may be its own transfer's */
#define BLOAT_US 500000U /* a queue that no transfer needs */
#define BLOAT_BASES 8U /* nor one of a link on which a packet takes seconds */
#define BLOAT_MS 3000U
#define BLOAT_TIMES 4U /* beside another path */
#define CALM_US 100000U /* the queue is gone */

/* --- what is seen */

static uint64_t smooth(uint64_t was, uint64_t bytes, uint32_t span_ms)
{
	uint64_t now = bytes * 1000 / span_ms, part = span_ms < SMOOTH_MS ? span_ms : SMOOTH_MS;

	return (was * (SMOOTH_MS - part) + now * part) / SMOOTH_MS;
}

static uint64_t moved(const struct quality_view *v)
{
	return v->sample.span_bonded;
}

/* Of all paths that can be used. */
static uint64_t total(const struct quality_view *v, unsigned n)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++)
		if (v[i].candidate)
			sum += moved(&v[i]);
	return sum;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return !a || (b && b < a) ? b : a;
}

static uint32_t queue_us(const struct quality_link *l, const struct quality_view *v)
{
	return l->base_us && v->sample.rtt_us > l->base_us ? v->sample.rtt_us - l->base_us : 0;
}

/* The round trip now, if something tells it: 0. */
static uint32_t round_trip(const struct quality_view *v)
{
	uint32_t rtt = moved(v) ? v->sample.rtt_us : 0;

	return rtt > v->probe_us ? rtt : v->probe_us;
}

static unsigned used(const struct quality *q, const struct quality_view *v, unsigned n)
{
	unsigned count = 0;

	for (unsigned i = 0; i < n; i++)
		count += quality_in_use(q, v, i);
	return count;
}

/* What is known of links stays with their names. */
static void rename_links(struct quality *q, const struct quality_view *v, unsigned n)
{
	bool same = q->count == n;
	struct quality old;

	for (unsigned i = 0; i < n && same; i++)
		same = !strcmp(q->link[i].link, v[i].link);
	if (same)
		return;
	old = *q;
	memset(q, 0, sizeof(*q));
	q->count = n;
	q->rate = old.rate;
	for (unsigned i = 0; i < n; i++) {
		for (unsigned k = 0; k < old.count; k++) {
			if (strcmp(old.link[k].link, v[i].link) != 0)
				continue;
			q->link[i] = old.link[k];
			/* A test is not worth being carried over. */
			if (old.tested == (int)k + 1)
				q->link[i].state = QUALITY_GOOD;
		}
		snprintf(q->link[i].link, sizeof(q->link[i].link), "%s", v[i].link);
	}
}

/* How long it is so already. A span may be long, and what begins in it began just before its end. */
static void count(uint32_t *ms, bool is, uint32_t span)
{
	*ms = !is ? 0 : *ms ? *ms + span : 1;
}

static bool is_near(uint64_t rate, uint64_t mean)
{
	return rate * 4 >= mean * 3 && rate * 4 <= mean * 5;
}

static void look(struct quality *q, const struct quality_view *v, unsigned n, uint64_t now)
{
	uint32_t span = v[0].sample.span_ms;
	uint64_t all = total(v, n);

	for (unsigned i = 0; i < n; i++) {
		struct quality_link *l = &q->link[i];

		/* It comes back as another one, perhaps. */
		if (v[i].candidate && !l->was_candidate) {
			l->base_us = l->pause_ms = l->carried_ms = l->less_ms = l->far_looks = 0;
			l->slow = l->far = false;
			l->until = now;
		}
		l->was_candidate = v[i].candidate;
		l->base_us = least(least(l->base_us, v[i].sample.min_rtt_us), v[i].probe_us);
		l->rate = smooth(l->rate, moved(&v[i]), span);
		count(&l->carried_ms, moved(&v[i]), span);
		/* What a transfer loses may be its own doing, and what it brings counts. */
		if (l->rate >= QUALITY_TRANSFER)
			continue;
		l->segs += v[i].sample.span_segs;
		l->retrans += v[i].sample.span_retrans;
	}
	count(&q->busy_ms, all * 1000 >= (uint64_t)QUALITY_TRANSFER * span, span);
	if (all * 1000 >= (uint64_t)QUALITY_TRANSFER * span && is_near(all * 1000 / span, q->rate))
		q->steady_ms += span;
	else
		q->steady_ms = 0;
	q->rate = smooth(q->rate, all, span);
}

/* --- what is made of it */

static void rest(struct quality_link *l, uint64_t now, uint32_t ms)
{
	l->until = now + ms;
	l->ended = now;
	l->suspect_ms = l->bloated_ms = l->segs = l->retrans = 0;
}

static void pause_longer(struct quality_link *l, uint64_t now, uint32_t first)
{
	if (l->pause_ms < first || now - l->ended > FORGET_MS)
		l->pause_ms = first;
	else
		l->pause_ms = l->pause_ms < PAUSE_MOST_MS / 2 ? 2 * l->pause_ms : PAUSE_MOST_MS;
	rest(l, now, l->pause_ms);
}

static void begin(struct quality *q, unsigned i, enum quality_state state, uint64_t before, uint64_t now)
{
	q->link[i].state = state;
	q->tested = (int)i + 1;
	q->before = before;
	q->began = q->lasted = now;
	q->bytes = q->settled_ms = q->measured_ms = 0;
}

static void finish(struct quality *q, struct quality_link *l, enum quality_state state, uint64_t now)
{
	bool acquitted = l->state == QUALITY_PROOF && state == QUALITY_GOOD;

	if (l->state == QUALITY_TRIAL && state == QUALITY_GOOD)
		l->until = now + PAUSE_MS / 4;
	else
		pause_longer(l, now, acquitted ? ACQUIT_MS : TRIAL_PAUSE_MS);
	l->state = state;
	l->plain = false;
	q->tested = 0;
}

/* The path is of no use beside one of the others, by the looks of it. */
static bool looks_bad(const struct quality *q, const struct quality_view *v, unsigned n, unsigned i)
{
	const struct quality_link *l = &q->link[i];
	const struct paths_sample *m = &v[i].sample;
	bool bad = false;

	if (l->rate * 100 >= q->rate * MOST || l->carried_ms < (uint64_t)RISE_TRIPS * l->base_us / 1000)
		return false;
	if (l->carried_ms <= 1 || (queue_us(l, &v[i]) < QUALITY_QUEUE_US && !m->span_retrans && !m->span_out_of_order))
		return false;
	for (unsigned k = 0; k < n; k++) {
		/* Where rules have but one path carry something nothing is bonded. */
		if (k == i || !quality_in_use(q, v, k) || q->link[k].rate < QUALITY_TRANSFER ||
		    q->link[k].carried_ms <= 1)
			continue;
		bad |= m->rtt_us >= TIMES_LONGER * v[k].sample.rtt_us + LONGER_US;
		bad |= m->rtt_us > v[k].sample.rtt_us && l->carried_ms >= QUALITY_RISE_MS &&
		       l->rate * LESSER < q->link[k].rate;
	}
	return bad;
}

static void suspect(struct quality *q, const struct quality_view *v, unsigned n, unsigned i, uint64_t now)
{
	struct quality_link *l = &q->link[i];

	if (!looks_bad(q, v, n, i)) {
		l->suspect_ms = l->suspect_bytes = 0;
		return;
	}
	l->suspect_ms += v[i].sample.span_ms;
	l->suspect_bytes += total(v, n);
	/* Short transfers are not worth a test, and would not be there at its end. */
	if (q->tested || l->suspect_ms < SUSPECT_MS || q->busy_ms < STEADY_MS || now < l->until)
		return;
	snprintf(l->why, sizeof(l->why), "bonding loses by it: %.1f of %.1f Mbit/s, round trip %u ms",
		 (double)l->rate * 8 / 1e6, (double)q->rate * 8 / 1e6, v[i].sample.rtt_us / 1000);
	begin(q, i, QUALITY_PROOF, l->suspect_bytes * 1000 / l->suspect_ms, now);
}

/* Another path that is in use, with no more than that part of its loss, or round trip. */
static bool other_is_better(const struct quality *q, const struct quality_view *v, unsigned n, unsigned i, bool loss)
{
	const struct quality_link *l = &q->link[i], *o;
	bool better = false;

	for (unsigned k = 0; k < n; k++) {
		o = &q->link[k];
		if (k == i || !quality_in_use(q, v, k))
			continue;
		if (loss)
			better |= (uint64_t)o->retrans * l->segs * 2 <= (uint64_t)l->retrans * o->segs;
		else
			better |= round_trip(&v[k]) && round_trip(&v[k]) * BLOAT_TIMES <= round_trip(&v[i]);
	}
	return better;
}

static void demote(struct quality_link *l, uint64_t now)
{
	pause_longer(l, now, PAUSE_MS);
	l->state = QUALITY_BACKUP;
	l->plain = true;
	l->least = 0;
}

static void judge_loss(struct quality *q, const struct quality_view *v, unsigned n, unsigned i, uint64_t now)
{
	struct quality_link *l = &q->link[i];
	uint32_t segs = l->segs, retrans = l->retrans;

	if (segs < LOSS_SEGS)
		return;
	if (retrans * 100 >= segs * LOSS && queue_us(l, &v[i]) < LOSS_QUEUE_US && other_is_better(q, v, n, i, true)) {
		snprintf(l->why, sizeof(l->why), "lossy: %u of %u segments were lost", retrans, segs);
		demote(l, now);
	}
	l->segs /= 2;
	l->retrans /= 2;
}

static void judge_bloat(struct quality *q, const struct quality_view *v, unsigned n, unsigned i, uint64_t now)
{
	struct quality_link *l = &q->link[i];
	uint32_t rtt = round_trip(&v[i]);
	uint64_t queue = (uint64_t)l->base_us * BLOAT_BASES;
	bool bloated;

	if (queue < BLOAT_US)
		queue = BLOAT_US;
	bloated = l->base_us && rtt > l->base_us + queue && other_is_better(q, v, n, i, false);
	count(&l->bloated_ms, bloated, v[i].sample.span_ms);
	if (l->bloated_ms < BLOAT_MS)
		return;
	snprintf(l->why, sizeof(l->why), "bloated: round trip %u ms, %u without its queue", rtt / 1000,
		 l->base_us / 1000);
	demote(l, now);
}

/* It may come back. */
static void reconsider(struct quality *q, const struct quality_view *v, unsigned i, uint64_t now)
{
	struct quality_link *l = &q->link[i];
	bool calm = !v[i].probe_us || v[i].probe_us < l->base_us + CALM_US;

	if (l->plain) {
		if (now < l->until || !calm)
			return;
		l->state = QUALITY_GOOD;
		l->segs = l->retrans = 0;
		return;
	}
	if (q->tested || q->steady_ms < STEADY_MS)
		return;
	/* With so much less than there was, much has changed. */
	if (now >= l->until || (q->rate < l->least / 2 && now >= l->ended + TRIAL_PAUSE_MS))
		begin(q, i, QUALITY_TRIAL, q->rate, now);
}

/* --- a test */

static void go_on(struct quality *q, const struct quality_view *v, unsigned n, uint64_t now)
{
	struct quality_link *l = &q->link[q->tested - 1];
	bool trial = l->state == QUALITY_TRIAL;
	uint32_t span = v[0].sample.span_ms;
	uint64_t all = total(v, n), rate;

	/* The others have gone, or the transfer has: it says nothing, and the next one is no later for it. */
	if (!v[q->tested - 1].candidate || used(q, v, n) < (trial ? 2U : 1U) || now - q->began > WAIT_MS ||
	    (!trial && now - q->lasted > END_MS)) {
		rest(l, now, trial && l->pause_ms > PAUSE_MS ? l->pause_ms : PAUSE_MS);
		l->state = trial ? QUALITY_BACKUP : QUALITY_GOOD;
		q->tested = 0;
		return;
	}
	if (all * 8000 >= q->before * span) {
		q->lasted = now;
	} else {
		q->bytes = q->settled_ms = q->measured_ms = 0;
		if (trial) {
			/* The next transfer is another one. */
			l->state = QUALITY_BACKUP;
			l->until = now + l->pause_ms;
			q->tested = 0;
		}
		return;
	}
	if (q->settled_ms < (trial ? TRIAL_SETTLE_MS : SETTLE_MS)) {
		q->settled_ms += span;
		return;
	}
	q->bytes += all;
	q->measured_ms += span;
	rate = q->bytes * 1000 / q->measured_ms;
	if (!trial && q->measured_ms >= PROOF_MS) {
		l->least = rate;
		finish(q, l, rate * 100 >= q->before * SAME ? QUALITY_BACKUP : QUALITY_GOOD, now);
	} else if (trial && rate * 100 < q->before * (q->measured_ms < EARLY_MS ? MUCH_WORSE : WORSE)) {
		l->least = q->before;
		l->pause_ms *= 2; /* it cost something: the next one is later still */
		finish(q, l, QUALITY_BACKUP, now);
	} else if (trial && q->measured_ms >= TRIAL_MS) {
		l->least = q->before;
		finish(q, l, rate * 100 >= q->before * GAIN ? QUALITY_GOOD : QUALITY_BACKUP, now);
	}
}

void quality_step(struct quality *q, const struct quality_view *v, unsigned n, uint64_t now)
{
	rename_links(q, v, n);
	if (!n || !v[0].sample.span_ms)
		return;
	look(q, v, n, now);
	quality_order(q, v, n);
	if (q->tested)
		go_on(q, v, n, now);
	for (unsigned i = 0; i < n; i++) {
		struct quality_link *l = &q->link[i];

		if (l->state == QUALITY_BACKUP)
			reconsider(q, v, i, now);
		if (l->state != QUALITY_GOOD || !v[i].candidate || used(q, v, n) < 2)
			continue;
		suspect(q, v, n, i, now);
		if (l->state == QUALITY_GOOD)
			judge_loss(q, v, n, i, now);
		if (l->state == QUALITY_GOOD)
			judge_bloat(q, v, n, i, now);
	}
}
