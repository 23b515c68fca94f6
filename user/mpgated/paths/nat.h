/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A NAT or firewall on a path that forgets what is silent, as found out by what became of subflows after a silence.
 * Pure: no I/O; times are ms of a clock that the caller reads.
 *
 * A death is a subflow that was dead after a silence while the path was well. Two of them apart, and none that outlived
 * such a silence in between, are a rule; subflows are then kept by saying something twice as often. Should even these
 * die, it is done twice as often again. Once in a while one subflow is left alone, to show whether that is still so.
 */
#ifndef MPGATED_NAT_H
#define MPGATED_NAT_H

#include <stdbool.h>
#include <stdint.h>

#include <mpgate/abi.h>

#define NAT_LEAST_MS 2000U /* shorter silences are none, and nothing is kept by saying more */
#define NAT_DEATHS 2U
#define NAT_RETRY_MS 3600000U

struct nat {
	struct mpgate_addr addr; /* of the path: what is behind another one is not known */
	uint32_t forgets_ms; /* the rule: the shortest silence that is deadly; 0: there is none */
	uint32_t keep_ms; /* so often subflows are to say something */
	unsigned deaths; /* in a row that no rule explains */
	uint32_t deadly_ms; /* the shortest silence before these */
	uint64_t died; /* the last of them */
	uint64_t retry; /* one is left alone from then on */
	uint64_t alone; /* its cookie, 0: none is */
};

/* The path has that address. */
void nat_at(struct nat *n, const struct mpgate_addr *addr);
/* A subflow was answered after so long a silence. True: the rule is one no more. */
bool nat_lived(struct nat *n, uint64_t cookie, uint32_t idle_ms);
/* One was dead after it, and its connection got another over the same path. True: there is a new rule. */
bool nat_died(struct nat *n, uint32_t idle_ms, uint64_t now);
/* Is this one, which has been silent for so long and will be looked at again after span_ms, to say something? */
bool nat_keeps(struct nat *n, uint64_t cookie, uint32_t idle_ms, uint32_t span_ms, uint64_t now);
/* It is no more. dead: it was found to be. */
void nat_gone(struct nat *n, uint64_t cookie, bool dead, uint64_t now);

#endif
