// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does what is steered reach the workers? A firewall that writes marks in PREROUTING, or drops in INPUT, turns every
 * steered SYN into nothing, and the client waits for ever. The sign of it is a SYN that the client has to say again and
 * that no listener knows (steered-again), while workers accept nothing and the kernel does not say either that a
 * listener saw a handshake end early. Then nothing new is steered, and it is tried again after a while.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/supervisor/supervisor.h>

#define SYNS_LOST                                                                                                      \
	2 /* said again since all was well last: the second and third try of one client, 3 s after its first */
#define PAUSE_FIRST_S 30
#define PAUSE_MOST_S 600
#define NETSTAT_LINE 8192

/*
 * Handshakes that a listener began and that came to nothing: reset by the client, or answered with a cookie. Their SYNs
 * may come again, and did arrive. 0 when the kernel does not tell.
 */
static uint64_t handshakes_ended(void)
{
	static char names[NETSTAT_LINE], values[NETSTAT_LINE];
	FILE *f = fopen("/proc/self/net/netstat", "re");
	char *at_name = names, *at_value = values, *name, *value;
	uint64_t sum = 0;

	if (!f || !fgets(names, sizeof(names), f) || !fgets(values, sizeof(values), f))
		names[0] = '\0';
	if (f)
		fclose(f);
	while (names[0] && (name = strsep(&at_name, " ")) && (value = strsep(&at_value, " ")))
		if (!strcmp(name, "EmbryonicRsts") || !strcmp(name, "SyncookiesSent"))
			sum += strtoull(value, NULL, 10);
	return sum;
}

static uint64_t accepted(const struct supervisor *s)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->worker_count; i++)
		sum += s->shm->workers[i].steered;
	return sum;
}

static void stop(struct supervisor *s, uint64_t lost)
{
	struct watchdog *w = &s->watchdog;

	if (!w->pause_s)
		log_error("%" PRIu64 " steered SYNs came again and no worker got them: does a firewall write marks in "
			  "PREROUTING, or drop in INPUT? New connections go unbonded, or are reset where the rule says "
			  "so",
			  lost);
	w->pause_s = !w->pause_s ? PAUSE_FIRST_S : w->pause_s * 2 < PAUSE_MOST_S ? w->pause_s * 2 : PAUSE_MOST_S;
	w->retry = uv_now(&s->loop) + w->pause_s * 1000ULL;
	w->stopped = datapath_set_undelivered(s->dp, true) == 0;
}

static void resume(struct supervisor *s, uint64_t again)
{
	s->watchdog.again = again;
	s->watchdog.stopped = datapath_set_undelivered(s->dp, false) != 0;
}

void watchdog_check(struct supervisor *s)
{
	struct watchdog *w = &s->watchdog;
	uint64_t counters[MPGATE_REASON_COUNT], taken = accepted(s), ended, again;

	if (datapath_counters(s->dp, counters) < 0)
		return;
	again = counters[MPGATE_R_STEERED_AGAIN];
	if (w->stopped) {
		if (uv_now(&s->loop) >= w->retry)
			resume(s, again);
		return;
	}
	if (again == w->again && taken == w->accepted)
		return;
	ended = handshakes_ended();
	if (taken == w->accepted && ended == w->answered) {
		if (again - w->again >= SYNS_LOST)
			stop(s, again - w->again);
		return;
	}
	if (taken != w->accepted && w->pause_s) {
		log_info("steered connections reach the workers again");
		w->pause_s = 0;
	}
	w->again = again;
	w->accepted = taken;
	w->answered = ended;
}
