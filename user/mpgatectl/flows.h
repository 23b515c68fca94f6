/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `flows list`: which of the flows are asked for, and in which order they are shown. No I/O. */
#ifndef CTL_FLOWS_H
#define CTL_FLOWS_H

#include <mpgatectl/args.h>

/* A verb's ask. */
json_t *flows_ask(const struct args *args, char *error, size_t size);
/* A verb's shape: sorts the answer's "flows". */
void flows_shape(const struct args *args, json_t *value);
/* Sorts an array of flows by one of those words, or by the member "rate"; the same stay in their order. */
void flows_sort(json_t *flows, const char *word);
/*
 * The order in which the daemon is to have them, so that those it leaves out come behind the others by that word, too.
 * Of "rate": what carried nothing lately has none. NULL: it has no such order.
 */
const char *flows_order(const char *word);
/* The words for --sort one by one, from 0 on; NULL behind the last. */
const char *flows_sort_word(unsigned i);

#endif
