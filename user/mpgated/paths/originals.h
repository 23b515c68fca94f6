/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was set before we set it, kept in a file until it is put back: a daemon that was killed leaves its changes
 * behind, and the next one must not take them for the originals. The file is the lock of the network namespace as well.
 */
#ifndef MPGATED_ORIGINALS_H
#define MPGATED_ORIGINALS_H

#include <mpgated/paths/netlink.h>

#define ORIGINALS_DIR "/run/mpgate"
#define ORIGINALS_NET ORIGINALS_DIR "/net-" /* and the cookie of the namespace */
#define ORIGINAL_INSTANCE 32 /* bytes of the name of an instance */
#define ORIGINAL_NAME 64 /* bytes: "ipv4/conf/<interface>/rp_filter" */

#define ORIGINAL_PATH 64 /* bytes of the path of a file */

struct original {
	char name[ORIGINAL_NAME];
	int before, set;
};

struct originals {
	int fd; /* -1: none */
	char path[ORIGINAL_PATH]; /* of the file */
	struct nl_list ours; /* struct original: what we have set */
	struct nl_list left; /* the same, of a daemon that was killed, as far as it is not ours by now */
	char instance[ORIGINAL_INSTANCE]; /* ours */
	char left_by[ORIGINAL_INSTANCE]; /* that daemon's; empty: there was none, or it did not say */
};

/*
 * Takes the lock for an instance and reads what is left. 0; -EADDRINUSE: another daemon has it; -errno. out->path is
 * filled in as far as it is known.
 */
int originals_open(const char *instance, struct originals *out);
/* Has a daemon of that instance left originals in another network namespace? Then path has the file. */
bool originals_elsewhere(const struct originals *o, const char *instance, char path[ORIGINAL_PATH]);
/* Releases the lock. done: all is put back, and the file goes. */
void originals_close(struct originals *o, bool done);

/* What name was before any daemon set it, when it is `now`. */
int originals_value(const struct originals *o, const char *name, int now);
/* To be called before name is set. 0 or -errno: then it must not be set. */
int originals_note(struct originals *o, const char *name, int before, int set);
/* The entry of ours, NULL: not set by us. Good until the next note or forget. */
const struct original *originals_find(const struct originals *o, const char *name);
void originals_forget(struct originals *o, const char *name);

#endif
