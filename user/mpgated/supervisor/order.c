// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Over which paths connections had better not begin. What begins on a path that is slow beside another waits for the
 * other's join, and fills the slow one's queue meanwhile: half a second, which each transfer pays; and each short one
 * has the slow one alone. Nothing is made a backup for that. The order of the configuration and the main table is kept
 * otherwise.
 */
#include <mpgated/supervisor/quality.h>

#define SURE_MS 1000U /* slow is what brings less than a third for so long, */
#define SLOW 3U
#define EVEN 2U /* and no longer what brings half as much, and twice what it brought then */
#define FAR 3U /* times the round trip of another, without queues, and more than that by */
#define FARTHER_US 100000U
#define FAR_LOOKS 2U /* in a row, while it carries nothing: what it carries has a queue */
#define NEAR 2U /* no more than that any more */

/* The most that another brings, which has had the time to. */
static uint64_t most_of_others(const struct quality *q, const struct quality_view *v, unsigned n, unsigned i)
{
	uint64_t most = 0;

	for (unsigned k = 0; k < n; k++)
		if (k != i && quality_in_use(q, v, k) && q->link[k].carried_ms >= QUALITY_RISE_MS &&
		    q->link[k].rate > most)
			most = q->link[k].rate;
	return most;
}

static uint32_t nearest_of_others(const struct quality *q, const struct quality_view *v, unsigned n, unsigned i)
{
	uint32_t least = 0;

	for (unsigned k = 0; k < n; k++)
		if (k != i && quality_in_use(q, v, k) && q->link[k].base_us && (!least || q->link[k].base_us < least))
			least = q->link[k].base_us;
	return least;
}

static bool is_held(const struct quality_link *l, const struct paths_sample *m)
{
	return (l->base_us && m->rtt_us >= l->base_us + QUALITY_QUEUE_US) || m->span_retrans || m->span_out_of_order;
}

static void find_slow(struct quality_link *l, const struct paths_sample *m, uint64_t most)
{
	bool judged = l->carried_ms >= QUALITY_RISE_MS && most >= QUALITY_TRANSFER;

	if (judged && l->rate * SLOW < most) {
		l->less_ms += m->span_ms;
		l->held |= is_held(l, m);
		if (!l->slow && l->less_ms >= SURE_MS && l->held) {
			l->slow = true;
			l->brought = l->rate;
		}
	} else {
		l->less_ms = 0;
		l->held = false;
	}
	l->more_ms = judged && l->rate * EVEN >= most && l->rate >= l->brought * EVEN ? l->more_ms + m->span_ms : 0;
	l->slow &= l->more_ms < SURE_MS;
}

static void find_far(struct quality_link *l, uint32_t nearest)
{
	if (!l->base_us || !nearest)
		return;
	if (l->base_us < nearest * FAR || l->base_us < nearest + FARTHER_US)
		l->far_looks = 0;
	else if (!l->carried_ms && l->far_looks < FAR_LOOKS)
		l->far_looks++;
	l->far = l->far ? l->base_us >= nearest * NEAR : l->far_looks == FAR_LOOKS;
}

void quality_order(struct quality *q, const struct quality_view *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (!quality_in_use(q, v, i))
			continue;
		find_slow(&q->link[i], &v[i].sample, most_of_others(q, v, n, i));
		find_far(&q->link[i], nearest_of_others(q, v, n, i));
	}
}
