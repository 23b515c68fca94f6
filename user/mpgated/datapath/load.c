// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Loads the skeleton and keeps what is used of it: descriptors, and how inner
 * maps are made. The skeleton itself goes: libbpf holds instructions, relocations
 * and BTF of every program in memory, some hundred KiB that an idle gateway
 * would carry for ever.
 */
#include <fcntl.h>
#include <lib/trim.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mpgated/datapath/internal.h>
#include "mpgate.skel.h"

#define NO_HOST "connections of this machine itself are not carried"

static const struct {
	const char *name;
	bool needed;
	const char *degraded;
} progs[DP_PROG_COUNT] = {
	[DP_STEER] = { "steer", true, NULL },
	[DP_STEER_L3] = { "steer_l3", true, NULL },
	[DP_GUARD_TC] = { "guard_tc", true, NULL },
	[DP_GUARD_TC_L3] = { "guard_tc_l3", true, NULL },
	[DP_GUARD_XDP] = { "guard_xdp", false, "guard runs at tc, after an skb exists" },
	[DP_GATE] = { "gate", false, "SYNs are classified at tc only" },
	[DP_HOLD_JOINS] = { "hold_joins", false, "a join that meets a busy connection may bring wrong bytes" },
	[DP_SYNACK] = { "read_synack", false, "the Extended TCP Header is not sent" },
	[DP_ADD_TAG] = { "add_tag", false, "hubs on the path do not know connections of mode: transparent" },
	[DP_BY_PATH] = { "by_path", false,
			 "congestion and mark of paths mean nothing, and SYNs are sent again after a second" },
	[DP_PACE] = { "pace", false, "slow paths are given too much beside fast ones, until they are backups" },
	[DP_EXPLAIN] = { "explain", false, "policy explain is not available" },
	[DP_PUT_BACK] = { "put_back", false,
			  "connect: honest is early: clients are answered before their servers are" },
	[DP_HOST_OUT] = { "host_out", false, NO_HOST },
	[DP_HOST_OUT_L3] = { "host_out_l3", false, NO_HOST },
	[DP_HOST_IN] = { "host_in", false, NO_HOST },
	[DP_HOST_MARK] = { "host_mark", false, NO_HOST },
};

#define VERIFIER_LINES 30 /* of one message that are logged */
#define ALL_PROGS ((1U << DP_PROG_COUNT) - 1)

static const char *const map_names[DP_MAP_COUNT] = {
#define X(name) [DP_MAP_##name] = #name,
	DP_PLAIN_MAPS(X)
#undef X
};

static const char *const gen_names[DP_GEN_COUNT] = {
#define X(name) [DP_##name] = #name,
	DP_GEN_MAPS(X)
#undef X
};

/* libbpf's messages: what it warns of is a warning only when loading has no other way left. */
static bool libbpf_loud;

/* The verifier may print a hundred thousand lines; what it did not like is at the end. */
static char *last_lines(char *text)
{
	char *p = text + strlen(text);

	for (unsigned lines = 0; p > text; p--) {
		if (p[-1] == '\n' && ++lines > VERIFIER_LINES)
			break;
	}
	return p;
}

__attribute__((format(printf, 2, 0))) static int libbpf_log(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	enum log_level to = level == LIBBPF_WARN && libbpf_loud ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG;
	char *text = NULL, *rest, *line;

	if (level == LIBBPF_DEBUG)
		return 0;
	if (vasprintf(&text, fmt, ap) < 0)
		return 0;
	rest = last_lines(text);
	while ((line = strsep(&rest, "\n"))) {
		if (*line)
			log_line(to, "libbpf: %s", line);
	}
	free(text);
	return 0;
}

const char *dp_map_name(enum dp_map map)
{
	return map_names[map];
}

const char *dp_prog_name(enum dp_prog prog)
{
	return progs[prog].name;
}

void dp_feature(struct datapath *dp, enum dp_prog prog, int why)
{
	dp->features[prog] =
		(struct datapath_feature){ progs[prog].name, !why, why ? progs[prog].degraded : NULL, why };
}

static int copy_fd(int fd, int *out)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0)
		return -errno;
	*out = copy;
	return 0;
}

/* How the inner maps look: libbpf forgets it when it loads. */
static int read_template(struct bpf_object *obj, const char *name, struct dp_gen_map *g)
{
	struct bpf_map *outer = bpf_object__find_map_by_name(obj, name);
	struct bpf_map *inner = outer ? bpf_map__inner_map(outer) : NULL;

	if (!inner)
		return -ENOENT;
	*g = (struct dp_gen_map){
		.fd = -1,
		.name = name,
		.type = bpf_map__type(inner),
		.key_size = bpf_map__key_size(inner),
		.value_size = bpf_map__value_size(inner),
		.max_entries = bpf_map__max_entries(inner),
		.flags = bpf_map__map_flags(inner),
		.btf_key = bpf_map__btf_key_type_id(inner),
		.btf_value = bpf_map__btf_value_type_id(inner),
	};
	return 0;
}

/* Opens the skeleton with the programs of the mask; *err says why not. */
static struct mpgate_bpf *open_progs(unsigned mask, int *err)
{
	struct mpgate_bpf *skel = mpgate_bpf__open();

	if (!skel) {
		*err = -errno;
		return NULL;
	}
	*err = 0;
	for (unsigned i = 0; !*err && i < DP_PROG_COUNT; i++) {
		struct bpf_program *p = bpf_object__find_program_by_name(skel->obj, progs[i].name);

		*err = p ? bpf_program__set_autoload(p, mask & (1U << i)) : -ENOENT;
	}
	if (*err) {
		mpgate_bpf__destroy(skel);
		return NULL;
	}
	return skel;
}

static int keep(struct datapath *dp, struct bpf_object *obj, unsigned mask)
{
	int err = copy_fd(bpf_object__btf_fd(obj), &dp->btf_fd);

	for (unsigned i = 0; !err && i < DP_MAP_COUNT; i++)
		err = copy_fd(bpf_object__find_map_fd_by_name(obj, map_names[i]), &dp->map[i]);
	for (unsigned i = 0; !err && i < DP_GEN_COUNT; i++)
		err = copy_fd(bpf_object__find_map_fd_by_name(obj, gen_names[i]), &dp->gen[i].fd);
	for (unsigned i = 0; !err && i < DP_PROG_COUNT; i++) {
		if (mask & (1U << i))
			err = copy_fd(bpf_program__fd(bpf_object__find_program_by_name(obj, progs[i].name)),
				      &dp->prog[i]);
	}
	return err;
}

/* Loads the programs of the mask, and keeps them if dp is given. */
static int load_progs(struct datapath *dp, unsigned mask)
{
	int err;
	struct mpgate_bpf *skel = open_progs(mask, &err);

	if (!skel)
		return err;
	for (unsigned i = 0; dp && !err && i < DP_GEN_COUNT; i++)
		err = read_template(skel->obj, gen_names[i], &dp->gen[i]);
	if (!err)
		err = bpf_map__set_max_entries(skel->maps.guard_replay, dp ? dp->replay_buckets : 1);
	if (!err)
		err = mpgate_bpf__load(skel);
	if (!err && dp)
		err = keep(dp, skel->obj, mask);
	mpgate_bpf__destroy(skel);
	return err;
}

/* Which programs this kernel takes: the needed ones, and each other that loads on its own. why[]: the others' errors.
 */
static unsigned find_loadable(int why[DP_PROG_COUNT])
{
	unsigned mask = 0;

	for (unsigned i = 0; i < DP_PROG_COUNT; i++) {
		why[i] = progs[i].needed ? 0 : -load_progs(NULL, 1U << i);
		if (!why[i])
			mask |= 1U << i;
		else
			log_warn("this kernel does not load the program %s (%s): %s", progs[i].name, strerror(why[i]),
				 progs[i].degraded);
	}
	return mask;
}

/* The object is a part of this program, and not needed again: the pages of the file need not stay mapped. */
static void forget_object(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), from, to;
	size_t len;

	from = (uintptr_t)mpgate_bpf__elf_bytes(&len);
	to = (from + len) / page * page;
	from = (from + page - 1) / page * page;
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

int dp_load(struct datapath *dp)
{
	int why[DP_PROG_COUNT] = { 0 };
	unsigned mask = ALL_PROGS;
	int err;

	libbpf_set_print(libbpf_log);
	err = load_progs(dp, mask);
	if (err) {
		dp_unload(dp);
		mask = find_loadable(why);
		libbpf_loud = true;
		err = load_progs(dp, mask);
		libbpf_loud = false;
	}
	if (err) {
		log_error("cannot load the BPF programs: %s%s", strerror(-err),
			  err == -EPERM ? " (CAP_BPF and CAP_NET_ADMIN, or root, is needed)" : "");
		dp_unload(dp);
		return err;
	}
	for (unsigned i = 0; i < DP_PROG_COUNT; i++)
		dp_feature(dp, (enum dp_prog)i, why[i]);
	/* The allocator keeps what libbpf has freed; give it back. */
	trim_memory();
	forget_object();
	return 0;
}

void dp_unload(struct datapath *dp)
{
	dp_close_fd(&dp->btf_fd);
	for (unsigned i = 0; i < DP_MAP_COUNT; i++)
		dp_close_fd(&dp->map[i]);
	for (unsigned i = 0; i < DP_GEN_COUNT; i++)
		dp_close_fd(&dp->gen[i].fd);
	for (unsigned i = 0; i < DP_PROG_COUNT; i++)
		dp_close_fd(&dp->prog[i]);
}
