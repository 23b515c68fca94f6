/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes by path, by rule and by day, and how they are written down. No I/O; days are local, of this machine's time
 * zone.
 *
 * A quota's period is no state: what counts is the sum of its days. So a clock that was wrong for a while has begun no
 * period that cannot be taken back.
 */
#ifndef LIB_USAGE_H
#define LIB_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define USAGE_DAYS 35U /* of a name that are kept: more than any month has */
#define USAGE_NAMES 2048U /* when there are more, the one that was used least lately is forgotten */
#define USAGE_COUNTERS 64U /* the same of interfaces */
#define USAGE_NAME 32U /* bytes */

enum usage_kind { USAGE_PATH, USAGE_RULE };

struct usage_day {
	uint32_t day; /* 20261231; 0: before the clock was right */
	uint64_t up, down;
};

struct usage_item {
	enum usage_kind kind;
	char name[USAGE_NAME];
	unsigned count;
	struct usage_day day[USAGE_DAYS]; /* oldest first */
};

/* An interface's own counters when they were read last. */
struct usage_counter {
	char link[USAGE_NAME];
	unsigned ifindex;
	uint64_t rx, tx;
};

struct usage {
	struct usage_item *items;
	unsigned count;
	uint32_t last; /* the day, as far as it is known */
	time_t back; /* since then the clock has been before it; 0: it is not */
	char boot[USAGE_NAME + 8]; /* of the machine: counters of another one are of no use */
	struct usage_counter counter[USAGE_COUNTERS]; /* who was counted last comes last */
	unsigned counters;
};

/*
 * The day that bytes are counted for now. A clock that is before all our time has not been set yet: then it is the last
 * day that was known. So it is when the clock goes back; when it stays there for a day, it is right, and what was
 * counted for later days is that day's.
 */
uint32_t usage_today(struct usage *u, time_t now);
/* -ENOMEM, or 0. */
int usage_add(struct usage *u, enum usage_kind kind, const char *name, uint32_t day, uint64_t up, uint64_t down);
const struct usage_item *usage_find(const struct usage *u, enum usage_kind kind, const char *name); /* NULL: none */
/* Both directions, of that day and all later ones. */
uint64_t usage_since(const struct usage *u, enum usage_kind kind, const char *name, uint32_t day);

/*
 * The counters of an interface are so now: what it has carried since it was asked last, and while nobody asked. Another
 * interface of that name began with 0, and what it has carried is this one's, too; one that was never asked has carried
 * nothing yet. Of more interfaces than there is room for, the one that was counted least lately is forgotten.
 */
void usage_count(struct usage *u, const char *link, const struct usage_counter *now, uint64_t *up, uint64_t *down);

/* The first day of the month that this one is in, where months begin on day `reset` (1 to 28); and of the next. */
uint32_t usage_month(uint32_t day, unsigned reset);
uint32_t usage_next_month(uint32_t day, unsigned reset);

/* As text, malloc'ed; NULL: no memory. And back: 0, -ENOMEM, or -EPROTO with nothing taken of it. */
char *usage_print(const struct usage *u, size_t *len);
int usage_parse(struct usage *u, const char *text);
void usage_free(struct usage *u);

#endif
