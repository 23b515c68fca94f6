// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In the order of an orderly stop (supervisor.c). The control socket is taken first, then the lock of the network
 * namespace: as long as this runs no daemon of that name starts, nor any here.
 */
#include <mpgated/supervisor/clean.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <lib/log.h>
#include <mpgated/control/control.h>
#include <mpgated/datapath/datapath.h>
#include <mpgated/paths/paths.h>
#include <mpgated/supervisor/cgroup.h>
#include <mpgated/supervisor/leftovers.h>
#include <mpgated/supervisor/timewait.h>

static int put_back(const char *instance, struct paths_left *left)
{
	struct mpgate_addr *addrs = NULL;
	unsigned count = 0;
	int ended = leftovers_end(), err, part;

	if (ended < 0)
		log_error("processes of the killed daemon: %s", strerror(-ended));
	else if (ended)
		log_info("%d processes of the killed daemon are ended, and their connections reset", ended);
	err = ended < 0 ? ended : 0;
	part = paths_left_undo(left, &addrs, &count);
	err = err ? err : part;
	part = datapath_clean(instance);
	err = err ? err : part;
	timewait_end(addrs, count, 0);
	free(addrs);
	cgroup_remove(-1, CGROUP_WORKERS, instance);
	cgroup_remove(-1, CGROUP_RUN, instance);
	return err;
}

int supervisor_clean(const char *instance)
{
	static const struct control_method none[] = { { 0 } };
	struct paths_left *left;
	struct control *control;
	uv_loop_t loop;
	int err = datapath_check(instance);
	bool begun = false;

	uv_loop_init(&loop);
	if (!err)
		err = control_open(&loop, instance, none, NULL, &control);
	if (!err) {
		err = paths_left_open(instance, &left);
		begun = !err;
		if (begun) {
			err = put_back(instance, left);
			paths_left_close(left);
		}
		control_close(control);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	if (err)
		log_error("instance %s is not cleaned: %s", instance,
			  begun ? "not all could be put back" : "nothing was changed");
	else
		log_info("instance %s: nothing of it is left in this network namespace", instance);
	return err ? 1 : 0;
}
