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

static void link_leave(struct supervisor *s, unsigned i)
{
	datapath_detach(s->dp, s->ifindex[i]);
	datapath_link_gone(s->dp, s->ifindex[i]);
	s->ifindex[i] = 0;
	s->attached[i] = (struct datapath_attached){ 0 };
}

void supervisor_link(void *arg, unsigned i, const struct paths_link *l)
{
	struct supervisor *s = arg;
	struct cfg_link c = s->cfg->links[i];
	char text[160];

	if (c.role == CFG_PATH && s->paths)
		peers_paths_changed(s);
	if (s->ifindex[i] && s->ifindex[i] != l->ifindex) {
		link_leave(s, i);
		log_info("link %s is gone", c.name);
	}
	if (!l->ifindex)
		return;
	if (link_kind_unfit(&l->kind, c.role, text, sizeof(text))) {
		log_error("link %s is not served: %s", c.name, text);
		if (s->ifindex[i])
			link_leave(s, i);
		return;
	}
	if (s->ifindex[i] == l->ifindex)
		return;
	if (c.guard == CFG_GUARD_AUTO && link_kind_wants_tc(&l->kind))
		c.guard = CFG_GUARD_TC;
	if (datapath_attach(s->dp, l->ifindex, &c, l->l3, &s->attached[i]) < 0)
		return;
	s->ifindex[i] = l->ifindex;
	datapath_link_up(s->dp, l->ifindex, &c, l->l3, s->link_bitmap[i]);
	log_info("link %s: steer %s, guard %s, gate %s", c.name, datapath_hook_name(s->attached[i].steer),
		 datapath_hook_name(s->attached[i].guard), datapath_hook_name(s->attached[i].gate));
	if (link_kind_caution(&l->kind, c.role, text, sizeof(text)))
		log_warn("link %s: %s", c.name, text);
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
static int load_peers(struct supervisor *s, const struct config *cfg, uint16_t *slots, struct keyring *keyring,
		      struct cfg_error *err)
{
	int ret = peers_assign(s, cfg, slots, err);

	if (ret)
		return ret;
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
	int ret = policy_compile(cfg, slots, ids, &img);

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
	else if (a->convert.listen_count != b->convert.listen_count ||
		 memcmp(a->convert.listen, b->convert.listen, a->convert.listen_count * sizeof(*a->convert.listen)) !=
			 0)
		what = "convert.listen";
	else if (config_has_transparent(a) != config_has_transparent(b))
		what = "the first peers.mode: transparent";
	else if (shared_accepts(a) != shared_accepts(b))
		what = "the first peers.park";
	else if (a->metrics_port != b->metrics_port || !a->metrics_listen != !b->metrics_listen ||
		 (a->metrics_listen && strcmp(a->metrics_listen, b->metrics_listen) != 0))
		what = "metrics";
	if (!what)
		return 0;
	snprintf(err->text, sizeof(err->text), "%s: %s cannot change while the daemon runs; restart it", b->path, what);
	return -EBUSY;
}

/* Carries what is attached from the old order of links to the new one, and detaches what is no longer named. */
static void move_links(struct supervisor *s, const struct config *from, const struct config *to)
{
	struct datapath_attached attached[MPGATE_MAX_LINKS] = { 0 };
	unsigned ifindex[MPGATE_MAX_LINKS] = { 0 };

	for (unsigned i = 0; i < from->link_count; i++) {
		const struct cfg_link *a = &from->links[i], *b = NULL;
		unsigned k;

		for (k = 0; k < to->link_count && !b; k++)
			if (!strcmp(to->links[k].name, a->name))
				b = &to->links[k];
		if (!s->ifindex[i])
			continue;
		if (b && b->role == a->role && b->guard == a->guard && b->early_classify == a->early_classify) {
			attached[k - 1] = s->attached[i];
			ifindex[k - 1] = s->ifindex[i];
		} else {
			datapath_detach(s->dp, s->ifindex[i]);
		}
	}
	memcpy(s->attached, attached, sizeof(attached));
	memcpy(s->ifindex, ifindex, sizeof(ifindex));
}

/* Attaches to links that are there but not served, which no event of the paths would report. */
static void attach_missing(struct supervisor *s)
{
	for (unsigned i = 0; i < paths_count(s->paths); i++)
		if (!s->ifindex[i] && paths_get(s->paths, i)->ifindex)
			supervisor_link(s, i, paths_get(s->paths, i));
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

/*
 * What follows a policy that is in force. Nothing that fails keeps the rest back: steer, guard and workers would go by
 * different configurations. 0, or the first -errno.
 */
static int follow(struct supervisor *s)
{
	int ret = paths_reload(s->paths, s->cfg), part;

	attach_missing(s);
	host_settle(s);
	peers_settle(s);
	part = load_convert(s);
	ret = ret ? ret : part;
	supervisor_local(s);
	part = supervisor_publish(s);
	maplog_renew(&s->maplog);
	return ret ? ret : part;
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
	move_links(s, old, cfg);
	free(s->peer_slot);
	free(s->rule_id);
	s->peer_slot = slots;
	s->rule_id = ids;
	s->cfg = cfg;
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
