// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Peers. One that we dial is probed over each of its ways (probe.c, health.c); what is found goes to steer, to the
 * workers and to the paths. Until the first answer, and when no way is up, rules that name the peer fall open. Peers
 * without an address dial us, and can be reached while they have connections parked with some worker.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/net/tcp.h>
#include <mpgated/supervisor/probe.h>

#define USE_PERIOD_MS 1000 /* between looks at who is in use */
#define PROBES_MOST 256U /* at a time, of all peers */
#define CROWD_MS 200 /* before the next try, when there are so many */

static void run_probes(struct peer *p);

static void timer_due(uv_timer_t *t)
{
	run_probes(t->data);
}

static void note_error(struct peer *p, enum trouble trouble, const char *why)
{
	if (!*why)
		return;
	p->past_trouble = trouble;
	snprintf(p->past_error, sizeof(p->past_error), "%s", why);
	p->erred = uv_now(&p->sup->loop);
}

static void set_state(struct peer *p, enum peer_state state, enum trouble trouble, const char *why)
{
	enum peer_state before = p->state;

	p->state = state;
	if (before != state) {
		if (state == PEER_UP && !p->transparent)
			log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PEER, p->name }), "peer %s is up", p->name);
		else if (state == PEER_DOWN)
			log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PEER, p->name }), "peer %s is down: %s", p->name,
				 why);
		peers_tell_steer(p);
	}
	p->last_trouble = trouble;
	snprintf(p->last_error, sizeof(p->last_error), "%s", why);
	note_error(p, trouble, why);
}

/* --- what is told */

/*
 * Where connections over that way (-1: none) leave from. Binding costs a port where the kernel has no
 * IP_BIND_ADDRESS_NO_PORT: there the way that the kernel takes by itself is left to it.
 */
static void tell_from(const struct peer *p, int way, struct mpgate_addr *shared)
{
	static const struct mpgate_addr none;
	const struct health_path *path = way < 0 ? NULL : &p->health.way[way].path;
	bool bind = path &&
		    (p->sup->features[FEATURE_NO_PORT] || strcmp(path->name, p->sup->main_path[path->v6].name) != 0);
	const struct mpgate_addr *from = bind ? &path->from : &none;

	if (memcmp(shared, from, sizeof(*from)) != 0)
		*shared = *from;
}

/*
 * The workers' part. probed: the way whose probe has just ended, -1: none; only that may say how SYN data fares now, of
 * which workers may have learned more since the one before.
 */
static void tell_workers(struct peer *p, int probed)
{
	struct peer_shared *shared = &p->sup->shm->peers[p->slot];
	int first = health_first(&p->health);
	uint32_t others = 0;

	ways_tell(p);
	for (unsigned a = 0; a < p->address_count; a++) {
		int best = health_best(&p->health, a), second = health_second(&p->health, a);

		tell_from(p, best, &shared->from[a]);
		tell_from(p, second, &shared->second[a]);
		shared->late_ms[a] = second < 0 ? 0 : health_late_ms(&p->health, (unsigned)best);
		others |= (uint32_t)health_joins(&p->health, a) << a;
	}
	shared->others = others;
	if (first < 0)
		return;
	shared->address = p->health.way[first].address;
	shared->patience_ms = health_quick_ms(&p->health);
	shared->slow_ms = health_slow_ms(&p->health);
	if ((first == probed && p->health.way[first].syn_data_sure) || first != p->first)
		shared->syn_data = p->health.way[first].syn_data;
	p->first = first;
}

/* How a path is, by all peers: alive when one of them answers over it. */
static enum health_state path_health(const struct supervisor *s, const char *name, bool v6)
{
	enum health_state all = HEALTH_UNKNOWN;

	for (unsigned i = 0; i < s->peer_slots; i++) {
		enum health_state one =
			s->peers[i].name ? health_of_path(&s->peers[i].health, name, v6) : HEALTH_UNKNOWN;

		if (one == HEALTH_UP)
			return one;
		all = one == HEALTH_DOWN ? one : all;
	}
	return all;
}

enum health_state peers_path_health(const struct supervisor *s, unsigned link, bool v6)
{
	return s->cfg->links[link].role == CFG_PATH ? path_health(s, s->cfg->links[link].name, v6) : HEALTH_UNKNOWN;
}

static void tell_paths(struct supervisor *s)
{
	s->health_changed = false;
	for (unsigned i = 0; i < 2 * s->cfg->link_count; i++) {
		enum health_state h = peers_path_health(s, i / 2, i % 2);

		paths_set_health(s->paths, i / 2, i % 2,
				 h == HEALTH_UP	    ? PATHS_ALIVE
				 : h == HEALTH_DOWN ? PATHS_DEAD
						    : PATHS_UNKNOWN);
		rank_set_down(s, i / 2, i % 2, h == HEALTH_DOWN);
	}
	rank_settle(s);
	by_path_tell(s);
}

/* The first way that has failed. */
static const struct health_way *first_error(const struct health *h)
{
	static const struct health_way none;

	for (unsigned i = 0; i < h->count; i++)
		if (h->way[i].error[0])
			return &h->way[i];
	return &none;
}

static void tell_all(struct peer *p, int probed)
{
	enum health_state state = health_state(&p->health);
	const struct health_way *w = first_error(&p->health);

	if (state == HEALTH_UP)
		set_state(p, PEER_UP, TROUBLE_OTHER, "");
	else if (state == HEALTH_DOWN)
		set_state(p, PEER_DOWN, w->trouble, w->error);
	tell_workers(p, probed);
	p->sup->health_changed = true;
}

/* --- probes */

/* Its port only where that is another one than usual. */
static void print_end(const struct peer *p, unsigned address, char text[ADDR_TEXT])
{
	if (address < p->own_count)
		addr_print(&p->address[address], text);
	else
		addr_print_port(&p->address[address], p->port[address], text);
}

static void note_change(const struct peer *p, const struct health_way *w, enum health_state before, bool plain_before)
{
	char text[ADDR_TEXT];

	print_end(p, w->address, text);
	if (w->path.name[0] && w->state != before && (w->state == HEALTH_DOWN || before == HEALTH_DOWN))
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PEER, p->name }, { LOG_PATH, w->path.name }),
			 "peer %s at %s over %s: %s", p->name, text, w->path.name,
			 w->state == HEALTH_UP ? "answers again" : w->error);
	if (w->plain == plain_before)
		return;
	if (w->plain)
		log_with(LOG_LEVEL_WARN, LOG_FIELDS({ LOG_PEER, p->name }, { LOG_PATH, w->path.name }),
			 "peer %s at %s%s%s answers in plain TCP only: nothing is bonded that goes there", p->name,
			 text, w->path.name[0] ? " over " : "", w->path.name);
	else
		log_with(LOG_LEVEL_INFO, LOG_FIELDS({ LOG_PEER, p->name }, { LOG_PATH, w->path.name }),
			 "peer %s at %s%s%s answers in MPTCP", p->name, text, w->path.name[0] ? " over " : "",
			 w->path.name);
}

/*
 * A path that has died, or is back, is told at once: the next look is up to a second away, in which it may be both, and
 * then nobody would make its subflows anew. What is found for the first time waits for the others.
 */
static void tell_turn(struct supervisor *s, const struct health_path *path, enum health_state before)
{
	if (before != HEALTH_UNKNOWN && path_health(s, path->name, path->v6) != before)
		tell_paths(s);
}

static void probed(struct peer *p, unsigned address, const struct health_path *path, const struct health_result *r)
{
	uint64_t now = uv_now(&p->sup->loop);
	enum health_state verdict = path_health(p->sup, path->name, path->v6);
	int way = health_find(&p->health, address, path);
	struct health_way before;

	if (way >= 0 && !(r->waited && health_put_off(&p->health, (unsigned)way, now))) {
		before = p->health.way[way];
		health_end(&p->health, (unsigned)way, r, now);
		note_change(p, &p->health.way[way], before.state, before.plain);
		if (r->joins_known)
			paths_set_announces(p->sup->paths, &p->address[address], ntohs(p->port[address]),
					    health_joins(&p->health, address));
		tell_all(p, way);
		tell_turn(p->sup, path, verdict);
	}
	run_probes(p);
}

/* One probe. When this machine lacks something to send it, that says nothing about the peer. */
static void begin_probe(struct peer *p, unsigned way, uint64_t now)
{
	int err = probe_start(p, way, health_patience(&p->health, way, p->sup->cfg->timeouts.peer * 1000ULL), probed);
	const struct health_result r = { .error = strerror(-err), .trouble = trouble_of_errno(-err) };

	if (!err) {
		health_begin(&p->health, way, now);
	} else if (tcp_is_shortage(-err) && health_put_off(&p->health, way, now)) {
		set_state(p, p->state, TROUBLE_OTHER, strerror(-err));
	} else {
		health_end(&p->health, way, &r, now);
		tell_all(p, (int)way);
	}
}

/* Starts what is due, and plans for what will be. */
static void run_probes(struct peer *p)
{
	uint64_t now = uv_now(&p->sup->loop), next;
	int way;

	if (!p->handles || uv_is_closing((uv_handle_t *)&p->timer))
		return;
	while ((way = health_due(&p->health, now, &next)) >= 0) {
		if (p->sup->probes >= PROBES_MOST) {
			next = now + CROWD_MS;
			break;
		}
		begin_probe(p, (unsigned)way, now);
	}
	p->next_try = next;
	groups_look_silent(p, now, &next);
	if (next == UINT64_MAX)
		uv_timer_stop(&p->timer);
	else
		uv_timer_start(&p->timer, timer_due, next > now ? next - now : 0, 0);
}

static bool in_use(struct supervisor *s, unsigned slot)
{
	bool used = s->shm->peers[slot].used;

	if (used)
		s->shm->peers[slot].used = 0;
	for (unsigned i = 0; i < s->worker_count && !used; i++)
		used = s->shm->relayed[i][slot] > 0;
	return used;
}

/* Peers in use are probed more often, so that a path that dies without a word is noticed soon. All peers together tell
 * of a path. */
static void look_around(uv_timer_t *t)
{
	struct supervisor *s = t->data;

	bool used[MPGATE_MAX_PEERS] = { false };

	for (unsigned i = 0; i < s->peer_slots; i++) {
		if (s->peers[i].name)
			peers_look_at_parked(&s->peers[i]);
		used[i] = s->peers[i].name && in_use(s, i);
	}
	groups_use(s, used);
	for (unsigned i = 0; i < s->peer_slots; i++) {
		struct peer *p = &s->peers[i];

		if (!used[i] || !p->address_count)
			continue;
		health_used(&p->health, uv_now(&s->loop));
		run_probes(p);
	}
	if (s->health_changed)
		tell_paths(s);
}

void peers_suspect(struct supervisor *s, unsigned slot, bool slow)
{
	struct peer *p = slot < s->peer_slots ? &s->peers[slot] : NULL;

	if (!p || !p->name)
		return;
	(slow ? health_complain : health_suspect)(&p->health, uv_now(&s->loop));
	run_probes(p);
}

void peers_note_error(struct supervisor *s, unsigned slot, enum trouble trouble, const char *what)
{
	if (slot < s->peer_slots && s->peers[slot].name)
		note_error(&s->peers[slot], trouble, what);
}

void peers_suspect_path(struct supervisor *s, const char *link)
{
	for (unsigned i = 0; i < s->peer_slots; i++)
		if (s->peers[i].name && health_suspect_path(&s->peers[i].health, link, uv_now(&s->loop)))
			run_probes(&s->peers[i]);
}

/* --- ways */

static void set_ways(struct peer *p, const struct health_path *paths, unsigned n)
{
	bool v4[CFG_PEER_ENDS];
	struct health_way first = { 0 };

	if (p->first >= 0)
		first = p->health.way[p->first];
	for (unsigned i = 0; i < p->address_count; i++)
		v4[i] = addr_is_v4(&p->address[i]);
	p->health.apart = p->own_count;
	health_set_ways(&p->health, v4, p->address_count, paths, n, uv_now(&p->sup->loop));
	/* The same way, whose place may be another one now. */
	if (p->first >= 0)
		p->first = health_find(&p->health, first.address, &first.path);
	if (p->name && p->address_count && p->handles) {
		tell_all(p, -1);
		run_probes(p);
	}
}

void peers_paths_changed(struct supervisor *s)
{
	struct health_path paths[2 * MPGATE_MAX_LINKS];
	unsigned n = ways_list_paths(s, paths);

	for (unsigned i = 0; i < s->peer_slots; i++)
		if (s->peers[i].name)
			set_ways(&s->peers[i], paths, n);
	/* Also where no peer is left to say anything. */
	s->health_changed = true;
	rank_settle(s);
}

/* The peer is another one now: what was found, or a probe under way finds out, does not count. */
static void start_anew(struct peer *p)
{
	probe_cancel(p);
	memset(&p->health, 0, sizeof(p->health));
	p->first = -1;
	p->silent = false;
	p->past_error[0] = '\0';
	set_state(p, PEER_UNKNOWN, TROUBLE_OTHER, "");
	p->sup->shm->peers[p->slot] = (struct peer_shared){ 0 };
	if (p->handles)
		uv_timer_stop(&p->timer);
}

/* --- configuration */

/* Where it can be dialed now. True: that is something else than before. */
static bool set_ends(struct peer *p, const struct cfg_peer *c, bool none)
{
	struct cfg_end end[CFG_PEER_ENDS];
	unsigned count = none ? 0 : config_ends(c, end);
	bool moved = count != p->address_count || p->port[0] != htons(c->port);

	for (unsigned i = 0; i < count; i++) {
		moved |= p->port[i] != htons(end[i].port) ||
			 memcmp(&p->address[i], &end[i].addr, sizeof(end[i].addr)) != 0;
		p->address[i] = end[i].addr;
		p->port[i] = htons(end[i].port);
	}
	p->port[0] = htons(c->port);
	p->address_count = count;
	p->own_count = none ? 0 : c->address_count;
	return moved;
}

/* A peer that is left out is one without an address, and down. */
static void commit(struct peer *p, const struct config *cfg, unsigned i)
{
	const struct cfg_peer *c = &cfg->peers[i];
	char why[sizeof(p->last_error)];
	bool left_out = config_left_out(cfg, i, why, sizeof(why));
	bool transparent = c->mode == CFG_TRANSPARENT && !left_out;
	bool moved = set_ends(p, c, left_out) || p->transparent != transparent || p->left_out != left_out ||
		     p->send.id != p->next_send.id || p->send.k0 != p->next_send.k0 || p->send.k1 != p->next_send.k1;

	p->send = p->next_send;
	p->keyed = c->key_file != NULL;
	p->transparent = transparent;
	p->private_tlvs = c->dialect == CFG_DIALECT_MPGATE;
	if (moved)
		start_anew(p);
	datapath_set_tag_key(p->sup->dp, p->slot, transparent ? &p->send : NULL);
	if (left_out)
		set_state(p, PEER_DOWN, TROUBLE_OTHER, why);
	else if (transparent)
		set_state(p, PEER_UP, TROUBLE_OTHER, "");
	p->left_out = left_out;
}

static void timer_closed(uv_handle_t *h)
{
	struct peer *p = h->data;

	p->handles = false;
}

static void peer_free(struct peer *p)
{
	free(p->name);
	p->name = NULL;
	key_wipe(&p->send, sizeof(p->send));
	key_wipe(&p->next_send, sizeof(p->next_send));
	p->state = PEER_UNKNOWN;
	p->parked = 0;
	p->parks = p->parked_since = false;
	for (unsigned i = 0; i < p->sup->worker_count; i++)
		memset(p->sup->shm->peer_bytes[i][p->slot], 0, sizeof(p->sup->shm->peer_bytes[i][p->slot]));
	peers_tell_steer(p);
	datapath_set_tag_key(p->sup->dp, p->slot, NULL);
	probe_cancel(p);
	if (p->handles && !uv_is_closing((uv_handle_t *)&p->timer))
		uv_close((uv_handle_t *)&p->timer, timer_closed);
}

void peers_commit(struct supervisor *s)
{
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		commit(&s->peers[s->peer_slot[i]], s->cfg, i);
	groups_settle(s);
}

static void start_probes(struct peer *p)
{
	if (!p->handles) {
		uv_timer_init(&p->sup->loop, &p->timer);
		p->timer.data = p;
		p->handles = true;
	}
}

void peers_settle(struct supervisor *s)
{
	bool named[MPGATE_MAX_PEERS] = { false };

	/* The start and a reload take their time, which must not count as that of a probe. */
	uv_update_time(&s->loop);
	for (unsigned k = 0; k < s->cfg->peer_count; k++)
		named[s->peer_slot[k]] = true;
	for (unsigned i = 0; i < s->peer_slots; i++) {
		if (!s->peers[i].name)
			continue;
		if (!named[i])
			peer_free(&s->peers[i]);
		else if (s->peers[i].address_count)
			start_probes(&s->peers[i]);
	}
	if (!s->peers_timer.data) {
		uv_timer_init(&s->loop, &s->peers_timer);
		s->peers_timer.data = s;
		uv_timer_start(&s->peers_timer, look_around, USE_PERIOD_MS, USE_PERIOD_MS);
	}
	peers_paths_changed(s);
}

/* Where the peer's addresses are among the new ones, -1: nowhere. How many stay. */
static unsigned find_addresses(const struct peer *p, const struct cfg_peer *c, int to[CFG_PEER_ENDS])
{
	struct cfg_end end[CFG_PEER_ENDS];
	unsigned stay = 0, count = config_ends(c, end);

	for (unsigned i = 0; i < CFG_PEER_ENDS; i++) {
		to[i] = -1;
		for (unsigned k = 0; k < count && i < p->address_count && to[i] < 0; k++)
			if (p->port[i] == htons(end[k].port) &&
			    !memcmp(&p->address[i], &end[k].addr, sizeof(p->address[0])))
				to[i] = (int)k;
		stay += to[i] >= 0;
	}
	return stay;
}

void peers_readdress(struct supervisor *s, unsigned cfg_index)
{
	const struct cfg_peer *c = &s->cfg->peers[cfg_index];
	struct peer *p = &s->peers[s->peer_slot[cfg_index]];
	int to[CFG_PEER_ENDS];
	bool same = find_addresses(p, c, to) && p->port[0] == htons(c->port);

	set_ends(p, c, false);
	if (same) {
		probe_cancel(p);
		health_readdress(&p->health, to);
		p->first = -1;
	} else {
		start_anew(p);
		groups_settle(s);
	}
	start_probes(p);
	peers_paths_changed(s);
}

void peers_close(struct supervisor *s)
{
	for (unsigned i = 0; i < s->peer_slots; i++)
		if (s->peers[i].name)
			peer_free(&s->peers[i]);
}
