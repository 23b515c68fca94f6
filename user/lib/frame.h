/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of a byte stream that end with a NUL each (varlink), taken out as they become complete. No I/O. */
#ifndef LIB_FRAME_H
#define LIB_FRAME_H

#include <stddef.h>

struct frame {
	size_t max; /* bytes of the longest message, NUL included; set by the owner, the rest starts as zero */
	char *buf;
	size_t cap; /* bytes of buf, never more than max */
	size_t start, end; /* what was received and not taken */
	size_t scanned; /* no NUL before this */
};

/*
 * Room for bytes to be received, at least one; *size says how many. NULL when the message that is being received is
 * longer than max, or there is no memory. What frame_next() returned before is gone.
 */
void *frame_room(struct frame *f, size_t *size);
/* n bytes were put into that room. */
void frame_filled(struct frame *f, size_t n);
/* The next complete message, *len bytes and a NUL; NULL: there is none yet. Valid until frame_room(). */
char *frame_next(struct frame *f, size_t *len);
void frame_free(struct frame *f);

#endif
