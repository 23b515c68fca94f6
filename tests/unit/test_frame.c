// SPDX-License-Identifier: GPL-2.0-or-later
/* The framing of the control socket: messages that end with a NUL. */
#include <stdlib.h>
#include <string.h>

#include <lib/frame.h>

#include "cunit.h"

static void feed(struct frame *f, const char *data, size_t len)
{
	while (len) {
		size_t size = 0;
		char *room = frame_room(f, &size);

		CU_ASSERT_PTR_NOT_NULL_FATAL(room);
		size = size < len ? size : len;
		memcpy(room, data, size);
		frame_filled(f, size);
		data += size;
		len -= size;
	}
}

static void frame_splits_messages_however_they_arrive(void)
{
	static const char stream[] = "one\0two\0\0four";
	static const char *const want[] = { "one", "two", "", "four" };

	for (size_t piece = 1; piece <= sizeof(stream); piece++) {
		struct frame f = { .max = sizeof(stream) };
		size_t got = 0;

		for (size_t at = 0; at < sizeof(stream); at += piece) {
			size_t len, n = sizeof(stream) - at < piece ? sizeof(stream) - at : piece;
			char *message;

			feed(&f, stream + at, n);
			while ((message = frame_next(&f, &len))) {
				CU_ASSERT_FATAL(got < 4);
				CU_ASSERT_STRING_EQUAL(message, want[got]);
				CU_ASSERT_EQUAL(len, strlen(want[got]));
				got++;
			}
		}
		CU_ASSERT_EQUAL(got, 4);
		frame_free(&f);
	}
}

static void frame_refuses_what_is_too_long(void)
{
	struct frame f = { .max = 4 };
	size_t size, len;

	feed(&f, "abc", 4);
	CU_ASSERT_PTR_NOT_NULL(frame_next(&f, &len));
	feed(&f, "abcd", 4);
	CU_ASSERT_PTR_NULL(frame_next(&f, &len));
	CU_ASSERT_PTR_NULL(frame_room(&f, &size));
	frame_free(&f);
}

int main(void)
{
	static CU_TestInfo tests[] = {
		{ "frame_splits_messages_however_they_arrive", frame_splits_messages_however_they_arrive },
		{ "frame_refuses_what_is_too_long", frame_refuses_what_is_too_long },
		CU_TEST_INFO_NULL,
	};

	return cunit_run("frame", tests, NULL, NULL) ? EXIT_SUCCESS : EXIT_FAILURE;
}
