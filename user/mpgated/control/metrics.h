/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What /metrics says: OpenMetrics text, or the text format of Prometheus that was before it, for who asks for no other.
 */
#ifndef MPGATED_METRICS_H
#define MPGATED_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A new malloc'ed text of *len bytes, or NULL: there is none now. */
typedef char *(*metrics_render)(void *arg, bool openmetrics, size_t *len);

/* A text in the making. Starts as zero, but for the first member. */
struct metrics_text {
	bool openmetrics;
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
