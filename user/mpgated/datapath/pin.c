// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The pin directory, MPGATE_PIN_ROOT/<instance>/v<ABI>/:
 *   <map>                    each map
 *   links/<ifname>-<role>    BPF links (tcx, XDP)
 *   filters/, clsact/        see tc.c
 * It is filled under another name and renamed, so a reader sees all maps or none.
 */
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <mpgated/datapath/internal.h>

#define BPFFS "/sys/fs/bpf"

static const char *const role_names[DP_ROLE_COUNT] = {
	[DP_ROLE_GUARD] = "guard", [DP_ROLE_STEER] = "steer",	[DP_ROLE_GATE] = "gate",
	[DP_ROLE_JOINS] = "joins", [DP_ROLE_HOST_OUT] = "host", [DP_ROLE_HOST_IN] = "loop",
};

static const char *const folders[] = { "links", "filters", "clsact" };

const char *dp_role_name(enum dp_role role)
{
	return role_names[role];
}

__attribute__((format(printf, 2, 3))) static int path_set(char *path, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, PATH_MAX, fmt, ap);
	va_end(ap);
	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* bpffs takes no dot in a name, and an interface name has no colon: so a dot becomes a colon. role: NULL or a suffix.
 */
int dp_pin_path(const char *dir, const char *folder, const char *ifname, const char *role, char *path)
{
	int err = path_set(path, "%s/%s/%s%s%s", dir, folder, ifname, role ? "-" : "", role ? role : "");

	if (err)
		return err;
	for (char *p = path + strlen(dir); *p; p++) {
		if (*p == '.')
			*p = ':';
	}
	return 0;
}

/* Pins fd at path; an entry that is there already is replaced. */
int dp_pin_fd(int fd, const char *path)
{
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

static bool has_bpffs(void)
{
	struct statfs fs;

	return !statfs(BPFFS, &fs) && fs.f_type == (__typeof__(fs.f_type))BPF_FS_MAGIC;
}

bool datapath_is_pinned(const struct datapath *dp, bool *mounted)
{
	*mounted = has_bpffs();
	return *mounted && access(dp->dir, F_OK) == 0;
}

/* -ENOTSUP when bpffs is not mounted, -EINVAL for a name that cannot be a folder there. */
int dp_pin_check(const char *instance)
{
	if (!*instance || strpbrk(instance, "./")) {
		log_error("instance '%s': the name must not be empty nor contain '.' or '/'", instance);
		return -EINVAL;
	}
	if (!has_bpffs()) {
		log_error("no BPF file system at " BPFFS ": mount it with `mount -t bpf bpf " BPFFS "`");
		return -ENOTSUP;
	}
	return 0;
}

static int make_folder(const char *path)
{
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

static int pin_into(struct datapath *dp, const char *dir)
{
	char path[PATH_MAX];
	int err = make_folder(dir);

	for (unsigned i = 0; !err && i < sizeof(folders) / sizeof(folders[0]); i++) {
		err = path_set(path, "%s/%s", dir, folders[i]);
		if (!err)
			err = make_folder(path);
	}
	for (unsigned i = 0; !err && i < DP_MAP_COUNT; i++) {
		err = path_set(path, "%s/%s", dir, dp_map_name((enum dp_map)i));
		if (!err)
			err = dp_pin_fd(dp->map[i], path);
	}
	for (unsigned i = 0; !err && i < DP_GEN_COUNT; i++) {
		err = path_set(path, "%s/%s", dir, dp->gen[i].name);
		if (!err)
			err = dp_pin_fd(dp->gen[i].fd, path);
	}
	return err;
}

int dp_pin_maps(struct datapath *dp, const char *instance)
{
	char base[PATH_MAX], building[PATH_MAX], dir[PATH_MAX] = "";
	int err = path_set(base, MPGATE_PIN_ROOT "/%s", instance);

	if (!err)
		err = path_set(dir, MPGATE_PIN_ROOT "/%s/v%d", instance, MPGATE_ABI);
	if (!err)
		err = path_set(building, MPGATE_PIN_ROOT "/%s/new", instance);
	if (!err)
		err = make_folder(MPGATE_PIN_ROOT);
	if (!err)
		err = make_folder(base);
	if (!err)
		err = pin_into(dp, building);
	if (!err && rename(building, dir))
		err = -errno;
	if (err) {
		log_error("cannot pin maps below %s: %s", base, strerror(-err));
		return err;
	}
	strcpy(dp->dir, dir);
	return 0;
}
