/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What commands there are, from the table of verbs. */
#ifndef CTL_HELP_H
#define CTL_HELP_H

#include <mpgatectl/args.h>
#include <stdio.h>

/* All commands, or those of a noun, or one verb with its options. Both NULL: all. No line is longer than 80 columns. */
void help(FILE *out, const struct verb *verb, const char *noun);

#endif
