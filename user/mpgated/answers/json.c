// SPDX-License-Identifier: GPL-2.0-or-later
#include <string.h>

#include <mpgated/answers/answers.h>

json_t *method_fail(const char **error, char **why, const char *text)
{
	*error = "io.mpgate.Failed";
	*why = strdup(text);
	return NULL;
}

void json_set_text(json_t *o, const char *name, const char *text)
{
	if (text && text[0])
		json_object_set_new(o, name, json_string(text));
}

void json_set_int(json_t *o, const char *name, uint64_t value)
{
	/* Counters that workers write may be any number. */
	json_object_set_new(o, name, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}
