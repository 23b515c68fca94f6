// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/watch.h>

void watch_started(struct watch *w, uint64_t now, uint32_t answered)
{
	w->started = w->ticked = now;
	w->first = w->asked = answered;
	w->missed = 0;
	w->answered = false;
}

unsigned watch_ended(struct watch *w, uint64_t now)
{
	unsigned delay = WATCH_DELAY_MS;

	if (now - w->started >= WATCH_HEALTHY_MS)
		w->ends = 0;
	if (w->ends++ == 0)
		return 0;
	for (unsigned i = 2; i < w->ends && delay < WATCH_DELAY_MAX_MS; i++)
		delay *= 2;
	return delay < WATCH_DELAY_MAX_MS ? delay : WATCH_DELAY_MAX_MS;
}

enum watch_verdict watch_tick(struct watch *w, uint64_t now, uint32_t answered)
{
	bool late = now - w->ticked >= 2 * WATCH_PERIOD_MS;
	unsigned missed;

	w->ticked = now;
	if (answered == w->asked) {
		w->missed = 0;
		w->answered |= w->asked != w->first;
	} else if (!late) {
		w->missed++;
	}
	w->asked++;
	missed = w->answered ? w->missed : w->missed / WATCH_START;
	if (missed >= WATCH_DEAD)
		return WATCH_IS_DEAD;
	if (missed >= WATCH_HUNG)
		return WATCH_IS_HUNG;
	return missed >= WATCH_SILENT ? WATCH_IS_SILENT : WATCH_IS_WELL;
}
