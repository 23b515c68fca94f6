// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Start, reload, stop. The order of starting: what can fail for the user's
 * reasons first (configuration, keys, another daemon), then what the kernel
 * must give (programs, listeners, paths), then the workers; traffic is steered
 * from the moment the policy is in force and a listener is alive. Stopping is
 * the reverse, and each step leaves traffic going the normal way.
 */
#include <mpgated/supervisor/supervisor.h>

#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/paths/sysctl.h>
#include <mpgated/supervisor/window_probe.h>

#define CLOCK_PERIOD_MS 5000 /* guard's clock; half of what it needs */

/* Tells the service manager, if there is one (sd_notify(3)). */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(un.sun_path))
		return;
	memcpy(un.sun_path, path, len);
	if (un.sun_path[0] == '@')
		un.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&un,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

/* Refreshes the workers' view of this machine's addresses. True: it changed. */
static bool refresh_local(struct supervisor *s)
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
	return true;
}

/* Makes the snapshot that new workers get and sends it to those that run. */
static int publish(struct supervisor *s)
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
	return 0;
}

static void clock_due(uv_timer_t *t)
{
	struct supervisor *s = t->data;

	datapath_sync_clock(s->dp);
	paths_check(s->paths);
	if (refresh_local(s) || s->snapshot_due)
		publish(s);
}

static void link_changed(void *arg, unsigned i, const struct paths_link *l)
{
	struct supervisor *s = arg;
	const struct cfg_link *c = &s->cfg->links[i];

	if (s->ifindex[i] && s->ifindex[i] != l->ifindex) {
		datapath_detach(s->dp, s->ifindex[i]);
		datapath_link_gone(s->dp, s->ifindex[i]);
		s->ifindex[i] = 0;
		s->attached[i] = (struct datapath_attached){ 0 };
		log_info("link %s is gone", c->name);
	}
	if (!l->ifindex || s->ifindex[i] == l->ifindex)
		return;
	if (datapath_attach(s->dp, l->ifindex, c, l->l3, &s->attached[i]) < 0)
		return;
	s->ifindex[i] = l->ifindex;
	datapath_link_up(s->dp, l->ifindex, c, l->l3, s->link_bitmap[i]);
	log_info("link %s: steer %s, guard %s, gate %s", c->name, datapath_hook_name(s->attached[i].steer),
		 datapath_hook_name(s->attached[i].guard), datapath_hook_name(s->attached[i].gate));
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
	ret = keyring_load(cfg, slots, keyring);
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
	else if (a->convert.port != b->convert.port)
		what = "convert.port";
	else if (a->convert.listen_count != b->convert.listen_count ||
		 memcmp(a->convert.listen, b->convert.listen, a->convert.listen_count * sizeof(*a->convert.listen)) !=
			 0)
		what = "convert.listen";
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
			link_changed(s, i, paths_get(s->paths, i));
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
	peers_commit(s);
	ret = paths_reload(s->paths, cfg);
	attach_missing(s);
	peers_settle(s);
	if (!ret)
		ret = load_convert(s);
	refresh_local(s);
	if (!ret)
		ret = publish(s);
	config_free(old);
	if (ret)
		snprintf(err->text, sizeof(err->text), "%s: applied in part: %s", s->path, strerror(-ret));
	return ret;
}

static void on_signal(uv_signal_t *h, int signum)
{
	struct supervisor *s = h->data;
	struct cfg_error err;

	switch (signum) {
	case SIGCHLD:
		workers_reap(s);
		break;
	case SIGHUP:
		notify("RELOADING=1");
		if (supervisor_reload(s, &err) < 0)
			log_error("reload: %s", err.text);
		else
			log_info("reload: done");
		notify("READY=1");
		break;
	default:
		uv_stop(&s->loop);
	}
}

static void watch_signal(struct supervisor *s, uv_signal_t *h, int signum)
{
	uv_signal_init(&s->loop, h);
	h->data = s;
	uv_signal_start(h, on_signal, signum);
}

static int open_cgroup(struct supervisor *s)
{
	int ret;

	/* Only a converter tells its clients what the server's SYN+ACK said. */
	if (!s->cfg->convert.listening)
		return 0;
	ret = cgroup_open(s->cfg->instance);
	if (ret >= 0)
		s->cgroup_fd = ret;
	ret = datapath_attach_synack(s->dp, ret);
	s->synack = ret == 0;
	if (ret < 0)
		log_warn("no cgroup2 program: Connect with TCP options is refused (Error 33)");
	return 0;
}

/* Before the listeners, which fail for it without a reason that helps. */
static int need_mptcp(void)
{
	int enabled, err = sysctl_get("mptcp/enabled", &enabled);

	if (err)
		log_error("this kernel has no MPTCP");
	else if (!enabled)
		log_error("MPTCP is switched off: set sysctl net.mptcp.enabled to 1");
	return err || !enabled ? -EOPNOTSUPP : 0;
}

static int start(struct supervisor *s, const struct supervisor_answers *answers)
{
	const struct paths_events events = { .link = link_changed, .arg = s };
	struct cfg_error err = { "" };
	int ret;

	flows_open(s);
	ret = workers_memory(s);
	if (ret)
		return ret;
	if (getrandom(&s->issuing, sizeof(s->issuing), 0) != (ssize_t)sizeof(s->issuing))
		return -errno;
	ret = need_mptcp();
	if (!ret)
		ret = control_open(&s->loop, s->cfg->instance, answers->methods, s, &s->control);
	if (!ret && s->cfg->metrics_listen)
		ret = metrics_open(&s->loop, s->cfg->metrics_listen, s->cfg->metrics_port, answers->metrics, s,
				   &s->metrics);
	if (!ret)
		ret = datapath_open(s->cfg->instance, &s->dp);
	if (!ret)
		ret = open_cgroup(s);
	if (!ret)
		ret = workers_listen(s);
	if (!ret &&
	    (number_rules(s, s->cfg, s->rule_id) < 0 || load_peers(s, s->cfg, s->peer_slot, &s->keyring, &err) < 0 ||
	     load_policy(s, s->cfg, s->peer_slot, s->rule_id, &err) < 0)) {
		log_error("%s", err.text[0] ? err.text : strerror(ENOMEM));
		ret = -EINVAL;
	}
	if (!ret) {
		peers_commit(s);
		ret = load_convert(s);
	}
	if (!ret)
		ret = datapath_sync_clock(s->dp);
	if (!ret)
		ret = paths_open(&s->loop, s->cfg, &events, &s->paths);
	if (ret)
		return ret;
	refresh_local(s);
	/* Only now: the sysctl that lets sockets send and take data in SYNs is set with the paths. */
	features_probe(s->features);
	if (s->cfg->convert.listening && window_probe()) {
		log_info("this kernel mistakes the window of SYNs with data: guard corrects it");
		ret = datapath_set_unscale(s->dp, true);
	}
	if (!ret)
		ret = publish(s);
	return ret ? ret : workers_start(s);
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void stop(struct supervisor *s)
{
	sigset_t again;

	/* Asked twice, it is not ended in the middle: closing the handles gives signals their default effect back. */
	sigemptyset(&again);
	sigaddset(&again, SIGTERM);
	sigaddset(&again, SIGINT);
	sigaddset(&again, SIGHUP);
	sigprocmask(SIG_BLOCK, &again, NULL);
	s->stopping = true;
	for (unsigned i = 0; s->dp && i < s->worker_count; i++)
		datapath_set_listener(s->dp, i, 0, false);
	workers_stop(s);
	flows_close(s);
	if (s->dp)
		peers_close(s);
	if (s->control)
		control_close(s->control);
	if (s->metrics)
		metrics_close(s->metrics);
	if (s->paths)
		paths_close(s->paths);
	uv_run(&s->loop, UV_RUN_NOWAIT);
	uv_walk(&s->loop, close_handle, NULL);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_loop_close(&s->loop);
	if (s->dp)
		datapath_close(s->dp);
	if (s->cgroup_fd >= 0)
		cgroup_remove(s->cgroup_fd, s->cfg->instance);
	if (s->snapshot_fd >= 0)
		close(s->snapshot_fd);
	for (unsigned i = 0; i < s->rule_count; i++)
		free(s->rules[i]);
	free(s->rules);
	free(s->rule_id);
	free(s->peer_slot);
	keyring_free(&s->keyring);
	free(s->peers);
	free(s->local);
	free(s->path);
	config_free(s->cfg);
	if (s->shm)
		munmap(s->shm, sizeof(*s->shm));
	if (s->shm_fd >= 0)
		close(s->shm_fd);
	key_wipe(&s->issuing, sizeof(s->issuing));
	free(s);
}

int supervisor_run(const char *path, const struct supervisor_answers *answers)
{
	struct supervisor *s = calloc(1, sizeof(*s));
	struct cfg_error err;
	int ret;

	if (!s)
		return 1;
	s->snapshot_fd = s->cgroup_fd = s->shm_fd = -1;
	ret = config_load(path, &s->cfg, &err);
	if (ret) {
		log_error("%s", err.text);
		free(s);
		return 1;
	}
	uv_loop_init(&s->loop);
	/* Before anything is changed: who is told to stop meanwhile does so when all is there that stop() undoes. */
	watch_signal(s, &s->sigchld, SIGCHLD);
	watch_signal(s, &s->sighup, SIGHUP);
	watch_signal(s, &s->sigterm, SIGTERM);
	watch_signal(s, &s->sigint, SIGINT);
	s->started = uv_now(&s->loop);
	s->path = strdup(path);
	s->peers = calloc(MPGATE_MAX_PEERS, sizeof(*s->peers));
	s->peer_slot = calloc(s->cfg->peer_count + 1, sizeof(*s->peer_slot));
	s->rule_id = calloc(s->cfg->rule_count + 1, sizeof(*s->rule_id));
	ret = s->path && s->peers && s->peer_slot && s->rule_id ? start(s, answers) : -ENOMEM;
	if (ret) {
		log_error("cannot start: %s", strerror(-ret));
		stop(s);
		return 1;
	}
	uv_timer_init(&s->loop, &s->clock);
	s->clock.data = s;
	uv_timer_start(&s->clock, clock_due, CLOCK_PERIOD_MS, CLOCK_PERIOD_MS);
	peers_settle(s);
	log_info("instance %s: %u workers, %u rules", s->cfg->instance, s->worker_count, s->cfg->rule_count);
	notify("READY=1");
	uv_run(&s->loop, UV_RUN_DEFAULT);
	log_info("stopping");
	notify("STOPPING=1");
	stop(s);
	return 0;
}
