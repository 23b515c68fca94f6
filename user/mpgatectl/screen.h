/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `top` shows, as lines for a terminal. No I/O but what is printed. */
#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#include <mpgatectl/look.h>

struct screen {
	unsigned rows, columns;
	unsigned sort; /* index into screen_sorts */
	unsigned chosen; /* of the flows as they are sorted: the one under the bar */
	int move; /* by so many it shall move before the next drawing */
	char name[160]; /* of the one under the bar, which it follows; empty: none yet */
	bool open; /* that flow alone is shown */
	bool paused;
};

/* Words for flows_sort(), the last one is NULL. */
extern const char *const screen_sorts[];

/* Draws it all over what was there: rows lines of columns at most. Sorts the look's flows, and moves the bar.
 */
void screen_draw(FILE *out, struct screen *s, const struct look *l);

#endif
