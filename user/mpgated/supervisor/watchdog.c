// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does what is steered reach the workers? A firewall that writes marks in PREROUTING, or drops in INPUT, turns every
 * steered SYN into nothing, and the client waits for ever. The sign of it is a SYN that the client has to say again and
 * that no listener knows (steered-again), while workers accept nothing and the kernel does not say either that a
 * listener saw a handshake end early. Then nothing new is steered, and it is tried again after a while.
 *
 * No client has to find that out when a link comes: a packet of our own is tried first (delivery.c). A firewall may
 * treat that one in its own way, though. So when it fails, nothing is steered for the first pause only. Then clients
 * try: if they fail, too, tests are believed, and clients wait for one that works; if not, tests are not believed any
 * more.
 *
 * A SYN may arrive, and what the client says next not, where packets that come in are of another conntrack zone than
 * those that answer (paths/zones.c). Who looks at SYNs alone cannot tell that from clients that went away, so it is
 * believed only where there are such zones; when they go it is tried again at once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/supervisor/delivery.h>
#include <mpgated/supervisor/supervisor.h>

#define SYNS_LOST                                                                                                      \
	2 /* said again since all was well last: the second and third try of one client, 3 s after its first */
#define MUTE_CHECKS 2 /* in which no SYN becomes a connection */
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

/* Is steer attached to a lan link of this index, one that is up? */
static bool can_test(const struct supervisor *s, unsigned i)
{
	return s->cfg->links[i].role == CFG_LAN && s->ifindex[i] && s->attached[i].steer != HOOK_NONE &&
	       paths_get(s->paths, i)->up;
}

/* Tests all links, or with `fresh` those that were not tested since they came. False: none failed. */
static bool test_fails(struct supervisor *s, bool fresh)
{
	struct watchdog *w = &s->watchdog;
	bool fails = false;

	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		enum delivery d;

		if (!can_test(s, i) || (fresh && w->tested[i] == s->ifindex[i]))
			continue;
		d = delivery_test(s->dp, s->paths, s->ifindex[i], s->cfg->links[i].name);
		if (d != DELIVERY_UNKNOWN)
			w->tested[i] = s->ifindex[i];
		fails |= d == DELIVERY_FAILS;
	}
	w->failed = fails || (fresh && w->failed);
	return fails;
}

#define FIREWALL ": does a firewall write marks in PREROUTING, or drop in INPUT"

/* why: a question for the log, which says it once until it works again. */
static void stop(struct supervisor *s, const char *why)
{
	struct watchdog *w = &s->watchdog;

	if (!w->pause_s)
		log_error("%s? New connections go unbonded, or are reset where the rule says so", why);
	w->pause_s = !w->pause_s ? PAUSE_FIRST_S : w->pause_s * 2 < PAUSE_MOST_S ? w->pause_s * 2 : PAUSE_MOST_S;
	w->retry = uv_now(&s->loop) + w->pause_s * 1000ULL;
	w->stopped = datapath_set_undelivered(s->dp, true) == 0;
}

/* SYNs of clients came again. */
static void stop_for_clients(struct supervisor *s, uint64_t lost)
{
	char why[160];

	snprintf(why, sizeof(why), "%" PRIu64 " steered SYNs came again and no worker got them" FIREWALL, lost);
	s->watchdog.confirmed = test_fails(s, false);
	s->watchdog.refuted &= !s->watchdog.confirmed;
	stop(s, why);
}

static void resume(struct supervisor *s, uint64_t again, uint64_t steered)
{
	s->watchdog.again = again;
	s->watchdog.steered = steered;
	s->watchdog.zoned = false;
	s->watchdog.stopped = datapath_set_undelivered(s->dp, false) != 0;
}

static void stopped_check(struct supervisor *s, uint64_t again, uint64_t steered)
{
	struct watchdog *w = &s->watchdog;
	bool mended = w->zoned && !*paths_zones(s->paths);

	if (!mended && uv_now(&s->loop) < w->retry)
		return;
	if (test_fails(s, false) && w->confirmed)
		stop(s, "");
	else
		resume(s, again, steered);
}

static bool is_mute(struct supervisor *s, uint64_t steered, uint64_t taken)
{
	struct watchdog *w = &s->watchdog;

	if (taken != w->accepted || !*paths_zones(s->paths))
		w->steered = steered;
	w->mute = steered - w->steered >= SYNS_LOST ? w->mute + 1 : 0;
	return w->mute >= MUTE_CHECKS;
}

void watchdog_check(struct supervisor *s)
{
	struct watchdog *w = &s->watchdog;
	uint64_t counters[MPGATE_REASON_COUNT], taken = accepted(s), ended, again, steered;

	if (datapath_counters(s->dp, counters) < 0)
		return;
	again = counters[MPGATE_R_STEERED_AGAIN];
	steered = counters[MPGATE_R_STEERED] + counters[MPGATE_R_APPROVED];
	if (w->stopped) {
		stopped_check(s, again, steered);
		return;
	}
	if (!w->refuted && test_fails(s, true)) {
		stop(s, "a test packet that was steered did not reach its socket" FIREWALL);
		return;
	}
	if (is_mute(s, steered, taken)) {
		w->zoned = true;
		stop(s, "steered SYNs reach the workers and become no connections: is it the conntrack zones");
		return;
	}
	if (again == w->again && taken == w->accepted)
		return;
	ended = handshakes_ended();
	if (taken == w->accepted && ended == w->answered) {
		if (again - w->again >= SYNS_LOST)
			stop_for_clients(s, again - w->again);
		return;
	}
	if (taken != w->accepted && w->pause_s) {
		log_info("steered connections reach the workers again");
		w->pause_s = 0;
		w->refuted = w->failed && test_fails(s, false);
	}
	w->again = again;
	w->accepted = taken;
	w->answered = ended;
}
