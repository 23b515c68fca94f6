/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Why a path is not used, or not as one would think. */
#ifndef MPGATED_WHY_H
#define MPGATED_WHY_H

#include <mpgated/answers/answers.h>

/* What keeps a path from being used comes first, in the order in which it is to be mended. */
enum why {
	WHY_ABSENT,
	WHY_DOWN,
	WHY_TENTATIVE,
	WHY_TWIN,
	WHY_NO_ADDRESS,
	WHY_NO_GATEWAY,
	WHY_FOREIGN_RULE,
	WHY_NO_ROUTE,
	WHY_HELD,
	WHY_DEAD,
	WHY_REFUSED, /* the path is well, its peers are not */
	WHY_PLAIN, /* MPTCP does not get through: from here on it carries something */
	WHY_DEPRECATED,
	WHY_UNKNOWN, /* no probe has been answered yet */
	WHY_NONE, /* it is used */
};

/* Is a peer of that family dialed, so that it could answer over paths? */
bool why_is_probed(const struct supervisor *s, unsigned f);
/* Of the link i in one family; text says it, empty with WHY_NONE. */
enum why why_find(const struct supervisor *s, unsigned i, unsigned f, char *text, size_t size);
/* Does any path bond? Else what is in the way of MPTCP is not on one of them. */
bool why_bonds(const struct supervisor *s);
/* Adds what it says, and the path's gateways, to its object in the answer of Paths. */
void why_add(const struct supervisor *s, unsigned i, json_t *o);
/* Adds what other programs do here that concerns paths (others.c). */
void others_add(const struct supervisor *s, json_t *reply);

#endif
