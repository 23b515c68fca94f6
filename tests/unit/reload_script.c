// SPDX-License-Identifier: GPL-2.0-or-later
#include "reload_script.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mpgated/supervisor/descriptors.h>

#include "../fuzz/check.h"

struct stage stage;

/* One step. 0, or -EIO where it is to fail. */
static int step(const char *what, unsigned ifindex)
{
	size_t len = strlen(stage.steps);

	if (ifindex)
		snprintf(stage.steps + len, sizeof(stage.steps) - len, "%s-%u ", what, ifindex);
	else
		snprintf(stage.steps + len, sizeof(stage.steps) - len, "%s ", what);
	return stage.failing && !strcmp(stage.failing, what) ? -EIO : 0;
}

int addresses_check(const struct supervisor *s, const struct config *cfg, struct cfg_error *err)
{
	(void)s;
	return config_pool_check(cfg, &stage.address, 1, err);
}

void addresses_tell(struct supervisor *s)
{
	(void)s;
}

int maplog_check(const struct config *cfg, struct cfg_error *err)
{
	(void)cfg;
	(void)err;
	return 0;
}

int paths_renew(struct paths *p, const struct config *cfg)
{
	(void)p;
	(void)cfg;
	return step("renew", 0);
}

void peers_readdress(struct supervisor *s, unsigned cfg_index)
{
	(void)s;
	(void)cfg_index;
	step("readdress", 0);
}

void discover_fill(const struct supervisor *s, struct config *cfg, const uint16_t *slots)
{
	(void)s;
	(void)cfg;
	(void)slots;
}

void discover_settle(struct supervisor *s)
{
	(void)s;
}

void discover_hurry(struct supervisor *s)
{
	(void)s;
}

void by_path_renew(struct supervisor *s)
{
	(void)s;
}

void by_path_tell(struct supervisor *s)
{
	(void)s;
}

void maplog_renew(struct maplog *m)
{
	(void)m;
}

int datapath_attach(struct datapath *dp, unsigned ifindex, const struct cfg_link *link, bool l3,
		    struct datapath_attached *out)
{
	(void)dp;
	(void)l3;
	*out = (struct datapath_attached){ HOOK_TCX, link->guard == CFG_GUARD_TC ? HOOK_CLSACT : HOOK_XDP, HOOK_NONE,
					   "steer" };
	if (stage.clsact)
		out->steer = HOOK_CLSACT;
	return step(link->role == CFG_LAN ? "attach-lan" : "attach", ifindex);
}

int datapath_detach(struct datapath *dp, unsigned ifindex)
{
	(void)dp;
	return step("detach", ifindex);
}

void datapath_restore(struct datapath *dp)
{
	(void)dp;
	step("restore", 0);
}

uint32_t datapath_foreign_xdp(const struct datapath *dp, unsigned ifindex, char name[DATAPATH_PROG_NAME])
{
	(void)dp;
	(void)ifindex;
	name[0] = '\0';
	return 0;
}

int datapath_attach_hosts(struct datapath *dp, bool on)
{
	(void)dp;
	return step(on ? "hosts" : "no-hosts", 0);
}

/* The thread of jobs: what is started is done at once, or when the test lets go of it. */
int job_open(struct job *j, uv_loop_t *loop)
{
	(void)loop;
	j->running = false;
	return 0;
}

void job_start(struct job *j)
{
	CHECK(!j->running);
	j->running = true;
	if (!stage.held)
		stage_let_go();
}

uint64_t uv_hrtime(void)
{
	return 0;
}

bool job_wait(struct job *j, unsigned ms)
{
	(void)j;
	(void)ms;
	return false;
}

void job_close(struct job *j, uv_close_cb on_closed)
{
	CHECK(!on_closed);
	j->running = false;
}

void stage_let_go(void)
{
	struct job *j = &stage.s.links.job;

	stage.held = false;
	j->work(j->arg);
	j->running = false;
	j->done(j->arg);
}

int datapath_link_up(struct datapath *dp, unsigned ifindex, const struct cfg_link *link, bool l3, uint32_t bitmap)
{
	(void)dp;
	(void)link;
	(void)l3;
	(void)bitmap;
	return step("up", ifindex);
}

int datapath_link_gone(struct datapath *dp, unsigned ifindex)
{
	(void)dp;
	return step("gone", ifindex);
}

const char *datapath_hook_name(enum datapath_hook hook)
{
	return hook == HOOK_NONE ? "none" : "some";
}

int datapath_set_policy(struct datapath *dp, const struct config *cfg, const struct policy_image *img,
			const unsigned *ifindex, const bool *l3)
{
	(void)dp;
	(void)l3;
	for (unsigned i = 0; i < cfg->link_count; i++)
		CHECK(ifindex[i] == if_nametoindex(cfg->links[i].name));
	CHECK(img->policy.rules == cfg->rule_count);
	return step("policy", 0);
}

int datapath_set_keys(struct datapath *dp, const struct datapath_key *keys, unsigned count)
{
	(void)dp;
	CHECK(keys == stage.s.keyring.keys);
	CHECK(count == stage.s.cfg->peer_count);
	return step("keys", 0);
}

int datapath_set_peer_addrs(struct datapath *dp, const struct config *cfg)
{
	(void)dp;
	CHECK(cfg == stage.s.cfg);
	return step("addrs", 0);
}

int datapath_set_convert(struct datapath *dp, const struct config *cfg)
{
	(void)dp;
	CHECK(cfg == stage.s.cfg);
	return step("convert", 0);
}

int datapath_set_local(struct datapath *dp, const struct config *cfg, const struct mpgate_addr *local, unsigned count)
{
	(void)dp;
	(void)cfg;
	(void)local;
	(void)count;
	return step("local", 0);
}

static const struct paths_link *interface_of(const char *name)
{
	for (unsigned i = 0; i < STAGE_LINKS; i++)
		if (!strcmp(stage.link[i].name, name))
			return &stage.link[i];
	return NULL;
}

unsigned if_nametoindex(const char *name)
{
	const struct paths_link *l = interface_of(name);

	return l ? l->ifindex : 0;
}

unsigned paths_count(const struct paths *p)
{
	(void)p;
	return stage.s.cfg->link_count;
}

const struct paths_link *paths_get(const struct paths *p, unsigned index)
{
	(void)p;
	return interface_of(stage.s.cfg->links[index].name);
}

void paths_set_rules(struct paths *p, const struct paths_rule *rules, unsigned count)
{
	(void)p;
	CHECK(!strstr(stage.steps, "paths "));
	stage.rules = count;
	if (count)
		stage.rule = rules[0];
}

int paths_reload(struct paths *p, const struct config *cfg)
{
	(void)p;
	CHECK(cfg == stage.s.cfg);
	return step("paths", 0);
}

int paths_local_addrs(struct paths *p, struct mpgate_addr **out, unsigned *count)
{
	(void)p;
	*out = malloc(sizeof(**out));
	**out = stage.address;
	*count = 1;
	return 0;
}

int peers_assign(struct supervisor *sup, const struct config *cfg, uint16_t *slots, struct cfg_error *e)
{
	(void)sup;
	for (unsigned i = 0; i < cfg->peer_count; i++)
		slots[i] = (uint16_t)i;
	if (!step("assign", 0))
		return 0;
	snprintf(e->text, sizeof(e->text), "no key");
	return -EIO;
}

void peers_commit(struct supervisor *sup)
{
	(void)sup;
	step("commit", 0);
}

void host_settle(struct supervisor *sup)
{
	(void)sup;
	step("host", 0);
}

void peers_settle(struct supervisor *sup)
{
	(void)sup;
	step("settle", 0);
}

void peers_paths_changed(struct supervisor *sup)
{
	(void)sup;
	step("ways", 0);
}

int keyring_load(const struct supervisor *sup, const struct config *cfg, const uint16_t *slots, struct keyring *out)
{
	(void)sup;
	(void)slots;
	if (stage.failing && !strcmp(stage.failing, "keyring"))
		return -EIO;
	*out = (struct keyring){ calloc(cfg->peer_count + 1, sizeof(*out->keys)), NULL, cfg->peer_count };
	stage.keyrings++;
	return 0;
}

void keyring_free(struct keyring *k)
{
	stage.keyrings -= k->keys != NULL;
	free(k->keys);
	*k = (struct keyring){ 0 };
}

int snapshot_make(struct supervisor *sup)
{
	int ret = step("snapshot", 0);

	(void)sup;
	return ret ? ret : dup(STDERR_FILENO);
}

void workers_update(struct supervisor *sup)
{
	(void)sup;
	step("workers", 0);
}

void descriptors_raise(const struct config *cfg, unsigned workers)
{
	(void)cfg;
	(void)workers;
}
