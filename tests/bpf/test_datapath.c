// SPDX-License-Identifier: GPL-2.0-or-later
/* The datapath opened, attached, killed and closed. What is attached is asked of the kernel, not of the code. */
#include <linux/if_link.h>
#include <sys/wait.h>

#include "datapath_test.h"

#define TCX_INGRESS_TYPE ((enum bpf_attach_type)46)
#define MAX_PROGS 16
#define OUR_HANDLE 0x6d70 /* of the steer filter */
#define OUR_PRIORITY 0x6d71

/* What a command prints, cut at the size of buf. */
static const char *output(char *buf, size_t size, const char *cmd)
{
	FILE *f = popen(cmd, "r");
	size_t n = f ? fread(buf, 1, size - 1, f) : 0;

	buf[n] = '\0';
	if (f)
		pclose(f);
	return buf;
}

static bool contains(const char *cmd, const char *text)
{
	char buf[8192];

	return strstr(output(buf, sizeof(buf), cmd), text) != NULL;
}

static void prog_name(uint32_t id, char *out, size_t size)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	*out = '\0';
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
		snprintf(out, size, "%s", info.name);
	if (fd >= 0)
		close(fd);
}

/* Names of the tcx programs on the interface, in order: "guard_tc steer ". */
static const char *tcx_progs(char *buf, size_t size)
{
	uint32_t ids[MAX_PROGS] = { 0 };
	struct bpf_prog_query_opts opts = { .sz = sizeof(opts), .prog_ids = ids, .prog_cnt = MAX_PROGS };
	size_t at = 0;

	*buf = '\0';
	if (bpf_prog_query_opts((int)dev, TCX_INGRESS_TYPE, &opts))
		return buf;
	for (unsigned i = 0; i < opts.prog_cnt; i++) {
		char name[32];

		prog_name(ids[i], name, sizeof(name));
		at += (size_t)snprintf(buf + at, size - at, "%s ", name);
	}
	return buf;
}

/* "native gate", "generic guard_xdp", "" */
static const char *xdp_prog(char *buf, size_t size)
{
	struct bpf_xdp_query_opts opts = { .sz = sizeof(opts) };
	char name[32];

	*buf = '\0';
	if (bpf_xdp_query((int)dev, 0, &opts) || !opts.prog_id)
		return buf;
	prog_name(opts.prog_id, name, sizeof(name));
	snprintf(buf, size, "%s %s", opts.attach_mode == XDP_ATTACHED_DRV ? "native" : "generic", name);
	return buf;
}

static bool filter_there(const char *prog)
{
	return contains("tc filter show dev " DEV " ingress", prog);
}

static bool clsact_there(void)
{
	return contains("tc qdisc show dev " DEV, "clsact");
}

#define ASSERT_TCX(expected)                                                                                           \
	do {                                                                                                           \
		char asserted[256];                                                                                    \
		CU_ASSERT_STRING_EQUAL(tcx_progs(asserted, sizeof(asserted)), expected);                               \
	} while (0)
#define ASSERT_XDP(expected)                                                                                           \
	do {                                                                                                           \
		char asserted[256];                                                                                    \
		CU_ASSERT_STRING_EQUAL(xdp_prog(asserted, sizeof(asserted)), expected);                                \
	} while (0)
#define ASSERT_NOTHING()                                                                                               \
	do {                                                                                                           \
		ASSERT_TCX("");                                                                                        \
		ASSERT_XDP("");                                                                                        \
		CU_ASSERT_FALSE(clsact_there());                                                                       \
		CU_ASSERT(access(PINS, F_OK) != 0);                                                                    \
	} while (0)

/* --- opening */

static void test_open_pins_and_close_unpins(void)
{
	struct datapath *dp = open_or_die();

	CU_ASSERT_EQUAL(access(ABI_DIR "/settings", F_OK), 0);
	CU_ASSERT_EQUAL(access(ABI_DIR "/gen_lpm", F_OK), 0);
	CU_ASSERT(access(PINS "/new", F_OK) != 0);
	datapath_close(dp);
	ASSERT_NOTHING();
}

static void test_open_names_a_missing_bpffs(void)
{
	struct datapath *dp = NULL;

	CU_ASSERT_EQUAL_FATAL(mount("none", "/sys/fs/bpf", "tmpfs", 0, NULL), 0);
	CU_ASSERT_EQUAL(datapath_open(INSTANCE, 64, &dp), -ENOTSUP);
	CU_ASSERT_PTR_NULL(dp);
	CU_ASSERT_EQUAL(umount("/sys/fs/bpf"), 0);
	CU_ASSERT_EQUAL(datapath_open("a.b", 64, &dp), -EINVAL);
}

static void test_open_removes_other_abi(void)
{
	CU_ASSERT_EQUAL(run("mkdir -p " PINS "/v0/links " PINS "/new"), 0);
	struct datapath *dp = open_or_die();

	CU_ASSERT(access(PINS "/v0", F_OK) != 0);
	datapath_close(dp);
	ASSERT_NOTHING();
}

static void note_program(void *arg, const char *name, unsigned insns, unsigned verified)
{
	CU_ASSERT(insns > 1);
	CU_ASSERT(verified >= 1);
	if (!strcmp(name, "steer") || !strcmp(name, "guard_tc"))
		++*(unsigned *)arg;
}

static void test_features_and_programs(void)
{
	const struct datapath_feature *f;
	struct datapath *dp = open_or_die();
	unsigned n = datapath_features(dp, &f), needed = 0, programs = 0;

	for (unsigned i = 0; i < n; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(f[i].name);
		CU_ASSERT_EQUAL(f[i].works, f[i].degraded == NULL);
		CU_ASSERT_EQUAL(f[i].works, f[i].why == 0);
		if (!strcmp(f[i].name, "steer") || !strcmp(f[i].name, "guard_tc"))
			needed += f[i].works;
	}
	CU_ASSERT_EQUAL(needed, 2);
	datapath_programs(dp, note_program, &programs);
	CU_ASSERT_EQUAL(programs, 2);
	datapath_close(dp);
}

/* --- attaching */

/* Attaches and compares the hooks. */
static void attach(struct datapath *dp, const struct cfg_link *link, enum datapath_hook steer, enum datapath_hook guard,
		   enum datapath_hook gate)
{
	struct datapath_attached a;

	CU_ASSERT_EQUAL_FATAL(datapath_attach(dp, dev, link, false, &a), 0);
	CU_ASSERT_EQUAL(a.steer, steer);
	CU_ASSERT_EQUAL(a.guard, guard);
	CU_ASSERT_EQUAL(a.gate, gate);
}

static uint32_t pinned_link_id(const char *path)
{
	struct bpf_link_info info = { 0 };
	uint32_t len = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
		info.id = 0;
	if (fd >= 0)
		close(fd);
	return info.id;
}

static void test_tcx_roles(void)
{
	struct cfg_link lan = link_of(CFG_LAN), path = link_of(CFG_PATH), net = link_of(CFG_NET);
	struct datapath *dp = open_or_die();
	uint32_t id;

	if (!dp->tcx) {
		cunit_skip("this kernel has no tcx links");
		datapath_close(dp);
		return;
	}
	attach(dp, &lan, HOOK_TCX, HOOK_NONE, HOOK_NONE);
	ASSERT_TCX("steer ");
	id = pinned_link_id(ABI_DIR "/links/mpg-dp:0-steer");
	CU_ASSERT(id != 0);
	attach(dp, &path, HOOK_TCX, HOOK_TCX, HOOK_NONE);
	ASSERT_TCX("guard_tc steer ");
	attach(dp, &net, HOOK_TCX, HOOK_NONE, HOOK_NONE);
	ASSERT_TCX("steer ");
	/* Through all of this steer was never away. */
	CU_ASSERT_EQUAL(pinned_link_id(ABI_DIR "/links/mpg-dp:0-steer"), id);
	CU_ASSERT_EQUAL(datapath_detach(dp, dev), 0);
	ASSERT_TCX("");
	CU_ASSERT(access(ABI_DIR "/links/mpg-dp:0-steer", F_OK) != 0);
	CU_ASSERT_EQUAL(datapath_detach(dp, dev), 0);
	attach(dp, &path, HOOK_TCX, HOOK_TCX, HOOK_NONE);
	datapath_close(dp);
	ASSERT_NOTHING();
}

static void test_guard_modes(void)
{
	struct cfg_link path = link_of(CFG_PATH);
	struct datapath *dp = open_or_die();
	enum datapath_hook tc = dp->tcx ? HOOK_TCX : HOOK_CLSACT;

	attach(dp, &path, tc, tc, HOOK_NONE); /* auto on veth */
	ASSERT_XDP("");
	path.guard = CFG_GUARD_XDP;
	attach(dp, &path, tc, HOOK_XDP, HOOK_NONE);
	ASSERT_XDP("native guard_xdp");
	path.guard = CFG_GUARD_XDP_GENERIC;
	attach(dp, &path, tc, HOOK_XDP_GENERIC, HOOK_NONE);
	ASSERT_XDP("generic guard_xdp");
	path.guard = CFG_GUARD_TC;
	attach(dp, &path, tc, tc, HOOK_NONE);
	ASSERT_XDP("");
	datapath_close(dp);
	ASSERT_NOTHING();
}

static void test_gate(void)
{
	struct cfg_link lan = link_of(CFG_LAN), path = link_of(CFG_PATH);
	struct datapath *dp = open_or_die();
	enum datapath_hook tc = dp->tcx ? HOOK_TCX : HOOK_CLSACT;

	lan.early_classify = true;
	attach(dp, &lan, tc, HOOK_NONE, HOOK_XDP);
	ASSERT_XDP("native gate");
	path.guard = CFG_GUARD_XDP;
	attach(dp, &path, tc, HOOK_XDP, HOOK_NONE);
	ASSERT_XDP("native guard_xdp");
	lan.early_classify = false;
	attach(dp, &lan, tc, HOOK_NONE, HOOK_NONE);
	ASSERT_XDP("");
	datapath_close(dp);
	ASSERT_NOTHING();
}

static void test_l3_uses_tc_programs_of_its_own(void)
{
	struct cfg_link path = link_of(CFG_PATH);
	struct datapath *dp = open_or_die();
	struct datapath_attached a;

	CU_ASSERT_EQUAL(datapath_attach(dp, dev, &path, true, &a), 0);
	if (dp->tcx)
		ASSERT_TCX("guard_tc_l3 steer_l3 ");
	path.guard = CFG_GUARD_XDP;
	CU_ASSERT_EQUAL(datapath_attach(dp, dev, &path, true, &a), -EOPNOTSUPP);
	CU_ASSERT_STRING_EQUAL(a.failed, "guard");
	ASSERT_TCX("");
	CU_ASSERT_EQUAL(datapath_attach(dp, 0, &path, true, &a), -ENODEV);
	datapath_close(dp);
	ASSERT_NOTHING();
}

static void test_clsact(void)
{
	struct cfg_link path = link_of(CFG_PATH), lan = link_of(CFG_LAN);
	struct datapath *dp = open_or_die();

	dp->tcx = false;
	attach(dp, &path, HOOK_CLSACT, HOOK_CLSACT, HOOK_NONE);
	CU_ASSERT(filter_there("steer:["));
	CU_ASSERT(filter_there("guard_tc:["));
	attach(dp, &lan, HOOK_CLSACT, HOOK_NONE, HOOK_NONE);
	CU_ASSERT(filter_there("steer:["));
	CU_ASSERT_FALSE(filter_there("guard_tc:["));
	/* Somebody removes the qdisc: the next attach repairs it. */
	CU_ASSERT_EQUAL(run("tc qdisc del dev " DEV " clsact"), 0);
	attach(dp, &lan, HOOK_CLSACT, HOOK_NONE, HOOK_NONE);
	CU_ASSERT(filter_there("steer:["));
	/* So does a look at all of them. */
	attach(dp, &path, HOOK_CLSACT, HOOK_CLSACT, HOOK_NONE);
	CU_ASSERT_EQUAL(run("tc qdisc del dev " DEV " clsact"), 0);
	datapath_restore(dp);
	CU_ASSERT(filter_there("steer:["));
	CU_ASSERT(filter_there("guard_tc:["));
	datapath_close(dp);
	ASSERT_NOTHING();
}

/* A filter of somebody else. */
static void other_filter(enum bpf_tc_attach_point where, uint32_t handle, uint32_t priority)
{
	static const struct bpf_insn pass[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K },
						{ .code = BPF_JMP | BPF_EXIT } };
	struct bpf_tc_hook hook = { .sz = sizeof(hook), .ifindex = (int)dev, .attach_point = where };
	struct bpf_tc_opts opts = { .sz = sizeof(opts), .handle = handle, .priority = priority };

	opts.prog_fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "other", "GPL", pass, 2, NULL);
	CU_ASSERT(opts.prog_fd >= 0);
	CU_ASSERT_EQUAL(bpf_tc_attach(&hook, &opts), 0);
	close(opts.prog_fd);
}

static void test_clsact_of_others_stays(void)
{
	struct cfg_link lan = link_of(CFG_LAN);
	struct datapath_attached a;
	struct datapath *dp = open_or_die();

	/* Theirs before ours. */
	dp->tcx = false;
	CU_ASSERT_EQUAL(run("tc qdisc add dev " DEV " clsact"), 0);
	attach(dp, &lan, HOOK_CLSACT, HOOK_NONE, HOOK_NONE);
	CU_ASSERT_EQUAL(datapath_detach(dp, dev), 0);
	CU_ASSERT(clsact_there());
	CU_ASSERT_EQUAL(run("tc qdisc del dev " DEV " clsact"), 0);

	/* Ours, with a filter of theirs in it. */
	attach(dp, &lan, HOOK_CLSACT, HOOK_NONE, HOOK_NONE);
	other_filter(BPF_TC_EGRESS, 1, 1);
	CU_ASSERT_EQUAL(datapath_detach(dp, dev), 0);
	CU_ASSERT_FALSE(filter_there("steer:["));
	CU_ASSERT(contains("tc filter show dev " DEV " egress", "other:["));
	CU_ASSERT_EQUAL(run("tc qdisc del dev " DEV " clsact"), 0);

	/* Theirs in our place. */
	CU_ASSERT_EQUAL(run("tc qdisc add dev " DEV " clsact"), 0);
	other_filter(BPF_TC_INGRESS, OUR_HANDLE, OUR_PRIORITY);
	CU_ASSERT_EQUAL(datapath_attach(dp, dev, &lan, false, &a), -EBUSY);
	CU_ASSERT(filter_there("other:["));
	CU_ASSERT_EQUAL(run("tc qdisc del dev " DEV " clsact"), 0);
	datapath_close(dp);
	ASSERT_NOTHING();
}

/* A daemon that is killed after it has attached. */
static void die_attached(bool tcx, enum cfg_guard guard)
{
	pid_t pid = fork();
	int status = -1;

	CU_ASSERT_FATAL(pid >= 0);
	if (!pid) {
		struct cfg_link path = link_of(CFG_PATH);
		struct datapath_attached a;
		struct datapath *dp;

		path.guard = guard;
		if (datapath_open(INSTANCE, 64, &dp))
			_exit(1);
		dp->tcx = dp->tcx && tcx;
		_exit(datapath_attach(dp, dev, &path, false, &a) ? 1 : 0);
	}
	waitpid(pid, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
}

static void test_killed_daemon_is_cleaned_up(void)
{
	static const struct {
		bool tcx;
		enum cfg_guard guard;
	} cases[] = {
		{ true, CFG_GUARD_TC }, { true, CFG_GUARD_XDP }, { false, CFG_GUARD_TC }, { false, CFG_GUARD_XDP }
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct datapath *dp;
		char progs[256];

		die_attached(cases[i].tcx, cases[i].guard);
		/* It steers on for the workers that are left. */
		CU_ASSERT(filter_there("steer:[") || strstr(tcx_progs(progs, sizeof(progs)), "steer"));
		dp = open_or_die();
		ASSERT_TCX("");
		ASSERT_XDP("");
		CU_ASSERT_FALSE(clsact_there());
		datapath_close(dp);
		ASSERT_NOTHING();
	}
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "open pins the maps, close removes them", test_open_pins_and_close_unpins },
		{ "open names a missing BPF file system", test_open_names_a_missing_bpffs },
		{ "open removes other ABI versions", test_open_removes_other_abi },
		{ "features and programs are told", test_features_and_programs },
		{ "tcx links by role", test_tcx_roles },
		{ "guard modes", test_guard_modes },
		{ "gate", test_gate },
		{ "links without Ethernet header", test_l3_uses_tc_programs_of_its_own },
		{ "clsact filters", test_clsact },
		{ "clsact of others stays", test_clsact_of_others_stays },
		{ "a killed daemon is cleaned up", test_killed_daemon_is_cleaned_up },
		CU_TEST_INFO_NULL,
	};

	return run_tests("datapath", tests);
}
