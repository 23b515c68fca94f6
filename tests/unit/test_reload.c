// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/reload.c user/mpgated/ipc/shared.c user/mpgated/paths/kind.c
/*
 * A configuration takes the place of another one: what is done and in which order, what stays as it is, and what is
 * refused. All that reload.c calls is played, but for the reader of the file and the compiler of the policy.
 */
#include <fcntl.h>
#include <net/if.h>

#include <mpgated/supervisor/descriptors.h>
#include <mpgated/supervisor/supervisor.h>

#include "config_test.h"

#define FILE_NAME "reload.yaml"
#define RULE(name, port) "  - { name: " name ", to-port: [ \"" port "\" ]" VIA
#define FIRST_IFINDEX 10
#define MAX_STEPS 2048

/* The interfaces of this machine, as the paths know them; found by the name that the configuration has. */
static struct paths_link interfaces[4];
static struct supervisor s;
static struct cfg_error err;
static char steps[MAX_STEPS]; /* what was done, a word each */
static const char *failing; /* the step that fails; NULL: none */
static unsigned keyrings; /* that exist */
static struct mpgate_addr address; /* of this machine */

/* One step. 0, or -EIO where it is to fail. */
static int step(const char *what, unsigned ifindex)
{
	size_t len = strlen(steps);

	if (ifindex)
		snprintf(steps + len, sizeof(steps) - len, "%s-%u ", what, ifindex);
	else
		snprintf(steps + len, sizeof(steps) - len, "%s ", what);
	return failing && !strcmp(failing, what) ? -EIO : 0;
}

/* --- what reload.c calls */
int datapath_attach(struct datapath *dp, unsigned ifindex, const struct cfg_link *link, bool l3,
		    struct datapath_attached *out)
{
	(void)dp;
	(void)l3;
	*out = (struct datapath_attached){ HOOK_TCX, link->guard == CFG_GUARD_TC ? HOOK_CLSACT : HOOK_XDP, HOOK_NONE };
	return step(link->role == CFG_LAN ? "attach-lan" : "attach", ifindex);
}

int datapath_detach(struct datapath *dp, unsigned ifindex)
{
	(void)dp;
	return step("detach", ifindex);
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
		CU_ASSERT_EQUAL(ifindex[i], if_nametoindex(cfg->links[i].name));
	CU_ASSERT_EQUAL(img->policy.rules, cfg->rule_count);
	return step("policy", 0);
}

int datapath_set_keys(struct datapath *dp, const struct datapath_key *keys, unsigned count)
{
	(void)dp;
	CU_ASSERT_PTR_EQUAL(keys, s.keyring.keys);
	CU_ASSERT_EQUAL(count, s.cfg->peer_count);
	return step("keys", 0);
}

int datapath_set_peer_addrs(struct datapath *dp, const struct config *cfg)
{
	(void)dp;
	CU_ASSERT_PTR_EQUAL(cfg, s.cfg);
	return step("addrs", 0);
}

int datapath_set_convert(struct datapath *dp, const struct config *cfg)
{
	(void)dp;
	CU_ASSERT_PTR_EQUAL(cfg, s.cfg);
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
	for (unsigned i = 0; i < COUNT(interfaces); i++)
		if (!strcmp(interfaces[i].name, name))
			return &interfaces[i];
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
	return s.cfg->link_count;
}

const struct paths_link *paths_get(const struct paths *p, unsigned index)
{
	(void)p;
	return interface_of(s.cfg->links[index].name);
}

int paths_reload(struct paths *p, const struct config *cfg)
{
	(void)p;
	CU_ASSERT_PTR_EQUAL(cfg, s.cfg);
	return step("paths", 0);
}

int paths_local_addrs(struct paths *p, struct mpgate_addr **out, unsigned *count)
{
	(void)p;
	*out = malloc(sizeof(**out));
	**out = address;
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
	if (failing && !strcmp(failing, "keyring"))
		return -EIO;
	*out = (struct keyring){ calloc(cfg->peer_count + 1, sizeof(*out->keys)), NULL, cfg->peer_count };
	keyrings++;
	return 0;
}

void keyring_free(struct keyring *k)
{
	keyrings -= k->keys != NULL;
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

/* --- what the test does */
static int reload(const char *text)
{
	steps[0] = '\0';
	err = (struct cfg_error){ "" };
	CU_ASSERT_EQUAL_FATAL(write_file(FILE_NAME, text, 0644), 0);
	return supervisor_reload(&s, &err);
}

static void links_settle(void)
{
	for (unsigned i = 0; i < s.cfg->link_count; i++)
		supervisor_link(&s, i, paths_get(s.paths, i));
}

/* A supervisor that runs with that configuration, and serves all links. */
static void start(const char *text)
{
	static const char *const names[] = { "lan0", "wan0", "wan1", "wan2" };

	memset(&s, 0, sizeof(s));
	memset(&address, 0, sizeof(address));
	failing = NULL;
	keyrings = 0;
	for (unsigned i = 0; i < COUNT(interfaces); i++) {
		interfaces[i] = (struct paths_link){ .ifindex = FIRST_IFINDEX + i, .up = true };
		strcpy(interfaces[i].name, names[i]);
	}
	s.snapshot_fd = -1;
	s.replay_buckets = 1;
	s.path = (char *)FILE_NAME;
	s.paths = (struct paths *)interfaces;
	CU_ASSERT_EQUAL_FATAL(parse(text, &s.cfg, &err), 0);
	s.peer_slot = calloc(s.cfg->peer_count + 1, sizeof(*s.peer_slot));
	s.rule_id = calloc(s.cfg->rule_count + 1, sizeof(*s.rule_id));
	CU_ASSERT_EQUAL_FATAL(supervisor_load(&s), 0);
	links_settle();
	supervisor_local(&s);
	CU_ASSERT_EQUAL(supervisor_publish(&s), 0);
	steps[0] = '\0';
}

static void stop(void)
{
	keyring_free(&s.keyring);
	CU_ASSERT_EQUAL(keyrings, 0);
	for (unsigned i = 0; i < s.rule_count; i++)
		free(s.rules[i]);
	free(s.rules);
	free(s.peer_slot);
	free(s.rule_id);
	free(s.local);
	config_free(s.cfg);
	if (s.snapshot_fd >= 0)
		close(s.snapshot_fd);
}

static void test_order(void)
{
	start(RULES RULE("web", "80"));
	CU_ASSERT_EQUAL(s.generation, 1);
	CU_ASSERT_EQUAL(reload(RULES RULE("web", "80") RULE("more", "81")), 0);
	CU_ASSERT_STRING_EQUAL(steps, "assign policy commit paths settle keys addrs convert snapshot workers ");
	CU_ASSERT_EQUAL(s.generation, 2);
	CU_ASSERT_EQUAL(s.cfg->rule_count, 2);
	/* Addresses that came meanwhile are in the snapshot. */
	address.b[15] = 1;
	CU_ASSERT_EQUAL(reload(RULES RULE("web", "80")), 0);
	CU_ASSERT_STRING_EQUAL(steps, "assign policy commit paths settle keys addrs convert local snapshot workers ");
	CU_ASSERT_EQUAL(s.local_count, 1);
	stop();
}

/* What cannot be loaded changes nothing, and who was given a slot for it gives it back. */
static void test_refused(void)
{
	static const struct {
		const char *failing, *steps, *text;
	} cases[] = {
		{ "assign", "assign settle ", "no key" },
		{ "keyring", "assign settle ", FILE_NAME ": the keys: " },
		{ "policy", "assign policy settle ", FILE_NAME ": the policy could not be loaded: " },
	};

	start(RULES RULE("web", "80"));
	for (unsigned i = 0; i < COUNT(cases); i++) {
		const struct config *cfg = s.cfg;
		const uint16_t *slots = s.peer_slot;
		const struct datapath_key *keys = s.keyring.keys;

		failing = cases[i].failing;
		CU_ASSERT_EQUAL(reload(RULES RULE("other", "82")), -EIO);
		CU_ASSERT_STRING_EQUAL(steps, cases[i].steps);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].text));
		CU_ASSERT_PTR_EQUAL(s.cfg, cfg);
		CU_ASSERT_PTR_EQUAL(s.peer_slot, slots);
		CU_ASSERT_PTR_EQUAL(s.keyring.keys, keys);
		CU_ASSERT_EQUAL(s.generation, 1);
	}
	CU_ASSERT_EQUAL(reload("links: none\n"), -EINVAL);
	CU_ASSERT_STRING_EQUAL(steps, "");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, FILE_NAME));
	unlink(FILE_NAME);
	CU_ASSERT_EQUAL(supervisor_reload(&s, &err), -ENOENT);
	stop();
}

/* What sockets were made from stays as it is until a restart. */
static void test_needs_restart(void)
{
#define CONVERT(rest) "convert: { listen: [ 192.0.2.1, 192.0.2.2 ]" rest " }\n"
#define METRICS "metrics: { listen: 127.0.0.1, port: 9803 }\n"
#define ALL LINKS PEER "workers: 2\n"
	static const struct {
		const char *text, *what;
	} cases[] = {
		{ ALL CONVERT("") METRICS "instance: other\n", "instance" },
		{ LINKS PEER "workers: 3\n" CONVERT("") METRICS, "workers" },
		{ ALL CONVERT("") METRICS "mark: { value: 1, mask: 0xff }\n", "mark" },
		{ ALL CONVERT(", port: 5000") METRICS, "convert.port" },
		{ ALL "convert: { listen: [ 192.0.2.1 ] }\n" METRICS, "convert.listen" },
		{ ALL "convert: { listen: [ 192.0.2.1, 192.0.2.3 ] }\n" METRICS, "convert.listen" },
		{ ALL METRICS, "convert.listen" },
		{ ALL CONVERT(""), "metrics" },
		{ ALL CONVERT("") "metrics: { listen: 127.0.0.1, port: 9804 }\n", "metrics" },
		{ ALL CONVERT("") "metrics: { listen: 127.0.0.2, port: 9803 }\n", "metrics" },
	};

	start(ALL CONVERT("") METRICS);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		char want[100];

		CU_ASSERT_EQUAL(reload(cases[i].text), -EBUSY);
		snprintf(want, sizeof(want), FILE_NAME ": %s cannot change while the daemon runs", cases[i].what);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, want));
		CU_ASSERT_STRING_EQUAL(steps, "settle ");
	}
	CU_ASSERT_EQUAL(reload(ALL CONVERT(", window: 60") METRICS), 0);
	CU_ASSERT_EQUAL(s.cfg->convert.window, 60);
	stop();
}

/* By name: a connection that runs goes on being counted for its rule, and a number is never another one's. */
static void test_rule_numbers(void)
{
	start(RULES RULE("one", "1") RULE("two", "2"));
	CU_ASSERT_EQUAL(s.rule_id[0], 1);
	CU_ASSERT_EQUAL(s.rule_id[1], 2);
	CU_ASSERT_EQUAL(reload(RULES RULE("three", "3") RULE("two", "2")), 0);
	CU_ASSERT_EQUAL(s.rule_id[0], 3);
	CU_ASSERT_EQUAL(s.rule_id[1], 2);
	CU_ASSERT_EQUAL(reload(RULES RULE("two", "2") RULE("one", "1") RULE("three", "3")), 0);
	CU_ASSERT_EQUAL(s.rule_id[0], 2);
	CU_ASSERT_EQUAL(s.rule_id[1], 1);
	CU_ASSERT_EQUAL(s.rule_id[2], 3);
	CU_ASSERT_EQUAL(s.rule_count, 3);
	CU_ASSERT_STRING_EQUAL(s.rules[2], "three");
	stop();
}

/* What is attached goes with its link to another place; what is served in another way is attached anew. */
static void test_links_of_a_reload(void)
{
	start("links:\n- { name: lan0, role: lan }\n- { name: wan0, role: path }\n- { name: wan1, role: path }\n"
	      "- { name: wan2, role: path }\n");
	CU_ASSERT_EQUAL(s.ifindex[3], 13);
	CU_ASSERT_EQUAL(reload("links:\n- { name: wan2, role: path, use: backup }\n- { name: wan1, role: lan }\n"
			       "- { name: wan0, role: path, guard: tc }\n"),
			0);
	CU_ASSERT_PTR_NOT_NULL(strstr(steps, "detach-10 detach-11 detach-12 commit"));
	CU_ASSERT_PTR_NOT_NULL(strstr(steps, "paths attach-lan-12 up-12 ways attach-11 up-11 settle"));
	CU_ASSERT_PTR_NULL(strstr(steps, "-13"));
	CU_ASSERT_EQUAL(s.ifindex[0], 13);
	CU_ASSERT_EQUAL(s.attached[0].guard, HOOK_XDP);
	CU_ASSERT_EQUAL(s.ifindex[1], 12);
	CU_ASSERT_EQUAL(s.ifindex[2], 11);
	CU_ASSERT_EQUAL(s.attached[2].guard, HOOK_CLSACT);
	CU_ASSERT_EQUAL(s.ifindex[3], 0);
	CU_ASSERT_EQUAL(s.attached[3].steer, HOOK_NONE);
	/* One that could not be served is tried again. */
	failing = "attach";
	CU_ASSERT_EQUAL(reload(LINKS), 0);
	CU_ASSERT_EQUAL(s.ifindex[1], 0);
	failing = NULL;
	CU_ASSERT_EQUAL(reload(LINKS), 0);
	CU_ASSERT_EQUAL(s.ifindex[1], 11);
	stop();
}

static void event(unsigned i)
{
	steps[0] = '\0';
	supervisor_link(&s, i, &interfaces[i]);
}

static void test_links_that_come_and_go(void)
{
	start(LINKS);
	event(1);
	CU_ASSERT_STRING_EQUAL(steps, "ways "); /* an address, for example */
	event(0);
	CU_ASSERT_STRING_EQUAL(steps, "");
	interfaces[1].ifindex = 0;
	event(1);
	CU_ASSERT_STRING_EQUAL(steps, "ways detach-11 gone-11 ");
	CU_ASSERT_EQUAL(s.ifindex[1], 0);
	CU_ASSERT_EQUAL(s.attached[1].guard, HOOK_NONE);
	interfaces[1].ifindex = 21;
	event(1);
	CU_ASSERT_STRING_EQUAL(steps, "ways attach-21 up-21 ");
	CU_ASSERT_EQUAL(s.attached[1].guard, HOOK_XDP);
	/* Another interface of that name, on which native XDP would get in the way. */
	interfaces[1].ifindex = 22;
	strcpy(interfaces[1].kind.kind, "bond");
	event(1);
	CU_ASSERT_STRING_EQUAL(steps, "ways detach-21 gone-21 attach-22 up-22 ");
	CU_ASSERT_EQUAL(s.attached[1].guard, HOOK_CLSACT);
	/* It becomes a member of a bridge, which takes its packets. */
	strcpy(interfaces[1].kind.master_kind, "bridge");
	event(1);
	CU_ASSERT_STRING_EQUAL(steps, "ways detach-22 gone-22 ");
	event(1);
	CU_ASSERT_STRING_EQUAL(steps, "ways ");
	interfaces[1].kind.master_kind[0] = '\0';
	failing = "attach";
	event(1);
	CU_ASSERT_STRING_EQUAL(steps, "ways attach-22 ");
	CU_ASSERT_EQUAL(s.ifindex[1], 0);
	failing = NULL;
	event(1);
	CU_ASSERT_STRING_EQUAL(steps, "ways attach-22 up-22 ");
	stop();
}

/* What fails once the policy is in force keeps nothing else from being applied. */
static void test_applied_in_part(void)
{
	static const char *const fails[] = { "paths", "keys", "addrs", "convert", "snapshot" };

	for (unsigned i = 0; i < COUNT(fails); i++) {
		start(RULES RULE("web", "80"));
		failing = fails[i];
		CU_ASSERT_EQUAL(reload(RULES RULE("other", "82")), -EIO);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, FILE_NAME ": applied in part: "));
		CU_ASSERT_STRING_EQUAL(s.cfg->rules[0].name, "other");
		CU_ASSERT_PTR_NOT_NULL(strstr(steps, "commit paths settle keys"));
		CU_ASSERT_PTR_NOT_NULL(strstr(steps, "snapshot"));
		/* Else they would go by the peers and rules of the one before. */
		CU_ASSERT_EQUAL(!strstr(steps, "workers"), !strcmp(fails[i], "snapshot"));
		CU_ASSERT_EQUAL(s.snapshot_due, !strcmp(fails[i], "snapshot"));
		failing = NULL;
		CU_ASSERT_EQUAL(supervisor_publish(&s), 0);
		CU_ASSERT_FALSE(s.snapshot_due);
		stop();
	}
}

/* The snapshot in force stays until there is another one. */
static void test_publish(void)
{
	int fd;

	start(LINKS);
	fd = s.snapshot_fd;
	failing = "snapshot";
	CU_ASSERT_EQUAL(supervisor_publish(&s), -EIO);
	CU_ASSERT_EQUAL(s.snapshot_fd, fd);
	CU_ASSERT_TRUE(s.snapshot_due);
	failing = NULL;
	CU_ASSERT_EQUAL(supervisor_publish(&s), 0);
	CU_ASSERT_NOT_EQUAL(s.snapshot_fd, fd);
	CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), -1); /* closed */
	CU_ASSERT_FALSE(supervisor_local(&s));
	address.b[0] = 9;
	CU_ASSERT_TRUE(supervisor_local(&s));
	CU_ASSERT_FALSE(supervisor_local(&s));
	stop();
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "what is done, and in which order", test_order },
		{ "what cannot be loaded changes nothing", test_refused },
		{ "what needs a restart", test_needs_restart },
		{ "numbers of rules", test_rule_numbers },
		{ "links of the one before", test_links_of_a_reload },
		{ "links that come and go", test_links_that_come_and_go },
		{ "applied in part", test_applied_in_part },
		{ "the snapshot and our addresses", test_publish },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("reload", tests);
}
