/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holds the document against the schema (raw.h), and says in plain words what does not fit and what does: keys that are
 * not known, missing ones, words that are not among those allowed, numbers that are none, values of another kind.
 * libcyaml finds most of it, too, but in its own terms and with the line of a neighbour.
 */
#ifndef LIB_CONFIG_CHECK_H
#define LIB_CONFIG_CHECK_H

#include <lib/config/where.h>

/* 0 or -EINVAL with *err filled in. */
int check_document(const struct where *w, struct cfg_error *err);

#endif
