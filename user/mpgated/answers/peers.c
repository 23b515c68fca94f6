// SPDX-License-Identifier: GPL-2.0-or-later
/* Peers and the ways to them, for Peers. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include <lib/addr.h>
#include <mpgate/convert.h>
#include <mpgated/answers/answers.h>

static const char *const peer_states[] = { [PEER_UNKNOWN] = "unknown", [PEER_UP] = "up", [PEER_DOWN] = "down" };
static const char *const health_names[] = { [HEALTH_UNKNOWN] = "unknown", [HEALTH_UP] = "up", [HEALTH_DOWN] = "down" };
static const char *const syn_data_names[] = {
	[SYN_DATA_UNKNOWN] = "unknown", [SYN_DATA_YES] = "yes", [SYN_DATA_NO] = "no"
};
const char *health_name(enum health_state state)
{
	return health_names[state];
}

/* Workers write that, so it may be anything. */
static const char *syn_data_name(uint32_t value)
{
	return value <= SYN_DATA_NO ? syn_data_names[value] : syn_data_names[SYN_DATA_UNKNOWN];
}

/* A peer's share of what workers count by peer. */
static uint64_t peer_sum(const struct supervisor *s, const uint32_t counts[][MPGATE_MAX_PEERS], unsigned slot)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < s->worker_count; i++)
		n += counts[i][slot];
	return n;
}

/* What the best way to a peer is over. */
static const char *transport(const struct health *h)
{
	int first = health_first(h);

	return first < 0 ? "unknown" : h->way[first].plain ? "tcp" : "mptcp";
}

/* Appends the ways to a peer. */
static void add_ways(const struct supervisor *s, const struct peer *p, json_t *all)
{
	char text[ADDR_TEXT];

	for (unsigned i = 0; i < p->health.count; i++) {
		const struct health_way *w = &p->health.way[i];
		json_t *o = json_object();

		json_set_text(o, "peer", p->name);
		json_set_text(o, "address", addr_print(&p->address[w->address], text));
		json_set_int(o, "port", ntohs(p->port[w->address]));
		for (unsigned k = 0; k < s->cfg->link_count; k++)
			if (!strcmp(s->cfg->links[k].name, w->path.name)) {
				json_set_text(o, "path", s->cfg->links[k].path);
				path_forgets(s, k, w->path.v6, "forgets_ms", o);
			}
		json_set_text(o, "state", health_name(w->state));
		json_object_set_new(o, "first", json_boolean(health_first(&p->health) == (int)i));
		json_set_text(o, "transport", w->state != HEALTH_UP ? "unknown" : w->plain ? "tcp" : "mptcp");
		json_set_text(o, "syn_data", syn_data_names[w->syn_data]);
		if (w->rtt_us)
			json_set_int(o, "rtt_us", w->rtt_us);
		json_set_text(o, "last_error", w->error);
		json_array_append_new(all, o);
	}
}

/* Where the peer's addresses come from. */
static void add_origin(const struct supervisor *s, const struct peer *p, const struct cfg_peer *c, json_t *o)
{
	const struct discovered *f = discover_get(s, p->slot);
	uint64_t now = uv_now(&s->loop);
	const char *error = f ? discover_error(&s->discover, f) : "";
	char text[160];

	if (config_dials(c))
		json_set_text(o, "from", c->dhcp ? "dhcp" : c->domain ? "dns" : "file");
	if (!f)
		return;
	json_set_text(o, "domain", f->domain);
	if (f->domain[0] || s->discover.option.len)
		json_set_int(o, "asked_in_s", f->next > now ? (f->next - now + 999) / 1000 : 0);
	json_set_text(o, "lookup_error", error);
	if (f->count)
		return;
	snprintf(text, sizeof(text), "no address yet: %s", *error ? error : "DNS is being asked");
	json_set_text(o, "last_error", text);
}

/* The last error, past or not, and how long ago that was. */
static void add_error(const struct supervisor *s, const struct peer *p, json_t *o)
{
	const char *error = p->last_error[0] ? p->last_error : p->past_error;

	json_set_text(o, "last_error", error);
	if (*error && p->erred)
		json_set_int(o, "last_error_age_s", (uv_now(&s->loop) - p->erred) / 1000);
}

/* That of its connections, also of those that go on. */
static void add_bytes(const struct supervisor *s, const struct peer *p, json_t *o)
{
	uint64_t up = 0, down = 0;

	for (unsigned i = 0; i < s->worker_count; i++) {
		up += s->shm->peer_bytes[i][p->slot][0];
		down += s->shm->peer_bytes[i][p->slot][1];
	}
	json_set_int(o, "bytes_up", up);
	json_set_int(o, "bytes_down", down);
}

/* What workers noted of a peer that dials us. They can write that, so it may be anything. */
static json_t *gateway(const struct supervisor *s, const struct peer *p)
{
	const struct peer_shared *h = &s->shm->peers[p->slot];
	uint32_t now = (uint32_t)(uv_now(&s->loop) / 1000);
	json_t *o = json_object();
	char text[ADDR_TEXT];

	json_set_text(o, "name", p->name);
	if (h->seen) {
		json_set_int(o, "seen_s", now > h->seen ? now - h->seen : 0);
		json_set_text(o, "address", addr_print(&h->seen_from, text));
	}
	json_set_int(o, "connections", peer_sum(s, s->shm->relayed, p->slot));
	add_bytes(s, p, o);
	if (!h->refused)
		return o;
	if (h->refusal == CONVERT_REFUSED_CLOCK)
		snprintf(text, sizeof(text), "clock %+d s", (int32_t)h->ahead);
	else
		snprintf(text, sizeof(text), "%s",
			 h->refusal == CONVERT_REFUSED_DESTINATION ? "destination not allowed"
			 : h->refusal == CONVERT_REFUSED_SOURCE	   ? "source not allowed"
			 : h->refusal == CONVERT_REFUSED_SELF	   ? "has our name"
								   : "not authorized");
	json_set_text(o, "refused", text);
	json_set_int(o, "refused_s", now > h->refused ? now - h->refused : 0);
	return o;
}

/* Requests of who has none of our keys, if there were any. */
static json_t *strangers(const struct supervisor *s)
{
	const struct unknown_shared *u = &s->shm->unknown;
	uint32_t now = (uint32_t)(uv_now(&s->loop) / 1000);
	json_t *all = json_array(), *o;
	char text[ADDR_TEXT];

	if (!u->at)
		return all;
	o = json_object();
	json_set_int(o, "requests", u->count);
	json_set_int(o, "last_s", now > u->at ? now - u->at : 0);
	json_set_text(o, "address", addr_print(&u->from, text));
	json_array_append_new(all, o);
	return all;
}

json_t *method_peers(void *arg, const json_t *parameters, const char **error, char **why)
{
	struct supervisor *s = arg;
	json_t *reply = json_object(), *all = json_array();

	(void)parameters;
	(void)error;
	(void)why;
	for (unsigned i = 0; i < s->cfg->peer_count; i++) {
		const struct peer *p = &s->peers[s->peer_slot[i]];
		json_t *o = json_object(), *addrs = json_array();
		uint64_t now = uv_now(&s->loop);
		char text[ADDR_TEXT];

		for (unsigned k = 0; k < p->own_count; k++)
			json_array_append_new(addrs, json_string(addr_print(&p->address[k], text)));
		json_set_text(o, "name", p->name);
		json_object_set_new(o, "addresses", addrs);
		json_set_int(o, "port", ntohs(p->port[0]));
		json_set_text(o, "state",
			      !config_dials(&s->cfg->peers[i]) && !p->left_out ? "passive"
			      : p->silent				       ? "silent"
									       : peer_states[p->state]);
		/* Of who dials us neither will ever be known. */
		if (config_dials(&s->cfg->peers[i]) || p->left_out) {
			json_set_text(o, "transport", transport(&p->health));
			json_set_text(o, "syn_data", syn_data_name(s->shm->peers[p->slot].syn_data));
		}
		json_set_int(o, "fallbacks", s->shm->peers[p->slot].fallbacks);
		add_error(s, p, o);
		add_origin(s, p, &s->cfg->peers[i], o);
		/* None is planned while one is under way. */
		if (p->state == PEER_DOWN && p->next_try != UINT64_MAX)
			json_set_int(o, "next_try_s", p->next_try > now ? (p->next_try - now + 999) / 1000 : 0);
		json_set_int(o, "connections", peer_sum(s, s->shm->relayed, p->slot));
		add_bytes(s, p, o);
		json_set_int(o, "parked", peer_sum(s, s->shm->parked, p->slot));
		if (p->keyed) {
			snprintf(text, sizeof(text), "%08x", p->send.id);
			json_set_text(o, "key_id", text);
		}
		json_array_append_new(all, o);
	}
	json_object_set_new(reply, "peers", all);
	all = json_array();
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		add_ways(s, &s->peers[s->peer_slot[i]], all);
	json_object_set_new(reply, "ways", all);
	all = json_array();
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		if (!config_dials(&s->cfg->peers[i]) && s->cfg->peers[i].key_file && shared_accepts(s->cfg))
			json_array_append_new(all, gateway(s, &s->peers[s->peer_slot[i]]));
	json_object_set_new(reply, "gateways", all);
	json_object_set_new(reply, "strangers", strangers(s));
	return reply;
}
