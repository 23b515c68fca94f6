/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include <lib/frame.h>

#define FRAME_FIRST 1024U /* bytes of the first buffer: most messages fit */

void *frame_room(struct frame *f, size_t *size)
{
	if (f->start) {
		memmove(f->buf, f->buf + f->start, f->end - f->start);
		f->end -= f->start;
		f->scanned -= f->start;
		f->start = 0;
	}
	if (f->end == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : FRAME_FIRST;
		char *buf;

		if (cap > f->max)
			cap = f->max;
		if (cap == f->cap)
			return NULL;
		buf = realloc(f->buf, cap);
		if (!buf)
			return NULL;
		f->buf = buf;
		f->cap = cap;
	}
	*size = f->cap - f->end;
	return f->buf + f->end;
}

void frame_filled(struct frame *f, size_t n)
{
	f->end += n;
}

char *frame_next(struct frame *f, size_t *len)
{
	char *message, *nul;

	if (f->scanned == f->end)
		return NULL;
	nul = memchr(f->buf + f->scanned, 0, f->end - f->scanned);
	if (!nul) {
		f->scanned = f->end;
		return NULL;
	}
	message = f->buf + f->start;
	*len = nul - message;
	f->start = f->scanned = nul + 1 - f->buf;
	return message;
}

void frame_free(struct frame *f)
{
	free(f->buf);
	*f = (struct frame){ .max = f->max };
}
