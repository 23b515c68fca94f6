// SPDX-License-Identifier: GPL-2.0-or-later
// SOURCES: user/mpgated/supervisor/host.c
/* Host mode in the supervisor: in which order it is set up and undone, and what is tried again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mpgated/supervisor/cgroup.h>
#include <mpgated/supervisor/supervisor.h>

#include "cunit.h"

static char steps[256];
static const char *failing; /* the step that fails */
static int error = -EIO; /* what a step that fails gives */
static bool left; /* a group of `run` is there from an earlier daemon */
static bool empty; /* with nobody in it */
static pid_t moved;
static struct supervisor *s;
static struct config cfg = { .instance = (char[]){ "a" } };

static int step(const char *what)
{
	strcat(strcat(steps, what), " ");
	return failing && !strcmp(failing, what) ? error : 0;
}

int cgroup_open(enum cgroup_name which, const char *instance, bool make)
{
	(void)instance;
	if (which == CGROUP_RUN && !make && !left)
		return -ENOENT;
	if (step(which == CGROUP_RUN ? "group" : "root"))
		return error;
	return dup(0);
}

int cgroup_path(enum cgroup_name which, const char *instance, char *out, size_t size)
{
	CU_ASSERT_EQUAL(which, CGROUP_RUN);
	snprintf(out, size, "/groups/%s.run", instance);
	return 0;
}

bool cgroup_has_processes(int fd)
{
	CU_ASSERT(fd >= 0);
	return !empty;
}

int cgroup_add(int fd, pid_t pid)
{
	CU_ASSERT(fd >= 0);
	moved = pid;
	return step("add");
}

void cgroup_remove(int fd, enum cgroup_name which, const char *instance)
{
	(void)instance;
	CU_ASSERT_EQUAL(which, CGROUP_RUN);
	if (fd >= 0)
		close(fd);
	step("remove");
}

int paths_set_host(struct paths *p)
{
	(void)p;
	return step("rule");
}

int links_serve_hosts(struct supervisor *sup, bool on)
{
	CU_ASSERT_PTR_EQUAL(sup, s);
	if (on && sup->links.job.running) {
		step("late");
		return -EINPROGRESS;
	}
	return step(on ? "on" : "off");
}

int datapath_set_hosts(struct datapath *dp, enum mpgate_hosts hosts, const struct datapath_cgroups *cgroups)
{
	static const char *const names[] = { "none", "run", "all" };

	(void)dp;
	if (hosts) {
		CU_ASSERT_EQUAL(cgroups->workers, 7);
		CU_ASSERT(cgroups->root >= 0);
		CU_ASSERT_EQUAL(cgroups->run, s->run_fd);
	}
	return step(names[hosts]);
}

static void expect(const char *wanted)
{
	CU_ASSERT_STRING_EQUAL(steps, wanted);
	steps[0] = '\0';
}

static void begin(bool host)
{
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->cfg = &cfg;
	s->cgroup_fd = 7;
	s->run_fd = -1;
	s->dp = (struct datapath *)&cfg;
	cfg.host = host;
	failing = NULL;
	left = false;
	steps[0] = '\0';
}

static void end(void)
{
	failing = NULL;
	steps[0] = '\0';
	host_close(s);
	CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_NONE);
	CU_ASSERT_EQUAL(s->run_fd, -1);
	free(s);
}

static void test_all(void)
{
	begin(true);
	host_settle(s);
	expect("rule on root all ");
	CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_ALL);
	/* Nothing has changed. */
	host_settle(s);
	expect("");
	cfg.host = false;
	host_settle(s);
	expect("none off ");
	CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_NONE);
	end();
}

static char group[64]; /* where run() was told to go */
static int run(pid_t pid)
{
	return host_run(s, pid, group, sizeof(group));
}

static void test_run(void)
{
	begin(false);
	host_settle(s);
	expect("");
	CU_ASSERT_EQUAL(run(11), 0);
	expect("group rule on root run add ");
	CU_ASSERT_EQUAL(moved, 11);
	CU_ASSERT_EQUAL(run(12), 0);
	expect("add ");
	cfg.host = true;
	host_settle(s);
	expect("rule on root all ");
	cfg.host = false;
	host_settle(s);
	expect("rule on root run ");
	host_close(s);
	expect("remove none ");
	end();
}

/* Where all are carried the group is made known, too: `host` may change later. */
static void test_run_beside_all(void)
{
	begin(true);
	host_settle(s);
	expect("rule on root all ");
	CU_ASSERT_EQUAL(run(11), 0);
	expect("group rule on root all add ");
	CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_ALL);
	end();
}

static void test_left_by_another(void)
{
	begin(false);
	left = true;
	host_settle(s);
	expect("group rule on root run ");
	CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_RUN);
	end();
}

/* What one left that might not remove it: nobody is in there. */
static void test_left_empty(void)
{
	begin(false);
	left = empty = true;
	host_settle(s);
	expect("group remove ");
	CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_NONE);
	empty = false;
	end();
}

/* A daemon that may not make the group, or not move a process into it, says where it is. */
static void test_forbidden(void)
{
	static const int errors[] = { -EROFS, -EACCES };

	for (unsigned i = 0; i < 2; i++) {
		begin(false);
		error = errors[i];
		failing = "group";
		CU_ASSERT_EQUAL(run(11), 0);
		expect("group ");
		CU_ASSERT_STRING_EQUAL(group, "/groups/a.run");
		CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_NONE);
		/* Its caller has made and entered it. */
		failing = "add";
		CU_ASSERT_EQUAL(run(11), 0);
		expect("group rule on root run add ");
		CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_RUN);
		end();
		/* What the kernel refuses is no matter of the group. */
		begin(false);
		failing = "run";
		CU_ASSERT_EQUAL(run(11), errors[i]);
		CU_ASSERT_STRING_EQUAL(group, "");
		error = -EIO;
		end();
	}
}

static void test_failures(void)
{
	static const struct {
		const char *failing, *settle, *run;
	} cases[] = {
		{ "rule", "rule off ", "group rule off remove " },
		{ "on", "rule on off ", "group rule on off remove " },
		{ "root", "rule on root off ", "group rule on root off remove " },
		{ "all", "rule on root all off ", "group rule on root all off remove " },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(true);
		failing = cases[i].failing;
		host_settle(s);
		expect(cases[i].settle);
		CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_NONE);
		CU_ASSERT_EQUAL(run(11), -EIO);
		expect(cases[i].run);
		CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_NONE);
		/* It is tried again. */
		failing = NULL;
		host_settle(s);
		CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_ALL);
		end();
	}
	begin(false);
	failing = "group";
	CU_ASSERT_EQUAL(run(11), -EIO);
	expect("group ");
	failing = "add";
	CU_ASSERT_EQUAL(run(11), -EIO);
	expect("group rule on root run add ");
	end();
}

/* The kernel takes long to attach them: they are taken into use when they are there, or taken off. */
static void test_late(void)
{
	begin(true);
	s->links.job.running = true;
	host_settle(s);
	expect("rule late ");
	host_check(s);
	expect("");
	CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_NONE);
	s->links.job.running = false;
	host_check(s);
	expect("rule on root all ");
	CU_ASSERT_EQUAL(s->hosts, MPGATE_HOSTS_ALL);
	host_check(s);
	expect("");
	end();

	begin(false);
	s->links.job.running = true;
	CU_ASSERT_EQUAL(run(11), -EINPROGRESS);
	expect("group rule late remove ");
	s->links.job.running = false;
	host_check(s);
	expect("off ");
	CU_ASSERT_EQUAL(run(11), 0);
	expect("group rule on root run add ");
	end();
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "all", test_all },
		{ "run", test_run },
		{ "run beside all", test_run_beside_all },
		{ "left by another", test_left_by_another },
		{ "a group with nobody in it", test_left_empty },
		{ "a group that the daemon may not write to", test_forbidden },
		{ "failures", test_failures },
		{ "late", test_late },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("host", tests, NULL, NULL) ? 0 : 1;
}
