// SPDX-License-Identifier: GPL-2.0-or-later
#include "peers_script.h"

#include <stdlib.h>
#include <string.h>

#include <mpgated/net/tcp.h>

#include "../fuzz/check.h"
#include "loop.h"

struct script script;

const struct health_result script_good = { .plain_known = true, .syn_data = SYN_DATA_YES, .rtt_us = 20000 };
const struct health_result script_no_syn_data = { .plain_known = true, .syn_data = SYN_DATA_NO, .rtt_us = 20000 };
const struct health_result script_joins = { .plain_known = true, .joins = true, .joins_known = true };
const struct health_result script_silent = { .error = "silent" };

/* --- what peers.c calls */
int datapath_set_peer(struct datapath *dp, unsigned slot, const struct mpgate_peer *peer)
{
	(void)dp;
	CHECK(slot < MPGATE_MAX_PEERS);
	script.steer[slot] = *peer;
	return 0;
}

void datapath_set_tag_key(struct datapath *dp, unsigned slot, const struct subkey *key)
{
	(void)dp;
	CHECK(slot < MPGATE_MAX_PEERS);
	script.tag_key[slot] = key ? key->id : 0;
}

const struct paths_link *paths_get(const struct paths *p, unsigned index)
{
	static const struct paths_link absent = { .metric = { UINT32_MAX, UINT32_MAX } };

	(void)p;
	CHECK(index < script.s.cfg->link_count);
	for (unsigned i = 0; i < script.link_count; i++)
		if (!strcmp(script.link[i].name, script.s.cfg->links[index].name))
			return &script.link[i];
	return &absent;
}

void by_path_tell(struct supervisor *s)
{
	(void)s;
}

void rank_set_down(struct supervisor *s, unsigned link, unsigned f, bool down)
{
	(void)s, (void)link, (void)f, (void)down;
}

void rank_settle(struct supervisor *s)
{
	(void)s;
}

unsigned paths_slot(const struct paths *p, unsigned index)
{
	(void)p;
	CHECK(index < script.s.cfg->link_count);
	return MPGATE_MAX_LINKS - 1 - index;
}

void paths_set_health(struct paths *p, unsigned index, unsigned f, enum paths_health health)
{
	(void)p;
	CHECK(index < script.s.cfg->link_count && f < 2);
	script.told[index][f] = health;
}

void paths_set_announces(struct paths *p, const struct mpgate_addr *peer, uint16_t port, bool announces)
{
	(void)p;
	addr_print_port(peer, htons(port), script.joins);
	script.announces = announces;
}

bool tcp_is_shortage(int err)
{
	return err == EADDRNOTAVAIL;
}

int probe_start(struct peer *p, unsigned way, uint64_t patience_ms, probe_done done)
{
	struct probe *b;

	CHECK(way < p->health.count && p->health.way[way].address < p->address_count);
	if (script.fails)
		return -script.fails;
	b = calloc(1, sizeof(*b));
	CHECK(b);
	*b = (struct probe){ .next = p->probes,
			     .peer = p,
			     .address = p->health.way[way].address,
			     .path = p->health.way[way].path,
			     .patience = patience_ms,
			     .begun = uv_now(&script.s.loop),
			     .done = done };
	p->probes = b;
	script.s.probes++;
	script.begun++;
	return 0;
}

static void take_off(struct probe *b)
{
	struct probe **at = &b->peer->probes;

	while (*at != b)
		at = &(*at)->next;
	*at = b->next;
	script.s.probes--;
}

void probe_cancel(struct peer *p)
{
	while (p->probes) {
		struct probe *b = p->probes;

		take_off(b);
		free(b);
	}
}

/* --- what the test does */
static bool take(struct config *cfg, struct cfg_error *err)
{
	struct supervisor *s = &script.s;
	uint16_t *slots = calloc(cfg->peer_count + 1, sizeof(*slots));
	int ret;

	CHECK(slots);
	ret = peers_assign(s, cfg, slots, err);
	if (ret) {
		free(slots);
		config_free(cfg);
		peers_settle(s);
		return false;
	}
	config_free(s->cfg);
	free(s->peer_slot);
	s->cfg = cfg;
	s->peer_slot = slots;
	peers_commit(s);
	peers_settle(s);
	return true;
}

bool script_load(const char *text, struct cfg_error *err)
{
	struct cfg_error mine = { "" };
	struct config *cfg;

	err = err ? err : &mine;
	return config_parse(text, strlen(text), "test.yaml", ".", &cfg, err) == 0 && take(cfg, err);
}

void script_new(const char *links)
{
	struct cfg_error err;

	loop_new();
	memset(&script, 0, sizeof(script));
	script.s.peers = calloc(MPGATE_MAX_PEERS, sizeof(*script.s.peers));
	script.s.shm = calloc(1, sizeof(*script.s.shm));
	script.s.worker_count = SCRIPT_WORKERS;
	CHECK(script.s.peers && script.s.shm);
	CHECK(config_parse(links, strlen(links), "test.yaml", ".", &script.s.cfg, &err) == 0);
}

bool script_end(void)
{
	struct supervisor *s = &script.s;
	bool clean;

	peers_close(s);
	if (s->peers_timer.data)
		uv_close((uv_handle_t *)&s->peers_timer, NULL);
	loop_pass(0);
	clean = !loop_handles() && !s->probes;
	free(s->peers);
	free(s->shm);
	free(s->peer_slot);
	config_free(s->cfg);
	return clean;
}

struct paths_link *script_link(const char *name, const char *v4, const char *v6, uint32_t metric)
{
	struct paths_link *l = script.link;

	while (l < script.link + script.link_count && strcmp(l->name, name) != 0)
		l++;
	CHECK(l < script.link + SCRIPT_LINKS && strlen(name) < sizeof(l->name));
	if (l == script.link + script.link_count)
		script.link_count++;
	memset(l, 0, sizeof(*l));
	strcpy(l->name, name);
	l->up = v4 || v6;
	l->ifindex = l->up;
	CHECK(!v4 || addr_parse(v4, &l->addr[0]) == 0);
	CHECK(!v6 || addr_parse(v6, &l->addr[1]) == 0);
	l->metric[0] = l->metric[1] = metric;
	return l;
}

struct peer *script_peer(const char *name)
{
	for (unsigned i = 0; i < script.s.peer_slots; i++)
		if (script.s.peers[i].name && !strcmp(script.s.peers[i].name, name))
			return &script.s.peers[i];
	return NULL;
}

struct probe *script_probe(const char *peer, unsigned address, const char *link)
{
	struct peer *p = script_peer(peer);

	for (struct probe *b = p ? p->probes : NULL; b; b = b->next)
		if (b->address == address && !strcmp(b->path.name, link))
			return b;
	return NULL;
}

static void ends(struct probe *b, const struct health_result *r)
{
	take_off(b);
	b->done(b->peer, b->address, &b->path, r);
	free(b);
}

bool script_ends(const char *peer, unsigned address, const char *link, const struct health_result *r)
{
	struct probe *b = script_probe(peer, address, link);

	if (b)
		ends(b, r);
	return b;
}

void script_all_end(const struct health_result *r)
{
	for (unsigned i = 0; i < script.s.peer_slots; i++) {
		unsigned n = 0;

		for (struct probe *b = script.s.peers[i].probes; b; b = b->next)
			n++;
		/* Those of now: what begins in their place goes on. It stands in front. */
		while (n--) {
			struct probe *b = script.s.peers[i].probes;

			while (b->next)
				b = b->next;
			ends(b, r);
		}
	}
}
