/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was: how each path fared in the last hour, and what failed, from when to when. Bounded: a ring for each path,
 * and a list of failures in which the oldest that is over makes room. Times are ms of a clock that nobody sets, so that
 * a length is one also when the wall clock jumps. history.c has the ring and the list, and is pure; history_look.c
 * looks, and answers.
 */
#ifndef MPGATED_HISTORY_H
#define MPGATED_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#define HISTORY_PERIOD_MS 10000U
#define HISTORY_SAMPLES 360U /* of a path: an hour */
#define HISTORY_FAILURES 64U
#define HISTORY_NAME 32
#define HISTORY_WHY 160
#define HISTORY_TO 96

/* From good to bad: of a period the worst counts. */
enum history_state { HISTORY_NONE, HISTORY_UP, HISTORY_UNKNOWN, HISTORY_BACKUP, HISTORY_DOWN };

#define HISTORY_NO_LOSS UINT16_MAX /* too little was sent to say so */

/* A period of a path; all zero: nobody looked. */
struct history_sample {
	uint32_t rate[2]; /* bytes a second of the link, up and down */
	uint32_t rtt_us; /* 0: not known */
	uint16_t loss; /* segments sent again, of 10,000; or HISTORY_NO_LOSS */
	uint8_t state; /* enum history_state */
};

struct history_path {
	struct history_sample *ring; /* HISTORY_SAMPLES, by period */
	uint64_t last; /* period of the newest */
	unsigned count; /* that there are */
};

/* 0 or -ENOMEM. All zero before; history_path_free() makes it so again. */
int history_path_open(struct history_path *p);
void history_path_free(struct history_path *p);
/* The sample of a period: ms / HISTORY_PERIOD_MS. Those left out before are all zero; one that is not new is dropped.
 */
void history_put(struct history_path *p, uint64_t period, const struct history_sample *sample);
/* i: below p->count; 0 is the oldest. */
const struct history_sample *history_get(const struct history_path *p, unsigned i);

enum history_kind { HISTORY_PATH, HISTORY_PEER, HISTORY_DAEMON };

struct history_failure {
	enum history_kind kind;
	const char *state; /* "down"; lives as long as the daemon */
	char name[HISTORY_NAME]; /* of the path (its label), of the peer */
	char link[16]; /* of a path */
	char why[HISTORY_WHY], to[HISTORY_TO]; /* when it began; the latter: who took over */
	uint64_t began, ended; /* ms; the latter 0: it lasts */
	bool seen; /* in this look */
};

/* All zero at first. */
struct history_failures {
	struct history_failure list[HISTORY_FAILURES]; /* the oldest first */
	unsigned count;
};

/* A look at all: it begins, names each thing that is not as it should be, and ends; what it did not name is over. */
void history_look_begin(struct history_failures *f);
/* While HISTORY_FAILURES last, another one is left out. state must live as long as the daemon. */
void history_failing(struct history_failures *f, enum history_kind kind, const char *name, const char *link,
		     const char *state, const char *why, const char *to, uint64_t now);
void history_look_end(struct history_failures *f, uint64_t now);

#endif
