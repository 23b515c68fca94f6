/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names that a daemon knows: of peers, rules, paths, and of links with rules. */
#ifndef CTL_NAMES_H
#define CTL_NAMES_H

#include <mpgatectl/args.h>

/* An array of strings; NULL: there are none of that kind, or the daemon does not say. A new reference. */
json_t *names_known(const char *instance, enum args_want want);
/* Whether the value of an option is a name that the daemon does not know; then a malloc'ed line is in *error. */
bool names_wrong(const struct args *args, char **error);

#endif
