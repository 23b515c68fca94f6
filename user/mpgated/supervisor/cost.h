/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What paths cost. Each second the interfaces' own counters and those of the workers are read: bytes by path, rule and
 * day (usage.h), kept in a file over restarts; by them a path whose quota is used up becomes a backup, and one of `use:
 * overflow` a primary while the others are full.
 */
#ifndef MPGATED_COST_H
#define MPGATED_COST_H

#include <uv.h>

#include <lib/usage.h>
#include <mpgated/paths/job.h>
#include <mpgated/supervisor/overflow.h>

#define COST_FILE 160

/* A link, as it was named last: reloads change the index. */
struct cost_link {
	char name[16];
	uint64_t bytes[2]; /* since the daemon started, by direction */
	uint64_t rate[2]; /* bytes a second, in the last one */
	bool counted; /* its counters were there the last time */
	bool spent; /* its quota is */
	bool promoted; /* it is for the overflow, and there is one */
	struct overflow_path seen;
	struct overflow own; /* is it full, beside all others? */
	uint32_t rtt_us; /* as the paths were told */
};

struct cost {
	uv_timer_t timer;
	bool open, read; /* the counters were, once */
	uint64_t looked, saved; /* ms of the loop's clock */
	struct usage usage;
	struct cost_link link[MPGATE_MAX_LINKS]; /* by index in the configuration */
	unsigned count;
	struct overflow cheap; /* are all paths full that are not for the overflow? */
	uint64_t rule_bytes[MPGATE_MAX_RULES][2]; /* as read last, by id - 1 */
	bool dirty; /* there is something to be saved */
	/* Saving; the text is the job's while it runs. */
	struct job job;
	bool saves; /* there is a job */
	char file[COST_FILE], *text;
	size_t text_len;
	int error, told; /* of the last try; that was said */
};

struct supervisor;

/* Reads what was kept, and begins to count. What fails is said, and costs that part only. */
void cost_open(struct supervisor *s);
void cost_close(struct supervisor *s);

/* Of a link with a quota: what is used of it, and the day it begins anew, 0: not known. */
uint64_t cost_used(const struct supervisor *s, unsigned link, uint32_t *again);

/* cost_file.c: 0 or -errno. */
void cost_file_path(char out[COST_FILE], const char *instance);
int cost_file_read(const char *path, struct usage *out);
int cost_file_write(const char *path, const char *text, size_t len); /* all or nothing */

#endif
