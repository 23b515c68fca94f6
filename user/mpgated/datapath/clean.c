// SPDX-License-Identifier: GPL-2.0-or-later
/* Removes what an instance has in the kernel, by what its pin directory says: of any ABI, and whoever made it. */
#include <ftw.h>
#include <stdio.h>

#include <mpgated/datapath/internal.h>

#define WALK_FDS 8 /* folders that the walk holds open: the tree is not deeper */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	if (type == FTW_F && strstr(path, "/links/")) {
		int fd = bpf_obj_get(path);

		/* Now, not when the last reference goes: that is later, and the place would still be taken. */
		if (fd >= 0) {
			bpf_link_detach(fd);
			close(fd);
		}
	}
	if (remove(path))
		log_warn("cannot remove %s: %s", path, strerror(errno));
	return 0;
}

static int clean_filters(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	if (type == FTW_D && ftw->level == 1)
		dp_tc_clean(path);
	return 0;
}

int dp_pin_clean(const char *instance)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), MPGATE_PIN_ROOT "/%s", instance) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (access(path, F_OK))
		return errno == ENOENT ? 0 : -errno;
	/* Filters first: the entries say which are ours. */
	if (nftw(path, clean_filters, WALK_FDS, FTW_PHYS) || nftw(path, remove_entry, WALK_FDS, FTW_DEPTH | FTW_PHYS)) {
		log_error("%s: %s", path, strerror(errno));
		return -errno;
	}
	/* Goes when this was the last instance. */
	rmdir(MPGATE_PIN_ROOT);
	return 0;
}

int datapath_check(const char *instance)
{
	return dp_pin_check(instance);
}

int datapath_clean(const char *instance)
{
	return dp_pin_clean(instance);
}
