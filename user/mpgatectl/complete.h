/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be the next word, for completion in shells: from the table of verbs, and from the daemon. */
#ifndef CTL_COMPLETE_H
#define CTL_COMPLETE_H

#include <mpgatectl/args.h>
#include <stdio.h>

/*
 * Candidates for the last of the words (the program's own name left out), which is as much as has been typed of it: one
 * a line, "word" or "word<TAB>what it is". Those that only a look at this machine can tell are left to the caller:
 * *instance is the daemon that the words name (NULL: none).
 */
enum args_want complete_words(int count, char *const *words, const char **instance, FILE *out);
/* The same with those; ":file" and ":command" stand for what a shell knows itself. A daemon that does not run adds
 * none. */
void complete(int count, char *const *words, FILE *out);

#endif
