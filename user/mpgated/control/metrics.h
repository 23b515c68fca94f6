/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /metrics over HTTP as OpenMetrics text, inside the supervisor's loop: no
 * threads. What is measured comes from the render callback, which builds its
 * text with metrics_text.
 */
#ifndef MPGATED_METRICS_H
#define MPGATED_METRICS_H

#include <stdint.h>
#include <stdio.h>
#include <uv.h>

struct metrics;

/* A new malloc'ed text of *len bytes, or NULL: the request is answered with 500. */
typedef char *(*metrics_render)(void *arg, size_t *len);

/*
 * Listens on addr (an IPv4 or IPv6 address) and port. 0, or -errno after a message that names both; *out untouched
 * on failure.
 */
int metrics_open(uv_loop_t *loop, const char *addr, uint16_t port, metrics_render render, void *arg,
		 struct metrics **out);
/* Closes every connection. The memory is freed by the loop, which must run on until nothing is left in it. */
void metrics_close(struct metrics *m);
/* The port that is listened on: of use when metrics_open() was given 0. */
uint16_t metrics_port(const struct metrics *m);

/* OpenMetrics text in the making. Starts as zero. */
struct metrics_text {
	FILE *file;
	char *buf;
	size_t len;
	const char *family, *suffix;
};

struct metrics_label {
	const char *name, *value;
};

/* Starts a family: name without suffix, "counter" or "gauge"; samples follow. name must live as long as its samples. */
void metrics_text_family(struct metrics_text *t, const char *name, const char *type, const char *help);
/* A sample of the family; labels ends with a NULL name, NULL: none. */
void metrics_text_sample(struct metrics_text *t, const struct metrics_label *labels, uint64_t value);
/* Ends the text: malloc'ed, *len bytes; NULL when memory ran out on the way. *t is zero again. */
char *metrics_text_end(struct metrics_text *t, size_t *len);

#endif
