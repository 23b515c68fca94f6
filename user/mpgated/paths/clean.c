// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <lib/log.h>
#include <mpgated/paths/internal.h>
#include <mpgated/paths/namespace.h>

struct paths_left {
	struct path_set set;
	bool undone;
};

static void tell_where(const char *instance, const char *path)
{
	uint64_t cookie = strtoull(path + strlen(ORIGINALS_NET), NULL, 10);
	char way[96];

	if (namespace_way(cookie, way, sizeof(way)))
		log_error("instance %s was in another network namespace: %s mpgated --clean %s", instance, way,
			  instance);
	else
		log_error("instance %s was in another network namespace, which no name below /run/netns and no process "
			  "has; "
			  "if it is gone: rm %s, and then the same again",
			  instance, path);
}

/* -ESTALE, after a message: what is left here is another instance's, or what that one has left is elsewhere. */
static int check_owner(const struct originals *o, const char *instance)
{
	char path[ORIGINAL_PATH];

	if (o->left_by[0] && strcmp(o->left_by, instance) != 0) {
		log_error("what is left in this network namespace is of instance %s: mpgated --clean %s", o->left_by,
			  o->left_by);
		return -ESTALE;
	}
	if (!o->left_by[0] && originals_elsewhere(o, instance, path)) {
		tell_where(instance, path);
		return -ESTALE;
	}
	return 0;
}

int paths_left_open(const char *instance, struct paths_left **out)
{
	struct paths_left *l = calloc(1, sizeof(*l));
	int err;

	if (!l)
		return -ENOMEM;
	err = set_open(&l->set, instance);
	if (!err)
		err = check_owner(&l->set.originals, instance);
	if (err) {
		l->undone = !l->set.originals.left.n && !l->set.originals.left_by[0];
		paths_left_close(l);
		return err;
	}
	*out = l;
	return 0;
}

int paths_left_undo(struct paths_left *l, struct mpgate_addr **addrs, unsigned *count)
{
	/* With no links everything of ours goes. */
	int err = paths_sync(&l->set), undo_err;

	if (!err)
		err = set_list_addrs(&l->set.addrs, addrs, count);
	undo_err = set_undo(&l->set);
	l->undone = !err && !undo_err;
	/* Each is forgotten then. */
	if (l->undone)
		sysctl_restore_left(&l->set.originals);
	return err ? err : undo_err;
}

void paths_left_close(struct paths_left *l)
{
	set_close(&l->set, l->undone);
	free(l);
}
