// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/supervisor/cost.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lib/fields.h>
#include <lib/log.h>
#include <mpgated/supervisor/supervisor.h>

#define PERIOD_MS 1000U
#define SAVE_MS 60000U /* at most so often */
#define MIB (1ULL << 20)
#define DELAY_PERCENT 20U /* a round trip that differs by less is the same, */
#define DELAY_LEAST_US 2000U /* or by less than that */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* --- links */

/* What is known of links stays with their names. */
static void rename_links(struct supervisor *s)
{
	struct cost *c = &s->cost;
	bool same = c->count == s->cfg->link_count;
	struct cost_link old[MPGATE_MAX_LINKS];
	unsigned count = c->count;

	for (unsigned i = 0; i < c->count && same; i++)
		same = !strcmp(c->link[i].name, s->cfg->links[i].name);
	if (same)
		return;
	memcpy(old, c->link, sizeof(old));
	memset(c->link, 0, sizeof(c->link));
	c->count = s->cfg->link_count;
	for (unsigned i = 0; i < c->count; i++) {
		for (unsigned k = 0; k < count; k++)
			if (!strcmp(old[k].name, s->cfg->links[i].name))
				c->link[i] = old[k];
		snprintf(c->link[i].name, sizeof(c->link[i].name), "%s", s->cfg->links[i].name);
	}
}

/* What an interface has counted since the last time, and while we did not run. */
static void count_link(struct supervisor *s, unsigned i, uint64_t rx, uint64_t tx, uint64_t ms)
{
	const struct cfg_link *cfg = &s->cfg->links[i];
	unsigned ifindex = paths_get(s->paths, i)->ifindex;
	struct cost_link *l = &s->cost.link[i];
	const struct usage_counter now = { .ifindex = ifindex, .rx = rx, .tx = tx };
	uint64_t bytes[2];

	if (!ifindex)
		return;
	usage_count(&s->cost.usage, cfg->name, &now, &bytes[OVERFLOW_UP], &bytes[OVERFLOW_DOWN]);
	for (unsigned d = 0; d < 2; d++) {
		/* What was carried meanwhile is no rate. */
		l->rate[d] = l->counted && ms ? bytes[d] * 1000 / ms : 0;
		l->bytes[d] += l->counted ? bytes[d] : 0;
	}
	l->counted = true;
	if (!bytes[0] && !bytes[1])
		return;
	usage_add(&s->cost.usage, USAGE_PATH, cfg->path, s->cost.usage.last, bytes[OVERFLOW_UP], bytes[OVERFLOW_DOWN]);
	s->cost.dirty = true;
}

/* From /proc: it takes no lock of links. */
static void count_links(struct supervisor *s, uint64_t ms)
{
	bool seen[MPGATE_MAX_LINKS] = { false };
	FILE *f = fopen("/proc/self/net/dev", "re");
	char line[512], *field[10];
	uint64_t rx, tx;

	while (f && fgets(line, sizeof(line), f)) {
		/* Behind what was received: packets, errs, drop, fifo, frame, compressed, multicast. */
		if (fields_split(line, " :\n", field, 10) < 10 || !fields_number(field[1], 10, UINT64_MAX, &rx) ||
		    !fields_number(field[9], 10, UINT64_MAX, &tx))
			continue;
		for (unsigned i = 0; i < s->cfg->link_count; i++) {
			if (s->cfg->links[i].role != CFG_PATH || strcmp(s->cfg->links[i].name, field[0]) != 0)
				continue;
			count_link(s, i, rx, tx, ms);
			seen[i] = true;
		}
	}
	if (f)
		fclose(f);
	for (unsigned i = 0; i < s->cost.count; i++)
		if (!seen[i])
			s->cost.link[i].rate[0] = s->cost.link[i].rate[1] = 0;
}

/* --- rules */

static void count_rules(struct supervisor *s)
{
	for (unsigned id = 0; id < s->rule_count && id < MPGATE_MAX_RULES; id++) {
		uint64_t bytes[2] = { 0 }, *before = s->cost.rule_bytes[id];

		for (unsigned w = 0; w < s->worker_count; w++)
			for (unsigned d = 0; d < 2; d++)
				bytes[d] += __atomic_load_n(&s->shm->rule_bytes[w][id][d], __ATOMIC_RELAXED);
		/* A worker can write anything. */
		if (bytes[0] < before[0] || bytes[1] < before[1] || bytes[0] > INT64_MAX || bytes[1] > INT64_MAX ||
		    (bytes[0] == before[0] && bytes[1] == before[1]))
			continue;
		usage_add(&s->cost.usage, USAGE_RULE, s->rules[id], s->cost.usage.last, bytes[0] - before[0],
			  bytes[1] - before[1]);
		before[0] = bytes[0];
		before[1] = bytes[1];
		s->cost.dirty = true;
	}
}

/* --- quota */

uint64_t cost_used(const struct supervisor *s, unsigned link, uint32_t *again)
{
	const struct cfg_link *c = &s->cfg->links[link];
	uint32_t day = s->cost.usage.last;

	*again = day ? usage_next_month(day, c->quota_day) : 0;
	return usage_since(&s->cost.usage, USAGE_PATH, c->path, day ? usage_month(day, c->quota_day) : 0);
}

static void look_at_quotas(struct supervisor *s)
{
	for (unsigned i = 0; i < s->cost.count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];
		struct cost_link *l = &s->cost.link[i];
		uint64_t quota = c->quota_mib * MIB;
		char why[RANK_WHY], until[24] = "";
		uint32_t again;
		bool spent = quota && cost_used(s, i, &again) >= quota;

		if (spent == l->spent)
			continue;
		l->spent = spent;
		if (spent && again)
			snprintf(until, sizeof(until), " until %u-%02u-%02u", again / 10000, again / 100 % 100,
				 again % 100);
		snprintf(why, sizeof(why), "its quota of %u MiB is used up%s", c->quota_mib, until);
		if (!spent)
			log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PATH, c->name }),
				 "path %s: its quota is not used up any more", c->path);
		rank_set(s, i, RANK_QUOTA, spent ? PATHS_RANK_BACKUP : PATHS_RANK_USE, why);
	}
}

/* A hub whose paths have all used up their quotas is full: gateways go elsewhere, as when it is drained. */
static void look_at_hub(struct supervisor *s)
{
	unsigned paths = 0, spent = 0;
	bool full, was = s->shm->draining & DRAIN_QUOTA;

	for (unsigned i = 0; i < s->cost.count; i++) {
		paths += s->cfg->links[i].role == CFG_PATH;
		spent += s->cost.link[i].spent;
	}
	full = paths && spent == paths && (s->cfg->convert.listening || s->cfg->transparent.accept);
	if (full == was)
		return;
	s->shm->draining = (s->shm->draining & ~DRAIN_QUOTA) | (full ? DRAIN_QUOTA : 0);
	log_info("quota: new requests are %s", full ? "told to go elsewhere" : "taken again");
}

/* --- overflow, and what rules go by that say how they use paths */

static bool has_steer(const struct supervisor *s, enum cfg_steer steer)
{
	for (unsigned i = 0; i < s->cfg->rule_count; i++)
		if (s->cfg->rules[i].steer == steer)
			return true;
	return false;
}

static bool is_well(const struct supervisor *s, unsigned i)
{
	const struct paths_link *l = paths_get(s->paths, i);
	bool well = false;

	for (unsigned f = 0; f < 2; f++)
		well |= addr_is_set(&l->addr[f]) && peers_path_health(s, i, f) != HEALTH_DOWN;
	return s->cfg->links[i].role == CFG_PATH && l->up && !l->held && well;
}

static void view_links(struct supervisor *s, struct overflow_view *view)
{
	for (unsigned i = 0; i < s->cost.count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];

		if (c->role != CFG_PATH)
			continue;
		view[i] = (struct overflow_view){ .well = is_well(s, i),
						  .rate = { s->cost.link[i].rate[0], s->cost.link[i].rate[1] },
						  .mbit = { c->up_mbit, c->down_mbit },
						  .rtt_us = ways_rtt(s, c->name, uv_now(&s->loop)) };
		overflow_look(&s->cost.link[i].seen, &view[i]);
	}
}

/* A path of `use: overflow` is a primary while those that are cheaper are full. */
static void look_at_overflow(struct supervisor *s, const struct overflow_view *view)
{
	struct overflow_path seen[MPGATE_MAX_LINKS];
	uint64_t cheap = 0, spare = 0;

	for (unsigned i = 0; i < s->cost.count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];
		enum paths_rank rank = PATHS_RANK_USE;

		seen[i] = s->cost.link[i].seen;
		rank_why(s, i, &rank);
		if (c->role == CFG_PATH && c->use == CFG_PRIMARY && rank != PATHS_RANK_BACKUP)
			cheap |= 1ULL << i;
		if (c->role == CFG_PATH && c->use == CFG_OVERFLOW)
			spare |= 1ULL << i;
	}
	overflow_step(&s->cost.cheap, seen, view, s->cost.count, cheap, spare);
	for (unsigned i = 0; i < s->cost.count; i++) {
		bool promoted = (spare >> i & 1) && s->cost.cheap.full;

		if (promoted == s->cost.link[i].promoted)
			continue;
		s->cost.link[i].promoted = promoted;
		rank_set(s, i, RANK_OVERFLOW, promoted ? PATHS_RANK_PRIMARY : PATHS_RANK_USE,
			 "the paths that are cheaper are full");
	}
}

/* Only what differs is told: each time all connections are looked at. */
static uint32_t new_delay(uint32_t told, uint32_t now)
{
	uint32_t differs = now > told ? now - told : told - now;

	return now && (!told || (differs > DELAY_LEAST_US && differs > told / 100 * DELAY_PERCENT)) ? now : told;
}

static void tell_loads(struct supervisor *s, const struct overflow_view *view)
{
	struct overflow_path seen[MPGATE_MAX_LINKS];
	bool delays = has_steer(s, CFG_STEER_DELAY), priorities = has_steer(s, CFG_STEER_PRIORITY);
	uint64_t all = 0;

	for (unsigned i = 0; i < s->cost.count; i++) {
		seen[i] = s->cost.link[i].seen;
		all |= s->cfg->links[i].role == CFG_PATH ? 1ULL << i : 0;
	}
	for (unsigned i = 0; i < s->cost.count; i++) {
		struct cost_link *l = &s->cost.link[i];

		if (!(all >> i & 1))
			continue;
		overflow_step(&l->own, seen, view, s->cost.count, 1ULL << i, all & ~(1ULL << i));
		l->rtt_us = new_delay(l->rtt_us, view[i].rtt_us);
		paths_set_load(s->paths, i, priorities && l->own.full, delays ? l->rtt_us : 0);
	}
}

/* --- saving */

static void save_in_job(void *arg)
{
	struct cost *c = arg;

	c->error = cost_file_write(c->file, c->text, c->text_len);
}

static void saved(void *arg)
{
	struct cost *c = arg;

	free(c->text);
	c->text = NULL;
	if (c->error && c->error != c->told)
		log_error("%s: what paths were used for cannot be written down: %s", c->file, strerror(-c->error));
	c->dirty |= c->error != 0;
	c->told = c->error;
}

static void save(struct cost *c, uint64_t now)
{
	if (!c->saves || c->job.running || !c->dirty || now - c->saved < SAVE_MS)
		return;
	c->text = usage_print(&c->usage, &c->text_len);
	if (!c->text)
		return;
	c->saved = now;
	c->dirty = false;
	job_start(&c->job);
}

/* --- */

static void look(uv_timer_t *timer)
{
	struct supervisor *s = timer->data;
	struct overflow_view view[MPGATE_MAX_LINKS] = { 0 };
	uint64_t now = uv_now(&s->loop), ms = now - s->cost.looked;

	s->cost.looked = now;
	rename_links(s);
	usage_today(&s->cost.usage, time(NULL));
	count_links(s, ms);
	count_rules(s);
	look_at_quotas(s);
	look_at_hub(s);
	view_links(s, view);
	look_at_overflow(s, view);
	tell_loads(s, view);
	save(&s->cost, now);
}

static void read_boot(char *out, size_t size)
{
	FILE *f = fopen(BOOT_ID, "re");

	*out = '\0';
	if (f && fgets(out, (int)size, f))
		out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
}

static void load(struct cost *c)
{
	char boot[sizeof(c->usage.boot)], bad[COST_FILE + 4];
	int err = cost_file_read(c->file, &c->usage);

	if (err && err != -ENOENT) {
		log_error("%s: cannot be read, and what paths were used for begins at 0: %s", c->file,
			  err == -EPROTO ? "it is broken" : strerror(-err));
		snprintf(bad, sizeof(bad), "%s.bad", c->file);
		if (err == -EPROTO)
			rename(c->file, bad);
	}
	read_boot(boot, sizeof(boot));
	/* Counters of before a reboot: what the interfaces say now is since. */
	for (unsigned i = 0; i < c->usage.counters && strcmp(boot, c->usage.boot) != 0; i++)
		c->usage.counter[i].ifindex = 0;
	memcpy(c->usage.boot, boot, sizeof(boot));
}

void cost_open(struct supervisor *s)
{
	struct cost *c = &s->cost;
	int err;

	tzset();
	cost_file_path(c->file, s->cfg->instance);
	load(c);
	c->job = (struct job){ .work = save_in_job, .done = saved, .arg = c };
	err = job_open(&c->job, &s->loop);
	c->saves = !err;
	if (err)
		log_error("what paths are used for is not written down: %s", strerror(-err));
	uv_timer_init(&s->loop, &c->timer);
	c->timer.data = s;
	c->open = true;
	c->looked = uv_now(&s->loop);
	/* The first save is soon: a daemon that is killed early has told what interfaces counted at its start. */
	c->saved = c->looked - SAVE_MS;
	look(&c->timer);
	uv_timer_start(&c->timer, look, PERIOD_MS, PERIOD_MS);
}

static void job_closed(uv_handle_t *h)
{
	(void)h;
}

void cost_close(struct supervisor *s)
{
	struct cost *c = &s->cost;

	if (!c->open)
		return;
	c->open = false;
	look(&c->timer);
	uv_close((uv_handle_t *)&c->timer, NULL);
	if (c->saves)
		job_close(&c->job, job_closed);
	free(c->text);
	c->text = usage_print(&c->usage, &c->text_len);
	if (c->text && c->saves)
		c->error = cost_file_write(c->file, c->text, c->text_len);
	if (c->error && c->error != c->told)
		log_error("%s: what paths were used for cannot be written down: %s", c->file, strerror(-c->error));
	free(c->text);
	usage_free(&c->usage);
}
