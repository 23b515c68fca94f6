// SPDX-License-Identifier: GPL-2.0-or-later
/* The supervisor's other files, for supervisor_script.h. */
#include "supervisor_script.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mpgated/ipc/shared.h>
#include <mpgated/supervisor/listen.h>

#include "../fuzz/check.h"

int workers_memory(struct supervisor *s)
{
	size_t size = shared_size(s->replay_buckets);

	s->shm_fd = memfd_create("mpgate-shared", MFD_CLOEXEC);
	CHECK(s->shm_fd >= 0 && !ftruncate(s->shm_fd, (off_t)size));
	if (stage_step("memory"))
		return -EIO;
	s->shm = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->shm_fd, 0);
	CHECK(s->shm != MAP_FAILED);
	return 0;
}

int listen_open(struct supervisor *s)
{
	s->worker_count = s->cfg->workers;
	return stage_step("listen");
}

void workers_listen(struct supervisor *s)
{
	(void)s;
}

int workers_start(struct supervisor *s)
{
	CHECK(s->shm->wall_offset == STAGE_WALL_OFFSET && s->snapshot_fd >= 0);
	return stage_step("workers");
}

void workers_stop(struct supervisor *s)
{
	CHECK(s->stopping);
	stage_step("workers-stop");
}

void workers_reap(struct supervisor *s)
{
	(void)s;
	stage_step("reap");
}

void flows_open(struct supervisor *s)
{
	uv_timer_init(&s->loop, &s->flows_late);
	stage_step("flows");
}

void flows_close(struct supervisor *s)
{
	(void)s;
	stage_step("flows-close");
}

void host_settle(struct supervisor *s)
{
	stage_check_dp(s->dp);
	CHECK(s->paths);
	stage_step("host");
}

void host_check(struct supervisor *s)
{
	stage_check_dp(s->dp);
	stage_step("host-check");
}

int links_open(struct supervisor *s)
{
	stage_check_dp(s->dp);
	if (stage_step("links"))
		return -EIO;
	s->links.open = true;
	stage.opened++;
	return 0;
}

void links_close(struct supervisor *s)
{
	if (!s->links.open)
		return;
	stage_step("links-close");
	s->links.open = false;
	stage.opened--;
}

void links_settle(struct supervisor *s)
{
	CHECK(s->links.open && s->paths);
	stage_step("serve");
}

int links_wait(struct supervisor *s, unsigned ms)
{
	CHECK(s->links.open && ms);
	return stage_step("served") ? -EBUSY : 0;
}

void links_check(struct supervisor *s)
{
	CHECK(s->links.open && s->paths);
	stage_step("links-check");
}

void host_close(struct supervisor *s)
{
	CHECK(s->run_fd == -1 && !s->links.open);
	stage_step("host-close");
}

void watchdog_check(struct supervisor *s)
{
	stage_check_dp(s->dp);
	stage_step("watchdog");
}

int supervisor_load(struct supervisor *s)
{
	s->rules = calloc(1, sizeof(*s->rules));
	s->rules[s->rule_count++] = strdup("all");
	s->keyring.keys = calloc(1, sizeof(*s->keyring.keys));
	return stage_step("load");
}

int supervisor_reload(struct supervisor *s, struct cfg_error *err)
{
	(void)s;
	snprintf(err->text, sizeof(err->text), "line 7 is wrong");
	return stage_step("reload");
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
	stage_step("local");
	return stage.addresses_change;
}

int supervisor_publish(struct supervisor *s)
{
	if (stage_step("publish"))
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
	stage_step("settle");
}

void peers_close(struct supervisor *s)
{
	stage_check_dp(s->dp);
	stage_step("peers-close");
}

void keyring_free(struct keyring *k)
{
	free(k->keys);
	k->keys = NULL;
	stage_step("keyring-free");
}
