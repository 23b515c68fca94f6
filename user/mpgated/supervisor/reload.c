// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration in force: how the first one gets there, and how another
 * one takes its place. What can fail for the user's reasons comes first, and
 * nothing has changed when it does.
 */
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/supervisor/descriptors.h>
#include <mpgated/supervisor/supervisor.h>

#define LINKS_MS 1000 /* that a reload waits for them */

bool supervisor_local(struct supervisor *s)
{
	struct mpgate_addr *local;
	unsigned count;

	if (paths_local_addrs(s->paths, &local, &count) < 0)
		return false;
	if (count == s->local_count && (!count || !memcmp(local, s->local, count * sizeof(*local)))) {
		free(local);
		return false;
	}
	free(s->local);
	s->local = local;
	s->local_count = count;
	datapath_set_local(s->dp, s->cfg, local, count);
	return true;
}

int supervisor_publish(struct supervisor *s)
{
	int fd = snapshot_make(s);

	s->snapshot_due = fd < 0;
	if (fd < 0) {
		log_error("the workers' configuration: %s", strerror(-fd));
		return fd;
	}
	if (s->snapshot_fd >= 0)
		close(s->snapshot_fd);
	s->snapshot_fd = fd;
	workers_update(s);
	addresses_tell(s);
	return 0;
}

/* Numbers for the rules of cfg: a name that was there before keeps its number. */
static int number_rules(struct supervisor *s, const struct config *cfg, uint32_t *id)
{
	for (unsigned i = 0; i < cfg->rule_count; i++) {
		char **names, *name;

		id[i] = 0;
		for (unsigned k = 0; k < s->rule_count && !id[i]; k++)
			if (!strcmp(s->rules[k], cfg->rules[i].name))
				id[i] = k + 1;
		if (id[i])
			continue;
		name = strdup(cfg->rules[i].name);
		names = reallocarray(s->rules, s->rule_count + 1, sizeof(*names));
		if (names)
			s->rules = names;
		if (!name || !names) {
			free(name);
			return -ENOMEM;
		}
		names[s->rule_count++] = name;
		id[i] = s->rule_count;
	}
	return 0;
}

/* Slots for the peers of cfg, and all keys. Nothing is in force yet. */
static int load_peers(struct supervisor *s, struct config *cfg, uint16_t *slots, struct keyring *keyring,
		      struct cfg_error *err)
{
	int ret = peers_assign(s, cfg, slots, err);

	if (ret)
		return ret;
	discover_fill(s, cfg, slots);
	ret = keyring_load(s, cfg, slots, keyring);
	if (ret)
		snprintf(err->text, sizeof(err->text), "%s: the keys: %s", cfg->path, strerror(-ret));
	return ret;
}

/* Compiles cfg and puts the policy in force; fills link_bitmap. Nothing has changed when it fails. */
static int load_policy(struct supervisor *s, const struct config *cfg, const uint16_t *slots, const uint32_t *ids,
		       struct cfg_error *err)
{
	unsigned ifindex[MPGATE_MAX_LINKS] = { 0 };
	bool l3[MPGATE_MAX_LINKS] = { false };
	struct policy_image img;
	uint64_t client_key[2];
	int ret;

	/* Another one on each gateway: hosts of many have the same few addresses. */
	key_of_self(s->self, s->self_len, client_key);
	ret = policy_compile(cfg, slots, ids, client_key, &img);

	if (ret) {
		snprintf(err->text, sizeof(err->text), "%s: the policy: %s", cfg->path, strerror(-ret));
		return ret;
	}
	for (unsigned i = 0; i < cfg->link_count; i++) {
		ifindex[i] = if_nametoindex(cfg->links[i].name);
		for (unsigned k = 0; s->paths && k < paths_count(s->paths); k++)
			if (!strcmp(paths_get(s->paths, k)->name, cfg->links[i].name))
				l3[i] = paths_get(s->paths, k)->l3;
	}
	ret = datapath_set_policy(s->dp, cfg, &img, ifindex, l3);
	if (ret) {
		snprintf(err->text, sizeof(err->text), "%s: the policy could not be loaded: %s", cfg->path,
			 strerror(-ret));
	} else {
		memcpy(s->link_bitmap, img.link_bitmap, sizeof(s->link_bitmap));
		s->prefixes = img.lpm_count + img.exact_count;
		s->loaded_at = time(NULL);
		s->generation++;
	}
	policy_free(&img);
	return ret;
}

/* What of the configuration the data plane needs besides the policy. */
static int load_convert(struct supervisor *s)
{
	int ret = datapath_set_keys(s->dp, s->keyring.keys, s->keyring.count);

	if (!ret)
		ret = datapath_set_peer_addrs(s->dp, s->cfg);
	return ret ? ret : datapath_set_convert(s->dp, s->cfg);
}

/* The settings that listeners and workers are made from stay as they are until a restart. */
static int needs_restart(const struct config *a, const struct config *b, struct cfg_error *err)
{
	const char *what = NULL;

	if (strcmp(a->instance, b->instance) != 0)
		what = "instance";
	else if (a->workers != b->workers)
		what = "workers";
	else if (a->mark.value != b->mark.value || a->mark.mask != b->mark.mask)
		what = "mark";
	else if (a->convert.port != b->convert.port)
		what = "convert.port";
	else if (a->convert.ports.count != b->convert.ports.count ||
		 memcmp(a->convert.ports.port, b->convert.ports.port,
			a->convert.ports.count * sizeof(*a->convert.ports.port)) != 0)
		what = "convert.ports";
	else if (a->convert.listen_count != b->convert.listen_count ||
		 memcmp(a->convert.listen, b->convert.listen, a->convert.listen_count * sizeof(*a->convert.listen)) !=
			 0)
		what = "convert.listen";
	else if (config_has_transparent(a) != config_has_transparent(b))
		what = "the first peers.mode: transparent";
	else if (shared_accepts(a) != shared_accepts(b))
		what = "the first peers.park";
	else if (a->metrics_port != b->metrics_port || !a->metrics_listen != !b->metrics_listen ||
		 (a->metrics_listen && strcmp(a->metrics_listen, b->metrics_listen) != 0) ||
		 !a->metrics_token_file != !b->metrics_token_file ||
		 (a->metrics_token_file && strcmp(a->metrics_token_file, b->metrics_token_file) != 0))
		what = "metrics";
	if (!what)
		return 0;
	snprintf(err->text, sizeof(err->text), "%s: %s cannot change while the daemon runs; restart it", b->path, what);
	return -EBUSY;
}

int supervisor_load(struct supervisor *s)
{
	struct cfg_error err = { "" };

	if (number_rules(s, s->cfg, s->rule_id) < 0 || load_peers(s, s->cfg, s->peer_slot, &s->keyring, &err) < 0 ||
	    load_policy(s, s->cfg, s->peer_slot, s->rule_id, &err) < 0) {
		log_error("%s", err.text[0] ? err.text : strerror(ENOMEM));
		return -EINVAL;
	}
	peers_commit(s);
	return load_convert(s);
}

void supervisor_tell_rules(struct supervisor *s)
{
	struct paths_rule rules[MPGATE_MAX_RULES];
	unsigned n = 0;

	for (unsigned i = 0; i < s->cfg->rule_count; i++) {
		const struct cfg_rule *r = &s->cfg->rules[i];

		if (!config_steers(r))
			continue;
		rules[n] =
			(struct paths_rule){ .id = s->rule_id[i], .steer = r->steer, .count = (uint8_t)r->path_count };
		for (unsigned k = 0; k < r->path_count; k++)
			rules[n].links[k] = (uint8_t)r->paths[k];
		n++;
	}
	paths_set_rules(s->paths, rules, n);
}

/*
 * What follows a policy that is in force. Nothing that fails keeps the rest back: steer, guard and workers would go by
 * different configurations. 0, or the first -errno.
 */
static int follow(struct supervisor *s)
{
	int ret, part;

	supervisor_tell_rules(s);
	ret = paths_reload(s->paths, s->cfg);
	links_settle(s);
	part = links_wait(s, LINKS_MS);
	ret = ret ? ret : part;
	host_settle(s);
	peers_settle(s);
	discover_settle(s);
	part = load_convert(s);
	ret = ret ? ret : part;
	supervisor_local(s);
	part = supervisor_publish(s);
	maplog_renew(&s->maplog);
	by_path_renew(s);
	return ret ? ret : part;
}

void supervisor_readdress(struct supervisor *s, unsigned cfg_index)
{
	peers_readdress(s, cfg_index);
	datapath_set_peer_addrs(s->dp, s->cfg);
	paths_renew(s->paths, s->cfg);
	supervisor_publish(s);
}

int supervisor_reload(struct supervisor *s, struct cfg_error *err)
{
	struct config *cfg, *old = s->cfg;
	struct keyring keyring = { 0 };
	uint16_t *slots = NULL;
	uint32_t *ids = NULL;
	int ret = config_load(s->path, &cfg, err);

	if (ret)
		return ret;
	ret = needs_restart(old, cfg, err);
	if (!ret)
		ret = addresses_check(s, cfg, err);
	if (!ret)
		ret = maplog_check(cfg, err);
	if (!ret) {
		slots = calloc(cfg->peer_count + 1, sizeof(*slots));
		ids = calloc(cfg->rule_count + 1, sizeof(*ids));
		if (!slots || !ids || number_rules(s, cfg, ids) < 0) {
			snprintf(err->text, sizeof(err->text), "%s", strerror(ENOMEM));
			ret = -ENOMEM;
		}
	}
	if (!ret)
		ret = load_peers(s, cfg, slots, &keyring, err);
	if (!ret)
		ret = load_policy(s, cfg, slots, ids, err);
	if (ret) {
		peers_settle(s);
		keyring_free(&keyring);
		free(slots);
		free(ids);
		config_free(cfg);
		return ret;
	}
	free(s->peer_slot);
	free(s->rule_id);
	s->peer_slot = slots;
	s->rule_id = ids;
	s->cfg = cfg;
	links_move(s, old);
	keyring_free(&s->keyring);
	s->keyring = keyring;
	descriptors_raise(cfg, s->worker_count);
	peers_commit(s);
	ret = follow(s);
	config_free(old);
	if (shared_replay_buckets(s->cfg) > s->replay_buckets)
		log_warn("the tables of used cookies stay as large as they are until a restart");
	if (ret)
		snprintf(err->text, sizeof(err->text), "%s: applied in part: %s", s->path, strerror(-ret));
	return ret;
}
