// SPDX-License-Identifier: GPL-2.0-or-later
/* What goes into the history (history.h), and what History says of it. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lib/addr.h>
#include <mpgated/answers/history.h>
#include <mpgated/answers/why.h>

#define NS_PER_MS 1000000
#define LOSS_OF 10000U
#define LOSS_LEAST 10U /* segments in a period: fewer say nothing */

/* A link that is a path, and what its counters were when its last sample was taken. */
struct watched {
	char link[16];
	struct history_path past;
	uint8_t now, worst; /* enum history_state; the latter: since then */
	bool counted;
	uint64_t at; /* ms */
	uint64_t bytes[2], carried, segs, retrans;
};

static struct watched watched[MPGATE_MAX_LINKS]; /* by index in the configuration; no name: no path */
static struct history_failures failures;
static uint64_t sampled; /* period */

/* It goes on while the machine sleeps, so that a night is not a minute. */
static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NS_PER_MS;
}

/* What is known of links stays with their names. */
static void rename_links(const struct supervisor *s)
{
	struct watched old[MPGATE_MAX_LINKS];
	bool same = true;

	for (unsigned i = 0; i < MPGATE_MAX_LINKS && same; i++) {
		bool path = i < s->cfg->link_count && s->cfg->links[i].role == CFG_PATH;

		same = !strcmp(watched[i].link, path ? s->cfg->links[i].name : "");
	}
	if (same)
		return;
	memcpy(old, watched, sizeof(old));
	memset(watched, 0, sizeof(watched));
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		struct watched *w = &watched[i];

		if (s->cfg->links[i].role != CFG_PATH)
			continue;
		for (unsigned k = 0; k < MPGATE_MAX_LINKS && !w->past.ring; k++)
			if (!strcmp(old[k].link, s->cfg->links[i].name)) {
				*w = old[k];
				old[k] = (struct watched){ 0 };
			}
		/* Without memory for it the path has no history. */
		if (!w->past.ring)
			history_path_open(&w->past);
		snprintf(w->link, sizeof(w->link), "%s", s->cfg->links[i].name);
	}
	for (unsigned k = 0; k < MPGATE_MAX_LINKS; k++)
		history_path_free(&old[k].past);
}

/* --- states, each second */

/* One family is enough. Of what is down, why has what is the matter, else it is empty. */
static enum history_state path_state(const struct supervisor *s, unsigned i, char *why, size_t size)
{
	bool good = false, unknown = false;
	char text[HISTORY_WHY];

	*why = '\0';
	for (unsigned f = 0; f < 2; f++) {
		enum why w = why_find(s, i, f, text, sizeof(text));

		good |= w >= WHY_PLAIN && w != WHY_UNKNOWN;
		unknown |= w == WHY_UNKNOWN;
		if (w < WHY_PLAIN && (!*why || w != WHY_NO_ADDRESS))
			snprintf(why, size, "%s", text);
	}
	if (!good && !unknown)
		return HISTORY_DOWN;
	*why = '\0';
	if (!good)
		return HISTORY_UNKNOWN;
	return paths_get(s->paths, i)->backup ? HISTORY_BACKUP : HISTORY_UP;
}

/* One more name behind those that are there; what does not fit is left out. */
static void add_name(char *names, size_t size, const char *name)
{
	size_t len = strlen(names);

	if (len + strlen(name) + sizeof(", ") <= size)
		snprintf(names + len, size - len, "%s%s", len ? ", " : "", name);
}

/* Paths that can carry what one has lost. */
static void other_paths(const struct supervisor *s, unsigned i, char names[HISTORY_TO])
{
	*names = '\0';
	for (unsigned k = 0; k < s->cfg->link_count; k++)
		if (k != i && *watched[k].link && (watched[k].now == HISTORY_UP || watched[k].now == HISTORY_BACKUP))
			add_name(names, HISTORY_TO, s->cfg->links[k].path);
}

/* Peers that take the place of one. */
static void other_peers(const struct supervisor *s, unsigned i, char names[HISTORY_TO])
{
	*names = '\0';
	for (unsigned g = 0; g < s->cfg->group_count; g++) {
		const struct cfg_group *group = &s->cfg->groups[g];
		bool member = false;

		for (unsigned k = 0; k < group->peer_count; k++)
			member |= group->peers[k] == i;
		for (unsigned k = 0; k < group->peer_count && member; k++) {
			const struct peer *p = &s->peers[s->peer_slot[group->peers[k]]];

			if (group->peers[k] != i && p->state == PEER_UP && !p->silent && !strstr(names, p->name))
				add_name(names, HISTORY_TO, p->name);
		}
	}
}

static void look_at_path(const struct supervisor *s, unsigned i, uint64_t now)
{
	const struct cfg_link *c = &s->cfg->links[i];
	char text[HISTORY_WHY], to[HISTORY_TO];
	enum history_state state = path_state(s, i, text, sizeof(text));
	enum paths_rank rank;
	const char *why = rank_why(s, i, &rank);

	if (state > watched[i].worst)
		watched[i].worst = (uint8_t)state;
	other_paths(s, i, to);
	if (state == HISTORY_DOWN)
		history_failing(&failures, HISTORY_PATH, c->path, c->name, "down", text, to, now);
	else if (why && rank == PATHS_RANK_BACKUP)
		history_failing(&failures, HISTORY_PATH, c->path, c->name, "backup", why, to, now);
	else if (why && rank == PATHS_RANK_PRIMARY && c->use != CFG_PRIMARY)
		history_failing(&failures, HISTORY_PATH, c->path, c->name, "primary", why, "", now);
}

static void look_at_peers(const struct supervisor *s, uint64_t now)
{
	for (unsigned i = 0; i < s->cfg->peer_count; i++) {
		const struct peer *p = &s->peers[s->peer_slot[i]];
		char to[HISTORY_TO];

		if (p->state != PEER_DOWN && !p->silent)
			continue;
		other_peers(s, i, to);
		if (p->state == PEER_DOWN)
			history_failing(&failures, HISTORY_PEER, p->name, "", "down", p->last_error, to, now);
		else
			history_failing(&failures, HISTORY_PEER, p->name, "", "silent", "no answer", to, now);
	}
}

/* --- figures, each period */

static uint32_t since(uint64_t before, uint64_t now, uint64_t ms)
{
	uint64_t rate = now > before && ms ? (now - before) * 1000 / ms : 0;

	return rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;
}

static void sample(const struct supervisor *s, unsigned i, uint64_t now)
{
	const struct paths_sample *m = paths_get_sample(s->paths, i);
	const char *name = s->cfg->links[i].name;
	struct watched *w = &watched[i];
	/* A reload renames those a moment later. */
	const struct cost_link *c = i < s->cost.count && !strcmp(s->cost.link[i].name, name) ? &s->cost.link[i] : NULL;
	struct history_sample h = { .state = w->worst, .loss = HISTORY_NO_LOSS };
	uint64_t carried = m->sent + m->received;

	for (unsigned d = 0; d < 2 && c; d++) {
		h.rate[d] = w->counted ? since(w->bytes[d], c->bytes[d], now - w->at) : 0;
		w->bytes[d] = c->bytes[d];
	}
	if (w->counted && m->segs >= w->segs + LOSS_LEAST && m->retrans >= w->retrans) {
		uint64_t loss = (m->retrans - w->retrans) * LOSS_OF / (m->segs - w->segs);

		h.loss = (uint16_t)(loss < LOSS_OF ? loss : LOSS_OF);
	}
	/* What connections found lately, else what probes did. */
	h.rtt_us = carried > w->carried ? m->rtt_us : 0;
	if (!h.rtt_us && w->worst != HISTORY_DOWN)
		h.rtt_us = ways_rtt(s, name, uv_now(&s->loop));
	w->counted = c != NULL;
	w->at = now;
	w->carried = carried;
	w->segs = m->segs;
	w->retrans = m->retrans;
	w->worst = HISTORY_NONE;
	if (w->past.ring)
		history_put(&w->past, now / HISTORY_PERIOD_MS, &h);
}

void history_look(void *supervisor)
{
	const struct supervisor *s = supervisor;
	uint64_t now = now_ms(), period = now / HISTORY_PERIOD_MS;
	char text[HISTORY_WHY];

	/* Not at the start, nor during a reload. */
	if (!s->paths || paths_count(s->paths) != s->cfg->link_count)
		return;
	rename_links(s);
	for (unsigned i = 0; i < s->cfg->link_count; i++)
		if (*watched[i].link)
			watched[i].now = (uint8_t)path_state(s, i, text, sizeof(text));
	history_look_begin(&failures);
	for (unsigned i = 0; i < s->cfg->link_count; i++)
		if (*watched[i].link)
			look_at_path(s, i, now);
	look_at_peers(s, now);
	if (s->watchdog.stopped)
		history_failing(&failures, HISTORY_DAEMON, "steering", "", "stopped",
				"steered SYNs do not reach the workers: connections go unbonded", "", now);
	history_look_end(&failures, now);
	for (unsigned i = 0; i < s->cfg->link_count && period != sampled; i++)
		if (*watched[i].link)
			sample(s, i, now);
	sampled = period;
}

/* --- the answer */

enum figure { UP, DOWN, RTT, LOSS, FIGURES };

static int64_t figure(const struct history_sample *h, enum figure f)
{
	if (h->state == HISTORY_NONE)
		return -1;
	switch (f) {
	case RTT:
		return h->rtt_us ? (int64_t)h->rtt_us : -1;
	case LOSS:
		return h->loss == HISTORY_NO_LOSS ? -1 : h->loss;
	default:
		return (int64_t)h->rate[f] * 8;
	}
}

static json_t *path_history(const struct supervisor *s, unsigned i)
{
	static const char *const names[FIGURES] = { [UP] = "up", [DOWN] = "down", [RTT] = "rtt_us", [LOSS] = "loss" };
	static const char *const states[] = { [HISTORY_NONE] = "none",
					      [HISTORY_UP] = "up",
					      [HISTORY_UNKNOWN] = "unknown",
					      [HISTORY_BACKUP] = "backup",
					      [HISTORY_DOWN] = "down" };
	const struct history_path *p = &watched[i].past;
	json_t *o = json_object(), *state = json_array();

	json_set_text(o, "name", s->cfg->links[i].path);
	json_set_text(o, "link", s->cfg->links[i].name);
	for (unsigned f = 0; f < FIGURES; f++) {
		json_t *all = json_array();

		for (unsigned k = 0; k < p->count; k++)
			json_array_append_new(all, json_integer(figure(history_get(p, k), (enum figure)f)));
		json_object_set_new(o, names[f], all);
	}
	for (unsigned k = 0; k < p->count; k++)
		json_array_append_new(state, json_string(states[history_get(p, k)->state]));
	json_object_set_new(o, "state", state);
	return o;
}

static json_t *failure(const struct history_failure *f, uint64_t now)
{
	static const char *const kinds[] = {
		[HISTORY_PATH] = "path", [HISTORY_PEER] = "peer", [HISTORY_DAEMON] = "daemon"
	};
	json_t *o = json_object();

	json_set_text(o, "about", kinds[f->kind]);
	json_set_text(o, "name", f->name);
	json_set_text(o, "link", f->link);
	json_set_text(o, "state", f->state);
	json_set_text(o, "why", f->why);
	json_set_text(o, "to", f->to);
	/* By the wall clock as it is now, whatever it was then. */
	json_set_int(o, "began", (uint64_t)time(NULL) - (now - f->began) / 1000);
	json_set_int(o, "seconds", ((f->ended ? f->ended : now) - f->began + 999) / 1000);
	json_object_set_new(o, "lasts", json_boolean(!f->ended));
	return o;
}

json_t *method_history(void *arg, const json_t *parameters, const char **error, char **why)
{
	const struct supervisor *s = arg;
	json_t *o = json_object(), *paths = json_array(), *failed = json_array();
	uint64_t now = now_ms();

	(void)parameters;
	(void)error;
	(void)why;
	for (unsigned i = 0; i < s->cfg->link_count; i++)
		if (*watched[i].link && !strcmp(watched[i].link, s->cfg->links[i].name))
			json_array_append_new(paths, path_history(s, i));
	for (unsigned i = failures.count; i-- > 0;)
		json_array_append_new(failed, failure(&failures.list[i], now));
	json_set_int(o, "period_s", HISTORY_PERIOD_MS / 1000);
	json_object_set_new(o, "paths", paths);
	json_object_set_new(o, "failures", failed);
	return o;
}
