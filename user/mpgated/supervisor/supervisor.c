// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Start and stop (reload.c has what is between). The order of starting: what can fail for the user's
 * reasons first (configuration, keys, another daemon), then what the kernel
 * must give (programs, listeners, paths), then the workers; traffic is steered
 * from the moment the policy is in force and a listener is alive. Stopping is
 * the reverse, and each step leaves traffic going the normal way.
 */
#include <mpgated/supervisor/supervisor.h>

#include <errno.h>
#include <lib/trim.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/supervisor/descriptors.h>
#include <mpgated/supervisor/listen.h>
#include <mpgated/paths/sysctl.h>
#include <mpgated/supervisor/timewait.h>
#include <mpgated/supervisor/window_probe.h>

#define NOTIFY_S 1 /* that the service manager's queue may stay full */
#define LINKS_MS 5000 /* that the start waits for them */
#define CLOCK_PERIOD_MS 5000 /* guard's clock; half of what it needs */
#define SECOND_MS 1000

/* Tells the service manager, if there is one (sd_notify(3)); one that does not read is not waited for long. */
static void notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	const struct timeval patience = { .tv_sec = NOTIFY_S };
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
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&un,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

/* Guard and workers judge cookies by one clock. */
static int sync_clock(struct supervisor *s)
{
	int ret = datapath_sync_clock(s->dp);

	__atomic_store_n(&s->shm->wall_offset, datapath_wall_offset(s->dp), __ATOMIC_RELAXED);
	return ret;
}

static void look(struct supervisor *s)
{
	if (s->answers->look)
		s->answers->look(s);
}

/* On addresses that were not there before. */
static void listen_late(struct supervisor *s)
{
	workers_listen(s);
	scrape_again(&s->scrape, s->cfg->metrics_listen, s->cfg->metrics_port);
}

static void clock_due(uv_timer_t *t)
{
	struct supervisor *s = t->data;

	if (getenv("WATCHDOG_USEC"))
		notify("WATCHDOG=1");
	sync_clock(s);
	datapath_sweep_flows(s->dp);
	watchdog_check(s);
	paths_check(s->paths);
	links_check(s);
	host_check(s);
	listen_late(s);
	if (supervisor_local(s) || s->snapshot_due)
		supervisor_publish(s);
	look(s);
}

static void second_due(uv_timer_t *t)
{
	struct supervisor *s = t->data;

	s->answers->second(s);
}

static void on_signal(uv_signal_t *h, int signum)
{
	struct supervisor *s = h->data;
	struct cfg_error err;

	switch (signum) {
	case SIGCHLD:
		workers_reap(s);
		scrape_reap(&s->scrape);
		maplog_reap(&s->maplog);
		discover_reap(&s->discover);
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

static void open_cgroup(struct supervisor *s)
{
	int ret = cgroup_open(CGROUP_WORKERS, s->cfg->instance, true);

	s->cgroup_fd = ret;
	if (config_has_transparent(s->cfg) && datapath_attach_tags(s->dp, s->cgroup_fd) < 0)
		log_warn("no cgroup2 program: connections of mode: transparent reach their servers without a hub");
	/* Only a converter tells its clients what the server's SYN+ACK said. */
	if (!s->cfg->convert.listening)
		return;
	ret = datapath_attach_synack(s->dp, s->cgroup_fd);
	s->synack = ret == 0;
	if (ret < 0)
		log_warn("no cgroup2 program: Connect with TCP options is refused (Error 33)");
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

static void sampled(void *arg)
{
	quality_sampled(arg);
	stall_sampled(arg);
}

/* One that is waited for may be among them. */
static void addressed(void *arg)
{
	listen_late(arg);
}

static int start(struct supervisor *s, const struct supervisor_answers *answers)
{
	const struct paths_events events = {
		.link = supervisor_link, .sampled = sampled, .addrs = addressed, .arg = s
	};
	struct cfg_error err = { "" };
	int ret;

	s->replay_buckets = shared_replay_buckets(s->cfg);
	descriptors_raise(s->cfg, s->cfg->workers);
	flows_open(s);
	ret = workers_memory(s);
	if (ret)
		return ret;
	if (getrandom(&s->issuing, sizeof(s->issuing), 0) != (ssize_t)sizeof(s->issuing))
		return -errno;
	ret = identity_read("/etc/machine-id", s->cfg->instance, s->self);
	if (ret < 0)
		return ret;
	s->self_len = (size_t)ret;
	ret = need_mptcp();
	if (!ret)
		ret = control_open(&s->loop, s->cfg->instance, answers->methods, s, &s->control);
	if (!ret)
		ret = datapath_open(s->cfg->instance, s->replay_buckets, &s->dp);
	if (!ret)
		ret = datapath_set_mark(s->dp, s->cfg->mark.value, s->cfg->mark.mask);
	if (ret)
		return ret;
	open_cgroup(s);
	ret = listen_open(s);
	if (!ret)
		ret = supervisor_load(s);
	if (!ret)
		ret = sync_clock(s);
	if (!ret)
		ret = links_open(s);
	if (!ret)
		ret = paths_open(&s->loop, s->cfg, &events, &s->paths);
	/* That took the lock: a second daemon says that it is one, and not which port is taken. */
	if (!ret && s->cfg->metrics_listen)
		ret = scrape_open(&s->scrape, &s->loop, s->cfg->metrics_listen, s->cfg->metrics_port,
				  s->cfg->metrics_token_file, &answers->texts, s);
	if (ret)
		return ret;
	supervisor_tell_rules(s);
	by_path_start(s);
	links_settle(s);
	if (links_wait(s, LINKS_MS) < 0)
		log_warn("the kernel is busy with its links: programs are attached when it is not");
	supervisor_local(s);
	if (addresses_check(s, s->cfg, &err) || maplog_check(s->cfg, &err)) {
		log_error("%s", err.text);
		return -EINVAL;
	}
	/* Only now: the sysctl that lets sockets send and take data in SYNs is set with the paths. */
	features_probe(s->features);
	if (s->cfg->convert.listening && window_probe()) {
		log_info("this kernel mistakes the window of SYNs with data: guard corrects it");
		ret = datapath_set_unscale(s->dp, true);
	}
	if (!ret)
		ret = supervisor_publish(s);
	if (!ret)
		watchdog_check(s);
	if (!ret)
		ret = maplog_open(&s->maplog, s);
	if (!ret)
		host_settle(s);
	if (!ret)
		ret = workers_start(s);
	/* Loading took more memory than anything that follows. */
	trim_memory();
	return ret;
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
	cost_close(s);
	for (unsigned i = 0; s->dp && i < s->worker_count; i++)
		datapath_set_listener(s->dp, i, 0, false, false);
	workers_stop(s);
	maplog_close(&s->maplog);
	discover_close(&s->discover);
	flows_close(s);
	if (s->dp)
		peers_close(s);
	if (s->control)
		control_close(s->control);
	scrape_close(&s->scrape);
	links_close(s);
	host_close(s);
	if (s->paths)
		paths_close(s->paths);
	/* All at once, before the loop turns again: timers that are due meanwhile find nothing of this any more. */
	uv_walk(&s->loop, close_handle, NULL);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_loop_close(&s->loop);
	if (s->dp) {
		datapath_close(s->dp);
		timewait_end(s->local, s->local_count,
			     htons(s->cfg->transparent.join_count ? s->cfg->transparent.port : 0));
	}
	if (s->cgroup_fd >= 0)
		cgroup_remove(s->cgroup_fd, CGROUP_WORKERS, s->cfg->instance);
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
		munmap(s->shm, shared_size(s->replay_buckets));
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
	s->snapshot_fd = s->cgroup_fd = s->run_fd = s->shm_fd = -1;
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
	s->answers = answers;
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
	s->discover.changed = supervisor_readdress;
	discover_settle(s);
	cost_open(s);
	log_info("instance %s: %u workers, %u rules", s->cfg->instance, s->worker_count, s->cfg->rule_count);
	look(s);
	if (answers->second) {
		uv_timer_init(&s->loop, &s->second);
		s->second.data = s;
		uv_timer_start(&s->second, second_due, SECOND_MS, SECOND_MS);
	}
	notify("READY=1");
	uv_run(&s->loop, UV_RUN_DEFAULT);
	log_info("stopping");
	notify("STOPPING=1");
	stop(s);
	return 0;
}
