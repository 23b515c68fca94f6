/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control protocol: bytes as a client sends them, in pieces whose size the
 * first byte gives. Whatever is answered must be one JSON object.
 */
// SOURCES: user/mpgated/control/control.c
// LIBS: libuv jansson
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lib/frame.h>
#include <mpgated/control/control.h>

#define CALL_MAX 4096 /* bytes; small, so that the limit is met */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *echo(void *arg, const json_t *parameters, const char **error, char **why)
{
	(void)arg;
	(void)error;
	(void)why;
	return json_pack("{s:O*}", "got", parameters);
}

static json_t *refuse(void *arg, const json_t *parameters, const char **error, char **why)
{
	const char *reason = json_string_value(json_object_get(parameters, "reason"));

	(void)arg;
	*error = parameters ? CONTROL_INVALID_PARAMETER : CONTROL_FAILED;
	*why = reason ? strdup(reason) : NULL;
	return NULL;
}

static const struct control_method methods[] = {
	{ "io.mpgate.Echo", .call = echo },
	{ "io.mpgate.Refuse", .call = refuse },
	{ 0 },
};

static int serve(const char *message, size_t len)
{
	char *text;
	json_t *reply;
	int err;

	if (strlen(message) != len)
		abort();
	err = control_answer(methods, NULL, message, len, &text);
	if (err || !text)
		return err;
	reply = json_loads(text, 0, NULL);
	if (!json_is_object(reply))
		abort();
	json_decref(reply);
	free(text);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame f = { .max = CALL_MAX };
	size_t piece = size ? *data + 1U : 0;
	int err = 0;

	for (size_t at = 1; at < size && !err;) {
		size_t room_size, len, n = size - at < piece ? size - at : piece;
		char *message, *room = frame_room(&f, &room_size);

		if (!room)
			break;
		n = n < room_size ? n : room_size;
		memcpy(room, data + at, n);
		frame_filled(&f, n);
		at += n;
		while (!err && (message = frame_next(&f, &len)))
			err = serve(message, len);
	}
	frame_free(&f);
	return 0;
}
