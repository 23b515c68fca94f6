// SPDX-License-Identifier: GPL-2.0-or-later
/* One daemon sets a network namespace: what is left of a killed one is told by its tags, which all have. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <lib/log.h>
#include <mpgated/paths/internal.h>

static int take_lock(struct path_set *p, const char *instance)
{
	int err = originals_open(instance, &p->originals);

	if (err == -EADDRINUSE)
		log_error("another mpgated runs in this network namespace: it holds %s", p->originals.path);
	else if (err)
		log_error("cannot lock %s: %s", p->originals.path[0] ? p->originals.path : ORIGINALS_DIR,
			  strerror(-err));
	/* What a killed daemon left behind has our numbers. */
	for (unsigned i = 0; i < PATHS_ENDPOINTS && !err; i++)
		p->endpoint_set[i] = p->originals.left.n > 0;
	return err;
}

int set_open(struct path_set *p, const char *instance)
{
	int err = take_lock(p, instance);

	if (err)
		return err;
	err = nl_open(NETLINK_ROUTE, &p->rt);
	if (err) {
		log_error("cannot open rtnetlink: %s", strerror(-err));
		return err;
	}
	err = mptcp_pm_open(&p->pm);
	if (err)
		log_error("MPTCP path manager: %s", err == -EOPNOTSUPP ? "this kernel has no MPTCP" : strerror(-err));
	return err;
}

void set_close(struct path_set *p, bool undone)
{
	nl_close(&p->rt);
	mptcp_pm_close(&p->pm);
	nl_list_free(&p->addrs);
	nl_list_free(&p->changes);
	originals_close(&p->originals, undone);
}
