// SPDX-License-Identifier: GPL-2.0-or-later
/* What the control socket's methods answer (io.mpgate.varlink): state. flows.c, peers.c, policy.c,
 * counters.c and history_look.c have the rest.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lib/log.h>
#include <lib/version.h>
#include <mpgated/answers/answers.h>
#include <mpgated/answers/findings.h>
#include <mpgated/answers/why.h>
#include <mpgated/supervisor/listen.h>

static const char *const role_names[] = { [CFG_LAN] = "lan", [CFG_PATH] = "path", [CFG_NET] = "net" };
static const char *const use_names[] = {
	[CFG_PRIMARY] = "primary", [CFG_BACKUP] = "backup", [CFG_OVERFLOW] = "overflow"
};
static const char *const accept_names[] = {
	[CFG_ACCEPT_KEYED] = "keyed", [CFG_ACCEPT_ISSUED] = "issued", [CFG_ACCEPT_OPEN] = "open"
};
static json_t *status_workers(const struct supervisor *s)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < s->worker_count; i++) {
		const struct worker_stats *st = &s->shm->workers[i];
		json_t *o = json_object();

		json_set_int(o, "index", i);
		json_set_int(o, "pid", (uint64_t)s->workers[i].child.pid);
		json_set_int(o, "connections", st->connections);
		json_set_int(o, "accepted", st->steered + st->convert);
		json_set_int(o, "restarts", s->workers[i].child.restarts);
		json_set_int(o, "killed", s->workers[i].child.killed);
		json_array_append_new(all, o);
	}
	return all;
}

static const char *const host_names[] = {
	[MPGATE_HOSTS_NONE] = "none",
	[MPGATE_HOSTS_RUN] = "run",
	[MPGATE_HOSTS_ALL] = "all",
};

static json_t *status_links(const struct supervisor *s)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];
		const struct paths_link *l = paths_get(s->paths, i);
		json_t *o = json_object(), *addrs = json_array();
		char text[160];

		for (unsigned k = 0; k < 2; k++)
			if (addr_is_set(&l->addr[k]))
				json_array_append_new(addrs, json_string(addr_print(&l->addr[k], text)));
		json_set_text(o, "name", c->name);
		json_set_text(o, "role", role_names[c->role]);
		if (c->role == CFG_PATH)
			json_set_text(o, "path", c->path);
		json_set_int(o, "ifindex", l->ifindex);
		json_object_set_new(o, "up", json_boolean(l->up));
		json_object_set_new(o, "addresses", addrs);
		if (link_kind_unfit(&l->kind, c->role, text, sizeof(text)) ||
		    link_kind_caution(&l->kind, c->role, text, sizeof(text)))
			json_set_text(o, "note", text);
		else if (!l->ifindex)
			json_set_text(o, "note", "absent: no such link");
		json_object_set_new(o, "rules", json_boolean(c->role == CFG_LAN || s->link_bitmap[i]));
		json_set_text(o, "steer", datapath_hook_name(s->attached[i].steer));
		json_set_text(o, "guard", datapath_hook_name(s->attached[i].guard));
		json_set_text(o, "gate", datapath_hook_name(s->attached[i].gate));
		json_array_append_new(all, o);
	}
	return all;
}

static void add_feature(json_t *all, const char *name, bool works, const char *degraded, int why)
{
	json_t *o = json_object();

	json_set_text(o, "name", name);
	json_object_set_new(o, "works", json_boolean(works));
	if (!works)
		json_set_text(o, "degraded", degraded);
	if (why)
		json_set_text(o, "why", strerror(why));
	json_array_append_new(all, o);
}

/* Programs and ways to attach them, then what is used of MPTCP. */
static json_t *status_features(const struct supervisor *s)
{
	json_t *all = json_array();
	const struct datapath_feature *f;
	unsigned n = datapath_features(s->dp, &f);

	for (unsigned i = 0; i < n; i++)
		add_feature(all, f[i].name, f[i].works, f[i].degraded, f[i].why);
	add_feature(all, "delivery", !s->watchdog.stopped,
		    "steered SYNs do not reach the workers: connections go unbonded, the log says more", 0);
	for (unsigned i = 0; i < FEATURE_COUNT; i++)
		add_feature(all, features[i].name, s->features[i], features[i].degraded, 0);
	return all;
}

static json_t *list_ports(const struct cfg_ports *p)
{
	json_t *all = json_array();

	for (unsigned i = 0; i < p->count; i++)
		json_array_append_new(all, json_integer(p->port[i]));
	return all;
}

static json_t *list_waiting(const struct supervisor *s)
{
	json_t *all = json_array();
	char text[160];

	for (unsigned n = 0; n < CFG_LISTEN_ADDRESSES; n++)
		if (listen_waits(s, n, text, sizeof(text)))
			json_array_append_new(all, json_string(text));
	return all;
}

static json_t *status(void *arg, const json_t *parameters, const char **error, char **why)
{
	struct supervisor *s = arg;
	json_t *o = json_object(), *policy = json_object(), *peers = json_object(), *convert = json_object();
	unsigned states[3] = { 0 }, passive = 0;

	(void)parameters;
	(void)error;
	(void)why;
	for (unsigned i = 0; i < s->cfg->peer_count; i++)
		if (config_dials(&s->cfg->peers[i]) || s->cfg->peers[i].same_key >= 0)
			states[s->peers[s->peer_slot[i]].state]++;
		else
			passive++;
	json_set_int(policy, "generation", s->generation);
	json_set_int(policy, "rules", s->cfg->rule_count);
	json_set_int(policy, "prefixes", s->prefixes);
	json_set_int(policy, "loaded_at", (uint64_t)s->loaded_at);
	json_set_int(peers, "up", states[PEER_UP]);
	json_set_int(peers, "down", states[PEER_DOWN]);
	json_set_int(peers, "unknown", states[PEER_UNKNOWN]);
	json_set_int(peers, "passive", passive);
	json_object_set_new(convert, "listening", json_boolean(s->cfg->convert.listening));
	json_set_int(convert, "port", s->cfg->convert.listening ? s->cfg->convert.port : 0);
	json_object_set_new(convert, "ports", list_ports(&s->cfg->convert.ports));
	json_object_set_new(convert, "waiting", list_waiting(s));
	json_set_text(convert, "accept", s->cfg->convert.listening ? accept_names[s->cfg->convert.accept] : "none");
	json_object_set_new(convert, "draining", json_boolean(s->shm->draining));
	json_set_text(o, "instance", s->cfg->instance);
	json_set_text(o, "version", MPGATE_VERSION);
	json_set_int(o, "pid", (uint64_t)getpid());
	json_set_int(o, "uptime_s", (uv_now(&s->loop) - s->started) / 1000);
	json_set_text(o, "config", s->path);
	json_object_set_new(o, "workers", status_workers(s));
	json_set_text(o, "host", host_names[s->hosts]);
	json_object_set_new(o, "links", status_links(s));
	json_object_set_new(o, "policy", policy);
	json_object_set_new(o, "peers", peers);
	json_object_set_new(o, "features", status_features(s));
	json_object_set_new(o, "convert", convert);
	json_object_set_new(o, "findings", findings_list(findings_find(s), false));
	return o;
}

/* Byte counters of an interface. From /proc: that is our network namespace's, which a mounted /sys need not be. */
static void set_link_bytes(json_t *o, const char *link)
{
	char line[512];
	size_t len = strlen(link);
	FILE *f = fopen("/proc/self/net/dev", "re");

	while (f && fgets(line, sizeof(line), f)) {
		char *at = line + strspn(line, " ");

		if (strncmp(at, link, len) != 0 || at[len] != ':')
			continue;
		at += len + 1;
		json_set_int(o, "rx_bytes", strtoull(at, &at, 10));
		/* packets, errs, drop, fifo, frame, compressed, multicast */
		for (unsigned i = 0; i < 7; i++)
			(void)strtoull(at, &at, 10);
		json_set_int(o, "tx_bytes", strtoull(at, &at, 10));
	}
	if (f)
		fclose(f);
}

static json_t *paths(void *arg, const json_t *parameters, const char **error, char **why)
{
	struct supervisor *s = arg;
	json_t *reply = json_object(), *all = json_array();

	(void)parameters;
	(void)error;
	(void)why;
	for (unsigned i = 0; i < s->cfg->link_count; i++) {
		const struct cfg_link *c = &s->cfg->links[i];
		const struct paths_link *l = paths_get(s->paths, i);
		static const char *const address[] = { "address4", "address6" };
		static const char *const health[] = { "health4", "health6" };
		static const char *const endpoint[] = { "endpoint4", "endpoint6" };
		char text[ADDR_TEXT];
		json_t *o;

		if (c->role != CFG_PATH)
			continue;
		o = json_object();
		json_set_text(o, "name", c->path);
		json_set_text(o, "link", c->name);
		json_set_text(o, "use", use_names[c->use]);
		json_object_set_new(o, "up", json_boolean(l->up));
		for (unsigned k = 0; k < 2; k++) {
			if (addr_is_set(&l->addr[k])) {
				json_set_text(o, address[k], addr_print(&l->addr[k], text));
				/* Where nobody is asked it would be unknown for ever. */
				if (why_is_probed(s, k))
					json_set_text(o, health[k], health_name(peers_path_health(s, i, k)));
			}
			if (l->endpoint[k])
				json_set_int(o, endpoint[k], (uint64_t)l->endpoint[k]);
		}
		set_link_bytes(o, c->name);
		path_quality(s, i, o);
		why_add(s, i, o);
		json_array_append_new(all, o);
	}
	json_set_text(reply, "manager", paths_manages(s->paths) ? "mpgate" : "kernel");
	json_object_set_new(reply, "paths", all);
	json_object_set_new(reply, "usage", answers_usage(s));
	others_add(s, reply);
	return reply;
}

static json_t *reload(void *arg, const json_t *parameters, const char **error, char **why)
{
	struct supervisor *s = arg;
	struct cfg_error err;
	json_t *o;

	(void)parameters;
	if (supervisor_reload(s, &err) < 0) {
		log_error("reload: %s", err.text);
		return method_fail(error, why, err.text);
	}
	log_info("reload: policy %u in force: %u rules, %u prefixes, %u peers", s->generation, s->cfg->rule_count,
		 s->prefixes, s->cfg->peer_count);
	o = json_object();
	json_set_int(o, "generation", s->generation);
	json_set_int(o, "rules", s->cfg->rule_count);
	json_set_int(o, "prefixes", s->prefixes);
	json_set_int(o, "peers", s->cfg->peer_count);
	return o;
}

static json_t *drain(struct supervisor *s, bool on, const char **error, char **why)
{
	unsigned carried = 0;
	json_t *o;

	if (!s->cfg->convert.listening && !s->cfg->transparent.accept)
		return method_fail(error, why, "no requests come in here: this is no hub");
	if ((s->shm->draining & DRAIN_ASKED) != on)
		log_info("drain: new requests are %s", on ? "told to go elsewhere" : "taken again");
	s->shm->draining = (s->shm->draining & ~DRAIN_ASKED) | (on ? DRAIN_ASKED : 0);
	for (unsigned i = 0; i < s->worker_count; i++)
		carried += s->shm->workers[i].connections;
	o = json_object();
	/* A quota that is used up drains as well. */
	json_object_set_new(o, "draining", json_boolean(s->shm->draining));
	json_set_int(o, "connections", carried);
	return o;
}

static json_t *drain_start(void *arg, const json_t *parameters, const char **error, char **why)
{
	(void)parameters;
	return drain(arg, true, error, why);
}

static json_t *drain_stop(void *arg, const json_t *parameters, const char **error, char **why)
{
	(void)parameters;
	return drain(arg, false, error, why);
}

static json_t *run(void *arg, pid_t caller, const char **error, char **why)
{
	char group[PATH_MAX] = "";
	int ret = caller > 0 ? host_run(arg, caller, group, sizeof(group)) : -ESRCH;

	if (ret)
		return method_fail(error, why, strerror(-ret));
	return *group ? json_pack("{s:s}", "cgroup", group) : json_object();
}

static const struct control_method methods[] = {
	{ "io.mpgate.Status", .call = status },
	{ "io.mpgate.Flows", .start = method_flows },
	{ "io.mpgate.Paths", .call = paths },
	{ "io.mpgate.Subflows", .call = method_subflows },
	{ "io.mpgate.Peers", .call = method_peers },
	{ "io.mpgate.PolicyShow", .call = method_policy_show },
	{ "io.mpgate.PolicyExplain", .call = method_policy_explain },
	{ "io.mpgate.Reload", .call = reload },
	{ "io.mpgate.DrainStart", .call = drain_start },
	{ "io.mpgate.DrainStop", .call = drain_stop },
	{ "io.mpgate.Run", .about = run },
	{ "io.mpgate.Doctor", .call = method_doctor },
	{ "io.mpgate.History", .call = method_history },
	{ "io.mpgate.Stats", .call = method_stats },
	{ 0 },
};

const struct supervisor_answers answers = {
	.methods = methods,
	.texts = { .metrics = answers_metrics, .page = answers_page },
	.look = findings_look,
	.second = history_look,
};
