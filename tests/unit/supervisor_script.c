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

int stage_step(const char *what)
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

int stage_open(const char *what)
{
	int ret = stage_step(what);

	stage.opened += !ret;
	return ret;
}

void stage_close(const char *what)
{
	stage_step(what);
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
		stage_step("clock-start");
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
	return stage_step("mptcp") || stage.no_mptcp ? -ENOENT : 0;
}

int identity_read(const char *machine_id, const char *instance, char out[IDENTITY_MAX])
{
	(void)machine_id;
	strcpy(out, instance);
	return stage_step("identity") ? -EIO : (int)strlen(instance);
}

void features_probe(bool works[FEATURE_COUNT])
{
	works[0] = true;
	stage_step("features");
}

bool window_probe(void)
{
	stage_step("window");
	return stage.window_wrong;
}

void descriptors_raise(const struct config *cfg, unsigned workers)
{
	CHECK(workers == cfg->workers);
	stage_step("descriptors");
}

/* The descriptor is a real one, which cgroup_remove() closes. */
int cgroup_open(enum cgroup_name which, const char *instance, bool make)
{
	int ret = stage_open("cgroup");

	(void)instance;
	CHECK(which == CGROUP_WORKERS && make);
	return ret ? ret : dup(STDERR_FILENO);
}

void cgroup_remove(int fd, enum cgroup_name which, const char *instance)
{
	(void)instance;
	CHECK(which == CGROUP_WORKERS);
	close(fd);
	stage_close("cgroup-remove");
}

/* --- control and metrics */

int control_open(uv_loop_t *loop, const char *instance, const struct control_method *methods, void *arg,
		 struct control **out)
{
	int ret = stage_open("control");

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
	stage_close("control-close");
	uv_close((uv_handle_t *)&control_handle, NULL);
}

int scrape_open(struct scrape *s, uv_loop_t *loop, const char *addr, uint16_t port, const char *token_file,
		const struct http_source *source, void *arg)
{
	int ret = stage_open("scrape");

	(void)loop;
	(void)source;
	(void)arg;
	CHECK(addr && port && !token_file);
	s->open = ret == 0;
	return ret;
}

void scrape_again(struct scrape *s, const char *addr, uint16_t port)
{
	(void)s;
	(void)addr;
	(void)port;
}

void scrape_close(struct scrape *s)
{
	if (s->open)
		stage_close("scrape-close");
	s->open = false;
}

void scrape_reap(struct scrape *s)
{
	(void)s;
	stage_step("reap-scrape");
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

void stage_check_dp(const struct datapath *dp)
{
	CHECK((const char *)dp == &part.dp);
}

int datapath_open(const char *instance, unsigned replay_buckets, struct datapath **out)
{
	int ret = stage_open("datapath");

	(void)instance;
	CHECK(replay_buckets);
	if (!ret)
		*out = (struct datapath *)&part.dp;
	return ret;
}

void datapath_close(struct datapath *dp)
{
	stage_check_dp(dp);
	stage_close("datapath-close");
}

void timewait_end(const struct mpgate_addr *local, unsigned count, __be16 joins)
{
	CHECK(local || !count);
	CHECK(!joins);
	stage_step("timewait");
}

int datapath_set_mark(struct datapath *dp, uint32_t value, uint32_t mask)
{
	stage_check_dp(dp);
	CHECK(value && mask);
	return stage_step("mark");
}

int datapath_attach_synack(struct datapath *dp, int cgroup_fd)
{
	stage_check_dp(dp);
	return cgroup_fd < 0 ? cgroup_fd : stage_step("synack");
}

int datapath_attach_tags(struct datapath *dp, int cgroup_fd)
{
	stage_check_dp(dp);
	return cgroup_fd < 0 ? cgroup_fd : stage_step("tags");
}

void by_path_start(struct supervisor *s)
{
	stage_check_dp(s->dp);
	CHECK(s->paths); /* whose addresses they are told of */
}

int datapath_set_unscale(struct datapath *dp, bool on)
{
	stage_check_dp(dp);
	CHECK(on);
	return stage_step("unscale");
}

int datapath_sync_clock(struct datapath *dp)
{
	stage_check_dp(dp);
	return stage_step("sync");
}

uint64_t datapath_wall_offset(const struct datapath *dp)
{
	stage_check_dp(dp);
	return STAGE_WALL_OFFSET;
}

int datapath_sweep_flows(struct datapath *dp)
{
	stage_check_dp(dp);
	return stage_step("sweep");
}

int datapath_set_listener(struct datapath *dp, unsigned worker, __be16 port, bool alive, bool full)
{
	(void)worker;
	stage_check_dp(dp);
	CHECK(!port && !alive && !full);
	return stage_step("unsteer");
}

/* --- paths */

int paths_open(uv_loop_t *loop, const struct config *cfg, const struct paths_events *events, struct paths **out)
{
	int ret = stage_open("paths");

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
	stage_close("paths-close");
	uv_close((uv_handle_t *)&paths_handle, NULL);
}

void paths_check(struct paths *p)
{
	CHECK((char *)p == &part.paths);
	stage_step("check");
	if (stage.checks && !--stage.checks)
		kill(getpid(), SIGTERM);
}
