/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a path's subflows are backups: by what the configuration says of its use, unless there are reasons to deviate
 * from it. Several parts of the supervisor have such reasons, each one wish for a path; the first reason in the order
 * below that has one decides. The last path that is well is no backup: see rank_decide().
 */
#ifndef MPGATED_RANK_H
#define MPGATED_RANK_H

#include <stdbool.h>

#include <lib/config/config.h>
#include <mpgated/paths/paths.h>

#define RANK_WHY 96 /* bytes of a text */

enum rank_reason {
	RANK_QUOTA,
	RANK_QUALITY,
	RANK_OVERFLOW,
	RANK_REASONS, /* so many; as a reason: none, it is as configured */
};

/* What a path's rank depends on. */
struct rank_view {
	bool path; /* the link is one */
	bool well; /* it can be used: up, not held back, and probes are answered */
	bool primary; /* use: primary */
	enum paths_rank wish[RANK_REASONS]; /* PATHS_RANK_USE: none */
};

struct rank_verdict {
	enum paths_rank rank;
	enum rank_reason by;
	bool last; /* a primary, whatever was wished: there is no other that is well */
};

/*
 * A verdict for each of n links. Were all paths that are well backups, and one of them by a wish, the kernel would use
 * all alike; then the one that is to be avoided least is a primary: what is so by quality before what is a backup by
 * use, and what is over its quota last. Pure.
 */
void rank_decide(const struct rank_view *v, unsigned n, struct rank_verdict *out);

/* A link as it was named last: reloads change the index. */
struct rank {
	char link[16];
	enum paths_rank wish[RANK_REASONS];
	char why[RANK_REASONS][RANK_WHY];
	bool down[2]; /* by family: no peer answers over it */
	struct rank_verdict now;
	char text[RANK_WHY]; /* why it is so; empty: as configured */
};

struct ranks {
	struct rank link[MPGATE_MAX_LINKS]; /* by index in the configuration */
	unsigned count;
};

struct supervisor;

/* From now on that reason wishes so for a link, by its index in s->cfg; PATHS_RANK_USE: nothing. why: a few words. */
void rank_set(struct supervisor *s, unsigned link, enum rank_reason reason, enum paths_rank wish, const char *why);
/* Whether probes of peers over that link are not answered, in family f (0: IPv4). rank_settle() is to follow. */
void rank_set_down(struct supervisor *s, unsigned link, unsigned f, bool down);
/* Links have come, gone or changed, or are another list, or are down. */
void rank_settle(struct supervisor *s);
/* Is it a path that is well, and would it be a primary, were it not for that reason and for being the last? */
bool rank_is_primary(const struct supervisor *s, unsigned link, enum rank_reason but);
/* Why a link's rank is not as configured, and what it is; NULL: it is. Good until the loop turns. */
const char *rank_why(const struct supervisor *s, unsigned link, enum paths_rank *rank);

#endif
