/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of fields with spaces between, as the kernel's /proc and files of our own have them. */
#ifndef LIB_FIELDS_H
#define LIB_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Ends each field of line in place, of those that the characters of between separate; the first n go to field. Returns
 * how many there are, which may be more than n.
 */
unsigned fields_split(char *line, const char *between, char **field, unsigned n);
/* Is it a number of that base, digits alone, up to most? Then *out is. */
bool fields_number(const char *field, int base, uint64_t most, uint64_t *out);

#endif
