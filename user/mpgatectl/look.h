/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a daemon says at one moment, and what went on since the moment before. */
#ifndef CTL_LOOK_H
#define CTL_LOOK_H

#include <jansson.h>

/* Answers of the daemon; all NULL with an error. */
struct look {
	json_t *status, *peers, *paths, *policy, *flows;
	json_t *subflows; /* NULL: they were not asked for */
	double at; /* seconds, of a clock that only goes on */
	char *error; /* why there is nothing; malloc'ed */
};

/* Asks. instance NULL: the only one that runs; order: of Flows. */
void look_take(const char *instance, const char *order, struct look *out);
/* Asks for subflows as well, if that was not done yet. */
void look_at_subflows(const char *instance, struct look *l);
void look_free(struct look *l);
/*
 * Adds what can be told from two looks; the first one may be empty, then rates are those that the daemon has itself.
 * Bits a second: up_rate, down_rate and rate (both) of flows, peers and rules; `flows`, their number, of rules, where
 * the list has all of them; link_out and link_in of paths. Of paths `state` as well, for both families.
 */
void look_compare(const struct look *before, struct look *now);

#endif
