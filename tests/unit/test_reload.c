// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/reload.c user/mpgated/ipc/shared.c user/mpgated/paths/kind.c
// SOURCES: user/mpgated/supervisor/links.c tests/unit/reload_script.c
/*
 * A configuration takes the place of another one: what is done and in which order, what stays as it is, and what is
 * refused.
 */
#include <fcntl.h>

#include "config_test.h"
#include "reload_script.h"

#define FILE_NAME "reload.yaml"
#define RULE(name, port) "  - { name: " name ", to-port: [ \"" port "\" ]" VIA
#define FIRST_IFINDEX 10

static struct cfg_error err;

static int reload(const char *text)
{
	stage.steps[0] = '\0';
	err = (struct cfg_error){ "" };
	CU_ASSERT_EQUAL_FATAL(write_file(FILE_NAME, text, 0644), 0);
	return supervisor_reload(&stage.s, &err);
}

/* A supervisor that runs with that configuration, and serves all links. */
static void start(const char *text)
{
	static const char *const names[] = { "lan0", "wan0", "wan1", "wan2" };

	memset(&stage.s, 0, sizeof(stage.s));
	memset(&stage.address, 0, sizeof(stage.address));
	stage.failing = NULL;
	stage.keyrings = 0;
	stage.clsact = stage.held = false;
	for (unsigned i = 0; i < COUNT(stage.link); i++) {
		stage.link[i] = (struct paths_link){ .ifindex = FIRST_IFINDEX + i, .up = true };
		strcpy(stage.link[i].name, names[i]);
	}
	stage.s.snapshot_fd = -1;
	stage.s.replay_buckets = 1;
	stage.s.path = (char *)FILE_NAME;
	stage.s.paths = (struct paths *)stage.link;
	CU_ASSERT_EQUAL_FATAL(parse(text, &stage.s.cfg, &err), 0);
	stage.s.peer_slot = calloc(stage.s.cfg->peer_count + 1, sizeof(*stage.s.peer_slot));
	stage.s.rule_id = calloc(stage.s.cfg->rule_count + 1, sizeof(*stage.s.rule_id));
	CU_ASSERT_EQUAL_FATAL(supervisor_load(&stage.s), 0);
	CU_ASSERT_EQUAL(links_open(&stage.s), 0);
	links_settle(&stage.s);
	supervisor_local(&stage.s);
	CU_ASSERT_EQUAL(supervisor_publish(&stage.s), 0);
	stage.steps[0] = '\0';
}

static void stop(void)
{
	links_close(&stage.s);
	keyring_free(&stage.s.keyring);
	CU_ASSERT_EQUAL(stage.keyrings, 0);
	for (unsigned i = 0; i < stage.s.rule_count; i++)
		free(stage.s.rules[i]);
	free(stage.s.rules);
	free(stage.s.peer_slot);
	free(stage.s.rule_id);
	free(stage.s.local);
	config_free(stage.s.cfg);
	if (stage.s.snapshot_fd >= 0)
		close(stage.s.snapshot_fd);
}

static void test_order(void)
{
	start(RULES RULE("web", "80"));
	CU_ASSERT_EQUAL(stage.s.generation, 1);
	CU_ASSERT_EQUAL(reload(RULES RULE("web", "80") RULE("more", "81")), 0);
	CU_ASSERT_STRING_EQUAL(stage.steps,
			       "assign policy commit paths host settle keys addrs convert snapshot workers ");
	CU_ASSERT_EQUAL(stage.s.generation, 2);
	CU_ASSERT_EQUAL(stage.s.cfg->rule_count, 2);
	/* Addresses that came meanwhile are in the snapshot. */
	stage.address.b[15] = 1;
	CU_ASSERT_EQUAL(reload(RULES RULE("web", "80")), 0);
	CU_ASSERT_STRING_EQUAL(stage.steps,
			       "assign policy commit paths host settle keys addrs convert local snapshot workers ");
	CU_ASSERT_EQUAL(stage.s.local_count, 1);
	stop();
}

/* The same order as in a reload, of what goes by a peer's addresses. */
static void test_readdress(void)
{
	start(RULES RULE("web", "80"));
	supervisor_readdress(&stage.s, 0);
	CU_ASSERT_STRING_EQUAL(stage.steps, "readdress addrs renew snapshot workers ");
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
		const struct config *cfg = stage.s.cfg;
		const uint16_t *slots = stage.s.peer_slot;
		const struct datapath_key *keys = stage.s.keyring.keys;

		stage.failing = cases[i].failing;
		CU_ASSERT_EQUAL(reload(RULES RULE("other", "82")), -EIO);
		CU_ASSERT_STRING_EQUAL(stage.steps, cases[i].steps);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].text));
		CU_ASSERT_PTR_EQUAL(stage.s.cfg, cfg);
		CU_ASSERT_PTR_EQUAL(stage.s.peer_slot, slots);
		CU_ASSERT_PTR_EQUAL(stage.s.keyring.keys, keys);
		CU_ASSERT_EQUAL(stage.s.generation, 1);
	}
	CU_ASSERT_EQUAL(reload("links: none\n"), -EINVAL);
	CU_ASSERT_STRING_EQUAL(stage.steps, "");
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, FILE_NAME));
	unlink(FILE_NAME);
	CU_ASSERT_EQUAL(supervisor_reload(&stage.s, &err), -ENOENT);
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
		{ ALL CONVERT("") METRICS "mark: { value: 0x6d710000, mask: 0xffff0000 }\n", "mark" },
		{ ALL CONVERT("") METRICS "mark: { value: 0x6d700000, mask: 0xfff00000 }\n", "mark" },
		{ ALL CONVERT(", port: 5000") METRICS, "convert.port" },
		{ ALL "convert: { listen: [ 192.0.2.1 ] }\n" METRICS, "convert.listen" },
		{ ALL "convert: { listen: [ 192.0.2.1, 192.0.2.3 ] }\n" METRICS, "convert.listen" },
		{ ALL "convert: { listen: [ 192.0.2.1, 192.0.2.2, 192.0.2.3 ] }\n" METRICS, "convert.listen" },
		{ ALL METRICS, "convert.listen" },
		{ ALL CONVERT(""), "metrics" },
		{ ALL CONVERT("") "metrics: { listen: 127.0.0.1, port: 9804 }\n", "metrics" },
		{ ALL CONVERT("") "metrics: { listen: 127.0.0.2, port: 9803 }\n", "metrics" },
		{ ALL CONVERT("") "metrics: { listen: 127.0.0.1, port: 9803, token-file: a.key }\n", "metrics" },
	};

	start(ALL CONVERT("") METRICS);
	for (unsigned i = 0; i < COUNT(cases); i++) {
		char want[100];

		CU_ASSERT_EQUAL(reload(cases[i].text), -EBUSY);
		snprintf(want, sizeof(want), FILE_NAME ": %s cannot change while the daemon runs", cases[i].what);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, want));
		CU_ASSERT_STRING_EQUAL(stage.steps, "settle ");
	}
	CU_ASSERT_EQUAL(reload(ALL CONVERT(", window: 60") METRICS), 0);
	CU_ASSERT_EQUAL(stage.s.cfg->convert.window, 60);
	stop();
}

/* By name: a connection that runs goes on being counted for its rule, and a number is never another one's. */
static void test_rule_numbers(void)
{
	start(RULES RULE("one", "1") RULE("two", "2"));
	CU_ASSERT_EQUAL(stage.s.rule_id[0], 1);
	CU_ASSERT_EQUAL(stage.s.rule_id[1], 2);
	CU_ASSERT_EQUAL(reload(RULES RULE("three", "3") RULE("two", "2")), 0);
	CU_ASSERT_EQUAL(stage.s.rule_id[0], 3);
	CU_ASSERT_EQUAL(stage.s.rule_id[1], 2);
	CU_ASSERT_EQUAL(reload(RULES RULE("two", "2") RULE("one", "1") RULE("three", "3")), 0);
	CU_ASSERT_EQUAL(stage.s.rule_id[0], 2);
	CU_ASSERT_EQUAL(stage.s.rule_id[1], 1);
	CU_ASSERT_EQUAL(stage.s.rule_id[2], 3);
	CU_ASSERT_EQUAL(stage.s.rule_count, 3);
	CU_ASSERT_STRING_EQUAL(stage.s.rules[2], "three");
	stop();
}

/* Which paths rules use is said with their numbers, and before the paths have the configuration. */
static void test_paths_of_rules(void)
{
	start(RULES RULE("one", "1"));
	CU_ASSERT_EQUAL(reload(RULES RULE("one", "1") "  - { name: two, paths: [ wan0 ]" VIA), 0);
	CU_ASSERT_EQUAL_FATAL(stage.rules, 1);
	CU_ASSERT(stage.rule.id == 2 && stage.rule.count == 1 && stage.rule.links[0] == 1);
	CU_ASSERT_EQUAL(reload(RULES RULE("one", "1")), 0);
	CU_ASSERT_EQUAL(stage.rules, 0);
	stop();
}

/* What is attached goes with its link to another place; what is served in another way is attached anew. */
static void test_links_of_a_reload(void)
{
	start("links:\n- { name: lan0, role: lan }\n- { name: wan0, role: path }\n- { name: wan1, role: path }\n"
	      "- { name: wan2, role: path }\n");
	CU_ASSERT_EQUAL(stage.s.ifindex[3], 13);
	CU_ASSERT_EQUAL(reload("links:\n- { name: wan2, role: path, use: backup }\n- { name: wan1, role: lan }\n"
			       "- { name: wan0, role: path, guard: tc }\n"),
			0);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(stage.steps, "commit paths detach-10 attach-lan-12 attach-11 up-12 up-11 host settle"));
	CU_ASSERT_PTR_NULL(strstr(stage.steps, "-13"));
	CU_ASSERT_EQUAL(stage.s.ifindex[0], 13);
	CU_ASSERT_EQUAL(stage.s.attached[0].guard, HOOK_XDP);
	CU_ASSERT_EQUAL(stage.s.ifindex[1], 12);
	CU_ASSERT_EQUAL(stage.s.ifindex[2], 11);
	CU_ASSERT_EQUAL(stage.s.attached[2].guard, HOOK_CLSACT);
	CU_ASSERT_EQUAL(stage.s.ifindex[3], 0);
	CU_ASSERT_EQUAL(stage.s.attached[3].steer, HOOK_NONE);
	/* One that could not be served is tried again. */
	stage.failing = "attach";
	CU_ASSERT_EQUAL(reload(LINKS), 0);
	CU_ASSERT_EQUAL(stage.s.ifindex[1], 0);
	links_check(&stage.s);
	CU_ASSERT_EQUAL(stage.s.ifindex[1], 0);
	stage.failing = NULL;
	links_check(&stage.s);
	CU_ASSERT_EQUAL(stage.s.ifindex[1], 11);
	CU_ASSERT_EQUAL(reload("links:\n- { name: lan0, role: lan, early-classify: true }\n"
			       "- { name: wan0, role: path }\n"),
			0);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage.steps, "commit paths attach-lan-10 up-10 host settle"));
	/* One that is not there is left alone. */
	stage.link[1].ifindex = 0;
	supervisor_link(&stage.s, 1, &stage.link[1]);
	CU_ASSERT_EQUAL(reload(LINKS), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage.steps, "commit paths attach-lan-10 up-10 host settle"));
	CU_ASSERT_EQUAL(reload("links:\n- { name: lan0, role: lan }\n"), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(stage.steps, "assign policy commit paths host settle"));
	stop();
}

static void event(unsigned i)
{
	stage.steps[0] = '\0';
	supervisor_link(&stage.s, i, &stage.link[i]);
}

static void check_links(void)
{
	stage.steps[0] = '\0';
	links_check(&stage.s);
}

static void test_links_that_come_and_go(void)
{
	start(LINKS);
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways "); /* an stage.address, for example */
	event(0);
	CU_ASSERT_STRING_EQUAL(stage.steps, "");
	stage.link[1].ifindex = 0;
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways gone-11 detach-11 ");
	CU_ASSERT_EQUAL(stage.s.ifindex[1], 0);
	CU_ASSERT_EQUAL(stage.s.attached[1].guard, HOOK_NONE);
	stage.link[1].ifindex = 21;
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways attach-21 up-21 ");
	CU_ASSERT_EQUAL(stage.s.attached[1].guard, HOOK_XDP);
	/* Another interface of that name, on which native XDP would get in the way. */
	stage.link[1].ifindex = 22;
	strcpy(stage.link[1].kind.kind, "bond");
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways gone-21 detach-21 attach-22 up-22 ");
	CU_ASSERT_EQUAL(stage.s.attached[1].guard, HOOK_CLSACT);
	stage.s.cfg->links[1].guard = CFG_GUARD_XDP; /* but it was asked for */
	stage.link[1].ifindex = 23;
	event(1);
	CU_ASSERT_EQUAL(stage.s.attached[1].guard, HOOK_XDP);
	/* It becomes a member of a bridge, which takes its packets. */
	strcpy(stage.link[1].kind.master_kind, "bridge");
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways gone-23 detach-23 ");
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways ");
	stage.link[1].kind.master_kind[0] = '\0';
	stage.failing = "attach";
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways attach-23 ");
	CU_ASSERT_EQUAL(stage.s.ifindex[1], 0);
	stage.failing = NULL;
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways ");
	check_links();
	CU_ASSERT_STRING_EQUAL(stage.steps, "attach-23 up-23 ");
	check_links();
	CU_ASSERT_STRING_EQUAL(stage.steps, "");
	/* As its kind changes it is served in another way. */
	stage.s.cfg->links[1].guard = CFG_GUARD_AUTO;
	stage.link[1].kind.kind[0] = '\0';
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways attach-23 ");
	CU_ASSERT_EQUAL(stage.s.attached[1].guard, HOOK_XDP);
	strcpy(stage.link[1].kind.kind, "bond");
	stage.failing = "attach";
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways attach-23 gone-23 ");
	CU_ASSERT_EQUAL(stage.s.ifindex[1], 0);
	stop();
}

/* The kernel holds the job up: what is known meanwhile is what was, and what is wanted in the end is what is done. */
static void test_links_of_a_busy_kernel(void)
{
	start(LINKS);
	stage.held = true;
	stage.link[1].ifindex = 21;
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways gone-11 ");
	CU_ASSERT_EQUAL(stage.s.ifindex[1], 0);
	CU_ASSERT_EQUAL(links_wait(&stage.s, 0), -EBUSY);
	CU_ASSERT_EQUAL(links_serve_hosts(&stage.s, true), -EINPROGRESS);
	stage.link[1].ifindex = 22;
	event(1);
	CU_ASSERT_STRING_EQUAL(stage.steps, "ways ");
	CU_ASSERT_EQUAL(reload(RULES RULE("other", "82")), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(strstr(err.text, FILE_NAME ": applied in part: "));
	CU_ASSERT_STRING_EQUAL(stage.steps,
			       "assign policy commit paths host settle keys addrs convert snapshot workers ");
	stage.steps[0] = '\0';
	stage_let_go();
	CU_ASSERT_STRING_EQUAL(stage.steps, "detach-11 attach-21 detach-21 attach-22 hosts up-22 ");
	CU_ASSERT_EQUAL(links_wait(&stage.s, 0), 0);
	CU_ASSERT_EQUAL(links_serve_hosts(&stage.s, true), 0);
	/* They cannot be attached; nobody is asked again. */
	CU_ASSERT_EQUAL(links_serve_hosts(&stage.s, false), 0);
	stage.failing = "hosts";
	CU_ASSERT_EQUAL(links_serve_hosts(&stage.s, true), -EIO);
	stage.steps[0] = '\0';
	stage.failing = NULL;
	check_links();
	CU_ASSERT_STRING_EQUAL(stage.steps, "");
	CU_ASSERT_EQUAL(links_serve_hosts(&stage.s, true), 0);
	stop();
}

/* Filters can be removed by others, links cannot. */
static void test_filters_that_are_gone(void)
{
	start(LINKS);
	for (unsigned i = 0; i < 20; i++) {
		check_links();
		CU_ASSERT_STRING_EQUAL(stage.steps, "");
	}
	stop();
	start(LINKS);
	stage.clsact = true;
	stage.link[1].ifindex = 21;
	event(1);
	for (unsigned round = 0; round < 3; round++) {
		unsigned n = 0;

		do
			check_links();
		while (!stage.steps[0] && n++ < 20);
		CU_ASSERT_STRING_EQUAL(stage.steps, "restore ");
	}
	stop();
}

/* What fails once the policy is in force keeps nothing else from being applied. */
static void test_applied_in_part(void)
{
	static const char *const fails[] = { "paths", "keys", "addrs", "convert", "snapshot" };

	for (unsigned i = 0; i < COUNT(fails); i++) {
		start(RULES RULE("web", "80"));
		stage.failing = fails[i];
		CU_ASSERT_EQUAL(reload(RULES RULE("other", "82")), -EIO);
		CU_ASSERT_PTR_NOT_NULL(strstr(err.text, FILE_NAME ": applied in part: "));
		CU_ASSERT_STRING_EQUAL(stage.s.cfg->rules[0].name, "other");
		CU_ASSERT_PTR_NOT_NULL(strstr(stage.steps, "commit paths host settle keys"));
		CU_ASSERT_PTR_NOT_NULL(strstr(stage.steps, "snapshot"));
		/* Else they would go by the peers and rules of the one before. */
		CU_ASSERT_EQUAL(!strstr(stage.steps, "workers"), !strcmp(fails[i], "snapshot"));
		CU_ASSERT_EQUAL(stage.s.snapshot_due, !strcmp(fails[i], "snapshot"));
		stage.failing = NULL;
		CU_ASSERT_EQUAL(supervisor_publish(&stage.s), 0);
		CU_ASSERT_FALSE(stage.s.snapshot_due);
		stop();
	}
}

/* The snapshot in force stays until there is another one. */
static void test_publish(void)
{
	int fd;

	start(LINKS);
	fd = stage.s.snapshot_fd;
	stage.failing = "snapshot";
	CU_ASSERT_EQUAL(supervisor_publish(&stage.s), -EIO);
	CU_ASSERT_EQUAL(stage.s.snapshot_fd, fd);
	CU_ASSERT_TRUE(stage.s.snapshot_due);
	stage.failing = NULL;
	CU_ASSERT_EQUAL(supervisor_publish(&stage.s), 0);
	CU_ASSERT_NOT_EQUAL(stage.s.snapshot_fd, fd);
	CU_ASSERT_EQUAL(fcntl(fd, F_GETFD), -1); /* closed */
	CU_ASSERT_FALSE(supervisor_local(&stage.s));
	stage.address.b[0] = 9;
	CU_ASSERT_TRUE(supervisor_local(&stage.s));
	CU_ASSERT_FALSE(supervisor_local(&stage.s));
	stop();
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "what is done, and in which order", test_order },
		{ "other addresses of a peer", test_readdress },
		{ "what cannot be loaded changes nothing", test_refused },
		{ "what needs a restart", test_needs_restart },
		{ "numbers of rules", test_rule_numbers },
		{ "links of the one before", test_links_of_a_reload },
		{ "links that come and go", test_links_that_come_and_go },
		{ "links of a kernel that is busy", test_links_of_a_busy_kernel },
		{ "filters that are gone", test_filters_that_are_gone },
		{ "applied in part", test_applied_in_part },
		{ "the snapshot and our addresses", test_publish },
		{ "the paths of rules", test_paths_of_rules },
		CU_TEST_INFO_NULL,
	};

	return config_test_run("reload", tests);
}
