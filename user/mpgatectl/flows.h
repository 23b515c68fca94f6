/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `flows list`: which of the flows are shown, and in which order. No I/O. */
#ifndef CTL_FLOWS_H
#define CTL_FLOWS_H

#include <mpgatectl/args.h>

/* A verb's ask; options that are for its shape are checked. */
json_t *flows_ask(const struct args *args, char *error, size_t size);
/* A verb's shape: leaves in the answer's "flows" those that the options name, sorted. */
void flows_shape(const struct args *args, json_t *value);
/* Sorts an array of flows by one of those words, or by the member "rate"; the same stay in their order. */
void flows_sort(json_t *flows, const char *word);
/* The words for --sort one by one, from 0 on; NULL behind the last. */
const char *flows_sort_word(unsigned i);

#endif
