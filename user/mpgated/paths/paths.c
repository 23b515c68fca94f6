// SPDX-License-Identifier: GPL-2.0-or-later
#include <mpgated/paths/paths.h>

#include <errno.h>
#include <lib/log.h>
#include <linux/rtnetlink.h>
#include <mpgated/paths/internal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FULL_CHECKS 12U /* of paths_check(): then all is looked at, whatever was told; a minute */
#define RELOAD_MS 3000U /* that a reload waits for the kernel: longer than one answer that does not come */

/* --- settings */

/* Where connections of ours go. False: there are too many. */
static bool read_peers(const struct config *cfg, struct path_settings *out)
{
	for (unsigned i = 0; i < cfg->peer_count; i++) {
		struct cfg_end end[CFG_PEER_ENDS];
		unsigned count = config_ends(&cfg->peers[i], end);

		for (unsigned k = 0; k < count; k++) {
			if (joins_find_peer(out, &end[k].addr, end[k].port))
				continue;
			if (out->peer_count == PATHS_PEERS)
				return false;
			out->peer[out->peer_count++] = (struct path_peer){ .addr = end[k].addr, .port = end[k].port };
		}
	}
	return true;
}

/* Those of Convert are of its own port, which need not be said; so there is room for an IPv6 address. */
static void read_join(const struct config *cfg, struct path_settings *out)
{
	bool transparent = cfg->transparent.accept;
	const struct mpgate_addr *join = transparent ? cfg->transparent.join : cfg->convert.join;
	unsigned count = transparent ? cfg->transparent.join_count : cfg->convert.join_count;

	out->join_port = transparent ? cfg->transparent.port : 0;
	out->deny_first = cfg->convert.join_count > 0;
	/*
	 * The kernel announces one after the other, none behind one that does not fit, and one that was lost again
	 * after minutes: first come those that fit, and do for either family.
	 */
	for (unsigned i = 0; i < 2 * count; i++)
		if (addr_is_v4(&join[i % count]) == (i < count))
			out->join[out->join_count++] = join[i % count];
}

/* Links named before keep their slots. */
static void give_slots(const struct path_settings *old, struct path_settings *new)
{
	bool known[MPGATE_MAX_LINKS] = { false };
	uint64_t taken = 0;

	for (unsigned i = 0; i < new->count; i++)
		for (unsigned k = 0; k < old->count; k++)
			if (!strcmp(old->link[k].name, new->link[i].name)) {
				known[i] = true;
				new->link[i].slot = old->link[k].slot;
				taken |= 1ULL << old->link[k].slot;
			}
	for (unsigned i = 0; i < new->count; i++) {
		unsigned slot = i;

		if (known[i])
			continue;
		while (taken & (1ULL << slot))
			slot = (slot + 1) % MPGATE_MAX_LINKS;
		new->link[i].slot = slot;
		taken |= 1ULL << slot;
	}
}

static uint64_t common_links(const struct config *cfg)
{
	uint64_t common = UINT64_MAX;

	for (unsigned i = 0; i < cfg->rule_count; i++) {
		uint64_t own = 0;

		for (unsigned k = 0; k < cfg->rules[i].path_count; k++)
			own |= 1ULL << cfg->rules[i].paths[k];
		common &= own ? own : UINT64_MAX;
	}
	return common;
}

static int read_settings(const struct config *cfg, struct path_settings *out)
{
	bool lan = false, dials = false;

	if (cfg->link_count > MPGATE_MAX_LINKS)
		return -E2BIG;
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < cfg->link_count; i++) {
		const struct cfg_link *l = &cfg->links[i];

		if (strlen(l->name) >= sizeof(out->link[i].name))
			return -ENAMETOOLONG;
		strcpy(out->link[i].name, l->name);
		out->link[i].role = l->role;
		out->link[i].use = l->use;
		out->link[i].detour = !l->no_detour;
		out->link[i].gateway_link = l->gateway_link;
		memcpy(out->link[i].gateway, l->gateway, sizeof(l->gateway));
		lan |= l->role == CFG_LAN;
	}
	for (unsigned i = 0; i < cfg->peer_count; i++)
		dials |= config_dials(&cfg->peers[i]);
	out->count = cfg->link_count;
	out->mark = cfg->mark.value;
	out->mark_mask = cfg->mark.mask;
	out->accepts = cfg->convert.listening;
	out->dials = dials || lan;
	out->forwards = lan;
	/* Set at once, for connections of workers that a killed daemon left. */
	out->host = cfg->host;
	read_join(cfg, out);
	out->to_announced = config_has_transparent(cfg);
	out->common = common_links(cfg);
	out->manage = read_peers(cfg, out) && cfg->subflows.manager == CFG_MANAGER_AUTO && out->dials &&
		      !out->accepts && !out->join_count;
	return 0;
}

/* Links and peers that were named before keep what is known of them. */
static void replace_settings(struct paths *p, struct path_settings *s)
{
	struct paths_link links[MPGATE_MAX_LINKS] = { 0 };
	bool told[MPGATE_MAX_LINKS] = { false };

	for (unsigned i = 0; i < s->count; i++) {
		strcpy(links[i].name, s->link[i].name);
		for (unsigned k = 0; k < p->settings.count; k++) {
			if (strcmp(p->settings.link[k].name, s->link[i].name) != 0)
				continue;
			links[i] = p->links[k];
			told[i] = p->told[k];
			memcpy(s->link[i].health, p->settings.link[k].health, sizeof(s->link[i].health));
			s->link[i].rank = p->settings.link[k].rank;
			s->link[i].full = p->settings.link[k].full;
			s->link[i].rtt_us = p->settings.link[k].rtt_us;
		}
	}
	for (unsigned i = 0; i < s->peer_count; i++) {
		const struct path_peer *old = joins_find_peer(&p->settings, &s->peer[i].addr, s->peer[i].port);

		if (old)
			s->peer[i] = *old;
	}
	s->host |= p->settings.host;
	give_slots(&p->settings, s);
	memcpy(s->rule, p->settings.rule, p->settings.rule_count * sizeof(s->rule[0]));
	s->rule_count = p->settings.rule_count;
	memcpy(p->links, links, sizeof(p->links));
	memcpy(p->told, told, sizeof(p->told));
	p->settings = *s;
}

/* --- life cycle */

static void free_paths(struct paths *p)
{
	if (p->monitor)
		mnl_socket_close(p->monitor);
	nl_list_free(&p->addrs);
	nl_list_free(&p->asked);
	joins_free(&p->set.joins);
	sample_free(&p->set.sampler);
	idle_free(&p->set.idler);
	nl_list_free(&p->rows);
	if (p->set.events)
		mnl_socket_close(p->set.events);
	set_close(&p->set, p->undone);
	free(p);
}

static void on_closed(uv_handle_t *handle)
{
	struct paths *p = handle->data;

	if (--p->handles == 0)
		free_paths(p);
}

static int open_handles(struct paths *p)
{
	int err = paths_open_jobs(p);

	if (err) {
		log_error("cannot start a thread: %s", strerror(-err));
		return err;
	}
	err = monitor_open(p);
	if (err)
		log_error("cannot watch links and routes: %s", strerror(-err));
	if (!err) {
		err = events_open(p);
		if (err)
			log_error("cannot watch MPTCP connections: %s", strerror(-err));
	}
	return err;
}

/* The first settings: without a job, since nothing else goes on yet. */
static int set_first(struct paths *p)
{
	struct path_set *set = &p->set;
	int err;

	set->settings = p->settings;
	set_links(set);
	err = set_limits(set);
	if (err) {
		log_error("cannot set MPTCP limits: %s", strerror(-err));
		return err;
	}
	set_sysctls(set);
	manager_set(set);
	p->manages = set->joins.managed;
	set->error = paths_sync(set);
	p->todo |= TODO_OTHERS;
	paths_take_over(p);
	if (set->joins.look_ms)
		paths_look_after(p, set->joins.look_ms);
	sysctl_restore_left(&set->originals);
	blackhole_check(&p->blackhole);
	return set->error;
}

int paths_open(uv_loop_t *loop, const struct config *cfg, const struct paths_events *events, struct paths **out)
{
	struct paths *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->loop = loop;
	p->events = *events;
	err = read_settings(cfg, &p->settings);
	give_slots(&(struct path_settings){ 0 }, &p->settings);
	if (!err)
		err = set_open(&p->set, cfg->instance);
	if (!err)
		err = open_handles(p);
	if (err && !p->handles) {
		free_paths(p);
		return err;
	}
	if (!err)
		err = set_first(p);
	if (err) {
		paths_close(p);
		return err;
	}
	*out = p;
	return 0;
}

int paths_renew(struct paths *p, const struct config *cfg)
{
	struct path_settings s;
	int err = read_settings(cfg, &s);

	if (err) {
		log_error("links of the new configuration: %s", strerror(-err));
		return err;
	}
	replace_settings(p, &s);
	p->todo |= TODO_SETTINGS | TODO_SYNC;
	paths_begin(p);
	return 0;
}

int paths_reload(struct paths *p, const struct config *cfg)
{
	int err = paths_renew(p, cfg);

	if (err)
		return err;
	err = paths_settle(p, RELOAD_MS);
	if (err == -ETIMEDOUT)
		log_error("the kernel has not set links and routes yet: what has changed follows");
	return err;
}

void paths_check(struct paths *p)
{
	blackhole_check(&p->blackhole);
	p->todo |= TODO_CHECK;
	if (++p->checks == FULL_CHECKS) {
		p->todo |= TODO_SYNC | TODO_LOOK | TODO_OTHERS;
		p->checks = 0;
		p->overflow_told = false;
	}
	paths_begin(p);
}

void paths_close(struct paths *p)
{
	/* What runs is waited for: nobody else may touch what it sets. */
	job_close(&p->job, on_closed);
	p->undone = set_undo(&p->set) == 0;
	if (p->poll.data)
		uv_close((uv_handle_t *)&p->poll, on_closed);
	if (p->events_poll.data)
		uv_close((uv_handle_t *)&p->events_poll, on_closed);
	uv_close((uv_handle_t *)&p->timer, on_closed);
	uv_close((uv_handle_t *)&p->look_timer, on_closed);
	uv_close((uv_handle_t *)&p->retry_timer, on_closed);
	uv_close((uv_handle_t *)&p->sample_timer, on_closed);
}

void paths_set_health(struct paths *p, unsigned index, unsigned f, enum paths_health health)
{
	if (index >= p->settings.count || p->settings.link[index].health[f] == health)
		return;
	p->settings.link[index].health[f] = health;
	paths_sync_after(p, 0);
}

void paths_set_rank(struct paths *p, unsigned index, enum paths_rank rank)
{
	if (index >= p->settings.count || p->settings.link[index].rank == rank)
		return;
	p->settings.link[index].rank = rank;
	paths_sync_after(p, 0);
}

void paths_set_announces(struct paths *p, const struct mpgate_addr *peer, uint16_t port, bool announces)
{
	const struct path_peer *found = joins_find_peer(&p->settings, peer, port);
	struct path_peer *known = found ? &p->settings.peer[found - p->settings.peer] : NULL;
	char text[ADDR_TEXT];

	if (!known || (known->answered && known->announces == announces))
		return;
	if (known->announces != announces)
		log_info("connections to %s are joined %s", addr_print_port(peer, htons(port), text),
			 announces ? "where the other side announces" : "there");
	known->answered = true;
	known->announces = announces;
	p->todo |= TODO_LOOK;
	paths_sync_after(p, 0);
}

int paths_set_host(struct paths *p)
{
	int err = 0, set = 0;

	if (!p->settings.host) {
		p->settings.host = true;
		p->todo |= TODO_SETTINGS | TODO_SYNC;
		paths_begin(p);
		err = paths_settle(p, RELOAD_MS);
	}
	if (!err)
		err = sysctl_get(PATHS_LOOP_LOCAL, &set);
	return err ? err : set ? 0 : -EPERM;
}

static int compare_rules(const void *a, const void *b)
{
	uint32_t x = ((const struct paths_rule *)a)->id, y = ((const struct paths_rule *)b)->id;

	return x < y ? -1 : x > y;
}

void paths_set_rules(struct paths *p, const struct paths_rule *rules, unsigned count)
{
	struct path_settings *s = &p->settings;

	s->rule_count = count < MPGATE_MAX_RULES ? count : MPGATE_MAX_RULES;
	if (!count)
		return;
	memcpy(s->rule, rules, s->rule_count * sizeof(*rules));
	qsort(s->rule, s->rule_count, sizeof(*rules), compare_rules);
}

void paths_set_load(struct paths *p, unsigned index, bool full, uint32_t rtt_us)
{
	if (index >= p->settings.count ||
	    (p->settings.link[index].full == full && p->settings.link[index].rtt_us == rtt_us))
		return;
	p->settings.link[index].full = full;
	p->settings.link[index].rtt_us = rtt_us;
	paths_sync_after(p, 0);
}

unsigned paths_slot(const struct paths *p, unsigned index)
{
	return p->settings.link[index].slot;
}

const struct paths_other *paths_others(const struct paths *p, unsigned *count)
{
	*count = p->others.count;
	return p->others.list;
}

const char *paths_zones(const struct paths *p)
{
	return p->zones;
}

bool paths_is_blackholed(const struct paths *p)
{
	return p->blackhole.struck && uv_hrtime() - p->blackhole.struck < BLACKHOLE_NS;
}

unsigned paths_count(const struct paths *p)
{
	return p->settings.count;
}

const struct paths_link *paths_get(const struct paths *p, unsigned index)
{
	return index < p->settings.count ? &p->links[index] : NULL;
}

const struct paths_sample *paths_get_sample(const struct paths *p, unsigned index)
{
	return index < p->settings.count ? &p->samples[index] : NULL;
}

const struct paths_subflow *paths_subflows(const struct paths *p, unsigned *count, unsigned *total)
{
	*count = p->rows.n;
	*total = p->rows_total;
	return p->rows.v;
}

const struct nl_address *paths_addrs(const struct paths *p, unsigned *count)
{
	*count = p->addrs.n;
	return p->addrs.v;
}

int paths_local_addrs(struct paths *p, struct mpgate_addr **out, unsigned *count)
{
	return set_list_addrs(&p->addrs, out, count);
}
