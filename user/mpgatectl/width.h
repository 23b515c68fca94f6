/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How wide text is, and how wide it may be. Text is UTF-8, a code point a column. */
#ifndef CTL_WIDTH_H
#define CTL_WIDTH_H

#include <stddef.h>
#include <stdio.h>

/* Columns of the terminal that out is, COLUMNS first; 0: it is none, and nothing is to be cut. */
unsigned width_of(FILE *out);
/* Columns of text. */
unsigned width_text(const char *text);
/* How many bytes of text fill that many columns at most. */
size_t width_bytes(const char *text, unsigned columns);

#endif
