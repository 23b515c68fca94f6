// SPDX-License-Identifier: GPL-2.0-or-later
#include "supervisor_script.h"

#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lib/log.h>
#include <mpgated/ipc/shared.h>
#include <mpgated/paths/sysctl.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/supervisor/descriptors.h>
#include <mpgated/supervisor/timewait.h>
#include <mpgated/supervisor/window_probe.h>

#include "../fuzz/check.h"

#define WALL_OFFSET 77U
#define ROUND_MS 1

struct stage stage;

/* What is open of each kind. Its handles are real, so that the loop would not end over one that is forgotten. */
static struct {
	char dp, control, paths;
} part;
static uv_timer_t control_handle, paths_handle;

static const struct control_method no_methods[] = { { .name = NULL } };
const struct supervisor_answers stage_answers = { .methods = no_methods };

void stage_new(void)
{
	CHECK(!stage.opened);
	memset(&stage, 0, sizeof(stage));
}

/* One step. 0, or -EIO where it is to fail. */
static int step(const char *what)
{
	size_t len = strlen(stage.steps);

	CHECK(snprintf(stage.steps + len, sizeof(stage.steps) - len, "%s ", what) < (int)(sizeof(stage.steps) - len));
	for (unsigned i = 0; i < STAGE_SIGNALS; i++) {
		if (!stage.signals[i].step || strcmp(stage.signals[i].step, what) != 0)
			continue;
		stage.signals[i].step = NULL;
		kill(getpid(), stage.signals[i].number);
	}
	return stage.failing && !strcmp(stage.failing, what) ? -EIO : 0;
}

static int open_part(const char *what)
{
	int ret = step(what);

	stage.opened += !ret;
	return ret;
}

static void close_part(const char *what)
{
	step(what);
	CHECK(stage.opened-- > 0);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	size_t len = strlen(stage.errors);
	va_list ap;

	if (level > LOG_LEVEL_ERROR)
		return;
	va_start(ap, fmt);
	vsnprintf(stage.errors + len, sizeof(stage.errors) - len, fmt, ap);
	va_end(ap);
	strncat(stage.errors, "\n", sizeof(stage.errors) - strlen(stage.errors) - 1);
}

/* --- libuv, but for two things */

/* Where rounds of the clock are wanted they come at once. libuv itself calls it for each but the first. */
int uv_timer_start(uv_timer_t *t, uv_timer_cb due, uint64_t timeout, uint64_t repeat)
{
	static int (*real)(uv_timer_t *, uv_timer_cb, uint64_t, uint64_t);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "uv_timer_start");
	CHECK(timeout == repeat);
	if (timeout > ROUND_MS)
		step("clock-start");
	timeout = stage.checks ? ROUND_MS : timeout;
	return real(t, due, timeout, timeout);
}

int uv_loop_close(uv_loop_t *loop)
{
	static int (*real)(uv_loop_t *);
	int ret;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "uv_loop_close");
	ret = real(loop);
	stage.loop_closed = ret == 0;
	return ret;
}

/* --- this machine */

int sysctl_get(const char *name, int *value)
{
	CHECK(!strcmp(name, "mptcp/enabled"));
	*value = !stage.mptcp_off;
	return step("mptcp") || stage.no_mptcp ? -ENOENT : 0;
}

int identity_read(const char *machine_id, const char *instance, char out[IDENTITY_MAX])
{
	(void)machine_id;
	strcpy(out, instance);
	return step("identity") ? -EIO : (int)strlen(instance);
}

void features_probe(bool works[FEATURE_COUNT])
{
	works[0] = true;
	step("features");
}

bool window_probe(void)
{
	step("window");
	return stage.window_wrong;
}

void descriptors_raise(const struct config *cfg, unsigned workers)
{
	CHECK(workers == cfg->workers);
	step("descriptors");
}

/* The descriptor is a real one, which cgroup_remove() closes. */
int cgroup_open(enum cgroup_name which, const char *instance, bool make)
{
	int ret = open_part("cgroup");

	(void)instance;
	CHECK(which == CGROUP_WORKERS && make);
	return ret ? ret : dup(STDERR_FILENO);
}

void cgroup_remove(int fd, enum cgroup_name which, const char *instance)
{
	(void)instance;
	CHECK(which == CGROUP_WORKERS);
	close(fd);
	close_part("cgroup-remove");
}

/* --- control and metrics */

int control_open(uv_loop_t *loop, const char *instance, const struct control_method *methods, void *arg,
		 struct control **out)
{
	int ret = open_part("control");

	(void)instance;
	CHECK(methods == no_methods && arg);
	if (ret)
		return ret;
	uv_timer_init(loop, &control_handle);
	*out = (struct control *)&part.control;
	return 0;
}

void control_close(struct control *c)
{
	CHECK((char *)c == &part.control);
	close_part("control-close");
	uv_close((uv_handle_t *)&control_handle, NULL);
}

int scrape_open(struct scrape *s, uv_loop_t *loop, const char *addr, uint16_t port, metrics_render render, void *arg)
{
	int ret = open_part("scrape");

	(void)loop;
	(void)render;
	(void)arg;
	CHECK(addr && port);
	s->open = ret == 0;
	return ret;
}

void scrape_close(struct scrape *s)
{
	if (s->open)
		close_part("scrape-close");
	s->open = false;
}

void scrape_reap(struct scrape *s)
{
	(void)s;
	step("reap-scrape");
}

/* --- addresses, and the log of mappings: test_config.c, pool.t and mappings.t show what these refuse and do */

int addresses_check(const struct supervisor *s, const struct config *cfg, struct cfg_error *err)
{
	(void)err;
	CHECK(s->paths && cfg == s->cfg);
	return 0;
}

int maplog_check(const struct config *cfg, struct cfg_error *err)
{
	(void)err;
	CHECK(cfg);
	return 0;
}

int maplog_open(struct maplog *m, struct supervisor *s)
{
	CHECK(m == &s->maplog && s->shm && !m->open);
	m->open = true;
	return 0;
}

void maplog_reap(struct maplog *m)
{
	(void)m;
}

void maplog_close(struct maplog *m)
{
	m->open = false;
}

void supervisor_readdress(struct supervisor *s, unsigned cfg_index)
{
	(void)s;
	(void)cfg_index;
}

void discover_settle(struct supervisor *s)
{
	CHECK(s->shm && s->discover.changed);
}

void discover_reap(struct discover *d)
{
	(void)d;
}

void discover_close(struct discover *d)
{
	(void)d;
}

/* --- the data plane */

static void check_dp(const struct datapath *dp)
{
	CHECK((const char *)dp == &part.dp);
}

int datapath_open(const char *instance, unsigned replay_buckets, struct datapath **out)
{
	int ret = open_part("datapath");

	(void)instance;
	CHECK(replay_buckets);
	if (!ret)
		*out = (struct datapath *)&part.dp;
	return ret;
}

void datapath_close(struct datapath *dp)
{
	check_dp(dp);
	close_part("datapath-close");
}

void timewait_end(const struct mpgate_addr *local, unsigned count, __be16 joins)
{
	CHECK(local || !count);
	CHECK(!joins);
	step("timewait");
}

int datapath_set_mark(struct datapath *dp, uint32_t value, uint32_t mask)
{
	check_dp(dp);
	CHECK(value && mask);
	return step("mark");
}

int datapath_attach_synack(struct datapath *dp, int cgroup_fd)
{
	check_dp(dp);
	return cgroup_fd < 0 ? cgroup_fd : step("synack");
}

int datapath_attach_tags(struct datapath *dp, int cgroup_fd)
{
	check_dp(dp);
	return cgroup_fd < 0 ? cgroup_fd : step("tags");
}

void by_path_start(struct supervisor *s)
{
	check_dp(s->dp);
	CHECK(s->paths); /* whose addresses they are told of */
}

int datapath_set_unscale(struct datapath *dp, bool on)
{
	check_dp(dp);
	CHECK(on);
	return step("unscale");
}

int datapath_sync_clock(struct datapath *dp)
{
	check_dp(dp);
	return step("sync");
}

uint64_t datapath_wall_offset(const struct datapath *dp)
{
	check_dp(dp);
	return WALL_OFFSET;
}

int datapath_sweep_flows(struct datapath *dp)
{
	check_dp(dp);
	return step("sweep");
}

int datapath_set_listener(struct datapath *dp, unsigned worker, __be16 port, bool alive, bool full)
{
	(void)worker;
	check_dp(dp);
	CHECK(!port && !alive && !full);
	return step("unsteer");
}

/* --- paths */

int paths_open(uv_loop_t *loop, const struct config *cfg, const struct paths_events *events, struct paths **out)
{
	int ret = open_part("paths");

	CHECK(cfg && events->link == supervisor_link && events->arg);
	if (ret)
		return ret;
	uv_timer_init(loop, &paths_handle);
	*out = (struct paths *)&part.paths;
	return 0;
}

void paths_close(struct paths *p)
{
	CHECK((char *)p == &part.paths);
	close_part("paths-close");
	uv_close((uv_handle_t *)&paths_handle, NULL);
}

void paths_check(struct paths *p)
{
	CHECK((char *)p == &part.paths);
	step("check");
	if (stage.checks && !--stage.checks)
		kill(getpid(), SIGTERM);
}

/* --- the supervisor's other files */

int workers_memory(struct supervisor *s)
{
	size_t size = shared_size(s->replay_buckets);

	s->shm_fd = memfd_create("mpgate-shared", MFD_CLOEXEC);
	CHECK(s->shm_fd >= 0 && !ftruncate(s->shm_fd, (off_t)size));
	if (step("memory"))
		return -EIO;
	s->shm = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->shm_fd, 0);
	CHECK(s->shm != MAP_FAILED);
	return 0;
}

int workers_listen(struct supervisor *s)
{
	s->worker_count = s->cfg->workers;
	return step("listen");
}

int workers_start(struct supervisor *s)
{
	CHECK(s->shm->wall_offset == WALL_OFFSET && s->snapshot_fd >= 0);
	return step("workers");
}

void workers_stop(struct supervisor *s)
{
	CHECK(s->stopping);
	step("workers-stop");
}

void workers_reap(struct supervisor *s)
{
	(void)s;
	step("reap");
}

void flows_open(struct supervisor *s)
{
	uv_timer_init(&s->loop, &s->flows_late);
	step("flows");
}

void flows_close(struct supervisor *s)
{
	(void)s;
	step("flows-close");
}

void host_settle(struct supervisor *s)
{
	check_dp(s->dp);
	CHECK(s->paths);
	step("host");
}

void host_check(struct supervisor *s)
{
	check_dp(s->dp);
	step("host-check");
}

int links_open(struct supervisor *s)
{
	check_dp(s->dp);
	if (step("links"))
		return -EIO;
	s->links.open = true;
	stage.opened++;
	return 0;
}

void links_close(struct supervisor *s)
{
	if (!s->links.open)
		return;
	step("links-close");
	s->links.open = false;
	stage.opened--;
}

void links_settle(struct supervisor *s)
{
	CHECK(s->links.open && s->paths);
	step("serve");
}

int links_wait(struct supervisor *s, unsigned ms)
{
	CHECK(s->links.open && ms);
	return step("served") ? -EBUSY : 0;
}

void links_check(struct supervisor *s)
{
	CHECK(s->links.open && s->paths);
	step("links-check");
}

void host_close(struct supervisor *s)
{
	CHECK(s->run_fd == -1 && !s->links.open);
	step("host-close");
}

void watchdog_check(struct supervisor *s)
{
	check_dp(s->dp);
	step("watchdog");
}

int supervisor_load(struct supervisor *s)
{
	s->rules = calloc(1, sizeof(*s->rules));
	s->rules[s->rule_count++] = strdup("all");
	s->keyring.keys = calloc(1, sizeof(*s->keyring.keys));
	return step("load");
}

int supervisor_reload(struct supervisor *s, struct cfg_error *err)
{
	(void)s;
	snprintf(err->text, sizeof(err->text), "line 7 is wrong");
	return step("reload");
}

void cost_open(struct supervisor *s)
{
	(void)s;
}

void cost_close(struct supervisor *s)
{
	(void)s;
}

void supervisor_tell_rules(struct supervisor *s)
{
	(void)s;
}

bool supervisor_local(struct supervisor *s)
{
	free(s->local);
	s->local = calloc(1, sizeof(*s->local));
	step("local");
	return stage.addresses_change;
}

int supervisor_publish(struct supervisor *s)
{
	if (step("publish"))
		return -EIO;
	if (s->snapshot_fd < 0)
		s->snapshot_fd = dup(STDERR_FILENO);
	s->snapshot_due = stage.snapshot_due;
	return 0;
}

void quality_sampled(void *s)
{
	(void)s;
}

void stall_sampled(struct supervisor *s)
{
	(void)s;
}

void supervisor_link(void *s, unsigned i, const struct paths_link *l)
{
	(void)s;
	(void)i;
	(void)l;
}

void peers_settle(struct supervisor *s)
{
	(void)s;
	step("settle");
}

void peers_close(struct supervisor *s)
{
	check_dp(s->dp);
	step("peers-close");
}

void keyring_free(struct keyring *k)
{
	free(k->keys);
	k->keys = NULL;
	step("keyring-free");
}
