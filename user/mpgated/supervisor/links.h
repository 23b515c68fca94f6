/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs on links. What is attached follows from the configuration and from what the paths know; it is done in a
 * thread of its own, since attaching waits for the kernel's lock of all links. The loop says what is wanted and sees
 * what has come of it.
 */
#ifndef MPGATED_LINKS_H
#define MPGATED_LINKS_H

#include <net/if.h>
#include <stdbool.h>

#include <mpgated/datapath/datapath.h>
#include <mpgated/paths/job.h>

struct supervisor;

/* How an interface is served. */
struct service {
	char name[IF_NAMESIZE];
	unsigned ifindex;
	bool l3;
	enum cfg_role role;
	enum cfg_guard guard;
	bool early_classify;
	/* What came of it: */
	int error; /* -errno: nothing is attached */
	bool known; /* the error was the same before */
	struct datapath_attached attached;
	uint32_t foreign_xdp; /* id of a program of somebody else's, 0: there is none */
	char foreign_name[DATAPATH_PROG_NAME];
};

struct services {
	struct service link[MPGATE_MAX_LINKS];
	unsigned count;
	bool hosts; /* programs of host mode */
};

struct links {
	struct job job;
	bool open;
	struct services wanted; /* of the loop */
	struct services todo, present; /* of the job while it runs */
	bool restore; /* todo: look for filters that are gone */
	bool look; /* todo: what there is of others */
	bool retry; /* what failed is a reason for a job */
	unsigned checks; /* since the last look for such filters */
	unsigned looks; /* of these, since the last one for programs of others */
	int hosts_error;
	bool unfit[MPGATE_MAX_LINKS]; /* that was said, by index in cfg->links */
};

/* 0 or -errno. */
int links_open(struct supervisor *s);
/* Waits for what is being attached, however long. What is attached stays. */
void links_close(struct supervisor *s);
/* Has the links served as the configuration says where the paths have found them, from soon on. */
void links_settle(struct supervisor *s);
/* The same, of those that could not be served as well; to be called every few seconds. */
void links_check(struct supervisor *s);
/* Up to ms, for all that is wanted. 0; -EBUSY: it is still being attached. */
int links_wait(struct supervisor *s, unsigned ms);
/* After a reload and before links_settle(): what is attached goes with its link to its place in s->cfg. */
void links_move(struct supervisor *s, const struct config *from);
/* Attaches the programs of host mode, or has them taken off soon. 0 or -errno, logged; -EINPROGRESS: they will be. */
int links_serve_hosts(struct supervisor *s, bool on);

#endif
