/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When a process that the supervisor started is hung, and how long it waits for its next start. Pure: the caller has
 * the clock (ms, monotonic, standing still while the machine sleeps), the signals and the processes.
 */
#ifndef MPGATED_WATCH_H
#define MPGATED_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define WATCH_PERIOD_MS 1000 /* from ping to ping */
#define WATCH_SILENT 2U /* pings without an answer: it gets no new work */
#define WATCH_HUNG 5U /* it is told to end and reset what it has */
#define WATCH_DEAD 8U /* it did not even do that */
#define WATCH_START 4U /* times as many until its first answer: it has to load first */
#define WATCH_HEALTHY_MS 60000 /* who lived that long has the crashes before forgiven */
#define WATCH_DELAY_MS 250 /* after the second end in a row, twice that after the third, ... */
#define WATCH_DELAY_MAX_MS 30000

enum watch_verdict { WATCH_IS_WELL, WATCH_IS_SILENT, WATCH_IS_HUNG, WATCH_IS_DEAD };

/* Starts as zero. */
struct watch {
	uint64_t started, ticked; /* ms */
	uint32_t first, asked; /* number before the first ping, of the last one */
	unsigned missed; /* pings in a row without an answer */
	unsigned ends; /* in a row, each after a short life */
	bool answered; /* it has answered one */
};

/* It starts now; `answered` is the number that stands where it will write its answers. */
void watch_started(struct watch *w, uint64_t now, uint32_t answered);
/* It ended now: ms to wait before the next start. */
unsigned watch_ended(struct watch *w, uint64_t now);
/*
 * To be called once a period, with the number of the ping that it answered last; the next ping has the number w->asked
 * then. A period in which we did not run in time ourselves (load, a machine that slept) is not held against it.
 */
enum watch_verdict watch_tick(struct watch *w, uint64_t now, uint32_t answered);

#endif
